//! Answers to habits from other kernels: what was typed, and what does the same here.
//!
//! The Rust side (`import x`, a Python polars line, `display(df)`) is `ochre_cells::habits`; this is the side
//! of the magics, and where both meet.
use crate::front::Report;
use crate::report::failure;
use ochre_api::{Failure, Registry, suggest};

/// Magic of another kernel, and what does the same here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("sh", "write `!command` for one line, or `%%bash` on the first line of a cell for several"),
    ("shell", "write `!command` for one line, or `%%bash` on the first line of a cell for several"),
    ("system", "write `!command`"),
    ("sx", "write `!command`"),
    ("script", "write `%%bash` on the first line of a cell"),
    ("pip", "crates are added with `%dep NAME`, such as `%dep rand`; for Python itself write `!pip install NAME`"),
    ("conda", "crates are added with `%dep NAME`, such as `%dep rand`; for Python itself write `!conda install NAME`"),
    ("mamba", "crates are added with `%dep NAME`, such as `%dep rand`"),
    ("uv", "crates are added with `%dep NAME`, such as `%dep rand`"),
    ("cargo", "crates are added with `%dep NAME`; for cargo itself write `!cargo …`"),
    ("matplotlib", "nothing has to be set: `ochre::plot(&df).line(\"x\", \"y\")` shows a chart"),
    ("pylab", "nothing has to be set: `ochre::plot(&df).line(\"x\", \"y\")` shows a chart"),
    ("config", "settings are `%opt` and the environment (`%env`)"),
    ("autoreload", "run a file again with `%run FILE.rs`"),
    ("load_ext", "extensions are built in: `%lsmagic` lists all magics"),
    ("reload_ext", "extensions are built in: `%lsmagic` lists all magics"),
    ("sql", "`SqlContext` of polars runs SQL over frames: `let mut ctx = polars::sql::SQLContext::new(); ctx.register(\"t\", df.clone().lazy()); ctx.execute(\"SELECT …\")?.collect()?`"),
    ("fs", "`!ls PATH`, `!cp FROM TO` and `std::fs` work on files"),
    ("python", "cells are Rust; `!python3 -c '…'` runs Python"),
    ("scala", "cells are Rust"),
    ("r", "cells are Rust; `!Rscript -e '…'` runs R"),
    ("md", "use a Markdown cell, or show text with `ochre::markdown(\"…\")`"),
    ("markdown", "use a Markdown cell, or show text with `ochre::markdown(\"…\")`"),
    ("html", "show it with `ochre::html(\"…\")`"),
    ("latex", "show it with `ochre::latex(\"…\")`"),
    ("svg", "show it with `ochre::svg(\"…\")`"),
    ("javascript", "notebooks with scripts in their output are not safe to open; show HTML with `ochre::html(\"…\")`"),
    ("js", "notebooks with scripts in their output are not safe to open; show HTML with `ochre::html(\"…\")`"),
    ("capture", "write outputs to a file, or end the expression with `;` to show nothing"),
    ("prun", "use a profiler: `!perf record …`; `%time` and `%timeit` measure"),
    ("lprun", "use a profiler: `!perf record …`; `%time` and `%timeit` measure"),
    ("memit", "`%vars` shows the sizes of variables"),
    ("debug", "the backtrace is shown with the panic; `dbg!(value)` prints on the way"),
    ("pdb", "the backtrace is shown with the panic; `dbg!(value)` prints on the way"),
    ("pwd", "write `%cd` without a path, or `!pwd`"),
    ("ls", "write `!ls`"),
    ("cat", "write `!cat FILE`"),
    ("store", "keep values in files: `CsvWriter`, `ParquetWriter`, or serde"),
    ("set_env", "write `%env NAME=VALUE`"),
    ("who_ls", "write `%vars`"),
    ("del", "a variable is dropped with `drop(name);`"),
    ("reset_selective", "a variable is dropped with `drop(name);`"),
    ("save", "write `%%writefile FILE` on the first line of a cell"),
    ("edit", "edit the cell, or load a file into it with `%load FILE`"),
    ("rerun", "run the cell again; `%run FILE` runs a file in this session"),
    ("recall", "`%history` shows earlier cells"),
    ("notebook", "save the notebook; `%history` shows earlier cells"),
];

/// The failure for a magic that there is not.
pub(crate) fn unknown_magic(name: &str, magics: &Registry) -> Failure {
    if let Some((_, instead)) = ELSEWHERE.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
        return Failure::usage(format!("%{name} belongs to another kernel")).hint(*instead);
    }
    let failure = Failure::usage(format!("there is no magic %{name}"));
    let elsewhere = || suggest::nearest(name, ELSEWHERE.iter().map(|(n, _)| *n));
    match (magics.nearest(name), elsewhere()) {
        (Some(known), _) => failure.hint(format!("did you mean %{known}? %lsmagic lists all")),
        (None, Some(known)) => unknown_magic(known, magics),
        (None, None) => failure.hint("%lsmagic lists all"),
    }
}

/// Class of a compiler's error that has no code of its own: most are of syntax.
pub(crate) const NO_CODE: &str = "compile error";

/// The engine's report, with what the code was meant to be in another language.
pub(crate) fn explain(code: &str, report: Report) -> Failure {
    let coded = report.name.starts_with('E') && report.name[1..].chars().all(|c| c.is_ascii_digit());
    // What ran and failed was Rust: only a text that did not compile can be a habit.
    if !coded && report.name != NO_CODE {
        return failure(report);
    }
    match ochre_cells::habits::hint(code) {
        // An old name of polars: the compiler says where, the hint says what.
        Some(hint) if coded => failure(report).hint(hint),
        // Another language: what a parser of Rust says about it helps nobody.
        Some(hint) => Failure::usage("this is not Rust").hint(hint),
        None => failure(report),
    }
}
