//! A bad line before any target, for tests: it delays, splits and cuts, the same way for the same seed.
//!
//! ```text
//! Connection <== small pieces, late ==  Faulty  <== worker's stream
//! ```
//! Engines and sessions take it wherever they take a [`Target`].
use super::{StartError, Started, Target};
use async_trait::async_trait;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

/// Bytes in flight within the proxy: small, so that back pressure is felt.
const BUFFER_BYTES: usize = 16 << 10;

/// What is wrong with the line.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Decides the length of every piece and its delay.
    pub seed: u64,
    /// Longest piece in bytes, at least one.
    pub longest_piece: usize,
    /// Longest delay before a piece; one piece in sixteen is delayed.
    pub longest_delay: Duration,
    /// The line breaks after this many bytes from the worker.
    pub cut_from_worker: Option<u64>,
    /// The line breaks after this many bytes to the worker.
    pub cut_to_worker: Option<u64>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { seed: 1, longest_piece: 700, longest_delay: Duration::from_millis(2), cut_from_worker: None, cut_to_worker: None }
    }
}

/// A target behind a bad line.
pub struct Faulty<T> {
    pub target: T,
    pub faults: Faults,
}

#[async_trait]
impl<T: Target> Target for Faulty<T> {
    fn name(&self) -> String {
        format!("{} (behind a bad line)", self.target.name())
    }

    async fn start(&self) -> Result<Started, StartError> {
        let Started { reader, writer, process } = self.target.start().await?;
        let (near, far) = tokio::io::duplex(BUFFER_BYTES);
        tokio::spawn(carry(far, reader, writer, self.faults));
        let (reader, writer) = tokio::io::split(near);
        Ok(Started { reader: Box::new(reader), writer: Box::new(writer), process })
    }
}

/// Carries both ways until one of them breaks or the worker's side ends; then both are closed.
async fn carry(line: DuplexStream, from_worker: Box<dyn AsyncRead + Send + Unpin>, to_worker: Box<dyn AsyncWrite + Send + Unpin>, faults: Faults) {
    let (line_out, line_in) = tokio::io::split(line);
    let down = carry_one_way(from_worker, line_in, Dice(faults.seed), faults, faults.cut_from_worker);
    let up = carry_one_way(line_out, to_worker, Dice(faults.seed ^ u64::MAX), faults, faults.cut_to_worker);
    tokio::select! {
        () = down => {}
        // The kernel's side may be silent for ever; only a cut ends it.
        () = up => {}
    }
}

async fn carry_one_way(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut dice: Dice, faults: Faults, cut: Option<u64>) {
    let mut left = cut.unwrap_or(u64::MAX);
    let mut piece = vec![0u8; faults.longest_piece.max(1)];
    while left > 0 {
        let wanted = (1 + dice.below(piece.len() as u64)).min(left) as usize;
        let Ok(n) = from.read(&mut piece[..wanted]).await else { return };
        if n == 0 {
            return;
        }
        if dice.below(16) == 0 {
            let micros = dice.below(faults.longest_delay.as_micros() as u64 + 1);
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
        if to.write_all(&piece[..n]).await.is_err() || to.flush().await.is_err() {
            return;
        }
        left -= n as u64;
    }
}

/// Numbers that look random and repeat with the seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
