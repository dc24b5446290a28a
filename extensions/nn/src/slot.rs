//! Where a layer keeps a tensor that it learns, or counts along: it can be replaced (moved to a device) while the layer is only borrowed.
use crate::error::{NnError, Result};
use ochre_tensors::{DType, Device, Tensor};
use std::sync::{PoisonError, RwLock};

/// Holds a parameter or a buffer of a layer.
pub struct Slot {
    value: RwLock<Tensor>,
    learnt: bool,
}

impl Slot {
    /// A tensor that gradients flow to and optimisers change.
    pub fn parameter(value: &Tensor) -> Self {
        Self { value: RwLock::new(value.detach().requires_grad()), learnt: true }
    }

    /// A tensor that belongs to the layer's state and is not learnt by gradients: running means.
    pub fn buffer(value: &Tensor) -> Self {
        Self { value: RwLock::new(value.detach()), learnt: false }
    }

    /// Whether it is a parameter.
    pub fn is_parameter(&self) -> bool {
        self.learnt
    }

    /// The tensor: the very one that is learnt, not a copy.
    pub fn get(&self) -> Tensor {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the tensor by another one. An optimiser that was made before goes on with the old one.
    pub fn set(&self, value: &Tensor) {
        let value = if self.learnt { value.detach().requires_grad() } else { value.detach() };
        *self.value.write().unwrap_or_else(PoisonError::into_inner) = value;
    }

    /// Moves it, and changes the type of floats; a parameter that is there already stays the very same tensor.
    pub(crate) fn convert(&self, device: Option<Device>, dtype: Option<DType>) {
        let old = self.get();
        let mut new = old.detach();
        if let Some(dtype) = dtype.filter(|d| *d != old.dtype() && old.dtype().is_float()) {
            new = new.to_dtype(dtype);
        }
        if let Some(device) = device.filter(|d| *d != old.device()) {
            new = new.to_device(&device);
        }
        if new.device() != old.device() || new.dtype() != old.dtype() {
            self.set(&new);
        }
    }

    /// Takes the elements of `value` in place, so that optimisers keep their hold.
    pub(crate) fn load(&self, name: &str, value: &Tensor) -> Result<()> {
        let own = self.get();
        if own.shape() != value.shape() {
            return Err(NnError::State(format!("`{name}` has the shape {:?} here and {:?} in the state", own.shape(), value.shape())));
        }
        own.assign(&value.detach());
        Ok(())
    }
}
