//! The durable queue between a log call and the place where runs are kept. Used on both sides of the link; knows no backend.
#![deny(unsafe_code)]
