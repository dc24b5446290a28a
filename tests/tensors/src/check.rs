//! Values and gradients of every case against PyTorch's, on any device.
use crate::case::{Case, Kind};
use crate::{cases, torch};
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ochre_tensors::{DType, Device, Tensor};
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Element types that are tested.
pub const FLOATS: [DType; 4] = [DType::F64, DType::F32, DType::F16, DType::BF16];

/// How far a value may be from PyTorch's (computed in f64 from the same rounded inputs): `tolerance * (1 + |value|)`, times the case's own factor.
/// Gradients may be twice as far. A few units in the last place: 2^-53, 2^-24, 2^-11 and 2^-8 are half of one at 1.
pub fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 1e-12,
        DType::F32 => 2e-6,
        DType::F16 => 4e-3,
        DType::BF16 => 3e-2,
        _ => 0.0,
    }
}

/// What was found.
#[derive(Default, Debug)]
pub struct Report {
    /// Of PyTorch.
    pub version: String,
    /// Comparisons of whole tensors.
    pub compared: usize,
    /// One line each.
    pub failures: Vec<String>,
}

/// Where the elements of the inputs lie.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Laid {
    Plain,
    /// Last dimension first, with gaps and an offset.
    Strided,
}

/// Runs chosen cases on a device.
pub fn against_torch(device: &Device, python: &PathBuf, chosen: impl Fn(&Case) -> bool) -> anyhow::Result<Report> {
    let cases: Vec<Case> = cases::all().into_iter().filter(chosen).collect();
    let runs = runs(&cases);
    let requests: Vec<Value> = runs.iter().map(|&(case, float)| request(&cases[case], float)).collect();
    let answer = torch::reference(python, &json!({ "cases": requests }))?;
    let answers = answer["answers"].as_array().context("PyTorch gave no answers")?;
    let mut report = Report { version: answer["version"].as_str().unwrap_or_default().to_owned(), ..Report::default() };
    for (&(case, float), answer) in runs.iter().zip(answers) {
        for laid in [Laid::Plain, Laid::Strided] {
            let case = &cases[case];
            let found = catch_unwind(AssertUnwindSafe(|| compare(case, float, device, laid, answer, &mut report)));
            if let Err(panic) = found {
                let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                report.failures.push(format!("{} ({float}, {laid:?}): panic: {}", case.name, text.unwrap_or_default()));
            }
        }
    }
    Ok(report)
}

/// Each case by its place in the table, with the type of its floats.
fn runs(cases: &[Case]) -> Vec<(usize, DType)> {
    let mut runs = Vec::new();
    for (place, case) in cases.iter().enumerate() {
        let types: &[DType] = match case.kind {
            Kind::Exact => &[DType::F32],
            Kind::Large => &[DType::F64, DType::F32, DType::BF16],
            Kind::Smooth | Kind::Values => &FLOATS,
        };
        runs.extend(types.iter().map(|&float| (place, float)));
    }
    runs
}

fn request(case: &Case, float: DType) -> Value {
    let inputs: Vec<Value> = case.tensors(float, &Device::Cpu).iter().map(|t| json!({ "shape": t.shape(), "dtype": torch_name(t.dtype()), "values": encoded(t) })).collect();
    json!({ "name": case.name, "torch": case.torch, "smooth": has_gradients(case), "inputs": inputs })
}

fn has_gradients(case: &Case) -> bool {
    matches!(case.kind, Kind::Smooth | Kind::Large)
}

/// PyTorch's name of an element type.
pub fn torch_name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "bool",
        DType::U8 => "uint8",
        DType::I32 => "int32",
        DType::I64 => "int64",
        DType::F16 => "float16",
        DType::BF16 => "bfloat16",
        DType::F32 => "float32",
        DType::F64 => "float64",
    }
}

/// The elements as f64.
pub fn elements(tensor: &Tensor) -> Vec<f64> {
    tensor.detach().to_dtype(DType::F64).to_vec::<f64>()
}

/// The elements' bytes as f64: as text most of the time would go into digits.
fn encoded(tensor: &Tensor) -> String {
    let bytes: Vec<u8> = elements(tensor).into_iter().flat_map(f64::to_le_bytes).collect();
    BASE64.encode(bytes)
}

fn decoded(values: &Value) -> Vec<f64> {
    let bytes = BASE64.decode(values.as_str().unwrap_or_default()).unwrap_or_default();
    bytes.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap_or_default())).collect()
}

