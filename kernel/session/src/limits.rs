//! The size limits that every output passes, and what the user is told when something is cut.
use crate::front::Output;
use ochre_link::{Bundle, Data, Stream};

/// Outputs that wait for a slow front end before the cell has to wait; each may hold one display.
pub const MAX_QUEUED_OUTPUTS: usize = 256;
/// Bytes of stdout and stderr of one cell that are shown. Front ends keep every output in the notebook file
/// and in the page, and JupyterLab is slow from a few tens of megabytes on.
pub const MAX_STREAM_BYTES: usize = 10 << 20;
/// Bytes of one media type of one display, before base64: the largest picture or table that still opens.
pub const MAX_DISPLAY_BYTES: usize = 32 << 20;
/// Bytes of a text that stands for a display which was too large.
const CUT_TEXT_BYTES: usize = 64 << 10;

/// Keeps the account of one cell.
#[derive(Default)]
pub(crate) struct Limiter {
    shown: usize,
    cut: usize,
}

impl Limiter {
    /// What is shown of an output: itself, or a shortened form with a note.
    pub(crate) fn pass(&mut self, output: Output) -> Vec<Output> {
        match output {
            Output::Stream { stream, text } => self.stream(stream, text),
            Output::Display { bundle, id, update } => vec![Output::Display { bundle: bounded(bundle), id, update }],
            Output::Result { bundle, count } => vec![Output::Result { bundle: bounded(bundle), count }],
            other => vec![other],
        }
    }

    /// Whether stdout and stderr are not shown any more.
    pub(crate) fn is_full(&self) -> bool {
        self.cut > 0
    }

    fn stream(&mut self, stream: Stream, text: String) -> Vec<Output> {
        let room = MAX_STREAM_BYTES.saturating_sub(self.shown);
        if text.len() <= room && self.cut == 0 {
            self.shown += text.len();
            return vec![Output::Stream { stream, text }];
        }
        let first = self.cut == 0;
        let keep = if first { border(&text, room) } else { 0 };
        self.shown += keep;
        self.cut += text.len() - keep;
        if !first {
            return Vec::new();
        }
        let note = format!(
            "\n[output is cut here, after {}: write more than that to a file, with `std::fs::write(\"out.txt\", …)`, or with `!command > out.txt`]\n",
            size(MAX_STREAM_BYTES)
        );
        let kept = Output::Stream { stream, text: text[..keep].to_owned() };
        vec![kept, Output::Stream { stream: Stream::Stderr, text: note }]
    }

    /// Said when the cell has ended: how much was cut.
    pub(crate) fn end_note(&self) -> Option<Output> {
        let text = format!("[{} of output were left out]\n", size(self.cut));
        (self.cut > 0).then_some(Output::Stream { stream: Stream::Stderr, text })
    }
}

/// A bundle in which no media type is larger than the limit.
pub(crate) fn bounded(mut bundle: Bundle) -> Bundle {
    if bundle.data.iter().all(|(_, data)| data.len() <= MAX_DISPLAY_BYTES) {
        return bundle;
    }
    let mut notes = Vec::new();
    let mut plain = bundle.text().map(|t| t[..border(t, CUT_TEXT_BYTES)].to_owned()).unwrap_or_default();
    bundle.data.retain(|(media, data)| {
        let fits = data.len() <= MAX_DISPLAY_BYTES;
        if !fits {
            notes.push(format!("{media} of {} left out: the limit is {}", size(data.len()), size(MAX_DISPLAY_BYTES)));
        }
        fits
    });
    let whole = bundle.text().map(str::to_owned);
    if let Some(text) = whole {
        plain = text;
    } else if !plain.is_empty() {
        plain.push('…');
    }
    bundle.with("text/plain", Data::Text(format!("{plain}\n[{}; show less of it, or write it to a file]", notes.join("; "))))
}

/// The largest character border that is not above `limit`.
fn border(text: &str, limit: usize) -> usize {
    let mut at = limit.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// `10 MB`, `3.5 kB`: bytes for people, in steps of 1024 as files are shown.
pub(crate) fn size(bytes: usize) -> String {
    const STEPS: [(&str, f64); 3] = [("GB", 1073741824.0), ("MB", 1048576.0), ("kB", 1024.0)];
    for (unit, step) in STEPS {
        if bytes as f64 >= step {
            let number = bytes as f64 / step;
            return if number >= 10.0 || number.fract() < 0.05 { format!("{number:.0} {unit}") } else { format!("{number:.1} {unit}") };
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(outputs: &[Output]) -> usize {
        outputs.iter().map(|o| if let Output::Stream { stream: Stream::Stdout, text } = o { text.len() } else { 0 }).sum()
    }

    #[test]
    fn streams_are_cut_at_a_border_and_it_is_said_twice() {
        let mut limiter = Limiter::default();
        let piece = "é".repeat(1 << 20);
        let mut shown = 0;
        let mut outputs = 0;
        for _ in 0..100 {
            let out = limiter.pass(Output::Stream { stream: Stream::Stdout, text: format!("x{piece}") });
            shown += text(&out);
            outputs += out.len();
        }
        assert!(shown <= MAX_STREAM_BYTES && shown > MAX_STREAM_BYTES - 4, "{shown} bytes shown");
        assert!(outputs < 10, "{outputs} outputs for what was cut");
        assert!(matches!(limiter.end_note(), Some(Output::Stream { text, .. }) if text.starts_with("[190 MB")));
    }

    #[test]
    fn a_large_display_keeps_what_fits() {
        let bundle = Bundle::plain("short").with("text/html", Data::Text("x".repeat(MAX_DISPLAY_BYTES + 1)));
        let bundle = bounded(bundle);
        assert!(bundle.get("text/html").is_none());
        assert!(bundle.text().is_some_and(|t| t.starts_with("short\n[text/html of 32 MB left out")), "{:?}", bundle.text());
        let plain = bounded(Bundle::plain("y".repeat(MAX_DISPLAY_BYTES + 1)));
        assert!(plain.text().is_some_and(|t| t.len() < CUT_TEXT_BYTES + 300 && t.contains("left out")));
    }
}
