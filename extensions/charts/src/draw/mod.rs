//! A figure as a picture. Sizes are CSS pixels; the picture has twice as many.
//!
//! ```text
//!          title, notes
//!   y title | labels | panel … panel | legend
//!                      labels
//!                      x title
//! ```
pub mod canvas;
mod legend;
mod marks;
pub mod palette;

use crate::DrawError;
use crate::figure::{Colour, Drawn, Figure};
use crate::scale::{Scale, Tick};
use canvas::{AXIS, Align, Canvas, FAINT, GRID, INK, Style, fit, text_width};
use image::DynamicImage;

/// Share of its band that a bar covers.
pub const BAR_SHARE: f64 = 0.8;
/// Longest label that runs upward below an axis.
pub const UPRIGHT_WIDTH: f64 = 110.0;
/// Longest label beside an axis.
const LABEL_WIDTH: f64 = 150.0;
const LABEL: f64 = 10.5;
const TITLE: f64 = 11.5;
const HEADING: f64 = 15.0;
const MARGIN: f64 = 10.0;
const TICK: f64 = 4.0;
const PANEL_GAP: f64 = 18.0;
const PANEL_HEAD: f64 = 20.0;
/// Distance between ticks that reads well.
const TICK_EVERY: (f64, f64) = (75.0, 45.0);

/// The place of one panel on the page.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Frame {
    pub fn x(&self, scale: &Scale, value: f64) -> f64 {
        self.left + self.width * scale.place(value)
    }

    /// Numbers grow upward; names stand in their order from the top.
    pub fn y(&self, scale: &Scale, value: f64) -> f64 {
        let place = scale.place(value);
        self.top + self.height * if scale.band().is_some() { place } else { 1.0 - place }
    }

    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }

    pub fn right(&self) -> f64 {
        self.left + self.width
    }
}

/// Panels in a row.
pub fn panel_columns(panels: usize) -> usize {
    match panels {
        0..=3 => panels.max(1),
        4 => 2,
        5..=9 => 3,
        _ => 4,
    }
}

/// Radius of a point: smaller where there are many.
pub fn point_radius(rows: usize) -> f64 {
    match rows {
        0..=300 => 3.2,
        301..=1_500 => 2.4,
        _ => 1.8,
    }
}

/// Width of bars that stand on numbers or times, where no band gives it.
pub fn bar_width(figure: &Figure, drawn: &Drawn) -> Option<f64> {
    let (axis, length) = if drawn.lying { (&figure.y, figure.size.1) } else { (&figure.x, figure.size.0) };
    if axis.scale.band().is_some() {
        return None;
    }
    let mut places: Vec<f64> = drawn.rows.iter().map(|row| axis.scale.place(if drawn.lying { row.y } else { row.x }) * length).collect();
    places.sort_unstable_by(f64::total_cmp);
    let nearest = places.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 1e-6).fold(f64::INFINITY, f64::min);
    Some(((nearest * BAR_SHARE).clamp(1.0, 40.0) * 100.0).round() / 100.0)
}

/// Whether names below an axis run upward, because they do not fit side by side.
pub fn is_upward(figure: &Figure, band: f64) -> bool {
    match &figure.x.scale {
        Scale::Names(names) => names.iter().any(|name| text_width(name, LABEL) > band - 4.0),
        _ => false,
    }
}

/// Smallest cell of a heat map that a number is written in.
const NUMBERED: (f64, f64) = (20.0, 13.0);

/// Whether a heat map's cells say their numbers: whole ones (counts), where there is room for them.
pub fn is_numbered(figure: &Figure, drawn: &Drawn) -> bool {
    let bands = (figure.x.scale.band().unwrap_or(0.0) * figure.size.0, figure.y.scale.band().unwrap_or(0.0) * figure.size.1);
    let fits = |row: &crate::figure::Row| row.colour.fract() == 0.0 && text_width(&format!("{}", row.colour), LABEL) + 4.0 <= bands.0;
    let counted = drawn.mark == crate::figure::Mark::Heatmap && matches!(figure.colour, Colour::Number { .. }) && figure.facet.is_none();
    counted && bands.0 >= NUMBERED.0 && bands.1 >= NUMBERED.1 && drawn.rows.iter().all(fits)
}

/// The value from which on a heat map's colours are light, so that what is written on them is dark.
pub fn light_from(figure: &Figure) -> f64 {
    match &figure.colour {
        Colour::Number { low, high, .. } => low + (high - low) * 0.6,
        _ => f64::INFINITY,
    }
}

