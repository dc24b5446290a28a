//! Microsoft's onnxruntime, opened at run time: nothing of it is needed to build.
use super::{Engine, Port};
use crate::bridge::{buffer, tensor};
use crate::error::{NnError, Result};
use crate::python::site_packages;
use half::{bf16, f16};
use ochre_tensors::{Buffer, DType, Tensor};
use ort::environment::Environment;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, PrimitiveTensorElementType, Tensor as Value, TensorElementType, ValueType};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The library's environment: one in a process, for good.
struct Loaded {
    environment: Environment,
    from: PathBuf,
}

static LOADED: OnceLock<std::result::Result<Loaded, String>> = OnceLock::new();

fn loaded() -> std::result::Result<&'static Loaded, String> {
    LOADED.get_or_init(open).as_ref().map_err(Clone::clone)
}

/// Whether it is here, or was named by the user: then a library that cannot be opened is worth an error.
pub fn wanted() -> bool {
    loaded().is_ok() || named().is_some()
}

fn named() -> Option<PathBuf> {
    std::env::var_os("ORT_DYLIB_PATH").filter(|v| !v.is_empty()).map(PathBuf::from)
}

fn open() -> std::result::Result<Loaded, String> {
    let mut why = Vec::new();
    for path in candidates() {
        match ort::init_from(&path) {
            Ok(builder) => {
                let environment = builder.with_name("ochre").build().map_err(|e| e.to_string())?;
                return Ok(Loaded { environment, from: path });
            }
            Err(error) => why.push(error.to_string()),
        }
    }
    // The first is what the user named, or what is best.
    Err(why.into_iter().next().unwrap_or_else(|| "onnxruntime's library was not found".to_owned()))
}

