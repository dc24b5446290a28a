//! The values of one metric as a chart needs them: as many as can be told apart, however many were logged.
//!
//! Values come in one by one and are kept in stretches of neighbours, of each its first, lowest, highest and last value. When there are too many stretches,
//! each takes its neighbour in and is twice as long. So no peak is lost, the beginning is drawn as finely as the end, and a million values take as much
//! memory as two thousand.

/// Stretches at which pairs of them become one.
const MOST: usize = 512;

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) step: i64,
    /// Milliseconds since 1970.
    pub(crate) at_ms: i64,
    pub(crate) value: f64,
}

/// Neighbours.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    first: Point,
    low: Point,
    high: Point,
    last: Point,
    count: u64,
}

impl Stretch {
    fn of(point: Point) -> Self {
        Self { first: point, low: point, high: point, last: point, count: 1 }
    }

    fn take(&mut self, other: &Self) {
        if other.low.value < self.low.value {
            self.low = other.low;
        }
        if other.high.value > self.high.value {
            self.high = other.high;
        }
        (self.last, self.count) = (other.last, self.count + other.count);
    }
}

/// The values of a metric.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    stretches: Vec<Stretch>,
    /// Values of a full stretch.
    length: u64,
    pub(crate) count: u64,
    /// NaN and infinities, which no chart has a place for.
    pub(crate) not_finite: u64,
    pub(crate) last: Option<f64>,
    /// Steps that differ were given.
    stepped: bool,
    first_step: Option<i64>,
    pub(crate) last_step: Option<i64>,
    /// The order in which values came is not that of their steps.
    disordered: bool,
}

impl Series {
    pub(crate) fn push(&mut self, point: Point) {
        self.count += 1;
        self.last = Some(point.value);
        self.last_step = self.last_step.max(Some(point.step));
        self.stepped |= *self.first_step.get_or_insert(point.step) != point.step;
        if !point.value.is_finite() {
            self.not_finite += 1;
            return;
        }
        let new = Stretch::of(point);
        match self.stretches.last_mut() {
            Some(last) => {
                self.disordered |= (last.last.step, last.last.at_ms) > (point.step, point.at_ms);
                if last.count < self.length {
                    last.take(&new);
                } else {
                    self.stretches.push(new);
                }
            }
            None => {
                self.length = 1;
                self.stretches.push(new);
            }
        }
        if self.stretches.len() > MOST {
            self.stretches = self.stretches.chunks(2).map(|pair| pair.iter().skip(1).fold(pair[0], |mut all, next| {
                all.take(next);
                all
            })).collect();
            self.length *= 2;
        }
    }

    /// Whether steps are what tells its values apart.
    pub(crate) fn has_steps(&self) -> bool {
        self.stepped
    }

    /// At most `limit` of its values, in order.
    pub(crate) fn drawn(&self, limit: usize) -> Vec<Point> {
        let mut points: Vec<Point> = Vec::with_capacity(self.stretches.len() * 4);
        for stretch in &self.stretches {
            let mut four = [stretch.first, stretch.low, stretch.high, stretch.last];
            four.sort_by_key(|p| (p.step, p.at_ms));
            let start = points.len();
            four.into_iter().for_each(|point| if !points[start..].contains(&point) { points.push(point) });
        }
        if self.disordered {
            points.sort_by_key(|p| (p.step, p.at_ms));
        }
        if points.len() <= limit { points } else { thinned(&points, (limit / 4).max(1)) }
    }
}

/// First, lowest, highest and last of each of so many stretches.
fn thinned(points: &[Point], stretches: usize) -> Vec<Point> {
    let mut kept = Vec::with_capacity(stretches * 4);
    for stretch in 0..stretches {
        let part = &points[stretch * points.len() / stretches..(stretch + 1) * points.len() / stretches];
        let by_value = |(_, a): &(usize, &Point), (_, b): &(usize, &Point)| a.value.total_cmp(&b.value);
        let lowest = part.iter().enumerate().min_by(by_value).map(|(at, _)| at);
        let highest = part.iter().enumerate().max_by(by_value).map(|(at, _)| at);
        let mut places: Vec<usize> = [(!part.is_empty()).then_some(0), lowest, highest, part.len().checked_sub(1)].into_iter().flatten().collect();
        places.sort_unstable();
        places.dedup();
        kept.extend(places.into_iter().map(|at| part[at]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: i64, value: f64) -> Point {
        Point { step, at_ms: 1_700_000_000_000 + step, value }
    }

    #[test]
    fn a_million_values_stay_few_and_no_peak_is_lost() {
        let mut series = Series::default();
        for step in 0..1_000_000 {
            let value = match step {
                123_456 => 1e6,
                654_321 => -1e6,
                _ => (step % 1000) as f64,
            };
            series.push(point(step, value));
        }
        assert!(series.stretches.len() <= MOST && series.count == 1_000_000);
        let drawn = series.drawn(300);
        assert!(drawn.len() <= 300 && drawn.len() > 70, "{}", drawn.len());
        assert!(drawn.iter().any(|p| p.value == 1e6) && drawn.iter().any(|p| p.value == -1e6));
        assert_eq!((drawn[0].step, drawn[drawn.len() - 1].step), (0, 999_999));
        assert!(drawn.windows(2).all(|w| w[0].step <= w[1].step));
        // As finely at the beginning as at the end.
        let widest = drawn.windows(2).map(|w| w[1].step - w[0].step).max();
        assert!(widest.is_some_and(|gap| gap < 2 * 1_000_000 / 75), "{widest:?}");
        assert_eq!(series.last, Some(999.0));
    }

    #[test]
    fn odd_values_are_counted_and_steps_are_put_in_order() {
        let mut series = Series::default();
        for (step, value) in [(3, 3.0), (1, 1.0), (2, f64::NAN), (2, 2.0), (4, f64::INFINITY)] {
            series.push(point(step, value));
        }
        assert_eq!(series.drawn(10).iter().map(|p| p.value).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
        assert_eq!((series.not_finite, series.count, series.has_steps()), (2, 5, true));
        let mut flat = Series::default();
        (0..3).for_each(|_| flat.push(point(0, 1.0)));
        assert!(!flat.has_steps());
    }
}
