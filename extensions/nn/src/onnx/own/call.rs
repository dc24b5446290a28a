//! What an operator is given: its node's attributes and its inputs.
use super::file::{Attribute, Node, Result};
use ochre_tensors::{DType, Tensor};

/// What computes a node.
pub type Operator = fn(&Call) -> Result<Vec<Tensor>>;

/// A node with the values of its inputs.
pub struct Call<'a> {
    pub node: &'a Node,
    /// Of the operators' set.
    pub version: i64,
    /// None where the model leaves one out.
    pub inputs: Vec<Option<Tensor>>,
}

impl Call<'_> {
    /// An input that may be left out.
    pub fn maybe(&self, place: usize) -> Option<&Tensor> {
        self.inputs.get(place).and_then(Option::as_ref)
    }

    /// An input that has to be there.
    pub fn input(&self, place: usize) -> Result<&Tensor> {
        self.maybe(place).ok_or_else(|| format!("its input {place} is missing"))
    }

    /// All inputs that are there.
    pub fn all(&self) -> Vec<&Tensor> {
        self.inputs.iter().flatten().collect()
    }

    /// An input of whole numbers as a list: sizes, axes.
    pub fn list(&self, place: usize) -> Option<Vec<i64>> {
        self.maybe(place).map(|t| t.to_vec::<i64>())
    }

    /// A whole number, or what holds without it.
    pub fn int(&self, name: &str, usual: i64) -> i64 {
        match self.node.attributes.get(name) {
            Some(Attribute::Int(value)) => *value,
            _ => usual,
        }
    }

    /// As [`Call::int`].
    pub fn flag(&self, name: &str) -> bool {
        self.int(name, 0) != 0
    }

    /// A float, or what holds without it.
    pub fn float(&self, name: &str, usual: f64) -> f64 {
        match self.node.attributes.get(name) {
            Some(Attribute::Float(value)) => f64::from(*value),
            _ => usual,
        }
    }

    /// A text, or what holds without it.
    pub fn text<'a>(&'a self, name: &str, usual: &'a str) -> &'a str {
        match self.node.attributes.get(name) {
            Some(Attribute::Text(value)) => value,
            _ => usual,
        }
    }

    /// A list of whole numbers.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.node.attributes.get(name) {
            Some(Attribute::Ints(values)) => Some(values),
            _ => None,
        }
    }

    /// A list that newer versions have as an input and older ones as an attribute.
    pub fn listed(&self, place: usize, name: &str) -> Option<Vec<i64>> {
        self.list(place).or_else(|| self.ints(name).map(<[i64]>::to_vec))
    }

    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.node.attributes.get(name)
    }

    /// Whether the model uses the output of this place.
    pub fn wants(&self, output: usize) -> bool {
        self.node.outputs.get(output).is_some_and(|name| !name.is_empty())
    }

    /// That a text attribute is one of those that are known.
    pub fn only(&self, name: &str, known: &[&str]) -> Result<()> {
        let value = self.text(name, known[0]);
        if known.contains(&value) { Ok(()) } else { Err(format!("`{name} = {value}` is not done by Ochre's own engine; `pip install onnxruntime` brings one that does")) }
    }
}

/// What this engine leaves to onnxruntime.
pub fn not_done(what: &str) -> String {
    format!("{what} is not done by Ochre's own engine; `pip install onnxruntime` brings one that does")
}

/// A dimension's number from 0, as a file may count it from the end.
pub fn axis(axis: i64, rank: usize) -> Result<usize> {
    let place = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(place).ok().filter(|place| *place < rank).ok_or_else(|| format!("dimension {axis} of {rank}"))
}

/// The shape with signs, as views take it.
pub fn signed(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&n| n as i64).collect()
}

/// Whole numbers, in one dimension.
pub fn whole(values: Vec<i64>) -> Tensor {
    let len = values.len();
    Tensor::from_vec(values, &[len])
}

/// A number as a tensor of rank 0 of this type.
pub fn number(value: f64, dtype: DType) -> Tensor {
    Tensor::full(&[], value).to_dtype(dtype)
}
