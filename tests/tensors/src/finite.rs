//! Gradients against finite differences, in f64: independent of PyTorch.
use crate::case::Case;
use crate::check::{backward, elements, weights};
use ochre_tensors::{DType, Device, Tensor, no_grad};

/// Half of the distance between the two points; the error of a central difference is about its square, and rounding's 1e-16 divided by it.
const STEP: f64 = 1e-5;

/// How far a gradient may be from the difference quotient: `tolerance * (1 + |value|)`.
pub const TOLERANCE: f64 = 2e-7;

/// One line for each gradient that is wrong.
pub fn check(case: &Case, device: &Device) -> Vec<String> {
    let plain = case.tensors(DType::F64, device);
    let leaves: Vec<Tensor> = plain.iter().map(|t| if t.dtype().is_float() { t.requires_grad() } else { t.clone() }).collect();
    let outputs = (case.ours)(&leaves);
    if !outputs.iter().any(Tensor::tracks_gradients) {
        return vec![format!("{}: no result has a gradient", case.name)];
    }
    let smooth: Vec<bool> = outputs.iter().map(Tensor::tracks_gradients).collect();
    backward(&outputs);
    let mut failures = Vec::new();
    for (place, leaf) in leaves.iter().enumerate().filter(|(_, t)| t.dtype().is_float()) {
        let gradient = leaf.grad().map(|g| elements(&g)).unwrap_or_else(|| vec![0.0; leaf.len()]);
        let differences = no_grad(|| differences(case, &plain, place, &smooth));
        let far = |(a, b): (&f64, &f64)| !((a - b).abs() <= TOLERANCE * (1.0 + b.abs()));
        if let Some(wrong) = gradient.iter().zip(&differences).position(far) {
            failures.push(format!("{}: gradient of input {place} at {wrong} is {}, the difference quotient {}", case.name, gradient[wrong], differences[wrong]));
        }
    }
    failures
}

/// The difference quotient for each element of one input.
fn differences(case: &Case, inputs: &[Tensor], place: usize, smooth: &[bool]) -> Vec<f64> {
    let values = elements(&inputs[place]);
    let moved = |element: usize, by: f64| {
        let mut values = values.clone();
        values[element] += by;
        let mut inputs = inputs.to_vec();
        inputs[place] = Tensor::from_vec(values, inputs[place].shape()).to_device(&inputs[place].device());
        loss(&(case.ours)(&inputs), smooth)
    };
    (0..values.len()).map(|element| (moved(element, STEP) - moved(element, -STEP)) / (2.0 * STEP)).collect()
}

/// What `backward` differentiates, as a number.
fn loss(outputs: &[Tensor], smooth: &[bool]) -> f64 {
    let weighed = outputs.iter().zip(smooth).filter(|(_, smooth)| **smooth);
    weighed.map(|(t, _)| elements(t).iter().zip(elements(&weights(t))).map(|(a, b)| a * b).sum::<f64>()).sum()
}
