//! A tensor without its history: what backends work on.
use crate::{Buffer, DType, Device, Layout};
use std::sync::Arc;

/// Elements on a device, shared by all views of them.
#[derive(Clone)]
pub enum Storage {
    Cpu(Arc<Buffer>),
}

/// Elements and where they lie.
#[derive(Clone)]
pub struct Raw {
    pub storage: Storage,
    pub layout: Layout,
    pub dtype: DType,
}

impl Raw {
    /// A buffer in row-major order.
    pub fn cpu(buffer: Buffer, shape: &[usize]) -> Self {
        debug_assert_eq!(buffer.len(), shape.iter().product::<usize>());
        Self { dtype: buffer.dtype(), storage: Storage::Cpu(Arc::new(buffer)), layout: Layout::contiguous(shape) }
    }

    /// The same elements seen otherwise.
    pub fn with_layout(&self, layout: Layout) -> Self {
        Self { storage: self.storage.clone(), layout, dtype: self.dtype }
    }

    /// Where the elements are.
    pub fn device(&self) -> Device {
        match &self.storage {
            Storage::Cpu(_) => Device::Cpu,
        }
    }

    /// Sizes of the dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.layout.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.layout.is_empty()
    }
}
