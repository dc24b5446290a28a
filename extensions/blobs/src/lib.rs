//! Blob stores for both sides of the link: locations, grants, and the parallel reader and writer. Knows no magic, no cell and no identity.
#![forbid(unsafe_code)]
