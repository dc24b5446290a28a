//! Values, types, nulls, and that memory is shared where it can be.
use super::{FrameTensors, Nulls};
use ochre_runtime::Show;
use ochre_tensors::{DType, Device, Element, Storage, Tensor};
use polars::prelude::*;

fn memory<T: Element>(tensor: &Tensor) -> *const T {
    match &tensor.raw().storage {
        Storage::Cpu(buffer) => T::of(buffer).expect("of that type").as_ptr(),
        Storage::Cuda(_) => std::ptr::null(),
    }
}

fn message(result: super::Result<Tensor>) -> String {
    result.map(|t| t.to_string()).map_err(|e| e.to_string()).expect_err("an error")
}

#[test]
fn columns_become_rows_of_a_matrix() {
    let df = df!("a" => [1i32, 2, 3], "b" => [0.5f32, 1.5, 2.5]).expect("a frame");
    let x = Tensor::from_frame(&df);
    assert_eq!((x.shape(), x.dtype()), (&[3, 2][..], DType::F32));
    assert_eq!(x.to_vec::<f32>(), [1.0, 0.5, 2.0, 1.5, 3.0, 2.5]);
    let small = df!("a" => [1i8, -2], "b" => [300u16, 4]).expect("a frame");
    assert_eq!(Tensor::from_frame(&small).dtype(), DType::I32);
    assert_eq!(Tensor::from_frame(&small).to_vec::<i32>(), [1, 300, -2, 4]);
}

/// "A column in one piece without nulls becomes a tensor without a copy, and a tensor becomes a column; a later change of one is not seen in the other."
#[test]
fn memory_is_shared_in_both_directions() {
    let series = Series::new("x".into(), [1.0f64, 2.0, 4.0]);
    let own = series.f64().expect("floats").cont_slice().expect("one piece").as_ptr();
    let x = Tensor::from_series(&series);
    assert_eq!(memory::<f64>(&x), own);
    let frame = DataFrame::new(3, vec![series.clone().into_column()]).expect("a frame");
    assert_eq!(memory::<f64>(&Tensor::from_frame(&frame)), own);

    let y = Tensor::arange(0, 6, 1);
    let back = y.to_series("y");
    assert_eq!(back.i64().expect("integers").cont_slice().expect("one piece").as_ptr(), memory::<i64>(&y));
    // A change of the tensor is not one of the column.
    y.assign(&Tensor::scalar(7));
    assert_eq!((back.sum::<i64>().expect("a sum"), y.sum().item()), (15, 42.0));
    // Nor the other way: the series keeps its numbers.
    let z = x.requires_grad();
    z.assign(&Tensor::scalar(0.0));
    assert_eq!(series.sum::<f64>().expect("a sum"), 7.0);
}

#[test]
fn pieces_are_joined() {
    let mut series = Series::new("x".into(), [1i64, 2]);
    series.append(&Series::new("x".into(), [3i64])).expect("of one type");
    assert_eq!(series.n_chunks(), 2);
    assert_eq!(Tensor::from_series(&series).to_vec::<i64>(), [1, 2, 3]);
}

/// "A null is refused with its column's name, filled with a number, or marked in a mask."
#[test]
fn nulls_are_refused_filled_or_marked() {
    let df = df!("a" => [Some(1.0), None, Some(3.0)], "b" => [1.0, 2.0, 3.0]).expect("a frame");
    let text = message(Tensor::try_from_frame(&df, Nulls::Refuse, &Device::Cpu));
    assert!(text.starts_with("column `a` has 1 null, which tensors do not have: "), "{text}");
    assert_eq!(Tensor::from_frame_filled(&df, -1.0).to_vec::<f64>(), [1.0, 1.0, -1.0, 2.0, 3.0, 3.0]);
    let (values, mask) = Tensor::from_frame_masked(&df);
    assert_eq!(values.to_vec::<f64>(), [1.0, 1.0, 0.0, 2.0, 3.0, 3.0]);
    assert_eq!((mask.dtype(), mask.to_vec::<bool>()), (DType::Bool, vec![true, true, false, true, true, true]));
    let flags = df!("f" => [Some(true), None]).expect("a frame");
    assert_eq!(Tensor::from_frame_filled(&flags, 1.0).to_vec::<bool>(), [true, true]);
}

#[test]
fn what_is_no_number_names_its_column() {
    let df = df!("name" => ["x"], "n" => [1]).expect("a frame");
    let text = message(Tensor::try_from_frame(&df, Nulls::Refuse, &Device::Cpu));
    assert!(text.starts_with("column `name` is str, which tensors do not have; select the columns with numbers"), "{text}");
    let large = df!("n" => [u64::MAX]).expect("a frame");
    assert_eq!(message(Tensor::try_from_frame(&large, Nulls::Refuse, &Device::Cpu)), "column `n`: some numbers of u64 do not fit into i64, the widest integers of tensors; cast it to Float64");
    assert_eq!(message(Tensor::try_from_frame(&DataFrame::empty(), Nulls::Refuse, &Device::Cpu)), "from_frame: the frame has no columns");
}

#[test]
fn a_frame_comes_back() {
    let df = df!("a" => [1.0, 2.0, 3.0], "b" => [4.0, 5.0, 6.0]).expect("a frame");
    assert!(Tensor::from_frame(&df).to_frame(&["a", "b"]).equals(&df));
    let names: Vec<String> = vec!["half".into()];
    let half = Tensor::from_vec(vec![0.5f32, 2.0], &[2]).to_dtype(DType::BF16).to_frame(&names);
    assert!(half.equals(&df!("half" => [0.5f32, 2.0]).expect("a frame")));
    // A view that is not the whole of its memory.
    let part = Tensor::arange(0, 12, 1).reshape(&[4, 3]).narrow(0, 1, 2);
    assert!(part.to_frame(&["a", "b", "c"]).equals(&df!("a" => [3i64, 6], "b" => [4i64, 7], "c" => [5i64, 8]).expect("a frame")));
    assert!(Tensor::from_vec(vec![true, false], &[2, 1]).to_frame(&["t"]).equals(&df!("t" => [true, false]).expect("a frame")));
    let wrong = Tensor::zeros(&[2, 3]).try_to_frame(&["a"]).map_err(|e| e.to_string()).expect_err("an error");
    assert_eq!(wrong, "to_frame: 1 names for a tensor of shape [2, 3], which makes 3 columns");
    let twice = Tensor::zeros(&[2, 2]).try_to_frame(&["a", "a"]).map_err(|e| e.to_string()).expect_err("an error");
    assert!(twice.starts_with("to_frame: ") && twice.contains("duplicate"), "{twice}");
    assert_eq!(Tensor::zeros(&[0, 2]).to_frame(&["a", "b"]).shape(), (0, 2));
}

#[test]
fn a_shown_tensor_says_what_it_is() {
    let mime = Tensor::arange(0, 6, 1).reshape(&[2, 3]).show();
    assert_eq!(mime.plain(), "tensor([[0, 1, 2],\n        [3, 4, 5]])");
    let html = mime.get("text/html").map(|data| format!("{data:?}")).unwrap_or_default();
    assert!(html.contains("Tensor [2, 3] · i64 · cpu") && html.contains("[[0, 1, 2],\\n [3, 4, 5]]"), "{html}");
}

/// "On a host without an NVIDIA GPU `Device::best()` is the CPU."
#[test]
fn without_a_gpu_the_best_device_is_the_cpu() {
    let why = ochre_tensors::cuda::why_not();
    assert_eq!(Device::best() == Device::Cpu, why.is_some());
    assert_eq!(Device::cpu().show().plain(), "cpu");
}
