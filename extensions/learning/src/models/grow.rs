//! Grows one tree of a forest: at each node the best of some random columns, until the leaves are pure or small.
//!
//! Classes are treated as numbers, one per class that is 1 or 0, so that Gini's impurity and the variance are one formula: a split is the better
//! the larger the sum over both sides of |sum of the target|² / weight.
use super::bins::{Binned, MISSING};
use super::forest::{ForestSettings, Splits};
use super::{Target, Tree};
use crate::{Matrix, Random};

/// Rows up to which codes are sorted by comparing; more are counted.
const FEW: usize = 96;

/// What a tree is grown on.
pub struct Grower<'a> {
    pub matrix: &'a Matrix,
    pub binned: &'a Binned,
    pub target: Target<'a>,
    /// How often each row counts.
    pub weights: &'a [f64],
    pub settings: &'a ForestSettings,
    /// Columns that are looked at for each split.
    pub looked_at: usize,
    pub random: Random,
}

struct Found {
    gain: f64,
    column: usize,
    /// Rows are left up to this value.
    threshold: f64,
    missing_left: bool,
}

/// Sums over the rows of one side.
struct Side {
    weight: f64,
    rows: usize,
    sums: Vec<f64>,
    /// Sum of the squares of `sums`, kept up to date.
    square: f64,
}

impl Side {
    fn new(outputs: usize) -> Self {
        Self { weight: 0.0, rows: 0, sums: vec![0.0; outputs], square: 0.0 }
    }

    fn clear(&mut self) {
        (self.weight, self.rows, self.square) = (0.0, 0, 0.0);
        self.sums.fill(0.0);
    }

    fn add(&mut self, target: &Target, row: usize, weight: f64) {
        let (place, value) = match target {
            Target::Classes { codes, .. } => (codes[row], weight),
            Target::Numbers(values) => (0, weight * values[row]),
        };
        let before = self.sums[place];
        self.sums[place] = before + value;
        self.square += value * (2.0 * before + value);
        self.weight += weight;
        self.rows += 1;
    }

    fn copy(&mut self, other: &Side) {
        (self.weight, self.rows, self.square) = (other.weight, other.rows, other.square);
        self.sums.copy_from_slice(&other.sums);
    }

    fn score(&self) -> f64 {
        self.square / self.weight
    }
}

