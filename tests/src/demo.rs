//! `cargo xtask demo`: from a checkout to a notebook that has run, with its outputs on the terminal.
use crate::{build, host};
use anyhow::{Context, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The notebook that is shown.
pub const NOTEBOOK: &str = "notebooks/01-first-cells.ipynb";
/// Lines of one output that are printed; the whole is in the saved notebook.
const SHOWN_LINES: usize = 24;

/// Builds, installs for this user, runs the notebook and shows what it showed.
pub fn demo() -> anyhow::Result<ExitCode> {
    let built = build::build()?;
    let ochre = || {
        let mut command = Command::new(&built.ochre);
        command.env(ochre_build::SOURCE_VARIABLE, &built.copy);
        command
    };
    host::run(ochre().args(["install", "--user"]))?;
    let directory = host::scratch(&built.source, "demo")?;
    let saved = directory.join("01-first-cells.ipynb");
    let status = ochre().arg("run").arg(built.source.join(NOTEBOOK)).arg("-o").arg(&saved).status()?;
    let notebook: Value = serde_json::from_slice(&std::fs::read(&saved).context("the notebook was not saved")?)?;
    let pictures = show(&notebook, &directory)?;
    println!("\nnotebook  {}", saved.display());
    for picture in pictures {
        println!("picture   {}", picture.display());
    }
    if !status.success() {
        bail!("the notebook did not run to its end");
    }
    println!("Open it with `{} lab {NOTEBOOK}`.", built.ochre.display());
    Ok(ExitCode::SUCCESS)
}

/// Prints cells and their text outputs; saves pictures, and gives their files.
fn show(notebook: &Value, directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut pictures = Vec::new();
    for cell in notebook["cells"].as_array().into_iter().flatten().filter(|c| c["cell_type"] == "code") {
        println!("\nIn [{}]:", cell["execution_count"]);
        println!("{}", indent(&text(&cell["source"])));
        for output in cell["outputs"].as_array().into_iter().flatten() {
            let shown = match output["output_type"].as_str() {
                Some("stream") => text(&output["text"]),
                Some("error") => text(&output["traceback"]),
                _ => text(&output["data"]["text/plain"]),
            };
            println!("{}", indent(&shorten(&shown)));
            if let Some(picture) = output["data"]["image/png"].as_str() {
                let file = directory.join(format!("picture-{}.png", pictures.len() + 1));
                std::fs::write(&file, decode_base64(picture)).with_context(|| format!("cannot write {}", file.display()))?;
                pictures.push(file);
            }
        }
    }
    Ok(pictures)
}

/// Text of a notebook field: a string, or lines.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|l| format!("    {l}\n")).collect::<String>().trim_end_matches('\n').to_string()
}

fn shorten(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= SHOWN_LINES {
        return text.to_string();
    }
    format!("{}\n… {} more lines", lines[..SHOWN_LINES].join("\n"), lines.len() - SHOWN_LINES)
}

/// RFC 4648; characters that are no digits (line breaks, padding) are skipped.
pub fn decode_base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut group, mut bits) = (Vec::with_capacity(text.len() / 4 * 3), 0u32, 0u32);
    for value in text.bytes().filter_map(digit) {
        group = group << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((group >> bits) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_with_and_without_padding() {
        for (encoded, bytes) in [("Zg==", &b"f"[..]), ("Zm8=", b"fo"), ("Zm9v", b"foo"), ("Zm9v\nYmFy", b"foobar"), ("", b"")] {
            assert_eq!(decode_base64(encoded), bytes);
        }
    }

    #[test]
    fn long_outputs_are_cut_with_a_note() {
        let long = "x\n".repeat(SHOWN_LINES + 5);
        assert!(shorten(&long).ends_with("… 5 more lines"));
        assert_eq!(shorten("a\nb"), "a\nb");
    }
}
