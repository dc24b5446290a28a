//! `-p name=value`: replaces the values of `let` lines in the cell tagged `parameters` (papermill's convention).
use super::notebook::Notebook;
use anyhow::{Context, bail};

/// The tag that marks the cell.
const TAG: &str = "parameters";

/// Replaces each `name=value` in the tagged cell.
pub fn replace(notebook: &mut Notebook, parameters: &[String]) -> anyhow::Result<()> {
    let tagged = notebook.code_cells().into_iter().find(|i| notebook.has_tag(*i, TAG));
    let index = tagged.with_context(|| format!("the notebook has no cell tagged `{TAG}`, so -p has nothing to replace"))?;
    let mut code = notebook.source(index);
    for parameter in parameters {
        let (name, value) = parameter.split_once('=').with_context(|| format!("`-p {parameter}` is not NAME=VALUE"))?;
        code = replace_one(&code, name.trim(), value)?;
    }
    notebook.set_source(index, &code);
    Ok(())
}

/// Names and values of the tagged cell as they stand there, texts without their quotes.
pub fn values(notebook: &Notebook) -> Vec<(String, String)> {
    let Some(index) = notebook.code_cells().into_iter().find(|i| notebook.has_tag(*i, TAG)) else { return Vec::new() };
    let code = notebook.source(index);
    let text = |value: &str| value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value).to_owned();
    lets(&code).iter().map(|l| (l.name.to_owned(), text(code[l.value.clone()].trim()))).collect()
}

/// A `let` line: its name and where its value lies in the text.
struct Let<'a> {
    name: &'a str,
    annotation: &'a str,
    value: std::ops::Range<usize>,
}

fn replace_one(code: &str, name: &str, value: &str) -> anyhow::Result<String> {
    let lets = lets(code);
    let Some(found) = lets.iter().find(|l| l.name == name) else {
        let names: Vec<&str> = lets.iter().map(|l| l.name).collect();
        bail!("the cell tagged `{TAG}` has no `let {name} = …;` (it has: {})", names.join(", "));
    };
    let old = &code[found.value.clone()];
    Ok(format!("{}{}{}", &code[..found.value.start], written_like(old, found.annotation, value), &code[found.value.end..]))
}

/// The new value in the form of the old one: quotes where the old value has them, a point where it is a float.
fn written_like(old: &str, annotation: &str, value: &str) -> String {
    if let Some(rest) = old.strip_prefix('"') {
        let after = &rest[string_end(rest)..];
        let quoted = value.starts_with('"') || value.starts_with("r\"") || value.starts_with("r#");
        return if quoted { format!("{value}{after}") } else { format!("{value:?}{after}") };
    }
    let float = annotation.starts_with('f') || (old.parse::<f64>().is_ok() && old.contains('.'));
    if float && value.parse::<i64>().is_ok() { format!("{value}.0") } else { value.to_string() }
}

/// All `let NAME = VALUE;` at the beginnings of lines.
fn lets(code: &str) -> Vec<Let<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in code.split_inclusive('\n') {
        if let Some(one) = let_at(code, start, line) {
            found.push(one);
        }
        start += line.len();
    }
    found
}

fn let_at<'a>(code: &'a str, start: usize, line: &'a str) -> Option<Let<'a>> {
    let rest = line.trim_start().strip_prefix("let ")?.trim_start();
    let rest = rest.strip_prefix("mut ").unwrap_or(rest).trim_start();
    let name = &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())];
    let equals = line.find('=')?;
    let head = line[..equals].trim_end();
    let annotation = head.split_once(':').map_or("", |(_, t)| t.trim());
    let from = start + equals + 1;
    let from = from + code[from..].len() - code[from..].trim_start().len();
    let value = from..from + value_end(&code[from..])?;
    (!name.is_empty()).then_some(Let { name, annotation, value })
}

/// Where a value ends: at the `;` outside strings and brackets.
fn value_end(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut position = 0;
    while position < text.len() {
        let character = text[position..].chars().next()?;
        position += character.len_utf8();
        match character {
            '"' => position += string_end(&text[position..]),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return Some(position - 1),
            _ => {}
        }
    }
    None
}

/// Bytes until after the closing quote of a string whose opening quote lies before `text`.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (position, character) in text.char_indices() {
        match character {
            '"' if !escaped => return position + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, name: &str, value: &str, expected: &str) {
        assert_eq!(replace_one(code, name, value).unwrap(), expected);
    }

    #[test]
    fn numbers_strings_and_their_methods() {
        check("let n = 5;\nlet m = 6;", "n", "7", "let n = 7;\nlet m = 6;");
        check("let path = \"a;b\".to_string(); // c", "path", "x.csv", "let path = \"x.csv\".to_string(); // c");
        check("let mut s: &str = \"a\";", "s", "\"q\"", "let mut s: &str = \"q\";");
        check("let rate: f64 = 0.1;", "rate", "2", "let rate: f64 = 2.0;");
        check("let list = vec![1; 2];", "list", "vec![3]", "let list = vec![3];");
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let error = replace_one("let a = 1;\nlet b = 2;", "c", "3").unwrap_err().to_string();
        assert!(error.contains("a, b"), "{error}");
    }

    #[test]
    fn a_notebook_without_the_tag_is_refused() {
        let mut notebook = Notebook::parse(r#"{"nbformat":4,"cells":[]}"#).unwrap();
        assert!(replace(&mut notebook, &["a=1".into()]).unwrap_err().to_string().contains("tagged"));
    }
}
