//! Data-driven: a cell in, its parts out.
use super::*;

struct Known;

impl Names for Known {
    fn is_magic(&self, name: &str) -> bool {
        matches!(name, "time" | "timeit" | "vars" | "load" | "run" | "env")
    }
    fn takes_code(&self, name: &str) -> bool {
        matches!(name, "time" | "timeit")
    }
    fn is_command(&self, name: &str) -> bool {
        matches!(name, "dep" | "vars")
    }
    fn is_rust_name(&self, name: &str) -> bool {
        name == "done"
    }
}

#[track_caller]
fn check(code: &str, expected: &[&str]) {
    let got: Vec<String> = cut(code, &Known)
        .into_iter()
        .map(|part| match part {
            Part::Rust(text) => format!("rust {text:?}"),
            Part::Shell(l) => format!("shell {:?} @{}:{}", l.rest, l.line, l.rest_column),
            Part::Command(l) => format!("command {} {:?} @{}", l.name, l.rest, l.line),
            Part::Help { name } => format!("help {name}"),
            Part::Magic(Line { name, rest, body: None, line, rest_column }) => format!("magic {name} {rest:?} @{line}:{rest_column}"),
            Part::Magic(Line { name, rest, body: Some(body), line, .. }) => format!("cell {name} {rest:?} {body:?} @{line}"),
        })
        .collect();
    assert_eq!(got, expected, "parts of {code:?}");
}

#[test]
fn lines_of_magic_between_rust() {
    check("%vars", &["magic vars \"\" @1:5"]);
    check("let a = 1;\n%vars\nlet b = 2;", &["rust \"let a = 1;\\n\"", "magic vars \"\" @2:5", "rust \"\\n\\nlet b = 2;\""]);
    check("  %load a b  \n", &["magic load \"a b\" @1:8"]);
    check("fn f() {}\n%vars", &["rust \"fn f() {}\\n\"", "magic vars \"\" @2:5"]);
    check("%unknown x", &["magic unknown \"x\" @1:9"]);
    check("// note\n%vars", &["rust \"// note\\n\"", "magic vars \"\" @2:5"]);
    check("1 + 2\n%vars", &["rust \"1 + 2\\n\"", "magic vars \"\" @2:5"]);
    check("%vars\r\nlet a = 1;\r\n", &["magic vars \"\" @1:5", "rust \"\\nlet a = 1;\\r\\n\""]);
}

#[test]
fn percent_inside_rust_stays_rust() {
    for code in [
        "let z = a\n    %b;",
        "let z = a\n%b;",
        "let z = a\n%time;",
        "let z = (a\n%vars\n);",
        "let z = a +\n%vars",
        "let s = \"\n%vars\n\";",
        "let s = r#\"\n%vars\n\"#;",
        "/*\n%vars\n*/",
        "f(\n!done\n)",
        "a %= 3;",
        "println!(\"{}\", 7 % 2);",
        "m! {\n%time\n}",
        "x\n% y",
    ] {
        check(code, &[&format!("rust {code:?}")]);
    }
}

#[test]
fn commands_of_the_shell() {
    check("!ls -l", &["shell \"ls -l\" @1:1"]);
    check("!echo don't", &["shell \"echo don't\" @1:1"]);
    check("!echo \"a\nlet a = 1;", &["shell \"echo \\\"a\" @1:1", "rust \"\\nlet a = 1;\""]);
    check("let a = 1;\n!ls | wc\na", &["rust \"let a = 1;\\n\"", "shell \"ls | wc\" @2:1", "rust \"\\n\\na\""]);
    check("!ls \\\n -l\n1", &["shell \"ls \\\\\\n -l\" @1:1", "rust \"\\n\\n1\""]);
    check("!./run.sh x", &["shell \"./run.sh x\" @1:1"]);
    check("!python3.11 -V", &["shell \"python3.11 -V\" @1:1"]);
    check("!cargo --version", &["shell \"cargo --version\" @1:1"]);
    for rust in ["!done", "!true", "!(a && b)", "!v.is_empty()", "!f(x)", "!matches!(x, 1)", "!a::b", "let ready = true;\n!ready"] {
        check(rust, &[&format!("rust {rust:?}")]);
    }
}

#[test]
fn commands_of_evcxr() {
    check(":dep rand = \"0.9\"", &["command dep \"rand = \\\"0.9\\\"\" @1"]);
    check(":vars\nlet a = 1;", &["command vars \"\" @1", "rust \"\\nlet a = 1;\""]);
    check("::std::process::id()", &["rust \"::std::process::id()\""]);
    check("let x\n:u8 = 1;", &["rust \"let x\\n:u8 = 1;\""]);
}

#[test]
fn cells_of_one_magic() {
    check("%%bash -x\nls\n%vars", &["cell bash \"-x\" \"ls\\n%vars\" @1"]);
    check("\n// timing\n%%timeit\nf()", &["cell timeit \"\" \"f()\" @3"]);
    check("%%sql", &["cell sql \"\" \"\" @1"]);
    check("let a = 1;\n%%bash\nls", &["rust \"let a = 1;\\n\"", "magic bash \"\" @2:6", "rust \"\\n\\nls\""]);
}

#[test]
fn code_of_a_magic_goes_on_over_lines() {
    check("%time f(\n 1,\n)\nlet b = 1;", &["magic time \"f(\\n 1,\\n)\" @1:6", "rust \"\\n\\n\\nlet b = 1;\""]);
    check("%timeit -n 5 a + b\nc", &["magic timeit \"-n 5 a + b\" @1:8", "rust \"\\nc\""]);
    check("%time \"\n%vars\n\"\n%vars", &["magic time \"\\\"\\n%vars\\n\\\"\" @1:6", "magic vars \"\" @4:5"]);
}

#[test]
fn questions() {
    check("%time?", &["help time"]);
    check("%%time?", &["help time"]);
    check("%time ?", &["help time"]);
    check("?df", &["help df"]);
    check("df?", &["rust \"df?\""]);
}

#[test]
fn any_text_is_cut_without_loss_of_lines() {
    for code in ["", "\n\n", "%", "!", ":", "?", "%%", "\"", "'", "{{{", ")))\n%vars", "é\n%vars", "\u{0}", "r#\"", "/* /*", "%é\n", "--- \n%vars"] {
        let lines = code.matches('\n').count();
        for part in cut(code, &Known) {
            if let Part::Rust(text) = part {
                assert!(text.matches('\n').count() <= lines, "lines of {code:?} in {text:?}");
            }
        }
    }
}
