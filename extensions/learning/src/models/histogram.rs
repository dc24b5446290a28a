//! Grows one tree of gradient boosting: leaf by leaf, the one that gains most first, on histograms of slope and curvature.
//!
//! Of two sisters only the smaller is counted; the larger is what is left of the parent. Missing numbers go to the side where they gain more.
use super::Tree;
use super::bins::{Binned, MISSING};
use super::boost::BoostingSettings;
use super::grow::partition;
use rayon::prelude::*;

/// Rows times columns above which a histogram is counted on all cores: below, handing out the work costs more than it saves.
const PARALLEL: usize = 60_000;
/// Least curvature of a leaf, as in scikit-learn.
const LEAST_CURVATURE: f64 = 1e-3;

/// Sums over the rows with one code.
#[derive(Clone, Copy, Default)]
struct Bin {
    slope: f64,
    curvature: f64,
    rows: u32,
}

impl Bin {
    fn plus(self, other: Bin) -> Bin {
        Bin { slope: self.slope + other.slope, curvature: self.curvature + other.curvature, rows: self.rows + other.rows }
    }

    fn minus(self, other: Bin) -> Bin {
        Bin { slope: self.slope - other.slope, curvature: self.curvature - other.curvature, rows: self.rows - other.rows }
    }

    fn score(self, penalty: f64) -> f64 {
        self.slope * self.slope / (self.curvature + penalty)
    }
}

/// A histogram of each column that is looked at; the last bin of each is that of missing numbers.
type Histogram = Vec<Vec<Bin>>;

/// What a tree is grown on.
pub struct Booster<'a> {
    pub binned: &'a Binned,
    pub slope: &'a [f64],
    pub curvature: &'a [f64],
    /// Columns that may be split.
    pub columns: &'a [usize],
    pub settings: &'a BoostingSettings,
}

struct Leaf {
    node: usize,
    start: usize,
    end: usize,
    depth: usize,
    total: Bin,
    histogram: Histogram,
    best: Option<Found>,
}

#[derive(Clone, Copy)]
struct Found {
    gain: f64,
    column: usize,
    code: u8,
    missing_left: bool,
    left: Bin,
}

