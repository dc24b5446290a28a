//! Scaling of pictures and its gradient: PyTorch's formulas for nearest and bilinear.
use super::access::{Load, fresh, zeros};
use super::number::each_real;
use super::parallel;
use crate::Raw;
use crate::backend::Scaling;
use crate::error::Result;

/// What a place of the result is made of along one dimension: two neighbours and the weight of the second.
struct Source {
    first: usize,
    second: usize,
    weight: f64,
}

fn sources(input: usize, output: usize, scaling: Scaling) -> Vec<Source> {
    (0..output).map(|o| source(o, input, output, scaling)).collect()
}

fn source(o: usize, input: usize, output: usize, scaling: Scaling) -> Source {
    let place = match scaling {
        // In whole numbers: the quotient of floats can fall short of an integer.
        Scaling::Nearest => {
            let first = (o * input / output).min(input - 1);
            return Source { first, second: first, weight: 0.0 };
        }
        Scaling::Bilinear { align_corners: true } if output > 1 => o as f64 * (input - 1) as f64 / (output - 1) as f64,
        Scaling::Bilinear { align_corners: true } => 0.0,
        Scaling::Bilinear { align_corners: false } => ((o as f64 + 0.5) * input as f64 / output as f64 - 0.5).max(0.0),
    };
    let first = (place as usize).min(input - 1);
    let second = (first + 1).min(input - 1);
    Source { first, second, weight: if second == first { 0.0 } else { place - first as f64 } }
}

/// See [`crate::backend::Backend::interpolate`].
pub fn interpolate(x: &Raw, size: [usize; 2], scaling: Scaling) -> Result<Raw> {
    let (h, w) = (x.shape()[2], x.shape()[3]);
    let shape = [x.shape()[0], x.shape()[1], size[0], size[1]];
    each_real!("interpolate", x.dtype, W => {
        let from = W::load(x)?;
        let mut out = fresh::<W>(shape.iter().product());
        if !out.is_empty() {
            let (rows, columns) = (sources(h, size[0], scaling), sources(w, size[1], scaling));
            parallel::rows("interpolate", &mut out, size[1], 4, |first, part| {
                for (r, to) in part.chunks_exact_mut(size[1]).enumerate() {
                    let (plane, row) = ((first + r) / size[0], &rows[(first + r) % size[0]]);
                    let (upper, lower) = (&from[(plane * h + row.first) * w..][..w], &from[(plane * h + row.second) * w..][..w]);
                    for (to, column) in to.iter_mut().zip(&columns) {
                        *to = if matches!(scaling, Scaling::Nearest) {
                            upper[column.first]
                        } else {
                            let (b, d) = (W::from_f64(column.weight), W::from_f64(row.weight));
                            let top = upper[column.first] * (1.0 - b) + upper[column.second] * b;
                            let bottom = lower[column.first] * (1.0 - b) + lower[column.second] * b;
                            top * (1.0 - d) + bottom * d
                        };
                    }
                }
            })?;
        }
        W::store(out, x.dtype, &shape)
    })
}

/// See [`crate::backend::Backend::interpolate_backward`].
pub fn interpolate_backward(dy: &Raw, shape: &[usize], scaling: Scaling) -> Result<Raw> {
    let (h, w) = (shape[2], shape[3]);
    let size = [dy.shape()[2], dy.shape()[3]];
    each_real!("interpolate backward", dy.dtype, W => {
        let from = W::load(dy)?;
        let mut out = zeros::<W>(shape.iter().product());
        if !out.is_empty() && !from.is_empty() {
            let (rows, columns) = (sources(h, size[0], scaling), sources(w, size[1], scaling));
            parallel::rows("interpolate backward", &mut out, h * w, 4, |first, part| {
                for (p, to) in part.chunks_exact_mut(h * w).enumerate() {
                    let from = &from[(first + p) * size[0] * size[1]..][..size[0] * size[1]];
                    for (row, line) in rows.iter().zip(from.chunks_exact(size[1])) {
                        let d = W::from_f64(row.weight);
                        for (column, value) in columns.iter().zip(line) {
                            let b = W::from_f64(column.weight);
                            let (top, bottom) = (*value * (1.0 - d), *value * d);
                            to[row.first * w + column.first] += top * (1.0 - b);
                            to[row.first * w + column.second] += top * b;
                            to[row.second * w + column.first] += bottom * (1.0 - b);
                            to[row.second * w + column.second] += bottom * b;
                        }
                    }
                }
            })?;
        }
        W::store(out, dy.dtype, shape)
    })
}
