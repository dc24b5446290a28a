//! Tabular learning without frames: samplers and pruning of sweeps, cross-validation, models, preparation and judging of predictions.
#![forbid(unsafe_code)]
