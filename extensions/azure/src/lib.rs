//! Azure over REST: Entra credentials and the resource manager. Used by storage, vault and later by runs, models and compute.
#![forbid(unsafe_code)]
