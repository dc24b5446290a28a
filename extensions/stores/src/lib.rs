//! The cell side of storage: `ochre::store` and polars' access to the same accounts. Asks the kernel for grants.
#![forbid(unsafe_code)]
