//! Heat maps of counts say their numbers in both forms of the chart, where there is room for them.
use ochre_charts::figure::{Axis, Colour, Drawn, Figure, Mark, Row};
use ochre_charts::scale::Scale;
use ochre_charts::{draw, spec};

/// `side` by `side` cells whose value is their number, and a bit more.
fn heat_map(side: usize, more: f64) -> Figure {
    let rows: Vec<Row> = (0..side * side).map(|i| Row { x: (i % side) as f64, y: (i / side) as f64, colour: i as f64 + more, ..Row::default() }).collect();
    let names = || Scale::Names((0..side).map(|i| i.to_string()).collect());
    let axis = |name: &str| Axis { name: name.into(), title: name.into(), scale: names() };
    Figure {
        title: None,
        notes: Vec::new(),
        size: (480.0, 300.0),
        x: axis("said"),
        y: axis("true"),
        colour: Colour::Number { title: "samples".into(), low: more, high: (side * side - 1) as f64 + more },
        legend: true,
        facet: None,
        total: rows.len(),
        layers: vec![Drawn { mark: Mark::Heatmap, rows, lying: false }],
    }
}

#[test]
fn counts_are_written_where_they_fit() {
    for (side, more, numbered) in [(10, 0.0, true), (3, 0.0, true), (10, 0.5, false), (30, 0.0, false), (10, 1e9, false)] {
        let figure = heat_map(side, more);
        assert_eq!(draw::is_numbered(&figure, &figure.layers[0]), numbered, "{side} cells of {more}");
        let written = spec::write(&figure);
        assert_eq!(written["layer"][1]["mark"]["type"] == "text", numbered, "{written}");
        assert!(written["layer"][0]["mark"]["type"] == "rect" || written["mark"]["type"] == "rect", "{written}");
    }
}

#[test]
fn the_picture_has_light_numbers_on_dark_cells_and_dark_ones_on_light() -> Result<(), ochre_charts::DrawError> {
    let figure = heat_map(3, 0.0);
    let picture = draw::figure(&figure)?.into_rgb8();
    let white = picture.enumerate_pixels().filter(|(x, _, pixel)| pixel.0 == [255; 3] && (150..400).contains(x)).count();
    let plain = draw::figure(&heat_map(3, 0.5))?.into_rgb8();
    let white_without = plain.enumerate_pixels().filter(|(x, _, pixel)| pixel.0 == [255; 3] && (150..400).contains(x)).count();
    assert!(white > white_without, "{white} and {white_without}");
    assert_eq!((draw::light_from(&figure) * 10.0).round(), 48.0);
    Ok(())
}