/// Where it may be, the likeliest first. What the user named is the only one then.
fn candidates() -> Vec<PathBuf> {
    if let Some(named) = named() {
        return vec![named];
    }
    let mut found: Vec<PathBuf> = site_packages().iter().filter_map(|site| library(&site.join("onnxruntime/capi"))).collect();
    found.push(PathBuf::from(format!("{}onnxruntime{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)));
    found
}

/// `libonnxruntime.so.1.31.1`: pip's has its version in its name.
fn library(folder: &Path) -> Option<PathBuf> {
    let is_it = |name: &str| name.starts_with("libonnxruntime.so") || name.starts_with("libonnxruntime.") && name.ends_with(".dylib") || name == "onnxruntime.dll";
    let entries = std::fs::read_dir(folder).ok()?;
    entries.flatten().find(|e| is_it(&e.file_name().to_string_lossy())).map(|e| e.path())
}

fn failed(operation: &'static str, error: impl Display) -> NnError {
    NnError::Onnx { operation, problem: error.to_string() }
}

/// Loads a model with its graph made simpler once.
pub fn load(path: &Path) -> Result<Box<dyn Engine>> {
    let loaded = loaded().map_err(|e| failed("loading", format!("{e}; `pip install onnxruntime`, or set ORT_DYLIB_PATH to its libonnxruntime.so")))?;
    let mut builder = Session::builder(&loaded.environment).map_err(|e| failed("loading", e))?;
    let session = builder.commit_from_file(path).map_err(|e| failed("loading", e))?;
    Ok(Box::new(Runtime { session, from: loaded.from.clone() }))
}

struct Runtime {
    session: Session,
    from: PathBuf,
}

impl Engine for Runtime {
    fn name(&self) -> String {
        let file = self.from.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let version = file.split_once(".so.").map(|(_, v)| format!(" {v}")).unwrap_or_default();
        format!("onnxruntime{version}")
    }

    fn inputs(&self) -> Vec<Port> {
        self.session.inputs().iter().map(|o| port(o.name(), o.dtype())).collect()
    }

    fn outputs(&self) -> Vec<Port> {
        self.session.outputs().iter().map(|o| port(o.name(), o.dtype())).collect()
    }

    fn run(&mut self, inputs: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>> {
        let values = inputs.iter().map(|(name, t)| Ok((name.clone(), value(t)?))).collect::<Result<Vec<_>>>()?;
        let outputs = self.session.run(values).map_err(|e| failed("running", e))?;
        outputs.iter().map(|(name, v)| Ok((name.to_owned(), back(name, &v)?))).collect()
    }
}

fn port(name: &str, kind: &ValueType) -> Port {
    match kind {
        ValueType::Tensor { ty, shape, .. } => Port { name: name.to_owned(), dtype: dtype(*ty), shape: shape.iter().map(|&d| usize::try_from(d).ok()).collect() },
        _ => Port { name: name.to_owned(), dtype: None, shape: Vec::new() },
    }
}

fn dtype(kind: TensorElementType) -> Option<DType> {
    Some(match kind {
        TensorElementType::Bool => DType::Bool,
        TensorElementType::Uint8 => DType::U8,
        TensorElementType::Int32 => DType::I32,
        TensorElementType::Int64 => DType::I64,
        TensorElementType::Float16 => DType::F16,
        TensorElementType::Bfloat16 => DType::BF16,
        TensorElementType::Float32 => DType::F32,
        TensorElementType::Float64 => DType::F64,
        _ => return None,
    })
}

fn value(t: &Tensor) -> Result<SessionInputValue<'static>> {
    fn one<T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static>(shape: &[usize], values: &[T]) -> Result<SessionInputValue<'static>> {
        let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        Ok(Value::from_array((shape, values.to_vec())).map_err(|e| failed("running", e))?.into())
    }
    let shape = t.shape();
    match buffer(t)? {
        Buffer::Bool(v) => one(shape, &v),
        Buffer::U8(v) => one(shape, &v),
        Buffer::I32(v) => one(shape, &v),
        Buffer::I64(v) => one(shape, &v),
        Buffer::F16(v) => one(shape, &v),
        Buffer::BF16(v) => one(shape, &v),
        Buffer::F32(v) => one(shape, &v),
        Buffer::F64(v) => one(shape, &v),
    }
}

/// An output as a tensor; integers of other widths become the next wider ones that tensors have.
fn back(name: &str, value: &DynValue) -> Result<Tensor> {
    fn one<T: PrimitiveTensorElementType + Copy, U>(value: &DynValue, into: impl Fn(T) -> U) -> Result<Tensor>
    where
        Buffer: From<Vec<U>>,
    {
        let (shape, values) = value.try_extract_tensor::<T>().map_err(|e| failed("running", e))?;
        let shape: Vec<usize> = shape.iter().map(|&d| d.max(0) as usize).collect();
        let values: Vec<U> = values.iter().map(|&v| into(v)).collect();
        tensor(values.into(), &shape)
    }
    let ValueType::Tensor { ty, .. } = value.dtype() else {
        return Err(failed("running", format!("the output `{name}` is no tensor")));
    };
    match ty {
        TensorElementType::Bool => one(value, |v: bool| v),
        TensorElementType::Uint8 => one(value, |v: u8| v),
        TensorElementType::Int8 => one(value, |v: i8| i32::from(v)),
        TensorElementType::Int16 => one(value, |v: i16| i32::from(v)),
        TensorElementType::Uint16 => one(value, |v: u16| i32::from(v)),
        TensorElementType::Int32 => one(value, |v: i32| v),
        TensorElementType::Uint32 => one(value, |v: u32| i64::from(v)),
        TensorElementType::Int64 => one(value, |v: i64| v),
        TensorElementType::Uint64 => one(value, |v: u64| v as i64),
        TensorElementType::Float16 => one(value, |v: f16| v),
        TensorElementType::Bfloat16 => one(value, |v: bf16| v),
        TensorElementType::Float32 => one(value, |v: f32| v),
        TensorElementType::Float64 => one(value, |v: f64| v),
        other => Err(failed("running", format!("the output `{name}` has elements of type {other:?}, which tensors do not have"))),
    }
}
