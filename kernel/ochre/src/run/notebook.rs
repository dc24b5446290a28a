//! A notebook file, nbformat 4: read leniently, written as Jupyter writes it, so that diffs stay small.
use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The JSON of a notebook whose cells have been checked to be there.
pub struct Notebook {
    json: Value,
}

impl Notebook {
    /// Reads a file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not a notebook that can be run", path.display()))
    }

    /// Reads a text; cells get ids, which format 4.5 asks for.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut json: Value = serde_json::from_str(text).context("it is not JSON")?;
        if json["nbformat"] != 4 {
            bail!("its format is {}, and Ochre reads format 4; open and save it in JupyterLab to convert it", json["nbformat"]);
        }
        let minor = json["nbformat_minor"].as_u64().unwrap_or(0);
        json["nbformat_minor"] = json!(minor.max(5));
        let cells = json["cells"].as_array_mut().context("it has no list of cells")?;
        for (number, cell) in cells.iter_mut().enumerate() {
            let cell = cell.as_object_mut().context("one of its cells is not an object")?;
            if !cell.get("id").is_some_and(Value::is_string) {
                cell.insert("id".into(), json!(format!("cell-{number}")));
            }
            cell.entry("metadata").or_insert_with(|| json!({}));
        }
        Ok(Self { json })
    }

    /// Indices of the code cells.
    pub fn code_cells(&self) -> Vec<usize> {
        self.cells().iter().enumerate().filter(|(_, c)| c["cell_type"] == "code").map(|(i, _)| i).collect()
    }

    /// Text of a cell, whether it is stored as one string or as lines.
    pub fn source(&self, index: usize) -> String {
        match &self.cells()[index]["source"] {
            Value::String(text) => text.clone(),
            Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
            _ => String::new(),
        }
    }

    /// Replaces a cell's text.
    pub fn set_source(&mut self, index: usize, text: &str) {
        self.cell(index).insert("source".into(), lines(text));
    }

    /// The cell's id.
    pub fn id(&self, index: usize) -> Option<String> {
        self.cells()[index]["id"].as_str().map(String::from)
    }

    /// Whether a cell carries a tag.
    pub fn has_tag(&self, index: usize, tag: &str) -> bool {
        self.cells()[index]["metadata"]["tags"].as_array().is_some_and(|tags| tags.iter().any(|t| t == tag))
    }

    /// Forgets all outputs and names this kernel in the metadata.
    pub fn clear_outputs(&mut self) {
        for index in self.code_cells() {
            let cell = self.cell(index);
            cell.insert("outputs".into(), json!([]));
            cell.insert("execution_count".into(), Value::Null);
        }
        if !self.json["metadata"].is_object() {
            self.json["metadata"] = json!({});
        }
        self.json["metadata"]["kernelspec"] = json!({"display_name": "Rust (Ochre)", "language": "rust", "name": "ochre"});
        if !self.json["metadata"]["language_info"].is_object() {
            self.json["metadata"]["language_info"] = json!({"file_extension": ".rs", "mimetype": "text/rust", "name": "rust"});
        }
    }

    /// The outputs of a code cell.
    pub fn outputs(&mut self, index: usize) -> &mut Vec<Value> {
        let outputs = self.cell(index).entry("outputs").or_insert_with(|| json!([]));
        if !outputs.is_array() {
            *outputs = json!([]);
        }
        outputs.as_array_mut().expect("it was made an array above")
    }

    /// The number beside a cell.
    pub fn set_count(&mut self, index: usize, count: u32) {
        self.cell(index).insert("execution_count".into(), json!(count));
    }

    /// Writes it beside the place and renames, so that a reader never sees half a notebook.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        std::fs::write(&partial, self.text()?)
            .and_then(|()| std::fs::rename(&partial, path))
            .with_context(|| format!("cannot save {}", path.display()))
    }

    /// As Jupyter writes it: one space of indent and a final line break.
    pub fn text(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let format = serde_json::ser::PrettyFormatter::with_indent(b" ");
        self.json.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, format))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn cells(&self) -> &[Value] {
        self.json["cells"].as_array().map_or(&[], Vec::as_slice)
    }

    fn cell(&mut self, index: usize) -> &mut Map<String, Value> {
        self.json["cells"][index].as_object_mut().expect("cells were checked to be objects when the notebook was read")
    }
}

/// A text in the form that notebooks store: a list of lines with their line breaks.
pub fn lines(text: &str) -> Value {
    Value::Array(text.split_inclusive('\n').map(|l| json!(l)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"nbformat":4,"nbformat_minor":4,"metadata":{},"cells":[
        {"cell_type":"markdown","metadata":{},"source":"hi"},
        {"cell_type":"code","metadata":{"tags":["parameters"]},"source":["let a = 1;\n","a"],"outputs":[{"x":1}]}]}"#;

    #[test]
    fn code_cells_sources_and_tags() {
        let notebook = Notebook::parse(TEXT).unwrap();
        assert_eq!(notebook.code_cells(), [1]);
        assert_eq!(notebook.source(1), "let a = 1;\na");
        assert!(notebook.has_tag(1, "parameters") && !notebook.has_tag(0, "parameters"));
    }

    #[test]
    fn an_old_minor_format_gains_ids() {
        let notebook = Notebook::parse(TEXT).unwrap();
        assert_eq!(notebook.id(1).as_deref(), Some("cell-1"));
        assert_eq!(notebook.json["nbformat_minor"], 5);
    }

    #[test]
    fn other_formats_are_refused_in_words() {
        let error = Notebook::parse(r#"{"nbformat":3,"worksheets":[]}"#).err().unwrap();
        assert!(error.to_string().contains("format 4"), "{error}");
        assert!(Notebook::parse("not json").is_err());
    }

    #[test]
    fn what_is_saved_reads_back_and_ends_with_a_line_break() {
        let mut notebook = Notebook::parse(TEXT).unwrap();
        notebook.clear_outputs();
        let text = String::from_utf8(notebook.text().unwrap()).unwrap();
        assert!(text.starts_with("{\n \"nbformat\": 4") && text.ends_with("}\n"), "{text}");
        assert_eq!(Notebook::parse(&text).unwrap().source(1), notebook.source(1));
    }

    #[test]
    fn texts_are_split_after_their_line_breaks() {
        assert_eq!(lines("a\nb"), json!(["a\n", "b"]));
        assert_eq!(lines(""), json!([]));
    }
}
