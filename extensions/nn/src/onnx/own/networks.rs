//! Layers: products, convolutions, pooling, norms, softmax, scaling.
use super::call::{Call, Operator, axis, not_done, signed, whole};
use super::file::Result;
use ochre_tensors::{ConvOptions, DType, PoolOptions, Tensor};

/// Those that this file has.
pub fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "AveragePool" => average_pool,
        "BatchNormalization" => batch_norm,
        "Conv" => conv,
        "ConvTranspose" => conv_transpose,
        "Gemm" => gemm,
        "GlobalAveragePool" => |call| call.input(0).map(|x| vec![x.mean_dims(&pictures(x), true)]),
        "GlobalMaxPool" => |call| call.input(0).map(|x| vec![x.amax(&pictures(x), true)]),
        "GroupNormalization" => group_norm,
        "InstanceNormalization" => |call| Ok(vec![call.input(0)?.instance_norm(call.maybe(1), call.maybe(2), call.float("epsilon", 1e-5))]),
        "LRN" => response_norm,
        "LayerNormalization" => layer_norm,
        "LogSoftmax" => |call| softmax(call, |x, dim| x.log_softmax(dim)),
        "LpNormalization" => lp_norm,
        "MatMul" => matmul,
        "MaxPool" => max_pool,
        "RMSNormalization" => rms_norm,
        "Softmax" => |call| softmax(call, |x, dim| x.softmax(dim)),
        _ => return None,
    })
}

/// The dimensions of pictures, after batch and channel.
fn pictures(x: &Tensor) -> Vec<i64> {
    (2..x.rank() as i64).collect()
}

/// Whole numbers are multiplied in f64, which is exact as far as 2^53.
fn matmul(call: &Call) -> Result<Vec<Tensor>> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    if a.dtype().is_float() {
        return Ok(vec![a.matmul(b)]);
    }
    Ok(vec![a.to_dtype(DType::F64).matmul(&b.to_dtype(DType::F64)).to_dtype(a.dtype())])
}

fn gemm(call: &Call) -> Result<Vec<Tensor>> {
    let turned = |x: &Tensor, turn| if turn { x.t() } else { x.clone() };
    let (a, b) = (turned(call.input(0)?, call.flag("transA")), turned(call.input(1)?, call.flag("transB")));
    let (alpha, beta) = (call.float("alpha", 1.0), call.float("beta", 1.0));
    let scaled = |x: Tensor, by: f64| if by == 1.0 { x } else { x * by };
    let product = scaled(a.matmul(&b), alpha);
    Ok(vec![match call.maybe(2) {
        Some(c) => product + scaled(c.clone(), beta),
        None => product,
    }])
}

// --- windows -----------------------------------------------------------------------------------------

/// How a window moves over one dimension.
#[derive(Clone, Copy)]
struct Window {
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    after: usize,
}

/// The windows of a node over pictures of these sizes; `kernel` where no attribute has it.
fn windows(call: &Call, sizes: &[usize], kernel: Option<&[usize]>) -> Result<Vec<Window>> {
    let many = sizes.len();
    if !(1..=2).contains(&many) {
        return Err(not_done(&format!("{} over {many} dimensions", call.node.operator)));
    }
    let list = |name: &str, usual: i64| call.ints(name).map_or_else(|| vec![usual; many], <[i64]>::to_vec);
    let kernel = match kernel {
        Some(kernel) => signed(kernel),
        None => call.ints("kernel_shape").ok_or("it has no kernel_shape")?.to_vec(),
    };
    let (strides, dilations) = (list("strides", 1), list("dilations", 1));
    let pads = call.ints("pads").map_or_else(|| vec![0; 2 * many], <[i64]>::to_vec);
    let auto = call.text("auto_pad", "NOTSET");
    if [kernel.len(), strides.len(), dilations.len()] != [many; 3] || pads.len() != 2 * many || pads.iter().any(|&p| p < 0) || strides.contains(&0) {
        return Err("its window does not fit its input".to_owned());
    }
    let one = |d: usize| {
        let [kernel, stride, dilation] = [kernel[d], strides[d], dilations[d]].map(|n| n as usize);
        let (before, after) = match auto {
            "SAME_UPPER" | "SAME_LOWER" => {
                let covered = (sizes[d].div_ceil(stride).max(1) - 1) * stride + dilation * (kernel.max(1) - 1) + 1;
                let total = covered.saturating_sub(sizes[d]);
                let less = total / 2;
                if auto == "SAME_UPPER" { (less, total - less) } else { (total - less, less) }
            }
            "VALID" => (0, 0),
            _ => (pads[d] as usize, pads[many + d] as usize),
        };
        Window { kernel, stride, dilation, before, after }
    };
    Ok((0..many).map(one).collect())
}

