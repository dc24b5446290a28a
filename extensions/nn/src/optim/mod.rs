//! `ochre::optim`: what changes parameters by their gradients. Formulas and defaults are PyTorch's.
mod adamw;
mod group;
mod schedule;
mod sgd;

pub use adamw::AdamW;
pub use group::Parameters;
pub use schedule::Schedule;
pub use sgd::Sgd;

use crate::error::Result;
use crate::module::State;
use ochre_tensors::{Tensor, interrupt};

/// An optimiser, for `fit` and for whoever takes any of them.
pub trait Optimizer: Send {
    /// Changes all parameters that have a gradient by it; the gradients stay.
    ///
    /// # Errors
    /// A device refuses, or the user has interrupted: then either all parameters have changed or none.
    fn try_step(&mut self) -> Result<()>;

    /// The learning rate, of the first group of parameters.
    fn rate(&self) -> f64;

    /// Sets the learning rate; other groups keep their ratio to the first.
    fn set_rate(&mut self, rate: f64);

    /// All parameters, with names where they have some.
    fn parameters(&self) -> Vec<(String, Tensor)>;

    /// Copies of what it remembers: moments by name (`0.weight.momentum`), step counts, rates. What `ochre::safetensors::save` takes.
    fn state(&self) -> State;

    /// Takes up a saved state: training goes on with the same numbers.
    ///
    /// # Errors
    /// The state is another optimiser's; then nothing has changed.
    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()>;

    /// Forgets the gradients of all parameters.
    fn zero_grad(&self) {
        self.parameters().iter().for_each(|(_, p)| p.zero_grad());
    }
}

/// A step that an interrupt does not cut in two, for then some parameters would be a step ahead of others: it ends before the step or after it.
fn whole(step: impl FnOnce() -> Result<()>) -> Result<()> {
    interrupt::check("the optimiser's step")?;
    let held = interrupt::hold();
    step()?;
    drop(held);
    Ok(interrupt::check("the optimiser's step")?)
}

/// What `Optimizer` asks for of an optimiser with `entries`, a `rate` and the names of its moments, `KINDS`.
macro_rules! remembered {
    () => {
        fn rate(&self) -> f64 {
            self.rate
        }

        fn set_rate(&mut self, rate: f64) {
            self.rate = rate;
        }

        fn parameters(&self) -> Vec<(String, Tensor)> {
            self.entries.named()
        }

        fn state(&self) -> State {
            self.entries.state(&KINDS, self.rate)
        }

        fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
            self.rate = self.entries.load(&KINDS, state)?;
            Ok(())
        }
    };
}
pub(crate) use remembered;

/// The calls that users make, without having the trait in scope.
macro_rules! inherent {
    ($name:ident) => {
        impl $name {
            /// Changes all parameters that have a gradient by it.
            ///
            /// # Panics
            /// A device refuses.
            #[track_caller]
            pub fn step(&mut self) {
                if let Err(error) = crate::optim::Optimizer::try_step(self) {
                    error.fail("optimiser");
                }
            }

            /// Forgets the gradients of all parameters.
            pub fn zero_grad(&self) {
                crate::optim::Optimizer::zero_grad(self);
            }

            /// The learning rate.
            pub fn rate(&self) -> f64 {
                crate::optim::Optimizer::rate(self)
            }

            /// Sets the learning rate.
            pub fn set_rate(&mut self, rate: f64) {
                crate::optim::Optimizer::set_rate(self, rate);
            }

            /// Copies of what it remembers, for a file.
            pub fn state(&self) -> crate::module::State {
                crate::optim::Optimizer::state(self)
            }

            /// Takes up a saved state.
            ///
            /// # Errors
            /// The state is another optimiser's; then nothing has changed.
            pub fn load_state(&mut self, state: &[(String, ochre_tensors::Tensor)]) -> crate::error::Result<()> {
                crate::optim::Optimizer::load_state(self, state)
            }
        }
    };
}
pub(crate) use inherent;
