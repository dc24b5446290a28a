//! Steps of optimisers, in one pass over memory.
use super::access::{Load, dense};
use super::copy::{copy_into, own};
use super::level::{self, Job, Level};
use super::math::Real;
use super::number::each_real;
use super::parallel::{self, GRAIN};
use crate::backend::{AdamW, Sgd};
use crate::error::Result;
use crate::{DType, Element, Raw, interrupt};

/// Whether a tensor is all of its buffer, in order, in type `W`: then it is changed where it lies.
fn plain<W: Element>(x: &Raw) -> bool {
    x.dtype == W::DTYPE && x.layout.is_contiguous()
}

/// See [`crate::backend::Backend::sgd`].
pub fn sgd(parameter: &mut Raw, gradient: &Raw, momentum: Option<&mut Raw>, step: Sgd) -> Result<()> {
    let dtype = parameter.dtype;
    each_real!("sgd", dtype, W => {
        let g = W::load(gradient)?;
        match momentum {
            None => changed::<W, 1>([parameter], &g, |[p], g| level::run(SgdBlock { p, g, m: None, step })),
            Some(m) => changed::<W, 2>([parameter, m], &g, |[p, m], g| level::run(SgdBlock { p, g, m: Some(m), step })),
        }
    })
}

/// See [`crate::backend::Backend::adamw`].
pub fn adamw(parameter: &mut Raw, gradient: &Raw, first: &mut Raw, second: &mut Raw, step: AdamW) -> Result<()> {
    let dtype = parameter.dtype;
    each_real!("adamw", dtype, W => {
        let g = W::load(gradient)?;
        changed::<W, 3>([parameter, first, second], &g, |[p, m, v], g| level::run(AdamWBlock { p, g, m, v, step }))
    })
}

/// Changes tensors together with a gradient, in place where they lie plainly, else by way of a copy.
fn changed<W: Load + Real, const N: usize>(mut tensors: [&mut Raw; N], gradient: &[W], work: impl Fn([&mut [W]; N], &[W]) + Sync) -> Result<()> {
    interrupt::check("optimiser step")?;
    if tensors.iter().all(|x| plain::<W>(x)) {
        let slices = tensors.map(|x| {
            let range = x.layout.range();
            if range.is_empty() { &mut [] } else { &mut own::<W>(x)[range] }
        });
        together(slices, gradient, &work);
        return Ok(());
    }
    let mut copies: Vec<Vec<W>> = Vec::with_capacity(N);
    for x in &tensors {
        copies.push(if x.dtype == W::DTYPE { dense::<W>(x)?.into_owned() } else { W::load(x)?.into_owned() });
    }
    let mut slices = copies.iter_mut();
    together(std::array::from_fn(|_| slices.next().expect("there are N").as_mut_slice()), gradient, &work);
    for (x, values) in tensors.iter_mut().zip(copies) {
        let dtype: DType = x.dtype;
        let new = super::layernorm::store_as(values, dtype, x.shape())?;
        copy_into(x, &new)?;
    }
    Ok(())
}

/// Runs `work` on matching parts of all slices. A step is not left half done: it does not ask for interrupts.
fn together<W: Real, const N: usize>(slices: [&mut [W]; N], gradient: &[W], work: &(impl Fn([&mut [W]; N], &[W]) + Sync)) {
    if gradient.len() <= GRAIN {
        return work(slices, gradient);
    }
    let mut iterators = slices.map(|s| s.chunks_mut(GRAIN));
    let parts: Vec<([&mut [W]; N], &[W])> =
        gradient.chunks(GRAIN).map(|g| (std::array::from_fn(|n| iterators[n].next().expect("as long as the gradient")), g)).collect();
    parallel::each(parts, |(slices, g)| work(slices, g));
}

struct SgdBlock<'a, W> {
    p: &'a mut [W],
    g: &'a [W],
    m: Option<&'a mut [W]>,
    step: Sgd,
}

impl<W: Real> Job for SgdBlock<'_, W> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { p, g, m, step } = self;
        let (rate, momentum, decay) = (W::from_f64(-step.rate), W::from_f64(step.momentum), W::from_f64(step.decay));
        let Some(m) = m else {
            for (p, g) in p.iter_mut().zip(g) {
                let g = p.fma::<L>(decay, *g);
                *p = g.fma::<L>(rate, *p);
            }
            return;
        };
        let old = if step.first { W::ZERO } else { momentum };
        let fresh = if step.nesterov { momentum } else { W::ONE };
        let own = if step.nesterov { W::ONE } else { W::ZERO };
        for ((p, g), m) in p.iter_mut().zip(g).zip(m) {
            let g = p.fma::<L>(decay, *g);
            // What is in a new momentum buffer does not count, were it NaN.
            let kept = if step.first { W::ZERO } else { *m };
            *m = kept.fma::<L>(old, g);
            *p = (g * own + *m * fresh).fma::<L>(rate, *p);
        }
    }
}

struct AdamWBlock<'a, W> {
    p: &'a mut [W],
    g: &'a [W],
    m: &'a mut [W],
    v: &'a mut [W],
    step: AdamW,
}

impl<W: Real> Job for AdamWBlock<'_, W> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { p, g, m, v, step } = self;
        let c = |x: f64| W::from_f64(x);
        let shrink = c(1.0 - step.rate * step.decay);
        let (b1, b2, a1, a2) = (c(step.beta1), c(step.beta2), c(1.0 - step.beta1), c(1.0 - step.beta2));
        let power = step.step.min(i32::MAX as u64) as i32;
        let rate = c(-step.rate / (1.0 - step.beta1.powi(power)));
        let (root, epsilon) = (c(1.0 / (1.0 - step.beta2.powi(power)).sqrt()), c(step.epsilon));
        for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            *m = m.fma::<L>(b1, a1 * *g);
            *v = v.fma::<L>(b2, a2 * *g * *g);
            *p = (*m / v.sqrt().fma::<L>(root, epsilon)).fma::<L>(rate, *p * shrink);
        }
    }
}
