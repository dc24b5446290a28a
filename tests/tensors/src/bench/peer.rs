//! PyTorch as a child that keeps its tensors between measurements: one line in, one line out.
use super::rows::Row;
use anyhow::{Context, bail};
use ochre_tensors::Device;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The child.
pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub version: String,
}

impl Peer {
    /// Starts it with a number of threads.
    pub fn start(python: &Path, device: Device, threads: usize) -> anyhow::Result<Self> {
        let mut command = Command::new(python);
        command.args(["-u", "-c", include_str!("peer.py")]).args([torch_device(device), threads.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {}", python.display()))?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut peer = Self { child, input, output, version: String::new() };
        peer.version = peer.ask(&json!({ "hello": true }))?["version"].as_str().unwrap_or_default().to_owned();
        Ok(peer)
    }

    /// Makes a row's tensors.
    pub fn prepare(&mut self, row: &Row) -> anyhow::Result<()> {
        self.ask(&json!({ "setup": row.setup, "step": row.step })).map(drop).with_context(|| row.name.to_owned())
    }

    /// Seconds of one repetition of the row's step.
    pub fn time(&mut self, repeats: usize) -> anyhow::Result<f64> {
        self.ask(&json!({ "repeats": repeats }))?["seconds"].as_f64().context("no time came back")
    }

    fn ask(&mut self, request: &Value) -> anyhow::Result<Value> {
        writeln!(self.input, "{request}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            bail!("PyTorch ended: {:?}; its words are above", self.child.wait()?);
        }
        serde_json::from_str(&line).context("PyTorch's answer is no JSON")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn torch_device(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda(number) => format!("cuda:{number}"),
    }
}
