//! What the colours mean, on the right of the panels.
use super::canvas::{Align, Canvas, FAINT, INK, Style, fit, text_width};
use super::{LABEL, TITLE, palette};
use crate::figure::{Colour, Figure};
use crate::scale::Scale;

/// Names that have a line of their own; the rest is counted.
const LINES: usize = 20;
const LINE: f64 = 17.0;
const WIDEST: f64 = 160.0;
const SWATCH: f64 = 10.0;
/// Width and height of the ramp of numbers.
const RAMP: (f64, f64) = (14.0, 140.0);

/// Space that the legend needs beside the panels; none for a chart of one colour.
pub fn width(figure: &Figure) -> f64 {
    if !figure.legend {
        return 0.0;
    }
    let (title, labels) = match &figure.colour {
        Colour::Single => return 0.0,
        Colour::Names { title, names } => (title, names.iter().take(LINES).map(|name| SWATCH + 6.0 + text_width(name, LABEL)).fold(0.0, f64::max)),
        Colour::Number { title, low, high } => (title, RAMP.0 + 10.0 + ramp_ticks(*low, *high).iter().map(|(_, label)| text_width(label, LABEL)).fold(0.0, f64::max)),
    };
    labels.max(text_width(title, TITLE)).min(WIDEST)
}

/// Height of the legend.
pub fn height(figure: &Figure) -> f64 {
    match &figure.colour {
        _ if !figure.legend => 0.0,
        Colour::Single => 0.0,
        Colour::Names { names, .. } => LINE * (names.len().min(LINES + 1) + 1) as f64,
        Colour::Number { .. } => RAMP.1 + LINE + 8.0,
    }
}

/// Draws the legend at its upper left corner.
pub fn draw(canvas: &mut Canvas, figure: &Figure, (left, top): (f64, f64)) {
    let (Colour::Names { title, .. } | Colour::Number { title, .. }) = &figure.colour else { return };
    let mut y = top;
    if !title.is_empty() {
        canvas.text(&fit(title, TITLE, WIDEST), (left, y + TITLE - 1.0), Style::new(TITLE, Align::Left, INK));
        y += LINE + 2.0;
    }
    match &figure.colour {
        Colour::Names { names, .. } => lines(canvas, names, (left, y)),
        Colour::Number { low, high, .. } => ramp(canvas, *low, *high, (left, y)),
        Colour::Single => {}
    }
}

fn lines(canvas: &mut Canvas, names: &[String], (left, top): (f64, f64)) {
    for (at, name) in names.iter().take(LINES).enumerate() {
        let y = top + LINE * at as f64;
        canvas.rect([left, left + SWATCH], [y, y + SWATCH], palette::name(at), 1.0);
        canvas.text(&fit(name, LABEL, WIDEST - SWATCH - 6.0), (left + SWATCH + 6.0, y + SWATCH - 1.0), Style::new(LABEL, Align::Left, INK));
    }
    if names.len() > LINES {
        let more = format!("… {} more", names.len() - LINES);
        canvas.text(&more, (left, top + LINE * LINES as f64 + SWATCH - 1.0), Style::new(LABEL, Align::Left, FAINT));
    }
}

fn ramp(canvas: &mut Canvas, low: f64, high: f64, (left, top): (f64, f64)) {
    let steps = RAMP.1 as usize * 2;
    for step in 0..steps {
        let from = top + RAMP.1 * step as f64 / steps as f64;
        let colour = palette::ramp(1.0 - step as f64 / (steps - 1) as f64);
        canvas.rect([left, left + RAMP.0], [from, from + RAMP.1 / steps as f64], colour, 1.0);
    }
    for (share, label) in ramp_ticks(low, high) {
        let y = top + RAMP.1 * (1.0 - share);
        canvas.rule((left + RAMP.0, y), (left + RAMP.0 + 3.0, y), FAINT);
        canvas.text(&label, (left + RAMP.0 + 7.0, y + LABEL * 0.35), Style::new(LABEL, Align::Left, INK));
    }
}

/// Round values along the ramp, as shares of it.
fn ramp_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    if low >= high {
        return vec![(0.5, crate::scale::number_label(low, low.abs().max(1.0) / 100.0))];
    }
    let scale = Scale::Number { low, high };
    scale.ticks(5).into_iter().map(|tick| (scale.place(tick.value), tick.label)).collect()
}
