//! A container as a directory: FUSE, seccomp user notification, or a synced folder.
#![forbid(unsafe_code)]
