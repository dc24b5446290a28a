//! Where runs are kept: MLflow's SQLite schema in a file, or an MLflow server, Azure ML or Databricks over REST. Knows no cell and no magic.
#![forbid(unsafe_code)]
