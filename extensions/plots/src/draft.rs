//! From what was asked to a figure: which columns, which scales, how many rows.
use crate::PlotError;
use crate::chart::{Chart, Layer};
use crate::field::{Field, Kind};
use ochre_charts::figure::{Axis, Colour, Drawn, Figure, Mark, Row};
use ochre_charts::reduce::{self, MARK_LIMIT};
use ochre_charts::scale::{self, Scale, grouped, number_label, time_label};
use std::collections::HashMap;

/// Different values up to which numbers and times get one bar (or cell) each with its name.
const BAND_LIMIT: usize = 60;
/// Names that get a bar each; the first ones stay.
const NAME_LIMIT: usize = 200;
/// Intervals that bars are summed over when they are more than can be sent.
const BAR_INTERVALS: usize = 500;
/// Intervals along each side of a heat map of numbers.
const CELL_INTERVALS: usize = 30;
/// Different names that colours are given to; more cannot be told apart.
const COLOUR_LIMIT: usize = 50;
/// Panels of a faceted chart.
const PANEL_LIMIT: usize = 16;

/// A figure in the making.
pub(crate) struct Draft<'a> {
    chart: &'a Chart,
    colour: Option<Field>,
    panels: Option<Field>,
    notes: Vec<String>,
    x: Option<Axis>,
    y: Option<Axis>,
    /// Names of several measures that share the chart and get a colour each.
    measures: Vec<String>,
    drawn: Vec<Drawn>,
}

impl<'a> Draft<'a> {
    /// Reads the columns that all layers share.
    pub fn of(chart: &'a Chart) -> Result<Self, PlotError> {
        let mut draft = Draft { chart, colour: None, panels: None, notes: Vec::new(), x: None, y: None, measures: Vec::new(), drawn: Vec::new() };
        if let Some(name) = &chart.facet {
            draft.panels = Some(draft.panel_field(name)?);
        }
        if let Some(name) = &chart.color {
            draft.colour = Some(draft.colour_field(name)?);
        }
        Ok(draft)
    }

    /// Decides all that was left open.
    pub fn decide(mut self) -> Result<Figure, PlotError> {
        let layers = &self.chart.layers;
        let first = layers.first().ok_or(PlotError::NoMark)?;
        for (mark, noun) in [(Mark::Histogram, "histogram"), (Mark::Heatmap, "heat map")] {
            if layers.len() > 1 && layers.iter().any(|layer| layer.mark == mark) {
                return Err(PlotError::Alone(noun));
            }
        }
        match first.mark {
            Mark::Histogram => self.histogram(first)?,
            Mark::Heatmap => self.heatmap(first)?,
            _ => self.layers()?,
        }
        self.finish()
    }

    fn panel_field(&mut self, name: &str) -> Result<Field, PlotError> {
        let mut field = with_nulls(Field::read(&self.chart.frame, name, "a facet")?.into_names());
        if field.names.len() > PANEL_LIMIT {
            self.notes.push(format!("the first {PANEL_LIMIT} of {} panels", grouped(&field.names.len().to_string())));
            field.names.truncate(PANEL_LIMIT);
        }
        Ok(field)
    }

    fn colour_field(&self, name: &str) -> Result<Field, PlotError> {
        let marks: Vec<Mark> = self.chart.layers.iter().map(|layer| layer.mark).collect();
        if marks.contains(&Mark::Heatmap) {
            return Field::read_measure(&self.chart.frame, name, "the colour of a heat map");
        }
        let field = Field::read(&self.chart.frame, name, "a colour")?.few_as_names();
        let field = if marks.iter().all(|mark| *mark == Mark::Point) || field.kind == Kind::Name { field } else { field.into_names() };
        if field.kind != Kind::Name {
            return Ok(field);
        }
        let field = with_nulls(field);
        if field.names.len() > COLOUR_LIMIT {
            return Err(PlotError::TooMany { name: name.to_owned(), count: field.names.len(), limit: COLOUR_LIMIT });
        }
        Ok(field)
    }

