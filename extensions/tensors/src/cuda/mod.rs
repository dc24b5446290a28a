//! NVIDIA GPUs: arithmetic by cuBLASLt, cuDNN and our own kernels over the driver's interface, all found at run time.
//!
//! ```text
//! ops (Backend)                                     shapes were checked above
//!   element -> lazy -> fuse -> compile                element-wise operations: put off, made one kernel, by NVRTC where it is
//!   reduce, index, rows, norm, window, train   our kernels (kernels/*.cu, images)
//!   product -> blas, convolution -> dnn                 libraries, or our kernels where they are missing
//!   graph                                               a step captured and replayed
//! driver (context, stream, launches) -> memory (caching allocator), staging (copies from the host), loader (finds libraries)
//! ```
//! The only place of this crate that names `cudarc`. One stream per device: the order of calls is the order of effects, and memory that is
//! freed may be handed out at once.
mod blas;
mod compile;
mod convolution;
mod dnn;
mod driver;
mod element;
mod fuse;
mod graph;
mod held;
mod images;
mod index;
mod lazy;
mod loader;
mod memory;
mod norm;
mod ops;
mod product;
mod reduce;
mod rows;
mod shape;
mod source;
mod staging;
mod step;
mod train;
mod window;

pub use driver::{Block, Gpu};
pub use fuse::{allow_fusion, finish, fusion_is_allowed};
pub use graph::{Graph, graph};
pub use held::{Held, held};
pub use memory::Statistics;

use crate::error::Result;
use crate::{DType, Device, Layout, Raw, Storage, TensorError};
use driver::gpu;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

/// One GPU's arithmetic.
pub struct Cuda {
    gpu: &'static Gpu,
    blas: OnceLock<blas::Blas>,
    dnn: OnceLock<dnn::Dnn>,
    /// The address of a captured graph's counter while it is captured, else 0.
    replays: AtomicU64,
    /// One graph at a time.
    capturing: Mutex<()>,
    lazy: lazy::Lazy,
    compiler: OnceLock<Option<compile::Compiler>>,
}

/// Whether products and convolutions of f32 may round their inputs to TF32's 10 bits.
static TF32: AtomicBool = AtomicBool::new(false);

/// Lets matrix products and convolutions of f32 use the tensor cores, which round inputs to TF32 (10 bits after the point): up to eight times as
/// fast on an H100. Off at first, as PyTorch's `torch.backends.cuda.matmul.allow_tf32`; convolutions follow the same switch here.
pub fn allow_tf32(yes: bool) {
    TF32.store(yes, Ordering::Relaxed);
}

/// What [`allow_tf32`] was set to.
pub fn tf32_is_allowed() -> bool {
    TF32.load(Ordering::Relaxed)
}

/// How many GPUs can be used; 0 on a host without an NVIDIA driver.
pub fn device_count() -> usize {
    driver::count()
}

/// Why there is no GPU, in a sentence for the user; `None` where there is one.
pub fn why_not() -> Option<String> {
    match loader::driver() {
        Err(why) => Some(why.to_owned()),
        Ok(()) => gpu(0).err().map(|error| error.to_string()),
    }
}

/// The GPUs that were used.
static OPEN: Mutex<Vec<&'static Cuda>> = Mutex::new(Vec::new());

fn open() -> MutexGuard<'static, Vec<&'static Cuda>> {
    OPEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A GPU's arithmetic, opened at its first use.
pub fn cuda(number: usize) -> Result<&'static Cuda> {
    let gpu = gpu(number)?;
    let mut open = open();
    if let Some(found) = open.iter().find(|c| c.gpu.number == number) {
        return Ok(found);
    }
    let new: &'static Cuda = Box::leak(Box::new(Cuda { gpu, blas: OnceLock::new(), dnn: OnceLock::new(), replays: AtomicU64::new(0), capturing: Mutex::new(()), lazy: lazy::Lazy::default(), compiler: OnceLock::new() }));
    open.push(new);
    Ok(new)
}

impl Cuda {
    /// The device: its name, memory and statistics.
    pub fn gpu(&self) -> &'static Gpu {
        self.gpu
    }

    /// Which libraries are used, for those who wonder why something is slow: `cuBLASLt, cuBLAS, cuDNN 91002` or what is missing.
    pub fn libraries(&self) -> String {
        let blas = self.blas().describe();
        let dnn = self.dnn().describe();
        let nvrtc = self.compiler().map_or_else(|| "no NVRTC: element-wise operations are not fused (pip install nvidia-cuda-nvrtc)".to_owned(), compile::Compiler::describe);
        format!("{blas}, {dnn}, {nvrtc}")
    }

    /// The same of those that were opened already.
    fn libraries_in_use(&self) -> String {
        let nvrtc = self.compiler.get().and_then(|compiler| compiler.as_ref().map(compile::Compiler::describe));
        let opened = [self.blas.get().map(blas::Blas::describe), self.dnn.get().map(dnn::Dnn::describe), nvrtc];
        opened.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Kernels of fused operations that this process compiled, not counting those that were on disk; `None` where there is no NVRTC.
    pub fn kernels_compiled(&self) -> Option<u64> {
        self.compiler().map(compile::Compiler::compiled)
    }

    fn blas(&self) -> &blas::Blas {
        self.blas.get_or_init(|| blas::Blas::open(self.gpu))
    }

    fn dnn(&self) -> &dnn::Dnn {
        self.dnn.get_or_init(|| dnn::Dnn::open(self.gpu))
    }

    /// A row-major tensor with whatever its memory holds.
    fn fresh(&self, dtype: DType, shape: &[usize]) -> Result<Raw> {
        // What was put off holds on to its operands, and needs memory itself when it is computed to let them go.
        let spare = self.spare();
        let block = match self.gpu.allocate_leaving(dtype, shape, spare) {
            Err(TensorError::OutOfMemory { .. }) if self.let_go() || spare > 0 => self.gpu.allocate(dtype, shape)?,
            answer => answer?,
        };
        Ok(Raw { storage: Storage::Cuda(block), layout: Layout::contiguous(shape), dtype })
    }

    /// Where a tensor's first element lies on the device. What was put off is begun.
    fn address(&self, x: &Raw) -> Result<u64> {
        match &x.storage {
            Storage::Cuda(block) if block.gpu.number == self.gpu.number => {
                let start = self.evaluated(block)?;
                self.gpu.touch(block);
                Ok(start + (x.layout.offset * x.dtype.size()) as u64)
            }
            _ => Err(TensorError::Devices { operation: "an operation on the GPU", left: x.device(), right: self.gpu.device() }),
        }
    }

    /// The counter of the graph that is captured, for kernels that differ from replay to replay; 0 outside.
    fn replays(&self) -> u64 {
        self.replays.load(Ordering::Relaxed)
    }

    /// An error of a library, in its own number.
    fn library_error(&self, operation: &'static str, message: String) -> TensorError {
        TensorError::Library { operation, device: Device::Cuda(self.gpu.number), message }
    }
}
