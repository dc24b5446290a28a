//! Both ONNX engines against PyTorch, onnxruntime's Python and the standard's own tests of each operator.
//!
//! - "An ONNX model gives the same by onnxruntime and by Ochre's own engine."
//!
//! `peer/onnx_oracle.py` makes the models and the answers, with what `cargo xtask peers` (and every `cargo xtask test`) installs.
mod support;

use ochre_nn::npy;
use ochre_nn::onnx::{self, Runner};
use ochre_tensors::{DType, Tensor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use support::peer;

/// site-packages of an environment.
fn packages(environment: &Path) -> PathBuf {
    let lib = std::fs::read_dir(environment.join("lib")).expect("an environment").flatten().find(|e| e.file_name().to_string_lossy().starts_with("python3"));
    lib.expect("a Python").path().join("site-packages")
}

/// Where the models are.
fn oracle() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx-oracle");
        // What the child of a test shall not make again.
        if std::env::var_os(CHILD).is_some() {
            return folder;
        }
        let _ = std::fs::remove_dir_all(&folder);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer/onnx_oracle.py");
        let mut command = Command::new(peer("python-torch").join("bin/python"));
        let made = command.arg(script).arg(&folder).env("PYTHONPATH", packages(&peer("python-onnx"))).env("PYTHONDONTWRITEBYTECODE", "1").output().expect("Python starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        folder
    })
}

/// A model's inputs, outputs and tolerance.
struct Answers {
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    tolerance: [f64; 2],
}

fn answers(path: &Path) -> Answers {
    let all: BTreeMap<String, Tensor> = npy::load_npz(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).into_iter().collect();
    let list = |kind: &str| (0..).map_while(|i| all.get(&format!("{kind}{i}")).cloned()).collect();
    let tolerance = all["tolerance"].to_vec::<f64>();
    Answers { inputs: list("in"), outputs: list("out"), tolerance: [tolerance[0], tolerance[1]] }
}

fn run(model: &onnx::Model, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
    let named: Vec<(&str, &Tensor)> = model.inputs().iter().map(|port| port.name.as_str()).zip(inputs).collect();
    Ok(model.run(&named).map_err(|e| e.to_string())?.into_iter().map(|(_, t)| t).collect())
}

/// What is not as it should be.
fn difference(ours: &[Tensor], wanted: &Answers) -> Option<String> {
    if ours.len() != wanted.outputs.len() {
        return Some(format!("{} outputs instead of {}", ours.len(), wanted.outputs.len()));
    }
    let [relative, absolute] = wanted.tolerance;
    for (place, (a, b)) in ours.iter().zip(&wanted.outputs).enumerate() {
        if (a.shape(), a.dtype()) != (b.shape(), b.dtype()) {
            return Some(format!("output {place} is {} {:?}, not {} {:?}", a.dtype(), a.shape(), b.dtype(), b.shape()));
        }
        let (x, y) = (a.to_dtype(DType::F64).to_vec::<f64>(), b.to_dtype(DType::F64).to_vec::<f64>());
        // Halves are rounded after each step here, and once there.
        let unit = if a.dtype() == DType::F16 { 2e-3 } else { 0.0 };
        let far = |a: f64, b: f64| !(a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= absolute.max(1e-7) + (relative + unit) * b.abs());
        if let Some(at) = x.iter().zip(&y).position(|(a, b)| far(*a, *b)) {
            return Some(format!("output {place}, element {at}: {} instead of {}", x[at], y[at]));
        }
    }
    None
}

/// The models of a folder with the files of answers that belong to each.
fn models(kind: &str) -> Vec<(PathBuf, Vec<PathBuf>)> {
    let mut models: Vec<PathBuf> = std::fs::read_dir(oracle().join(kind)).expect("the oracle wrote it").flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "onnx")).collect();
    models.sort();
    let with = |model: PathBuf| {
        let stem = model.with_extension("").to_string_lossy().into_owned();
        let answers = ["", "_two"].map(|suffix| PathBuf::from(format!("{stem}{suffix}.npz"))).into_iter().filter(|p| p.exists()).collect();
        (model, answers)
    };
    models.into_iter().map(with).collect()
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Networks that PyTorch exported give PyTorch's answers (and onnxruntime's, which the oracle has compared), at two sizes of the batch.
fn networks(runner: Runner) {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (path, files) in models("networks") {
        let model = match onnx::load_with(&path, runner) {
            Ok(model) => model,
            Err(error) => {
                wrong.push(format!("{}: {error}", name(&path)));
                continue;
            }
        };
        for file in files {
            compared += 1;
            let wanted = answers(&file);
            let found = run(&model, &wanted.inputs).map_or_else(Some, |ours| difference(&ours, &wanted));
            wrong.extend(found.map(|difference| format!("{}: {difference}", name(&file))));
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ:\n  {}", wrong.len(), wrong.join("\n  "));
    assert!(compared >= 32, "only {compared} were compared");
}

#[test]
fn networks_of_pytorch_run_by_our_own_engine() {
    networks(Runner::Own);
}

#[test]
fn operators_are_the_standards_by_our_own_engine() {
    let (mut wrong, mut passed, mut refused) = (Vec::new(), 0, Vec::new());
    for (path, files) in models("standard") {
        let wanted = answers(&files[0]);
        let ours = onnx::load_with(&path, Runner::Own).map_err(|e| e.to_string()).and_then(|model| run(&model, &wanted.inputs));
        match ours {
            // It says what it does not do, and what does; what it does has to be right.
            Err(error) if error.contains("pip install onnxruntime") => refused.push(format!("{}: {error}", name(&path))),
            Err(error) => wrong.push(format!("{}: {error}", name(&path))),
            Ok(ours) => match difference(&ours, &wanted) {
                Some(difference) => wrong.push(format!("{}: {difference}", name(&path))),
                None => passed += 1,
            },
        }
    }
    println!("{passed} of the standard's tests pass, {} are refused by name", refused.len());
    assert!(wrong.is_empty(), "{} wrong, {passed} right, {} refused:\n  {}", wrong.len(), refused.len(), wrong.join("\n  "));
    assert!(passed >= MOST, "only {passed} passed; refused were:\n  {}", refused.join("\n  "));
}

#[test]
fn an_operator_that_is_missing_is_named_with_the_way_out() {
    let error = onnx::load_with(oracle().join("standard/test_det_2d.onnx"), Runner::Own).err().expect("it is refused").to_string();
    assert!(error.contains("operator `Det`") && error.contains("pip install onnxruntime"), "{error}");
}

/// So many pass, at the least.
const MOST: usize = 1095;

/// Set in the process that runs one test again, with onnxruntime's library to be found.
const CHILD: &str = "OCHRE_TEST_ONNXRUNTIME";

#[test]
#[cfg(feature = "onnx")]
fn networks_of_pytorch_run_by_onnxruntime() {
    if std::env::var_os(CHILD).is_some() {
        let loaded = onnx::load(models("networks")[0].0.clone()).expect("onnxruntime is found in the active environment");
        assert!(loaded.engine().starts_with("onnxruntime 1."), "{loaded}");
        return networks(Runner::Best);
    }
    oracle();
    let test = "networks_of_pytorch_run_by_onnxruntime";
    // As a user has it: an active environment in which `pip install onnxruntime` was done.
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let child = command.args(["--exact", test]).env(CHILD, "1").env("VIRTUAL_ENV", peer("python-onnx")).env_remove("ORT_DYLIB_PATH").output().expect("it starts again");
    assert!(child.status.success(), "{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
}