    /// The marked rows of two fields, without those that lack a value.
    fn rows(&mut self, x: &[f64], y: &[f64], measure: usize, indices: impl Iterator<Item = usize>) -> Vec<Row> {
        let mut lacking = 0;
        let mut rows = Vec::new();
        for index in indices {
            let colour = self.colour.as_ref().map_or(measure as f64, |field| field.values[index]);
            let panel = self.panels.as_ref().map_or(0, |field| field.values[index] as usize);
            if self.panels.as_ref().is_some_and(|field| panel >= field.names.len()) {
                continue;
            }
            if x[index].is_nan() || y[index].is_nan() || colour.is_nan() {
                lacking += 1;
                continue;
            }
            rows.push(Row { x: x[index], y: y[index], base: 0.0, end: 0.0, colour, panel });
        }
        if lacking > 0 {
            self.notes.push(format!("{} without a value left out", counted(lacking, "row")));
        }
        rows
    }

    fn height(&self) -> usize {
        self.chart.frame.height()
    }

    /// Lines, bars, points and areas, one over the other.
    fn layers(&mut self) -> Result<(), PlotError> {
        let chart = self.chart;
        let mut fields = Vec::new();
        for layer in &chart.layers {
            fields.push(read_pair(chart, layer)?);
        }
        self.measures = measures(&chart.layers);
        let lying = chart.layers.iter().zip(&fields).any(|(layer, (x, y))| layer.mark == Mark::Bar && y.kind == Kind::Name && x.kind != Kind::Name);
        if chart.layers.iter().any(|layer| layer.mark == Mark::Bar) {
            self.name_bars(&mut fields, lying);
        }
        let (x_names, y_names) = (agree(fields.iter_mut().map(|(x, _)| x))?, agree(fields.iter_mut().map(|(_, y)| y))?);
        for (layer, (x, y)) in chart.layers.iter().zip(&fields) {
            let measure = self.measures.iter().position(|name| *name == layer.y).unwrap_or(0);
            let rows = self.reduced(layer, x, y, measure, lying);
            self.merge(Drawn { mark: layer.mark, rows, lying: lying && layer.mark == Mark::Bar });
        }
        for drawn in self.drawn.iter_mut().filter(|drawn| drawn.mark == Mark::Bar) {
            if drawn.lying {
                lie(&mut drawn.rows);
                reduce::stack(&mut drawn.rows);
                lie(&mut drawn.rows);
            } else {
                reduce::stack(&mut drawn.rows);
            }
        }
        let lengths = chart.layers.iter().any(|layer| matches!(layer.mark, Mark::Bar | Mark::Area));
        let (x, y) = (&fields[0].0, &fields[0].1);
        let all = || self.drawn.iter().flat_map(|drawn| &drawn.rows);
        let x_scale = scale(x.kind, x_names, all().map(|row| row.x), lengths && lying);
        let y_scale = scale(y.kind, y_names, all().map(|row| row.y), lengths && !lying);
        let y_title = if self.measures.is_empty() { y.name.clone() } else { self.measures.join(", ") };
        let (x_name, y_name) = (x.name.clone(), y.name.clone());
        self.x = Some(Axis { title: x_name.clone(), name: x_name, scale: x_scale });
        self.y = Some(Axis { title: y_title, name: y_name, scale: y_scale });
        Ok(())
    }

    /// Bars stand on names where there are few enough of them.
    fn name_bars(&mut self, fields: &mut [(Field, Field)], lying: bool) {
        let few = fields.iter().all(|(x, y)| {
            let base = if lying { y } else { x };
            base.kind == Kind::Name || base.distinct().len() <= BAND_LIMIT
        });
        if !few {
            return;
        }
        for (x, y) in fields {
            let base = if lying { y } else { x };
            let mut named = std::mem::replace(base, Field { name: String::new(), kind: Kind::Name, values: Vec::new(), names: Vec::new(), whole: false }).into_names();
            if named.names.len() > NAME_LIMIT {
                let note = format!("the first {NAME_LIMIT} of {} bars", grouped(&named.names.len().to_string()));
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
                named.names.truncate(NAME_LIMIT);
                named.values.iter_mut().filter(|value| **value >= NAME_LIMIT as f64).for_each(|value| *value = f64::NAN);
            }
            *base = named;
        }
    }