/// Lines `[N, C, L]` as pictures of one row; what comes out is to be turned back by [`narrow`].
fn wide(x: &Tensor) -> Tensor {
    if x.rank() == 3 { x.unsqueeze(2) } else { x.clone() }
}

fn narrow(y: Tensor, rank: usize) -> Tensor {
    if rank == 3 { y.squeeze(2) } else { y }
}

/// A value of each window for rows and columns; lines have one row.
fn two(windows: &[Window], value: impl Fn(&Window) -> usize, usual: usize) -> [usize; 2] {
    match windows {
        [only] => [usual, value(only)],
        [rows, columns, ..] => [value(rows), value(columns)],
        [] => [usual; 2],
    }
}

/// With borders of `value`, `extra` more at the ends.
fn bordered(x: &Tensor, windows: &[Window], extra: &[usize], value: f64) -> Tensor {
    let widths: Vec<i64> = windows.iter().zip(extra).rev().flat_map(|(w, extra)| [w.before as i64, (w.after + extra) as i64]).collect();
    if widths.iter().all(|&w| w == 0) { x.clone() } else { x.pad(&widths, value) }
}

fn conv(call: &Call) -> Result<Vec<Tensor>> {
    let (x, weight) = (call.input(0)?, call.input(1)?);
    let (sizes, kernel) = x.shape().get(2..).zip(weight.shape().get(2..)).ok_or("it has no pictures")?;
    let windows = windows(call, sizes, Some(kernel))?;
    let even = windows.iter().all(|w| w.before == w.after);
    let x = if even { x.clone() } else { bordered(x, &windows, &[0; 2], 0.0) };
    let options = ConvOptions {
        stride: two(&windows, |w| w.stride, 1),
        padding: if even { two(&windows, |w| w.before, 0) } else { [0; 2] },
        dilation: two(&windows, |w| w.dilation, 1),
        groups: call.int("group", 1).max(1) as usize,
        ..ConvOptions::default()
    };
    Ok(vec![narrow(wide(&x).conv2d(&wide(weight), call.maybe(2), options), x.rank())])
}

/// The whole result, of which the pads are cut off.
fn conv_transpose(call: &Call) -> Result<Vec<Tensor>> {
    let (x, weight) = (call.input(0)?, call.input(1)?);
    let (sizes, kernel) = x.shape().get(2..).zip(weight.shape().get(2..)).ok_or("it has no pictures")?;
    let windows = windows(call, sizes, Some(kernel))?;
    let added = call.ints("output_padding").map_or_else(|| vec![0; sizes.len()], <[i64]>::to_vec);
    let added = match added.as_slice() {
        [only] => [0, *only as usize],
        [rows, columns] => [*rows as usize, *columns as usize],
        _ => [0, 0],
    };
    let options = ConvOptions {
        stride: two(&windows, |w| w.stride, 1),
        dilation: two(&windows, |w| w.dilation, 1),
        groups: call.int("group", 1).max(1) as usize,
        output_padding: added,
        padding: [0; 2],
    };
    let mut y = narrow(wide(x).conv_transpose2d(&wide(weight), call.maybe(2), options), x.rank());
    let auto = call.text("auto_pad", "NOTSET");
    for (d, window) in windows.iter().enumerate() {
        let full = y.shape()[d + 2];
        let wanted = match (call.ints("output_shape"), auto) {
            (Some(shape), _) => shape.get(d).map(|&n| n as usize),
            (None, "SAME_UPPER" | "SAME_LOWER") => Some(sizes[d] * window.stride),
            _ => None,
        };
        let (start, len) = match wanted {
            Some(len) => {
                let total = full.checked_sub(len).ok_or_else(|| not_done("a transposed convolution to more than all"))?;
                (if auto == "SAME_UPPER" { total / 2 } else { total - total / 2 }, len)
            }
            None => (window.before, full.checked_sub(window.before + window.after).ok_or("its pads are larger than its result")?),
        };
        y = y.narrow(d as i64 + 2, start, len);
    }
    Ok(vec![y])
}

