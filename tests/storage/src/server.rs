//! The blob server as a process of its own, so that its work and its memory are not the contenders'.
use crate::plan::{MIB, Plan, Speed};
use anyhow::Context;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The container that everybody reads.
pub const CONTAINER: &str = "bench";
/// 4 KiB: what the notebooks' pictures and labels are at least.
pub const SMALL_BYTES: u64 = 4096;
/// Readers of the measurement with several.
pub const READERS: u64 = 4;

/// A running server.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    /// Starts it with the plan's blobs at a speed.
    pub fn start(plan: &Plan, speed: Speed) -> anyhow::Result<Self> {
        let mut command = Command::new(&plan.serve);
        command.args(["blobs", &format!("latency={}", speed.latency.as_millis())]);
        if let Some(rate) = speed.rate {
            command.arg(format!("rate={rate}"));
        }
        command.arg(format!("blob={CONTAINER}/large/one:{}", plan.large));
        for n in 0..READERS {
            command.arg(format!("blob={CONTAINER}/parts/{n}:{}", plan.large / READERS));
        }
        command.arg(format!("blob={CONTAINER}/huge/one:{}", plan.huge));
        command.arg(format!("many={CONTAINER}/small/f:{}:{SMALL_BYTES}", plan.small)).arg(format!("many={CONTAINER}/names/n:{}:{MIB}", plan.names));
        command.arg(format!("blob={CONTAINER}/upload/.keep:0"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {}", plan.serve.display()))?;
        let mut line = String::new();
        let out = child.stdout.take().context("the server has no output")?;
        BufReader::new(out).read_line(&mut line)?;
        let url = line.trim().strip_prefix("ready ").with_context(|| format!("the server said `{}`", line.trim()))?.to_string();
        Ok(Self { child, url })
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