    /// The rows of a layer, as many as may be sent.
    fn reduced(&mut self, layer: &Layer, x: &Field, y: &Field, measure: usize, lying: bool) -> Vec<Row> {
        let total = self.height();
        match layer.mark {
            Mark::Point if total > MARK_LIMIT => {
                self.notes.push(format!("{} of {} rows, taken evenly", number(MARK_LIMIT), number(total)));
                self.rows(&x.values, &y.values, measure, (0..MARK_LIMIT).map(|k| k * total / MARK_LIMIT))
            }
            Mark::Line | Mark::Area => {
                let rows = self.rows(&x.values, &y.values, measure, 0..total);
                let (before, kept) = (rows.len(), reduce::line(rows, MARK_LIMIT));
                if kept.len() < before {
                    self.notes.push(format!("{} of {} rows: the extremes of each interval", number(kept.len()), number(before)));
                }
                kept
            }
            Mark::Bar => {
                let mut rows = self.rows(&x.values, &y.values, measure, 0..total);
                if lying {
                    lie(&mut rows);
                }
                rows = self.summed(rows);
                if lying {
                    lie(&mut rows);
                }
                rows
            }
            _ => self.rows(&x.values, &y.values, measure, 0..total),
        }
    }

    fn summed(&mut self, rows: Vec<Row>) -> Vec<Row> {
        let summed = reduce::sum(rows);
        if summed.len() <= MARK_LIMIT {
            return summed;
        }
        let places: Vec<f64> = summed.iter().map(|row| row.x).collect();
        let Some(bins) = reduce::bins(&places, Some(BAR_INTERVALS), false) else { return summed };
        self.notes.push(format!("{} bars summed over {} intervals", number(summed.len()), number(bins.count)));
        let middle = |row: Row| {
            let (from, to) = bins.edges(bins.place(row.x));
            Row { x: (from + to) / 2.0, ..row }
        };
        reduce::sum(summed.into_iter().map(middle).collect())
    }

    /// Bars of several measures are one pile; other layers stay apart.
    fn merge(&mut self, drawn: Drawn) {
        match self.drawn.iter_mut().find(|other| other.mark == Mark::Bar && drawn.mark == Mark::Bar) {
            Some(bars) => bars.rows.extend(drawn.rows),
            None => self.drawn.push(drawn),
        }
    }

    fn histogram(&mut self, layer: &Layer) -> Result<(), PlotError> {
        let field = Field::read(&self.chart.frame, &layer.x, "a histogram")?;
        let title = field.name.clone();
        let (mark, scale_x) = if field.kind == Kind::Name {
            self.count(&field.values, |value| (value, 0.0));
            (Mark::Bar, Scale::Names(field.names))
        } else {
            let bins = reduce::bins(&field.values, self.chart.bins, field.whole || field.kind == Kind::Time).map(|bins| calendar(bins, field.kind));
            let bins = bins.ok_or_else(|| PlotError::Empty(format!("column `{}` holds no value", layer.x)))?;
            self.count(&field.values, |value| bins.edges(bins.place(value)));
            let (low, high) = (bins.edges(0).0, bins.edges(bins.count - 1).1);
            let scale = if field.kind == Kind::Time { Scale::Time { low, high } } else { Scale::Number { low, high } };
            (Mark::Histogram, scale)
        };
        let Some(drawn) = self.drawn.first_mut() else { return Ok(()) };
        drawn.mark = mark;
        reduce::stack(&mut drawn.rows);
        let scale_y = Scale::of_numbers(drawn.rows.iter().map(|row| row.y), true);
        self.x = Some(Axis { name: title.clone(), title, scale: scale_x });
        self.y = Some(Axis { name: "count".to_owned(), title: "count".to_owned(), scale: scale_y });
        Ok(())
    }

