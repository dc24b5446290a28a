//! Sums, means, extremes and places of extremes along dimensions.
use super::call::{Call, Operator, axis, number};
use super::file::Result;
use ochre_tensors::{DType, Tensor};

/// Reduces these dimensions, which stay with size 1.
type Over = fn(&Tensor, &[i64]) -> Tensor;

/// Those that this file has.
pub fn find(name: &str) -> Option<Operator> {
    macro_rules! over {
        ($function:expr) => {{
            fn run(call: &Call) -> Result<Vec<Tensor>> {
                let function: Over = $function;
                reduced(call, function)
            }
            run
        }};
    }
    Some(match name {
        "ReduceSum" => over!(|x, dims| x.sum_dims(dims, true)),
        "ReduceMean" => over!(|x, dims| x.mean_dims(dims, true)),
        "ReduceMax" => over!(|x, dims| extreme(x, dims, true)),
        "ReduceMin" => over!(|x, dims| extreme(x, dims, false)),
        "ReduceProd" => over!(|x, dims| dims.iter().fold(x.clone(), |x, &d| x.prod_dims(&[d], true))),
        "ReduceL1" => over!(|x, dims| x.abs().sum_dims(dims, true)),
        "ReduceL2" => over!(|x, dims| x.to_dtype(wide(x)).square().sum_dims(dims, true).sqrt()),
        "ReduceSumSquare" => over!(|x, dims| (x * x).sum_dims(dims, true)),
        "ReduceLogSum" => over!(|x, dims| x.to_dtype(wide(x)).sum_dims(dims, true).log()),
        "ReduceLogSumExp" => over!(|x, dims| x.to_dtype(wide(x)).logsumexp_dims(dims, true)),
        "ArgMax" => |call| extreme_place(call, true),
        "ArgMin" => |call| extreme_place(call, false),
        "CumSum" => running,
        "TopK" => top,
        _ => return None,
    })
}

fn wide(x: &Tensor) -> DType {
    if x.dtype().is_float() { x.dtype() } else { DType::F64 }
}

/// Axes are an attribute, or since versions 13 and 18 an input; none are all, or none if the model says so.
fn reduced(call: &Call, over: Over) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let axes = call.listed(1, "axes").unwrap_or_default();
    let dims: Vec<usize> = match (axes.is_empty(), call.flag("noop_with_empty_axes")) {
        (true, true) => Vec::new(),
        (true, false) => (0..x.rank()).collect(),
        (false, _) => axes.iter().map(|&a| axis(a, x.rank())).collect::<Result<_>>()?,
    };
    // Over nothing: each element by itself, as a dimension of size 1 shows.
    let (reduced, dims, gone) = if dims.is_empty() { (x.unsqueeze(-1), vec![x.rank()], true) } else { (x.clone(), dims, call.int("keepdims", 1) == 0) };
    let signed: Vec<i64> = dims.iter().map(|&d| d as i64).collect();
    let mut y = over(&reduced, &signed).to_dtype(x.dtype());
    if gone {
        let mut descending = signed;
        descending.sort_unstable_by(|a, b| b.cmp(a));
        y = descending.into_iter().fold(y, |y, d| y.squeeze(d));
    }
    Ok(vec![y])
}

/// Of nothing the lowest (or highest) that there is.
fn extreme(x: &Tensor, dims: &[i64], max: bool) -> Tensor {
    if dims.iter().any(|&d| x.dim(d) == 0) {
        let shape: Vec<usize> = x.shape().iter().enumerate().map(|(d, &n)| if dims.contains(&(d as i64)) { 1 } else { n }).collect();
        let end = match x.dtype() {
            DType::I64 => if max { i64::MIN as f64 } else { i64::MAX as f64 },
            DType::I32 => f64::from(if max { i32::MIN } else { i32::MAX }),
            DType::U8 => if max { 0.0 } else { 255.0 },
            DType::Bool => f64::from(u8::from(!max)),
            _ => if max { f64::NEG_INFINITY } else { f64::INFINITY },
        };
        return number(end, x.dtype()).expand(&shape).contiguous();
    }
    let (values, back) = if x.dtype() == DType::Bool { (x.to_dtype(DType::U8), DType::Bool) } else { (x.clone(), x.dtype()) };
    if max { values.amax(dims, true) } else { values.amin(dims, true) }.to_dtype(back)
}

fn extreme_place(call: &Call, max: bool) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let dim = axis(call.int("axis", 0), x.rank())? as i64;
    let find = |x: &Tensor| if max { x.argmax(dim) } else { x.argmin(dim) };
    // The last of equal ones is the first from the other side.
    let places = if call.flag("select_last_index") { (find(&x.flip(&[dim])) * -1i64) + (x.dim(dim) as i64 - 1) } else { find(x) };
    Ok(vec![if call.int("keepdims", 1) != 0 { places.unsqueeze(dim) } else { places }])
}

fn running(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let dim = axis(call.input(1)?.item() as i64, x.rank())? as i64;
    let turned = if call.flag("reverse") { x.flip(&[dim]) } else { x.clone() };
    let mut sums = turned.cumsum(dim).to_dtype(x.dtype());
    if call.flag("exclusive") {
        sums = &sums - &turned;
    }
    Ok(vec![if call.flag("reverse") { sums.flip(&[dim]) } else { sums }])
}

fn top(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let k = match call.maybe(1) {
        Some(k) => k.to_vec::<i64>().first().copied().unwrap_or(0),
        None => call.int("k", 0),
    };
    let k = usize::try_from(k).map_err(|_| format!("the first {k}"))?;
    let dim = axis(call.int("axis", -1), x.rank())? as i64;
    let (values, places) = if call.int("largest", 1) != 0 { x.topk(k, dim) } else { x.bottomk(k, dim) };
    Ok(vec![values, places])
}
