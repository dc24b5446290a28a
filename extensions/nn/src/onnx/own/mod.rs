//! ONNX models without a library: each operator is a few of our own tensor operations, one after the other as the file lists them.
//!
//! It runs where onnxruntime is not found. It has the operators that exported networks are made of, not all of ONNX: a model with others is refused
//! by name when it is loaded. (A crate that does the same, tract, would bring 33 crates into the prelude and change num-traits, on which polars stands.)
//!
//! ```text
//! file.rs (proto.rs)  --Graph-->  mod.rs runs node by node  --Call-->  elementwise.rs | shapes.rs | reductions.rs | networks.rs | recurrent.rs
//! ```
mod call;
mod elementwise;
mod file;
mod networks;
mod proto;
mod recurrent;
mod reductions;
mod shapes;

use super::{Engine, Port};
use crate::error::{NnError, Result};
use call::{Call, Operator};
use file::{Graph, Node};
use ochre_tensors::{Tensor, no_grad};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

/// Loads a model.
pub fn load(path: &Path) -> Result<Box<dyn Engine>> {
    let failed = |problem: String| NnError::Onnx { operation: "loading", problem };
    let bytes = std::fs::read(path).map_err(|e| NnError::file("reading", path, e))?;
    let graph = file::read(path, &bytes).map_err(failed)?;
    let unknown = graph.unknown(|node| find(node).is_some());
    if !unknown.is_empty() {
        let names: Vec<String> = unknown.iter().map(|name| format!("`{name}`")).collect();
        let many = if names.len() == 1 { "operator" } else { "operators" };
        return Err(failed(format!("Ochre's own engine does not have the {many} {}; `pip install onnxruntime` brings an engine that has all of ONNX", names.join(", "))));
    }
    Ok(Box::new(Own { last: last_uses(&graph), graph }))
}

/// What computes a node.
fn find(node: &Node) -> Option<Operator> {
    if !node.domain.is_empty() {
        return None;
    }
    let name = node.operator.as_str();
    elementwise::find(name).or_else(|| shapes::find(name)).or_else(|| reductions::find(name)).or_else(|| networks::find(name)).or_else(|| recurrent::find(name))
}

struct Own {
    graph: Graph,
    /// For each node the values that no later one needs.
    last: Vec<Vec<String>>,
}

/// Which values can be forgotten after which node.
fn last_uses(graph: &Graph) -> Vec<Vec<String>> {
    let mut last: HashMap<&str, usize> = HashMap::new();
    for (place, node) in graph.nodes.iter().enumerate() {
        node.inputs.iter().chain(&node.outputs).for_each(|name| _ = last.insert(name, place));
    }
    let mut forgotten = vec![Vec::new(); graph.nodes.len()];
    for (name, place) in last {
        let kept = graph.weights.contains_key(name) || graph.outputs.iter().any(|port| port.name == name);
        if !kept {
            forgotten[place].push(name.to_owned());
        }
    }
    forgotten
}

impl Engine for Own {
    fn name(&self) -> String {
        "Ochre's own engine".to_owned()
    }

    fn inputs(&self) -> Vec<Port> {
        self.graph.inputs.clone()
    }

    fn outputs(&self) -> Vec<Port> {
        self.graph.outputs.clone()
    }

    fn run(&mut self, inputs: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>> {
        let failed = |problem: String| NnError::Onnx { operation: "running", problem };
        let graph = &self.graph;
        let mut values: HashMap<&str, Tensor> = graph.weights.iter().map(|(name, weight)| (name.as_str(), weight.clone())).collect();
        for (port, (_, tensor)) in graph.inputs.iter().zip(inputs) {
            values.insert(&port.name, tensor);
        }
        for (node, forgotten) in graph.nodes.iter().zip(&self.last) {
            let results = compute(node, graph.version, &values).map_err(|problem| failed(format!("{}: {problem}", described(node))))?;
            node.outputs.iter().zip(results).filter(|(name, _)| !name.is_empty()).for_each(|(name, result)| _ = values.insert(name, result));
            forgotten.iter().for_each(|name| _ = values.remove(name.as_str()));
        }
        let output = |port: &Port| {
            let value = values.get(port.name.as_str()).cloned();
            value.map(|value| (port.name.clone(), value)).ok_or_else(|| failed(format!("nothing gives its output `{}`", port.name)))
        };
        graph.outputs.iter().map(output).collect()
    }
}

fn described(node: &Node) -> String {
    if node.name.is_empty() { format!("the node `{}`", node.operator) } else { format!("the node `{}` ({})", node.name, node.operator) }
}

/// Computes one node. Tensor operations panic about shapes that do not fit, which here is a problem of the model or of its input.
fn compute(node: &Node, version: i64, values: &HashMap<&str, Tensor>) -> file::Result<Vec<Tensor>> {
    let operator = find(node).ok_or("it has no such operator")?;
    let given = |name: &String| if name.is_empty() { Ok(None) } else { values.get(name.as_str()).map(|t| Some(t.clone())).ok_or_else(|| format!("nothing gives its input `{name}`")) };
    let inputs = node.inputs.iter().map(given).collect::<file::Result<Vec<_>>>()?;
    let call = Call { node, version, inputs };
    match catch_unwind(AssertUnwindSafe(|| no_grad(|| operator(&call)))) {
        Ok(results) => results,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            // What is no text is an interrupt.
            Err(text.unwrap_or_else(|| resume_unwind(panic)))
        }
    }
}
