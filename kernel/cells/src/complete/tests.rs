//! Texts and the answer a console gets.
use super::*;

#[track_caller]
fn check(code: &str, expected: &str) {
    let found = match is_complete(code) {
        Completeness::Complete => "complete".to_owned(),
        Completeness::Incomplete { indent } => format!("incomplete {}", indent.replace('\t', "→").len()),
        Completeness::Invalid => "invalid".to_owned(),
    };
    assert_eq!(found, expected, "{code:?}");
}

#[test]
fn whole_cells() {
    for code in [
        "", " \n", "let x = 1;", "let x = 1", "1 + 2", "x", "x?", "f()?;", "println!(\"{}\", 1)", "fn f() {}", "struct P;", "struct P { x: i32 }",
        "let f: fn(i32) -> i32 = add", "let v: Vec<i32>", "let v: Vec<Vec<i32>> = vec![]", "0..", "0..3", "&x", "*x", "!x", "-1", "'a'", "b'x'", "'\\''",
        "let c = '{';", "let s = \"{\";", "let s = r#\"{\"#;", "let s = r\"\\\";", "/* { */ 1", "/* /* ( */ */ 1", "// {", "fn f<'a>(x: &'a str) -> &'a str { x }",
        "'outer: loop { break 'outer }", "if x { 1 } else { 2 }", "match x { _ => 1 }", "for i in 0..3 {}", "let x = if a { 1 } else { 2 };", "#![allow(x)]",
        "#[derive(Debug)] struct P;", "use std::fmt;", "macro_rules! m { () => {} }", "m! { a }", "const X: i32 = 3", "static X: i32 = 3;", "impl P {}",
        "let f: Box<dyn for<'a> Fn(&'a str)> = g", "let x: &dyn for<'a> Fn(&'a str) = y", "df.lazy()\n    .collect()?", "let r#fn = 1", "let größe = \"日本\"", "vec![1][0]",
        "let x = 1;\n\n", "async fn f() {}", "f().await", "return", "break", "x as f64", "a < b", "let y = x.0", "a[1]", "//! inner",
    ] {
        check(code, "complete");
    }
}

#[test]
fn magics_are_whole() {
    for code in [
        "%vars", "%time f(", "!ls | grep \"it's", "!echo (", ":dep serde", ":vars", "%cd ..\nlet x = 1;", "let x = 1;\n!ls '(", "%env A=\"", "?x", "  %vars", "%%bash\nls\n\n", "%%bash\necho (\n \n",
        "// note\n%%bash\nls\n\n", "!./run.sh", "!größe (",
    ] {
        check(code, "complete");
    }
}

#[test]
fn cells_that_go_on() {
    for (code, indent) in [
        ("fn f() {", 4), ("fn f() {\n    if x {", 8), ("fn f() {\n    let y = 1;", 4), ("fn f() {\nlet y = 1;", 4), ("fn f() {\n    if x {\n    }", 4), ("foo(", 4), ("foo(bar(", 4),
        ("let x = vec![\n    1,", 4), ("let x =", 4), ("let x = 1 +", 4), ("a &&", 4), ("a ||", 4), ("let f = |x|", 4), ("df.lazy().", 4), ("df\n    .lazy().", 4), ("#[derive(Debug)]", 0),
        ("#[cfg(any(a, b))]\n#[x]", 0), ("fn f()", 0), ("fn f() -> i32", 0), ("fn f<T>(x: T) where T: Copy", 0), ("pub async fn f()", 0), ("struct P", 0), ("impl P", 0), ("trait T: Copy", 0),
        ("if x", 0), ("if x {} else", 0), ("if x {} else if y", 0), ("let z = if x", 0), ("match x", 0), ("for i in 0..3", 0), ("while x", 0), ("loop", 0), ("let", 0), ("let x: ", 4), ("x as", 0),
        ("use std::", 4), ("let s = \"abc", 0), ("let s = r#\"abc\"", 0), ("/* abc", 0), ("/* /* */", 0), ("b\"abc", 0), ("c\"abc", 0), ("/// doc", 0), ("%cd ..\nfn f() {", 4), ("x >", 4), ("let f = |x| ->", 4),
        ("match x { 1 =>", 4), ("unsafe", 0), ("async move", 0), ("%%bash", 0), ("%%bash\nls", 0), ("%%timeit\nf(x)\n", 0), ("fn f() {\n\tg();", 1), ("fn f() { // }", 4), ("fn f() { \"}\"", 4), ("macro_rules! m", 0), ("x\n  % y +", 2),
    ] {
        check(code, &format!("incomplete {}", if code.contains('\t') { "→".len() } else { indent }));
    }
}

#[test]
fn cells_that_nothing_makes_whole() {
    for code in ["let x = );", "}", "fn f() { ) }", "(]", "let x = vec![1};", "foo(1))", "let c = '", "let c = 'ab\n';", "{ ( }"] {
        check(code, "invalid");
    }
}

/// Any prefix of a program is answered, and no magic of the text moves the places of what follows.
#[test]
fn any_prefix() {
    let code = "%cd ä\n!ls 'x\nfn f<'a>(s: &'a str) -> String { format!(\"{s} {}\", '\\'') } // ü\nlet x = r##\"\"# 日\"##; /* /* */ */ f(x)";
    for (at, _) in code.char_indices() {
        let _ = is_complete(&code[..at]);
        assert_eq!(without_magics(&code[..at]).len(), at);
    }
}
