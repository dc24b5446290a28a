//! Help texts, made from a [`Spec`]: the usage line, `%name?`, the list of `%lsmagic`, the documentation page.
use crate::spec::{Argument, Kind, Spec, Value};

/// `%mount URL DIR [--read-only] …`.
pub fn usage_line(spec: &Spec) -> String {
    let mut text = format!("{}{}", if spec.form.line() { "%" } else { "%%" }, spec.name);
    for argument in spec.arguments {
        let core = written(argument);
        let dots = if argument.repeated { "…" } else { "" };
        match argument.required {
            true => text.push_str(&format!(" {core}{dots}")),
            false => text.push_str(&format!(" [{core}]{dots}")),
        }
    }
    text
}

/// How one argument is written: `URL`, `--cache CACHE`, `--read-only`, `CODE…`.
fn written(argument: &Argument) -> String {
    let value = match argument.value {
        Value::Choice(words) => words.join("|"),
        _ => argument.name.to_uppercase(),
    };
    match argument.kind {
        Kind::Flag => format!("--{}", argument.name),
        Kind::Option => format!("--{} {value}", argument.name),
        Kind::Positional | Kind::Rest => value,
    }
}

/// What `%name?` and `%name --help` show.
pub fn long(spec: &Spec) -> String {
    let mut text = format!("{}\n    {}\n", usage_line(spec), spec.summary);
    if spec.form.line() && spec.form.cell() {
        text.push_str(&format!("    also as %%{} at the top of a cell\n", spec.name));
    }
    if !spec.help.is_empty() {
        text.push_str(&format!("\n{}\n", spec.help.trim()));
    }
    if !spec.arguments.is_empty() {
        text.push_str("\nArguments\n");
        let width = spec.arguments.iter().map(|a| described(a).chars().count()).max().unwrap_or(0);
        for argument in spec.arguments {
            text.push_str(&format!("    {:width$}  {}\n", described(argument), argument.help));
        }
    }
    text.push_str("\nExamples\n");
    let width = spec.examples.iter().flat_map(|e| e.text.lines()).map(|l| l.chars().count()).max().unwrap_or(0);
    for example in spec.examples {
        let mut lines = example.text.lines();
        text.push_str(&format!("    {:width$}  {}\n", lines.next().unwrap_or(""), example.does));
        lines.for_each(|line| text.push_str(&format!("    {line}\n")));
    }
    if !spec.aliases.is_empty() {
        text.push_str(&format!("\nAlso known as: {}\n", spec.aliases.join(", ")));
    }
    text
}

fn described(argument: &Argument) -> String {
    match argument.short {
        Some(letter) => format!("{}, -{letter}", written(argument)),
        None => written(argument),
    }
}

/// One line for a list: usage-less, `%name  summary`.
pub fn short(spec: &Spec) -> String {
    let sigils = match (spec.form.line(), spec.form.cell()) {
        (true, true) => format!("%{0} %%{0}", spec.name),
        (false, _) => format!("%%{}", spec.name),
        _ => format!("%{}", spec.name),
    };
    format!("{sigils:20}  {}", spec.summary)
}

/// The help of all magics as one page of Markdown, areas in the given order.
pub fn page(specs: &[&Spec]) -> String {
    let mut text = "# Magics\n".to_owned();
    let mut area = "";
    for spec in specs {
        if spec.area != area {
            area = spec.area;
            text.push_str(&format!("\n## {area}\n"));
        }
        let sigil = if spec.form.line() { "%" } else { "%%" };
        text.push_str(&format!("\n### {sigil}{}\n{}.\n\n```text\n{}```\n", spec.name, capitalised(spec.summary), long(spec)));
    }
    text
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Example, Form};

    #[test]
    fn help_names_everything_once() {
        const SPEC: Spec = Spec {
            name: "load",
            aliases: &[],
            area: "session",
            form: Form::Line,
            arguments: &[Argument::positional("file", Value::Path, "what to load").required(), Argument::flag("raw", "as it is").short('r')],
            summary: "puts a file into the next cell",
            help: "Nothing is run.",
            examples: &[Example { text: "%load a.rs", does: "loads a.rs" }],
        };
        let text = long(&SPEC);
        assert_eq!(
            text,
            "%load FILE [--raw]\n    puts a file into the next cell\n\nNothing is run.\n\nArguments\n    FILE       what to load\n    --raw, -r  as it is\n\nExamples\n    %load a.rs  loads a.rs\n"
        );
    }
}
