//! ONNX models made by Python's onnx, against what Python's onnxruntime made of them (peer/onnx_models.py wrote it down), by our own engine; by
//! onnxruntime where its library is found. tests/engines.rs compares much more, with peers.
use ochre_nn::onnx::Runner;
use ochre_nn::{npy, onnx};
use ochre_tensors::{DType, Tensor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer").join(name)
}

/// The model for each engine that is here.
fn loaded(name: &str) -> Vec<onnx::Model> {
    let own = onnx::load_with(peer(name), Runner::Own).expect("our own engine needs nothing");
    assert_eq!(own.engine(), "Ochre's own engine");
    let other = onnx::load_with(peer(name), Runner::Onnxruntime);
    // Users are not told that something is missing: the best that is there is taken.
    assert_eq!(onnx::load(peer(name)).expect("an engine").engine(), other.as_ref().map_or("Ochre's own engine", onnx::Model::engine));
    std::iter::once(own).chain(other.ok()).collect()
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
    loaded("pictures.onnx").iter().for_each(|model| pictures(model, &expected));
}

fn pictures(model: &onnx::Model, expected: &BTreeMap<String, Tensor>) {
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
    for model in loaded("words.onnx") {
        let outputs: BTreeMap<String, Tensor> = model.run(&[("scale", &expected["words/in/scale"]), ("words", &expected["words/in/words"])]).expect("run").into_iter().collect();
        for name in ["scaled", "best"] {
            close(&outputs[name], &expected[&format!("words/out/{name}")]);
        }
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let model = onnx::load(peer("pictures.onnx")).expect("an engine");
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
    let all = std::fs::read(peer("pictures.onnx")).expect("the model");
    for runner in [Runner::Best, Runner::Own] {
        std::fs::write(&file, b"this is no model").expect("written");
        assert!(onnx::load_with(&file, runner).is_err());
        for cut in [1, 7, all.len() / 2, all.len() - 1] {
            std::fs::write(&file, &all[..cut]).expect("written");
            assert!(onnx::load_with(&file, runner).is_err(), "{cut} bytes");
        }
    }
    assert!(onnx::load(folder.path().join("none.onnx")).err().expect("an error").to_string().contains("none.onnx"));
}
