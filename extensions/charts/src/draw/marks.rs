//! The marks of one layer in one panel.
use super::canvas::{Align, Canvas, INK, Rgb, Style};
use super::{BAR_SHARE, Frame, LABEL, bar_width, colour_of, point_radius};
use crate::figure::{Drawn, Figure, Mark, Row};

/// Draws the rows of a panel.
pub fn draw(canvas: &mut Canvas, figure: &Figure, drawn: &Drawn, panel: usize, frame: &Frame) {
    let rows: Vec<&Row> = drawn.rows.iter().filter(|row| row.panel == panel).collect();
    match drawn.mark {
        Mark::Point => points(canvas, figure, &rows, drawn.rows.len(), frame),
        Mark::Line => series(&rows).iter().for_each(|rows| line(canvas, figure, rows, frame, 2.0)),
        Mark::Area => series(&rows).iter().for_each(|rows| area(canvas, figure, rows, frame)),
        Mark::Bar if drawn.lying => rows.iter().for_each(|row| lying_bar(canvas, figure, drawn, row, frame)),
        Mark::Bar => rows.iter().for_each(|row| bar(canvas, figure, drawn, row, frame)),
        Mark::Histogram => rows.iter().for_each(|row| interval(canvas, figure, row, frame)),
        Mark::Heatmap => {
            rows.iter().for_each(|row| cell(canvas, figure, row, frame));
            if super::is_numbered(figure, drawn) {
                rows.iter().for_each(|row| number(canvas, figure, row, frame));
            }
        }
    }
}

/// Rows of the same colour, which follow each other in a reduced line.
fn series<'r>(rows: &[&'r Row]) -> Vec<Vec<&'r Row>> {
    let mut series: Vec<Vec<&Row>> = Vec::new();
    for row in rows {
        match series.last_mut() {
            Some(last) if last[0].colour == row.colour => last.push(row),
            _ => series.push(vec![row]),
        }
    }
    series
}

fn place(figure: &Figure, row: &Row, frame: &Frame) -> (f64, f64) {
    (frame.x(&figure.x.scale, row.x), frame.y(&figure.y.scale, row.y))
}

fn points(canvas: &mut Canvas, figure: &Figure, rows: &[&Row], total: usize, frame: &Frame) {
    for row in rows {
        canvas.disc(place(figure, row, frame), point_radius(total), colour_of(figure, row.colour), 0.75);
    }
}

fn line(canvas: &mut Canvas, figure: &Figure, rows: &[&Row], frame: &Frame, width: f64) {
    let path: Vec<(f64, f64)> = rows.iter().map(|row| place(figure, row, frame)).collect();
    canvas.polyline(&path, colour_of(figure, rows[0].colour), width);
}

fn area(canvas: &mut Canvas, figure: &Figure, rows: &[&Row], frame: &Frame) {
    let zero = frame.y(&figure.y.scale, 0.0);
    let colour = colour_of(figure, rows[0].colour);
    // Piece by piece: plotters fills polygons that cross themselves with holes.
    for pair in rows.windows(2) {
        let [(x0, y0), (x1, y1)] = [place(figure, pair[0], frame), place(figure, pair[1], frame)];
        slice(canvas, (x0, y0), (x1, y1), zero, colour);
    }
    line(canvas, figure, rows, frame, 1.5);
}

/// The part of an area between two points, in columns of device pixels that do not overlap.
fn slice(canvas: &mut Canvas, (x0, y0): (f64, f64), (x1, y1): (f64, f64), zero: f64, colour: Rgb) {
    const COLUMN: f64 = 0.25;
    let first = (x0 / COLUMN).round() as i64;
    let last = (x1 / COLUMN).round() as i64;
    for column in first..last {
        let share = if last > first { (column - first) as f64 / (last - first) as f64 } else { 0.0 };
        let left = column as f64 * COLUMN;
        canvas.rect([left, left + COLUMN], [y0 + (y1 - y0) * share, zero], colour, 0.45);
    }
}

fn bar(canvas: &mut Canvas, figure: &Figure, drawn: &Drawn, row: &Row, frame: &Frame) {
    let width = bar_width(figure, drawn).unwrap_or_else(|| frame.width * figure.x.scale.band().unwrap_or(0.0) * BAR_SHARE);
    let centre = frame.x(&figure.x.scale, row.x);
    let ends = [frame.y(&figure.y.scale, row.base), frame.y(&figure.y.scale, row.y)];
    canvas.rect([centre - width / 2.0, centre + width / 2.0], ends, colour_of(figure, row.colour), 1.0);
}

fn lying_bar(canvas: &mut Canvas, figure: &Figure, drawn: &Drawn, row: &Row, frame: &Frame) {
    let width = bar_width(figure, drawn).unwrap_or_else(|| frame.height * figure.y.scale.band().unwrap_or(0.0) * BAR_SHARE);
    let centre = frame.y(&figure.y.scale, row.y);
    let ends = [frame.x(&figure.x.scale, row.base), frame.x(&figure.x.scale, row.x)];
    canvas.rect(ends, [centre - width / 2.0, centre + width / 2.0], colour_of(figure, row.colour), 1.0);
}

fn interval(canvas: &mut Canvas, figure: &Figure, row: &Row, frame: &Frame) {
    let (from, to) = (frame.x(&figure.x.scale, row.x), frame.x(&figure.x.scale, row.end));
    let gap = if to - from > 4.0 { 0.5 } else { 0.0 };
    let ends = [frame.y(&figure.y.scale, row.base), frame.y(&figure.y.scale, row.y)];
    canvas.rect([from + gap, to - gap], ends, colour_of(figure, row.colour), 1.0);
}

/// What a cell stands for, in its middle.
fn number(canvas: &mut Canvas, figure: &Figure, row: &Row, frame: &Frame) {
    let (x, y) = place(figure, row, frame);
    let ink = if row.colour < super::light_from(figure) { Rgb(0xff, 0xff, 0xff) } else { INK };
    canvas.text(&format!("{}", row.colour), (x, y + LABEL * 0.35), Style::new(LABEL, Align::Centre, ink));
}

fn cell(canvas: &mut Canvas, figure: &Figure, row: &Row, frame: &Frame) {
    let (x, y) = place(figure, row, frame);
    let half_width = frame.width * figure.x.scale.band().unwrap_or(0.0) / 2.0;
    let half_height = frame.height * figure.y.scale.band().unwrap_or(0.0) / 2.0;
    canvas.rect([x - half_width, x + half_width], [y - half_height, y + half_height], colour_of(figure, row.colour), 1.0);
}
