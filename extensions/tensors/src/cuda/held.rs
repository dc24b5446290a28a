//! What this process's tensors hold on GPUs, in words: for `%gpu`, which runs a cell that asks.
use super::{Cuda, Statistics};
use std::fmt;

/// One line per GPU that was used. Its `Debug` is the same text, so that a cell shows it as it is.
pub struct Held(String);

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What tensors hold now. No GPU is opened or waited for by asking; empty where none was used.
pub fn held() -> Held {
    let mut used: Vec<&Cuda> = super::open().clone();
    used.sort_by_key(|cuda| cuda.gpu.number);
    let lines = used.iter().map(|cuda| line(cuda.gpu.number, &cuda.gpu.statistics(), &cuda.gpu.largest(), &cuda.libraries_in_use()));
    Held(lines.collect::<Vec<_>>().join("\n"))
}

/// `cuda:0: 1.2 GB in 34 tensors (at most 3.4 GB; 4.0 GB taken from the driver): 20 x f32 [512, 512] = 21.0 MB; with cuBLASLt, cuDNN 91002`
fn line(number: usize, statistics: &Statistics, holders: &str, libraries: &str) -> String {
    let Statistics { allocated, peak_allocated, reserved, live, .. } = *statistics;
    let buffers = if live == 1 { "buffer" } else { "buffers" };
    let mut text = format!("cuda:{number}: {} in {live} {buffers} (at most {}; {} taken from the driver)", size(allocated), size(peak_allocated), size(reserved));
    for (before, part) in [(": ", holders), ("; with ", libraries)] {
        if !part.is_empty() {
            text.push_str(before);
            text.push_str(part);
        }
    }
    text
}

/// Bytes in the units that cards are sold and errors are written in.
pub(super) fn size(bytes: usize) -> String {
    match bytes as f64 {
        b if b >= 1e9 => format!("{:.1} GB", b / 1e9),
        b if b >= 1e5 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.1} kB", b / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_is_held_kept_and_used() {
        let statistics = Statistics { allocated: 1_200_000_000, peak_allocated: 3_400_000_000, reserved: 4_000_000_000, live: 34, ..Statistics::default() };
        assert_eq!(
            line(0, &statistics, "20 x f32 [512, 512] = 21.0 MB", "cuBLASLt"),
            "cuda:0: 1.2 GB in 34 buffers (at most 3.4 GB; 4.0 GB taken from the driver): 20 x f32 [512, 512] = 21.0 MB; with cuBLASLt"
        );
        let one = Statistics { allocated: 512, peak_allocated: 512, reserved: 2 << 20, live: 1, ..Statistics::default() };
        assert_eq!(line(1, &one, "", ""), "cuda:1: 0.5 kB in 1 buffer (at most 0.5 kB; 2.1 MB taken from the driver)");
    }

    #[test]
    fn what_was_never_used_holds_nothing() {
        // On a host with a GPU other tests may have used it.
        if super::super::device_count() == 0 {
            assert_eq!(held().to_string(), "");
        }
        assert_eq!(format!("{:?}", Held("cuda:0: …".into())), "cuda:0: …");
    }
}
