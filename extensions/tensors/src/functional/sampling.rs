//! Choices by weight: which word comes next.
use super::{check_float, misfit};
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::Tensor;

impl Tensor {
    /// Places along the last dimension, i64, drawn `count` times with probabilities in the ratio of the elements (they need not add up to 1):
    /// `[…, C]` gives `[…, count]`. With `replacement` a place may come again. From a GPU it waits, to check the weights.
    #[track_caller]
    pub fn multinomial(&self, count: usize, replacement: bool) -> Tensor {
        multinomial(&self.detach(), count, replacement).or_panic()
    }
}

/// The greatest of `log(weight) + noise` is at a place with the weight's probability where the noise is Gumbel's, `-log(-log(u))`
/// (E. J. Gumbel, 1954); the greatest `count` are a draw without replacement.
fn multinomial(weights: &Tensor, count: usize, replacement: bool) -> Result<Tensor> {
    check_float("multinomial", weights)?;
    if weights.rank() == 0 || weights.dim(-1) == 0 {
        return Err(misfit("multinomial", format!("there is nothing to choose from in the shape {:?}", weights.shape())));
    }
    let weights = weights.to_f32();
    if !weights.is_empty() {
        let legal = weights.ge(0.0).logical_and(&weights.is_finite()).all().item() != 0.0;
        let choices = weights.gt(0.0).sum_dim(-1).min().item() as usize;
        let wanted = if replacement { usize::from(count > 0) } else { count };
        if !legal || choices < wanted {
            let problem = format!("weights have to be 0 or more, finite, and at least {wanted} of each row above 0; a row of {:?} has {choices}", weights.shape());
            return Err(misfit("multinomial", problem));
        }
    }
    let noise = |like: &Tensor| like.rand_like().log().neg().log().neg();
    if !replacement {
        return Ok((weights.log() + noise(&weights)).topk(count, -1).1);
    }
    let mut shape = weights.shape().to_vec();
    shape.insert(weights.rank() - 1, count);
    let many = weights.log().unsqueeze(-2).expand(&shape);
    Ok((&many + &noise(&many)).argmax(-1))
}
