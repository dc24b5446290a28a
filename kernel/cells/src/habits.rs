//! Habits of other kernels.
