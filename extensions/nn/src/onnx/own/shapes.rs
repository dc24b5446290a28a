//! Operators that move elements: other shapes, parts, joins, indices, constants.
use super::call::{Call, Operator, axis, not_done, signed, whole};
use super::file::{Attribute, Result};
use ochre_tensors::{DType, Padding, Tensor};

/// Those that this file has.
pub fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "Concat" => concat,
        "Constant" => constant,
        "ConstantOfShape" => constant_of_shape,
        "DepthToSpace" => depth_to_space,
        "Expand" => expand,
        "Flatten" => flatten,
        "Gather" => gather,
        "GatherElements" => |call| {
            let x = call.input(0)?;
            let dim = axis(call.int("axis", 0), x.rank())?;
            Ok(vec![x.gather(dim as i64, &from_zero(call.input(1)?, x.shape()[dim]))])
        },
        "GatherND" => gather_nd,
        "NonZero" => |call| Ok(vec![call.input(0)?.nonzero().t().contiguous()]),
        "OneHot" => one_hot,
        "Pad" => pad,
        "Range" => range,
        "Reshape" => reshape,
        "Resize" | "Upsample" => super::networks::resize,
        "ScatterElements" | "Scatter" => scatter,
        "ScatterND" => scatter_nd,
        "Shape" => shape,
        "Size" => |call| Ok(vec![Tensor::full(&[], call.input(0)?.len() as i64)]),
        "Slice" => slice,
        "SpaceToDepth" => space_to_depth,
        "Split" => split,
        "Squeeze" => squeeze,
        "Tile" => |call| Ok(vec![call.input(0)?.repeat(&sizes(&call.list(1).ok_or("it has no repeats")?)?)]),
        "Transpose" => transpose,
        "Trilu" => trilu,
        "Unsqueeze" => unsqueeze,
        _ => return None,
    })
}

fn sizes(list: &[i64]) -> Result<Vec<usize>> {
    list.iter().map(|&n| usize::try_from(n).map_err(|_| format!("a size of {n}"))).collect()
}

fn concat(call: &Call) -> Result<Vec<Tensor>> {
    let all = call.all();
    let dim = axis(call.int("axis", 1), all.first().ok_or("it has no input")?.rank())?;
    Ok(vec![Tensor::cat(&all, dim as i64)])
}

fn constant(call: &Call) -> Result<Vec<Tensor>> {
    let value = ["value", "value_float", "value_floats", "value_int", "value_ints"].iter().find_map(|name| call.attribute(name));
    Ok(vec![match value {
        Some(Attribute::Tensor(value)) => value.clone(),
        Some(Attribute::Float(value)) => Tensor::full(&[], *value),
        Some(Attribute::Floats(values)) => Tensor::from_slice(values),
        Some(Attribute::Int(value)) => Tensor::full(&[], *value),
        Some(Attribute::Ints(values)) => whole(values.clone()),
        _ => return Err(not_done("a constant that is no number")),
    }])
}

fn constant_of_shape(call: &Call) -> Result<Vec<Tensor>> {
    let shape = sizes(&call.list(0).ok_or("it has no shape")?)?;
    Ok(vec![match call.attribute("value") {
        Some(Attribute::Tensor(value)) => value.reshape(&[0i64; 0]).expand(&shape).contiguous(),
        _ => Tensor::zeros(&shape),
    }])
}

/// Channels become blocks of pixels, of depth, column, row or column, row, depth.
fn depth_to_space(call: &Call) -> Result<Vec<Tensor>> {
    let (x, block) = (call.input(0)?, call.int("blocksize", 1));
    let [n, c, h, w] = four(x)?;
    let depth = c / (block * block).max(1);
    let spread = if call.text("mode", "DCR") == "CRD" {
        x.reshape(&[n, depth, block, block, h, w]).permute(&[0, 1, 4, 2, 5, 3])
    } else {
        x.reshape(&[n, block, block, depth, h, w]).permute(&[0, 3, 4, 1, 5, 2])
    };
    Ok(vec![spread.reshape(&[n, depth, h * block, w * block])])
}

