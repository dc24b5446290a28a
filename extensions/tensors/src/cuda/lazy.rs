//! Element-wise results that are put off until somebody needs their bytes, so that several become one kernel.
//!
//! `element` puts off; `Cuda::address`, which every other operation asks for its operands' places, evaluates. A result that is dropped before
//! is never computed. Tensors are values, so nobody can tell but by time and memory, with these cases seen to:
//!
//! - **changes in place** (`assign`, optimisers): whatever reads the tensor is evaluated before (`before_change`);
//! - **views**: of a result that is put off they are views of memory that it will have; asking for it evaluates it;
//! - **graphs**: what is put off is evaluated before a capture, at its end, and before each replay;
//! - **memory**: operands live as long as what reads them is put off. Expressions are bounded in steps, operands and number, and when the device
//!   runs short all of them are evaluated, for which some memory is spared.
//!
//! What one evaluation computes on the way and others hold as well is stored with it, so that nothing is computed twice.
use super::driver::Block;
use super::fuse::{self, Program};
use super::step::Step;
use super::{Cuda, compile};
use crate::error::Result;
use crate::{Dims, Raw, Storage, TensorError};
use smallvec::SmallVec;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Operations of one kernel: registers and the compiler's time grow with them.
pub(super) const MOST_STEPS: usize = 16;
/// Tensors that one kernel reads.
pub(super) const MOST_LEAVES: usize = 8;
/// Results that are put off at a time; beyond, the oldest is computed.
const MOST_PENDING: usize = 64;
/// The part of a device's memory that is kept for computing what was put off, while something is.
const SPARE: usize = 16;
/// Dimensions that kernels know.
const MOST_RANK: usize = 8;

/// An operation and its operands, which have the result's shape: row-major results that are put off themselves, or anything that has memory.
pub struct Expression {
    pub(super) step: Step,
    pub(super) operands: SmallVec<[Raw; 2]>,
    pub(super) shape: Dims,
    /// How much a kernel of it would have; what is used twice may be counted twice.
    steps: usize,
    leaves: usize,
}

/// What is put off on a device.
#[derive(Default)]
pub(super) struct Lazy {
    /// All of it, the oldest first, and some that was evaluated or dropped since.
    pending: Mutex<Vec<Weak<Block>>>,
    /// One evaluation at a time.
    evaluating: Mutex<()>,
}

