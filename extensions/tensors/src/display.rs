//! How a tensor prints: as PyTorch does, four digits, large ones abbreviated. Only what is shown is brought from the device.
use crate::device::backend;
use crate::error::Result;
use crate::values::number;
use crate::{Buffer, DType, Device, Tensor, TensorError};
use std::fmt;

/// Of more elements only the edges are shown.
const WHOLE: usize = 1000;
/// So many at each edge.
const EDGE: usize = 3;
/// Characters in a line.
const LINE: usize = 80;
const OPENING: &str = "tensor(";

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match render(self) {
            Ok(text) => f.write_str(&text),
            Err(error) => write!(f, "tensor(shape={:?}, dtype={}, device={}: {error})", self.shape(), self.dtype(), self.device()),
        }
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Tensor {
    /// The elements as they print, without type and shape; of a large tensor only the edges, which are all that is brought from the device.
    pub fn try_preview(&self) -> Result<String> {
        preview(self, 0)
    }
}

/// The elements between brackets; later lines are indented by `indent`.
fn preview(x: &Tensor, indent: usize) -> Result<String> {
    let short = x.len() > WHOLE;
    let shown = if short { edges(x)? } else { x.detach() };
    let buffer = backend(shown.device())?.download(&shown.raw())?;
    let words = words(&buffer);
    let width = words.iter().map(|word| word.chars().count()).max().unwrap_or(0);
    if x.rank() == 0 {
        return Ok(words.first().map_or("", String::as_str).trim().to_owned());
    }
    if x.is_empty() {
        return Ok("[]".to_owned());
    }
    let cut: Vec<bool> = x.shape().iter().map(|&size| short && size > 2 * EDGE).collect();
    let mut text = String::new();
    Print { words: &words, width, shape: shown.shape(), cut: &cut, indent }.level(&mut text, 0, 0);
    Ok(text)
}

fn render(x: &Tensor) -> Result<String> {
    let mut text = OPENING.to_owned();
    text.push_str(&preview(x, OPENING.len())?);
    let mut notes = Vec::new();
    if x.len() > WHOLE || x.is_empty() && x.rank() != 1 {
        notes.push(format!("shape={:?}", x.shape()));
    }
    if !matches!(x.dtype(), DType::F32 | DType::I64 | DType::Bool) || x.is_empty() && x.dtype() != DType::F32 {
        notes.push(format!("dtype={}", x.dtype()));
    }
    if x.device() != Device::Cpu {
        notes.push(format!("device={}", x.device()));
    }
    match (x.is_parameter(), &x.0.node) {
        (true, _) => notes.push("requires_grad".to_owned()),
        (_, Some(node)) => notes.push(format!("grad_of={}", node.operation())),
        _ => {}
    }
    for note in notes {
        text.push_str(", ");
        text.push_str(&note);
    }
    text.push(')');
    Ok(text)
}

/// The elements that are shown, still on the device.
fn edges(x: &Tensor) -> Result<Tensor> {
    let mut raw = x.raw();
    for dim in 0..x.rank() {
        let size = raw.shape()[dim];
        if size > 2 * EDGE {
            let backend = backend(raw.device())?;
            let index: Vec<i64> = (0..EDGE).chain(size - EDGE..size).map(|place| place as i64).collect();
            raw = backend.index_select(&raw, dim, &backend.upload(Buffer::from(index), &[2 * EDGE])?)?;
        }
    }
    if raw.len() > 1 << 20 {
        // So many dimensions that even edges are no preview.
        return Err(TensorError::Shape { operation: "display", problem: "too many dimensions to show".to_owned() });
    }
    Ok(Tensor::from_raw(raw))
}

/// Each element in words of one style.
fn words(buffer: &Buffer) -> Vec<String> {
    let values: Vec<f64> = (0..buffer.len()).map(|i| number(buffer, i)).collect();
    match buffer {
        Buffer::Bool(values) => values.iter().map(|value| value.to_string()).collect(),
        Buffer::I64(values) => values.iter().map(|value| value.to_string()).collect(),
        Buffer::U8(_) | Buffer::I32(_) => values.iter().map(|value| format!("{value:.0}")).collect(),
        _ => fractions(&values),
    }
}

/// PyTorch's rule: four digits, in powers of ten where sizes differ by more than a thousand; whole numbers as `1.` (ours stay so up to 10^8).
fn fractions(values: &[f64]) -> Vec<String> {
    let finite = || values.iter().copied().filter(|value| value.is_finite() && *value != 0.0).map(f64::abs);
    let (largest, smallest) = (finite().fold(0.0, f64::max), finite().fold(f64::INFINITY, f64::min));
    let whole = values.iter().all(|value| !value.is_finite() || value.fract() == 0.0);
    let uneven = !whole && largest > 0.0 && (largest / smallest > 1000.0 || smallest < 1e-4);
    let powers = largest > 1e8 || uneven;
    let word = |&value: &f64| match value {
        _ if value.is_nan() => "nan".to_owned(),
        _ if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.to_owned(),
        _ if powers => power(value),
        _ if whole => format!("{value:.0}."),
        _ => format!("{value:.4}"),
    };
    values.iter().map(word).collect()
}

/// `1.2346e+05`
fn power(value: f64) -> String {
    let text = format!("{value:.4e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let exponent: i32 = exponent.parse().unwrap_or(0);
            format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
        }
        None => text,
    }
}

struct Print<'a> {
    words: &'a [String],
    width: usize,
    shape: &'a [usize],
    /// Dimensions of which only the edges are in `words`.
    cut: &'a [bool],
    /// Spaces before each line but the first.
    indent: usize,
}

impl Print<'_> {
    /// Writes what lies in dimension `dim` from word `at` on.
    fn level(&self, text: &mut String, dim: usize, at: usize) {
        text.push('[');
        let stride: usize = self.shape[dim + 1..].iter().product();
        let indent = self.indent + dim + 1;
        let last = dim + 1 == self.shape.len();
        let per_line = ((LINE.saturating_sub(indent)) / (self.width + 2)).max(1);
        for i in 0..self.shape[dim] {
            if i > 0 {
                self.between(text, dim, i, per_line);
            }
            if self.cut[dim] && i == EDGE {
                text.push_str("...");
                self.between(text, dim, if last { i } else { 1 }, per_line);
            }
            if last {
                let word = &self.words[at + i];
                text.extend(std::iter::repeat_n(' ', self.width - word.chars().count()));
                text.push_str(word);
            } else {
                self.level(text, dim + 1, at + i * stride);
            }
        }
        text.push(']');
    }

    fn between(&self, text: &mut String, dim: usize, i: usize, per_line: usize) {
        let indent = self.indent + dim + 1;
        let inner = self.shape.len() - dim - 1;
        if inner == 0 && i % per_line != 0 {
            text.push_str(", ");
            return;
        }
        text.push(',');
        // Matrices are a line apart, stacks of matrices two, and so on.
        text.extend(std::iter::repeat_n('\n', inner.max(1)));
        text.extend(std::iter::repeat_n(' ', indent));
    }
}