    /// Counts the rows of each interval, colour and panel.
    fn count(&mut self, values: &[f64], interval: impl Fn(f64) -> (f64, f64)) {
        let ones = vec![1.0; values.len()];
        let rows = self.rows(values, &ones, 0, 0..values.len()).into_iter().map(|row| {
            let (from, to) = interval(row.x);
            Row { x: from, end: to, ..row }
        });
        let rows = reduce::sum(rows.collect());
        self.drawn.push(Drawn { mark: Mark::Histogram, rows, lying: false });
    }

    fn heatmap(&mut self, layer: &Layer) -> Result<(), PlotError> {
        let read = |name: &str, channel| Field::read(&self.chart.frame, name, channel).map(cells);
        let (x, mut y) = (read(&layer.x, "a heat map")?, read(&layer.y, "a heat map")?);
        if let Some(ordered) = y.1.then_some(&mut y.0) {
            // The first name stands on top; of numbers, the largest does.
            let last = ordered.names.len() as f64 - 1.0;
            ordered.names.reverse();
            ordered.values.iter_mut().for_each(|value| *value = last - *value);
        }
        let rows = self.rows(&x.0.values, &y.0.values, 0, 0..self.height());
        let before = rows.len();
        let rows = reduce::mean(rows);
        if rows.len() < before {
            self.notes.push(format!("means of {} in {} cells", counted(before, "row"), number(rows.len())));
        }
        let limited = reduce::sample(rows, MARK_LIMIT);
        self.drawn.push(Drawn { mark: Mark::Heatmap, rows: limited, lying: false });
        let axis = |field: Field| Axis { title: field.name.clone(), name: field.name, scale: Scale::Names(field.names) };
        self.x = Some(axis(x.0));
        self.y = Some(axis(y.0));
        Ok(())
    }

    fn finish(mut self) -> Result<Figure, PlotError> {
        if self.drawn.iter().all(|drawn| drawn.rows.is_empty()) {
            let reason = if self.height() == 0 { "the frame has no rows" } else { "every row lacks a value in one of the columns" };
            return Err(PlotError::Empty(reason.to_owned()));
        }
        self.notes.dedup();
        let colour = self.colours();
        let (Some(mut x), Some(mut y)) = (self.x, self.y) else { return Err(PlotError::NoMark) };
        let [x_title, y_title] = self.chart.axis_titles.clone();
        x.title = x_title.unwrap_or(x.title);
        y.title = y_title.unwrap_or(y.title);
        Ok(Figure {
            title: self.chart.title.clone(),
            notes: self.notes,
            size: self.chart.size(),
            x,
            y,
            colour,
            legend: true,
            facet: self.panels.map(|field| (field.name, field.names)),
            layers: self.drawn,
            total: self.chart.frame.height(),
        })
    }

    fn colours(&self) -> Colour {
        match &self.colour {
            Some(field) if field.kind == Kind::Name => Colour::Names { title: field.name.clone(), names: field.names.clone() },
            Some(field) => {
                let values = self.drawn.iter().flat_map(|drawn| &drawn.rows).map(|row| row.colour);
                let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
                Colour::Number { title: field.name.clone(), low, high }
            }
            None if self.measures.len() > 1 => Colour::Names { title: String::new(), names: self.measures.clone() },
            None => Colour::Single,
        }
    }
}

fn read_pair(chart: &Chart, layer: &Layer) -> Result<(Field, Field), PlotError> {
    let channel = match layer.mark {
        Mark::Line => "the y of a line",
        Mark::Area => "the y of an area",
        Mark::Bar => "the length of a bar",
        _ => "a point",
    };
    let x = Field::read(&chart.frame, &layer.x, channel)?;
    let free = layer.mark == Mark::Point || (layer.mark == Mark::Bar && x.kind == Kind::Number);
    let y = if free { Field::read(&chart.frame, &layer.y, channel)? } else { Field::read_measure(&chart.frame, &layer.y, channel)? };
    Ok((x, y))
}

