//! Tests of shapes, promotion, gradients and printing. Values of single operations are compared with PyTorch's in `tests/`.
mod display;
mod elementwise;
mod gradients;
mod indexing;
mod interrupt;
mod levels;
mod reductions;
mod views;

use crate::Tensor;

/// `0, 1, 2, …` as f32 in a shape.
fn counted(shape: &[usize]) -> Tensor {
    let len: usize = shape.iter().product();
    Tensor::from_vec((0..len).map(|i| i as f32).collect(), shape)
}

/// The text of the panic that `body` ends in.
fn panics(body: impl FnOnce() -> Tensor + std::panic::UnwindSafe) -> String {
    match std::panic::catch_unwind(body) {
        Ok(result) => panic!("no panic, but {result}"),
        Err(payload) => payload.downcast_ref::<String>().cloned().unwrap_or_default(),
    }
}
