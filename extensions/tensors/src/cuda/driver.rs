//! One GPU: its context, its stream, its memory, and how kernels are started on it.
//!
//! All of `cuda/` works through this; it knows nothing of tensors' meaning. Contexts live until the process ends.
use super::element::BLOCK;
use super::images::{self, Kernel};
use super::lazy::Expression;
use super::loader;
use super::memory::{Label, Owner, Pool, Segments, Statistics};
use super::staging;
use crate::error::Result;
use crate::{DType, Device, Dims, TensorError};
use cudarc::driver::sys;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// GPUs that are looked at; more in one host are unheard of.
const MOST_DEVICES: usize = 16;

/// A device that is in use.
pub struct Gpu {
    pub number: usize,
    pub name: String,
    /// Compute capability, as (9, 0).
    pub capability: (i32, i32),
    pub multiprocessors: u32,
    /// Newest CUDA that the driver knows, as 12 or 13.
    pub driver_major: u32,
    pub total_memory: usize,
    context: sys::CUcontext,
    pub stream: sys::CUstream,
    pool: Mutex<Pool>,
    functions: RwLock<HashMap<Kernel, Function>>,
    modules: Mutex<HashMap<&'static str, Function>>,
    /// A word of the host's memory that kernels see: not 0 once an index was out of range.
    fault: *mut u32,
    fault_on_device: u64,
    launches: AtomicU64,
    /// Pinned memory for large copies from the host, taken at the first; `None` inside where there is none.
    pub(super) staging: Mutex<Option<Option<staging::Staging>>>,
    /// Whose memory is allocated now: 0, or the graph that is being captured.
    owner: AtomicU32,
    /// What a capture uses of memory from before it, kept for as long as the graph.
    held: Mutex<Vec<Arc<Block>>>,
}

/// A handle of the driver's, which any thread may use.
#[derive(Clone, Copy)]
pub(super) struct Function(*mut c_void);

// SAFETY: CUDA's handles are names of objects that the driver locks by itself.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}
// SAFETY: context and stream are such handles; `fault` is written by the device and read as an atomic.
unsafe impl Send for Gpu {}
// SAFETY: as above; what Rust changes is behind locks.
unsafe impl Sync for Gpu {}

/// A tensor's elements on a device, or what they are computed from when somebody asks for them (`lazy.rs`).
pub struct Block {
    pub gpu: &'static Gpu,
    memory: OnceLock<Memory>,
    /// Set until there is memory.
    pub(super) pending: Mutex<Option<Arc<Expression>>>,
}

/// Memory of a device; freed, for whoever comes next on the stream, when the last view goes away.
pub(super) struct Memory {
    gpu: &'static Gpu,
    pub address: u64,
    owner: Owner,
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.gpu.pool().free(self.address);
    }
}

impl Block {
    fn new(memory: Memory) -> Self {
        Self { gpu: memory.gpu, memory: memory.into(), pending: Mutex::new(None) }
    }

    /// Elements that are computed later.
    pub(super) fn put_off(gpu: &'static Gpu, expression: Expression) -> Self {
        Self { gpu, memory: OnceLock::new(), pending: Mutex::new(Some(Arc::new(expression))) }
    }

    /// Where the elements are. `None`: nowhere yet.
    pub fn address(&self) -> Option<u64> {
        self.memory.get().map(|memory| memory.address)
    }