/// What has to be added at the ends so that the last window is whole, where sizes are rounded up.
fn extra(call: &Call, windows: &[Window], sizes: &[usize]) -> Vec<usize> {
    let one = |(w, &size): (&Window, &usize)| {
        let room = (size + w.before + w.after).saturating_sub(w.kernel);
        let mut count = room.div_ceil(w.stride) + 1;
        // The last window begins within the input or the border before it.
        if (count - 1) * w.stride >= size + w.before {
            count -= 1;
        }
        ((count - 1) * w.stride + w.kernel).saturating_sub(size + w.before + w.after)
    };
    if call.flag("ceil_mode") { windows.iter().zip(sizes).map(one).collect() } else { vec![0; sizes.len()] }
}

/// Windows of a pooling node, and what it adds at the ends.
fn pool(call: &Call, x: &Tensor) -> Result<(Vec<Window>, Vec<usize>, PoolOptions)> {
    let sizes = x.shape().get(2..).ok_or("it has no pictures")?;
    let windows = windows(call, sizes, None)?;
    if windows.iter().any(|w| w.dilation != 1) {
        return Err(not_done("pooling with dilations"));
    }
    let extra = extra(call, &windows, sizes);
    let options = PoolOptions { kernel: two(&windows, |w| w.kernel, 1), stride: Some(two(&windows, |w| w.stride, 1)), ..PoolOptions::new(1) };
    Ok((windows, extra, options))
}

fn max_pool(call: &Call) -> Result<Vec<Tensor>> {
    let given = call.input(0)?;
    if call.wants(1) {
        return Err(not_done("the second output of MaxPool"));
    }
    let x = if given.dtype().is_float() { given.clone() } else { given.to_dtype(DType::F32) };
    let (windows, extra, options) = pool(call, &x)?;
    let y = wide(&bordered(&x, &windows, &extra, f64::NEG_INFINITY)).max_pool2d(options);
    Ok(vec![narrow(y, x.rank()).to_dtype(given.dtype())])
}

/// Averages of bordered pictures, divided by the share of each window that counts.
fn average_pool(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let (windows, extra, options) = pool(call, x)?;
    let sums = wide(&bordered(x, &windows, &extra, 0.0)).avg_pool2d(options);
    let plain = windows.iter().all(|w| w.before + w.after == 0) && extra.iter().all(|&e| e == 0);
    let y = if plain {
        sums
    } else {
        let ones = Tensor::ones(&[&[1, 1], &x.shape()[2..]].concat()).to_dtype(x.dtype());
        // What the model counts of the border counts; what was added beyond it never does.
        let counted = bordered(&ones, &windows, &[0; 2], f64::from(u8::from(call.flag("count_include_pad"))));
        let whole: Vec<Window> = windows.iter().map(|w| Window { before: 0, after: 0, ..*w }).collect();
        sums / wide(&bordered(&counted, &whole, &extra, 0.0)).avg_pool2d(options)
    };
    Ok(vec![narrow(y, x.rank())])
}

// --- norms -------------------------------------------------------------------------------------------

