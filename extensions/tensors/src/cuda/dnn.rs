//! Convolutions by cuDNN: the fastest way for a shape is measured at its first use and kept.
//!
//! f16 and bf16 are handed over with channels last, the only order that the tensor cores read without a copy of cuDNN's own.
use super::convolution::Sizes;
use super::driver::Gpu;
use super::element::permuted;
use super::loader::{self, Wanted};
use super::{Cuda, tf32_is_allowed};
use crate::error::Result;
use crate::{DType, Raw};
use cudarc::cudnn::sys;
use std::collections::HashMap;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::{from_ref, null_mut};
use std::sync::{Mutex, PoisonError};

/// Memory that measuring may use, and so the most that a way may need. Halved until there is so much.
const WORKSPACE: usize = 1 << 30;
const LEAST_WORKSPACE: usize = 8 << 20;
/// Ways that are measured; there are fewer.
const WAYS: usize = 10;

/// What a convolution is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Direction {
    Forward,
    Input,
    Weight,
}

type Key = (Direction, DType, bool, Sizes);

/// Descriptions for a shape, and the way that was the fastest.
struct Plan {
    x: sys::cudnnTensorDescriptor_t,
    y: sys::cudnnTensorDescriptor_t,
    w: sys::cudnnFilterDescriptor_t,
    convolution: sys::cudnnConvolutionDescriptor_t,
    way: Way,
    workspace: usize,
    is_double: bool,
}

#[derive(Clone, Copy)]
enum Way {
    Forward(sys::cudnnConvolutionFwdAlgo_t),
    Input(sys::cudnnConvolutionBwdDataAlgo_t),
    Weight(sys::cudnnConvolutionBwdFilterAlgo_t),
}

#[derive(Default)]
pub(super) struct Dnn {
    handle: Option<Handle>,
    version: usize,
    /// `None`: cuDNN has no way. The lock is also the handle's.
    plans: Mutex<HashMap<Key, Option<Plan>>>,
}

#[derive(Clone, Copy)]
struct Handle(sys::cudnnHandle_t);
// SAFETY: the handle is used under the lock of `plans` only.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}
// SAFETY: descriptions are names of objects of cuDNN's, used under the same lock.
unsafe impl Send for Plan {}

/// x, w and y of a convolution: what is computed is one of them.
struct Operands {
    x: u64,
    w: u64,
    y: u64,
}

impl Dnn {
    pub fn open(gpu: &'static Gpu) -> Self {
        let mut dnn = Self::default();
        if gpu.enter().is_err() || !loader::load(Wanted::Dnn, gpu.driver_major) {
            return dnn;
        }
        let mut handle = null_mut();
        // SAFETY: the library is loaded, the context is current, the pointer is to a local; the stream lives as long as the process.
        unsafe {
            dnn.version = sys::cudnnGetVersion();
            let made = done(sys::cudnnCreate(&mut handle)).and_then(|()| done(sys::cudnnSetStream(handle, gpu.stream.cast())));
            dnn.handle = made.map(|()| Handle(handle));
        }
        dnn
    }

    pub fn describe(&self) -> String {
        match self.handle {
            Some(_) => format!("cuDNN {}", self.version),
            None => "no cuDNN: convolutions are slow (pip install nvidia-cudnn-cu13)".to_owned(),
        }
    }
}

impl Cuda {
    pub(super) fn conv_by_library(&self, x: &Raw, w: &Raw, y: &Raw, sizes: &Sizes) -> Result<bool> {
        self.by_library(Direction::Forward, x, w, y, sizes)
    }

    pub(super) fn conv_backward_input_by_library(&self, dy: &Raw, w: &Raw, dx: &Raw, sizes: &Sizes) -> Result<bool> {
        self.by_library(Direction::Input, dx, w, dy, sizes)
    }

    pub(super) fn conv_backward_weight_by_library(&self, dy: &Raw, x: &Raw, dw: &Raw, sizes: &Sizes) -> Result<bool> {
        self.by_library(Direction::Weight, x, dw, dy, sizes)
    }