    /// The elements are there now, or will be before anything that is begun later.
    pub(super) fn set(&self, memory: Memory) {
        // Whoever sets it holds the lock of evaluation, so that nobody was faster.
        let _ = self.memory.set(memory);
        drop(self.pending.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Turns the driver's answer into an error that names the operation.
pub(super) fn check(code: sys::CUresult, operation: &'static str, number: usize) -> Result<()> {
    if code == sys::CUresult::CUDA_SUCCESS {
        return Ok(());
    }
    let mut text = std::ptr::null();
    // SAFETY: the driver is loaded, since it answered; the text is a constant of the driver's.
    let words = unsafe {
        if sys::cuGetErrorString(code, &mut text) == sys::CUresult::CUDA_SUCCESS && !text.is_null() { CStr::from_ptr(text).to_string_lossy().into_owned() } else { String::new() }
    };
    let hint = match code {
        sys::CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED | sys::CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED => {
            " (while a graph is captured nothing may be read back to the CPU: no `item`, no printing)"
        }
        _ => "",
    };
    Err(TensorError::Library { operation, device: Device::Cuda(number), message: format!("{words} ({code:?}){hint}") })
}

/// How many GPUs can be used; 0 without a driver.
pub fn count() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| {
        if loader::driver().is_err() {
            return 0;
        }
        let mut count = 0;
        // SAFETY: the driver is loaded; the pointer is to a local.
        let answer = unsafe {
            match sys::cuInit(0) {
                sys::CUresult::CUDA_SUCCESS => sys::cuDeviceGetCount(&mut count),
                refused => refused,
            }
        };
        if answer == sys::CUresult::CUDA_SUCCESS { (count.max(0) as usize).min(MOST_DEVICES) } else { 0 }
    })
}

/// A device, opened at its first use.
pub fn gpu(number: usize) -> Result<&'static Gpu> {
    static OPEN: [OnceLock<std::result::Result<&'static Gpu, TensorError>>; MOST_DEVICES] = [const { OnceLock::new() }; MOST_DEVICES];
    let device = Device::Cuda(number);
    loader::driver().map_err(|why| TensorError::NoDevice { device, why: why.to_owned() })?;
    if number >= count() {
        let why = match count() {
            0 => "the NVIDIA driver is here but shows no GPU to this process (see nvidia-smi and CUDA_VISIBLE_DEVICES)".to_owned(),
            1 => "there is one GPU, cuda:0".to_owned(),
            n => format!("there are {n} GPUs, cuda:0 to cuda:{}", n - 1),
        };
        return Err(TensorError::NoDevice { device, why });
    }
    OPEN[number].get_or_init(|| Gpu::open(number).map(|gpu| &*Box::leak(Box::new(gpu)))).clone()
}

impl Gpu {
    fn open(number: usize) -> Result<Self> {
        let ok = |code, what| check(code, what, number);
        let (mut device, mut context, mut stream, mut fault, mut fault_on_device) = (0, null_mut(), null_mut(), null_mut(), 0);
        let (mut name, mut free, mut total, mut version) = ([0; 256], 0, 0, 0);
        // SAFETY: the driver is initialised (`count`); all pointers are to locals of the types that the driver's header names.
        unsafe {
            ok(sys::cuDeviceGet(&mut device, number as i32), "opening the GPU")?;
            ok(sys::cuDevicePrimaryCtxRetain(&mut context, device), "opening the GPU")?;
            ok(sys::cuCtxSetCurrent(context), "opening the GPU")?;
            ok(sys::cuStreamCreate(&mut stream, sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32), "making a stream")?;
            // The flag is CU_MEMHOSTALLOC_DEVICEMAP.
            ok(sys::cuMemHostAlloc(&mut fault, 4, 2), "allocating the host's memory")?;
            fault.cast::<u32>().write_volatile(0);
            ok(sys::cuMemHostGetDevicePointer_v2(&mut fault_on_device, fault, 0), "mapping the host's memory")?;
            ok(sys::cuDeviceGetName(name.as_mut_ptr(), name.len() as i32, device), "reading the GPU's name")?;
            ok(sys::cuMemGetInfo_v2(&mut free, &mut total), "reading the GPU's memory")?;
            ok(sys::cuDriverGetVersion(&mut version), "reading the driver's version")?;
        }
        let attribute = |which| {
            let mut value = 0;
            // SAFETY: as above.
            ok(unsafe { sys::cuDeviceGetAttribute(&mut value, which, device) }, "reading the GPU's properties").map(|()| value)
        };
        use sys::CUdevice_attribute_enum as Attribute;
        Ok(Self {
            number,
            name: name.iter().take_while(|&&c| c != 0).map(|&c| c as u8 as char).collect(),
            capability: (attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?, attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?),
            multiprocessors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.max(1) as u32,
            driver_major: (version / 1000) as u32,
            total_memory: total,
            context,
            stream,
            pool: Mutex::default(),
            functions: RwLock::default(),
            modules: Mutex::default(),
            fault: fault.cast(),
            fault_on_device,
            launches: AtomicU64::new(0),
            staging: Mutex::new(None),
            owner: AtomicU32::new(0),
            held: Mutex::default(),
        })
    }

