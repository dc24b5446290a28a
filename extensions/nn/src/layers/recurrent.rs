//! Recurrent layers over sequences: LSTM and GRU, of several layers and in both directions, with PyTorch's parameters (`weight_ih_l0`, …, `_reverse`).
use super::precision::heavy;
use super::{python, uniform};
use crate::module::Module;
use crate::slot::Slot;
use ochre_tensors::{Tensor, TensorError, functional, interrupt};
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

/// What both have in common.
struct Recurrent {
    /// For each layer and direction: weights of inputs and of states, and their biases.
    cells: Vec<[Slot; 4]>,
    sizes: [usize; 2],
    layers: usize,
    directions: usize,
    batch_first: bool,
    /// 4 of an LSTM, 3 of a GRU.
    gates: usize,
}

/// Hidden state, and of an LSTM its cell; `[N, H]`.
type State = [Tensor; 2];
/// The next state, from what the inputs give to all gates, the state before, and the weights and bias of states.
type Step = fn(&Tensor, &State, (&Tensor, &Tensor), usize) -> State;

impl Recurrent {
    fn new(inputs: usize, hidden: usize, gates: usize) -> Self {
        let mut new = Self { cells: Vec::new(), sizes: [inputs, hidden], layers: 1, directions: 1, batch_first: false, gates };
        new.draw();
        new
    }

    /// Draws all weights, even within 1/sqrt(hidden).
    fn draw(&mut self) {
        let [inputs, hidden] = self.sizes;
        let (bound, wide) = (1.0 / (hidden.max(1) as f64).sqrt(), self.gates * hidden);
        let cell = |layer: usize| {
            let from = if layer == 0 { inputs } else { hidden * self.directions };
            [vec![wide, from], vec![wide, hidden], vec![wide], vec![wide]].map(|shape| Slot::parameter(&uniform(&shape, bound)))
        };
        self.cells = (0..self.layers * self.directions).map(|place| cell(place / self.directions)).collect();
    }

    /// The outputs of all steps and the last states `[layers * directions, N, H]` of each kind.
    #[track_caller]
    fn run(&self, layer: &'static str, input: &Tensor, first: Option<[&Tensor; 2]>, step: Step) -> (Tensor, [Tensor; 2]) {
        let [inputs, hidden] = self.sizes;
        if input.rank() != 3 || input.dim(2) != inputs {
            let order = if self.batch_first { "N, T" } else { "T, N" };
            let problem = format!("the input's shape is {:?}; it has to be [{order}, {inputs}]", input.shape());
            interrupt::fail(&TensorError::Shape { operation: layer, problem });
        }
        let mut x = heavy(&if self.batch_first { input.transpose(0, 1) } else { input.clone() });
        let (steps, batch) = (x.dim(0), x.dim(1));
        let (mut hiddens, mut memories) = (Vec::new(), Vec::new());
        for layer in 0..self.layers {
            let mut outputs = Vec::with_capacity(self.directions);
            for direction in 0..self.directions {
                let place = layer * self.directions + direction;
                let [wi, wh, bi, bh] = self.cells[place].each_ref().map(|slot| heavy(&slot.get()));
                let zeros = || Tensor::zeros_on(&[batch, hidden], x.dtype(), &x.device());
                let mut state: State = match first {
                    Some(first) => first.map(|t| heavy(&t.select(0, place as i64))),
                    None => [zeros(), zeros()],
                };
                // One product for all steps.
                let all = functional::linear(&x, &wi, Some(&bi));
                let mut seen = vec![state[0].clone(); steps];
                for at in 0..steps {
                    let at = if direction == 1 { steps - 1 - at } else { at };
                    state = step(&all.select(0, at as i64), &state, (&wh, &bh), hidden);
                    seen[at] = state[0].clone();
                }
                outputs.push(if steps == 0 { Tensor::zeros_on(&[0, batch, hidden], x.dtype(), &x.device()) } else { Tensor::stack(&seen.iter().collect::<Vec<_>>(), 0) });
                let [last, memory] = state;
                hiddens.push(last);
                memories.push(memory);
            }
            x = Tensor::cat(&outputs.iter().collect::<Vec<_>>(), -1);
        }
        let stack = |list: &[Tensor]| Tensor::stack(&list.iter().collect::<Vec<_>>(), 0);
        (if self.batch_first { x.transpose(0, 1) } else { x }, [stack(&hiddens), stack(&memories)])
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        let cell = |(place, cell): (usize, &'_ [Slot; 4])| {
            let (layer, back) = (place / self.directions, if place % self.directions == 1 { "_reverse" } else { "" });
            ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(|kind| interned(format!("{kind}_l{layer}{back}"))).into_iter().zip(0..cell.len()).map(move |(name, i)| (place, name, i)).collect::<Vec<_>>()
        };
        self.cells.iter().enumerate().flat_map(cell).map(|(place, name, i)| (name, &self.cells[place][i])).collect()
    }

