//! The rules of the code as tests: which crate may name which, how files open, what is not in them.
mod workspace;

use workspace::{Crate, crates, files};

/// Who may depend on whom, of our own crates. What is not listed is not allowed.
const ARROWS: &[(&str, &[&str])] = &[
    ("ochre", &["ochre-jupyter", "ochre-session", "ochre-cells", "ochre-link", "ochre-build", "ochre-api", "ochre-nvidia", "ochre-secrets", "ochre-mount", "ochre-runs", "ochre-storage", "ochre-vault"]),
    ("ochre-api", &["ochre-link"]),
    ("ochre-azure", &["ochre-secrets"]),
    ("ochre-blobs", &["ochre-secrets"]),
    ("ochre-build", &[]),
    ("ochre-charts", &[]),
    ("ochre-cells", &["ochre-link", "ochre-secrets"]),
    ("ochre-evcxr", &["ochre-link"]),
    ("ochre-frames", &["ochre-runtime", "ochre-tensors"]),
    ("ochre-jupyter", &["ochre-session", "ochre-link"]),
    ("ochre-learning", &[]),
    ("ochre-link", &[]),
    ("ochre-logging", &["ochre-runtime", "ochre-spool", "ochre-plots"]),
    ("ochre-ml", &["ochre-runtime", "ochre-frames", "ochre-plots", "ochre-learning", "ochre-logging"]),
    ("ochre-mount", &["ochre-blobs", "ochre-secrets"]),
    ("ochre-nn", &["ochre-runtime", "ochre-logging", "ochre-plots", "ochre-tensors"]),
    ("ochre-nvidia", &[]),
    ("ochre-plots", &["ochre-runtime", "ochre-charts", "ochre-tensors"]),
    ("ochre-prelude", &["ochre-runtime", "ochre-frames", "ochre-plots", "ochre-stores", "ochre-logging", "ochre-ml", "ochre-nn", "ochre-tensors"]),
    ("ochre-runs", &["ochre-api", "ochre-azure", "ochre-charts", "ochre-link", "ochre-secrets", "ochre-spool", "ochre-tracking", "ochre-vault"]),
    ("ochre-runtime", &[]),
    ("ochre-secrets", &[]),
    ("ochre-servers", &[]),
    ("ochre-session", &["ochre-cells", "ochre-api", "ochre-link", "ochre-nvidia", "ochre-secrets"]),
    ("ochre-spool", &[]),
    ("ochre-storage", &["ochre-api", "ochre-azure", "ochre-blobs", "ochre-link", "ochre-mount", "ochre-secrets", "ochre-vault"]),
    ("ochre-storage-bench", &["ochre-blobs", "ochre-mount", "ochre-secrets", "ochre-servers"]),
    ("ochre-stores", &["ochre-runtime", "ochre-frames", "ochre-blobs", "ochre-secrets"]),
    ("ochre-tensors", &["ochre-nvidia"]),
    ("ochre-tensors-suite", &["ochre-tensors", "ochre-nn"]),
    ("ochre-tracking", &["ochre-secrets"]),
    ("ochre-vault", &["ochre-api", "ochre-azure", "ochre-link", "ochre-secrets"]),
    ("ochre-worker", &["ochre-link", "ochre-runtime"]),
    ("xtask", &["ochre-build"]),
];

/// Where `unsafe` is allowed, each block with its reason.
const UNSAFE: &[&str] = &["kernel/runtime/", "kernel/worker/", "extensions/spool/src/sys.rs", "extensions/logging/examples/logging_program.rs", "extensions/mount/src/seccomp/sys.rs", "extensions/mount/src/fuse/program.rs", "extensions/tensors/src/cuda/", "extensions/tensors/src/cpu/gemm.rs", "extensions/tensors/src/cpu/interleave.rs", "extensions/tensors/src/cpu/level.rs"];

/// Lines after which a file is more than one idea.
const LONGEST_FILE: usize = 700;

/// Calls of `unwrap` outside tests, in the whole workspace.
const UNWRAPS: usize = 0;

fn report(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}\n  {}", broken.join("\n  "));
}

#[test]
fn arrows_run_one_way() {
    let allowed = |c: &Crate| ARROWS.iter().find(|(name, _)| *name == c.name).map(|(_, to)| *to);
    let mut broken = Vec::new();
    for one in crates() {
        match allowed(&one) {
            None => broken.push(format!("{} is not in the table of arrows", one.name)),
            Some(to) => broken.extend(
                one.dependencies.iter().filter(|d| d.starts_with("ochre") && !to.contains(&d.as_str())).map(|d| format!("{} -> {d}", one.name)),
            ),
        }
    }
    report("a dependency that the architecture does not have (ARCHITECTURE.md):", broken);
}