    pub fn device(&self) -> Device {
        Device::Cuda(self.number)
    }

    pub(super) fn check(&self, code: sys::CUresult, operation: &'static str) -> Result<()> {
        check(code, operation, self.number)
    }

    /// Makes this device the calling thread's. Some tens of nanoseconds.
    pub fn enter(&self) -> Result<()> {
        // SAFETY: the context is the device's primary one, which is never released.
        self.check(unsafe { sys::cuCtxSetCurrent(self.context) }, "choosing the GPU")
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory for elements of a shape. What it holds is whatever was there.
    pub fn allocate(&'static self, dtype: DType, shape: &[usize]) -> Result<Arc<Block>> {
        self.allocate_leaving(dtype, shape, 0)
    }

    /// The same where the device is not asked for more if fewer than `spare` bytes would be left.
    pub(super) fn allocate_leaving(&'static self, dtype: DType, shape: &[usize], spare: usize) -> Result<Arc<Block>> {
        self.take_from(&Sparing { gpu: self, spare }, dtype, shape).map(|memory| Arc::new(Block::new(memory)))
    }

    /// Memory before it is a tensor's.
    pub(super) fn take(&'static self, dtype: DType, shape: &[usize]) -> Result<Memory> {
        self.take_from(self, dtype, shape)
    }

    fn take_from(&'static self, from: &dyn Segments, dtype: DType, shape: &[usize]) -> Result<Memory> {
        let bytes = shape.iter().try_fold(dtype.size(), |product, &size| product.checked_mul(size));
        let Some(bytes) = bytes else {
            return Err(TensorError::Shape { operation: "allocate", problem: format!("a tensor of shape {shape:?} has more bytes than can be counted") });
        };
        let owner = self.owner.load(Ordering::Relaxed);
        let label = Label { dtype, shape: Dims::from_slice(shape) };
        let mut pool = self.pool();
        match pool.allocate(from, bytes, owner, label) {
            Some(address) => Ok(Memory { gpu: self, address, owner }),
            None => {
                let holders = pool.holders();
                drop(pool);
                let (free, total) = self.memory();
                Err(TensorError::OutOfMemory { device: self.device(), asked: bytes, free, total, holders })
            }
        }
    }

    /// Free and all bytes of the device, as the driver counts them: what the cache keeps is not free.
    pub fn memory(&self) -> (usize, usize) {
        let (mut free, mut total) = (0, self.total_memory);
        if self.enter().is_ok() {
            // SAFETY: pointers to locals; a refusal leaves them as they are.
            let _ = unsafe { sys::cuMemGetInfo_v2(&mut free, &mut total) };
        }
        (free, total)
    }

    pub fn statistics(&self) -> Statistics {
        self.pool().statistics
    }

    /// The largest uses of this process's memory: `64 x f32 [512, 512] = 64.0 MB, …`.
    pub fn largest(&self) -> String {
        self.pool().largest()
    }

    /// Gives memory that is kept for later use back to the driver; bytes.
    pub fn empty_cache(&self) -> Result<usize> {
        self.synchronize()?;
        Ok(self.pool().give_back(self))
    }

    /// Waits for everything that was begun, and says whether an index was out of range meanwhile.
    pub fn synchronize(&self) -> Result<()> {
        self.enter()?;
        // SAFETY: the stream lives as long as the process.
        self.check(unsafe { sys::cuStreamSynchronize(self.stream) }, "waiting for the GPU")?;
        self.faults()
    }

    /// The error of an earlier kernel that met an index out of range. Costs a read of the host's memory.
    pub fn faults(&self) -> Result<()> {
        // SAFETY: four aligned bytes of pinned memory that live for ever; the device writes them as one word.
        let word = unsafe { std::sync::atomic::AtomicU32::from_ptr(self.fault) };
        match word.swap(0, Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(TensorError::Shape {
                operation: "indexing on the GPU",
                problem: "an index was out of range (found after the operation that had it; on the CPU the same code names it)".to_owned(),
            }),
        }
    }

    /// Where kernels write that an index was out of range.
    pub fn fault_address(&self) -> u64 {
        self.fault_on_device
    }

    /// Copies from the host and waits until the host's memory may be used again.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        self.enter()?;
        if bytes.len() >= staging::WORTH_STAGING && self.write_staged(address, bytes)? {
            return Ok(());
        }
        // SAFETY: the caller's block has that many bytes; pageable memory is staged before the call comes back.
        let code = unsafe { sys::cuMemcpyHtoDAsync_v2(address, bytes.as_ptr().cast(), bytes.len(), self.stream) };
        self.check(code, "copying to the GPU")
    }

