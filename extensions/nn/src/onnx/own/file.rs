//! An `.onnx` file as a graph: nodes with their attributes, weights, inputs and outputs. Field numbers are those of onnx.proto
//! (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>). Weights may lie in files beside it, as `torch.onnx.export` writes large ones.
use super::proto::{Damaged, Field, Fields};
use crate::bridge::{elements, tensor};
use crate::onnx::Port;
use ochre_tensors::{Buffer, DType, Tensor};
use std::collections::{BTreeSet, HashMap};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

/// What can be wrong, in words.
pub type Result<T, E = String> = std::result::Result<T, E>;

impl From<Damaged> for String {
    fn from(_: Damaged) -> Self {
        "it is damaged, or no ONNX model".to_owned()
    }
}

/// A model's graph.
#[derive(Default)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub weights: HashMap<String, Tensor>,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    /// Version of ONNX's own operators.
    pub version: i64,
}

/// One operation.
#[derive(Default)]
pub struct Node {
    pub operator: String,
    /// Empty: ONNX's own.
    pub domain: String,
    pub name: String,
    /// Names of values; an empty one is left out.
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub attributes: HashMap<String, Attribute>,
}

/// A constant of a node.
#[derive(Clone)]
pub enum Attribute {
    Int(i64),
    Float(f32),
    Text(String),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Texts(Vec<String>),
    Tensor(Tensor),
    /// A graph (of `If` and `Loop`), or something newer.
    Other,
}

/// Reads a model.
pub fn read(path: &Path, bytes: &[u8]) -> Result<Graph> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut graph, mut version) = (None, 0);
    for field in Fields(bytes) {
        match field? {
            (7, body) => graph = Some(read_graph(folder, body.bytes()?)?),
            (8, set) => {
                let (domain, number) = operator_set(set.bytes()?)?;
                if domain.is_empty() || domain == "ai.onnx" {
                    version = number;
                }
            }
            _ => {}
        }
    }
    let mut graph = graph.filter(|g| !g.outputs.is_empty()).ok_or(Damaged)?;
    graph.version = version;
    // Files before ONNX 1.4 list weights as inputs too.
    graph.inputs.retain(|port| !graph.weights.contains_key(&port.name));
    Ok(graph)
}

fn operator_set(bytes: &[u8]) -> Result<(String, i64)> {
    let (mut domain, mut version) = (String::new(), 0);
    for field in Fields(bytes) {
        match field? {
            (1, text) => domain = text.text()?,
            (2, number) => version = number.int()?,
            _ => {}
        }
    }
    Ok((domain, version))
}

fn read_graph(folder: &Path, bytes: &[u8]) -> Result<Graph> {
    let mut graph = Graph::default();
    for field in Fields(bytes) {
        match field? {
            (1, node) => graph.nodes.push(read_node(folder, node.bytes()?)?),
            (5, weight) => {
                let (name, weight) = read_tensor(folder, weight.bytes()?)?;
                graph.weights.insert(name, weight);
            }
            (11, port) => graph.inputs.push(read_port(port.bytes()?)?),
            (12, port) => graph.outputs.push(read_port(port.bytes()?)?),
            (15, _) => return Err("it has sparse weights".to_owned()),
            _ => {}
        }
    }
    Ok(graph)
}

fn read_node(folder: &Path, bytes: &[u8]) -> Result<Node> {
    let mut node = Node::default();
    for field in Fields(bytes) {
        match field? {
            (1, name) => node.inputs.push(name.text()?),
            (2, name) => node.outputs.push(name.text()?),
            (3, name) => node.name = name.text()?,
            (4, operator) => node.operator = operator.text()?,
            (5, attribute) => {
                let (name, attribute) = read_attribute(folder, attribute.bytes()?)?;
                node.attributes.insert(name, attribute);
            }
            (7, domain) => node.domain = domain.text()?,
            _ => {}
        }
    }
    if node.domain == "ai.onnx" {
        node.domain.clear();
    }
    Ok(node)
}