/// The different measures of a chart without a colour column, if they are more than one.
fn measures(layers: &[Layer]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for layer in layers {
        if !names.contains(&layer.y) {
            names.push(layer.y.clone());
        }
    }
    if names.len() > 1 { names } else { Vec::new() }
}

/// All fields of an axis are of one kind; names share one list.
fn agree<'f>(fields: impl Iterator<Item = &'f mut Field>) -> Result<Vec<String>, PlotError> {
    let mut names: Vec<String> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut first: Option<(String, Kind)> = None;
    for field in fields {
        let (first, kind) = first.get_or_insert((field.name.clone(), field.kind));
        if *kind != field.kind {
            return Err(PlotError::Disagree { first: first.clone(), first_kind: kind.noun(), second: field.name.clone(), second_kind: field.kind.noun() });
        }
        if field.kind == Kind::Name {
            let shared: Vec<f64> = field.names.iter().map(|name| shared_place(name, &mut names, &mut places)).collect();
            field.values.iter_mut().filter(|value| !value.is_nan()).for_each(|value| *value = shared[*value as usize]);
        }
    }
    Ok(names)
}

fn shared_place(name: &str, names: &mut Vec<String>, places: &mut HashMap<String, usize>) -> f64 {
    *places.entry(name.to_owned()).or_insert_with(|| {
        names.push(name.to_owned());
        names.len() - 1
    }) as f64
}

fn scale(kind: Kind, names: Vec<String>, values: impl Iterator<Item = f64>, zero: bool) -> Scale {
    match kind {
        Kind::Number => Scale::of_numbers(values, zero),
        Kind::Time => Scale::of_times(values),
        Kind::Name => Scale::Names(names),
    }
}

/// Missing names are a name of their own.
fn with_nulls(mut field: Field) -> Field {
    if field.values.iter().any(|value| value.is_nan()) {
        let null = field.names.len() as f64;
        field.names.push("null".to_owned());
        field.values.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = null);
    }
    field
}

/// The cells along one side of a heat map, and whether they stand for numbers.
fn cells(field: Field) -> (Field, bool) {
    let ordered = field.kind != Kind::Name;
    if !ordered || field.distinct().len() <= BAND_LIMIT {
        return (field.into_names(), ordered);
    }
    let bins = reduce::bins(&field.values, Some(CELL_INTERVALS), field.whole).map(|bins| calendar(bins, field.kind));
    let Some(bins) = bins else { return (field.into_names(), ordered) };
    let label = |place: usize| match (field.kind, bins.edges(place).0) {
        (Kind::Time, from) => time_label(from),
        (_, from) => number_label(from, bins.step),
    };
    let names = (0..bins.count).map(label).collect();
    let values = field.values.iter().map(|value| if value.is_nan() { *value } else { bins.place(*value) as f64 }).collect();
    (Field { kind: Kind::Name, values, names, ..field }, ordered)
}

/// Intervals of time are days, hours and the like instead of powers of ten.
fn calendar(bins: reduce::Bins, kind: Kind) -> reduce::Bins {
    if kind != Kind::Time {
        return bins;
    }
    let step = scale::time_step(bins.step);
    let start = (bins.start / step).floor() * step;
    let end = bins.start + bins.step * bins.count as f64;
    reduce::Bins { start, step, count: ((end - start) / step).ceil().max(1.0) as usize }
}

/// Exchanges x and y, for bars that lie.
fn lie(rows: &mut [Row]) {
    rows.iter_mut().for_each(|row| std::mem::swap(&mut row.x, &mut row.y));
}

fn number(number: usize) -> String {
    grouped(&number.to_string())
}

fn counted(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", number(count), if count == 1 { "" } else { "s" })
}
