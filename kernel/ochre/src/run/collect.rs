//! Turns what a cell shows into the outputs of a notebook file: streams are joined, updates find their display.
use super::notebook::{Notebook, lines};
use ochre_link::{Bundle, Data, Stream};
use ochre_session::front::{Output, Report};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// State that lasts over the cells of one run.
#[derive(Default)]
pub struct Collector {
    /// Where a display id was shown: (cell, position among its outputs).
    shown: HashMap<String, Vec<(usize, usize)>>,
    /// `clear_output(wait)` was asked for, to be done when something new comes.
    clear_pending: Option<usize>,
}

impl Collector {
    /// Adds one output of the cell at `index`.
    pub fn add(&mut self, notebook: &mut Notebook, index: usize, output: Output) {
        match output {
            Output::Started { count, .. } => notebook.set_count(index, count),
            Output::Clear { wait: true } => self.clear_pending = Some(index),
            Output::Clear { wait: false } => self.clear(notebook, index),
            Output::Stream { stream, text } => self.stream(notebook, index, stream, &text),
            Output::Display { bundle, id: Some(id), update: true } => self.update(notebook, &id, &bundle),
            Output::Display { bundle, id, .. } => {
                let position = self.push(notebook, index, "display_data", &bundle, None);
                if let Some(id) = id {
                    self.shown.entry(id).or_default().push((index, position));
                }
            }
            Output::Result { bundle, count } => {
                self.push(notebook, index, "execute_result", &bundle, Some(count));
            }
            Output::Error(report) => self.error(notebook, index, &report),
            // Widgets and questions need a front end; a question was answered with "cannot ask" already.
            Output::Comm(_) | Output::Input { .. } => {}
        }
    }

    /// Adds an error that was only in the reply.
    pub fn ensure_error(&mut self, notebook: &mut Notebook, index: usize, report: &Report) {
        if !notebook.outputs(index).iter().any(|o| o["output_type"] == "error") {
            self.error(notebook, index, report);
        }
    }

    fn error(&mut self, notebook: &mut Notebook, index: usize, report: &Report) {
        self.clear_if_pending(notebook, index);
        notebook.outputs(index).push(json!({
            "output_type": "error", "ename": report.name, "evalue": report.message, "traceback": report.traceback,
        }));
    }

    fn stream(&mut self, notebook: &mut Notebook, index: usize, stream: Stream, text: &str) {
        self.clear_if_pending(notebook, index);
        let name = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let outputs = notebook.outputs(index);
        if let Some(last) = outputs.last_mut()
            && last["name"] == name
            && let Some(kept) = last["text"].as_array_mut()
        {
            let open = kept.last().and_then(Value::as_str).filter(|l| !l.ends_with('\n')).map(String::from);
            if open.is_some() {
                kept.pop();
            }
            if let Value::Array(more) = lines(&(open.unwrap_or_default() + text)) {
                kept.extend(more);
            }
            return;
        }
        outputs.push(json!({"output_type": "stream", "name": name, "text": lines(text)}));
    }

    fn push(&mut self, notebook: &mut Notebook, index: usize, kind: &str, bundle: &Bundle, count: Option<u32>) -> usize {
        self.clear_if_pending(notebook, index);
        let mut output = json!({"output_type": kind, "data": data(bundle), "metadata": metadata(bundle)});
        if let Some(count) = count {
            output["execution_count"] = json!(count);
        }
        let outputs = notebook.outputs(index);
        outputs.push(output);
        outputs.len() - 1
    }

    fn update(&mut self, notebook: &mut Notebook, id: &str, bundle: &Bundle) {
        for (cell, position) in self.shown.get(id).into_iter().flatten() {
            if let Some(output) = notebook.outputs(*cell).get_mut(*position) {
                output["data"] = data(bundle);
                output["metadata"] = metadata(bundle);
            }
        }
    }

    fn clear_if_pending(&mut self, notebook: &mut Notebook, index: usize) {
        if self.clear_pending.take() == Some(index) {
            self.clear(notebook, index);
        }
    }