impl Booster<'_> {
    /// Grows a tree over `rows`, which it puts in another order. Gives the leaves too: where each begins and ends in `rows`, and its value.
    pub fn grow(&self, rows: &mut [u32]) -> (Tree, Vec<(usize, usize, f64)>) {
        let mut tree = Tree::new(1);
        let total = rows.iter().fold(Bin::default(), |sum, &row| sum.plus(self.bin(row)));
        let histogram = self.count(rows);
        let root = Leaf { node: tree.add(), start: 0, end: rows.len(), depth: 0, total, best: self.best(&histogram, total, 0), histogram };
        let mut leaves = vec![root];
        while leaves.len() < self.settings.leaves {
            let next = (0..leaves.len()).filter(|&i| leaves[i].best.is_some()).max_by(|&a, &b| gain(&leaves[a]).total_cmp(&gain(&leaves[b])));
            let Some(place) = next else { break };
            let parent = leaves.swap_remove(place);
            let Some(found) = parent.best else { break };
            leaves.extend(self.split(&mut tree, rows, parent, found));
        }
        let value = |leaf: &Leaf| -leaf.total.slope / (leaf.total.curvature + self.settings.penalty).max(f64::MIN_POSITIVE) * self.settings.rate;
        leaves.sort_by_key(|leaf| leaf.start);
        let ends: Vec<(usize, usize, f64)> = leaves.iter().map(|leaf| (leaf.start, leaf.end, value(leaf))).collect();
        leaves.iter().for_each(|leaf| tree.leaf(leaf.node, &[value(leaf)]));
        (tree, ends)
    }

    fn split(&self, tree: &mut Tree, rows: &mut [u32], parent: Leaf, found: Found) -> [Leaf; 2] {
        let codes = self.binned.column(found.column);
        let goes_left = |row: u32| match codes[row as usize] {
            MISSING => found.missing_left,
            code => code <= found.code,
        };
        let middle = parent.start + partition(&mut rows[parent.start..parent.end], goes_left);
        let children = (tree.add(), tree.add());
        tree.split(parent.node, found.column, self.binned.upper(found.column, usize::from(found.code)), found.missing_left, children);
        let small_is_left = middle - parent.start <= parent.end - middle;
        let small = self.count(if small_is_left { &rows[parent.start..middle] } else { &rows[middle..parent.end] });
        let mut large = parent.histogram;
        for (large, small) in large.iter_mut().zip(&small) {
            large.iter_mut().zip(small).for_each(|(l, s)| *l = l.minus(*s));
        }
        let (left, right) = if small_is_left { (small, large) } else { (large, small) };
        let depth = parent.depth + 1;
        let leaf = |node, start, end, total, histogram: Histogram| Leaf { node, start, end, depth, total, best: self.best(&histogram, total, depth), histogram };
        [
            leaf(children.0, parent.start, middle, found.left, left),
            leaf(children.1, middle, parent.end, parent.total.minus(found.left), right),
        ]
    }

    fn bin(&self, row: u32) -> Bin {
        Bin { slope: self.slope[row as usize], curvature: self.curvature[row as usize], rows: 1 }
    }

    fn count(&self, rows: &[u32]) -> Histogram {
        let gathered: Vec<(u32, f64, f64)> = rows.iter().map(|&r| (r, self.slope[r as usize], self.curvature[r as usize])).collect();
        let one = |&column: &usize| {
            let codes = self.binned.column(column);
            let missing = self.binned.count(column);
            let mut bins = vec![Bin::default(); missing + 1];
            for &(row, slope, curvature) in &gathered {
                let code = usize::from(codes[row as usize]).min(missing);
                let bin = &mut bins[code];
                bin.slope += slope;
                bin.curvature += curvature;
                bin.rows += 1;
            }
            bins
        };
        if rows.len() * self.columns.len() > PARALLEL { self.columns.par_iter().map(one).collect() } else { self.columns.iter().map(one).collect() }
    }

    fn best(&self, histogram: &Histogram, total: Bin, depth: usize) -> Option<Found> {
        if (total.rows as usize) < 2 * self.settings.rows_in_leaf || self.settings.depth.is_some_and(|most| depth >= most) {
            return None;
        }
        let mut best: Option<Found> = None;
        for (bins, &column) in histogram.iter().zip(self.columns) {
            self.scan(bins, column, total, &mut best);
        }
        best
    }

    fn scan(&self, bins: &[Bin], column: usize, total: Bin, best: &mut Option<Found>) {
        let Some((&missing, present)) = bins.split_last() else { return };
        let parent = total.score(self.settings.penalty);
        let allowed = |side: Bin| side.rows as usize >= self.settings.rows_in_leaf && side.rows > 0 && side.curvature >= LEAST_CURVATURE;
        let sides: &[bool] = if missing.rows > 0 { &[false, true] } else { &[false] };
        for &missing_left in sides {
            let mut left = if missing_left { missing } else { Bin::default() };
            // The last interval may only be split off from the missing numbers.
            let last = present.len() - usize::from(missing_left || missing.rows == 0);
            for (code, bin) in present[..last].iter().enumerate() {
                left = left.plus(*bin);
                let right = total.minus(left);
                if !allowed(left) || !allowed(right) || bin.rows == 0 {
                    continue;
                }
                let gain = left.score(self.settings.penalty) + right.score(self.settings.penalty) - parent;
                if gain > best.map_or(1e-12, |b| b.gain) {
                    let side = if missing.rows > 0 { missing_left } else { left.rows > right.rows };
                    *best = Some(Found { gain, column, code: code as u8, missing_left: side, left });
                }
            }
        }
    }
}

fn gain(leaf: &Leaf) -> f64 {
    leaf.best.map_or(f64::NEG_INFINITY, |b| b.gain)
}
