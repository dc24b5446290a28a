//! Storage as magics: accounts and credentials, listing, copying, unzipping, mounting, the Azure ML workspace.
#![forbid(unsafe_code)]
