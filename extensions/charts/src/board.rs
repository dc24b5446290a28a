//! Several charts below one heading: a live view of a run, runs that are compared.
//!
//! Charts that tell series apart share their names and colours; what these mean is said once, below the heading.
use crate::draw::canvas::{Align, Canvas, FAINT, INK, Rgb, SCALE, Style, fit, text_width};
use crate::draw::{self, palette};
use crate::figure::{Colour, Figure};
use crate::{DrawError, spec};
use image::{DynamicImage, RgbImage, imageops};
use serde_json::{Map, Value, json};

const HEADING: f64 = 15.0;
const LINE: f64 = 11.5;
const LINE_STEP: f64 = 17.0;
const MARGIN: f64 = 10.0;
const SWATCH: f64 = 10.0;
/// Width of a board that has no charts yet.
const EMPTY_WIDTH: f64 = 640.0;
/// Longest name in the legend.
const NAME_WIDTH: f64 = 220.0;
/// Longest line of the heading, in characters: what a small screen shows beside the cell's margin.
const LINE_CHARACTERS: usize = 150;

/// Charts below a heading.
#[derive(Clone, Debug, Default)]
pub struct Board {
    pub title: String,
    /// Lines below the title.
    pub lines: Vec<String>,
    /// What the series of the charts are called, in the order of their colours; said once when there are two or more.
    pub names: Vec<String>,
    pub charts: Vec<Figure>,
    /// Charts in a row.
    pub columns: usize,
}

impl Board {
    fn named(&self) -> bool {
        self.names.len() > 1 && self.charts.iter().any(|chart| matches!(chart.colour, Colour::Names { .. }))
    }

    fn lines(&self) -> Vec<String> {
        self.lines.iter().map(|line| shortened(line, LINE_CHARACTERS)).collect()
    }

    /// The vega-lite specification.
    pub fn spec(&self) -> Value {
        let mut spec = Map::from_iter([("$schema".to_owned(), json!(spec::SCHEMA))]);
        spec.insert(
            "title".into(),
            json!({ "text": self.title, "subtitle": self.lines(), "anchor": "start", "fontSize": HEADING, "subtitleFontSize": LINE, "subtitleColor": "#6b7078", "subtitlePadding": 5, "offset": 12 }),
        );
        if self.charts.is_empty() {
            // An empty view would be drawn as a frame of its own; a text of nothing is none.
            spec.extend([("data".to_owned(), json!({ "values": [{}] })), ("mark".to_owned(), json!({ "type": "text", "text": "" })), ("width".to_owned(), json!(EMPTY_WIDTH)), ("height".to_owned(), json!(1))]);
        } else {
            let mut charts: Vec<Value> = self.charts.iter().map(|chart| Value::Object(spec::part(chart))).collect();
            if self.named() {
                let legend = json!({ "orient": "top", "direction": "horizontal", "title": null, "labelLimit": NAME_WIDTH, "columns": 6 });
                charts.iter_mut().filter(|chart| chart["encoding"]["color"].get("field").is_some()).for_each(|chart| chart["encoding"]["color"]["legend"] = legend.clone());
                spec.insert("resolve".into(), json!({ "scale": { "color": "shared" }, "legend": { "color": "shared" } }));
            }
            spec.extend([("columns".to_owned(), json!(self.columns.max(1))), ("spacing".to_owned(), json!(24)), ("concat".to_owned(), json!(charts))]);
        }
        spec.insert("config".into(), spec::config());
        Value::Object(spec)
    }

    /// The same as a picture, with [`SCALE`] pixels for each CSS pixel.
    ///
    /// # Errors
    /// When a chart cannot be drawn.
    pub fn draw(&self) -> Result<DynamicImage, DrawError> {
        let charts: Vec<RgbImage> = self.charts.iter().map(|chart| Ok(draw::figure(chart)?.into_rgb8())).collect::<Result<_, DrawError>>()?;
        let columns = self.columns.clamp(1, charts.len().max(1));
        let cell_width = charts.iter().map(RgbImage::width).max().unwrap_or(0);
        let heights: Vec<u32> = charts.chunks(columns).map(|row| row.iter().map(RgbImage::height).max().unwrap_or(0)).collect();
        let width = (cell_width * columns as u32).max((EMPTY_WIDTH * f64::from(SCALE)) as u32);
        let heading = self.heading(f64::from(width) / f64::from(SCALE))?.into_rgb8();
        let mut page = RgbImage::from_pixel(width, heading.height() + heights.iter().sum::<u32>(), image::Rgb([255; 3]));
        imageops::replace(&mut page, &heading, 0, 0);
        let mut top = heading.height();
        for (row, height) in charts.chunks(columns).zip(&heights) {
            for (at, chart) in row.iter().enumerate() {
                // The right edges line up, whatever the labels on the left need.
                let left = cell_width * (at as u32 + 1) - chart.width();
                imageops::replace(&mut page, chart, i64::from(left), i64::from(top));
            }
            top += height;
        }
        Ok(DynamicImage::ImageRgb8(page))
    }

