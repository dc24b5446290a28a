//! safetensors, npy and npz: what was saved comes back, what numpy wrote is read, what is damaged is told.
use ochre_nn::{NnError, npy, safetensors};
use ochre_tensors::{DType, Tensor};
use std::path::{Path, PathBuf};

fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer").join(name)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn of_every_type() -> Vec<(String, Tensor)> {
    let base = Tensor::from_vec((0..12).map(|i| i as f64 - 3.5).collect::<Vec<f64>>(), &[3, 4]);
    let types = [DType::Bool, DType::U8, DType::I32, DType::I64, DType::F16, DType::BF16, DType::F32, DType::F64];
    types.into_iter().map(|dtype| (format!("as.{dtype}"), base.to_dtype(dtype))).collect()
}

fn same(a: &Tensor, b: &Tensor) -> bool {
    a.shape() == b.shape() && a.dtype() == b.dtype() && a.to_dtype(DType::F64).to_vec::<f64>() == b.to_dtype(DType::F64).to_vec::<f64>()
}

#[test]
fn safetensors_keep_all_types_and_notes() {
    let folder = folder();
    let file = folder.path().join("model.safetensors");
    let mut tensors = of_every_type();
    tensors.push(("scalar".into(), Tensor::scalar(2.5)));
    tensors.push(("empty".into(), Tensor::zeros(&[0, 3])));
    tensors.push(("view".into(), Tensor::arange(0, 6, 1).reshape(&[2, 3]).t()));
    safetensors::save_with_notes(&file, &tensors, &[("epoch", "12")]).expect("saved");
    let mut loaded = safetensors::load(&file).expect("loaded");
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    loaded.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(loaded.len(), tensors.len());
    for ((name, ours), (_, back)) in tensors.iter().zip(&loaded) {
        assert!(same(ours, back), "{name}: {:?} {} came back as {:?} {}", ours.shape(), ours.dtype(), back.shape(), back.dtype());
    }
    assert_eq!(safetensors::notes(&file).expect("notes"), [("epoch".to_owned(), "12".to_owned())]);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing else is left");
}

#[test]
fn what_we_save_is_what_hugging_face_saves() {
    let folder = folder();
    let theirs = peer("theirs.safetensors");
    let tensors = safetensors::load(&theirs).expect("loaded");
    let names: Vec<&str> = tensors.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["b", "empty", "f16", "f32", "f64", "i32", "i64", "scalar", "u8", "wörd \"x\""]);
    for (name, tensor) in &tensors {
        let values = tensor.to_dtype(DType::F64).to_vec::<f64>();
        let expected: Vec<f64> = (0..values.len()).map(|i| if name == "b" { f64::from(i as u8 % 2) } else { i as f64 / if name.starts_with('f') { 8.0 } else { 1.0 } }).collect();
        assert_eq!(values, expected, "{name}");
    }
    let notes = safetensors::notes(&theirs).expect("notes");
    let ours = folder.path().join("ours.safetensors");
    safetensors::save_with_notes(&ours, &tensors, &notes.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>()).expect("saved");
    assert_eq!(String::from_utf8_lossy(&std::fs::read(&ours).expect("ours")), String::from_utf8_lossy(&std::fs::read(&theirs).expect("theirs")), "byte for byte");
}

