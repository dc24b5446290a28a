//! What a layer or a whole model is: `Module`. Implemented by this crate's layers and by users' own types in cells.
//!
//! A type of its own needs `forward`, and `children` (or `slots`) that list what it is made of; the rest follows:
//!
//! ```text
//! struct Net { body: nn::Sequential, head: nn::Linear }
//! impl nn::Module for Net {
//!     fn forward(&self, x: &Tensor) -> Tensor { self.head.forward(&self.body.forward(x).relu()) }
//!     fn children(&self) -> Vec<(String, &dyn nn::Module)> { vec![("body".into(), &self.body), ("head".into(), &self.head)] }
//! }
//! ```
use crate::error::{NnError, Result};
use crate::slot::Slot;
use ochre_tensors::{DType, Device, Tensor};
use std::collections::HashMap;

/// Named tensors: all that a model or an optimiser has to remember, by PyTorch's names.
pub type State = Vec<(String, Tensor)>;

/// A layer or a model: computes, and knows its parameters.
// Methods of implementations are not `track_caller`: a cell that makes a `dyn Module` would get a shim that refers to the method as if it were the
// cell's own, and does not link. A panic is traced to the cell's line by its backtrace.
pub trait Module: Send + Sync {
    /// Computes the output of an input.
    fn forward(&self, input: &Tensor) -> Tensor;

    /// Its own tensors with their names, without those of its children.
    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        Vec::new()
    }

    /// What it is made of, with names.
    fn children(&self) -> Vec<(String, &dyn Module)> {
        Vec::new()
    }

    /// How it is written in a summary, as PyTorch prints it: `Linear(in_features=3, out_features=4, bias=True)`.
    fn describe(&self) -> String {
        let name = std::any::type_name::<Self>();
        name.rsplit("::").next().unwrap_or(name).to_owned()
    }

    /// Told when training begins (`true`) or ends; only dropout and batch norms care. Children are told by [`Module::set_training`].
    fn mode(&self, _training: bool) {}

    /// Whether it is set to training; None where nothing below it cares.
    fn training(&self) -> Option<bool> {
        self.children().iter().find_map(|(_, child)| child.training())
    }

    /// Its parameters and its children's, with PyTorch's names (`0.weight`). These are the very tensors: an optimiser changes them in place.
    fn parameters(&self) -> Vec<(String, Tensor)> {
        tensors(self.everything(), true)
    }

    /// The tensors of its state that are not learnt by gradients.
    fn buffers(&self) -> Vec<(String, Tensor)> {
        tensors(self.everything(), false)
    }

    /// All slots below it, with full names, in order.
    fn everything(&self) -> Vec<(String, &Slot)> {
        let mut all: Vec<(String, &Slot)> = self.slots().into_iter().map(|(name, slot)| (name.to_owned(), slot)).collect();
        for (name, child) in self.children() {
            all.extend(child.everything().into_iter().map(|(own, slot)| (format!("{name}.{own}"), slot)));
        }
        all
    }

    /// Sets it and all below it to training (dropout drops, batch norms use the batch) or to use. New layers are set to training, as in PyTorch.
    fn set_training(&self, training: bool) {
        self.mode(training);
        self.children().iter().for_each(|(_, child)| child.set_training(training));
    }

    /// `set_training(true)`.
    fn train(&self) {
        self.set_training(true);
    }

    /// `set_training(false)`.
    fn eval(&self) {
        self.set_training(false);
    }

    /// Copies of all parameters and buffers, by PyTorch's names: what `ochre::safetensors::save` takes.
    ///
    /// # Panics
    /// There is no memory for the copies.
    #[track_caller]
    fn state(&self) -> State {
        let copied = |(name, slot): (String, &Slot)| (name, crate::bridge::copy(&slot.get()).unwrap_or_else(|error| panic!("state: {error}")));
        self.everything().into_iter().map(copied).collect()
    }

    /// Takes the elements of a saved state, in place: an optimiser that was made before goes on working.
    ///
    /// # Errors
    /// A name is missing or unknown, or a shape is another one; then nothing has changed.
    fn load_state(&self, state: &[(String, Tensor)]) -> Result<()> {
        load(&self.everything(), state)
    }

    /// Moves all parameters and buffers. Optimisers are made afterwards: those made before hold the old parameters.
    fn to_device(&self, device: &Device) {
        self.everything().iter().for_each(|(_, slot)| slot.convert(Some(*device), None));
    }

    /// Changes the type of all floats. For training in bf16 leave them as they are and say `Fit { precision: DType::BF16, .. }`.
    fn to_dtype(&self, dtype: DType) {
        self.everything().iter().for_each(|(_, slot)| slot.convert(None, Some(dtype)));
    }

    /// Number of learnt elements.
    fn parameter_count(&self) -> usize {
        self.parameters().iter().map(|(_, p)| p.len()).sum()
    }

    /// Forgets all gradients.
    fn zero_grad(&self) {
        self.parameters().iter().for_each(|(_, p)| p.zero_grad());
    }
}