    /// Copies to the host and waits for it.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> Result<()> {
        self.enter()?;
        // SAFETY: the caller's block has that many bytes; the call below waits until they are written.
        let code = unsafe { sys::cuMemcpyDtoHAsync_v2(bytes.as_mut_ptr().cast(), address, bytes.len(), self.stream) };
        self.check(code, "copying from the GPU")?;
        self.synchronize()
    }

    /// Copies within the device, in the stream's order.
    pub fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<()> {
        self.enter()?;
        // SAFETY: both blocks have that many bytes and do not overlap, which is for the caller to see to.
        self.check(unsafe { sys::cuMemcpyDtoDAsync_v2(to, from, bytes, self.stream) }, "copying on the GPU")
    }

    /// Sets bytes to 0, in the stream's order.
    pub fn zero(&self, address: u64, bytes: usize) -> Result<()> {
        self.enter()?;
        // SAFETY: the caller's block has that many bytes.
        self.check(unsafe { sys::cuMemsetD8Async(address, 0, bytes, self.stream) }, "filling on the GPU")
    }

    /// Starts a kernel, whose one argument is a structure. Nothing is waited for.
    pub fn launch<A: Copy>(&self, kernel: Kernel, grid: [u32; 3], block: [u32; 2], argument: &A) -> Result<()> {
        // An operation that a type does not have is refused for an empty tensor, too.
        let function = self.function(kernel)?;
        if grid.contains(&0) {
            return Ok(());
        }
        self.start(function, grid, block, std::ptr::from_ref(argument).cast())
    }

    /// Starts a kernel that was made at run time, on one element or pack per thread; `words` are laid out as its one argument.
    pub(super) fn launch_made(&self, function: Function, threads: u64, words: &[u64]) -> Result<()> {
        let grid = [threads.div_ceil(BLOCK) as u32, 1, 1];
        self.start(function, grid, [BLOCK as u32, 1], words.as_ptr().cast())
    }

    fn start(&self, function: Function, grid: [u32; 3], block: [u32; 2], argument: *const c_void) -> Result<()> {
        self.enter()?;
        self.launches.fetch_add(1, Ordering::Relaxed);
        let mut pointers = [argument.cast_mut()];
        // SAFETY: the structure is `repr(C)` and laid out as the kernel's (a test of `images.rs` compares their sizes, `fuse.rs` writes both); the
        // driver copies it.
        let code = unsafe {
            sys::cuLaunchKernel(function.0.cast(), grid[0], grid[1], grid[2], block[0], block[1], 1, 0, self.stream, pointers.as_mut_ptr(), null_mut())
        };
        self.check(code, "starting a kernel")
    }

    /// A kernel by its name; an operation that a type does not have is refused here.
    pub(super) fn function(&self, kernel: Kernel) -> Result<Function> {
        if let Some(&found) = self.functions.read().unwrap_or_else(PoisonError::into_inner).get(&kernel) {
            return Ok(found);
        }
        self.enter()?;
        let module = self.module(kernel.module)?;
        let name = CString::new(kernel.symbol()).unwrap_or_default();
        let mut function = null_mut();
        // SAFETY: the module is loaded for good; the name ends with a 0.
        let code = unsafe { sys::cuModuleGetFunction(&mut function, module.0.cast(), name.as_ptr()) };
        if code == sys::CUresult::CUDA_ERROR_NOT_FOUND {
            let hint = "; it has no kernel for it";
            return Err(TensorError::DType { operation: kernel.name, dtype: kernel.types[0].unwrap_or(DType::F32), hint });
        }
        self.check(code, "finding a kernel")?;
        let function = Function(function.cast());
        self.functions.write().unwrap_or_else(PoisonError::into_inner).insert(kernel, function);
        Ok(function)
    }