    fn clear(&mut self, notebook: &mut Notebook, index: usize) {
        notebook.outputs(index).clear();
        for places in self.shown.values_mut() {
            places.retain(|(cell, _)| *cell != index);
        }
    }
}

/// A bundle as nbformat wants it: JSON types as JSON, bytes in base64, texts as lists of lines.
fn data(bundle: &Bundle) -> Value {
    let mut map = Map::new();
    for (media_type, data) in &bundle.data {
        let value = match data {
            Data::Text(text) => lines(text),
            Data::Bytes(bytes) => json!(base64(bytes)),
            Data::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        };
        map.insert(media_type.clone(), value);
    }
    Value::Object(map)
}

fn metadata(bundle: &Bundle) -> Value {
    let parsed = bundle.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok());
    parsed.filter(Value::is_object).unwrap_or_else(|| json!({}))
}

/// RFC 4648 with padding, as nbformat stores pictures.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |g, b| g << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let value = (group >> (18 - 6 * digit)) & 63;
            text.push(if digit <= chunk.len() { char::from(DIGITS[value as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notebook() -> Notebook {
        Notebook::parse(r#"{"nbformat":4,"nbformat_minor":5,"metadata":{},"cells":[{"cell_type":"code","id":"a","metadata":{},"source":[],"outputs":[]}]}"#).unwrap()
    }

    fn text(stream: Stream, text: &str) -> Output {
        Output::Stream { stream, text: text.into() }
    }

    fn display(value: &str, id: Option<&str>, update: bool) -> Output {
        Output::Display { bundle: Bundle::plain(value), id: id.map(String::from), update }
    }

    #[test]
    fn pieces_of_a_stream_are_joined_line_by_line_and_the_other_stream_parts_them() {
        let (mut notebook, mut collector) = (notebook(), Collector::default());
        for output in [text(Stream::Stdout, "a"), text(Stream::Stdout, "b\nc"), text(Stream::Stderr, "e"), text(Stream::Stdout, "d")] {
            collector.add(&mut notebook, 0, output);
        }
        let texts: Vec<&Value> = notebook.outputs(0).iter().map(|o| &o["text"]).collect();
        assert_eq!(texts, [&json!(["ab\n", "c"]), &json!(["e"]), &json!(["d"])]);
    }

    #[test]
    fn an_update_replaces_what_was_shown_under_its_id() {
        let (mut notebook, mut collector) = (notebook(), Collector::default());
        for output in [display("1", Some("p"), false), display("x", None, false), display("2", Some("p"), true)] {
            collector.add(&mut notebook, 0, output);
        }
        assert_eq!(notebook.outputs(0).len(), 2);
        assert_eq!(notebook.outputs(0)[0]["data"]["text/plain"], json!(["2"]));
    }

    #[test]
    fn clearing_waits_for_the_next_output_when_asked_to() {
        let (mut notebook, mut collector) = (notebook(), Collector::default());
        collector.add(&mut notebook, 0, display("old", None, false));
        collector.add(&mut notebook, 0, Output::Clear { wait: true });
        assert_eq!(notebook.outputs(0).len(), 1);
        collector.add(&mut notebook, 0, display("new", None, false));
        assert_eq!(notebook.outputs(0)[0]["data"]["text/plain"], json!(["new"]));
    }

    #[test]
    fn bytes_become_base64_and_json_stays_json() {
        let bundle = Bundle::plain("p").with("image/png", Data::Bytes(vec![0x89, b'P', b'N', b'G'])).with("application/json", Data::Json("{\"a\":1}".into()));
        assert_eq!(data(&bundle)["image/png"], "iVBORw==");
        assert_eq!(data(&bundle)["application/json"]["a"], 1);
        let encoded: Vec<String> = [&b"f"[..], b"fo", b"foo", b"foob"].iter().map(|b| base64(b)).collect();
        assert_eq!(encoded, ["Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }
}
