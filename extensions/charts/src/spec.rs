//! A figure as a vega-lite v5 specification with its data inside.
use crate::draw::palette::{self, hex};
use crate::draw::{BAR_SHARE, UPRIGHT_WIDTH};
use crate::figure::{Axis, Colour, Drawn, Figure, Mark, Row};
use crate::scale::{Scale, iso};
use serde_json::{Map, Value, json};

pub(crate) const SCHEMA: &str = "https://vega.github.io/schema/vega-lite/v5.json";
// Fields of the data that are no columns of the frame.
const TOP: &str = "__top";
const BASE: &str = "__base";
const END: &str = "__end";
const COLOUR: &str = "__colour";
const PANEL: &str = "__panel";
const LAYER: &str = "__layer";

/// The specification. Domains and colours are written out, so that it shows what the PNG shows.
pub fn write(figure: &Figure) -> Value {
    let mut spec = Map::from_iter([("$schema".to_owned(), json!(SCHEMA))]);
    spec.extend(part(figure));
    spec.insert("config".into(), config());
    Value::Object(spec)
}

/// The same as a part of another specification.
pub(crate) fn part(figure: &Figure) -> Map<String, Value> {
    let mut spec = Map::new();
    if let Some(title) = title(figure) {
        spec.insert("title".into(), title);
    }
    spec.insert("data".into(), json!({ "values": values(figure) }));
    let (width, height) = figure.size;
    let mut view = Map::from_iter([("width".to_owned(), json!(width)), ("height".to_owned(), json!(height))]);
    match &figure.layers[..] {
        [only] if crate::draw::is_numbered(figure, only) => drop(view.insert("layer".into(), json!([layer(figure, only, None), numbers(figure)]))),
        [only] => view.extend(layer(figure, only, None)),
        layers => {
            let layers: Vec<Value> = layers.iter().enumerate().map(|(at, drawn)| Value::Object(layer(figure, drawn, Some(at)))).collect();
            view.insert("layer".into(), json!(layers));
        }
    }
    match &figure.facet {
        None => spec.extend(view),
        Some((name, names)) => {
            spec.insert("facet".into(), json!({ "field": PANEL, "type": "nominal", "title": null, "sort": names, "header": { "labelExpr": format!("{} + datum.label", json!(format!("{name}: "))) } }));
            spec.insert("columns".into(), json!(crate::draw::panel_columns(names.len())));
            spec.insert("spec".into(), Value::Object(view));
        }
    }
    spec
}

/// Looks that all charts have.
pub(crate) fn config() -> Value {
    json!({ "view": { "stroke": null }, "axis": { "gridColor": "#e6e8eb", "titleFontWeight": "normal" }, "legend": { "titleFontWeight": "normal" } })
}

fn title(figure: &Figure) -> Option<Value> {
    let note = figure.notes.join("; ");
    match (&figure.title, note.is_empty()) {
        (None, true) => None,
        (None, false) => Some(json!({ "text": note, "anchor": "start", "fontSize": 11, "fontWeight": "normal", "color": "#6b7078" })),
        (Some(title), true) => Some(json!({ "text": title, "anchor": "start" })),
        (Some(title), false) => Some(json!({ "text": title, "anchor": "start", "subtitle": note, "subtitleColor": "#6b7078" })),
    }
}

/// All rows of all layers; a layer filters its own where there are several.
fn values(figure: &Figure) -> Vec<Value> {
    let several = figure.layers.len() > 1;
    let of_layer = |(at, drawn)| {
        let drawn: &Drawn = drawn;
        drawn.rows.iter().map(move |row| value(figure, drawn, row, several.then_some(at)))
    };
    figure.layers.iter().enumerate().flat_map(of_layer).collect()
}

fn value(figure: &Figure, drawn: &Drawn, row: &Row, layer: Option<usize>) -> Value {
    let mut value = Map::new();
    let is_bar = matches!(drawn.mark, Mark::Bar | Mark::Histogram);
    // The length of a bar that stands on others is a part of its top.
    let (x, y) = match (is_bar, drawn.lying) {
        (false, _) => (row.x, row.y),
        (true, false) => (row.x, row.y - row.base),
        (true, true) => (row.x - row.base, row.y),
    };
    value.insert(figure.x.name.clone(), placed(&figure.x.scale, x));
    value.insert(figure.y.name.clone(), placed(&figure.y.scale, y));
    if is_bar {
        value.insert(TOP.into(), number(if drawn.lying { row.x } else { row.y }));
        value.insert(BASE.into(), number(row.base));
    }
    if drawn.mark == Mark::Histogram {
        value.insert(END.into(), placed(&figure.x.scale, row.end));
    }
    match &figure.colour {
        Colour::Single => {}
        Colour::Names { names, .. } => drop(value.insert(COLOUR.into(), json!(names.get(row.colour as usize)))),
        Colour::Number { .. } => drop(value.insert(COLOUR.into(), number(row.colour))),
    }
    if let Some((_, names)) = &figure.facet {
        value.insert(PANEL.into(), json!(names.get(row.panel)));
    }
    if let Some(layer) = layer {
        value.insert(LAYER.into(), json!(layer));
    }
    Value::Object(value)
}

fn placed(scale: &Scale, value: f64) -> Value {
    match scale {
        Scale::Number { .. } => number(value),
        Scale::Time { .. } => json!(iso(value)),
        Scale::Names(names) => json!(names.get(value as usize)),
    }
}

/// Whole numbers without a point, which is shorter.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

fn layer(figure: &Figure, drawn: &Drawn, at: Option<usize>) -> Map<String, Value> {
    let mut layer = Map::new();
    if let Some(at) = at {
        layer.insert("transform".into(), json!([{ "filter": format!("datum.{LAYER} === {at}") }]));
    }
    layer.insert("mark".into(), mark(figure, drawn));
    layer.insert("encoding".into(), Value::Object(encoding(figure, drawn)));
    layer
}