impl Grower<'_> {
    /// Grows a tree over the rows that count.
    pub fn grow(mut self) -> Tree {
        let outputs = self.target.outputs();
        let mut tree = Tree::new(outputs);
        let mut rows: Vec<u32> = (0..self.weights.len()).filter(|&i| self.weights[i] > 0.0).map(|i| i as u32).collect();
        let mut columns: Vec<usize> = (0..self.matrix.columns()).collect();
        let mut scratch = Scratch { order: Vec::new(), left: Side::new(outputs), right: Side::new(outputs) };
        let mut total = Side::new(outputs);
        let mut open = vec![(tree.add(), 0, rows.len(), 0)];
        while let Some((node, start, end, depth)) = open.pop() {
            let here = &mut rows[start..end];
            total.clear();
            here.iter().for_each(|&row| total.add(&self.target, row as usize, self.weights[row as usize]));
            let found = if self.is_leaf(here, depth, &total) { None } else { self.best_split(here, &mut columns, &total, &mut scratch) };
            let Some(found) = found else {
                let values: Vec<f64> = total.sums.iter().map(|s| s / total.weight).collect();
                tree.leaf(node, &values);
                continue;
            };
            let column = self.matrix.column(found.column);
            let goes_left = |row: u32| {
                let x = column[row as usize];
                if x.is_nan() { found.missing_left } else { x <= found.threshold }
            };
            let middle = start + partition(here, goes_left);
            let children = (tree.add(), tree.add());
            tree.split(node, found.column, found.threshold, found.missing_left, children);
            open.push((children.1, middle, end, depth + 1));
            open.push((children.0, start, middle, depth + 1));
        }
        tree
    }

    fn is_leaf(&self, rows: &[u32], depth: usize, total: &Side) -> bool {
        if rows.len() < 2 * self.settings.rows_in_leaf.max(1) || self.settings.depth.is_some_and(|most| depth >= most) {
            return true;
        }
        match self.target {
            Target::Classes { codes, .. } => total.sums[codes[rows[0] as usize]] >= total.weight,
            Target::Numbers(values) => rows.iter().all(|&row| values[row as usize] == values[rows[0] as usize]),
        }
    }

    /// Draws columns until enough were looked at and one of them splits.
    fn best_split(&mut self, rows: &[u32], columns: &mut [usize], total: &Side, scratch: &mut Scratch) -> Option<Found> {
        let mut best: Option<Found> = None;
        for drawn in 0..columns.len() {
            if drawn >= self.looked_at && best.is_some() {
                break;
            }
            let other = drawn + self.random.below(columns.len() - drawn);
            columns.swap(drawn, other);
            let column = columns[drawn];
            let found = match self.settings.splits {
                Splits::Best => self.scan(rows, column, total, scratch),
                Splits::Random => self.draw(rows, column, total, scratch),
            };
            if let Some(found) = found.filter(|f| best.as_ref().is_none_or(|b| f.gain > b.gain)) {
                best = Some(found);
            }
        }
        best
    }

    /// The best split of a column.
    fn scan(&self, rows: &[u32], column: usize, total: &Side, scratch: &mut Scratch) -> Option<Found> {
        let codes = self.binned.column(column);
        let Scratch { order, left, right } = scratch;
        sort_by_code(rows, codes, order);
        let (first, last) = (order.first()?.0, order.last()?.0);
        if first == last {
            return None;
        }
        left.clear();
        let least = self.settings.rows_in_leaf.max(1);
        let mut best: Option<(f64, u8)> = None;
        for pair in 0..order.len() - 1 {
            let (code, row) = order[pair];
            left.add(&self.target, row as usize, self.weights[row as usize]);
            if order[pair + 1].0 == code || left.rows < least {
                continue;
            }
            if total.rows - left.rows < least {
                break;
            }
            let gain = left.score() + rest(total, left, right);
            if best.is_none_or(|(most, _)| gain > most) {
                best = Some((gain, code));
            }
        }
        let (gain, code) = best?;
        // Where no number is missing here, a missing one goes with the most rows.
        let below = order.iter().take_while(|(c, _)| *c <= code).count();
        let missing_left = last != MISSING && below * 2 > order.len();
        Some(Found { gain, column, threshold: self.binned.upper(column, usize::from(code)), missing_left })
    }

    /// A split of a column at a random value between its ends.
    fn draw(&mut self, rows: &[u32], column: usize, total: &Side, scratch: &mut Scratch) -> Option<Found> {
        let values = self.matrix.column(column);
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for &row in rows {
            let x = values[row as usize];
            (least, most) = (least.min(x), most.max(x));
        }
        if least.is_nan() || least >= most {
            return None;
        }
        let drawn = least + self.random.unit() * (most - least);
        let threshold = if drawn < most { drawn } else { least };
        let Scratch { left, right, .. } = scratch;
        left.clear();
        rows.iter().filter(|r| values[**r as usize] <= threshold).for_each(|&r| left.add(&self.target, r as usize, self.weights[r as usize]));
        let small = self.settings.rows_in_leaf.max(1);
        if left.rows < small || total.rows - left.rows < small {
            return None;
        }
        let gain = left.score() + rest(total, left, right);
        Some(Found { gain, column, threshold, missing_left: false })
    }
}

/// Lists that are used again for every split.
struct Scratch {
    order: Vec<(u8, u32)>,
    left: Side,
    right: Side,
}

/// The score of what is not on the left.
fn rest(total: &Side, left: &Side, right: &mut Side) -> f64 {
    right.copy(total);
    right.weight -= left.weight;
    right.square = 0.0;
    for (sum, other) in right.sums.iter_mut().zip(&left.sums) {
        *sum -= other;
        right.square += *sum * *sum;
    }
    right.score()
}

fn sort_by_code(rows: &[u32], codes: &[u8], order: &mut Vec<(u8, u32)>) {
    order.clear();
    if rows.len() <= FEW {
        order.extend(rows.iter().map(|&row| (codes[row as usize], row)));
        order.sort_unstable();
        return;
    }
    let mut places = [0_u32; 257];
    rows.iter().for_each(|&row| places[usize::from(codes[row as usize]) + 1] += 1);
    for code in 0..256 {
        places[code + 1] += places[code];
    }
    order.resize(rows.len(), (0, 0));
    for &row in rows {
        let code = codes[row as usize];
        let place = &mut places[usize::from(code)];
        order[*place as usize] = (code, row);
        *place += 1;
    }
}

/// Puts the rows that go left first, in their order; gives how many they are.
pub fn partition(rows: &mut [u32], goes_left: impl Fn(u32) -> bool) -> usize {
    let (left, right): (Vec<u32>, Vec<u32>) = rows.iter().partition(|&&row| goes_left(row));
    rows[..left.len()].copy_from_slice(&left);
    rows[left.len()..].copy_from_slice(&right);
    left.len()
}
