//! Reverse-mode automatic differentiation.
//!
//! Operations call `record` with their result and a function that turns the result's gradient into those of the inputs. `Tensor::backward` runs
//! these from the newest to the oldest. A node knows the nodes before it but not their values: what a gradient needs, its function holds.
//! Gradients are computed on `Raw`, so they have no gradients themselves (no second order).
//!
//! ```text
//! record("exp", &[x], y, || move |dy, _| Ok(vec![Some(dy.mul(&y)?)]))
//!    y.node --> Node { inputs: [Edge::Node(x.node) | Edge::Leaf(x) | None], backward }
//! ```
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::{DType, Dims, Raw, Tensor, TensorError, interrupt};
use smallvec::SmallVec;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Gradients of the inputs, in their order; None where there is none or none is wanted. A gradient may still have the broadcast shape or another
/// float type: it is summed and converted here.
pub(crate) type Gradients = Result<Vec<Option<Raw>>>;

/// Gets the result's gradient and, for each input, whether its gradient is wanted.
type Backward = Box<dyn Fn(&Raw, &[bool]) -> Gradients + Send + Sync>;

/// One recorded operation.
pub(crate) struct Node {
    /// Grows with time: an input's node has a smaller one.
    sequence: u64,
    operation: &'static str,
    shape: Dims,
    dtype: DType,
    inputs: SmallVec<[Option<Edge>; 2]>,
    /// None once it has run: what it held is freed.
    backward: Mutex<Option<Backward>>,
}

impl Node {
    /// The operation that was recorded.
    pub(crate) fn operation(&self) -> &'static str {
        self.operation
    }
}

enum Edge {
    Node(Arc<Node>),
    Leaf(Tensor),
}

impl Edge {
    fn of(tensor: &Tensor) -> Option<Self> {
        match &tensor.0.node {
            Some(node) => Some(Self::Node(node.clone())),
            None => tensor.is_parameter().then(|| Self::Leaf(tensor.clone())),
        }
    }

    fn expects(&self) -> (&[usize], DType) {
        match self {
            Self::Node(node) => (&node.shape, node.dtype),
            Self::Leaf(tensor) => (tensor.shape(), tensor.dtype()),
        }
    }
}

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

/// Whether operations on this thread are recorded.
pub fn is_recording() -> bool {
    RECORDING.get()
}

struct Restore(bool);

impl Drop for Restore {
    fn drop(&mut self) {
        RECORDING.set(self.0);
    }
}

/// Runs `body` without recording: what is computed in it has no gradient. For this thread only.
pub fn no_grad<R>(body: impl FnOnce() -> R) -> R {
    let _restore = Restore(RECORDING.replace(false));
    body()
}

/// Runs `body` with recording, also inside `no_grad`.
pub fn enable_grad<R>(body: impl FnOnce() -> R) -> R {
    let _restore = Restore(RECORDING.replace(true));
    body()
}

/// Whether an operation on these inputs is to be recorded.
pub(crate) fn wants(inputs: &[&Tensor]) -> bool {
    inputs.iter().any(|input| input.tracks_gradients()) && is_recording()
}

