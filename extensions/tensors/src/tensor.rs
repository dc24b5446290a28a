//! The one type that users see: a value of any rank, element type and device.
//!
//! Views share memory with what they were made of, as it was then. The only change in place is `assign` and what optimisers do through
//! `update`; on the CPU the memory of a shared tensor is copied first, on CUDA it is truly changed (so that a captured graph can run again).
use crate::autograd::{self, Node};
use crate::backend::Binary;
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::{Buffer, DType, Device, Layout, Raw, Storage, TensorError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

/// A tensor: elements of one type on one device, of any rank; cheap to clone (a clone is the same tensor).
#[derive(Clone)]
pub struct Tensor(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    storage: RwLock<Storage>,
    layout: Layout,
    dtype: DType,
    device: Device,
    gradient: Mutex<Option<Tensor>>,
    /// A leaf that wants gradients.
    leaf: bool,
    /// How it was computed, if that is recorded.
    pub(crate) node: Option<Arc<Node>>,
}

impl Tensor {
    fn build(raw: Raw, leaf: bool, node: Option<Arc<Node>>) -> Self {
        let device = raw.device();
        Self(Arc::new(Inner { storage: RwLock::new(raw.storage), layout: raw.layout, dtype: raw.dtype, device, gradient: Mutex::new(None), leaf, node }))
    }

    /// A tensor without history.
    pub fn from_raw(raw: Raw) -> Self {
        Self::build(raw, false, None)
    }

    pub(crate) fn recorded(raw: Raw, node: Arc<Node>) -> Self {
        Self::build(raw, false, Some(node))
    }

    /// The elements as backends take them: shares the memory, keeps no history.
    pub fn raw(&self) -> Raw {
        let storage = self.0.storage.read().unwrap_or_else(PoisonError::into_inner).clone();
        Raw { storage, layout: self.0.layout.clone(), dtype: self.0.dtype }
    }

    /// Sizes of the dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.0.layout.shape
    }

    /// Number of dimensions; a scalar has 0.
    pub fn rank(&self) -> usize {
        self.0.layout.rank()
    }

    /// Size of a dimension; negative ones count from the end.
    #[track_caller]
    pub fn dim(&self, dim: i64) -> usize {
        self.shape()[self.axis("dim", dim).or_panic()]
    }

    /// Number of elements.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.layout.len()
    }

    /// Whether there are no elements: some dimension is 0.
    pub fn is_empty(&self) -> bool {
        self.0.layout.is_empty()
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// Where the elements are.
    pub fn device(&self) -> Device {
        self.0.device
    }

    /// Shape, strides and offset.
    pub fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// Strides in elements.
    pub fn strides(&self) -> &[usize] {
        &self.0.layout.strides
    }

    /// Whether the elements lie one after the other in row-major order.
    pub fn is_contiguous(&self) -> bool {
        self.0.layout.is_contiguous()
    }

    /// Whether both are the same tensor (not: equal elements).
    pub fn same(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The number of a dimension of this tensor, which may be negative.
    pub(crate) fn axis(&self, operation: &'static str, dim: i64) -> Result<usize> {
        crate::layout::axis(operation, dim, self.shape())
    }

    // --- gradients -------------------------------------------------------------------------------

    /// The same elements as a leaf that wants gradients: `let w = Tensor::randn(&[2, 3]).requires_grad();`
    #[track_caller]
    pub fn requires_grad(&self) -> Tensor {
        self.try_requires_grad().or_panic()
    }

    fn try_requires_grad(&self) -> Result<Tensor> {
        if !self.dtype().is_float() {
            return Err(TensorError::DType { operation: "requires_grad", dtype: self.dtype(), hint: ": only floats have gradients; `.to_dtype(DType::F32)` first" });
        }
        if self.0.leaf {
            return Ok(self.clone());
        }
        Ok(Self::build(self.raw(), true, None))
    }

    /// The same elements without history: what is computed from it has no gradient.
    pub fn detach(&self) -> Tensor {
        Self::from_raw(self.raw())
    }

    /// Whether gradients flow to it: a leaf that wants them, or computed from one.
    pub fn tracks_gradients(&self) -> bool {
        self.0.leaf || self.0.node.is_some()
    }

    /// Whether it is a leaf that wants gradients: a parameter.
    pub fn is_parameter(&self) -> bool {
        self.0.leaf
    }

    /// The gradient that `backward` has added up here, of a leaf. None before.
    pub fn grad(&self) -> Option<Tensor> {
        self.gradient().clone()
    }

    /// Replaces the gradient (clipping, scaling, tests). Its history is left behind: it could lead back here and keep both forever.
    pub fn set_grad(&self, gradient: Option<&Tensor>) {
        *self.gradient() = gradient.map(|gradient| if gradient.tracks_gradients() { gradient.detach() } else { gradient.clone() });
    }

    /// Adds to the gradient, as `backward` does; the shape has to be the tensor's.
    #[track_caller]
    pub fn accumulate_grad(&self, gradient: &Tensor) {
        if gradient.shape() != self.shape() {
            let problem = format!("a gradient of shape {:?} for a tensor of shape {:?}", gradient.shape(), self.shape());
            Err(TensorError::Shape { operation: "accumulate_grad", problem }).or_panic()
        }
        gradient.raw().to_device(self.device()).and_then(|raw| raw.into_dtype(self.dtype())).and_then(|raw| self.accumulate(raw)).or_panic()
    }

    /// Forgets the gradient.
    pub fn zero_grad(&self) {
        *self.gradient() = None;
    }

    fn gradient(&self) -> std::sync::MutexGuard<'_, Option<Tensor>> {
        self.0.gradient.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the gradient.
    pub(crate) fn accumulate(&self, gradient: Raw) -> Result<()> {
        let mut sum = if gradient.layout.is_dense() { gradient } else { backend(gradient.device())?.copy(&gradient)? };
        // The slot is not locked while adding: a thread that adds in parallel may be lent to another backward that ends here as well.
        loop {
            let earlier = self.gradient().take();
            let Some(earlier) = earlier else {
                let mut slot = self.gradient();
                if slot.is_none() {
                    *slot = Some(Tensor::from_raw(sum));
                    return Ok(());
                }
                continue;
            };
            sum = backend(sum.device())?.binary(Binary::Add, &earlier.raw(), &sum)?;
        }
    }

    /// Computes the gradients of this scalar with regard to all leaves that it was computed from, adds them to the leaves' `grad()` and frees
    /// the recorded graph. Gradients have no gradients themselves.
    #[track_caller]
    pub fn backward(&self) {
        self.try_backward().or_panic()
    }

    /// As `backward`, giving an error instead of panicking.
    pub fn try_backward(&self) -> Result<()> {
        if self.len() != 1 {
            let problem = format!("of a tensor of shape {:?}: only a single number has gradients by itself; take `.sum()` or `.mean()`, or use `backward_with`", self.shape());
            return Err(TensorError::Shape { operation: "backward", problem });
        }
        let one = backend(self.device())?.full(self.shape(), self.dtype(), 1.0)?;
        autograd::run(self, one, false)
    }

    /// As `backward` from a tensor of any shape, with the gradient `gradient` of the same shape coming in.
    #[track_caller]
    pub fn backward_with(&self, gradient: &Tensor) {
        autograd::run(self, gradient.raw(), false).or_panic()
    }

    /// As `backward`, keeping the graph so that it can run again.
    #[track_caller]
    pub fn backward_retaining(&self) {
        backend(self.device()).and_then(|b| b.full(self.shape(), self.dtype(), 1.0)).and_then(|one| autograd::run(self, one, true)).or_panic()
    }

    // --- change in place -------------------------------------------------------------------------

    /// Replaces the elements by those of `other`, which is broadcast, converted and moved as needed; shape, type and device stay. History is not
    /// recorded. Views that were made before keep the old elements on the CPU.
    #[track_caller]
    pub fn assign(&self, other: &Tensor) {
        self.try_assign(other).or_panic()
    }

    fn try_assign(&self, other: &Tensor) -> Result<()> {
        if self.0.node.is_some() {
            let problem = "of a computed tensor that gradients flow through; `.detach()` it, or assign to a leaf".to_owned();
            return Err(TensorError::Shape { operation: "assign", problem });
        }
        let source = other.raw().to_device(self.device())?.cast(self.dtype())?.expand("assign", self.shape())?;
        self.update(&mut |raw| {
            if matches!(raw.storage, Storage::Cpu(_)) && raw.layout == source.layout {
                raw.storage = source.storage.clone();
                return Ok(());
            }
            raw.make_owned();
            backend(raw.device())?.copy_into(raw, &source)
        })
    }

    /// Changes the elements in place, for optimisers: `change` gets the only handle on them (of the tensor; views have their own), may replace the
    /// storage and leaves shape, strides and type as they are. It must not use this tensor otherwise. An error or a panic leaves what it left.
    pub fn update(&self, change: &mut dyn FnMut(&mut Raw) -> Result<()>) -> Result<()> {
        let mut slot = self.0.storage.write().unwrap_or_else(PoisonError::into_inner);
        let storage = std::mem::replace(&mut *slot, nothing());
        let mut back = PutBack { slot: &mut slot, raw: Raw { storage, layout: self.0.layout.clone(), dtype: self.0.dtype } };
        let result = change(&mut back.raw);
        debug_assert!(back.raw.layout == self.0.layout && back.raw.dtype == self.0.dtype, "update may not change the layout");
        result
    }
}

/// Gives the storage back also when the change panicked.
struct PutBack<'a> {
    slot: &'a mut Storage,
    raw: Raw,
}

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        *self.slot = std::mem::replace(&mut self.raw.storage, nothing());
    }
}

/// A storage that stands where another is being changed.
fn nothing() -> Storage {
    static NOTHING: OnceLock<Arc<Buffer>> = OnceLock::new();
    Storage::Cpu(NOTHING.get_or_init(|| Arc::new(Buffer::from(Vec::<u8>::new()))).clone())
}
