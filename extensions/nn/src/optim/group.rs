//! Lists of parameters with what an optimiser remembers of each.
use crate::bridge::copy;
use crate::error::{NnError, Result};
use crate::module::{Module, State};
use ochre_tensors::{DType, Raw, Tensor, TensorError, backend};
use std::collections::HashMap;

/// Parameters for an optimiser: made from `&model`, `model.parameters()`, or a list of tensors.
pub struct Parameters(pub(super) Vec<(String, Tensor)>);

impl<M: Module> From<&M> for Parameters {
    fn from(model: &M) -> Self {
        Self(model.parameters())
    }
}

impl From<&dyn Module> for Parameters {
    fn from(model: &dyn Module) -> Self {
        Self(model.parameters())
    }
}

impl From<Vec<(String, Tensor)>> for Parameters {
    fn from(named: Vec<(String, Tensor)>) -> Self {
        Self(named)
    }
}

impl From<Vec<Tensor>> for Parameters {
    fn from(list: Vec<Tensor>) -> Self {
        Self(list.into_iter().enumerate().map(|(i, p)| (i.to_string(), p)).collect())
    }
}

impl From<&[&Tensor]> for Parameters {
    fn from(list: &[&Tensor]) -> Self {
        list.iter().map(|p| (*p).clone()).collect::<Vec<_>>().into()
    }
}

impl<const N: usize> From<[&Tensor; N]> for Parameters {
    fn from(list: [&Tensor; N]) -> Self {
        list.as_slice().into()
    }
}

/// One parameter and its moments.
pub(super) struct Entry {
    pub name: String,
    pub parameter: Tensor,
    /// In f32 (f64 for f64), made with the first gradient.
    pub moments: Vec<Tensor>,
    /// Steps with a gradient so far.
    pub steps: u64,
    /// Learning rate as a multiple of the optimiser's.
    pub share: f64,
    /// NaN where the group has none of its own.
    pub decay: f64,
}

impl Entry {
    /// Zeros of the parameter's shape as the `count` moments, where there are none yet.
    pub fn begin(&mut self, count: usize) -> Result<()> {
        if self.moments.is_empty() && count > 0 {
            let device = backend(self.parameter.device())?;
            let dtype = if self.parameter.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
            self.moments = (0..count).map(|_| Ok(Tensor::from_raw(device.full(self.parameter.shape(), dtype, 0.0)?))).collect::<Result<_>>()?;
        }
        Ok(())
    }

    /// Its group's weight decay, or the optimiser's where the group has none.
    pub fn decay(&self, optimiser: f64) -> f64 {
        if self.decay.is_nan() { optimiser } else { self.decay }
    }

    /// Changes the parameter and its moments (none, one or two) in place.
    pub fn change(&self, work: Change) -> Result<()> {
        let parameter = &self.parameter;
        let done = match self.moments.as_slice() {
            [] => parameter.update(&mut |p| work(p, &mut [])),
            [only] => only.update(&mut |m| parameter.update(&mut |p| work(p, &mut [&mut *m]))),
            [first, second, ..] => first.update(&mut |m| second.update(&mut |v| parameter.update(&mut |p| work(p, &mut [&mut *m, &mut *v])))),
        };
        Ok(done?)
    }
}

/// Gets the parameter and its moments.
pub(super) type Change<'a> = &'a mut dyn FnMut(&mut Raw, &mut [&mut Raw]) -> std::result::Result<(), TensorError>;

/// All parameters of an optimiser.
pub(super) struct Entries(pub Vec<Entry>);

impl Entries {
    pub fn new(parameters: Parameters, share: f64, decay: f64) -> Self {
        let entry = |(name, parameter)| Entry { name, parameter, moments: Vec::new(), steps: 0, share, decay };
        Self(parameters.0.into_iter().map(entry).collect())
    }

    pub fn named(&self) -> Vec<(String, Tensor)> {
        self.0.iter().map(|e| (e.name.clone(), e.parameter.clone())).collect()
    }

    /// Moments under `NAME.KIND`, steps under `NAME.step`; `kinds` name the moments.
    pub fn state(&self, kinds: &[&str], rate: f64) -> State {
        let mut state = vec![("rate".to_owned(), Tensor::from_vec(vec![rate], &[1]))];
        for entry in &self.0 {
            state.push((format!("{}.step", entry.name), Tensor::from_vec(vec![entry.steps as i64], &[1])));
            for (kind, moment) in kinds.iter().zip(&entry.moments) {
                // Without memory for a copy the tensor itself is the next best.
                state.push((format!("{}.{kind}", entry.name), copy(moment).unwrap_or_else(|_| moment.clone())));
            }
        }
        state
    }

    /// The reverse; gives the rate.
    pub fn load(&mut self, kinds: &[&str], state: &[(String, Tensor)]) -> Result<f64> {
        let given: HashMap<&str, &Tensor> = state.iter().map(|(n, t)| (n.as_str(), t)).collect();
        let find = |name: &str| given.get(name).copied().ok_or_else(|| NnError::State(format!("it lacks `{name}`: it is of another optimiser or of other parameters")));
        let rate = find("rate")?.item();
        let mut loaded = Vec::new();
        for entry in &self.0 {
            let steps = find(&format!("{}.step", entry.name))?.item() as u64;
            let any = kinds.first().is_some_and(|kind| given.contains_key(format!("{}.{kind}", entry.name).as_str()));
            let kinds = if any { kinds } else { &[] };
            let moments = kinds.iter().map(|kind| entry.moment(&format!("{}.{kind}", entry.name), find(&format!("{}.{kind}", entry.name))?)).collect::<Result<Vec<_>>>()?;
            loaded.push((steps, moments));
        }
        for (entry, (steps, moments)) in self.0.iter_mut().zip(loaded) {
            (entry.steps, entry.moments) = (steps, moments);
        }
        Ok(rate)
    }
}

impl Entry {
    /// A saved moment as this parameter's.
    fn moment(&self, name: &str, saved: &Tensor) -> Result<Tensor> {
        if saved.shape() != self.parameter.shape() {
            return Err(NnError::State(format!("`{name}` has the shape {:?}, its parameter {:?}", saved.shape(), self.parameter.shape())));
        }
        copy(&saved.to_device(&self.parameter.device()))
    }
}
