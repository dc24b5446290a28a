//! Element-wise operations, copies, fills and random numbers.
use super::Cuda;
use super::driver::Gpu;
use super::images::Kernel;
use super::shape::{Shape, Strides, Walk};
use super::step::Step;
use crate::backend::{Binary, Compare, Draw, Unary};
use crate::error::Result;
use crate::{DType, Layout, Raw, TensorError};

/// Threads of a block in kernels where each makes one element or pack.
pub const BLOCK: u64 = 256;

/// Starts a kernel of `count` threads.
pub fn launch_threads<A: Copy>(gpu: &Gpu, kernel: Kernel, count: u64, argument: &A) -> Result<()> {
    gpu.launch(kernel, [count.div_ceil(BLOCK) as u32, 1, 1], [BLOCK as u32, 1], argument)
}

#[repr(C)]
#[derive(Clone, Copy)]
struct UnaryArgs {
    x: u64,
    y: u64,
    p: f64,
    q: f64,
    packs: u32,
    whole: u32,
    shape: Shape,
    xs: Strides,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct BinaryArgs {
    x: u64,
    y: u64,
    z: u64,
    p: f64,
    packs: u32,
    whole_x: u32,
    whole_y: u32,
    unused: u32,
    shape: Shape,
    xs: Strides,
    ys: Strides,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct SelectArgs {
    mask: u64,
    x: u64,
    y: u64,
    z: u64,
    shape: Shape,
    ms: Strides,
    xs: Strides,
    ys: Strides,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CopyArgs {
    x: u64,
    y: u64,
    packs: u32,
    unused: u32,
    shape: Shape,
    xs: Strides,
    ys: Strides,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct TransposeArgs {
    x: u64,
    y: u64,
    rows: u64,
    columns: u64,
    batch: u64,
    row_stride: u64,
    batch_stride: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct FillArgs {
    y: u64,
    count: u64,
    bits: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct RandomArgs {
    y: u64,
    replays: u64,
    count: u64,
    key: u64,
    counter: u64,
    p: f64,
    q: f64,
    low: i64,
    range: u64,
}

/// A kernel of each kind and the size of what it takes, for the test that compares them with the PTX.
#[cfg(test)]
pub(super) const SIZES: &[(&str, &str, usize)] = &[("unary", "exp_f32", size_of::<UnaryArgs>()), ("cast", "cast_f32_i64", size_of::<UnaryArgs>()), ("binary", "add_f32", size_of::<BinaryArgs>()), ("binary", "select_4", size_of::<SelectArgs>()), ("move", "copy_4", size_of::<CopyArgs>()), ("move", "transpose_4", size_of::<TransposeArgs>()), ("move", "fill_4", size_of::<FillArgs>()), ("move", "uniform_f32", size_of::<RandomArgs>())];

impl Cuda {
    /// The result of an element-wise operation on tensors of one shape: put off where kernels are fused, else begun.
    pub(super) fn element_wise(&self, step: Step, operands: &[&Raw]) -> Result<Raw> {
        // An operation that a type does not have is refused here.
        self.gpu.function(step.kernel())?;
        if self.may_put_off(operands) {
            return self.put_off(step, operands);
        }
        let y = self.fresh(step.to, operands[0].shape())?;
        self.apply(&step, operands, self.address(&y)?)?;
        Ok(y)
    }

    /// Starts an operation's own kernel, whose results go to `to`.
    pub(super) fn apply(&self, step: &Step, operands: &[&Raw], to: u64) -> Result<()> {
        match *operands {
            [x] => self.map(step, x, to),
            [x, y] => self.map_two(step, x, y, to),
            [mask, x, y] => self.select(step, [mask, x, y], to),
            _ => Ok(()),
        }
    }

    /// One kernel that goes over one tensor.
    fn map(&self, step: &Step, x: &Raw, y: u64) -> Result<()> {
        let kernel = step.kernel();
        let walk = Walk::new(kernel.name, x.shape(), [&x.layout.strides])?;
        let address = self.address(x)?;
        let (size, width) = (x.dtype.size() as u64, step.width());
        let packs = walk.packs(width);
        let whole = packs && walk.whole(0, address, width, size);
        let args = UnaryArgs { x: address, y, p: step.p, q: step.q, packs: packs.into(), whole: whole.into(), shape: walk.shape, xs: walk.strides[0] };
        launch_threads(self.gpu, kernel, if packs { walk.shape.count.div_ceil(width) } else { walk.shape.count }, &args)
    }

    /// One kernel that goes over two tensors of one shape and type.
    fn map_two(&self, step: &Step, x: &Raw, y: &Raw, z: u64) -> Result<()> {
        let kernel = step.kernel();
        let walk = Walk::new(kernel.name, x.shape(), [&x.layout.strides, &y.layout.strides])?;
        let (at_x, at_y) = (self.address(x)?, self.address(y)?);
        let (size, width) = (x.dtype.size() as u64, step.width());
        let packs = walk.packs(width);
        let args = BinaryArgs {
            x: at_x,
            y: at_y,
            z,
            p: step.p,
            packs: packs.into(),
            whole_x: u32::from(packs && walk.whole(0, at_x, width, size)),
            whole_y: u32::from(packs && walk.whole(1, at_y, width, size)),
            unused: 0,
            shape: walk.shape,
            xs: walk.strides[0],
            ys: walk.strides[1],
        };
        launch_threads(self.gpu, kernel, if packs { walk.shape.count.div_ceil(width) } else { walk.shape.count }, &args)
    }

    fn select(&self, step: &Step, [mask, a, b]: [&Raw; 3], z: u64) -> Result<()> {
        let walk = Walk::new("where", a.shape(), [&mask.layout.strides, &a.layout.strides, &b.layout.strides])?;
        let [ms, xs, ys] = walk.strides;
        let args = SelectArgs { mask: self.address(mask)?, x: self.address(a)?, y: self.address(b)?, z, shape: walk.shape, ms, xs, ys };
        launch_threads(self.gpu, step.kernel(), walk.shape.count, &args)
    }

    pub(super) fn unary_kernel(&self, op: Unary, x: &Raw) -> Result<Raw> {
        let dtype = x.dtype;
        let float = dtype.is_float();
        let (name, p, q) = match op {
            Unary::IsNan | Unary::IsInf if !float => return self.full_kernel(x.shape(), DType::Bool, 0.0),
            Unary::IsFinite if !float => return self.full_kernel(x.shape(), DType::Bool, 1.0),
            Unary::IsNan | Unary::IsInf | Unary::IsFinite => return self.element_wise(Step::one(op.kernel(), dtype, DType::Bool, 0.0, 0.0), &[x]),
            Unary::Floor | Unary::Ceil | Unary::Round | Unary::Trunc if !float => return self.copy_kernel(x),
            Unary::Abs | Unary::Sign | Unary::Square if dtype == DType::Bool => return self.copy_kernel(x),
            Unary::Not => ("not", 0.0, 0.0),
            _ if dtype == DType::Bool => return Err(TensorError::DType { operation: op.name(), dtype, hint: "; cast it to a float type, as `.to_dtype(DType::F32)`" }),
            // Cut off once, from the exact result, as on the CPU.
            Unary::Affine(a, b) if !float && (a.fract() != 0.0 || b.fract() != 0.0) => {
                return self.cast_kernel(&self.unary_kernel(op, &self.cast_kernel(x, DType::F64)?)?, dtype);
            }
            Unary::Pow(e) if float && e == 2.0 => ("square", 0.0, 0.0),
            Unary::Pow(e) if float && e == -1.0 => ("recip", 0.0, 0.0),
            Unary::Pow(e) if float && e == 1.0 => return self.copy_kernel(x),
            Unary::Pow(e) if !float && (e < 0.0 || e.fract() != 0.0) => {
                return Err(TensorError::DType { operation: op.name(), dtype, hint: " with such an exponent; convert it to a float type first" });
            }
            Unary::LeakyRelu(p) | Unary::Elu(p) | Unary::DivBy(p) | Unary::DivInto(p) | Unary::Pow(p) => (op.kernel(), p, 0.0),
            Unary::Affine(p, q) | Unary::Clamp(p, q) => (op.kernel(), p, q),
            _ => (op.kernel(), 0.0, 0.0),
        };
        self.element_wise(Step::one(name, dtype, dtype, p, q), &[x])
    }

    pub(super) fn unary_backward_kernel(&self, op: Unary, saved: &Raw, dy: &Raw) -> Result<Option<Raw>> {
        let (name, p) = match op {
            Unary::Relu => ("relu_back", 0.0),
            Unary::Sigmoid => ("sigmoid_back", 0.0),
            Unary::Tanh => ("tanh_back", 0.0),
            Unary::Exp => ("exp_back", 0.0),
            Unary::Log => ("log_back", 0.0),
            Unary::Sqrt => ("sqrt_back", 0.0),
            Unary::Square => ("square_back", 0.0),
            Unary::Abs => ("abs_back", 0.0),
            Unary::Gelu => ("gelu_back", 0.0),
            Unary::GeluTanh => ("gelu_tanh_back", 0.0),
            Unary::Silu => ("silu_back", 0.0),
            Unary::Softplus => ("softplus_back", 0.0),
            Unary::LeakyRelu(p) => ("leaky_relu_back", p),
            Unary::Elu(p) => ("elu_back", p),
            _ => return Ok(None),
        };
        if !dy.dtype.is_float() || saved.dtype != dy.dtype {
            return Ok(None);
        }
        self.element_wise(Step { p, ..Step::two(name, dy.dtype, dy.dtype) }, &[saved, dy]).map(Some)
    }

    pub(super) fn binary_kernel(&self, op: Binary, a: &Raw, b: &Raw) -> Result<Raw> {
        let name = match op {
            Binary::Max => "max",
            Binary::Min => "min",
            Binary::Pow => "power",
            _ => op.name(),
        };
        self.element_wise(Step::two(name, a.dtype, a.dtype), &[a, b])
    }

    pub(super) fn compare_kernel(&self, op: Compare, a: &Raw, b: &Raw) -> Result<Raw> {
        self.element_wise(Step::two(op.name(), a.dtype, DType::Bool), &[a, b])
    }

    pub(super) fn cast_kernel(&self, x: &Raw, to: DType) -> Result<Raw> {
        if x.dtype == to {
            return self.copy_kernel(x);
        }
        self.element_wise(Step::cast(x.dtype, to), &[x])
    }

    pub(super) fn select_kernel(&self, mask: &Raw, a: &Raw, b: &Raw) -> Result<Raw> {
        self.element_wise(Step::select(a.dtype), &[mask, a, b])
    }

    pub(super) fn full_kernel(&self, shape: &[usize], dtype: DType, value: f64) -> Result<Raw> {
        self.filled(shape, dtype, bits_of(dtype, value))
    }

    /// Every element has these bits.
    pub(super) fn filled(&self, shape: &[usize], dtype: DType, bits: u64) -> Result<Raw> {
        let y = self.fresh(dtype, shape)?;
        if bits == 0 {
            self.gpu.zero(self.address(&y)?, y.len() * dtype.size())?;
            return Ok(y);
        }
        let args = FillArgs { y: self.address(&y)?, count: y.len() as u64, bits };
        let width = 16 / dtype.size() as u64;
        launch_threads(self.gpu, Kernel::new("move", by_size(["fill_1", "fill_2", "fill_4", "fill_8"], dtype)), args.count.div_ceil(width), &args)?;
        Ok(y)
    }

    /// A row-major copy.
    pub(super) fn copy_kernel(&self, x: &Raw) -> Result<Raw> {
        let mut y = self.fresh(x.dtype, x.shape())?;
        self.copy_into_kernel(&mut y, x)?;
        Ok(y)
    }

    pub(super) fn copy_into_kernel(&self, dst: &mut Raw, src: &Raw) -> Result<()> {
        self.before_change(dst)?;
        let size = src.dtype.size() as u64;
        let (from, to) = (self.address(src)?, self.address(dst)?);
        if src.layout.is_contiguous() && dst.layout.is_contiguous() {
            return if src.is_empty() { Ok(()) } else { self.gpu.copy(to, from, src.len() * src.dtype.size()) };
        }
        let walk = Walk::new("copy", src.shape(), [&src.layout.strides, &dst.layout.strides])?;
        if let Some(args) = transposed(&walk, from, to) {
            let grid = [args.rows.div_ceil(32) as u32, args.columns.div_ceil(32) as u32, args.batch.min(65_535) as u32];
            if grid[1] < 65_536 {
                return self.gpu.launch(Kernel::new("move", by_size(["transpose_1", "transpose_2", "transpose_4", "transpose_8"], src.dtype)), grid, [32, 8], &args);
            }
        }
        let width = 16 / size;
        let packs = walk.packs(width) && walk.whole(0, from, width, size) && walk.whole(1, to, width, size);
        let args = CopyArgs { x: from, y: to, packs: packs.into(), unused: 0, shape: walk.shape, xs: walk.strides[0], ys: walk.strides[1] };
        let threads = if packs { walk.shape.count.div_ceil(width) } else { walk.shape.count };
        launch_threads(self.gpu, Kernel::new("move", by_size(["copy_1", "copy_2", "copy_4", "copy_8"], src.dtype)), threads, &args)
    }

    pub(super) fn random_kernel(&self, shape: &[usize], dtype: DType, draw: Draw, key: u64, counter: u64) -> Result<Raw> {
        let refuse = |operation| Err(TensorError::DType { operation, dtype, hint: "" });
        let mut args = RandomArgs { y: 0, replays: self.replays(), count: shape.iter().product::<usize>() as u64, key, counter, p: 0.0, q: 0.0, low: 0, range: 0 };
        let (kernel, made) = match draw {
            Draw::Uniform { low, high } => {
                (args.p, args.q) = (low, high);
                if !dtype.is_float() {
                    return refuse("rand");
                }
                (Kernel::of("move", "uniform", dtype), dtype)
            }
            Draw::Normal { mean, std } => {
                (args.p, args.q) = (mean, std);
                if !dtype.is_float() {
                    return refuse("randn");
                }
                (Kernel::of("move", "normal", dtype), dtype)
            }
            Draw::Integers { .. } if dtype == DType::Bool => return refuse("randint"),
            Draw::Integers { low, high } => {
                (args.low, args.range) = (low, high.wrapping_sub(low) as u64);
                (Kernel::new("move", "integers"), DType::I64)
            }
            Draw::Bernoulli { p } => {
                args.range = (p.clamp(0.0, 1.0) * 4_294_967_296.0) as u64;
                (Kernel::new("move", "bernoulli"), DType::Bool)
            }
        };
        let y = self.fresh(made, shape)?;
        args.y = self.address(&y)?;
        launch_threads(self.gpu, kernel, args.count.div_ceil(4), &args)?;
        if made == dtype { Ok(y) } else { self.cast_kernel(&y, dtype) }
    }

    /// The tensor itself if it is row-major, else a copy.
    pub(super) fn dense(&self, x: &Raw) -> Result<Raw> {
        if x.layout.is_contiguous() { Ok(x.clone()) } else { self.copy_kernel(x) }
    }

    /// Row-major and of this type.
    pub(super) fn dense_as(&self, x: &Raw, dtype: DType) -> Result<Raw> {
        if x.dtype == dtype { self.dense(x) } else { self.cast_kernel(x, dtype) }
    }
}

impl Unary {
    /// What its kernel is called.
    fn kernel(self) -> &'static str {
        match self {
            Self::Not => "not",
            Self::Recip => "recip",
            Self::DivBy(_) => "div_by",
            Self::DivInto(_) => "div_into",
            _ => self.name(),
        }
    }
}

/// The kernel for elements of 1, 2, 4 or 8 bytes.
pub(super) fn by_size(names: [&'static str; 4], dtype: DType) -> &'static str {
    names[dtype.size().trailing_zeros() as usize]
}

/// A number as an element's bits.
fn bits_of(dtype: DType, value: f64) -> u64 {
    match dtype {
        DType::Bool => u64::from(value != 0.0),
        DType::U8 => u64::from(value as u8),
        DType::I32 => u64::from(value as i32 as u32),
        DType::I64 => value as i64 as u64,
        DType::F16 => u64::from(half::f16::from_f64(value).to_bits()),
        DType::BF16 => u64::from(half::bf16::from_f64(value).to_bits()),
        DType::F32 => u64::from((value as f32).to_bits()),
        DType::F64 => value.to_bits(),
    }
}

/// A copy to row-major from matrices whose rows and columns are exchanged: `x[batch][row][column]` with columns together becomes
/// `y[batch][column][row]`.
fn transposed(walk: &Walk<2>, x: u64, y: u64) -> Option<TransposeArgs> {
    let rank = walk.shape.rank as usize;
    let (size, from, to) = (&walk.shape.size, &walk.strides[0].0, &walk.strides[1].0);
    let (batch, batch_stride) = match rank {
        2 => (1, 0),
        3 if to[0] == size[1] * size[2] => (size[0], from[0]),
        _ => return None,
    };
    let (columns, rows) = (size[rank - 2], size[rank - 1]);
    let fits = from[rank - 2] == 1 && to[rank - 1] == 1 && to[rank - 2] == rows && rows > 1 && columns > 1;
    fits.then_some(TransposeArgs { x, y, rows, columns, batch, row_stride: from[rank - 1], batch_stride })
}

/// The same elements with their dimensions in another order.
pub(super) fn permuted(x: &Raw, order: &[usize]) -> Raw {
    let layout = &x.layout;
    let pick = |from: &[usize]| order.iter().map(|&d| from[d]).collect();
    x.with_layout(Layout { shape: pick(&layout.shape), strides: pick(&layout.strides), offset: layout.offset })
}
