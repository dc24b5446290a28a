//! A training step as a CUDA graph: captured once, replayed without the CPU's part of starting some hundred kernels.
//!
//! A replay does the same work on the same memory: parameters, optimisers' state, running means and the loss are where they were. New data
//! comes in by `batch.assign(&next)` before a replay. What differs from step to step is counted on the device: AdamW's steps, the random numbers
//! of dropout; a learning rate is changed by [`Graph::set_rate`].
use super::driver::{Block, Memory};
use super::element::launch_threads;
use super::images::Kernel;
use super::memory::Owner;
use super::{Cuda, cuda};
use crate::backend::Backend;
use crate::error::Result;
use crate::{DType, Device, Tensor, interrupt};
use cudarc::driver::sys;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};

/// Steps that are taken before the capture: the first measures convolutions and makes optimisers' state, the second shows what is left to allocate.
const WARM_UPS: usize = 2;

/// A captured step, or on the CPU the step itself.
pub struct Graph<'a>(Kind<'a>);

enum Kind<'a> {
    Cpu { step: Box<dyn FnMut() -> Tensor + 'a>, result: Tensor },
    Cuda(Captured),
}

struct Captured {
    cuda: &'static Cuda,
    executable: sys::CUgraphExec,
    owner: Owner,
    /// Where `Replays` of `train.cu` lies: a count (u64) and the factor of learning rates (f64).
    counter: u64,
    _state: Memory,
    result: Tensor,
    /// Memory from before the capture that the graph reads or writes.
    _held: Vec<Arc<Block>>,
}
// SAFETY: an executable graph is a handle of the driver's, used through `&mut`.
unsafe impl Send for Captured {}

/// Takes `step` twice (these are real steps: parameters change), then captures it once without running it. On the CPU nothing is captured and
/// a replay calls `step`. Inside `step` nothing may be read back (`item`, printing, branches on values) and nothing moved to the GPU.
///
/// # Errors
/// What `step` met, or the driver's refusal to capture it.
pub fn graph<'a>(device: &Device, step: impl FnMut() -> Tensor + 'a) -> Result<Graph<'a>> {
    prepare(device, Box::new(step))
}

fn prepare<'a>(device: &Device, mut step: Box<dyn FnMut() -> Tensor + 'a>) -> Result<Graph<'a>> {
    let mut result = step();
    for _ in 1..WARM_UPS {
        interrupt::check("graph")?;
        result = step();
    }
    match *device {
        Device::Cpu => Ok(Graph(Kind::Cpu { step, result })),
        Device::Cuda(number) => {
            drop(result);
            Ok(Graph(Kind::Cuda(cuda(number)?.capture(&mut *step)?)))
        }
    }
}

impl Graph<'_> {
    /// Takes the step again. The same tensor each time, whose elements are the new ones; nothing is waited for until they are read.
    pub fn replay(&mut self) -> Result<&Tensor> {
        interrupt::check("graph")?;
        match &mut self.0 {
            Kind::Cpu { step, result } => {
                *result = step();
                Ok(result)
            }
            Kind::Cuda(captured) => {
                captured.launch()?;
                Ok(&captured.result)
            }
        }
    }

    /// Multiplies the learning rates that were captured, from the next replay on: for schedules. On the CPU the step reads its rates itself.
    pub fn set_rate(&mut self, factor: f64) -> Result<()> {
        match &self.0 {
            Kind::Cpu { .. } => Ok(()),
            Kind::Cuda(captured) => captured.cuda.gpu.write(captured.counter + 8, &factor.to_le_bytes()),
        }
    }
}

/// Ends a capture that a panic or an error left.
struct Capturing<'a> {
    cuda: &'a Cuda,
    is_open: bool,
}

impl Capturing<'_> {
    fn end(&mut self) -> Result<sys::CUgraph> {
        self.is_open = false;
        self.cuda.replays.store(0, Ordering::Relaxed);
        self.cuda.gpu.set_owner(0);
        let mut graph = null_mut();
        // SAFETY: the stream is being captured; a pointer to a local.
        self.cuda.gpu.check(unsafe { sys::cuStreamEndCapture(self.cuda.gpu.stream, &mut graph) }, "capturing a graph").map(|()| graph)
    }
}

impl Drop for Capturing<'_> {
    fn drop(&mut self) {
        if self.is_open {
            // What was captured is of no use.
            let _ = self.end();
            drop(self.cuda.gpu.take_held());
        }
    }
}

impl Cuda {
    fn capture(&'static self, step: &mut dyn FnMut() -> Tensor) -> Result<Captured> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let _alone = self.capturing.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = NEXT.fetch_add(1, Ordering::Relaxed);
        let state = self.gpu.take(DType::I64, &[2])?;
        let counter = state.address;
        let start: Vec<u8> = [0u64.to_le_bytes(), 1f64.to_le_bytes()].concat();
        self.gpu.write(counter, &start)?;
        // What was put off before belongs to no graph.
        self.finish_all()?;
        self.synchronize()?;
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream is idle and lives as long as the process. Relaxed: the pool may ask the driver for memory meanwhile.
        self.gpu.check(unsafe { sys::cuStreamBeginCapture_v2(self.gpu.stream, mode) }, "capturing a graph")?;
        let mut capturing = Capturing { cuda: self, is_open: true };
        self.gpu.set_owner(owner);
        self.replays.store(counter, Ordering::Relaxed);
        let result = step();
        self.finish_all()?;
        launch_threads(self.gpu, Kernel::new("train", "count_replay"), 1, &counter)?;
        let graph = capturing.end()?;
        let held = self.gpu.take_held();
        let mut executable = null_mut();
        // SAFETY: a graph that was just captured; the executable does not need it further.
        let code = unsafe {
            let code = sys::cuGraphInstantiateWithFlags(&mut executable, graph, 0);
            sys::cuGraphDestroy(graph);
            code
        };
        self.gpu.check(code, "preparing a graph")?;
        Ok(Captured { cuda: self, executable, owner, counter, _state: state, result, _held: held })
    }
}

impl Captured {
    fn launch(&self) -> Result<()> {
        // What was put off reads what the replay changes.
        self.cuda.finish_all()?;
        self.cuda.gpu.enter()?;
        // SAFETY: the executable is alive, and so is all memory that it uses: its own, and what `_held` keeps.
        self.cuda.gpu.check(unsafe { sys::cuGraphLaunch(self.executable, self.cuda.gpu.stream) }, "replaying a graph")
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        // A failure was or will be reported by whoever reads results.
        let _ = self.cuda.gpu.synchronize();
        // SAFETY: nothing runs any more, and this was the only handle.
        let _ = unsafe { sys::cuGraphExecDestroy(self.executable) };
        self.cuda.gpu.disown(self.owner);
    }
}
