//! Arithmetic on the CPU.
