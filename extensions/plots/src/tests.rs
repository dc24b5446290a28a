//! Charts from the call to the specification and the picture.
use crate::{Chart, plot};
use ochre_runtime::{Data, Show};
use polars::prelude::*;
use serde_json::{Value, json};

fn flowers() -> DataFrame {
    df!(
        "species" => ["setosa", "virginica", "setosa"],
        "petal.length" => [1.5, 5.0, 2.5],
        "n" => [1i64, 2, 3]
    )
    .expect("equal lengths")
}

fn spec(chart: &Chart) -> Value {
    serde_json::from_str(&chart.try_spec().expect("a chart")).expect("JSON")
}

fn values(spec: &Value) -> &Vec<Value> {
    spec["data"]["values"].as_array().expect("data inside")
}

#[test]
fn a_bar_chart_is_written_whole() {
    let expected = json!({
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": { "text": "Flowers", "anchor": "start" },
        "data": { "values": [
            { "species": "setosa", "n": 4, "__top": 4, "__base": 0 },
            { "species": "virginica", "n": 2, "__top": 2, "__base": 0 },
        ] },
        "width": 480.0,
        "height": 300.0,
        "mark": { "type": "bar" },
        "encoding": {
            "y2": { "field": "__base" },
            "x": { "field": "species", "type": "nominal", "title": "species", "sort": ["setosa", "virginica"],
                   "axis": { "labelAngle": 0, "labelOverlap": true }, "scale": { "paddingInner": 1.0 - 0.8, "paddingOuter": (1.0 - 0.8) / 2.0 } },
            "y": { "field": "__top", "type": "quantitative", "title": "n", "scale": { "domain": [0.0, 4.0], "nice": false, "zero": false }, "stack": null },
            "color": { "value": "#4c78a8" },
            "tooltip": [ { "field": "species", "type": "nominal", "title": "species" }, { "field": "n", "type": "quantitative", "title": "n" } ],
        },
        "config": { "view": { "stroke": null }, "axis": { "gridColor": "#e6e8eb", "titleFontWeight": "normal" }, "legend": { "titleFontWeight": "normal" } },
    });
    assert_eq!(spec(&plot(&flowers()).bar("species", "n").title("Flowers")), expected);
}

#[test]
fn names_with_dots_are_escaped_where_they_would_mean_nesting() {
    let spec = spec(&plot(&flowers()).point("petal.length", "n").color("species"));
    assert_eq!(spec["encoding"]["x"]["field"], "petal\\.length");
    assert_eq!(values(&spec)[0], json!({ "petal.length": 1.5, "n": 1, "__colour": "setosa" }));
    assert_eq!(spec["encoding"]["color"]["scale"], json!({ "domain": ["setosa", "virginica"], "range": ["#4c78a8", "#f58518"] }));
}

#[test]
fn large_frames_are_reduced_and_say_so() {
    let rows = 200_000;
    let frame = df!("x" => (0..rows).collect::<Vec<i32>>(), "y" => (0..rows).map(|n| n % 1_000).collect::<Vec<i32>>()).expect("equal lengths");
    let points = spec(&plot(&frame).point("x", "y"));
    assert_eq!(values(&points).len(), 5_000);
    assert_eq!(points["title"]["text"], "5,000 of 200,000 rows, taken evenly");
    let line = spec(&plot(&frame).line("x", "y").title("Saw"));
    assert!(values(&line).len() <= 5_000);
    assert!(line["title"]["subtitle"].as_str().is_some_and(|note| note.ends_with("of 200,000 rows: the extremes of each interval")), "{}", line["title"]);
    let bins = spec(&plot(&frame).hist("y"));
    let counts: Vec<i64> = values(&bins).iter().filter_map(|bin| bin["count"].as_i64()).collect();
    assert!(counts.len() < 100 && counts.iter().sum::<i64>() == i64::from(rows), "{counts:?}");
    let summed = spec(&plot(&frame).bar("x", "y"));
    assert!(values(&summed).len() <= 1_000 && summed["title"]["text"].as_str().is_some_and(|note| note.contains("bars summed over")), "{}", summed["title"]);
}

#[test]
fn missing_values_are_left_out_and_counted() {
    let frame = df!("x" => [Some(1), None, Some(3)], "y" => [1.0, 2.0, f64::NAN]).expect("equal lengths");
    let spec = spec(&plot(&frame).point("x", "y"));
    assert_eq!((values(&spec).len(), &spec["title"]["text"]), (1, &json!("2 rows without a value left out")));
}

#[test]
fn layers_share_axes_and_get_a_colour_each() {
    let spec = spec(&plot(&flowers()).line("n", "petal.length").point("n", "n"));
    assert_eq!(spec["layer"].as_array().map(Vec::len), Some(2));
    assert_eq!(spec["layer"][1]["transform"], json!([{ "filter": "datum.__layer === 1" }]));
    assert_eq!(spec["layer"][0]["encoding"]["color"]["scale"]["domain"], json!(["petal.length", "n"]));
}

