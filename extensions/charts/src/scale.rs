//! From values to places along an axis, and the ticks that a person would choose.
use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, Timelike};

const SECOND: f64 = 1_000.0;
const MINUTE: f64 = 60.0 * SECOND;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

/// How values are placed along an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    Number { low: f64, high: f64 },
    /// Milliseconds since 1970.
    Time { low: f64, high: f64 },
    /// One band for each name, in this order.
    Names(Vec<String>),
}

/// A labelled place on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    pub value: f64,
    pub label: String,
}

impl Scale {
    /// A scale over all numbers with round ends; `zero` is put in where lengths are compared.
    pub fn of_numbers(values: impl Iterator<Item = f64>, zero: bool) -> Self {
        let (low, high) = extent(values, zero);
        let (low, high) = if low == high { (low - 0.5 * low.abs().max(1.0), high + 0.5 * high.abs().max(1.0)) } else { (low, high) };
        let step = round_step((high - low) / 8.0);
        Scale::Number { low: (low / step + 1e-9).floor() * step, high: (high / step - 1e-9).ceil() * step }
    }

    /// A scale from the first to the last moment.
    pub fn of_times(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = extent(values, false);
        if low == high { Scale::Time { low: low - DAY, high: high + DAY } } else { Scale::Time { low, high } }
    }

    /// Where a value is, from 0 to 1; the middle of the band for a name.
    pub fn place(&self, value: f64) -> f64 {
        match self {
            Scale::Number { low, high } | Scale::Time { low, high } => (value - low) / (high - low),
            Scale::Names(names) => (value + 0.5) / names.len().max(1) as f64,
        }
    }

    /// Width of a band as a share of the axis.
    pub fn band(&self) -> Option<f64> {
        match self {
            Scale::Names(names) => Some(1.0 / names.len().max(1) as f64),
            _ => None,
        }
    }

    /// About `count` ticks; every band has one.
    pub fn ticks(&self, count: usize) -> Vec<Tick> {
        match self {
            Scale::Number { low, high } => number_ticks(*low, *high, count),
            Scale::Time { low, high } => time_ticks(*low, *high, count),
            Scale::Names(names) => names.iter().enumerate().map(|(at, name)| Tick { value: at as f64, label: name.clone() }).collect(),
        }
    }
}

fn extent(values: impl Iterator<Item = f64>, zero: bool) -> (f64, f64) {
    let start = if zero { (0.0, 0.0) } else { (f64::INFINITY, f64::NEG_INFINITY) };
    let (low, high) = values.filter(|value| value.is_finite()).fold(start, |(low, high), value| (low.min(value), high.max(value)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// The largest of 1, 2 and 5 times a power of ten that is hardly larger than this.
pub fn round_step_below(raw: f64) -> f64 {
    /// How much larger is no matter.
    const SLACK: f64 = 1.1;
    let near = round_step(raw);
    if near <= raw * SLACK { near } else { round_step(near * 0.45) }
}

/// The nearest of 1, 2 and 5 times a power of ten.
pub fn round_step(raw: f64) -> f64 {
    if !(raw > 0.0 && raw.is_finite()) {
        return 1.0;
    }
    let power = 10f64.powi(raw.log10().floor() as i32);
    let lead = raw / power;
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().min_by(|a: &f64, b: &f64| (a / lead).ln().abs().total_cmp(&(b / lead).ln().abs()));
    round.unwrap_or(1.0) * power
}

fn number_ticks(low: f64, high: f64, count: usize) -> Vec<Tick> {
    let step = round_step((high - low) / count.max(1) as f64);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).take(200).map(|n| n as f64 * step).map(|value| Tick { value, label: number_label(value, step) }).collect()
}

/// A number with as many decimals as the step between its neighbours needs.
pub fn number_label(value: f64, step: f64) -> String {
    let value = if value.abs() < step * 1e-6 { 0.0 } else { value };
    if value != 0.0 && (value.abs() >= 1e12 || step.abs() < 1e-6) {
        return format!("{value:e}");
    }
    let mut decimals = 0;
    while decimals < 6 && (step * 10f64.powi(decimals)).fract().min(1.0 - (step * 10f64.powi(decimals)).fract()) > 1e-6 {
        decimals += 1;
    }
    grouped(&format!("{value:.*}", decimals as usize))
}

/// `-1234567.5` as `-1,234,567.5`.
pub fn grouped(number: &str) -> String {
    let (sign, rest) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, tail) = rest.find('.').map_or((rest, ""), |dot| rest.split_at(dot));
    let mut out = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + tail
}

/// Steps between ticks of time that are shorter than a month.
const STEPS: [f64; 20] = [
    1.0, 10.0, 100.0, SECOND, 5.0 * SECOND, 15.0 * SECOND, 30.0 * SECOND, MINUTE, 5.0 * MINUTE, 15.0 * MINUTE, 30.0 * MINUTE, HOUR, 3.0 * HOUR, 6.0 * HOUR, 12.0 * HOUR,
    DAY, 2.0 * DAY, 4.0 * DAY, 7.0 * DAY, 14.0 * DAY,
];
/// Steps of months.
const MONTHS: [u32; 12] = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1_200, 2_400];
const MONTH: f64 = 30.44 * DAY;

/// A round width for intervals of time, at least as wide as `raw`.
pub fn time_step(raw: f64) -> f64 {
    STEPS.into_iter().find(|step| *step >= raw).unwrap_or_else(|| (raw / (7.0 * DAY)).ceil() * 7.0 * DAY)
}

