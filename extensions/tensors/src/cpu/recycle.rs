//! Memory of tensors that are gone, kept for the next of the same size: a training step asks for the same sizes again and again, and memory
//! from the system costs a page fault for every 4 KiB, which is more than simple arithmetic on it.
//!
//! `Storage` hands buffers over when its last owner is dropped; `access::fresh` asks for them. What they held is still in them.
use crate::{Buffer, DType, Element, Values};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Smaller buffers come from the allocator as fast.
const SMALLEST: usize = 16 * 1024;
/// Bytes that are kept at the most: what the activations of a mid-sized network need.
const KEPT: usize = 512 * 1024 * 1024;

#[derive(Default)]
struct Kept {
    bytes: usize,
    buffers: HashMap<(DType, usize), Vec<Buffer>>,
}

static KEPT_BUFFERS: Mutex<Option<Kept>> = Mutex::new(None);

/// A vector of this length whose contents are of no meaning, if there is one.
pub fn take<T: Element>(len: usize) -> Option<Vec<T>> {
    let bytes = len.checked_mul(size_of::<T>()).filter(|bytes| *bytes >= SMALLEST)?;
    let mut kept = KEPT_BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = kept.as_mut()?;
    let mut buffer = kept.buffers.get_mut(&(T::DTYPE, len))?.pop()?;
    kept.bytes -= bytes;
    <T as Element>::of_vec(&mut buffer).map(std::mem::take)
}

/// Keeps the memory of a buffer that nobody sees any more.
pub fn put(buffer: &mut Buffer) {
    let (dtype, len) = (buffer.dtype(), buffer.len());
    let bytes = len * dtype.size();
    if !(SMALLEST..=KEPT / 4).contains(&bytes) {
        return;
    }
    let mut gone = Vec::new();
    each_dtype!(dtype, T => {
        let Some(values) = <T as Element>::of_vec(buffer) else { return };
        let values: Buffer = T::wrap(Values::Owned(std::mem::take(values)));
        let mut kept = KEPT_BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get_or_insert_default();
        if kept.bytes + bytes > KEPT {
            // Sizes that are not in use any more would stay forever: all begin anew.
            gone.extend(kept.buffers.drain());
            kept.bytes = 0;
        }
        kept.bytes += bytes;
        kept.buffers.entry((dtype, len)).or_default().push(values);
    });
    // Given back without the lock.
    drop(gone);
}

/// Memory for the length of an operation.
pub struct Lent<T: Element>(Vec<T>);

impl<T: Element> Lent<T> {
    /// Elements that are all going to be written.
    pub fn new(len: usize) -> Self {
        Self(super::access::fresh(len))
    }
}

impl<T: Element> Drop for Lent<T> {
    fn drop(&mut self) {
        put(&mut Buffer::from(std::mem::take(&mut self.0)));
    }
}

impl<T: Element> std::ops::Deref for Lent<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Element> std::ops::DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}
