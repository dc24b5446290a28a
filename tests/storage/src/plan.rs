//! What is measured: programs, sizes, rounds and the speeds of the server.
use anyhow::Context;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

pub const MIB: u64 = 1024 * 1024;

/// A speed of the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    pub name: &'static str,
    /// MB (10^6 bytes) a second for each connection.
    pub rate: Option<u64>,
    /// Before each answer.
    pub latency: Duration,
}

/// Loopback as fast as it is; one blob stream of Azure's; the same with the time that a request to a store in the same region takes.
pub const SPEEDS: [Speed; 3] = [
    Speed { name: "no cap", rate: None, latency: Duration::ZERO },
    Speed { name: "60 MB/s", rate: Some(60), latency: Duration::ZERO },
    Speed { name: "60 MB/s, 10 ms", rate: Some(60), latency: Duration::from_millis(10) },
];

/// Everything that the measurement is told.
#[derive(Debug)]
pub struct Plan {
    pub rounds: usize,
    /// The binary `ochre`; without it nothing of ours is mounted.
    pub ochre: PathBuf,
    pub serve: PathBuf,
    pub rclone: PathBuf,
    pub s3fs: PathBuf,
    /// Scratch directory: mount points, caches of peers, uploads.
    pub scratch: PathBuf,
    pub out: PathBuf,
    /// Bytes of the sequential reads.
    pub large: u64,
    /// Bytes of the file that is read at random places.
    pub huge: u64,
    /// Bytes of an upload.
    pub upload: u64,
    /// Small files, of 4 KiB each.
    pub small: usize,
    /// Names that are listed.
    pub names: usize,
    /// A measurement that takes longer is ended, and the table says so.
    pub limit: Duration,
    /// Parts of names of measurements; empty is all.
    pub only: Vec<String>,
}

impl Plan {
    /// From xtask's file.
    pub fn read(file: &str) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
        let value: Value = serde_json::from_str(&text)?;
        let path = |name: &str| value[name].as_str().map(PathBuf::from).with_context(|| format!("{file} has no `{name}`"));
        let number = |name: &str, default: u64| value[name].as_u64().unwrap_or(default);
        Ok(Self {
            rounds: number("rounds", 3) as usize,
            ochre: path("ochre")?,
            serve: path("serve")?,
            rclone: path("rclone")?,
            s3fs: path("s3fs")?,
            scratch: path("scratch")?,
            out: path("out")?,
            large: number("large_mib", 1024) * MIB,
            huge: number("huge_mib", 16 * 1024) * MIB,
            upload: number("upload_mib", 512) * MIB,
            small: number("small", 10_000) as usize,
            names: number("names", 100_000) as usize,
            limit: Duration::from_secs(number("limit", 60)),
            only: value["only"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect(),
        })
    }

    /// Whether a measurement was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }
}