fn batch_norm(call: &Call) -> Result<Vec<Tensor>> {
    if call.flag("training_mode") {
        return Err(not_done("a batch norm that trains"));
    }
    Ok(vec![call.input(0)?.batch_norm(call.maybe(1), call.maybe(2), Some((call.input(3)?, call.input(4)?)), call.float("epsilon", 1e-5))])
}

fn group_norm(call: &Call) -> Result<Vec<Tensor>> {
    let (x, groups) = (call.input(0)?, call.int("num_groups", 1).max(1) as usize);
    let channels = *x.shape().get(1).ok_or("it has no channels")?;
    // Before version 21 a scale and a shift were for a group.
    let each = |t: Option<&Tensor>| t.map(|t| if t.len() == channels { t.clone() } else { t.repeat_interleave(channels / t.len().max(1), 0) });
    Ok(vec![x.group_norm(groups, each(call.maybe(1)).as_ref(), each(call.maybe(2)).as_ref(), call.float("epsilon", 1e-5))])
}

/// The sizes of the last dimensions from the attribute `axis` on, and a scale or shift of that shape.
fn last(call: &Call, x: &Tensor) -> Result<(Vec<usize>, Vec<i64>)> {
    let from = axis(call.int("axis", -1), x.rank())?;
    Ok((x.shape()[from..].to_vec(), (from as i64..x.rank() as i64).collect()))
}

fn fitted(t: Option<&Tensor>, sizes: &[usize]) -> Option<Tensor> {
    t.map(|t| if t.shape() == sizes { t.clone() } else { t.expand(sizes).contiguous() })
}

fn layer_norm(call: &Call) -> Result<Vec<Tensor>> {
    let (x, epsilon) = (call.input(0)?, call.float("epsilon", 1e-5));
    let (sizes, dims) = last(call, x)?;
    let y = x.layer_norm(&sizes, fitted(call.maybe(1), &sizes).as_ref(), fitted(call.maybe(2), &sizes).as_ref(), epsilon);
    if !call.wants(1) && !call.wants(2) {
        return Ok(vec![y]);
    }
    Ok(vec![y, x.mean_dims(&dims, true), (x.var_dims(&dims, 0, true) + epsilon).rsqrt()])
}

fn rms_norm(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let (sizes, _) = last(call, x)?;
    Ok(vec![x.rms_norm(&sizes, fitted(call.maybe(1), &sizes).as_ref(), call.float("epsilon", 1e-5))])
}

/// A row of nothing stays nothing.
fn lp_norm(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let dim = axis(call.int("axis", -1), x.rank())? as i64;
    let size = x.norm_dims(call.int("p", 2) as f64, &[dim], true);
    Ok(vec![x / &size.masked_fill(&size.eq(0.0), 1.0)])
}

/// Divided by what the neighbouring channels hold: AlexNet's.
fn response_norm(call: &Call) -> Result<Vec<Tensor>> {
    let (x, size) = (call.input(0)?, call.int("size", 1).max(1));
    let channels = *x.shape().get(1).ok_or("it has no channels")?;
    let before = (size - 1) / 2;
    let mut widths = vec![0; 2 * (x.rank() - 1)];
    let end = widths.len();
    (widths[end - 2], widths[end - 1]) = (before, size - 1 - before);
    let squares = x.square().pad(&widths, 0.0);
    let sum = (0..size as usize).map(|i| squares.narrow(1, i, channels)).reduce(|a, b| a + b).ok_or("a size of 0")?;
    let below = (sum * (call.float("alpha", 1e-4) / size as f64) + call.float("bias", 1.0)).pow(call.float("beta", 0.75));
    Ok(vec![x / &below])
}

/// Before version 13 over all dimensions from the axis on.
fn softmax(call: &Call, over: fn(&Tensor, i64) -> Tensor) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    if call.version >= 13 {
        return Ok(vec![over(x, call.int("axis", -1))]);
    }
    let from = axis(call.int("axis", 1), x.rank())?;
    let rows: usize = x.shape()[..from].iter().product();
    let flat = x.reshape(&[rows as i64, x.shape()[from..].iter().product::<usize>() as i64]);
    Ok(vec![over(&flat, 1).reshape(&signed(x.shape()))])
}

