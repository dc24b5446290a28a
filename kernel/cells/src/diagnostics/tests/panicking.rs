//! Panics: the cell's line and the user's frames.
use super::*;
use ochre_link::{Frame, Place};

fn place_of(map: &SourceMap, text: &str) -> Place {
    let at = map.generated.find(text).unwrap();
    let before = &map.generated[..at];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place { file: "/tmp/x/c_0123456789ab.rs".into(), line: 1 + before.matches('\n').count() as u32, column: 1 + before[line_start..].chars().count() as u32 }
}

fn frame(function: &str, place: Option<Place>) -> Frame {
    Frame { function: function.into(), place }
}

fn shown(cell: &Cell, message: &str, at: Option<Place>, backtrace: &[Frame]) -> String {
    let map = cell.map();
    let panic = PanicReport { message, place: at.as_ref(), backtrace, thread: "cell" };
    let rendered = render_panic(&panic, &Names::default(), &|file| (file == "c_0123456789ab.rs").then_some(&map));
    plain(&rendered.text) + "\n"
}

#[test]
fn the_line_that_panicked() {
    let cell = cell("let x = 1;\nlet y: Option<i32> = None; y.unwrap();");
    let at = place_of(&cell.map(), "y.unwrap()");
    expect![[r#"
        panic: called `Option::unwrap()` on a `None` value
         --> cell [3]:2:28
          |
        2 | let y: Option<i32> = None; y.unwrap();
          |                            ^^^^^^^^^^ panicked here
    "#]].assert_eq(&shown(&cell, "called `Option::unwrap()` on a `None` value", Some(at), &[]));
}

#[test]
fn frames_of_the_user_only() {
    let cell = Cell { earlier: "pub fn solve(n: i32) -> i32 {\n    if n == 0 { panic!(\"zero\") } else { solve(n - 1) }\n}", ..cell("solve(3)") };
    let map = cell.map();
    let std = Place { file: "/rustc/59807616e1fa/library/std/src/panicking.rs".into(), line: 689, column: 5 };
    let own = place_of(&map, "panic!(\"zero\")");
    let inner = place_of(&map, "solve(n - 1)");
    let backtrace = [
        frame("__rustc::rust_begin_unwind", Some(std.clone())),
        frame("core::panicking::panic_fmt::h0123456789abcdef", Some(std)),
        frame("c_0123456789ab::solve::h0123456789abcdef", Some(own.clone())),
        frame("c_0123456789ab::solve::h0123456789abcdef", Some(inner.clone())),
        frame("c_0123456789ab::solve::h0123456789abcdef", Some(inner)),
        frame("c_0123456789ab::__ochre_entry::{{closure}}::h0123456789abcdef", Some(place_of(&map, "solve(3)"))),
        frame("ochre_runtime::__rt::Cx::body", None),
    ];
    expect![[r#"
        panic: zero
         --> cell [1]:2:17
          |
        2 |     if n == 0 { panic!("zero") } else { solve(n - 1) }
          |                 ^^^^^^^^^^^^^^ panicked here
          |
          = note: called from
                    `solve` at cell [1]:2:17
                    `solve` at cell [1]:2:41 (2 times)
                    the cell at cell [3]:1:1
    "#]].assert_eq(&shown(&cell, "zero", Some(own), &backtrace));
}

#[test]
fn a_panic_of_a_library_is_shown_at_the_line_that_called_it() {
    let cell = cell("let v = vec![1];\nv.swap(0, 5);");
    let std = Place { file: "/rustc/59807616e1fa/library/core/src/slice/mod.rs".into(), line: 900, column: 18 };
    let backtrace = [frame("core::slice::swap", Some(std.clone())), frame("c_0123456789ab[1f]::__ochre_entry::{closure#0}", Some(place_of(&cell.map(), "v.swap")))];
    expect![[r#"
        panic: index out of bounds: the len is 1 but the index is 5
         --> cell [3]:2:1
          |
        2 | v.swap(0, 5);
          | ^^^^^^^^^^^^ panicked here
    "#]].assert_eq(&shown(&cell, "index out of bounds: the len is 1 but the index is 5", Some(std), &backtrace));
}

#[test]
fn another_thread_and_no_place() {
    let map = SourceMap::default();
    let panic = PanicReport { message: "two\nlines", place: None, backtrace: &[], thread: "loader" };
    let rendered = render_panic(&panic, &Names::default(), &|_| Some(&map));
    expect![[r#"
        panic: two
               lines
         |
         = note: in thread `loader`
    "#]].assert_eq(&(plain(&rendered.text) + "\n"));
}