#[test]
fn the_runtime_depends_on_nothing() {
    let runtime = crates().into_iter().find(|c| c.name == "ochre-runtime").expect("there is a runtime crate");
    report("rustc reads the metadata of what the runtime depends on for every cell:", runtime.dependencies);
}

#[test]
fn dependencies_are_listed_once_in_the_workspace() {
    let broken = crates().into_iter().flat_map(|c| c.versions.into_iter().map(move |line| format!("{}: {line}", c.name))).collect();
    report("a version belongs into [workspace.dependencies]:", broken);
}

#[test]
fn only_jupyter_names_a_socket_library() {
    let broken = crates()
        .into_iter()
        .filter(|c| c.name != "ochre-jupyter")
        .flat_map(|c| c.dependencies.into_iter().filter(|d| ["zeromq", "jupyter-protocol"].contains(&d.as_str())).map(move |d| format!("{} -> {d}", c.name)))
        .collect();
    report("only ochre-jupyter speaks to sockets:", broken);
}

#[test]
fn every_source_file_says_what_it_is_for() {
    // What a notebook runs is a cell, which opens with a plain comment.
    let opens = |f: &workspace::File| f.text.starts_with(if f.path.starts_with("notebooks/") { "// " } else { "//!" });
    let broken = files("rs").into_iter().filter(|f| !opens(f)).map(|f| f.path).collect();
    report("a file opens with `//!`: what it is for, who calls it, what it does not do:", broken);
}

#[test]
fn no_file_is_longer_than_one_idea() {
    // Tables of cases may be long.
    let broken = files("rs").into_iter().filter(|f| !f.is_test && f.text.lines().count() > LONGEST_FILE).map(|f| format!("{} has {} lines", f.path, f.text.lines().count())).collect();
    report("split it:", broken);
}

#[test]
fn unsafe_is_where_it_is_expected_and_explained() {
    let mut broken = Vec::new();
    for file in files("rs").into_iter().filter(|f| !f.is_test) {
        let home = UNSAFE.iter().any(|place| file.path.starts_with(place));
        let lines: Vec<&str> = file.code.lines().collect();
        for (number, line) in lines.iter().enumerate().filter(|(_, l)| opens_unsafe(l)) {
            if !home {
                broken.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            } else if !explained(&lines, number) {
                broken.push(format!("{}:{}: no SAFETY line above `{}`", file.path, number + 1, line.trim()));
            }
        }
    }
    report("`unsafe` lives in the runtime, the worker and the mount's system calls, each with a SAFETY line:", broken);
}

/// Whether a line begins an unsafe block or implementation. Code that is written for cells, in strings, is none.
fn opens_unsafe(line: &str) -> bool {
    let code = unquoted(line).split("//").next().unwrap_or_default();
    ["unsafe {", "unsafe impl"].iter().any(|form| code.contains(form))
}

/// A line up to its first string.
fn unquoted(line: &str) -> &str {
    line.split('"').next().unwrap_or_default()
}

/// A SAFETY line directly above, above the statement, or above an unsafe block just before it.
fn explained(lines: &[&str], number: usize) -> bool {
    const REACH: usize = 8;
    lines[number.saturating_sub(REACH)..=number].iter().any(|l| l.contains("SAFETY") || l.contains("# Safety"))
}

#[test]
fn unwrap_is_for_tests() {
    let mut found = Vec::new();
    for file in files("rs").into_iter().filter(|f| !f.is_test) {
        let lines = file.code.lines().enumerate().filter(|(_, l)| !l.trim_start().starts_with("//") && l.contains(".unwrap()"));
        // Text that is compiled in cells is not ours to panic in.
        found.extend(lines.filter(|(_, l)| !l.contains('"')).map(|(n, l)| format!("{}:{}: {}", file.path, n + 1, l.trim())));
    }
    assert!(found.len() <= UNWRAPS, "use `?`, or `expect` with the reason why it cannot happen:\n  {}", found.join("\n  "));
}

#[test]
fn nothing_names_this_machine() {
    let mut broken = Vec::new();
    // Written in two parts, so that this file does not break its own rule.
    let forbidden = [["/ro", "ot/"].concat(), ["/wo", "rk/main"].concat(), ["/wo", "rk/shared"].concat(), ["/ho", "me/"].concat(), ["index.crates", ".io"].concat(), ["registry.npmjs", ".org"].concat(), ["files.python", "hosted"].concat()];
    for extension in ["rs", "toml", "md", "json", "ipynb", "py", "mjs", "sh", "svg"] {
        for file in files(extension) {
            for (number, line) in file.text.lines().enumerate() {
                let allowed = ["/home/user", "/home/ada", "/home/jovyan", "/home/sagemaker-user"].iter().any(|a| line.contains(a));
                if let Some(word) = forbidden.iter().find(|w| line.contains(w.as_str())).filter(|_| !allowed) {
                    broken.push(format!("{}:{}: {word}", file.path, number + 1));
                }
            }
        }
    }
    report("a path or host of one machine:", broken);
}

