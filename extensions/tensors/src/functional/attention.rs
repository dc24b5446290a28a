//! Attention: each query's average of the values, weighted by how its key fits.
use super::{check_float, misfit, same_device};
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::{DType, Tensor};

/// `softmax(q kᵀ / sqrt(E) + mask) v` for `q […, L, E]`, `k […, S, E]`, `v […, S, D]`, giving `[…, L, D]`; leading dimensions broadcast.
///
/// A mask broadcasts to `[…, L, S]`: of Bool, true where a query may look; of floats, added to the scores. `causal`: query `i` looks at keys `0..=i`.
/// A query that may look nowhere gives zeros.
#[track_caller]
pub fn scaled_dot_product_attention(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>, causal: bool) -> Tensor {
    attention(q, k, v, mask, causal).or_panic()
}

fn attention(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>, causal: bool) -> Result<Tensor> {
    const NAME: &str = "scaled_dot_product_attention";
    check_float(NAME, q)?;
    same_device(NAME, q, &[Some(k), Some(v), mask])?;
    let fits = q.rank() >= 2 && k.rank() >= 2 && v.rank() >= 2 && q.dim(-1) == k.dim(-1) && k.dim(-2) == v.dim(-2);
    if !fits {
        return Err(misfit(NAME, format!("queries {:?}, keys {:?} and values {:?} have to be […, L, E], […, S, E] and […, S, D]", q.shape(), k.shape(), v.shape())));
    }
    let scaled = q * (1.0 / (q.dim(-1).max(1) as f64).sqrt());
    let mut scores = scaled.try_matmul(&k.transpose(-1, -2))?;
    let allowed = allowed_places(q, k, mask, causal);
    if let Some(mask) = mask.filter(|mask| mask.dtype() != DType::Bool) {
        scores = &scores + &mask.to_dtype(scores.dtype());
    }
    let Some(allowed) = allowed else {
        return scores.softmax(-1).try_matmul(v);
    };
    let forbidden = allowed.logical_not();
    let weights = scores.masked_fill(&forbidden, f64::NEG_INFINITY).softmax(-1);
    // Of a row without any place, softmax makes NaN.
    weights.masked_fill(&forbidden, 0.0).try_matmul(v)
}

/// Where queries may look, if that is restricted: Bool, broadcasting to `[…, L, S]`.
fn allowed_places(q: &Tensor, k: &Tensor, mask: Option<&Tensor>, causal: bool) -> Option<Tensor> {
    let given = mask.filter(|mask| mask.dtype() == DType::Bool).cloned();
    if !causal {
        return given;
    }
    let count = |size: usize| Tensor::arange(0, size as i64, 1).to_device(&q.device());
    let before = count(q.dim(-2)).unsqueeze(1).ge(&count(k.dim(-2)).unsqueeze(0));
    Some(match given {
        Some(given) => given.logical_and(&before),
        None => before,
    })
}
