//! Text that is hard to draw: other scripts, tabs, carriage returns, long lines, the ends of cells.
use super::*;

#[test]
fn other_scripts_and_emoji() {
    cell("let größe: i32 = \"日本語 🦀\";\nlet 数: &str = 1;").check(expect![[r#"
        error[E0308]: mismatched types
         --> cell [3]:1:18
          |
        1 | let größe: i32 = "日本語 🦀";
          |            ---   ^^^^^^^^^^^ expected `i32`, found `&str`
          |            |
          |            expected due to this

        error[E0308]: mismatched types
         --> cell [3]:2:15
          |
        2 | let 数: &str = 1;
          |         ----   ^ expected `&str`, found integer
          |         |
          |         expected due to this
    "#]]);
}

#[test]
fn tabs() {
    cell("{\n\tlet x:\ti32 = \"a\";\n}").check(expect![[r#"
        error[E0308]: mismatched types
         --> cell [3]:2:15
          |
        2 |     let x:    i32 = "a";
          |               ---   ^^^ expected `i32`, found `&str`
          |               |
          |               expected due to this
    "#]]);
}

#[test]
fn carriage_returns() {
    let cell = cell("let a = 1;\r\nlet x: i32 =\r\n    \"a\";\r\nlet y = 2;");
    assert_eq!(cell.diagnose().errors[0].primary, Some((3, 3, 5)));
    cell.check(expect![[r#"
        error[E0308]: mismatched types
         --> cell [3]:3:5
          |
        2 | let x: i32 = 
          |        --- expected due to this
        3 |     "a"; 
          |     ^^^ expected `i32`, found `&str`
    "#]]);
}

#[test]
fn a_long_line() {
    let text = format!("let x: i32 = \"a\"; let v = [{}];", "1, ".repeat(50_000));
    let diagnosed = cell(&text).diagnose();
    let longest = diagnosed.errors[0].text.lines().map(|line| plain(line).chars().count()).max();
    assert!(longest.is_some_and(|longest| longest < 200), "{longest:?}");
    assert!(plain(&diagnosed.errors[0].text).contains("expected `i32`, found `&str`"));
}

#[test]
fn the_far_end_of_a_long_line() {
    let text = format!("let v = [{}]; let x: i32 = \"ä\";", "1, ".repeat(50_000));
    let diagnosed = cell(&text).diagnose();
    assert_eq!(diagnosed.errors[0].primary, Some((3, 1, 150_026)));
    assert!(plain(&diagnosed.errors[0].text).contains("let x: i32 = \"ä\""), "{}", diagnosed.errors[0].text);
}

#[test]
fn many_lines_between_two_marks() {
    let text = format!("let x: i32 =\n{}\"a\";", "\n".repeat(300));
    let diagnosed = cell(&text).diagnose();
    assert!(diagnosed.errors[0].text.lines().count() < 15, "{}", diagnosed.errors[0].text);
}

#[test]
fn the_end_of_a_cell_without_newline() {
    cell("let x = 1;\nlet y: i32 = if x > 0 { 1 }").check(expect![[r#"
        error: expected `;`, found `}`
         --> cell [3]:2:28
          |
        2 | let y: i32 = if x > 0 { 1 }
          |                            ^
          |
        help: add `;` here
          |
        2 | let y: i32 = if x > 0 { 1 };
          |                            +

        error[E0317]: `if` may be missing an `else` clause
         --> cell [3]:2:14
          |
        2 | let y: i32 = if x > 0 { 1 }
          |     -        ^^^^^^^^^^^^^^ expected `i32`, found `()`
          |     |
          |     expected because of this assignment
          |
          = note: `if` expressions without `else` evaluate to `()`
          = help: consider adding an `else` block that evaluates to the expected type
    "#]]);
}

#[test]
fn control_characters() {
    let diagnosed = cell("let x: i32 = \"\u{1b}[31mred\u{7}\";").diagnose();
    assert!(!diagnosed.errors[0].text.contains("\u{1b}[31mred") && !diagnosed.errors[0].text.contains('\u{7}'), "{:?}", diagnosed.errors[0].text);
}

#[test]
fn colours_are_those_of_a_terminal() {
    let diagnosed = cell("let x: i32 = \"a\";").diagnose();
    assert!(diagnosed.errors[0].text.starts_with("\u{1b}[1m\u{1b}[91merror[E0308]\u{1b}[0m"), "{:?}", diagnosed.errors[0].text);
}

#[test]
fn places_of_the_generated_file() {
    let cell = cell("let ä = 1; panic!();\nlet b = 2;");
    let map = cell.map();
    let start = map.generated.find("panic!();\nlet").unwrap();
    let line = 1 + map.generated[..start].matches('\n').count() as u32;
    let (origin, line_in_cell, column) = place(&map, line, 12).unwrap();
    assert_eq!((origin.0.id, line_in_cell, column), (3, 1, 12));
    assert_eq!(place(&map, line + 1, 5).map(|(origin, line, column)| (origin.0.id, line, column)), Some((3, 2, 5)));
    assert_eq!(place(&map, 1, 1).map(|found| found.1), None);
    assert_eq!(place(&map, 0, 0).map(|found| found.1), None);
    assert_eq!(place(&map, 100_000, 1).map(|found| found.1), None);
}

/// Spans that no compiler would write must not take the kernel down.
#[test]
fn hostile_spans() {
    let map = cell("let ä = \"日\";").map();
    let lines: Vec<String> = [(0, 1 << 40), (5, 2), (map.generated.len(), map.generated.len()), (usize::MAX, usize::MAX)]
        .iter()
        .map(|(start, end)| {
            format!(r#"{{"message":"odd","level":"error","spans":[{{"file_name":"c_0123456789ab.rs","byte_start":{start},"byte_end":{end},"line_start":1,"is_primary":true}}]}}"#)
        })
        .collect();
    let diagnosed = render(&parse(&lines.join("\n")), &map, &Names::default(), 3, &[]);
    assert!(!diagnosed.errors.is_empty());
    for start in 0..map.generated.len() {
        for length in [0, 1, 5] {
            let _ = map.locate_bytes(start..start + length);
        }
    }
}

#[test]
fn a_compiler_that_crashes_is_told_as_such() {
    let diagnosed = render(&parse("thread 'rustc' panicked at compiler/x.rs:1:1:\nboom\n"), &SourceMap::default(), &Names::default(), 3, &[]);
    assert_eq!(diagnosed.errors.len(), 1);
    assert!(diagnosed.errors[0].text.contains("this is a bug of Ochre"), "{}", diagnosed.errors[0].text);
    assert!(diagnosed.errors[0].bug.as_deref().is_some_and(|raw| raw.contains("boom")));
}

#[test]
fn an_error_of_generated_code_alone_is_ours() {
    let mut map = cell("let x = 1;").map();
    map.generated.push_str("fn extra() { undefined_thing(); }\n");
    let diagnosed = render(&parse(&rustc(&map.generated)), &map, &Names::default(), 3, &[]);
    assert_eq!(diagnosed.errors.len(), 1, "{diagnosed:?}");
    assert!(diagnosed.errors[0].bug.is_some() && diagnosed.errors[0].primary.is_none());
}

#[test]
fn names_of_generated_crates_are_cut() {
    let names = Names { crates: vec!["made".into()], ..Names::default() };
    for (input, expected) in [
        ("expected `c_1a2b3c::P`, found `P`", "expected `P`, found `P`"),
        ("`Vec<c_1a2b3c::inner::In<made::Q>>`", "`Vec<inner::In<Q>>`"),
        ("polars_core::frame::DataFrame", "DataFrame"),
        ("`polars::prelude::Expr`", "`Expr`"),
        ("polars_core::prelude::col", "polars_core::prelude::col"),
        ("std::collections::HashMap<__t_x, c_code>", "std::collections::HashMap<x, c_code>"),
        ("made: a word; c_1a2b3c", "made: a word; c_1a2b3c"),
        ("::std::x and a::__run::B", "::std::x and a::B"),
    ] {
        assert_eq!(names.clean(input), expected, "{input}");
    }
}
