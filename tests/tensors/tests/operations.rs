//! Every operation on the CPU: values and gradients against PyTorch, gradients against finite differences, and nothing is left out.
//!
//! - "Values and gradients of every operation agree with PyTorch's in f64, f32, f16 and bf16 within stated tolerances."
use ochre_tensors::Device;
use ochre_tensors_suite::{Kind, cases, check, finite, torch};
use std::collections::BTreeSet;
use std::process::Command;

#[test]
fn values_and_gradients_are_pytorchs() {
    let python = torch::python().unwrap();
    let report = check::against_torch(&Device::Cpu, &python, |_| true).unwrap();
    println!("on {}: {} tensors compared with PyTorch {}'s", ochre_tensors::cpu_level(), report.compared, report.version);
    assert!(report.failures.is_empty(), "{} of {} tensors differ from PyTorch {}'s:\n  {}", report.failures.len(), report.compared, report.version, report.failures.join("\n  "));
    assert!(report.compared > 2000, "only {} tensors were compared", report.compared);
}

#[test]
fn values_and_gradients_are_pytorchs_at_every_level_of_the_processor() {
    // The level is found once in a process: the test above runs again in others.
    let best = ochre_tensors::cpu_level();
    let lower = ["base", "avx2", "avx512"].into_iter().take_while(|level| *level != best);
    for level in lower {
        let mut again = Command::new(std::env::current_exe().unwrap());
        let output = again.args(["--exact", "values_and_gradients_are_pytorchs", "--nocapture"]).env("OCHRE_CPU_LEVEL", level).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{level}:\n{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(&format!("on {level}: ")) && said.contains("1 passed"), "{level}:\n{said}");
    }
}

#[test]
fn gradients_are_difference_quotients() {
    let smooth: Vec<_> = cases::all().into_iter().filter(|case| case.kind == Kind::Smooth).collect();
    let failures: Vec<String> = smooth.iter().flat_map(|case| finite::check(case, &Device::Cpu)).collect();
    assert!(failures.is_empty(), "{} gradients are wrong:\n  {}", failures.len(), failures.join("\n  "));
    assert!(smooth.len() > 150, "only {} cases have gradients", smooth.len());
}

#[test]
fn a_wrong_gradient_is_found() {
    let mut case = cases::all().into_iter().find(|case| case.name == "square").unwrap();
    // Detached in part: the value is right, the gradient is half of it.
    case.ours = |x| vec![&x[0] * &x[0].detach()];
    assert_eq!(finite::check(&case, &Device::Cpu).len(), 1);
}

#[test]
fn names_of_cases_are_unique() {
    let all = cases::all();
    let names: BTreeSet<&str> = all.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), all.len());
}

/// Public functions that give a tensor and are no case of the table, each for a reason.
const NOT_IN_THE_TABLE: &[(&str, &[&str])] = &[
    ("creation: no input to differentiate; tests/creation.rs", &[
        "zeros", "ones", "full", "zeros_on", "ones_on", "full_on", "zeros_like", "ones_like", "full_like", "scalar", "eye", "arange", "linspace", "logspace", "from_vec", "from_slice",
        "from_raw", "rand", "randn", "randint", "rand_on", "randn_on", "randint_on", "uniform_on", "normal_on", "bernoulli", "rand_like", "randn_like", "randperm", "arange_on", "from_buffer",
    ]),
    ("history, not arithmetic: tests of ochre-tensors", &["requires_grad", "detach", "grad"]),
    ("the same elements on another device", &["to_device"]),
    ("drawn at random: its extremes are in the table, its share in tests/properties.rs", &["dropout", "dropout2d"]),
    ("drawn at random: its shares are in tests/creation.rs", &["multinomial"]),
];

#[test]
fn every_operation_is_in_the_table() {
    let covered: BTreeSet<&str> = cases::all().iter().map(|case| case.operation()).collect();
    let excused: BTreeSet<&str> = NOT_IN_THE_TABLE.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let public = public_operations();
    assert!(public.len() > 150, "the sources were not read: {public:?}");
    let missing: Vec<&String> = public.iter().filter(|name| !covered.contains(name.as_str()) && !excused.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "add a case to tests/tensors/src/cases, or a reason to NOT_IN_THE_TABLE: {missing:?}");
}

/// Names of public functions whose result holds a `Tensor`, also those that macros write from `name = Kind::Operation` lines. A `try_` twin counts as its plain form.
fn public_operations() -> BTreeSet<String> {
    let mut sources = Vec::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../extensions/tensors/src");
    let mut waiting = vec![root];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("cuda") && !path.ends_with("cpu") {
                waiting.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                sources.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut names = BTreeSet::new();
    for source in &sources {
        // A list of pairs `all, …_dims = …` of the macro of the reductions.
        let listed = source.split_once("reductions! {\n").and_then(|(_, rest)| rest.split_once("\n}\n")).map_or("", |(list, _)| list);
        names.extend(listed.lines().filter_map(|line| line.trim().strip_suffix(',')).filter(|name| !name.contains(' ')).map(str::to_owned));
        for line in source.lines().map(str::trim) {
            let written = line.split_once(" = ").filter(|(_, right)| ["Unary::", "Binary::", "Compare::", "Reduce::"].iter().any(|kind| right.starts_with(kind)) && right.ends_with(';'));
            if let Some((name, _)) = written.filter(|(name, _)| !name.contains(' ')) {
                names.insert(name.to_owned());
            }
            let Some((head, result)) = line.strip_prefix("pub fn ").and_then(|rest| rest.split_once(" -> ")) else { continue };
            let name: String = head.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let gives_tensors = result.replace("TensorError", "").contains("Tensor") && !result.starts_with("Option");
            if gives_tensors && !name.is_empty() {
                names.insert(name.strip_prefix("try_").unwrap_or(&name).to_owned());
            }
        }
    }
    names
}
