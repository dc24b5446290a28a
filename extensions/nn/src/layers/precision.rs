//! Which type the heavy layers compute in: `autocast(DType::BF16, || …)` as PyTorch's. Parameters and their gradients stay f32.
use ochre_tensors::{DType, Tensor};
use std::cell::Cell;

thread_local! {
    static COMPUTE: Cell<Option<DType>> = const { Cell::new(None) };
}

struct Restore(Option<DType>);

impl Drop for Restore {
    fn drop(&mut self) {
        COMPUTE.set(self.0);
    }
}

/// Runs `body` with linear and convolution layers computing in `dtype` (bf16 or f16). Norms compute in f32. For this thread only.
pub fn autocast<R>(dtype: DType, body: impl FnOnce() -> R) -> R {
    let _restore = Restore(COMPUTE.replace(Some(dtype)));
    body()
}

/// A tensor in the type that heavy layers are to compute in; gradients flow back in its own.
pub(super) fn heavy(x: &Tensor) -> Tensor {
    match COMPUTE.get() {
        Some(dtype) if x.dtype().is_float() && x.dtype() != dtype => x.to_dtype(dtype),
        _ => x.clone(),
    }
}

/// A tensor for a layer that computes in f32 at the least; its result goes back by `to_dtype`.
pub(super) fn exact(x: &Tensor) -> Tensor {
    if matches!(x.dtype(), DType::F16 | DType::BF16) { x.to_dtype(DType::F32) } else { x.clone() }
}