fn read_attribute(folder: &Path, bytes: &[u8]) -> Result<(String, Attribute)> {
    let (mut name, mut kind) = (String::new(), 0);
    let (mut int, mut float, mut text, mut tensor) = (0, 0.0, String::new(), None);
    let (mut ints, mut floats, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for field in Fields(bytes) {
        match field? {
            (1, text) => name = text.text()?,
            (2, Field::Float(value)) => float = value,
            (3, value) => int = value.int()?,
            (4, value) => text = String::from_utf8_lossy(value.bytes()?).into_owned(),
            (5, value) => tensor = Some(read_tensor(folder, value.bytes()?)?.1),
            (7, value) => value.floats(&mut floats)?,
            (8, value) => value.ints(&mut ints)?,
            (9, value) => texts.push(String::from_utf8_lossy(value.bytes()?).into_owned()),
            (20, value) => kind = value.int()?,
            _ => {}
        }
    }
    let attribute = match (kind, tensor) {
        (1, _) => Attribute::Float(float),
        (2, _) => Attribute::Int(int),
        (3, _) => Attribute::Text(text),
        (4, Some(tensor)) => Attribute::Tensor(tensor),
        (6, _) => Attribute::Floats(floats),
        (7, _) => Attribute::Ints(ints),
        (8, _) => Attribute::Texts(texts),
        _ => Attribute::Other,
    };
    Ok((name, attribute))
}

fn read_port(bytes: &[u8]) -> Result<Port> {
    let mut port = Port { name: String::new(), dtype: None, shape: Vec::new() };
    for field in Fields(bytes) {
        match field? {
            (1, name) => port.name = name.text()?,
            (2, kind) => {
                for field in Fields(kind.bytes()?) {
                    // Others are sequences and maps: a port without a type.
                    if let (1, tensor) = field? {
                        (port.dtype, port.shape) = read_type(tensor.bytes()?)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(port)
}

/// Element type and shape of a port.
fn read_type(bytes: &[u8]) -> Result<(Option<DType>, Vec<Option<usize>>)> {
    let (mut dtype, mut shape) = (None, Vec::new());
    for field in Fields(bytes) {
        match field? {
            (1, number) => dtype = element_type(number.int()?),
            (2, dimensions) => {
                for field in Fields(dimensions.bytes()?) {
                    let (1, dimension) = field? else { continue };
                    let mut size = None;
                    for field in Fields(dimension.bytes()?) {
                        if let (1, number) = field? {
                            size = usize::try_from(number.int()?).ok();
                        }
                    }
                    shape.push(size);
                }
            }
            _ => {}
        }
    }
    Ok((dtype, shape))
}

/// `TensorProto.DataType` as a tensor's type; None for one that tensors do not have.
pub fn element_type(number: i64) -> Option<DType> {
    Some(match number {
        1 => DType::F32,
        2 => DType::U8,
        6 => DType::I32,
        7 => DType::I64,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        16 => DType::BF16,
        _ => return None,
    })
}

/// A weight as the file has it.
#[derive(Default)]
struct Weight<'a> {
    name: String,
    sizes: Vec<i64>,
    kind: i64,
    raw: Option<&'a [u8]>,
    floats: Vec<f32>,
    ints: Vec<i64>,
    doubles: Vec<f64>,
    /// `location`, `offset`, `length`
    outside: HashMap<String, String>,
}

fn read_tensor(folder: &Path, bytes: &[u8]) -> Result<(String, Tensor)> {
    let mut weight = Weight::default();
    for field in Fields(bytes) {
        match field? {
            (1, value) => value.ints(&mut weight.sizes)?,
            (2, value) => weight.kind = value.int()?,
            (4, value) => value.floats(&mut weight.floats)?,
            (5 | 7 | 11, value) => value.ints(&mut weight.ints)?,
            (6, _) => return Err("it has texts as weights".to_owned()),
            (8, value) => weight.name = value.text()?,
            (9, value) => weight.raw = Some(value.bytes()?),
            (10, value) => value.doubles(&mut weight.doubles)?,
            (13, value) => {
                let (key, text) = pair(value.bytes()?)?;
                weight.outside.insert(key, text);
            }
            _ => {}
        }
    }
    let name = std::mem::take(&mut weight.name);
    let values = weight.values(folder).map_err(|problem| format!("the weight `{name}`: {problem}"))?;
    Ok((name, values))
}

fn pair(bytes: &[u8]) -> Result<(String, String)> {
    let (mut key, mut value) = (String::new(), String::new());
    for field in Fields(bytes) {
        match field? {
            (1, text) => key = text.text()?,
            (2, text) => value = text.text()?,
            _ => {}
        }
    }
    Ok((key, value))
}

impl Weight<'_> {
    fn values(self, folder: &Path) -> Result<Tensor> {
        let dtype = element_type(self.kind).ok_or_else(|| format!("its elements are of a type (number {}) that tensors do not have", self.kind))?;
        let shape: Vec<usize> = self.sizes.iter().map(|&s| usize::try_from(s).map_err(|_| format!("a size of {s}"))).collect::<Result<_>>()?;
        let buffer = if self.outside.is_empty() {
            match self.raw {
                Some(raw) => elements(dtype, raw),
                None => self.listed(dtype),
            }
        } else {
            elements(dtype, &self.beside(folder)?)
        };
        tensor(buffer, &shape).map_err(|e| e.to_string())
    }

    /// Elements that are no bytes but a list. Halves are in it as whole numbers of their bits.
    fn listed(&self, dtype: DType) -> Buffer {
        match dtype {
            DType::F32 => self.floats.clone().into(),
            DType::F64 => self.doubles.clone().into(),
            DType::I64 => self.ints.clone().into(),
            DType::I32 => self.ints.iter().map(|&v| v as i32).collect::<Vec<_>>().into(),
            DType::U8 => self.ints.iter().map(|&v| v as u8).collect::<Vec<_>>().into(),
            DType::Bool => self.ints.iter().map(|&v| v != 0).collect::<Vec<_>>().into(),
            DType::F16 => self.ints.iter().map(|&v| half::f16::from_bits(v as u16)).collect::<Vec<_>>().into(),
            DType::BF16 => self.ints.iter().map(|&v| half::bf16::from_bits(v as u16)).collect::<Vec<_>>().into(),
        }
    }

    /// The bytes that lie in a file beside the model; a model does not get at other folders.
    fn beside(&self, folder: &Path) -> Result<Vec<u8>> {
        let place = self.outside.get("location").ok_or(Damaged)?;
        if !Path::new(place).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
            return Err(format!("it is said to lie in `{place}`, which is not below the model's folder"));
        }
        let path = folder.join(place);
        let number = |key: &str| self.outside.get(key).map(|v| v.parse::<u64>().map_err(|_| format!("its {key} is `{v}`"))).transpose();
        let told = |e: std::io::Error| format!("{}: {e}", path.display());
        let mut file = std::fs::File::open(&path).map_err(told)?;
        file.seek(SeekFrom::Start(number("offset")?.unwrap_or(0))).map_err(told)?;
        let mut bytes = Vec::new();
        match number("length")? {
            Some(length) => file.take(length).read_to_end(&mut bytes),
            None => file.read_to_end(&mut bytes),
        }
        .map_err(told)?;
        Ok(bytes)
    }
}

impl Graph {
    /// Operators that it uses and `known` does not.
    pub fn unknown(&self, known: impl Fn(&Node) -> bool) -> BTreeSet<String> {
        let name = |node: &Node| if node.domain.is_empty() { node.operator.clone() } else { format!("{}.{}", node.domain, node.operator) };
        self.nodes.iter().filter(|node| !known(node)).map(name).collect()
    }
}
