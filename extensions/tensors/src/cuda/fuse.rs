//! Expressions that were put off become one kernel: which operations it does, what it reads and stores, and its launch.
//!
//! The text is `source.rs`'s, the compiled code `compile.rs`'s. A kernel is made for operations, types and kinds of operands; sizes, strides and
//! numbers (`x * 2.0`) are arguments, so that other ones need no other kernel.
use super::Cuda;
use super::driver::{Block, Function, Memory};
use super::lazy::{Expression, MOST_LEAVES, inner};
use super::shape::Walk;
use super::source::{Leaf, Place, Plan};
use crate::error::Result;
use crate::{Raw, Storage, Tensor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Results that one kernel stores.
const MOST_OUTPUTS: usize = 4;
/// What a thread reads and writes at once, in bytes.
const PACK: usize = 16;

static FUSION: AtomicBool = AtomicBool::new(true);

/// Whether element-wise operations on a GPU are put off and become one kernel where they can (at first: yes). It needs NVRTC; without it each
/// operation is a kernel of its own. Results are the same, bit by bit.
pub fn allow_fusion(yes: bool) {
    FUSION.store(yes, Ordering::Relaxed);
}

/// What [`allow_fusion`] was set to.
pub fn fusion_is_allowed() -> bool {
    FUSION.load(Ordering::Relaxed)
}

/// Begins what a tensor's elements are computed by, if that was put off: for measurements, which would measure nothing else.
///
/// # Errors
/// What the operation meets: out of memory, most often.
pub fn finish(tensor: &Tensor) -> Result<()> {
    match &tensor.raw().storage {
        Storage::Cuda(block) => super::cuda(block.gpu.number)?.evaluated(block).map(drop),
        Storage::Cpu(_) => Ok(()),
    }
}

/// The expressions that one result needs, operands before their users, and what they read.
#[derive(Default)]
pub(super) struct Program {
    nodes: Vec<(Arc<Block>, Arc<Expression>)>,
    /// For each operation where its operands come from.
    operands: Vec<Vec<Place>>,
    leaves: Vec<Raw>,
}

/// A kernel's plan and its arguments; addresses of results come when there is memory for them.
pub(super) struct Launch {
    pub plan: Plan,
    words: Vec<u64>,
    threads: u64,
}

/// Operations and operands of a kernel that had these operands, exactly.
pub(super) fn measure(operands: &[&Raw]) -> (usize, usize) {
    let mut program = Program::default();
    for x in operands {
        program.operand(x);
    }
    (program.nodes.len() + 1, program.leaves.len())
}

/// Whether a result that is put off is computed from a block's elements, directly or on the way.
pub(super) fn reads(reader: &Arc<Block>, block: &Arc<Block>) -> bool {
    let is_it = |x: &Raw| matches!(&x.storage, Storage::Cuda(one) if Arc::ptr_eq(one, block));
    Program::of(reader).nodes.iter().any(|(_, expression)| expression.operands.iter().any(is_it))
}

impl Program {
    pub fn of(root: &Arc<Block>) -> Self {
        let mut program = Self::default();
        if let Some(expression) = root.expression() {
            program.node(root, expression);
        }
        program
    }

    pub fn steps(&self) -> usize {
        self.nodes.len()
    }

    pub fn into_nodes(self) -> Vec<(Arc<Block>, Arc<Expression>)> {
        self.nodes
    }

    fn node(&mut self, block: &Arc<Block>, expression: Arc<Expression>) -> Place {
        if let Some(at) = self.nodes.iter().position(|(known, _)| Arc::ptr_eq(known, block)) {
            return Place::Step(at as u8);
        }
        let operands = expression.operands.iter().map(|x| self.operand(x)).collect();
        self.nodes.push((block.clone(), expression));
        self.operands.push(operands);
        Place::Step(self.nodes.len() as u8 - 1)
    }

    fn operand(&mut self, x: &Raw) -> Place {
        if let Some((block, expression)) = inner(x) {
            return self.node(block, expression);
        }
        let is_it = |y: &Raw| y.layout == x.layout && matches!((&x.storage, &y.storage), (Storage::Cuda(a), Storage::Cuda(b)) if Arc::ptr_eq(a, b));
        let at = self.leaves.iter().position(is_it).unwrap_or_else(|| {
            self.leaves.push(x.clone());
            self.leaves.len() - 1
        });
        Place::Leaf(at as u8)
    }

    /// The last, and what others hold as well.
    fn outputs(&self) -> Vec<u8> {
        let last = self.nodes.len() - 1;
        let used = |at: usize| self.operands.iter().flatten().filter(|place| **place == Place::Step(at as u8)).count();
        // One handle is this program's own.
        let is_held = |at: &usize| Arc::strong_count(&self.nodes[*at].0) > used(*at) + 1;
        let held = (0..last).filter(is_held).take(MOST_OUTPUTS - 1);
        held.chain([last]).map(|at| at as u8).collect()
    }

    /// What to start. `None`: no kernel can go over such operands.
    pub fn launch(&self, cuda: &Cuda) -> Result<Option<Launch>> {
        let shape = match self.nodes.last() {
            Some((_, root)) if self.leaves.len() <= MOST_LEAVES => &root.shape,
            _ => return Ok(None),
        };
        let addresses = self.leaves.iter().map(|x| cuda.address(x)).collect::<Result<Vec<u64>>>()?;
        let kinds: Vec<Leaf> = self.leaves.iter().zip(&addresses).map(|(x, address)| kind(x, *address)).collect();
        let outputs = self.outputs();
        let plan = Plan {
            leaves: self.leaves.iter().map(|x| x.dtype).zip(kinds.iter().copied()).collect(),
            steps: self.nodes.iter().zip(&self.operands).map(|((_, expression), operands)| (expression.step, operands.clone())).collect(),
            outputs,
        };
        let width = (PACK / plan.widest()) as u64;
        let mut words = vec![shape.iter().map(|&size| size as u64).product()];
        words.extend(&addresses);
        words.extend(plan.outputs.iter().map(|_| 0));
        words.extend(plan.steps.iter().flat_map(|(step, _)| step.numbers()).map(f64::to_bits));
        let threads = if kinds.contains(&Leaf::Strided) {
            let strided: Vec<(&Raw, u64)> = self.leaves.iter().zip(addresses).zip(&kinds).filter(|(_, kind)| **kind == Leaf::Strided).map(|(leaf, _)| leaf).collect();
            // Unused places repeat the first, which joins dimensions no worse.
            let strides: [&[usize]; MOST_LEAVES] = std::array::from_fn(|n| &strided.get(n).unwrap_or(&strided[0]).0.layout.strides[..]);
            let Ok(walk) = Walk::new("fusion", shape, strides) else { return Ok(None) };
            let packs = walk.packs(width);
            let whole = strided.iter().enumerate().filter(|(n, (x, address))| packs && walk.whole(*n, *address, width, x.dtype.size() as u64));
            words.push(u64::from(packs) | whole.fold(0, |bits, (n, _)| bits | 1 << (32 + n)));
            walk.shape.write(&mut words);
            walk.strides[..strided.len()].iter().for_each(|strides| words.extend(strides.0));
            if packs { words[0].div_ceil(width) } else { words[0] }
        } else {
            words[0].div_ceil(width)
        };
        Ok(Some(Launch { plan, words, threads }))
    }
}

fn kind(x: &Raw, address: u64) -> Leaf {
    let layout = &x.layout;
    if layout.is_contiguous() && address.is_multiple_of(PACK as u64) {
        Leaf::Flat
    } else if layout.shape.iter().zip(&layout.strides).all(|(&size, &stride)| size == 1 || stride == 0) {
        Leaf::Single
    } else {
        Leaf::Strided
    }
}

impl Cuda {
    pub(super) fn launch_fused(&self, program: Program, mut launch: Launch, function: Function) -> Result<()> {
        let first = 1 + launch.plan.leaves.len();
        let mut memories: Vec<(usize, Memory)> = Vec::with_capacity(launch.plan.outputs.len());
        for (place, &at) in launch.plan.outputs.iter().enumerate() {
            let expression = &program.nodes[usize::from(at)].1;
            let memory = self.gpu.take(expression.step.to, &expression.shape)?;
            launch.words[first + place] = memory.address;
            memories.push((usize::from(at), memory));
        }
        self.gpu.launch_made(function, launch.threads, &launch.words)?;
        for (at, memory) in memories {
            program.nodes[at].0.set(memory);
        }
        Ok(())
    }
}