fn space_to_depth(call: &Call) -> Result<Vec<Tensor>> {
    let (x, block) = (call.input(0)?, call.int("blocksize", 1).max(1));
    let [n, c, h, w] = four(x)?;
    let order = if call.text("mode", "DCR") == "CRD" { [0, 1, 3, 5, 2, 4] } else { [0, 3, 5, 1, 2, 4] };
    let cut = x.reshape(&[n, c, h / block, block, w / block, block]).permute(&order);
    Ok(vec![cut.reshape(&[n, c * block * block, h / block, w / block])])
}

fn four(x: &Tensor) -> Result<[i64; 4]> {
    signed(x.shape()).try_into().map_err(|shape| format!("{shape:?} is no [N, C, H, W]"))
}

/// The shape that both broadcast to.
fn expand(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let wanted = sizes(&call.list(1).ok_or("it has no shape")?)?;
    let rank = wanted.len().max(x.rank());
    let at = |shape: &[usize], d: usize| (d + shape.len()).checked_sub(rank).map_or(1, |d| shape[d]);
    let shape: Vec<usize> = (0..rank).map(|d| if at(x.shape(), d) == 1 { at(&wanted, d) } else { at(x.shape(), d) }).collect();
    Ok(vec![x.expand(&shape)])
}

fn flatten(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let at = call.int("axis", 1);
    let at = if at < 0 { at + x.rank() as i64 } else { at } as usize;
    let (rows, columns) = x.shape().split_at_checked(at).ok_or("the axis is beyond the shape")?;
    Ok(vec![x.reshape(&[rows.iter().product::<usize>() as i64, columns.iter().product::<usize>() as i64])])
}

/// Places of an index counted from 0.
fn from_zero(index: &Tensor, size: usize) -> Tensor {
    let index = index.to_dtype(DType::I64);
    Tensor::where_cond(&index.lt(0i64), &(&index + size as i64), &index)
}

fn gather(call: &Call) -> Result<Vec<Tensor>> {
    let (x, index) = (call.input(0)?, call.input(1)?);
    let dim = axis(call.int("axis", 0), x.rank())?;
    let picked = x.index_select(dim as i64, &index.to_dtype(DType::I64).reshape(&[-1]));
    let shape = [&x.shape()[..dim], index.shape(), &x.shape()[dim + 1..]].concat();
    Ok(vec![picked.reshape(&signed(&shape))])
}

/// Rows of an index as places in the flattened first dimensions; how many dimensions those are.
fn flat_index(x: &Tensor, index: &Tensor) -> Result<(Tensor, usize)> {
    let width = *index.shape().last().ok_or("the index has no dimension")?;
    let leading = x.shape().get(..width).ok_or("the index has more columns than the tensor dimensions")?;
    let rows = index.to_dtype(DType::I64).reshape(&[-1, width as i64]);
    let mut places = Tensor::zeros(&[rows.dim(0)]).to_dtype(DType::I64);
    for (d, &size) in leading.iter().enumerate() {
        places = places * size as i64 + from_zero(&rows.select(1, d as i64), size);
    }
    Ok((places, width))
}

fn gather_nd(call: &Call) -> Result<Vec<Tensor>> {
    let (x, index) = (call.input(0)?, call.input(1)?);
    if call.int("batch_dims", 0) != 0 {
        return Err(not_done("GatherND with batch_dims"));
    }
    let (places, width) = flat_index(x, index)?;
    let rest = &x.shape()[width..];
    let rows = x.reshape(&[&[-1], signed(rest).as_slice()].concat()).index_select(0, &places);
    let shape = [&index.shape()[..index.rank() - 1], rest].concat();
    Ok(vec![rows.reshape(&signed(&shape))])
}

