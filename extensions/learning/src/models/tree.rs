//! A decision tree as flat lists, for prediction and for saving. How it is grown is not its business.
use crate::exact;
use serde::{Deserialize, Serialize};

/// Marks a leaf in [`Tree`]'s list of columns.
const LEAF: u32 = u32::MAX;

/// A grown tree. Node 0 is the root; a leaf's number stands where another node has its left child.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Tree {
    columns: Vec<u32>,
    #[serde(with = "exact")]
    thresholds: Vec<f64>,
    left: Vec<u32>,
    right: Vec<u32>,
    missing_left: Vec<bool>,
    /// Values of the leaves, leaf by leaf.
    #[serde(with = "exact")]
    values: Vec<f64>,
    outputs: usize,
}

impl Tree {
    /// A tree whose leaves have this many values.
    pub fn new(outputs: usize) -> Self {
        Self { outputs, ..Self::default() }
    }

    /// Adds a node that becomes a leaf or a split later; gives its number.
    pub fn add(&mut self) -> usize {
        self.columns.push(LEAF);
        self.thresholds.push(0.0);
        self.left.push(0);
        self.right.push(0);
        self.missing_left.push(false);
        self.columns.len() - 1
    }

    /// Makes a node a split: up to the threshold to the left.
    pub fn split(&mut self, node: usize, column: usize, threshold: f64, missing_left: bool, children: (usize, usize)) {
        self.columns[node] = column as u32;
        self.thresholds[node] = threshold;
        self.missing_left[node] = missing_left;
        (self.left[node], self.right[node]) = (children.0 as u32, children.1 as u32);
    }

    /// Makes a node a leaf.
    pub fn leaf(&mut self, node: usize, values: &[f64]) {
        self.left[node] = (self.values.len() / self.outputs) as u32;
        self.values.extend_from_slice(values);
    }

    /// The values of the leaf that a row falls into.
    pub fn values(&self, row: &[f64]) -> &[f64] {
        let mut node = 0;
        while self.columns[node] != LEAF {
            let x = row[self.columns[node] as usize];
            let left = if x.is_nan() { self.missing_left[node] } else { x <= self.thresholds[node] };
            node = if left { self.left[node] } else { self.right[node] } as usize;
        }
        let leaf = self.left[node] as usize;
        &self.values[leaf * self.outputs..(leaf + 1) * self.outputs]
    }

    /// How many leaves there are.
    pub fn leaves(&self) -> usize {
        self.values.len() / self.outputs.max(1)
    }
}
