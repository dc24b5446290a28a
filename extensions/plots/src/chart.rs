//! What is asked for: `ochre::plot(&df).line("x", "y").color("c")`. Nothing is looked at before the chart is shown.
use crate::draft::Draft;
use crate::{PlotError, Plots, picture};
use ochre_charts::figure::{Figure, Mark};
use ochre_charts::{draw, encode, spec};
use ochre_runtime::{Data, Mime, Show};
use polars::prelude::DataFrame;

/// Size of the area inside the axes, in CSS pixels.
const SIZE: (f64, f64) = (480.0, 300.0);
/// Size of one of several panels.
const PANEL: (f64, f64) = (220.0, 160.0);
/// Smallest and largest side that is drawn.
const SIDES: (f64, f64) = (20.0, 4_000.0);

/// One mark with its columns.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub mark: Mark,
    pub x: String,
    pub y: String,
}

/// A chart of a frame. Made by [`plot`], shown as vega-lite and PNG.
#[derive(Clone)]
pub struct Chart {
    pub(crate) frame: DataFrame,
    pub(crate) layers: Vec<Layer>,
    pub(crate) color: Option<String>,
    pub(crate) facet: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) axis_titles: [Option<String>; 2],
    pub(crate) bins: Option<usize>,
    width: Option<f64>,
    height: Option<f64>,
}

/// Begins a chart of a frame. The frame's columns are shared, not copied.
pub fn plot(frame: &DataFrame) -> Chart {
    Chart {
        frame: frame.clone(),
        layers: Vec::new(),
        color: None,
        facet: None,
        title: None,
        axis_titles: [None, None],
        bins: None,
        width: None,
        height: None,
    }
}

impl Chart {
    fn layer(mut self, mark: Mark, x: &str, y: &str) -> Self {
        self.layers.push(Layer { mark, x: x.to_owned(), y: y.to_owned() });
        self
    }

    /// A line through the rows in the order of `x`.
    pub fn line(self, x: &str, y: &str) -> Self {
        self.layer(Mark::Line, x, y)
    }

    /// A bar for each `x`, as long as the sum of its `y`; lying bars when `y` holds the names.
    pub fn bar(self, x: &str, y: &str) -> Self {
        self.layer(Mark::Bar, x, y)
    }

    /// A point for each row.
    pub fn point(self, x: &str, y: &str) -> Self {
        self.layer(Mark::Point, x, y)
    }

    /// The area between zero and a line.
    pub fn area(self, x: &str, y: &str) -> Self {
        self.layer(Mark::Area, x, y)
    }

    /// How many rows fall into each interval of `x` (or have each name).
    pub fn hist(self, x: &str) -> Self {
        self.layer(Mark::Histogram, x, x)
    }

    /// A cell for each pair of `x` and `y`, coloured by the mean of `value`.
    pub fn heatmap(self, x: &str, y: &str, value: &str) -> Self {
        self.layer(Mark::Heatmap, x, y).color(value)
    }

    /// Colours by a column: one colour for each name, or a scale over numbers.
    pub fn color(mut self, column: &str) -> Self {
        self.color = Some(column.to_owned());
        self
    }

    /// One panel for each value of a column.
    pub fn facet(mut self, column: &str) -> Self {
        self.facet = Some(column.to_owned());
        self
    }

    /// A title above the chart.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// A title of the horizontal axis in place of the column's name.
    pub fn x_title(mut self, title: impl Into<String>) -> Self {
        self.axis_titles[0] = Some(title.into());
        self
    }

    /// A title of the vertical axis in place of the column's name.
    pub fn y_title(mut self, title: impl Into<String>) -> Self {
        self.axis_titles[1] = Some(title.into());
        self
    }

    /// About how many intervals a histogram has.
    pub fn bins(mut self, bins: usize) -> Self {
        self.bins = Some(bins);
        self
    }

    /// Width inside the axes (of each panel), in CSS pixels.
    pub fn width(mut self, pixels: impl Into<f64>) -> Self {
        self.width = Some(pixels.into());
        self
    }

    /// Height inside the axes (of each panel), in CSS pixels.
    pub fn height(mut self, pixels: impl Into<f64>) -> Self {
        self.height = Some(pixels.into());
        self
    }

    /// The vega-lite specification as JSON text; for a chart that cannot be drawn, `{"error": "…"}`.
    pub fn spec(&self) -> String {
        self.try_spec().unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string())
    }

    /// The vega-lite specification as JSON text.
    pub fn try_spec(&self) -> Result<String, PlotError> {
        Ok(spec::write(&self.figure()?).to_string())
    }

    /// The chart as the bytes of a PNG file.
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        Ok(encode(&draw::figure(&self.figure()?)?)?)
    }

    /// Size inside the axes of each panel.
    pub(crate) fn size(&self) -> (f64, f64) {
        let natural = if self.facet.is_some() { PANEL } else { SIZE };
        (self.width.unwrap_or(natural.0).clamp(SIDES.0, SIDES.1), self.height.unwrap_or(natural.1).clamp(SIDES.0, SIDES.1))
    }

    /// With this size where it has none of its own.
    pub(crate) fn or_size(mut self, (width, height): (f64, f64)) -> Self {
        self.width = self.width.or(Some(width));
        self.height = self.height.or(Some(height));
        self
    }

    /// Looks at the frame and decides all that was left open.
    pub(crate) fn figure(&self) -> Result<Figure, PlotError> {
        Draft::of(self)?.decide()
    }

    fn bundle(&self) -> Result<Mime, PlotError> {
        let figure = self.figure()?;
        let picture = draw::figure(&figure)?;
        let (width, height) = (picture.width() / draw::canvas::SCALE, picture.height() / draw::canvas::SCALE);
        let mut mime = Mime::new()
            .with("application/vnd.vegalite.v5+json", Data::Json(spec::write(&figure).to_string()))
            .with("image/png", Data::Bytes(encode(&picture)?))
            .with_text("text/plain", figure.summary());
        mime.metadata = Some(format!("{{\"image/png\":{{\"width\":{width},\"height\":{height}}}}}"));
        Ok(mime)
    }
}

impl Show<Plots> for Chart {
    /// The chart, or in red the sentence that says why there is none.
    fn show(&self) -> Mime {
        self.bundle().unwrap_or_else(|error| picture::failure(&error))
    }
}
