//! How the learning rate changes while training: a factor of the optimiser's rate for each step.
use std::f64::consts::PI;

/// A schedule over a whole training. Steps are the optimiser's, epochs passes through the data. Made by its functions, and changed by `warm_up`.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    shape: Shape,
    warm_up: f64,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Constant,
    Step { every: usize, factor: f64 },
    Cosine { floor: f64 },
    OneCycle { rise: f64, start: f64, end: f64 },
}

impl Default for Schedule {
    fn default() -> Self {
        Self::constant()
    }
}

impl Schedule {
    fn of(shape: Shape) -> Self {
        Self { shape, warm_up: 0.0 }
    }

    /// The optimiser's rate throughout.
    pub fn constant() -> Self {
        Self::of(Shape::Constant)
    }

    /// Times `factor` after each `every` epochs, as PyTorch's StepLR.
    pub fn step(every: usize, factor: f64) -> Self {
        Self::of(Shape::Step { every: every.max(1), factor })
    }

    /// From the rate down to 0 along half a cosine, as PyTorch's CosineAnnealingLR over all steps.
    pub fn cosine() -> Self {
        Self::cosine_to(0.0)
    }

    /// From the rate down to `floor` times the rate along half a cosine.
    pub fn cosine_to(floor: f64) -> Self {
        Self::of(Shape::Cosine { floor })
    }

    /// Up to the rate in the first 30% of the steps and down to nearly 0 in the rest, as PyTorch's OneCycleLR with its defaults (from 1/25 of the
    /// rate, to 1/250,000; momentum stays).
    pub fn one_cycle() -> Self {
        Self::one_cycle_with(0.3)
    }

    /// [`Schedule::one_cycle`] with this share of the steps going up.
    pub fn one_cycle_with(rise: f64) -> Self {
        Self::of(Shape::OneCycle { rise, start: 1.0 / 25.0, end: 1.0 / 25.0 / 1e4 })
    }

    /// Before that, in this share of all steps (0.05), from near 0 up to the rate in a straight line.
    pub fn warm_up(mut self, share: f64) -> Self {
        self.warm_up = share.clamp(0.0, 1.0);
        self
    }

    /// The factor for step `step` (from 0) of `total`, with `per_epoch` steps in an epoch.
    pub fn factor(&self, step: u64, total: u64, per_epoch: u64) -> f64 {
        let warm = (self.warm_up * total as f64).round() as u64;
        if step < warm {
            return (step + 1) as f64 / warm as f64;
        }
        let (step, total) = (step - warm, total.saturating_sub(warm).max(1));
        match self.shape {
            Shape::Constant => 1.0,
            Shape::Step { every, factor } => factor.powf(((step + warm) / per_epoch.max(1) / every as u64) as f64),
            Shape::Cosine { floor } => between(1.0, floor, step as f64 / total as f64),
            Shape::OneCycle { rise, start, end } => {
                let last = total as f64 - 1.0;
                let peak = rise * total as f64 - 1.0;
                let at = step as f64;
                if at <= peak { between(start, 1.0, at / peak.max(1e-9)) } else { between(1.0, end, ((at - peak) / (last - peak).max(1e-9)).min(1.0)) }
            }
        }
    }
}

/// From one to the other along half a cosine.
fn between(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) / 2.0 * (1.0 + (PI * share).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }

    #[test]
    fn the_shapes_are_pytorchs() {
        // torch 2: StepLR(3, 0.5); CosineAnnealingLR(T_max=10); OneCycleLR(max_lr=1, total_steps=10), at these steps.
        let step = Schedule::step(3, 0.5);
        let by_epoch: Vec<f64> = (0..7).map(|epoch| step.factor(epoch * 2, 14, 2)).collect();
        assert_eq!(by_epoch, [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]);
        close(Schedule::cosine().factor(0, 10, 1), 1.0);
        close(Schedule::cosine().factor(5, 10, 1), 0.5);
        close(Schedule::cosine_to(0.1).factor(10, 10, 1), 0.1);
        let cycle: Vec<f64> = (0..10).map(|s| Schedule::one_cycle().factor(s, 10, 1)).collect();
        for (got, want) in cycle.iter().zip([0.04, 0.52, 1.0, 0.950484631, 0.811745651, 0.611261468, 0.388742532, 0.188258349, 0.049519369, 4e-6]) {
            assert!((got - want).abs() < 1e-6, "{cycle:?}");
        }
    }

    #[test]
    fn a_warm_up_comes_first() {
        let warm = Schedule::cosine().warm_up(0.2);
        let factors: Vec<f64> = (0..10).map(|s| warm.factor(s, 10, 5)).collect();
        close(factors[0], 0.5);
        close(factors[1], 1.0);
        close(factors[2], 1.0);
        assert!(factors.windows(2).skip(2).all(|w| w[1] < w[0]), "{factors:?}");
    }
}