// --- scaling -----------------------------------------------------------------------------------------

/// `Resize` and its older name `Upsample`, dimension by dimension.
pub fn resize(call: &Call) -> Result<Vec<Tensor>> {
    let mut x = call.input(0)?.clone();
    call.only("mode", &["nearest", "linear"])?;
    call.only("keep_aspect_ratio_policy", &["stretch"])?;
    // `Upsample` and version 10 have no modes.
    let older = call.node.operator == "Upsample" || call.version < 11;
    let usual = if older { "asymmetric" } else { "half_pixel" };
    let known = [usual, "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"];
    call.only("coordinate_transformation_mode", &known)?;
    call.only("nearest_mode", &[if older { "floor" } else { "round_prefer_floor" }, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])?;
    if call.flag("antialias") {
        return Err(not_done("scaling with antialias"));
    }
    let (scales, sizes) = if older { (call.maybe(1), None) } else { (call.maybe(2), call.maybe(3)) };
    let (scales, sizes) = (scales.filter(|t| !t.is_empty()).map(|t| t.to_vec::<f64>()), sizes.filter(|t| !t.is_empty()).map(|t| t.to_vec::<i64>()));
    let axes = match call.ints("axes") {
        Some(axes) => axes.iter().map(|&a| axis(a, x.rank())).collect::<Result<Vec<_>>>()?,
        None => (0..x.rank()).collect(),
    };
    for (place, &dim) in axes.iter().enumerate() {
        let from = x.shape()[dim];
        let (to, scale) = match (&scales, &sizes) {
            (_, Some(sizes)) => {
                let to = *sizes.get(place).ok_or("it has too few sizes")?;
                (to as usize, to as f64 / from as f64)
            }
            (Some(scales), None) => {
                let scale = *scales.get(place).ok_or("it has too few scales")?;
                ((from as f64 * scale).floor() as usize, scale)
            }
            (None, None) => return Err("it has neither scales nor sizes".to_owned()),
        };
        if scale != 1.0 || to != from {
            x = along(call, &x, dim, [from, to], scale, (usual, older));
        }
    }
    Ok(vec![x])
}

/// One dimension from one size to another.
fn along(call: &Call, x: &Tensor, dim: usize, [from, to]: [usize; 2], scale: f64, (usual, older): (&str, bool)) -> Tensor {
    let at = |place: usize| match call.text("coordinate_transformation_mode", usual) {
        "asymmetric" => place as f64 / scale,
        // By the size before it is rounded, as the standard has it.
        "align_corners" => if to > 1 { place as f64 * (from as f64 - 1.0) / (from as f64 * scale - 1.0) } else { 0.0 },
        "pytorch_half_pixel" if to == 1 => 0.0,
        _ => (place as f64 + 0.5) / scale - 0.5,
    };
    let last = from as i64 - 1;
    let index = |place: &dyn Fn(f64) -> f64| whole((0..to).map(|i| (place(at(i)) as i64).clamp(0, last)).collect());
    if call.text("mode", "nearest") == "nearest" {
        let rounded = |v: f64| match call.text("nearest_mode", if older { "floor" } else { "round_prefer_floor" }) {
            "floor" => v.floor(),
            "ceil" => v.ceil(),
            "round_prefer_ceil" => (v + 0.5).floor(),
            _ => (v - 0.5).ceil(),
        };
        return x.index_select(dim as i64, &index(&rounded));
    }
    let low = x.index_select(dim as i64, &index(&f64::floor));
    let high = x.index_select(dim as i64, &index(&|v| v.floor() + 1.0));
    let mut shape = vec![1; x.rank()];
    shape[dim] = to as i64;
    let share = Tensor::from_vec((0..to).map(|i| at(i) - at(i).floor()).collect::<Vec<f64>>(), &[to]).to_dtype(x.dtype()).reshape(&shape);
    &low + &((&high - &low) * share)
}