impl Lazy {
    fn pending(&self) -> MutexGuard<'_, Vec<Weak<Block>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Block {
    /// What it is computed from, if it has no memory yet.
    pub(super) fn expression(&self) -> Option<Arc<Expression>> {
        if self.address().is_some() {
            return None;
        }
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The tensor's expression if a kernel can compute it on the way: it is put off, and seen as it will lie.
pub(super) fn inner(x: &Raw) -> Option<(&Arc<Block>, Arc<Expression>)> {
    let Storage::Cuda(block) = &x.storage else { return None };
    let expression = block.expression()?;
    (x.layout.offset == 0 && expression.shape[..] == x.layout.shape[..] && x.layout.is_contiguous()).then_some((block, expression))
}

impl Cuda {
    /// Whether the result of an operation on these may wait.
    pub(super) fn may_put_off(&self, operands: &[&Raw]) -> bool {
        let x = operands[0];
        fuse::fusion_is_allowed() && x.layout.rank() <= MOST_RANK && !x.is_empty() && self.compiler().is_some()
    }

    /// The compiler, where there is one.
    pub(super) fn compiler(&self) -> Option<&compile::Compiler> {
        self.compiler.get_or_init(|| compile::Compiler::open(self.gpu)).as_ref()
    }

    pub(super) fn put_off(&self, step: Step, operands: &[&Raw]) -> Result<Raw> {
        let (mut steps, mut leaves) = (1, 0);
        for x in operands {
            match inner(x) {
                Some((_, expression)) => (steps, leaves) = (steps + expression.steps, leaves + expression.leaves),
                None => {
                    self.address(x)?;
                    leaves += 1;
                }
            }
        }
        if steps > MOST_STEPS || leaves > MOST_LEAVES {
            (steps, leaves) = fuse::measure(operands);
        }
        if steps > MOST_STEPS || leaves > MOST_LEAVES {
            for x in operands {
                self.address(x)?;
            }
            (steps, leaves) = (1, operands.len());
        }
        let shape = Dims::from_slice(operands[0].shape());
        let layout = crate::Layout::contiguous(&shape);
        let expression = Expression { step, operands: operands.iter().map(|x| (*x).clone()).collect(), shape, steps, leaves };
        let block = Arc::new(Block::put_off(self.gpu, expression));
        self.remember(&block)?;
        Ok(Raw { storage: Storage::Cuda(block), layout, dtype: step.to })
    }

    /// Adds to what is put off; where that is much, all of it is evaluated.
    fn remember(&self, block: &Arc<Block>) -> Result<()> {
        let is_full = {
            let mut pending = self.lazy.pending();
            if pending.len() >= MOST_PENDING {
                pending.retain(|one| one.strong_count() > 0);
            }
            pending.push(Arc::downgrade(block));
            pending.len() > MOST_PENDING
        };
        if is_full { self.finish_all() } else { Ok(()) }
    }

    /// Where a block's elements are, which are computed now if they were put off.
    pub(super) fn evaluated(&self, block: &Arc<Block>) -> Result<u64> {
        if let Some(address) = block.address() {
            return Ok(address);
        }
        match self.evaluate(block) {
            Err(TensorError::OutOfMemory { .. }) if self.let_go() => self.evaluate(block)?,
            answer => answer?,
        }
        block.address().ok_or_else(|| self.library_error("an element-wise operation", "its result has no memory".to_owned()))
    }

    fn evaluate(&self, root: &Arc<Block>) -> Result<()> {
        let _alone = self.lazy.evaluating.lock().unwrap_or_else(PoisonError::into_inner);
        if root.address().is_some() {
            return Ok(());
        }
        let program = Program::of(root);
        if program.steps() > 1
            && let Some(compiler) = self.compiler()
            && let Some(launch) = program.launch(self)?
            && let Some(function) = compiler.function(self.gpu, &launch.plan)
        {
            return self.launch_fused(program, launch, function);
        }
        self.one_by_one(program)
    }

    /// As if nothing had been put off: each operation by its own kernel, memory freed as soon as nobody needs it.
    fn one_by_one(&self, program: Program) -> Result<()> {
        for (block, expression) in program.into_nodes() {
            let memory = self.gpu.take(expression.step.to, &expression.shape)?;
            let operands: SmallVec<[&Raw; 3]> = expression.operands.iter().collect();
            self.apply(&expression.step, &operands, memory.address)?;
            block.set(memory);
        }
        Ok(())
    }

    /// Called before a tensor's elements change in place: what reads them is computed from those that were.
    pub(super) fn before_change(&self, x: &Raw) -> Result<()> {
        match &x.storage {
            Storage::Cuda(changed) => self.finish_those(|block| fuse::reads(block, changed)),
            Storage::Cpu(_) => Ok(()),
        }
    }

    /// Begins everything that was put off and that somebody still holds.
    pub(super) fn finish_all(&self) -> Result<()> {
        self.finish_those(|_| true)
    }

    /// The newest first: what an expression takes part of it with it, and is gone afterwards unless others hold it.
    fn finish_those(&self, chosen: impl Fn(&Arc<Block>) -> bool) -> Result<()> {
        let waiting = self.lazy.pending().clone();
        for block in waiting.iter().rev() {
            if let Some(block) = block.upgrade().filter(|block| block.address().is_none() && chosen(block)) {
                self.evaluated(&block)?;
            }
        }
        if !waiting.is_empty() {
            self.lazy.pending().retain(|one| one.upgrade().is_some_and(|block| block.address().is_none()));
        }
        Ok(())
    }

    /// Memory that is kept for computing what was put off.
    pub(super) fn spare(&self) -> usize {
        if self.lazy.pending().is_empty() { 0 } else { self.gpu.total_memory / SPARE }
    }

    /// Frees operands by computing what was put off, as far as memory allows; whether there was something.
    pub(super) fn let_go(&self) -> bool {
        let waiting = self.lazy.pending().clone();
        let evaluated = |block: Arc<Block>| block.address().is_none() && self.evaluate(&block).is_ok();
        // What fails here is put off further, and fails for who asks for it.
        waiting.iter().rev().filter(|block| block.upgrade().is_some_and(evaluated)).count() > 0
    }
}
