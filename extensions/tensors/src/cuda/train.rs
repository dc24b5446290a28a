//! Steps of optimisers, in place.
use super::Cuda;
use super::element::launch_threads;
use super::images::Kernel;
use crate::backend::{AdamW, Sgd};
use crate::error::Result;
use crate::{DType, Raw, TensorError};

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct StepArgs {
    parameter: u64,
    gradient: u64,
    first: u64,
    second: u64,
    replays: u64,
    count: u64,
    step: u64,
    rate: f64,
    decay: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    correction1: f64,
    correction2: f64,
    gradient_type: u32,
    state_type: u32,
    nesterov: u32,
    is_first: u32,
}

/// `DType`'s number in `train.cu`.
const fn number(dtype: DType) -> u32 {
    match dtype {
        DType::F16 => 4,
        DType::BF16 => 5,
        DType::F32 => 6,
        _ => 7,
    }
}

/// A kernel of each kind and the size of what it takes, for the test that compares them with the PTX.
#[cfg(test)]
pub(super) const SIZES: &[(&str, &str, usize)] = &[("train", "adamw_f32", size_of::<StepArgs>())];

impl Cuda {
    /// Checks that all lie row-major, and starts the kernel.
    fn step(&self, name: &'static str, parameter: &Raw, gradient: &Raw, states: [Option<&Raw>; 2], args: StepArgs) -> Result<()> {
        let odd = states.iter().flatten().chain([&parameter]).find(|x| !x.layout.is_contiguous() || !x.dtype.is_float());
        if let Some(odd) = odd {
            let problem = format!("parameters and their state have to be row-major floats; one is {} with strides {:?}", odd.dtype, &odd.layout.strides[..]);
            return Err(TensorError::Shape { operation: name, problem });
        }
        for changed in states.into_iter().flatten().chain([parameter]) {
            self.before_change(changed)?;
        }
        let gradient = self.dense(gradient)?;
        let at = |x: Option<&Raw>| x.map_or(Ok(0), |x| self.address(x));
        let args = StepArgs {
            parameter: self.address(parameter)?,
            gradient: self.address(&gradient)?,
            first: at(states[0])?,
            second: at(states[1])?,
            replays: self.replays(),
            count: parameter.len() as u64,
            gradient_type: number(gradient.dtype),
            state_type: number(states[0].map_or(parameter.dtype, |s| s.dtype)),
            ..args
        };
        // Each thread takes four elements.
        launch_threads(self.gpu, Kernel::of("train", name, parameter.dtype), args.count.div_ceil(4), &args)
    }

    pub(super) fn sgd_kernel(&self, parameter: &Raw, gradient: &Raw, momentum: Option<&Raw>, step: Sgd) -> Result<()> {
        let args = StepArgs {
            rate: step.rate,
            decay: step.decay,
            beta1: step.momentum,
            nesterov: step.nesterov.into(),
            is_first: step.first.into(),
            ..StepArgs::default()
        };
        self.step("sgd", parameter, gradient, [momentum, None], args)
    }

    pub(super) fn adamw_kernel(&self, parameter: &Raw, gradient: &Raw, first: &Raw, second: &Raw, step: AdamW) -> Result<()> {
        let args = StepArgs {
            rate: step.rate,
            decay: step.decay,
            beta1: step.beta1,
            beta2: step.beta2,
            epsilon: step.epsilon,
            step: step.step,
            correction1: 1.0 - step.beta1.powi(step.step as i32),
            correction2: 1.0 - step.beta2.powi(step.step as i32),
            ..StepArgs::default()
        };
        self.step("adamw", parameter, gradient, [Some(first), Some(second)], args)
    }
}
