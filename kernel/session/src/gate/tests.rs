//! All that passes the gate, part by part.
use super::*;

const VALUE: &str = "s3cr3t/\"value\"";

fn gate() -> Gate {
    let gate = Gate::new(Redactor::new());
    gate.know(VALUE);
    gate
}

fn text(stream: Stream, text: &str) -> Output {
    Output::Stream { stream, text: text.into() }
}

fn streams(outputs: &[Output]) -> Vec<String> {
    outputs.iter().map(|o| if let Output::Stream { stream, text } = o { format!("{stream:?} {text}") } else { "other".into() }).collect()
}

#[test]
fn order_is_kept_between_the_streams_and_displays() {
    let mut cell = gate().cell();
    let mut shown = cell.pass(text(Stream::Stdout, "files"));
    shown.extend(cell.pass(text(Stream::Stderr, "warning: s")));
    shown.extend(cell.pass(Output::Clear { wait: false }));
    shown.extend(cell.pass(text(Stream::Stdout, "3cr3t/\"value\" after")));
    shown.extend(cell.release());
    assert_eq!(streams(&shown), ["Stdout file", "Stdout s", "Stderr warning: ", "Stderr s", "other", "Stdout [REDACTED] after"]);
}

#[test]
fn json_stays_json() {
    let check = |json: String, expected: &str| {
        let changed = gate().json(json.clone());
        assert_eq!(changed, expected, "{json}");
        serde_json::from_str::<Value>(&changed).expect("is JSON");
    };
    let value = Value::from(VALUE);
    check(format!(r#"{{"a":[1.5,{value}],{value}:null}}"#), r#"{"a":[1.5,"[REDACTED]"],"[REDACTED]":null}"#);
    check(format!(r#"{{"bytes":{}}}"#, serde_json::to_string(VALUE.as_bytes()).expect("JSON")), r#""[REDACTED]""#);
    check(r#"{"same":  1.0}"#.into(), r#"{"same":  1.0}"#);
    let numeric = gate();
    numeric.know("1234567890");
    assert_eq!(numeric.json(r#"{"pin":1234567890}"#.into()), r#"{"pin":"[REDACTED]"}"#);
}

#[test]
fn all_parts_of_what_leaves_are_looked_at() {
    let gate = gate();
    let json = serde_json::json!({ "k": VALUE }).to_string();
    let html = VALUE.replace('"', "&quot;");
    let bundle = Bundle::plain(VALUE).with("text/html", Data::Text(html)).with("application/json", Data::Json(json.clone())).with("image/png", Data::Bytes(VALUE.into()));
    let bundle = gate.bundle(Bundle { metadata: Some(json.clone()), ..bundle });
    assert_eq!(bundle.get("image/png"), Some(&Data::Bytes(VALUE.into())), "pictures are untouched");
    let rest = format!("{:?}{:?}", &bundle.data[..3], bundle.metadata);
    assert_eq!(rest.matches("[REDACTED]").count(), 4, "{rest}");

    let report = Report { name: VALUE.into(), message: VALUE.into(), traceback: vec!["s3cr3t/".into(), VALUE.into()] };
    let shown = gate.report(report.clone());
    assert_eq!(shown, Report { name: "[REDACTED]".into(), message: "[REDACTED]".into(), traceback: vec!["s3cr3t/".into(), "[REDACTED]".into()] });

    let comm = Comm { id: "i".into(), action: CommAction::Open { target: VALUE.into() }, data: json.clone(), metadata: json, buffers: vec![VALUE.into(), vec![255, 0]] };
    let comm = gate.comm(comm);
    let expected = Comm { id: "i".into(), action: CommAction::Open { target: "[REDACTED]".into() }, data: r#"{"k":"[REDACTED]"}"#.into(), metadata: r#"{"k":"[REDACTED]"}"#.into(), buffers: vec!["[REDACTED]".into(), vec![255, 0]] };
    assert_eq!(comm, expected);

    let executed = Executed {
        count: 1,
        status: Status::Error(report.clone()),
        user_expressions: vec![("a".into(), Ok(Bundle::plain(VALUE))), ("b".into(), Err(report))],
        payloads: vec![Payload::Page(Bundle::plain(VALUE)), Payload::NextInput { text: VALUE.into(), replace: false }],
    };
    let executed = format!("{:?}", gate.executed(executed));
    assert!(!executed.contains("value"), "{executed}");

    let item = Completion { text: VALUE.into(), kind: "variable".into(), signature: Some(VALUE.into()) };
    let found = gate.completions(Completions { start: 0, end: 1, items: vec![item] });
    assert_eq!((found.items[0].text.as_str(), found.items[0].signature.as_deref()), ("[REDACTED]", Some("[REDACTED]")));
    assert_eq!(gate.record(VALUE.into(), Some(VALUE.into())), ("[REDACTED]".into(), Some("[REDACTED]".into())));
}