fn scatter(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let dim = axis(call.int("axis", 0), x.rank())?;
    call.only("reduction", &["none", "add"])?;
    let (index, source) = (from_zero(call.input(1)?, x.shape()[dim]), call.input(2)?);
    let add = call.text("reduction", "none") == "add";
    Ok(vec![if add { x.scatter_add(dim as i64, &index, source) } else { x.scatter(dim as i64, &index, source) }])
}

fn scatter_nd(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    call.only("reduction", &["none", "add"])?;
    let (places, width) = flat_index(x, call.input(1)?)?;
    let rest: usize = x.shape()[width..].iter().product();
    let rows = x.reshape(&[-1, rest as i64]);
    let source = call.input(2)?.reshape(&[places.len() as i64, rest as i64]);
    let changed = if call.text("reduction", "none") == "add" {
        rows.index_add(0, &places, &source)
    } else {
        rows.scatter(0, &places.unsqueeze(1).expand(source.shape()), &source)
    };
    Ok(vec![changed.reshape(&signed(x.shape()))])
}

/// The place's number counts as far as `depth`, from behind too; others are `off` everywhere.
fn one_hot(call: &Call) -> Result<Vec<Tensor>> {
    let (index, values) = (call.input(0)?.to_dtype(DType::I64), call.input(2)?);
    let depth = call.list(1).and_then(|d| d.first().copied()).ok_or("it has no depth")?;
    let dim = axis(call.int("axis", -1), index.rank() + 1)?;
    let index = from_zero(&index, usize::try_from(depth).map_err(|_| "a negative depth")?);
    let mut shape = vec![1; index.rank() + 1];
    shape[dim] = depth;
    let hit = index.unsqueeze(dim as i64).eq(&Tensor::arange(0, depth, 1).reshape(&shape));
    Ok(vec![Tensor::where_cond(&hit, &values.select(0, 1), &values.select(0, 0))])
}

fn pad(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let given = call.listed(1, "pads").ok_or("it has no pads")?;
    let axes = match call.list(3) {
        Some(axes) => axes.iter().map(|&a| axis(a, x.rank())).collect::<Result<Vec<_>>>()?,
        None => (0..x.rank()).collect(),
    };
    // Ours begin with the last dimension.
    let mut widths = vec![0; 2 * x.rank()];
    for (place, &dim) in axes.iter().enumerate() {
        let at = 2 * (x.rank() - 1 - dim);
        let (before, after) = given.get(place).zip(given.get(place + axes.len())).ok_or("it has too few pads")?;
        (widths[at], widths[at + 1]) = (*before, *after);
    }
    call.only("mode", &["constant", "reflect", "edge", "wrap"])?;
    let value = call.maybe(2).map_or_else(|| call.float("value", 0.0), |x| x.item());
    let kind = match call.text("mode", "constant") {
        "reflect" => Padding::Reflect,
        "edge" => Padding::Replicate,
        "wrap" => Padding::Circular,
        _ => Padding::Constant(value),
    };
    Ok(vec![x.pad_with(&widths, kind)])
}

fn range(call: &Call) -> Result<Vec<Tensor>> {
    let (start, end, step) = (call.input(0)?, call.input(1)?, call.input(2)?);
    if !start.dtype().is_float() {
        let int = |t: &Tensor| t.to_vec::<i64>().first().copied().unwrap_or(0);
        return Ok(vec![Tensor::arange(int(start), int(end), int(step)).to_dtype(start.dtype())]);
    }
    let (begin, by) = (start.item(), step.item());
    let count = ((end.item() - begin) / by).ceil().max(0.0) as usize;
    Ok(vec![Tensor::from_vec((0..count).map(|i| begin + i as f64 * by).collect::<Vec<f64>>(), &[count]).to_dtype(start.dtype())])
}

