//! Real messages of a real rustc over small generated files: cell text in, what the user reads out.
use super::*;
use expect_test::{Expect, expect};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

mod borrows;
mod layout;
mod messages;
mod panicking;

/// What generated files have before and around the cell's text: the engine's shapes, without the engine.
const SCAFFOLD: &str = r#"#![allow(unused_variables, dead_code, unused_mut, unused_imports, unused_assignments)]
pub mod __rt {
    pub struct Cx;
    #[inline(never)] pub fn ty<T: ?Sized>(value: &T) -> *const T { value }
    impl Cx {
        pub fn take<T: 'static>(&mut self, _: &str) -> T { panic!() }
        pub fn put<T: 'static>(&mut self, _: &str, _: T, _: bool) {}
        pub fn body(&mut self, _: impl FnOnce(&mut Cx)) {}
        pub fn try_body(&mut self, _: impl FnOnce(&mut Cx) -> Result<(), Box<dyn std::error::Error>>) {}
    }
    pub struct IsSend<'a, T>(pub &'a T);
    pub trait Sendable { fn ochre_is_send(&self) -> bool { true } }
    pub trait NotSendable { fn ochre_is_send(&self) -> bool { false } }
    impl<T: Send> Sendable for IsSend<'_, T> {}
    impl<T> NotSendable for &IsSend<'_, T> {}
    pub struct Probe<'a, T: ?Sized>(pub &'a T);
    pub trait ByDebug { fn ochre_show(&self, _: &mut Cx) {} }
    pub trait ByNothing { fn ochre_show(&self, _: &mut Cx) {} }
    impl<T: std::fmt::Debug + ?Sized> ByDebug for &Probe<'_, T> {}
    impl<T: ?Sized> ByNothing for Probe<'_, T> {}
    pub fn block_on<T>(_: impl Future<Output = T>) -> T { panic!() }
}
"#;

/// A cell as the engine would plan it.
#[derive(Default)]
struct Cell<'a> {
    text: &'a str,
    /// Items of an earlier cell, `cell [1]`.
    earlier: &'a str,
    /// Variables that are taken from the store, with their types.
    takes: &'a [(&'a str, &'a str)],
    /// Variables that are stored at the end.
    keeps: &'a [&'a str],
    /// Whether the body may use `?`.
    fallible: bool,
    /// Whether the body may use `.await`.
    waits: bool,
    /// The last expression, shown.
    tail: &'a str,
    hints: &'a [(&'a str, &'a str)],
}

fn cell(text: &str) -> Cell<'_> {
    Cell { text, ..Cell::default() }
}

fn origin(label: &str, id: u64, text: &str) -> Origin {
    Origin(Arc::new(CellSource { label: label.to_owned(), text: text.to_owned(), id }))
}

impl Cell<'_> {
    fn map(&self) -> SourceMap {
        let mut map = SourceMap { pieces: Vec::new(), generated: SCAFFOLD.to_owned() };
        let copy = |map: &mut SourceMap, origin: Origin| {
            let text = origin.0.text.clone();
            map.pieces.push(Piece { start: map.generated.len(), len: text.len(), origin, origin_start: 0 });
            map.generated.push_str(&text);
        };
        copy(&mut map, origin("cell [1]", 1, self.earlier));
        map.generated.push_str("\npub fn __ochre_entry(__cx: &mut __rt::Cx) {\nuse __rt::{ByDebug as _, ByNothing as _, NotSendable as _, Sendable as _};\n");
        for (name, of) in self.takes {
            map.generated.push_str(&format!("let mut {name}: {of} = __cx.take(\"{name}\");\n"));
        }
        let call = if self.fallible { "try_body" } else { "body" };
        map.generated.push_str(&format!("__cx.{call}(|__cx: &mut __rt::Cx| {}{{\n", if self.waits { "__rt::block_on(async " } else { "" }));
        copy(&mut map, origin("cell [3]", 3, self.text));
        map.generated.push('\n');
        if !self.tail.is_empty() {
            map.generated.push_str("(&&&&__rt::Probe(&(");
            // The tail is the end of the same cell.
            let whole = format!("{}\n{}", self.text, self.tail);
            let same = origin("cell [3]", 3, &whole);
            map.pieces.iter_mut().filter(|piece| piece.origin.0.id == 3).for_each(|piece| piece.origin = same.clone());
            map.pieces.push(Piece { start: map.generated.len(), len: self.tail.len(), origin: same, origin_start: self.text.len() + 1 });
            map.generated.push_str(self.tail);
            map.generated.push_str("))).ochre_show(__cx);\n");
        }
        for name in self.keeps {
            map.generated.push_str(&format!("let __t_{name} = __rt::ty(&{name}); let __s = (&__rt::IsSend(&{name})).ochre_is_send(); __cx.put(\"{name}\", {name}, __s);\n"));
        }
        map.generated.push_str(if self.fallible { "Ok(())\n" } else { "" });
        map.generated.push_str(if self.waits { "}));\n" } else { "});\n" });
        for (name, _) in self.takes {
            map.generated.push_str(&format!("{{ let __s = (&__rt::IsSend(&{name})).ochre_is_send(); __cx.put(\"{name}\", {name}, __s); }}\n"));
        }
        map.generated.push_str("}\n");
        map
    }

    fn diagnose(&self) -> Diagnosed {
        let map = self.map();
        let messages = parse(&rustc(&map.generated));
        let hints: Vec<Hint> = self.hints.iter().map(|(name, text)| Hint { name: (*name).to_owned(), text: (*text).to_owned() }).collect();
        let diagnosed = render(&messages, &map, &Names::default(), 3, &hints);
        for rendered in diagnosed.errors.iter().chain(&diagnosed.warnings) {
            assert_clean(&rendered.text);
        }
        diagnosed
    }

    /// Compares all that the user reads, without colours.
    #[track_caller]
    fn check(&self, expected: Expect) {
        let Diagnosed { errors, warnings } = self.diagnose();
        let texts: Vec<String> = errors.iter().chain(&warnings).map(|rendered| plain(&rendered.text)).collect();
        expected.assert_eq(&(texts.join("\n\n") + "\n"));
    }
}

/// Nothing of the scaffold may be read by a user.
#[track_caller]
fn assert_clean(text: &str) {
    for word in ["__", "cx.", "cx:", "Probe", "ochre_", "c_0123456789ab", "catch_unwind", "FnOnce(&mut", "generated"] {
        assert!(!text.contains(word), "`{word}` of the scaffold is in:\n{text}");
    }
}

/// Runs the compiler on a generated file; its JSON lines.
fn rustc(text: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("ochre-diagnostics-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("c_0123456789ab.rs");
    std::fs::write(&file, text).unwrap();
    let output = Command::new("rustc")
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--error-format", "json", "--crate-name", "c_0123456789ab", "--out-dir"])
        .arg(&folder)
        .arg(&file)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    String::from_utf8(output.stderr).unwrap()
}

/// A text without ANSI colours.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    out + rest
}