    /// Computes y, x or w from the other two; `false`: cuDNN is not here or cannot.
    fn by_library(&self, direction: Direction, x: &Raw, w: &Raw, y: &Raw, sizes: &Sizes) -> Result<bool> {
        let dnn = self.dnn();
        let Some(handle) = dnn.handle else { return Ok(false) };
        let last = matches!(x.dtype, DType::F16 | DType::BF16);
        // Channels last: NCHW -> NHWC, and OIHW -> OHWI.
        let turn = |t: &Raw, is_result: bool| match (last, is_result) {
            (false, _) => Ok(t.clone()),
            (true, false) => self.copy_kernel(&permuted(t, &[0, 2, 3, 1])),
            (true, true) => self.fresh(t.dtype, permuted(t, &[0, 2, 3, 1]).shape()),
        };
        let (x_in, w_in, y_in) = (turn(x, direction == Direction::Input)?, turn(w, direction == Direction::Weight)?, turn(y, direction == Direction::Forward)?);
        let operands = Operands { x: self.address(&x_in)?, w: self.address(&w_in)?, y: self.address(&y_in)? };
        self.gpu.enter()?;
        let key = (direction, x.dtype, x.dtype == DType::F32 && tf32_is_allowed(), *sizes);
        let mut plans = dnn.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if !plans.contains_key(&key) {
            if self.gpu.owner() != 0 {
                return Err(self.library_error("conv2d", "this convolution is new, and the fastest way for it cannot be measured while a graph is captured".to_owned()));
            }
            let plan = self.measured(handle, &key, &operands)?;
            plans.insert(key, plan);
        }
        let Some(Some(plan)) = plans.get(&key) else { return Ok(false) };
        let workspace = self.fresh(DType::U8, &[plan.workspace])?;
        plan.run(handle, &operands, self.address(&workspace)?).ok_or_else(|| self.library_error("conv2d", "cuDNN refused a plan that it had made".to_owned()))?;
        drop(plans);
        if last {
            let (from, to) = match direction {
                Direction::Forward => (y_in, y),
                Direction::Input => (x_in, x),
                Direction::Weight => (w_in, w),
            };
            self.copy_into_kernel(&mut to.clone(), &permuted(&from, &[0, 3, 1, 2]))?;
        }
        Ok(true)
    }

    /// Measures all ways on the tensors themselves: the result is overwritten by the real run.
    fn measured(&self, handle: Handle, key: &Key, operands: &Operands) -> Result<Option<Plan>> {
        let mut bytes = WORKSPACE;
        let workspace = loop {
            match self.fresh(DType::U8, &[bytes]) {
                Ok(workspace) => break workspace,
                Err(_) if bytes > LEAST_WORKSPACE => bytes /= 2,
                Err(error) => return Err(error),
            }
        };
        Ok(Plan::new(handle, key, operands, self.address(&workspace)?, bytes))
    }
}

/// The fastest of the ways that work, with its arithmetic and workspace.
macro_rules! fastest {
    ($find:path, $perf:ty, $way:expr, [$($argument:expr),*], $workspace:expr, $bytes:expr) => {{
        let (mut found, mut count) = ([const { MaybeUninit::<$perf>::zeroed() }; WAYS], 0);
        // SAFETY: descriptions are whole, tensors are as large as they say, there is room for `WAYS` answers and no more is read than came.
        unsafe {
            done($find($($argument),*, WAYS as i32, &mut count, found[0].as_mut_ptr(), $workspace as *mut c_void, $bytes))?;
            found.iter().take(count.max(0) as usize).map(|f| f.assume_init_ref()).find(|f| f.status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS).map(|f| ($way(f.algo), f.memory, f.mathType))
        }
    }};
}

impl Plan {
    fn new(handle: Handle, key: &Key, o: &Operands, workspace: u64, bytes: usize) -> Option<Self> {
        let mut plan = Self::described(key)?;
        let (x, w, y) = (o.x as *mut c_void, o.w as *mut c_void, o.y as *mut c_void);
        let (way, memory, math) = match key.0 {
            Direction::Forward => fastest!(sys::cudnnFindConvolutionForwardAlgorithmEx, sys::cudnnConvolutionFwdAlgoPerf_t, Way::Forward,
                [handle.0, plan.x, x, plan.w, w, plan.convolution, plan.y, y], workspace, bytes)?,
            Direction::Input => fastest!(sys::cudnnFindConvolutionBackwardDataAlgorithmEx, sys::cudnnConvolutionBwdDataAlgoPerf_t, Way::Input,
                [handle.0, plan.w, w, plan.y, y, plan.convolution, plan.x, x], workspace, bytes)?,
            Direction::Weight => fastest!(sys::cudnnFindConvolutionBackwardFilterAlgorithmEx, sys::cudnnConvolutionBwdFilterAlgoPerf_t, Way::Weight,
                [handle.0, plan.x, x, plan.y, y, plan.convolution, plan.w, w], workspace, bytes)?,
        };
        // SAFETY: a whole description.
        done(unsafe { sys::cudnnSetConvolutionMathType(plan.convolution, math) })?;
        (plan.way, plan.workspace) = (way, memory);
        Some(plan)
    }