/// Makes the tensor of a result. Where gradients flow, `backward` is called once to make the function that gets the result's gradient and whether
/// each input wants its own, and gives theirs. The function should hold `Raw`s (shared memory), and of these only what it needs.
pub(crate) fn record<F, B>(operation: &'static str, inputs: &[&Tensor], result: Raw, backward: F) -> Tensor
where
    F: FnOnce() -> B,
    B: Fn(&Raw, &[bool]) -> Gradients + Send + Sync + 'static,
{
    if !wants(inputs) || !result.dtype.is_float() {
        return Tensor::from_raw(result);
    }
    record_boxed(operation, inputs, result, Box::new(backward()))
}

fn record_boxed(operation: &'static str, inputs: &[&Tensor], result: Raw, backward: Backward) -> Tensor {
    static SEQUENCE: AtomicU64 = AtomicU64::new(0);
    let node = Node {
        sequence: SEQUENCE.fetch_add(1, Ordering::Relaxed),
        operation,
        shape: result.layout.shape.clone(),
        dtype: result.dtype,
        inputs: inputs.iter().map(|input| Edge::of(input)).collect(),
        backward: Mutex::new(Some(backward)),
    };
    Tensor::recorded(result, Arc::new(node))
}

/// Runs the graph below `root` with `gradient` coming in, newest node first, so that each has its whole gradient when its turn comes.
pub(crate) fn run(root: &Tensor, gradient: Raw, retain: bool) -> Result<()> {
    let Some(edge) = Edge::of(root) else {
        let problem = "of a tensor that no gradient flows to: nothing that it was computed from has `.requires_grad()`, or it was computed in `no_grad`".to_owned();
        return Err(TensorError::Shape { operation: "backward", problem });
    };
    let mut pending: BTreeMap<u64, (Arc<Node>, Raw)> = BTreeMap::new();
    deliver("backward", &edge, gradient, &mut pending)?;
    while let Some((_, (node, gradient))) = pending.pop_last() {
        interrupt::check("backward")?;
        step(&node, &gradient, retain, &mut pending)?;
    }
    Ok(())
}

fn step(node: &Node, gradient: &Raw, retain: bool, pending: &mut BTreeMap<u64, (Arc<Node>, Raw)>) -> Result<()> {
    let wanted: SmallVec<[bool; 4]> = node.inputs.iter().map(Option::is_some).collect();
    let gradients = {
        let mut slot = node.backward.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(backward) = &*slot else {
            let problem = format!("the graph of `{}` was freed by an earlier backward; use `backward_retaining` the first time", node.operation);
            return Err(TensorError::Shape { operation: "backward", problem });
        };
        let gradients = backward(gradient, &wanted)?;
        if !retain {
            *slot = None;
        }
        gradients
    };
    debug_assert!(gradients.len() == node.inputs.len(), "{} gives {} gradients for {} inputs", node.operation, gradients.len(), node.inputs.len());
    for (edge, gradient) in node.inputs.iter().zip(gradients) {
        if let (Some(edge), Some(gradient)) = (edge, gradient) {
            deliver(node.operation, edge, gradient, pending)?;
        }
    }
    Ok(())
}

/// Adds a gradient to what waits for a node, or to a leaf.
fn deliver(operation: &'static str, edge: &Edge, gradient: Raw, pending: &mut BTreeMap<u64, (Arc<Node>, Raw)>) -> Result<()> {
    let (shape, dtype) = edge.expects();
    let gradient = if gradient.shape() == shape { gradient } else { gradient.sum_to(operation, shape)? };
    let gradient = if gradient.dtype == dtype { gradient } else { gradient.cast(dtype)? };
    match edge {
        Edge::Leaf(tensor) => tensor.accumulate(gradient),
        Edge::Node(node) => {
            match pending.entry(node.sequence) {
                Entry::Vacant(entry) => {
                    entry.insert((node.clone(), gradient));
                }
                Entry::Occupied(mut entry) => {
                    let sum = entry.get().1.add(&gradient)?;
                    entry.get_mut().1 = sum;
                }
            }
            Ok(())
        }
    }
}

impl Drop for Node {
    /// A long chain of nodes is taken apart in a loop: dropped one inside the other it would overflow the stack.
    fn drop(&mut self) {
        let mut edges: Vec<Edge> = Vec::new();
        take_edges(self, &mut edges);
        while let Some(edge) = edges.pop() {
            if let Edge::Node(node) = edge
                && let Some(mut node) = Arc::into_inner(node)
            {
                take_edges(&mut node, &mut edges);
            }
        }
    }
}

fn take_edges(node: &mut Node, edges: &mut Vec<Edge>) {
    edges.extend(node.inputs.drain(..).flatten().filter(|edge| matches!(edge, Edge::Node(_))));
}

/// Scales the gradients of `parameters` so that their common Euclidean norm is at most `max`; gives the norm before. Parameters without a gradient
/// do not count. From a GPU it waits for the norm.
#[track_caller]
pub fn clip_grad_norm(parameters: &[&Tensor], max: f64) -> f64 {
    clip(parameters, max).or_panic()
}

fn clip(parameters: &[&Tensor], max: f64) -> Result<f64> {
    let mut squares: Option<Raw> = None;
    for gradient in parameters.iter().filter_map(|parameter| parameter.grad()) {
        let norm = gradient.try_to_dtype(wide(gradient.dtype()))?.norm().square().raw();
        squares = Some(match squares {
            Some(sum) => sum.to_device(norm.device())?.cast(wide(sum.dtype.promote(norm.dtype)))?.add(&norm.cast(wide(sum.dtype.promote(norm.dtype)))?)?,
            None => norm,
        });
    }
    let Some(squares) = squares else {
        return Ok(0.0);
    };
    let norm = Tensor::from_raw(squares).try_item()?.sqrt();
    // PyTorch's formula.
    let scale = max / (norm + 1e-6);
    if scale < 1.0 {
        for parameter in parameters {
            if let Some(gradient) = parameter.grad() {
                parameter.set_grad(Some(&Tensor::from_raw(gradient.raw().affine(scale, -0.0)?)));
            }
        }
    }
    Ok(norm)
}

/// Limits each element of the gradients of `parameters` to `-max ..= max`.
#[track_caller]
pub fn clip_grad_value(parameters: &[&Tensor], max: f64) {
    for parameter in parameters {
        if let Some(gradient) = parameter.grad() {
            parameter.set_grad(Some(&gradient.clamp(-max, max)));
        }
    }
}

fn wide(dtype: DType) -> DType {
    if dtype == DType::F64 { dtype } else { DType::F32 }
}
