//! Large copies from the host's memory: through two pinned buffers, one of which is filled by several threads while the device reads the other.
//!
//! The driver does the same for memory that is not pinned, with one thread: some 6 to 12 GB/s, where the bus has 25 (PCIe 4) or 50 (PCIe 5).
use super::driver::Gpu;
use crate::error::Result;
use cudarc::driver::sys;
use rayon::prelude::*;
use std::ptr::null_mut;
use std::sync::PoisonError;

/// Copies below go the driver's way, which has no threads to wake.
pub(super) const WORTH_STAGING: usize = 1 << 20;
/// Bytes of each buffer: a fraction of a millisecond of the bus.
const BUFFER: usize = 8 << 20;
/// What one thread copies at a time.
const PIECE: usize = 512 << 10;

/// A buffer, and what is recorded after the device's read of it.
struct Buffer {
    memory: *mut u8,
    read: sys::CUevent,
}

/// Both of them, for the process's life.
pub(super) struct Staging([Buffer; 2]);

// SAFETY: pinned memory and a handle of the driver's, used behind a lock.
unsafe impl Send for Staging {}

impl Staging {
    /// `None`: the host has no memory to pin.
    fn new(gpu: &Gpu) -> Option<Self> {
        let buffer = || {
            let (mut memory, mut read) = (null_mut(), null_mut());
            // The flag is CU_MEMHOSTALLOC_WRITECOMBINED: nobody here reads it.
            // SAFETY: the context is current (`write` entered it); pointers to locals.
            gpu.check(unsafe { sys::cuMemHostAlloc(&mut memory, BUFFER, 4) }, "pinning the host's memory").ok()?;
            // The flag is CU_EVENT_DISABLE_TIMING.
            // SAFETY: as above.
            gpu.check(unsafe { sys::cuEventCreate(&mut read, 2) }, "making an event").ok()?;
            Some(Buffer { memory: memory.cast(), read })
        };
        Some(Self([buffer()?, buffer()?]))
    }
}

impl Gpu {
    /// Copies to the device; the host's memory may be used again at once. False: there are no buffers.
    pub(super) fn write_staged(&self, address: u64, bytes: &[u8]) -> Result<bool> {
        let mut slot = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Staging(buffers)) = slot.get_or_insert_with(|| Staging::new(self)) else { return Ok(false) };
        for (number, chunk) in bytes.chunks(BUFFER).enumerate() {
            let buffer = &buffers[number % 2];
            // SAFETY: an event of ours, which nobody destroys.
            self.check(unsafe { sys::cuEventSynchronize(buffer.read) }, "waiting for a copy")?;
            // SAFETY: pinned memory of this size, at first set to zeros by the system; the device has read what was in it, and the lock is ours.
            let memory = unsafe { std::slice::from_raw_parts_mut(buffer.memory, chunk.len()) };
            memory.par_chunks_mut(PIECE).zip(chunk.par_chunks(PIECE)).for_each(|(to, from)| to.copy_from_slice(from));
            let to = address + (number * BUFFER) as u64;
            // SAFETY: the caller's block has that many bytes; the buffer is not changed before the event.
            let code = unsafe {
                match sys::cuMemcpyHtoDAsync_v2(to, buffer.memory.cast(), chunk.len(), self.stream) {
                    sys::CUresult::CUDA_SUCCESS => sys::cuEventRecord(buffer.read, self.stream),
                    refused => refused,
                }
            };
            self.check(code, "copying to the GPU")?;
        }
        Ok(true)
    }
}