    fn described((_, dtype, tf32, s): &Key) -> Option<Self> {
        let last = matches!(dtype, DType::F16 | DType::BF16);
        let (kind, compute, format) = match dtype {
            DType::F16 => (sys::cudnnDataType_t::CUDNN_DATA_HALF, sys::cudnnDataType_t::CUDNN_DATA_FLOAT, sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC),
            DType::BF16 => (sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16, sys::cudnnDataType_t::CUDNN_DATA_FLOAT, sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC),
            DType::F64 => (sys::cudnnDataType_t::CUDNN_DATA_DOUBLE, sys::cudnnDataType_t::CUDNN_DATA_DOUBLE, sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW),
            _ => (sys::cudnnDataType_t::CUDNN_DATA_FLOAT, sys::cudnnDataType_t::CUDNN_DATA_FLOAT, sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW),
        };
        // The default would round f32 to TF32 by itself.
        let math = match (last, tf32) {
            (true, _) => sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
            (_, true) => sys::cudnnMathType_t::CUDNN_DEFAULT_MATH,
            _ => sys::cudnnMathType_t::CUDNN_FMA_MATH,
        };
        let int = |n: usize| i32::try_from(n).ok();
        let tensor = |[n, c, h, w]: [usize; 4]| {
            let strides = if last { [h * w * c, 1, w * c, c] } else { [c * h * w, h * w, w, 1] };
            let mut made = null_mut();
            // SAFETY: a pointer to a local; strides are those of the tensor.
            done(unsafe { sys::cudnnCreateTensorDescriptor(&mut made) })?;
            let [sn, sc, sh, sw] = strides.map(int);
            // SAFETY: as above.
            done(unsafe { sys::cudnnSetTensor4dDescriptorEx(made, kind, int(n)?, int(c)?, int(h)?, int(w)?, sn?, sc?, sh?, sw?) })?;
            Some(made)
        };
        let x = tensor([s.batch, s.channels, s.picture[0], s.picture[1]])?;
        let y = tensor([s.batch, s.out_channels, s.out[0], s.out[1]])?;
        let (mut w, mut convolution) = (null_mut(), null_mut());
        let [pad, stride, dilation] = [s.conv.padding, s.conv.stride, s.conv.dilation];
        // SAFETY: pointers to locals; sizes are those of the tensors.
        unsafe {
            done(sys::cudnnCreateFilterDescriptor(&mut w))?;
            done(sys::cudnnSetFilter4dDescriptor(w, kind, format, int(s.out_channels)?, int(s.channels / s.conv.groups)?, int(s.kernel[0])?, int(s.kernel[1])?))?;
            done(sys::cudnnCreateConvolutionDescriptor(&mut convolution))?;
            let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
            done(sys::cudnnSetConvolution2dDescriptor(convolution, int(pad[0])?, int(pad[1])?, int(stride[0])?, int(stride[1])?, int(dilation[0])?, int(dilation[1])?, mode, compute))?;
            done(sys::cudnnSetConvolutionGroupCount(convolution, int(s.conv.groups)?))?;
            done(sys::cudnnSetConvolutionMathType(convolution, math))?;
        }
        let way = Way::Forward(sys::cudnnConvolutionFwdAlgo_t::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM);
        Some(Self { x, y, w, convolution, way, workspace: 0, is_double: *dtype == DType::F64 })
    }

    fn run(&self, handle: Handle, o: &Operands, workspace: u64) -> Option<()> {
        let (ones, zeros) = ((1.0f32, 1.0f64), (0.0f32, 0.0f64));
        // Factors are of f64 for f64, else of f32.
        let is_double = self.is_double;
        let one: *const c_void = if is_double { from_ref(&ones.1).cast() } else { from_ref(&ones.0).cast() };
        let zero: *const c_void = if is_double { from_ref(&zeros.1).cast() } else { from_ref(&zeros.0).cast() };
        let (x, w, y, space) = (o.x as *mut c_void, o.w as *mut c_void, o.y as *mut c_void, workspace as *mut c_void);
        // SAFETY: the plan was made for tensors of these sizes; all memory is the device's and lives until the stream is past it.
        done(unsafe {
            match self.way {
                Way::Forward(way) => sys::cudnnConvolutionForward(handle.0, one, self.x, x, self.w, w, self.convolution, way, space, self.workspace, zero, self.y, y),
                Way::Input(way) => sys::cudnnConvolutionBackwardData(handle.0, one, self.w, w, self.y, y, self.convolution, way, space, self.workspace, zero, self.x, x),
                Way::Weight(way) => sys::cudnnConvolutionBackwardFilter(handle.0, one, self.x, x, self.y, y, self.convolution, way, space, self.workspace, zero, self.w, w),
            }
        })
    }
}

fn done(code: sys::cudnnStatus_t) -> Option<()> {
    (code == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS).then_some(())
}
