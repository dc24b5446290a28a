//! Servers that tests and benchmarks talk to: the emulators as processes, and servers of ours with set faults and speed.
#![forbid(unsafe_code)]
