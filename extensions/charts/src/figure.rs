//! The decided chart: typed and reduced rows, scales, colours, panels. Whoever has data makes it; it is written as
//! vega-lite and drawn as PNG.
use crate::scale::{Scale, grouped};

/// How the rows of a layer are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Line,
    Bar,
    Point,
    Area,
    Histogram,
    Heatmap,
}

/// One mark on the page.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    pub x: f64,
    pub y: f64,
    /// Where a bar begins along its length.
    pub base: f64,
    /// Where the interval of a histogram ends.
    pub end: f64,
    /// Place in the colour's names, or the value that is coloured.
    pub colour: f64,
    pub panel: usize,
}

/// An axis with its title.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The column, as it is called in the data.
    pub name: String,
    pub title: String,
    pub scale: Scale,
}

/// What colours mean.
#[derive(Clone, Debug)]
pub enum Colour {
    Single,
    Names { title: String, names: Vec<String> },
    Number { title: String, low: f64, high: f64 },
}

/// The rows of one mark.
#[derive(Clone, Debug)]
pub struct Drawn {
    pub mark: Mark,
    pub rows: Vec<Row>,
    /// Bars that lie: their length runs along x.
    pub lying: bool,
}

/// A decided chart.
#[derive(Clone, Debug)]
pub struct Figure {
    pub title: Option<String>,
    /// What was reduced or left out.
    pub notes: Vec<String>,
    /// Size inside the axes of each panel.
    pub size: (f64, f64),
    pub x: Axis,
    pub y: Axis,
    pub colour: Colour,
    /// Whether it says itself what its colours mean; of several charts that share colours, the [`crate::Board`] says it.
    pub legend: bool,
    /// The facet's column and the names of its panels.
    pub facet: Option<(String, Vec<String>)>,
    pub layers: Vec<Drawn>,
    /// Rows of the frame.
    pub total: usize,
}

impl Figure {
    /// One line for front ends without pictures.
    pub fn summary(&self) -> String {
        let kind = match self.layers.first().map(|layer| layer.mark) {
            Some(Mark::Line) => "line chart",
            Some(Mark::Bar) => "bar chart",
            Some(Mark::Point) => "scatter plot",
            Some(Mark::Area) => "area chart",
            Some(Mark::Histogram) => "histogram",
            Some(Mark::Heatmap) => "heat map",
            None => "chart",
        };
        let title = self.title.as_ref().map(|title| format!("{title}: ")).unwrap_or_default();
        let notes = if self.notes.is_empty() { String::new() } else { format!("; {}", self.notes.join("; ")) };
        format!("<{title}{kind} of {} over {}, {} rows{notes}>", self.y.title, self.x.title, grouped(&self.total.to_string()))
    }
}
