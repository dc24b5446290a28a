//! Fewer rows that look the same: what a front end is sent is bounded, whatever the frame holds.
use crate::figure::Row;
use std::collections::BTreeMap;

/// Marks of one layer that are sent and drawn: more cannot be told apart on a chart and stall a browser.
pub const MARK_LIMIT: usize = 5_000;
/// Points that are kept of each interval of a line: first, lowest, highest, last.
const KEPT: usize = 4;

/// Every n-th row, spread evenly over all.
pub fn sample(rows: Vec<Row>, limit: usize) -> Vec<Row> {
    let total = rows.len();
    if total <= limit {
        return rows;
    }
    // Row `k` of the result is row `k * total / limit` of the input, so that the spread is even to the end.
    (0..limit).map(|k| rows[k * total / limit]).collect()
}

/// Lines in the order of `x`, each cut into intervals of which the extremes are kept, so that no peak is lost.
pub fn line(rows: Vec<Row>, limit: usize) -> Vec<Row> {
    let mut series: BTreeMap<(usize, u64), Vec<Row>> = BTreeMap::new();
    for row in rows {
        series.entry((row.panel, row.colour.to_bits())).or_default().push(row);
    }
    let total: usize = series.values().map(Vec::len).sum();
    let mut out = Vec::with_capacity(total.min(limit));
    for (_, mut rows) in series {
        // A stable sort keeps the rows' order where they share an `x`.
        rows.sort_by(|a, b| a.x.total_cmp(&b.x));
        if total > limit {
            let share = (limit as f64 * rows.len() as f64 / total as f64) as usize;
            out.extend(extremes(&rows, (share / KEPT).max(1)));
        } else {
            out.append(&mut rows);
        }
    }
    out
}

fn extremes(rows: &[Row], intervals: usize) -> Vec<Row> {
    let mut out = Vec::with_capacity(intervals * KEPT);
    for interval in 0..intervals {
        let part = &rows[interval * rows.len() / intervals..(interval + 1) * rows.len() / intervals];
        let by_height = |(_, a): &(usize, &Row), (_, b): &(usize, &Row)| a.y.total_cmp(&b.y);
        let lowest = part.iter().enumerate().min_by(by_height).map(|(at, _)| at);
        let highest = part.iter().enumerate().max_by(by_height).map(|(at, _)| at);
        let mut kept: Vec<usize> = [(!part.is_empty()).then_some(0), lowest, highest, part.len().checked_sub(1)].into_iter().flatten().collect();
        kept.sort_unstable();
        kept.dedup();
        out.extend(kept.into_iter().map(|at| part[at]));
    }
    out
}

/// Rows with the same place, colour and panel become one, with the sum of their heights.
pub fn sum(rows: Vec<Row>) -> Vec<Row> {
    let mut sums: BTreeMap<(usize, u64, u64), Row> = BTreeMap::new();
    for row in rows {
        let key = (row.panel, ordered(row.x), ordered(row.colour));
        sums.entry(key).and_modify(|sum| sum.y += row.y).or_insert(row);
    }
    sums.into_values().collect()
}

/// Rows with the same place and panel become one, with the mean of their colour.
pub fn mean(rows: Vec<Row>) -> Vec<Row> {
    let mut means: BTreeMap<(usize, u64, u64), (Row, f64)> = BTreeMap::new();
    for row in rows {
        let key = (row.panel, ordered(row.x), ordered(row.y));
        let (mean, count) = means.entry(key).or_insert((Row { colour: 0.0, ..row }, 0.0));
        mean.colour += row.colour;
        *count += 1.0;
    }
    means.into_values().map(|(row, count)| Row { colour: row.colour / count, ..row }).collect()
}

/// Puts the bars of one place on top of each other, negative ones below zero.
pub fn stack(rows: &mut [Row]) {
    let mut tops: BTreeMap<(usize, u64, bool), f64> = BTreeMap::new();
    for row in rows {
        let top = tops.entry((row.panel, ordered(row.x), row.y < 0.0)).or_insert(0.0);
        row.base = *top;
        *top += row.y;
        row.y = *top;
    }
}