    fn module(&self, name: &'static str) -> Result<Function> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&module) = modules.get(name) {
            return Ok(module);
        }
        let image = images::image(name, self.capability).map_err(|message| TensorError::Library { operation: "loading kernels", device: self.device(), message })?;
        // SAFETY: a whole cubin, or PTX that ends with a 0.
        let module = unsafe { self.load_module(&image)? };
        modules.insert(name, module);
        Ok(module)
    }

    /// # Safety
    /// `image` is a whole cubin, or PTX that ends with a 0.
    unsafe fn load_module(&self, image: &[u8]) -> Result<Function> {
        let mut module = null_mut();
        // SAFETY: as above; the driver copies it.
        let code = unsafe { sys::cuModuleLoadData(&mut module, image.as_ptr().cast()) };
        self.check(code, "loading kernels").map(|()| Function(module.cast()))
    }

    /// The kernel of this name in a cubin that was compiled at run time for this device, or `None` if the driver does not take it.
    pub(super) fn load_made(&self, cubin: &[u8], name: &str) -> Option<Function> {
        self.enter().ok()?;
        let (mut function, name) = (null_mut(), CString::new(name).ok()?);
        // SAFETY: NVRTC made the cubin, now or earlier (`compile.rs` compares its checksum); the name ends with a 0, and the module stays loaded.
        let code = unsafe { sys::cuModuleGetFunction(&mut function, self.load_module(cubin).ok()?.0.cast(), name.as_ptr()) };
        (code == sys::CUresult::CUDA_SUCCESS).then_some(Function(function.cast()))
    }

    /// Kernels that were started so far; replays of graphs are not counted.
    pub fn launches(&self) -> u64 {
        self.launches.load(Ordering::Relaxed)
    }
}

/// What a capture needs (`graph.rs`).
impl Gpu {
    /// From now on memory belongs to this graph; 0 ends it.
    pub(super) fn set_owner(&self, owner: Owner) {
        self.owner.store(owner, Ordering::Relaxed);
    }

    pub(super) fn owner(&self) -> Owner {
        self.owner.load(Ordering::Relaxed)
    }

    /// Called for each operand: while a graph is captured, memory from before it has to live as long as the graph.
    pub(super) fn touch(&self, block: &Arc<Block>) {
        let owner = self.owner.load(Ordering::Relaxed);
        if owner != 0 && block.memory.get().is_none_or(|memory| memory.owner != owner) {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if !held.iter().any(|one| Arc::ptr_eq(one, block)) {
                held.push(block.clone());
            }
        }
    }

    pub(super) fn take_held(&self) -> Vec<Arc<Block>> {
        std::mem::take(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn disown(&self, owner: Owner) {
        self.pool().disown(owner);
    }
}

/// The device but for its last bytes.
struct Sparing {
    gpu: &'static Gpu,
    spare: usize,
}

impl Segments for Sparing {
    fn reserve(&self, bytes: usize) -> Option<u64> {
        let is_left = self.spare == 0 || self.gpu.memory().0 >= bytes.saturating_add(self.spare);
        if is_left { self.gpu.reserve(bytes) } else { None }
    }

    fn release(&self, address: u64) {
        self.gpu.release(address);
    }
}

impl Segments for Gpu {
    fn reserve(&self, bytes: usize) -> Option<u64> {
        self.enter().ok()?;
        let mut address = 0;
        // SAFETY: the device is the thread's; a pointer to a local.
        let code = unsafe { sys::cuMemAlloc_v2(&mut address, bytes) };
        (code == sys::CUresult::CUDA_SUCCESS).then_some(address)
    }

    fn release(&self, address: u64) {
        if self.enter().is_ok() {
            // SAFETY: the address came from `reserve` and nobody has a piece of it; the driver waits for kernels that still run.
            let _ = unsafe { sys::cuMemFree_v2(address) };
        }
    }
}