    fn describe(&self, layer: &str) -> String {
        let [inputs, hidden] = self.sizes;
        let mut text = format!("{layer}({inputs}, {hidden}");
        if self.layers != 1 {
            text += &format!(", num_layers={}", self.layers);
        }
        for (name, flag) in [("batch_first", self.batch_first), ("bidirectional", self.directions == 2)] {
            if flag {
                text += &format!(", {name}={}", python(true));
            }
        }
        text + ")"
    }
}

/// A name for good: there are few of them.
fn interned(name: String) -> &'static str {
    static NAMES: OnceLock<Mutex<HashMap<String, &'static str>>> = OnceLock::new();
    let mut names = NAMES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    names.entry(name).or_insert_with_key(|name| String::leak(name.clone()))
}

macro_rules! builder {
    ($layer:ident, $name:literal) => {
        impl $layer {
            /// So many, one upon the other (1). Draws the weights anew.
            pub fn layers(mut self, layers: usize) -> Self {
                self.0.layers = layers.max(1);
                self.0.draw();
                self
            }

            /// Whether the sequence is read from its end too (false); outputs are twice as wide then. Draws the weights anew.
            pub fn bidirectional(mut self, both: bool) -> Self {
                self.0.directions = 1 + usize::from(both);
                self.0.draw();
                self
            }

            /// Whether inputs and outputs are `[N, T, …]` and not `[T, N, …]` (false, as in PyTorch).
            pub fn batch_first(mut self, first: bool) -> Self {
                self.0.batch_first = first;
                self
            }

            /// The outputs of all steps, `[T, N, hidden]`, as [`Module::forward`]; `run` gives the last states too.
            #[track_caller]
            pub fn forward(&self, input: &Tensor) -> Tensor {
                let output = self.run(input, None).0;
                super::traced(self, &output);
                output
            }
        }

        impl Module for $layer {
            fn forward(&self, input: &Tensor) -> Tensor {
                Self::forward(self, input)
            }

            fn slots(&self) -> Vec<(&'static str, &Slot)> {
                self.0.slots()
            }

            fn describe(&self) -> String {
                self.0.describe($name)
            }
        }
    };
}

/// Long short-term memory: `[T, N, inputs]` to `[T, N, hidden]`. Step by step, so slow for long sequences.
pub struct Lstm(Recurrent);

builder!(Lstm, "LSTM");

impl Lstm {
    /// One layer in one direction.
    pub fn new(inputs: usize, hidden: usize) -> Self {
        Self(Recurrent::new(inputs, hidden, 4))
    }

    /// From a state (hidden and cell, each `[layers * directions, N, hidden]`; zeros without one); gives the last state too.
    #[track_caller]
    pub fn run(&self, input: &Tensor, state: Option<(&Tensor, &Tensor)>) -> (Tensor, (Tensor, Tensor)) {
        let (output, [hidden, cell]) = self.0.run("LSTM", input, state.map(|(hidden, cell)| [hidden, cell]), |given, [hidden, cell], (w, b), width| {
            let all = given + &functional::linear(hidden, w, Some(b));
            let gate = |place: usize| all.narrow(1, place * width, width);
            let cell = gate(1).sigmoid() * cell + gate(0).sigmoid() * gate(2).tanh();
            [gate(3).sigmoid() * cell.tanh(), cell]
        });
        (output, (hidden, cell))
    }
}

/// Gated recurrent unit: `[T, N, inputs]` to `[T, N, hidden]`. Step by step, so slow for long sequences.
pub struct Gru(Recurrent);

builder!(Gru, "GRU");

impl Gru {
    /// One layer in one direction.
    pub fn new(inputs: usize, hidden: usize) -> Self {
        Self(Recurrent::new(inputs, hidden, 3))
    }

    /// From a state (`[layers * directions, N, hidden]`; zeros without one); gives the last state too.
    #[track_caller]
    pub fn run(&self, input: &Tensor, state: Option<&Tensor>) -> (Tensor, Tensor) {
        let (output, [hidden, _]) = self.0.run("GRU", input, state.map(|hidden| [hidden, hidden]), |given, [hidden, _], (w, b), width| {
            let own = functional::linear(hidden, w, Some(b));
            let part = |t: &Tensor, place: usize| t.narrow(1, place * width, width);
            let (reset, update) = ((part(given, 0) + part(&own, 0)).sigmoid(), (part(given, 1) + part(&own, 1)).sigmoid());
            let candidate = (part(given, 2) + reset * part(&own, 2)).tanh();
            let next = &candidate + &(update * &(hidden - &candidate));
            [next.clone(), next]
        });
        (output, hidden)
    }
}