/// The numbers in the cells of a heat map.
fn numbers(figure: &Figure) -> Value {
    let encoding = json!({
        "x": axis(&figure.x, false, true),
        "y": axis(&figure.y, false, false),
        "text": { "field": COLOUR, "type": "quantitative" },
        "color": { "condition": { "test": format!("datum.{COLOUR} < {}", crate::draw::light_from(figure)), "value": "#ffffff" }, "value": "#30343a" },
    });
    json!({ "mark": { "type": "text", "fontSize": 10.5 }, "encoding": encoding })
}

fn mark(figure: &Figure, drawn: &Drawn) -> Value {
    match drawn.mark {
        Mark::Line => json!({ "type": "line", "strokeWidth": 2 }),
        Mark::Area => json!({ "type": "area", "opacity": 0.45, "line": { "strokeWidth": 1.5 } }),
        Mark::Point => {
            let radius = crate::draw::point_radius(drawn.rows.len());
            json!({ "type": "point", "filled": true, "opacity": 0.75, "size": (std::f64::consts::PI * radius * radius).round() })
        }
        Mark::Heatmap => json!({ "type": "rect" }),
        Mark::Histogram => json!({ "type": "bar", "binSpacing": 1 }),
        Mark::Bar => match crate::draw::bar_width(figure, drawn) {
            Some(width) => json!({ "type": "bar", "size": width }),
            None => json!({ "type": "bar" }),
        },
    }
}

fn encoding(figure: &Figure, drawn: &Drawn) -> Map<String, Value> {
    let mut encoding = Map::new();
    let banded = drawn.mark == Mark::Bar;
    let mut x = axis(&figure.x, banded, true);
    let mut y = axis(&figure.y, banded, false);
    if figure.x.scale.band().is_some_and(|band| crate::draw::is_upward(figure, band * figure.size.0)) {
        x["axis"] = json!({ "labelAngle": -90, "labelLimit": UPRIGHT_WIDTH, "labelOverlap": true });
    }
    if matches!(drawn.mark, Mark::Bar | Mark::Histogram) {
        let (length, from) = if drawn.lying { (&mut x, "x2") } else { (&mut y, "y2") };
        length["field"] = json!(TOP);
        length["stack"] = Value::Null;
        encoding.insert(from.into(), json!({ "field": BASE }));
    }
    if drawn.mark == Mark::Area {
        y["stack"] = Value::Null;
    }
    if drawn.mark == Mark::Histogram {
        x["bin"] = json!({ "binned": true });
        encoding.insert("x2".into(), json!({ "field": END }));
    }
    encoding.insert("x".into(), x);
    encoding.insert("y".into(), y);
    if let Some(mut colour) = colour(&figure.colour) {
        if !figure.legend {
            colour["legend"] = Value::Null;
        }
        encoding.insert("color".into(), colour);
    } else {
        encoding.insert("color".into(), json!({ "value": hex(palette::name(0)) }));
    }
    encoding.insert("tooltip".into(), tooltip(figure));
    encoding
}

fn axis(axis: &Axis, banded: bool, horizontal: bool) -> Value {
    let field = reference(&axis.name);
    match &axis.scale {
        Scale::Number { low, high } => {
            json!({ "field": field, "type": "quantitative", "title": axis.title, "scale": { "domain": [low, high], "nice": false, "zero": false } })
        }
        Scale::Time { .. } => json!({ "field": field, "type": "temporal", "title": axis.title }),
        Scale::Names(names) => {
            let mut channel = json!({ "field": field, "type": "nominal", "title": axis.title, "sort": names });
            channel["axis"] = if horizontal { json!({ "labelAngle": 0, "labelOverlap": true }) } else { json!({ "labelOverlap": true }) };
            if banded {
                channel["scale"] = json!({ "paddingInner": 1.0 - BAR_SHARE, "paddingOuter": (1.0 - BAR_SHARE) / 2.0 });
            }
            channel
        }
    }
}

fn colour(colour: &Colour) -> Option<Value> {
    match colour {
        Colour::Single => None,
        Colour::Names { title, names } => {
            let range: Vec<String> = (0..names.len()).map(|at| hex(palette::name(at))).collect();
            let title = if title.is_empty() { Value::Null } else { json!(title) };
            Some(json!({ "field": COLOUR, "type": "nominal", "title": title, "scale": { "domain": names, "range": range } }))
        }
        Colour::Number { title, low, high } => {
            Some(json!({ "field": COLOUR, "type": "quantitative", "title": title, "scale": { "scheme": "viridis", "domain": [low, high] } }))
        }
    }
}

fn tooltip(figure: &Figure) -> Value {
    let kind = |scale: &Scale| match scale {
        Scale::Number { .. } => "quantitative",
        Scale::Time { .. } => "temporal",
        Scale::Names(_) => "nominal",
    };
    let mut lines: Vec<Value> = [&figure.x, &figure.y].map(|axis| json!({ "field": reference(&axis.name), "type": kind(&axis.scale), "title": if axis.title.is_empty() { &axis.name } else { &axis.title } })).into();
    match &figure.colour {
        Colour::Names { title, .. } if !title.is_empty() => lines.push(json!({ "field": COLOUR, "type": "nominal", "title": title })),
        Colour::Number { title, .. } => lines.push(json!({ "field": COLOUR, "type": "quantitative", "title": title })),
        _ => {}
    }
    json!(lines)
}

/// A column's name as vega-lite's `field`, in which dots and brackets mean nesting.
fn reference(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '.' | '[' | ']' | '\\' | '\'' | '"') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