fn time_ticks(low: f64, high: f64, count: usize) -> Vec<Tick> {
    let raw = (high - low) / count.max(1) as f64;
    if let Some(step) = STEPS.into_iter().find(|step| *step >= raw * 0.75) {
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        return (first..=last).take(200).map(|n| n as f64 * step).map(|value| Tick { value, label: short_label(value, step) }).collect();
    }
    let months = MONTHS.into_iter().find(|months| f64::from(*months) * MONTH >= raw * 0.75).unwrap_or(MONTHS[MONTHS.len() - 1]);
    month_ticks(low, high, months)
}

fn month_ticks(low: f64, high: f64, months: u32) -> Vec<Tick> {
    let Some(start) = moment(low) else { return Vec::new() };
    // Ticks fall on years that the step divides, and on January where it is shorter than a year.
    let index = (start.year() * 12 + start.month0() as i32).div_euclid(months as i32) * months as i32;
    let mut date = NaiveDate::from_ymd_opt(index.div_euclid(12), index.rem_euclid(12) as u32 + 1, 1);
    let mut ticks = Vec::new();
    while let Some(day) = date {
        let value = day.and_hms_opt(0, 0, 0).map_or(f64::INFINITY, |time| time.and_utc().timestamp_millis() as f64);
        if value > high || ticks.len() > 200 {
            break;
        }
        if value >= low {
            let format = if months.is_multiple_of(12) || (months > 1 && day.month() == 1) { "%Y" } else { "%b %Y" };
            ticks.push(Tick { value, label: day.format(format).to_string() });
        }
        date = day.checked_add_months(Months::new(months));
    }
    ticks
}

fn short_label(value: f64, step: f64) -> String {
    let Some(time) = moment(value) else { return String::new() };
    let midnight = time.hour() == 0 && time.minute() == 0 && time.second() == 0 && step > SECOND;
    let format = match step {
        _ if step >= DAY || midnight => "%b %-d",
        _ if step >= MINUTE => "%H:%M",
        _ if step >= SECOND => "%H:%M:%S",
        _ => "%S%.3f",
    };
    time.format(format).to_string()
}

/// A moment as the name of a bar: the day, with the time where there is one.
pub fn time_label(value: f64) -> String {
    match moment(value) {
        Some(time) if value.rem_euclid(DAY) == 0.0 => time.format("%Y-%m-%d").to_string(),
        Some(time) => time.format("%Y-%m-%d %H:%M:%S").to_string(),
        None => String::new(),
    }
}

/// A moment as vega-lite reads it in the reader's own time zone, so that midnight stays midnight.
pub fn iso(value: f64) -> String {
    moment(value).map(|time| time.format("%Y-%m-%dT%H:%M:%S%.3f").to_string()).unwrap_or_default()
}

fn moment(milliseconds: f64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_millis(milliseconds as i64).map(|time| time.naive_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale, count: usize) -> Vec<String> {
        scale.ticks(count).into_iter().map(|tick| tick.label).collect()
    }

    fn day(text: &str) -> f64 {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|d| d.and_hms_opt(0, 0, 0)).expect("a day").and_utc().timestamp_millis() as f64
    }

    #[test]
    fn number_scales_end_on_round_values() {
        let scale = Scale::of_numbers([4.3, 7.9].into_iter(), false);
        assert_eq!(scale, Scale::Number { low: 4.0, high: 8.0 });
        assert_eq!(labels(&scale, 4), ["4", "5", "6", "7", "8"]);
        assert_eq!(Scale::of_numbers([3.0, 9.5].into_iter(), true), Scale::Number { low: 0.0, high: 10.0 });
        assert_eq!(labels(&Scale::Number { low: 0.0, high: 0.3 }, 3), ["0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(labels(&Scale::Number { low: -2_000_000.0, high: 0.0 }, 2), ["-2,000,000", "-1,000,000", "0"]);
    }

    #[test]
    fn a_single_value_has_room_around_it() {
        assert_eq!(Scale::of_numbers(std::iter::once(2.0), false).place(2.0), 0.5);
        assert!(matches!(Scale::of_numbers(std::iter::empty(), false), Scale::Number { .. }));
    }

    #[test]
    fn time_ticks_fall_on_calendar_places() {
        let year = Scale::Time { low: day("2024-01-15"), high: day("2024-12-20") };
        assert_eq!(labels(&year, 5), ["Mar 2024", "May 2024", "Jul 2024", "Sep 2024", "Nov 2024"]);
        let decades = Scale::Time { low: day("1985-03-01"), high: day("2021-01-01") };
        assert_eq!(labels(&decades, 6), ["1990", "1995", "2000", "2005", "2010", "2015", "2020"]);
        let week = Scale::Time { low: day("2024-02-27"), high: day("2024-03-02") };
        assert_eq!(labels(&week, 4), ["Feb 27", "Feb 28", "Feb 29", "Mar 1", "Mar 2"]);
        let hours = Scale::Time { low: day("2024-02-27"), high: day("2024-02-27") + 12.0 * HOUR };
        assert_eq!(labels(&hours, 4), ["Feb 27", "03:00", "06:00", "09:00", "12:00"]);
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([0.7, 1.3, 3.0, 7.5, 130.0].map(round_step), [0.5, 1.0, 2.0, 10.0, 100.0]);
        assert_eq!([0.74, 1.0, 1.9, 4.9, 5.1, 0.19].map(round_step_below), [0.5, 1.0, 2.0, 5.0, 5.0, 0.2]);
        assert_eq!([4.0, 1.8, 0.8, 9.0].map(round_step_below), [2.0, 1.0, 0.5, 5.0]);
        assert_eq!(time_step(2.0 * HOUR), 3.0 * HOUR);
    }
}