#[test]
fn nothing_is_left_to_do() {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["unimple", "mented!("].concat(), ["to", "do!("].concat()];
    let mut broken = Vec::new();
    for file in files("rs").into_iter().filter(|f| !f.is_test) {
        let found = file.text.lines().enumerate().filter(|(_, l)| marks.iter().any(|m| unquoted(l).contains(m.as_str())));
        broken.extend(found.map(|(n, l)| format!("{}:{}: {}", file.path, n + 1, l.trim())));
    }
    report("finish it or file an issue:", broken);
}

#[test]
fn every_sentence_of_semantics_is_quoted_by_a_test() {
    let text = workspace::read("SEMANTICS.md");
    let sentences: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("- **")).filter_map(|l| l.split("**").next()).collect();
    assert!(sentences.len() > 10, "the promises of SEMANTICS.md are lines that begin with `- **Sentence.**`");
    let tests: Vec<String> = ["rs", "py"].iter().flat_map(|e| files(e)).map(|f| unbroken(&f.text)).collect();
    let broken = sentences.iter().filter(|s| !tests.iter().any(|t| t.contains(&unbroken(s)))).map(|s| s.to_string()).collect();
    report("a promise that no test quotes (write the sentence into the test that proves it):", broken);
}

/// One line, without comment marks: a quoted sentence may be wrapped.
fn unbroken(text: &str) -> String {
    let words = text.split_whitespace().filter(|w| !["//", "///", "//!", "#"].contains(w));
    words.collect::<Vec<_>>().join(" ")
}

/// What a call of a tensor asks for has to have a name in a cell: the types in signatures of `impl Tensor` are in the prelude's list.
#[test]
fn every_type_that_a_tensors_method_takes_has_a_name_in_cells() {
    let prelude = workspace::read("kernel/prelude/src/lib.rs");
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let named: Vec<&str> = prelude.split(|c: char| !is_word(c)).collect();
    // Rust's own, and traits of Rust's that stand in bounds.
    let known = ["Self", "Tensor", "Vec", "Option", "Result", "Into", "Fn", "FnOnce", "FnMut", "Send", "Sync", "String", "Arc", "Box", "R", "T", "F"];
    let mut missing = Vec::new();
    let mut seen = 0;
    for file in files("rs").into_iter().filter(|f| f.path.contains("extensions/tensors/src/") && !f.path.contains("/cuda/")) {
        let mut inside = false;
        for line in file.text.lines() {
            inside = if line.starts_with("impl Tensor {") { true } else { inside && !line.starts_with('}') };
            let Some(signature) = line.trim_start().strip_prefix("pub fn ").filter(|_| inside) else { continue };
            seen += 1;
            let types = signature.split('{').next().unwrap_or(signature).split(|c: char| !is_word(c)).filter(|word| word.starts_with(char::is_uppercase));
            missing.extend(types.filter(|word| !known.contains(word) && !named.contains(word)).map(|word| format!("{word} in `{}`", signature.trim_end_matches(" {"))));
        }
    }
    assert!(seen > 150, "{seen} methods");
    report("types of a tensor's methods that have no name under `ochre`:", missing);
}

/// A pointer to a method that is `track_caller` (`map(Tensor::relu)`) makes rustc hide the method itself in the dylib that cells link: a cell that
/// calls it cannot be loaded then. A closure does not.
#[test]
fn no_crate_of_cells_points_at_a_tensors_method() {
    // These tell no caller.
    let harmless = ["clone", "dtype", "zero_grad"];
    let mut broken = Vec::new();
    for file in files("rs").into_iter().filter(|f| ["extensions/nn/src", "extensions/frames/src", "extensions/plots/src", "extensions/ml/src", "kernel/prelude"].iter().any(|p| f.path.starts_with(p))) {
        for (number, line) in file.code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for rest in line.split("Tensor::").skip(1) {
                let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_').collect();
                let pointed = !name.is_empty() && rest[name.len()..].starts_with([')', ',', ';']);
                if pointed && !harmless.contains(&name.as_str()) {
                    broken.push(format!("{}:{}: Tensor::{name}", file.path, number + 1));
                }
            }
        }
    }
    report("write a closure, `|x| x.relu()`:", broken);
}