/// Draws the figure.
pub fn figure(figure: &Figure) -> Result<DynamicImage, DrawError> {
    let layout = Layout::of(figure);
    let mut canvas = Canvas::new(layout.width, layout.height);
    heading(&mut canvas, figure, layout.inner_width);
    for (panel, frame) in layout.panels.iter().enumerate() {
        let below = panel + layout.columns >= layout.panels.len();
        let beside = panel % layout.columns == 0;
        grid(&mut canvas, figure, frame);
        for drawn in &figure.layers {
            marks::draw(&mut canvas, figure, drawn, panel, frame);
        }
        axis_x(&mut canvas, figure, frame, below.then_some(&layout));
        axis_y(&mut canvas, figure, frame, beside);
        if let Some((facet, names)) = &figure.facet {
            let name = fit(&format!("{facet}: {}", names[panel]), TITLE, frame.width);
            canvas.text(&name, (frame.left + frame.width / 2.0, frame.top - 7.0), Style::new(TITLE, Align::Centre, INK));
        }
    }
    axis_titles(&mut canvas, figure, &layout);
    if let (Some(last), false) = (layout.panels.first(), matches!(figure.colour, Colour::Single) || !figure.legend) {
        legend::draw(&mut canvas, figure, (layout.legend_left, last.top));
    }
    canvas.finish()
}

/// Where everything stands.
struct Layout {
    width: f64,
    height: f64,
    /// Width of the page without its margins.
    inner_width: f64,
    columns: usize,
    panels: Vec<Frame>,
    legend_left: f64,
    upward: bool,
    /// Height of the labels below the lowest panels.
    below: f64,
}

impl Layout {
    fn of(figure: &Figure) -> Self {
        let (width, height) = figure.size;
        let count = figure.facet.as_ref().map_or(1, |(_, names)| names.len().max(1));
        let columns = panel_columns(count);
        let rows = count.div_ceil(columns);
        let upward = figure.x.scale.band().is_some_and(|band| is_upward(figure, band * width));
        let below = TICK + 4.0 + if upward { widest(&figure.x.scale.ticks(1), UPRIGHT_WIDTH) } else { LABEL };
        let labels = widest(&figure.y.scale.ticks((height / TICK_EVERY.1) as usize), LABEL_WIDTH);
        let left = MARGIN + TITLE + 10.0 + labels + TICK + 4.0;
        let head = if figure.facet.is_some() { PANEL_HEAD } else { 0.0 };
        let top = MARGIN + heading_height(figure) + head;
        let place = |panel: usize| Frame {
            left: left + (width + PANEL_GAP) * (panel % columns) as f64,
            top: top + (height + PANEL_GAP + head) * (panel / columns) as f64,
            width,
            height,
        };
        let legend_left = left + (width + PANEL_GAP) * columns as f64;
        let legend = legend::width(figure);
        // Half of the last label may stand out on the right.
        let page = if legend > 0.0 { legend_left + legend + MARGIN } else { legend_left - PANEL_GAP + 26.0 };
        let bottom = top + (height + PANEL_GAP + head) * rows as f64 - PANEL_GAP - head;
        let tall = (bottom + below + TITLE + 14.0 + MARGIN).max(top + legend::height(figure) + MARGIN);
        Self { width: page, height: tall, inner_width: page - 2.0 * MARGIN, columns, panels: (0..count).map(place).collect(), legend_left, upward, below }
    }
}

fn widest(ticks: &[Tick], limit: f64) -> f64 {
    ticks.iter().map(|tick| text_width(&tick.label, LABEL)).fold(0.0, f64::max).min(limit)
}

fn heading_height(figure: &Figure) -> f64 {
    let title = if figure.title.is_some() { HEADING + 8.0 } else { 0.0 };
    let notes = if figure.notes.is_empty() { 0.0 } else { TITLE + 6.0 };
    title + notes + 4.0
}

fn heading(canvas: &mut Canvas, figure: &Figure, width: f64) {
    let mut y = MARGIN;
    if let Some(title) = &figure.title {
        y += HEADING;
        canvas.text(&fit(title, HEADING, width), (MARGIN, y - 1.0), Style::new(HEADING, Align::Left, INK).bold());
        y += 8.0;
    }
    if !figure.notes.is_empty() {
        canvas.text(&fit(&figure.notes.join("; "), TITLE, width), (MARGIN, y + TITLE - 2.0), Style::new(TITLE, Align::Left, FAINT));
    }
}