/// A number as a key that sorts as the numbers do.
fn ordered(number: f64) -> u64 {
    let bits = (number + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

/// Intervals of a histogram: where the first begins, how wide each is, how many there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bins {
    pub start: f64,
    pub step: f64,
    pub count: usize,
}

/// Intervals of round width over the values: as many as asked for, else the more of what the rules of
/// Freedman and Diaconis and of Sturges say.
pub fn bins(values: &[f64], asked: Option<usize>, whole: bool) -> Option<Bins> {
    /// About as many intervals as look like a curve and not like a comb.
    const MOST: usize = 40;
    const FEWEST: usize = 5;
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let (low, high) = (*sorted.first()?, *sorted.last()?);
    if low == high {
        return Some(Bins { start: low - 0.5, step: 1.0, count: 1 });
    }
    let quartile = |part: usize| sorted[(sorted.len() - 1) * part / 4];
    let width = 2.0 * (quartile(3) - quartile(1)) / (sorted.len() as f64).cbrt();
    let sturges = (sorted.len() as f64).log2().ceil() as usize + 1;
    let natural = if width > 0.0 { ((high - low) / width).ceil() as usize } else { 20 };
    let wanted = asked.map_or(natural.max(sturges).clamp(FEWEST, MOST), |asked| asked.clamp(1, MARK_LIMIT));
    let mut step = crate::scale::round_step_below((high - low) / wanted as f64);
    if whole {
        step = step.max(1.0);
    }
    // A value that is an edge belongs to the interval that begins there; the highest needs one more.
    let start = (low / step).floor() * step;
    let count = ((high - start) / step).floor() as usize + 1;
    Some(Bins { start, step, count })
}

impl Bins {
    /// The interval of a value.
    pub fn place(&self, value: f64) -> usize {
        (((value - self.start) / self.step + 1e-9).floor() as usize).min(self.count - 1)
    }

    /// Both edges of an interval, without the dust of the arithmetic.
    pub fn edges(&self, place: usize) -> (f64, f64) {
        let edge = |n: usize| {
            let exact = self.start + self.step * n as f64;
            let dust = self.step * 1e-6;
            (exact / dust).round() * dust
        };
        (edge(place), edge(place + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize) -> Vec<Row> {
        (0..count).map(|n| Row { x: n as f64, y: (n % 97) as f64, ..Row::default() }).collect()
    }

    #[test]
    fn a_sample_is_even_and_bounded() {
        assert_eq!(sample(rows(10), 20).len(), 10);
        let kept: Vec<f64> = sample(rows(1_000_000), 4).iter().map(|row| row.x).collect();
        assert_eq!(kept, [0.0, 250_000.0, 500_000.0, 750_000.0]);
    }

    #[test]
    fn a_line_keeps_its_peaks_and_ends() {
        let mut long = rows(100_000);
        long[54_321].y = 1e9;
        long[77_777].y = -1e9;
        let short = line(long, MARK_LIMIT);
        assert!(short.len() <= MARK_LIMIT && short.len() > MARK_LIMIT / 4, "{}", short.len());
        assert!(short.iter().any(|row| row.y == 1e9) && short.iter().any(|row| row.y == -1e9));
        assert_eq!((short[0].x, short[short.len() - 1].x), (0.0, 99_999.0));
        assert!(short.windows(2).all(|pair| pair[0].x <= pair[1].x));
    }

    #[test]
    fn bars_are_summed_and_stacked() {
        let row = |x: f64, y: f64, colour: f64| Row { x, y, colour, ..Row::default() };
        let mut summed = sum(vec![row(1.0, 2.0, 0.0), row(0.0, 1.0, 0.0), row(1.0, 3.0, 0.0), row(1.0, 4.0, 1.0), row(1.0, -1.0, 2.0)]);
        assert_eq!(summed.iter().map(|r| (r.x, r.y)).collect::<Vec<_>>(), [(0.0, 1.0), (1.0, 5.0), (1.0, 4.0), (1.0, -1.0)]);
        stack(&mut summed);
        assert_eq!(summed.iter().map(|r| (r.base, r.y)).collect::<Vec<_>>(), [(0.0, 1.0), (0.0, 5.0), (5.0, 9.0), (0.0, -1.0)]);
    }

    #[test]
    fn bins_have_round_edges_and_hold_every_value() {
        let values: Vec<f64> = (0..1000).map(|n| f64::from(n) / 100.0).collect();
        let bins = bins(&values, Some(10), false).expect("values");
        assert_eq!(bins, Bins { start: 0.0, step: 1.0, count: 10 });
        assert!(values.iter().all(|&value| bins.edges(bins.place(value)).0 <= value + 1e-9 && value < bins.edges(bins.place(value)).1));
        assert_eq!(super::bins(&[3.0, 3.0], None, true).map(|b| b.count), Some(1));
        assert_eq!(super::bins(&[f64::NAN], None, false), None);
    }
}