fn tensors(all: Vec<(String, &Slot)>, learnt: bool) -> Vec<(String, Tensor)> {
    all.into_iter().filter(|(_, slot)| slot.is_parameter() == learnt).map(|(name, slot)| (name, slot.get())).collect()
}

/// Names of a list, the first few of many.
fn few(names: &[String]) -> String {
    const FEW: usize = 5;
    let shown = names.iter().take(FEW).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    if names.len() > FEW { format!("{shown} and {} more", names.len() - FEW) } else { shown }
}

fn load(all: &[(String, &Slot)], state: &[(String, Tensor)]) -> Result<()> {
    let mut given: HashMap<&str, &Tensor> = state.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for (name, slot) in all {
        match given.remove(name.as_str()) {
            Some(value) if value.shape() != slot.get().shape() => {
                return Err(NnError::State(format!("`{name}` has the shape {:?} here and {:?} in the state", slot.get().shape(), value.shape())));
            }
            Some(value) => found.push((name, *slot, value)),
            None => missing.push(name.clone()),
        }
    }
    let mut unknown: Vec<String> = given.keys().map(|n| (*n).to_owned()).collect();
    unknown.sort();
    if !missing.is_empty() || !unknown.is_empty() {
        let said = [("it lacks", &missing), ("the model has no", &unknown)].into_iter().filter(|(_, names)| !names.is_empty());
        return Err(NnError::State(said.map(|(what, names)| format!("{what} {}", few(names))).collect::<Vec<_>>().join("; ")));
    }
    found.into_iter().try_for_each(|(name, slot, value)| slot.load(name, value))
}

/// A pointer to a model is that model.
macro_rules! behind {
    ([$($generics:tt)*] $pointer:ty) => {
        impl<$($generics)*> Module for $pointer {
            fn forward(&self, input: &Tensor) -> Tensor {
                (**self).forward(input)
            }
            fn slots(&self) -> Vec<(&'static str, &Slot)> {
                (**self).slots()
            }
            fn children(&self) -> Vec<(String, &dyn Module)> {
                (**self).children()
            }
            fn describe(&self) -> String {
                (**self).describe()
            }
            fn mode(&self, training: bool) {
                (**self).mode(training);
            }
            fn training(&self) -> Option<bool> {
                (**self).training()
            }
        }
    };
}
behind!([] Box<dyn Module>);
behind!([M: Module + ?Sized] std::sync::Arc<M>);

/// A model as PyTorch prints it: a line for each layer, what is in it further to the right.
pub fn tree(model: &dyn Module) -> String {
    let children = model.children();
    if children.is_empty() {
        return model.describe();
    }
    let line = |(name, child): (String, &dyn Module)| format!("  ({name}): {}\n", tree(child).replace('\n', "\n  "));
    format!("{}(\n{})", model.describe(), children.into_iter().map(line).collect::<String>())
}

/// Runs `work` with a model set to use and without recording; sets it back, also when `work` panics.
pub(crate) fn in_use<R>(model: &dyn Module, work: impl FnOnce() -> R) -> R {
    struct Back<'a>(&'a dyn Module, bool);
    impl Drop for Back<'_> {
        fn drop(&mut self) {
            self.0.set_training(self.1);
        }
    }
    let _back = Back(model, model.training().unwrap_or(false));
    model.set_training(false);
    ochre_tensors::no_grad(work)
}

/// Where a model is: where its first parameter is.
pub(crate) fn device_of(model: &dyn Module) -> Device {
    model.everything().first().map_or(Device::Cpu, |(_, slot)| slot.get().device())
}