/// A file with this header and so many bytes of elements.
fn with_header(header: &str, data: usize) -> Vec<u8> {
    [(header.len() as u64).to_le_bytes().as_slice(), header.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn headers_that_lie_are_refused() {
    let folder = folder();
    let file = folder.path().join("bad.safetensors");
    let one = |shape: &str, offsets: &str| format!("\"a\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":{offsets}}}");
    for (header, data, problem) in [
        (format!("{{{}}}", one("[2]", "[0,12]")), 12, "entry of `a`"),
        (format!("{{{}}}", one("[2]", "[8,0]")), 8, "entry of `a`"),
        (format!("{{{}}}", one("[4611686018427387904,4]", "[0,0]")), 0, "entry of `a`"),
        (format!("{{{}}}", one("[2]", "[4,12]")), 12, "do not follow"),
        (format!("{{{}}}", one("[2]", "[0,8]")), 12, "12 bytes of elements where the header says 8"),
        (format!("{{{},{}}}", one("[2]", "[0,8]"), one("[2]", "[0,8]").replace("\"a\"", "\"b\"")), 8, "do not follow"),
        ("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}}".to_owned(), 1, "F8_E4M3"),
        ("[1]".to_owned(), 0, "its header"),
    ] {
        std::fs::write(&file, with_header(&header, data)).expect("written");
        let error = safetensors::load(&file).err().expect("an error").to_string();
        assert!(error.contains("bad.safetensors") && error.contains(problem), "{header}: {error}");
    }
}

#[test]
fn damaged_safetensors_are_told() {
    let folder = folder();
    let file = folder.path().join("model.safetensors");
    safetensors::save(&file, &of_every_type()).expect("saved");
    let whole = std::fs::read(&file).expect("bytes");
    for cut in [0, 5, 40, whole.len() - 1] {
        std::fs::write(&file, &whole[..cut]).expect("written");
        let error = safetensors::load(&file).err().expect("an error").to_string();
        assert!(error.contains("model.safetensors") && error.contains("damaged"), "{error}");
    }
    let twice = [("a".to_owned(), Tensor::scalar(1.0)), ("a".to_owned(), Tensor::scalar(2.0))];
    assert!(safetensors::save(&file, &twice).err().expect("an error").to_string().contains("two tensors are called `a`"));
    assert!(matches!(safetensors::load(folder.path().join("none")), Err(NnError::File { .. })));
}

/// What numpy put into arrays.npz, in f64.
fn expected(name: &str, i: f64) -> f64 {
    match name {
        "i8" | "i4" => i - 5.0,
        "u1" | "fortran" => i,
        "b1" => f64::from(i as i64 % 3 == 0),
        "big_i8" => -i,
        "i1" | "i2" => i - 12.0,
        "u2" => i * 2000.0,
        "u4" => i * 178_956_970.0,
        "scalar" => 2.5,
        _ => i / 8.0,
    }
}

#[test]
fn numpys_files_are_read() {
    let types = [("f4", DType::F32), ("f8", DType::F64), ("f2", DType::F16), ("i8", DType::I64), ("i4", DType::I32), ("u1", DType::U8), ("b1", DType::Bool), ("big_f4", DType::F32), ("u4", DType::I64), ("u2", DType::I32), ("i1", DType::I32)];
    for file in ["arrays.npz", "packed.npz"] {
        let arrays = npy::load_npz(peer(file)).expect("loaded");
        assert_eq!(arrays.len(), 16, "{file}");
        for (name, array) in &arrays {
            let values = array.to_dtype(DType::F64).to_vec::<f64>();
            let wanted: Vec<f64> = (0..values.len()).map(|i| expected(name, i as f64)).collect();
            assert_eq!(values, wanted, "{file}: {name}");
            if let Some((_, dtype)) = types.iter().find(|(n, _)| n == name) {
                assert_eq!(array.dtype(), *dtype, "{name}");
            }
        }
        let shape = |name: &str| arrays.iter().find(|(n, _)| n == name).map(|(_, a)| a.shape().to_vec());
        assert_eq!([shape("f4"), shape("fortran"), shape("scalar"), shape("empty")], [Some(vec![2, 3, 4]), Some(vec![4, 6]), Some(vec![]), Some(vec![0, 3])]);
    }
    assert_eq!(npy::load(peer("one.npy")).expect("loaded").shape(), [2, 3, 4]);
}

#[test]
fn what_we_write_is_what_numpy_writes() {
    let folder = folder();
    let file = folder.path().join("one.npy");
    let one = npy::load(peer("one.npy")).expect("loaded");
    npy::save(&file, &one).expect("saved");
    assert_eq!(std::fs::read(&file).expect("ours"), std::fs::read(peer("one.npy")).expect("numpy's"), "byte for byte");
    let all = folder.path().join("all.npz");
    let tensors = of_every_type();
    npy::save_npz(&all, &tensors).expect("saved");
    for ((name, ours), (own, back)) in tensors.iter().zip(npy::load_npz(&all).expect("loaded")) {
        let kept = if ours.dtype() == DType::BF16 { ours.to_dtype(DType::F32) } else { ours.clone() };
        assert!(*name == own && same(&kept, &back), "{name}");
    }
}

#[test]
fn damaged_arrays_are_told() {
    let folder = folder();
    let file = folder.path().join("bad.npy");
    let whole = std::fs::read(peer("one.npy")).expect("bytes");
    for (bytes, problem) in [
        (&whole[..200], "cut short"),
        (&whole[..9], "cut short"),
        (&b"PNG"[..], "no .npy file"),
        (&[b"\x93NUMPY\x09\0".as_slice(), &[0; 100]].concat()[..], "newer"),
        (&[b"\x93NUMPY\x01\0\x09\0".as_slice(), b"nonsense\n"].concat()[..], "none of numpy's"),
    ] {
        std::fs::write(&file, bytes).expect("written");
        let error = npy::load(&file).err().expect("an error").to_string();
        assert!(error.contains("bad.npy") && error.contains(problem), "{error}");
    }
    let text = "{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }\n";
    std::fs::write(&file, [b"\x93NUMPY\x01\0".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes(), &[0; 24]].concat()).expect("written");
    assert!(npy::load(&file).err().expect("an error").to_string().contains("<U3"));
    let mut zip = std::fs::read(peer("packed.npz")).expect("bytes");
    let middle = 90;
    zip[middle] ^= 0xff;
    let bad = folder.path().join("bad.npz");
    std::fs::write(&bad, &zip).expect("written");
    assert!(npy::load_npz(&bad).err().expect("an error").to_string().contains("damaged"));
    std::fs::write(&bad, &zip[..zip.len() - 30]).expect("written");
    assert!(npy::load_npz(&bad).err().expect("an error").to_string().contains("cut short"));
}