fn compare(case: &Case, float: DType, device: &Device, laid: Laid, answer: &Value, report: &mut Report) {
    let mut inputs = case.tensors(float, device);
    if laid == Laid::Strided {
        inputs = inputs.iter().map(strided).collect();
    }
    if has_gradients(case) {
        inputs = inputs.iter().map(|t| if t.dtype().is_float() { t.requires_grad() } else { t.clone() }).collect();
    }
    let outputs = (case.ours)(&inputs);
    let mut fail = |text: String| report.failures.push(format!("{} ({float}, {laid:?}): {text}", case.name));
    let wanted = answer["outputs"].as_array().map(Vec::as_slice).unwrap_or_default();
    if wanted.len() != outputs.len() {
        return fail(format!("{} results, PyTorch has {}", outputs.len(), wanted.len()));
    }
    let allowed = if case.kind == Kind::Exact { 0.0 } else { tolerance(float) * case.looser };
    for (place, (ours, wanted)) in outputs.iter().zip(wanted).enumerate() {
        let shape: Vec<usize> = wanted["shape"].as_array().into_iter().flatten().filter_map(|v| v.as_u64().map(|v| v as usize)).collect();
        let dtype = answer["dtypes"][place].as_str();
        if ours.shape() != shape {
            fail(format!("shape {:?}, PyTorch {shape:?}", ours.shape()));
        } else if dtype.is_some_and(|dtype| dtype != torch_name(ours.dtype())) {
            fail(format!("type {}, PyTorch {}", ours.dtype(), dtype.unwrap_or_default()));
        } else if let Some(difference) = different(&elements(ours), &decoded(&wanted["values"]), allowed) {
            fail(format!("value: {difference}"));
        }
        report.compared += 1;
    }
    if !has_gradients(case) {
        return;
    }
    let mut fail = |text: String| report.failures.push(format!("{} ({float}, {laid:?}): {text}", case.name));
    backward(&outputs);
    for (place, (input, wanted)) in inputs.iter().zip(answer["gradients"].as_array().into_iter().flatten()).enumerate() {
        if !input.dtype().is_float() {
            continue;
        }
        report.compared += 1;
        // What no gradient has reached has one of zeros, here as there.
        let gradient = input.grad().unwrap_or_else(|| input.zeros_like());
        if gradient.shape() != input.shape() || gradient.dtype() != input.dtype() {
            fail(format!("gradient of input {place} is {} {:?}", gradient.dtype(), gradient.shape()));
        } else if let Some(difference) = different(&elements(&gradient), &decoded(wanted), allowed * 2.0) {
            fail(format!("gradient of input {place}: {difference}"));
        }
    }
}

/// Sends `sin(1.7 i + 0.3)` into the i-th element of each result that has a gradient.
pub fn backward(outputs: &[Tensor]) {
    let weighed = outputs.iter().filter(|t| t.tracks_gradients()).map(|t| (t * &weights(t)).sum());
    if let Some(total) = weighed.reduce(|a, b| &a + &b) {
        total.backward();
    }
}

/// The gradient that comes in.
pub fn weights(of: &Tensor) -> Tensor {
    let values: Vec<f64> = (0..of.len()).map(|i| (1.7 * i as f64 + 0.3).sin()).collect();
    Tensor::from_vec(values, of.shape()).to_dtype(of.dtype()).to_device(&of.device())
}

/// The same elements otherwise in memory: dimensions reversed, two elements of each row unused, none at the beginning.
fn strided(tensor: &Tensor) -> Tensor {
    if tensor.rank() == 0 {
        return Tensor::stack(&[tensor, tensor], 0).narrow(0, 1, 1).select(0, 0);
    }
    let reversed: Vec<i64> = (0..tensor.rank() as i64).rev().collect();
    let turned = tensor.permute(&reversed);
    let mut border = turned.shape().to_vec();
    border[tensor.rank() - 1] = 1;
    let edge = Tensor::zeros_on(&border, tensor.dtype(), &tensor.device());
    let wide = Tensor::cat(&[&edge, &turned, &edge], -1);
    wide.narrow(-1, 1, turned.shape()[tensor.rank() - 1]).permute(&reversed)
}

/// The first element that is too far away. NaN has to be where NaN is, and infinities are equal.
pub fn different(ours: &[f64], wanted: &[f64], allowed: f64) -> Option<String> {
    if ours.len() != wanted.len() {
        return Some(format!("{} elements instead of {}", ours.len(), wanted.len()));
    }
    let far = |a: f64, b: f64| !(a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= allowed * (1.0 + b.abs()));
    let place = ours.iter().zip(wanted).position(|(&a, &b)| far(a, b))?;
    Some(format!("element {place} is {} instead of {} ({allowed:e} allowed)", ours[place], wanted[place]))
}
