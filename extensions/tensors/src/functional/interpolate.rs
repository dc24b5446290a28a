//! Pictures of another size.
use super::{check_float, misfit};
use crate::Tensor;
use crate::autograd::record;
use crate::backend::Scaling;
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::OrPanic;

impl Tensor {
    /// `[N, C, H, W]` (or `[C, H, W]`) scaled to `[N, C, size…]`: by the nearest element, or linear between the four around.
    #[track_caller]
    pub fn interpolate(&self, size: [usize; 2], scaling: Scaling) -> Tensor {
        if self.rank() == 3 {
            return interpolate(&self.unsqueeze(0), size, scaling).or_panic().squeeze(0);
        }
        interpolate(self, size, scaling).or_panic()
    }
}

fn interpolate(x: &Tensor, size: [usize; 2], scaling: Scaling) -> Result<Tensor> {
    check_float("interpolate", x)?;
    if x.rank() != 4 || x.shape()[2..].contains(&0) || size.contains(&0) {
        return Err(misfit("interpolate", format!("{:?} has to be [N, C, H, W] or [C, H, W], and neither its pictures nor those of size {size:?} may be empty", x.shape())));
    }
    let device = backend(x.device())?;
    let y = device.interpolate(&x.raw(), size, scaling)?;
    let shape = x.shape().to_vec();
    Ok(record("interpolate", &[x], y, || move |dy, _| Ok(vec![Some(device.interpolate_backward(dy, &shape, scaling)?)])))
}
