//! `ochre::onnx::load("model.onnx")?.run(&[("x", &tensor)])?`: models of other programs, for use.
//!
//! Microsoft's onnxruntime does the work where its library is found: `ORT_DYLIB_PATH`, what `pip install onnxruntime` brought, the system's.
//! Where it is not, our own engine does, for the operators that exported networks are made of. Which one it is, the model says when it is shown.
mod own;
#[cfg(feature = "onnx")]
mod runtime;

use crate::error::{NnError, Result};
use ochre_tensors::{DType, Device, Tensor};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// An input or an output of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    pub name: String,
    /// Type of its elements; None for one that tensors do not have.
    pub dtype: Option<DType>,
    /// Its shape; None where any size is taken.
    pub shape: Vec<Option<usize>>,
}

/// Runs a model: gets the inputs in the order of its ports, gives the outputs so.
trait Engine: Send {
    fn name(&self) -> String;
    fn inputs(&self) -> Vec<Port>;
    fn outputs(&self) -> Vec<Port>;
    fn run(&mut self, inputs: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>>;
}

/// A loaded model.
pub struct Model {
    engine: Mutex<Box<dyn Engine>>,
    name: String,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

/// What runs a model.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Runner {
    /// onnxruntime where its library is found, else our own.
    #[default]
    Best,
    /// Microsoft's onnxruntime: all of ONNX, and the faster one.
    Onnxruntime,
    /// Our own engine, which needs no library.
    Own,
}

/// Loads an ONNX model.
///
/// # Errors
/// The file cannot be read, is no ONNX model or needs what the engine does not have.
pub fn load(path: impl AsRef<Path>) -> Result<Model> {
    load_with(path, Runner::Best)
}

/// Loads an ONNX model for one of the engines.
///
/// # Errors
/// As [`load`]; or onnxruntime's library is asked for, and not found.
pub fn load_with(path: impl AsRef<Path>, runner: Runner) -> Result<Model> {
    let path = path.as_ref();
    std::fs::metadata(path).map_err(|e| NnError::file("opening", path, e))?;
    let engine = match runner {
        Runner::Own => own::load(path)?,
        Runner::Best if !runtime::wanted() => own::load(path)?,
        Runner::Best | Runner::Onnxruntime => runtime::load(path)?,
    };
    Ok(Model { name: engine.name(), inputs: engine.inputs(), outputs: engine.outputs(), engine: Mutex::new(engine) })
}

/// Without the feature there is no onnxruntime.
#[cfg(not(feature = "onnx"))]
mod runtime {
    use super::{Engine, NnError, Path, Result};

    pub fn wanted() -> bool {
        false
    }

    pub fn load(_: &Path) -> Result<Box<dyn Engine>> {
        Err(NnError::Onnx { operation: "loading", problem: "onnxruntime is not part of this build".to_owned() })
    }
}

impl Model {
    /// What it takes.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// What it gives.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// What runs it, with its version.
    pub fn engine(&self) -> &str {
        &self.name
    }

    /// Runs it on named inputs, from whatever device; gives its outputs by name, on the CPU. Inputs become the type that the model takes.
    ///
    /// # Errors
    /// An input is missing, unknown, or has a shape that the model does not take.
    pub fn run(&self, inputs: &[(&str, &Tensor)]) -> Result<Vec<(String, Tensor)>> {
        let bad = |problem: String| NnError::Onnx { operation: "running", problem };
        let names = || self.inputs.iter().map(|p| format!("`{}`", p.name)).collect::<Vec<_>>().join(", ");
        if let Some((unknown, _)) = inputs.iter().find(|(name, _)| !self.inputs.iter().any(|p| p.name == *name)) {
            return Err(bad(format!("it has no input `{unknown}`; it takes {}", names())));
        }
        let ordered = self.inputs.iter().map(|port| {
            let given = inputs.iter().find(|(name, _)| *name == port.name);
            let (_, tensor) = given.ok_or_else(|| bad(format!("the input `{}` is missing; it takes {}", port.name, names())))?;
            Ok((port.name.clone(), fitted(port, tensor)?))
        });
        let ordered = ordered.collect::<Result<Vec<_>>>()?;
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).run(ordered)
    }

    /// Runs a model of one input and gives its first output.
    ///
    /// # Errors
    /// It takes several inputs, or the input does not fit.
    pub fn predict(&self, input: &Tensor) -> Result<Tensor> {
        let [port] = self.inputs.as_slice() else {
            return Err(NnError::Onnx { operation: "running", problem: format!("it takes {} inputs: use `.run(&[(name, &tensor), …])`", self.inputs.len()) });
        };
        let outputs = self.run(&[(port.name.as_str(), input)])?;
        outputs.into_iter().next().map(|(_, t)| t).ok_or_else(|| NnError::Onnx { operation: "running", problem: "it gives nothing".to_owned() })
    }
}

/// An input on the CPU, of the port's type; its shape is checked, since engines say it less clearly.
fn fitted(port: &Port, tensor: &Tensor) -> Result<Tensor> {
    let shape = tensor.shape();
    let fits = shape.len() == port.shape.len() && shape.iter().zip(&port.shape).all(|(have, want)| want.is_none_or(|w| w == *have));
    if !fits {
        let want: Vec<String> = port.shape.iter().map(|d| d.map_or_else(|| "any".to_owned(), |n| n.to_string())).collect();
        return Err(NnError::Onnx { operation: "running", problem: format!("the input `{}` has the shape {shape:?}; the model takes [{}]", port.name, want.join(", ")) });
    }
    let on_cpu = tensor.detach().to_device(&Device::Cpu);
    Ok(match port.dtype {
        Some(dtype) if dtype != on_cpu.dtype() => on_cpu.to_dtype(dtype),
        _ => on_cpu,
    })
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |ports: &[Port]| {
            let one = |p: &Port| {
                let shape: Vec<String> = p.shape.iter().map(|d| d.map_or_else(|| "?".to_owned(), |n| n.to_string())).collect();
                format!("{} {} [{}]", p.name, p.dtype.map_or("?", DType::name), shape.join(", "))
            };
            ports.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        write!(f, "ONNX model: {} -> {}, by {}", list(&self.inputs), list(&self.outputs), self.name)
    }
}