    fn heading(&self, width: f64) -> Result<DynamicImage, DrawError> {
        let lines = self.lines();
        let legend = if self.named() { LINE_STEP + 4.0 } else { 0.0 };
        let mut canvas = Canvas::new(width, MARGIN + HEADING + 6.0 + LINE_STEP * lines.len() as f64 + legend + 4.0);
        let room = width - 2.0 * MARGIN;
        canvas.text(&fit(&self.title, HEADING, room), (MARGIN, MARGIN + HEADING - 1.0), Style::new(HEADING, Align::Left, INK).bold());
        let mut y = MARGIN + HEADING + 6.0;
        for line in &lines {
            canvas.text(&fit(line, LINE, room), (MARGIN, y + LINE), Style::new(LINE, Align::Left, FAINT));
            y += LINE_STEP;
        }
        if self.named() {
            self.legend(&mut canvas, y + 4.0, width - MARGIN);
        }
        canvas.finish()
    }

    fn legend(&self, canvas: &mut Canvas, y: f64, right: f64) {
        let mut x = MARGIN;
        for (at, name) in self.names.iter().enumerate() {
            let name = fit(name, LINE, NAME_WIDTH);
            let width = SWATCH + 6.0 + text_width(&name, LINE);
            if x + width > right {
                let more = format!("… {} more", self.names.len() - at);
                canvas.text(&more, (x, y + SWATCH), Style::new(LINE, Align::Left, FAINT));
                return;
            }
            let colour: Rgb = palette::name(at);
            canvas.rect([x, x + SWATCH], [y, y + SWATCH], colour, 1.0);
            canvas.text(&name, (x + SWATCH + 6.0, y + SWATCH), Style::new(LINE, Align::Left, INK));
            x += width + 16.0;
        }
    }
}

/// A text of at most so many characters.
fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit - 1).collect::<String>().trim_end().to_owned() + "…"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Axis, Drawn, Mark, Row};
    use crate::scale::Scale;

    fn chart(names: &[&str]) -> Figure {
        let rows = (0..names.len()).flat_map(|series| (0..20).map(move |x| Row { x: f64::from(x), y: f64::from(x * x) + series as f64 * 40.0, colour: series as f64, ..Row::default() }));
        let rows: Vec<Row> = rows.collect();
        let axis = |name: &str, values: Vec<f64>| Axis { name: name.into(), title: name.into(), scale: Scale::of_numbers(values.into_iter(), false) };
        Figure {
            title: Some("loss".into()),
            notes: Vec::new(),
            size: (240.0, 140.0),
            x: axis("step", rows.iter().map(|r| r.x).collect()),
            y: axis("loss", rows.iter().map(|r| r.y).collect()),
            colour: if names.len() > 1 { Colour::Names { title: String::new(), names: names.iter().map(|n| (*n).to_owned()).collect() } } else { Colour::Single },
            legend: false,
            facet: None,
            total: rows.len(),
            layers: vec![Drawn { mark: Mark::Line, rows, lying: false }],
        }
    }

    #[test]
    fn a_board_says_what_colours_mean_once() {
        let names = ["train", "val"];
        let board = Board { title: "run brave-owl: running".into(), lines: vec!["lr = 0.1".into(), "x".repeat(400)], names: names.map(str::to_owned).to_vec(), charts: vec![chart(&names), chart(&["one"]), chart(&names)], columns: 2 };
        let spec = board.spec();
        assert_eq!(spec["concat"].as_array().map(Vec::len), Some(3));
        assert_eq!(spec["columns"], 2);
        assert_eq!(spec["concat"][0]["encoding"]["color"]["legend"]["orient"], "top");
        assert_eq!(spec["concat"][1]["encoding"]["color"], json!({ "value": "#4c78a8" }));
        assert_eq!(spec["resolve"]["scale"]["color"], "shared");
        assert_eq!(spec["title"]["subtitle"][1].as_str().map(|l| l.chars().count()), Some(LINE_CHARACTERS));
        let picture = board.draw().expect("a picture");
        let single = draw::figure(&chart(&names)).expect("a chart");
        assert!(picture.width() >= 2 * single.width() && picture.height() > 2 * single.height(), "{}x{}", picture.width(), picture.height());
    }

    #[test]
    fn a_board_without_charts_is_its_heading() {
        let board = Board { title: "run a: running".into(), lines: vec!["nothing was logged yet".into()], ..Board::default() };
        assert!(board.spec().get("concat").is_none());
        let picture = board.draw().expect("a picture");
        assert!(picture.height() < 120, "{}", picture.height());
    }
}