fn tick_counts(frame: &Frame) -> (usize, usize) {
    ((frame.width / TICK_EVERY.0).max(2.0) as usize, (frame.height / TICK_EVERY.1).max(2.0) as usize)
}

fn grid(canvas: &mut Canvas, figure: &Figure, frame: &Frame) {
    let (across, up) = tick_counts(frame);
    if figure.x.scale.band().is_none() {
        for tick in figure.x.scale.ticks(across) {
            let x = frame.x(&figure.x.scale, tick.value);
            canvas.rule((x, frame.top), (x, frame.bottom()), GRID);
        }
    }
    if figure.y.scale.band().is_none() {
        for tick in figure.y.scale.ticks(up) {
            let y = frame.y(&figure.y.scale, tick.value);
            canvas.rule((frame.left, y), (frame.right(), y), GRID);
        }
    }
}

/// The line below a panel, with labels where `layout` is given.
fn axis_x(canvas: &mut Canvas, figure: &Figure, frame: &Frame, layout: Option<&Layout>) {
    canvas.rule((frame.left, frame.bottom()), (frame.right(), frame.bottom()), AXIS);
    let Some(layout) = layout else { return };
    let mut free = f64::NEG_INFINITY;
    for tick in figure.x.scale.ticks(tick_counts(frame).0) {
        let x = frame.x(&figure.x.scale, tick.value);
        let half = if layout.upward { LABEL / 2.0 } else { text_width(&tick.label, LABEL) / 2.0 };
        // A label that would touch its neighbour is left out.
        if x - half < free {
            continue;
        }
        free = x + half + if layout.upward { 1.0 } else { 4.0 };
        canvas.rule((x, frame.bottom()), (x, frame.bottom() + TICK), AXIS);
        let (place, style) = if layout.upward {
            ((x + LABEL * 0.35, frame.bottom() + TICK + 3.0), Style::new(LABEL, Align::Right, INK).upward())
        } else {
            ((x, frame.bottom() + TICK + 3.0 + LABEL), Style::new(LABEL, Align::Centre, INK))
        };
        canvas.text(&fit(&tick.label, LABEL, if layout.upward { UPRIGHT_WIDTH } else { f64::INFINITY }), place, style);
    }
}

fn axis_y(canvas: &mut Canvas, figure: &Figure, frame: &Frame, labels: bool) {
    let axis = frame.left;
    canvas.rule((axis, frame.top), (axis, frame.bottom()), AXIS);
    if !labels {
        return;
    }
    let banded = figure.y.scale.band().is_some();
    let mut ticks = figure.y.scale.ticks(tick_counts(frame).1);
    if !banded {
        ticks.reverse();
    }
    let mut free = f64::NEG_INFINITY;
    for tick in ticks {
        let y = frame.y(&figure.y.scale, tick.value);
        if y - LABEL / 2.0 < free {
            continue;
        }
        free = y + LABEL / 2.0 + 1.0;
        canvas.rule((axis - TICK, y), (axis, y), AXIS);
        canvas.text(&fit(&tick.label, LABEL, LABEL_WIDTH), (axis - TICK - 3.0, y + LABEL * 0.35), Style::new(LABEL, Align::Right, INK));
    }
}

fn axis_titles(canvas: &mut Canvas, figure: &Figure, layout: &Layout) {
    let (Some(first), Some(last)) = (layout.panels.first(), layout.panels.last()) else { return };
    let right = layout.panels.iter().map(Frame::right).fold(0.0, f64::max);
    let centre = ((first.left + right) / 2.0, (first.top + last.bottom()) / 2.0);
    let below = last.bottom() + layout.below + TITLE + 8.0;
    canvas.text(&fit(&figure.x.title, TITLE, right - first.left), (centre.0, below), Style::new(TITLE, Align::Centre, INK));
    if figure.y.title.is_empty() {
        return;
    }
    let title = fit(&figure.y.title, TITLE, last.bottom() - first.top);
    canvas.text(&title, (MARGIN + TITLE, centre.1), Style::new(TITLE, Align::Centre, INK).upward());
}

/// The colour of a row.
fn colour_of(figure: &Figure, value: f64) -> canvas::Rgb {
    match &figure.colour {
        Colour::Single => palette::name(0),
        Colour::Names { .. } => palette::name(value as usize),
        Colour::Number { low, high, .. } if high > low => palette::ramp((value - low) / (high - low)),
        Colour::Number { .. } => palette::ramp(0.5),
    }
}
