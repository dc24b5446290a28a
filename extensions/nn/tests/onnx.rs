//! ONNX models made by Python's onnx, against what Python's onnxruntime made of them (peer/onnx_models.py wrote it down).
//!
//! Where onnxruntime's library is not found (`ORT_DYLIB_PATH`, an active Python environment), the error that users get is
//! tested instead.
#![cfg(feature = "onnx")]
use ochre_nn::{npy, onnx};
use ochre_tensors::{DType, Tensor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer").join(name)
}

/// The model, or None where there is no engine: then the error is the one that helps.
fn loaded(name: &str) -> Option<onnx::Model> {
    match onnx::load(peer(name)) {
        Ok(model) => Some(model),
        Err(error) => {
            assert!(std::env::var_os("ORT_DYLIB_PATH").is_none(), "{error}");
            assert!(error.to_string().contains("pip install onnxruntime"), "{error}");
            None
        }
    }
}

#[track_caller]
fn close(ours: &Tensor, theirs: &Tensor) {
    assert_eq!((ours.shape(), ours.dtype()), (theirs.shape(), theirs.dtype()));
    let (ours, theirs) = (ours.to_dtype(DType::F64).to_vec::<f64>(), theirs.to_dtype(DType::F64).to_vec::<f64>());
    assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-5 * (1.0 + b.abs())), "{ours:?}\n{theirs:?}");
}

#[test]
fn a_model_gives_what_onnxruntime_gives() {
    let expected: BTreeMap<String, Tensor> = npy::load_npz(peer("onnx.npz")).expect("the reference is there").into_iter().collect();
    let Some(model) = loaded("pictures.onnx") else { return };
    assert_eq!(model.inputs()[0].shape, [None, Some(3), Some(8), Some(8)]);
    assert_eq!(model.outputs()[0].name, "probabilities");
    let x = &expected["pictures/in/x"];
    close(&model.predict(x).expect("run"), &expected["pictures/out/probabilities"]);
    // Another size of the batch, and another type, which is converted.
    let one = model.run(&[("x", &x.narrow(0, 1, 1).to_dtype(DType::F64))]).expect("run");
    close(&one[0].1, &expected["pictures/out/probabilities"].narrow(0, 1, 1));
    assert!(model.to_string().contains("x f32 [?, 3, 8, 8]"), "{model}");
}

#[test]
fn several_inputs_and_outputs_go_by_name() {
    let expected: BTreeMap<String, Tensor> = npy::load_npz(peer("onnx.npz")).expect("the reference is there").into_iter().collect();
    let Some(model) = loaded("words.onnx") else { return };
    let outputs: BTreeMap<String, Tensor> = model.run(&[("scale", &expected["words/in/scale"]), ("words", &expected["words/in/words"])]).expect("run").into_iter().collect();
    for name in ["scaled", "best"] {
        close(&outputs[name], &expected[&format!("words/out/{name}")]);
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let Some(model) = loaded("pictures.onnx") else { return };
    let error = |inputs: &[(&str, &Tensor)]| model.run(inputs).err().expect("an error").to_string();
    let wrong = error(&[("x", &Tensor::zeros(&[1, 3, 9, 8]))]);
    assert!(wrong.contains("`x`") && wrong.contains("[1, 3, 9, 8]") && wrong.contains("[any, 3, 8, 8]"), "{wrong}");
    assert!(error(&[("y", &Tensor::zeros(&[1]))]).contains("no input `y`; it takes `x`"));
    assert!(error(&[]).contains("`x` is missing"));
}

#[test]
fn damaged_models_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bad.onnx");
    std::fs::write(&file, b"this is no model").expect("written");
    assert!(onnx::load(&file).is_err());
    assert!(onnx::load(folder.path().join("none.onnx")).err().expect("an error").to_string().contains("none.onnx"));
}