#[test]
fn panels_stand_in_the_order_of_their_names() {
    let spec = spec(&plot(&flowers()).point("n", "petal.length").facet("species"));
    assert_eq!(spec["facet"]["sort"], json!(["setosa", "virginica"]));
    assert_eq!((&spec["columns"], &spec["spec"]["mark"]["type"]), (&json!(2), &json!("point")));
}

#[test]
fn dates_are_moments_of_the_readers_zone() {
    let days = Column::new("day".into(), [0i32, 31]).cast(&DataType::Date).expect("days");
    let frame = DataFrame::new_infer_height(vec![days, Column::new("v".into(), [1.0, 2.0])]).expect("equal lengths");
    let spec = spec(&plot(&frame).line("day", "v"));
    assert_eq!(spec["encoding"]["x"]["type"], "temporal");
    assert_eq!(values(&spec)[1]["day"], "1970-02-01T00:00:00.000");
}

#[test]
fn a_heat_map_takes_means() {
    let frame = df!("x" => ["a", "a", "b"], "y" => [1, 1, 2], "v" => [1.0, 3.0, 5.0]).expect("equal lengths");
    let spec = spec(&plot(&frame).heatmap("x", "y", "v"));
    assert_eq!(values(&spec).len(), 2);
    assert!(values(&spec).contains(&json!({ "x": "a", "y": "1", "__colour": 2 })), "{spec}");
    assert_eq!(spec["layer"][0]["encoding"]["y"]["sort"], json!(["2", "1"]));
}

#[test]
fn a_chart_shows_itself_in_three_ways() {
    let mime = plot(&flowers()).point("n", "petal.length").title("T").width(200).height(100).show();
    let kinds: Vec<&str> = mime.parts.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["application/vnd.vegalite.v5+json", "image/png", "text/plain"]);
    assert_eq!(mime.plain(), "<T: scatter plot of petal.length over n, 3 rows>");
    let Some(Data::Bytes(png)) = mime.get("image/png") else { panic!("no PNG") };
    let picture = image::load_from_memory(png).expect("a PNG").to_rgb8();
    let blue = picture.pixels().filter(|pixel| pixel.0[2] > 150 && pixel.0[0] < 150).count();
    assert!(picture.width() > 400 && blue > 100, "{}×{}, {blue} blue pixels", picture.width(), picture.height());
}

#[test]
fn what_cannot_be_drawn_says_why_in_red() {
    let check = |chart: Chart, expected: &str| {
        let mime = chart.show();
        assert!(mime.plain().contains(expected), "{}", mime.plain());
        assert!(matches!(mime.get("text/html"), Some(Data::Text(html)) if html.contains("color:")));
        assert!(chart.spec().starts_with("{\"error\":"));
    };
    check(plot(&flowers()), "nothing to draw yet");
    check(plot(&flowers()).line("n", "specis"), "did you mean `species`?");
    check(plot(&flowers()).line("n", "species"), "column `species` is str");
    check(plot(&flowers()).hist("n").line("n", "n"), "stands alone");
    check(plot(&flowers()).point("n", "n").point("species", "n"), "must agree on an axis");
    check(plot(&flowers().slice(0, 0)).point("n", "n"), "the frame has no rows");
}

/// One column of each kind that a frame can hold, odd values included.
fn odd_columns() -> DataFrame {
    let days = Column::new("day".into(), [Some(0i32), None, Some(-400_000)]).cast(&DataType::Date).expect("days");
    let spans = Column::new("span".into(), [1i64, 2, 3]).cast(&DataType::Duration(TimeUnit::Milliseconds)).expect("spans");
    let lists = Column::new("list".into(), [Series::new("".into(), [1i32]), Series::new("".into(), [2i32]), Series::new("".into(), [3i32])]);
    let mut frame = df!(
        "int" => [i64::MIN, 0, i64::MAX],
        "same" => [7i32, 7, 7],
        "float" => [f64::NAN, f64::INFINITY, -1e-300],
        "huge" => [1e300, -1e300, 0.0],
        "bool" => [Some(true), None, Some(false)],
        "text" => ["", "ünï\n[code]", "\"quotes\" and a very long name that fits nowhere at all, whatever one does"],
        "null" => [None::<i32>, None, None],
    )
    .expect("equal lengths");
    for column in [days, spans, lists] {
        frame.with_column(column).expect("equal lengths");
    }
    frame
}

#[test]
fn odd_values_give_a_chart_or_a_sentence_and_never_a_panic() {
    let frame = odd_columns();
    let names: Vec<String> = frame.columns().iter().map(|column| column.name().to_string()).collect();
    let mut drawn = 0;
    for x in &names {
        for y in &names {
            let small = || plot(&frame).width(60).height(40);
            for chart in [small().line(x, y), small().bar(x, y), small().point(x, y).color(y), small().area(x, y).facet(x), small().hist(x).color(y), small().heatmap(x, y, "int")] {
                let mime = chart.show();
                drawn += usize::from(mime.get("image/png").is_some());
                assert!(!mime.plain().is_empty());
            }
        }
    }
    assert!(drawn > 150, "{drawn}");
}
