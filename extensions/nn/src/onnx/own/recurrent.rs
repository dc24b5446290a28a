//! LSTM, GRU and plain recurrent layers, step by step. Names of weights and their order are ONNX's: input, output, forget, cell; update, reset, hidden.
use super::call::{Call, Operator, not_done};
use super::file::{Attribute, Result};
use ochre_tensors::Tensor;

/// Those that this file has.
pub fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "LSTM" => |call| layer(call, &["Sigmoid", "Tanh", "Tanh"], 5, lstm),
        "GRU" => |call| layer(call, &["Sigmoid", "Tanh"], 5, gru),
        "RNN" => |call| layer(call, &["Tanh"], 5, rnn),
        _ => return None,
    })
}

/// One direction's weights.
struct Weights {
    /// `[I, gates H]`, `[H, gates H]`
    input: Tensor,
    hidden: Tensor,
    /// Of the input's side and of the hidden side, `[gates H]`.
    bias: [Tensor; 2],
    width: usize,
    /// GRU: the reset gate comes after the product.
    late_reset: bool,
}

/// What goes from step to step: hidden, and of LSTM the cell.
type State = [Tensor; 2];
/// The next state from `x W^T + b` of a step and the state before.
type Step = fn(&Weights, &Tensor, &State) -> State;

/// Runs both directions.
fn layer(call: &Call, functions: &[&str], hidden_at: usize, step: Step) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let [steps, batch] = [x.dim(0), x.dim(1)];
    refuse(call, functions, steps)?;
    let (w, r) = (call.input(1)?, call.input(2)?);
    let width = r.dim(2);
    let zeros = || Tensor::zeros(&[batch, width]).to_dtype(x.dtype());
    let (mut outputs, mut hidden, mut cells) = (Vec::new(), Vec::new(), Vec::new());
    for direction in 0..w.dim(0) as i64 {
        let gates = w.dim(1);
        let bias = |half: usize| call.maybe(3).map_or_else(|| Tensor::zeros(&[gates]).to_dtype(x.dtype()), |b| b.select(0, direction).narrow(0, half * gates, gates));
        let late_reset = call.flag("linear_before_reset");
        let weights = Weights { input: w.select(0, direction).t(), hidden: r.select(0, direction).t(), bias: [bias(0), bias(1)], width, late_reset };
        let first = |place: usize| call.maybe(place).map_or_else(zeros, |t| t.select(0, direction));
        let mut state: State = [first(hidden_at), if call.node.operator == "LSTM" { first(hidden_at + 1) } else { zeros() }];
        let backwards = call.text("direction", "forward") == "reverse" || direction == 1;
        // One product for all steps.
        let inputs = x.matmul(&weights.input) + &weights.bias[0];
        let mut outs = Vec::with_capacity(steps);
        for place in 0..steps {
            let place = if backwards { steps - 1 - place } else { place };
            state = step(&weights, &inputs.select(0, place as i64), &state);
            outs.push(state[0].clone());
        }
        if backwards {
            outs.reverse();
        }
        outputs.push(if outs.is_empty() { Tensor::zeros(&[0, batch, width]).to_dtype(x.dtype()) } else { Tensor::stack(&outs.iter().collect::<Vec<_>>(), 0) });
        hidden.push(state[0].clone());
        cells.push(state[1].clone());
    }
    let stack = |list: &[Tensor], dim| Tensor::stack(&list.iter().collect::<Vec<_>>(), dim);
    Ok(vec![stack(&outputs, 1), stack(&hidden, 0), stack(&cells, 0)])
}

/// What networks of PyTorch never have.
fn refuse(call: &Call, functions: &[&str], steps: usize) -> Result<()> {
    let name = &call.node.operator;
    if let Some(Attribute::Texts(given)) = call.attribute("activations")
        && given.iter().zip(functions.iter().cycle()).any(|(a, b)| a != b)
    {
        return Err(not_done(&format!("{name} with the functions {given:?}")));
    }
    if call.flag("layout") || call.flag("input_forget") || call.attribute("clip").is_some() || call.maybe(7).is_some() {
        return Err(not_done(&format!("{name} with layout, clip, input_forget or peepholes")));
    }
    if call.list(4).is_some_and(|lengths| lengths.iter().any(|&l| l != steps as i64)) {
        return Err(not_done(&format!("{name} with sequences of several lengths")));
    }
    Ok(())
}

fn lstm(weights: &Weights, input: &Tensor, [hidden, cell]: &State) -> State {
    let all = input + &(hidden.matmul(&weights.hidden) + &weights.bias[1]);
    let gate = |place: usize| all.narrow(1, place * weights.width, weights.width);
    let cell = gate(2).sigmoid() * cell + gate(0).sigmoid() * gate(3).tanh();
    [gate(1).sigmoid() * cell.tanh(), cell]
}

fn gru(weights: &Weights, input: &Tensor, [hidden, cell]: &State) -> State {
    let (w, part) = (weights.width, |t: &Tensor, place: usize, count: usize| t.narrow(-1, place * weights.width, count * weights.width));
    let two = part(input, 0, 2) + (hidden.matmul(&weights.hidden.narrow(1, 0, 2 * w)) + part(&weights.bias[1], 0, 2));
    let gates = two.sigmoid();
    let (update, reset) = (part(&gates, 0, 1), part(&gates, 1, 1));
    let (last, shift) = (weights.hidden.narrow(1, 2 * w, w), part(&weights.bias[1], 2, 1));
    let candidate = if weights.late_reset { &reset * (hidden.matmul(&last) + shift) } else { (&reset * hidden).matmul(&last) + shift };
    let candidate = (part(input, 2, 1) + candidate).tanh();
    [(1.0 - &update) * candidate + &update * hidden, cell.clone()]
}

fn rnn(weights: &Weights, input: &Tensor, [hidden, cell]: &State) -> State {
    [(input + &(hidden.matmul(&weights.hidden) + &weights.bias[1])).tanh(), cell.clone()]
}