/// A 0 keeps the size, unless the model says that it means nothing.
fn reshape(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let mut shape = call.listed(1, "shape").ok_or("it has no shape")?;
    if !call.flag("allowzero") {
        for (place, size) in shape.iter_mut().enumerate().filter(|(_, size)| **size == 0) {
            *size = *x.shape().get(place).ok_or("a 0 beyond the input's shape")? as i64;
        }
    }
    // Of nothing, -1 is not to be found by division.
    if x.is_empty() && shape.contains(&-1) && shape.contains(&0) {
        shape.iter_mut().filter(|size| **size == -1).for_each(|size| *size = 0);
    }
    Ok(vec![x.reshape(&shape)])
}

fn shape(call: &Call) -> Result<Vec<Tensor>> {
    let all = signed(call.input(0)?.shape());
    let rank = all.len() as i64;
    let place = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
    let (start, end) = (place(call.int("start", 0)), place(call.int("end", rank)));
    Ok(vec![whole(all.get(start..end).unwrap_or_default().to_vec())])
}

/// Python's `x[start:end:step]` along some dimensions; steps may be negative.
fn slice(call: &Call) -> Result<Vec<Tensor>> {
    let mut x = call.input(0)?.clone();
    let starts = call.listed(1, "starts").ok_or("it has no starts")?;
    let ends = call.listed(2, "ends").ok_or("it has no ends")?;
    let axes = call.listed(3, "axes").unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.list(4).unwrap_or_else(|| vec![1; starts.len()]);
    for (((start, end), dim), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
        let dim = axis(dim, x.rank())?;
        let size = x.shape()[dim] as i64;
        let place = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
        if step > 0 {
            let (start, end) = (place(start).clamp(0, size), place(end).clamp(0, size));
            x = x.narrow(dim as i64, start as usize, (end - start).max(0) as usize);
        }
        match step {
            0 => return Err("a step of 0".to_owned()),
            1 => {}
            2.. => {
                let places: Vec<i64> = (0..x.shape()[dim] as i64).step_by(step as usize).collect();
                x = x.index_select(dim as i64, &whole(places));
            }
            _ => {
                let (start, end) = (place(start).clamp(-1, size - 1), place(end).clamp(-1, size - 1));
                let places: Vec<i64> = (end + 1..=start).rev().step_by(step.unsigned_abs() as usize).collect();
                x = x.index_select(dim as i64, &whole(places));
            }
        }
    }
    Ok(vec![x])
}

fn split(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let dim = axis(call.int("axis", 0), x.rank())?;
    let size = x.shape()[dim];
    let parts = match call.listed(1, "split") {
        Some(list) => sizes(&list)?,
        None => {
            let count = (call.int("num_outputs", call.node.outputs.len() as i64).max(1)) as usize;
            let each = size.div_ceil(count);
            (0..count).map(|i| each.min(size.saturating_sub(i * each))).collect()
        }
    };
    Ok(x.split_sizes(&parts, dim as i64))
}

fn squeeze(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let Some(axes) = call.listed(1, "axes") else { return Ok(vec![x.squeeze_all()]) };
    let mut dims = axes.iter().map(|&a| axis(a, x.rank())).collect::<Result<Vec<_>>>()?;
    dims.sort_unstable();
    Ok(vec![dims.iter().rev().fold(x.clone(), |x, &d| x.squeeze(d as i64))])
}

fn unsqueeze(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let axes = call.listed(1, "axes").ok_or("it has no axes")?;
    let mut dims = axes.iter().map(|&a| axis(a, x.rank() + axes.len())).collect::<Result<Vec<_>>>()?;
    dims.sort_unstable();
    Ok(vec![dims.iter().fold(x.clone(), |x, &d| x.unsqueeze(d as i64))])
}

fn transpose(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let order = call.ints("perm").map_or_else(|| (0..x.rank() as i64).rev().collect(), <[i64]>::to_vec);
    Ok(vec![x.permute(&order)])
}

fn trilu(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let diagonal = call.list(1).and_then(|k| k.first().copied()).unwrap_or(0);
    Ok(vec![if call.int("upper", 1) != 0 { x.triu(diagonal) } else { x.tril(diagonal) }])
}
