//! Columns as small integers: up to 255 intervals each, and one code for missing. Trees look for splits between intervals only.
use crate::Matrix;
use rayon::prelude::*;

/// Code of a missing number.
pub const MISSING: u8 = 255;
/// Most intervals of a column.
const MOST: usize = 255;
/// Rows from which intervals are taken when there are more.
const SAMPLE: usize = 200_000;

/// A matrix in codes.
pub struct Binned {
    rows: usize,
    codes: Vec<u8>,
    /// For each column the upper ends of all intervals but the last.
    edges: Vec<Vec<f64>>,
}

impl Binned {
    /// Cuts each column: between all different values where they are few, else in parts of about as many rows.
    pub fn new(matrix: &Matrix) -> Self {
        let columns: Vec<(Vec<f64>, Vec<u8>)> = (0..matrix.columns())
            .into_par_iter()
            .map(|j| {
                let edges = edges(matrix.column(j));
                let codes = matrix.column(j).iter().map(|&x| code(&edges, x)).collect();
                (edges, codes)
            })
            .collect();
        let mut binned = Self { rows: matrix.rows(), codes: Vec::with_capacity(matrix.rows() * matrix.columns()), edges: Vec::new() };
        for (edges, codes) in columns {
            binned.edges.push(edges);
            binned.codes.extend(codes);
        }
        binned
    }

    /// Codes of a column.
    pub fn column(&self, index: usize) -> &[u8] {
        &self.codes[index * self.rows..(index + 1) * self.rows]
    }

    /// How many intervals a column has, without that of missing numbers.
    pub fn count(&self, column: usize) -> usize {
        self.edges[column].len() + 1
    }

    /// The number up to which values are in this interval or one below; infinite for the last.
    pub fn upper(&self, column: usize, bin: usize) -> f64 {
        self.edges[column].get(bin).copied().unwrap_or(f64::INFINITY)
    }
}

fn code(edges: &[f64], x: f64) -> u8 {
    if x.is_nan() { MISSING } else { edges.partition_point(|edge| *edge < x) as u8 }
}

fn edges(values: &[f64]) -> Vec<f64> {
    let step = values.len().div_ceil(SAMPLE).max(1);
    let mut sorted: Vec<f64> = values.iter().step_by(step).copied().filter(|x| !x.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut different = sorted.clone();
    different.dedup_by(|a, b| a == b);
    let between = |a: f64, b: f64| {
        let middle = a / 2.0 + b / 2.0;
        // Rounding may give the upper value, which must stay above the edge.
        if middle < b && middle >= a { middle } else { a }
    };
    if different.len() <= MOST {
        return different.windows(2).map(|pair| between(pair[0], pair[1])).collect();
    }
    let mut edges: Vec<f64> = (1..MOST)
        .filter_map(|k| {
            let low = sorted[(k * sorted.len() / MOST).min(sorted.len() - 1)];
            let next = different.partition_point(|x| *x <= low);
            different.get(next).map(|high| between(low, *high))
        })
        .collect();
    edges.dedup();
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_told_apart_and_many_are_cut_evenly() {
        let few = Matrix::new(4, vec!["x".into()], vec![3.0, 1.0, f64::NAN, 2.0]).unwrap();
        let binned = Binned::new(&few);
        assert_eq!((binned.column(0), binned.upper(0, 0), binned.upper(0, 2)), (&[2, 0, MISSING, 1][..], 1.5, f64::INFINITY));
        let many: Vec<f64> = (0..10_000).map(|i| f64::from(i).powi(2)).collect();
        let binned = Binned::new(&Matrix::new(10_000, vec!["x".into()], many).unwrap());
        let mut counts = [0; 255];
        binned.column(0).iter().for_each(|&c| counts[usize::from(c)] += 1);
        assert!(counts.iter().all(|c| (30..=60).contains(c)), "{counts:?}");
    }

    #[test]
    fn a_value_and_its_edge_agree() {
        // What training and prediction say about the same value must be one thing: code <= bin exactly where x <= upper(bin).
        let values: Vec<f64> = (0..1000).map(|i| (f64::from(i) * 0.37).sin() * 1e-300).collect();
        let binned = Binned::new(&Matrix::new(1000, vec!["x".into()], values.clone()).unwrap());
        for (x, code) in values.iter().zip(binned.column(0)) {
            let code = usize::from(*code);
            assert!(*x <= binned.upper(0, code) && (code == 0 || *x > binned.upper(0, code - 1)));
        }
    }
}
