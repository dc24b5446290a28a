//! Where secrets are kept, and `%secret`.
#![forbid(unsafe_code)]
