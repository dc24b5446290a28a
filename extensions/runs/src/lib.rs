//! Experiments and runs for people: the magics, the delivery of what cells log, live views, system metrics and provenance.
#![forbid(unsafe_code)]
