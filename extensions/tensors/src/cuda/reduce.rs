//! Reductions, running sums and sorting.
use super::Cuda;
use super::driver::Gpu;
use super::element::{launch_threads, permuted};
use super::images::Kernel;
use super::shape::{Shape, Strides, Walk};
use crate::backend::Reduce;
use crate::error::Result;
use crate::{DType, Dims, Layout, Raw, TensorError};

#[repr(C)]
#[derive(Clone, Copy)]
struct ReduceArgs {
    x: u64,
    y: u64,
    length: u64,
    part: u64,
    parts: u64,
    scale: f64,
    kept: Shape,
    kept_strides: Strides,
    gone: Shape,
    gone_strides: Strides,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct ScanArgs {
    x: u64,
    y: u64,
    length: u64,
    x_step: u64,
    y_step: u64,
    kept: Shape,
    xs: Strides,
    ys: Strides,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct KeyArgs {
    x: u64,
    keys: u64,
    places: u64,
    length: u64,
    descending: u32,
    unused: u32,
    shape: Shape,
    xs: Strides,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct SortArgs {
    keys: u64,
    places: u64,
    keys_out: u64,
    places_out: u64,
    rows: u64,
    length: u64,
    run: u64,
}

/// Elements that the tiles of a sort have.
const TILE: u64 = 1024;

/// The names of a reduction's three kernels.
const fn names(op: Reduce) -> [&'static str; 3] {
    match op {
        Reduce::Sum | Reduce::Mean => ["sum_rows", "sum_columns", "sum_finish"],
        Reduce::Prod => ["prod_rows", "prod_columns", "prod_finish"],
        Reduce::Max => ["max_rows", "max_columns", "max_finish"],
        Reduce::Min => ["min_rows", "min_columns", "min_finish"],
        Reduce::Any => ["any_rows", "any_columns", "any_finish"],
        Reduce::All => ["all_rows", "all_columns", "all_finish"],
    }
}

/// The type in which elements are added up.
pub(super) fn wide(dtype: DType) -> DType {
    match dtype {
        DType::F64 => DType::F64,
        DType::F16 | DType::BF16 | DType::F32 => DType::F32,
        _ => DType::I64,
    }
}

/// Threads that share a row of this length: x and y of a block.
pub(super) fn row_block(length: u64) -> [u32; 2] {
    let x = (length / 4).next_power_of_two().clamp(32, 512) as u32;
    [x, (256 / x).max(1)]
}

/// Into how many parts work is cut so that the whole GPU has some, each not smaller than `least`.
pub(super) fn parts(gpu: &Gpu, blocks: u64, length: u64, least: u64) -> u64 {
    let wanted = u64::from(gpu.multiprocessors) * 8;
    (wanted / blocks.max(1)).min(length / least).clamp(1, 1024)
}

/// A kernel of each kind and the size of what it takes, for the test that compares them with the PTX.
#[cfg(test)]
pub(super) const SIZES: &[(&str, &str, usize)] = &[("reduce", "sum_rows_f32", size_of::<ReduceArgs>()), ("reduce", "cumsum_f32", size_of::<ScanArgs>()), ("order", "keys_f32", size_of::<KeyArgs>()), ("order", "sort_tile", size_of::<SortArgs>())];

impl Cuda {
    pub(super) fn reduce_kernel(&self, op: Reduce, x: &Raw, dims: &[usize]) -> Result<Raw> {
        let (kept, gone): (Vec<usize>, Vec<usize>) = (0..x.layout.rank()).partition(|d| !dims.contains(d));
        let pick = |of: &[usize], from: &[usize]| of.iter().map(|&d| from[d]).collect::<Dims>();
        let shape = pick(&kept, x.shape());
        let to = match op {
            Reduce::Any | Reduce::All => DType::Bool,
            Reduce::Sum | Reduce::Prod if !x.dtype.is_float() => DType::I64,
            Reduce::Mean if !x.dtype.is_float() => return Err(TensorError::DType { operation: "mean", dtype: x.dtype, hint: "; convert it to a float type first" }),
            _ => x.dtype,
        };
        let y = self.fresh(to, &shape)?;
        let length: usize = dims.iter().map(|&d| x.shape()[d]).product();
        let kept = Walk::new(op.name(), &shape, [&pick(&kept, &x.layout.strides)])?;
        let gone = Walk::new(op.name(), &pick(&gone, x.shape()), [&pick(&gone, &x.layout.strides)])?;
        let scale = if op == Reduce::Mean { 1.0 / length as f64 } else { 1.0 };
        let args = ReduceArgs {
            x: self.address(x)?,
            y: self.address(&y)?,
            length: length as u64,
            part: length as u64,
            parts: 1,
            scale,
            kept: kept.shape,
            kept_strides: kept.strides[0],
            gone: gone.shape,
            gone_strides: gone.strides[0],
        };
        let columns = kept.step(0) < gone.step(0) && kept.last() >= 16 && length > 1;
        self.reduce_in_parts(names(op), x.dtype, columns, args)?;
        Ok(y)
    }

    /// One pass, or two where there are few results of many elements.
    fn reduce_in_parts(&self, names: [&'static str; 3], dtype: DType, columns: bool, mut args: ReduceArgs) -> Result<()> {
        let block = if columns { [32, 8] } else { row_block(args.length) };
        let blocks = args.kept.count.div_ceil(u64::from(if columns { block[0] } else { block[1] }));
        let parts = parts(self.gpu, blocks, args.length, if columns { 256 } else { 8192 });
        let kernel = Kernel::of("reduce", names[usize::from(columns)], dtype);
        if parts == 1 {
            return self.gpu.launch(kernel, [blocks as u32, 1, 1], block, &args);
        }
        let result = args.y;
        let partial = self.fresh(wide(dtype), &[args.kept.count as usize, parts as usize])?;
        (args.y, args.parts, args.part) = (self.address(&partial)?, parts, args.length.div_ceil(parts));
        self.gpu.launch(kernel, [blocks as u32, parts as u32, 1], block, &args)?;
        let rows = Walk::new("reduce", &[args.kept.count as usize], [&[parts as usize]])?;
        let line = Walk::new("reduce", &[parts as usize], [&[1]])?;
        let args = ReduceArgs {
            x: args.y,
            y: result,
            length: parts,
            part: parts,
            parts: 1,
            kept: rows.shape,
            // One result is no reason to forget how far apart the rows are.
            kept_strides: rows.strides[0],
            gone: line.shape,
            gone_strides: line.strides[0],
            scale: args.scale,
        };
        let block = row_block(parts);
        self.gpu.launch(Kernel::of("reduce", names[2], dtype), [args.kept.count.div_ceil(u64::from(block[1])) as u32, 1, 1], block, &args)
    }

    pub(super) fn arg_reduce_kernel(&self, max: bool, x: &Raw, dim: usize) -> Result<Raw> {
        let (shape, strides) = without(x, dim);
        let y = self.fresh(DType::I64, &shape)?;
        let kept = Walk::new("argmax", &shape, [&strides])?;
        let gone = Walk::new("argmax", &[x.shape()[dim]], [&[x.layout.strides[dim]]])?;
        let length = x.shape()[dim] as u64;
        let args = ReduceArgs {
            x: self.address(x)?,
            y: self.address(&y)?,
            length,
            part: length,
            parts: 1,
            scale: 1.0,
            kept: kept.shape,
            kept_strides: kept.strides[0],
            gone: gone.shape,
            gone_strides: gone.strides[0],
        };
        let block = row_block(length);
        let grid = [kept.shape.count.div_ceil(u64::from(block[1])) as u32, 1, 1];
        self.gpu.launch(Kernel::of("reduce", if max { "argmax" } else { "argmin" }, x.dtype), grid, block, &args)?;
        Ok(y)
    }

    pub(super) fn cumsum_kernel(&self, x: &Raw, dim: usize) -> Result<Raw> {
        let y = self.fresh(if x.dtype.is_float() { x.dtype } else { DType::I64 }, x.shape())?;
        let (shape, xs) = without(x, dim);
        let (_, ys) = without(&y, dim);
        let kept = Walk::new("cumsum", &shape, [&xs, &ys])?;
        let args = ScanArgs {
            x: self.address(x)?,
            y: self.address(&y)?,
            length: x.shape()[dim] as u64,
            x_step: x.layout.strides[dim] as u64,
            y_step: y.layout.strides[dim] as u64,
            kept: kept.shape,
            xs: kept.strides[0],
            ys: kept.strides[1],
        };
        self.gpu.launch(Kernel::of("reduce", "cumsum", x.dtype), [kept.shape.count as u32, 1, 1], [256, 1], &args)?;
        Ok(y)
    }

    pub(super) fn sort_kernel(&self, x: &Raw, dim: usize, descending: bool) -> Result<(Raw, Raw)> {
        // The dimension goes to the end, and comes back afterwards.
        let mut order: Vec<usize> = (0..x.layout.rank()).filter(|&d| d != dim).collect();
        order.push(dim);
        let turned = permuted(x, &order);
        let (count, length) = (x.len(), x.shape()[dim]);
        let mut keys = [self.fresh(DType::I64, &[count])?, self.fresh(DType::I64, &[count])?];
        let mut places = [self.fresh(DType::I64, turned.shape())?, self.fresh(DType::I64, turned.shape())?];
        let walk = Walk::new("sort", turned.shape(), [&turned.layout.strides])?;
        let args = KeyArgs {
            x: self.address(&turned)?,
            keys: self.address(&keys[0])?,
            places: self.address(&places[0])?,
            length: length.max(1) as u64,
            descending: descending.into(),
            unused: 0,
            shape: walk.shape,
            xs: walk.strides[0],
        };
        launch_threads(self.gpu, Kernel::of("order", "keys", x.dtype), count as u64, &args)?;
        let mut args = SortArgs { keys: 0, places: 0, keys_out: 0, places_out: 0, rows: (count / length.max(1)) as u64, length: length.max(1) as u64, run: TILE };
        let mut pass = |kernel: &'static str, grid: u64, block: u32, run: u64| -> Result<()> {
            args.run = run;
            (args.keys, args.places) = (self.address(&keys[0])?, self.address(&places[0])?);
            (args.keys_out, args.places_out) = (self.address(&keys[1])?, self.address(&places[1])?);
            self.gpu.launch(Kernel::new("order", kernel), [grid as u32, 1, 1], [block, 1], &args)?;
            keys.swap(0, 1);
            places.swap(0, 1);
            Ok(())
        };
        if count > 0 {
            let rows = (count / length) as u64;
            pass("sort_tile", rows * (length as u64).div_ceil(TILE), 512, TILE)?;
            let mut run = TILE;
            while run < length as u64 {
                pass("sort_merge", (count as u64).div_ceil(256), 256, run)?;
                run *= 2;
            }
        }
        let [places, _] = places;
        let values = self.gather_kernel(&turned, turned.layout.rank() - 1, &places)?;
        let mut back: Vec<usize> = (0..order.len()).collect();
        back.iter_mut().enumerate().for_each(|(d, to)| *to = order.iter().position(|&o| o == d).unwrap_or(d));
        Ok((self.dense(&permuted(&values, &back))?, self.dense(&permuted(&places, &back))?))
    }
}

/// Shape and strides of all dimensions but one.
fn without(x: &Raw, dim: usize) -> (Dims, Dims) {
    let Layout { mut shape, mut strides, .. } = x.layout.clone();
    shape.remove(dim);
    strides.remove(dim);
    (shape, strides)
}
