//! Secrets in memory: a type that cannot be printed, and the redactor for all that leaves the kernel. Used on both sides; knows no backend.
#![forbid(unsafe_code)]
