//! What a wrong call says: the operation, all shapes, what to do, and the line of the call.
//!
//! - "A wrong shape, type or device panics with the operation, the shapes and the cell's line."
use ochre_tensors::functional::{self, ConvOptions, CrossEntropy, PoolOptions};
use ochre_tensors::{DType, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Mutex};

/// A call that panics, and fragments of what it says.
type Wrong = (&'static str, Box<dyn Fn()>, &'static [&'static str]);

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape)
}

fn wrong_calls() -> Vec<Wrong> {
    let mut calls: Vec<Wrong> = Vec::new();
    let mut add = |name, call: Box<dyn Fn()>, fragments| calls.push((name, call, fragments));
    add("matmul", Box::new(|| drop(zeros(&[2, 3]).matmul(&zeros(&[4, 5])))), &["[2, 3]", "[4, 5]"]);
    add("matmul", Box::new(|| drop(zeros(&[2, 3]).matmul(&zeros(&[2, 3])))), &["[2, 3]", ".t()"]);
    add("matmul", Box::new(|| drop(zeros(&[2, 2, 3]).matmul(&zeros(&[4, 3, 5])))), &["[2, 2, 3]", "[4, 3, 5]"]);
    add("matmul", Box::new(|| drop(zeros(&[]).matmul(&zeros(&[2])))), &["`*`"]);
    add("matmul", Box::new(|| drop(Tensor::arange(0, 4, 1).matmul(&Tensor::arange(0, 4, 1)))), &["i64", "to_dtype"]);
    add("dot", Box::new(|| drop(zeros(&[2, 3]).dot(&zeros(&[3])))), &["[2, 3]", "[3]", "matmul"]);
    add("outer", Box::new(|| drop(zeros(&[2, 3]).outer(&zeros(&[3])))), &["[2, 3]"]);
    add("conv2d", Box::new(|| drop(zeros(&[1, 3, 8, 8]).conv2d(&zeros(&[4, 2, 3, 3]), None, ConvOptions::default()))), &["[1, 3, 8, 8]", "[4, 2, 3, 3]", "groups"]);
    add("conv2d", Box::new(|| drop(zeros(&[1, 3, 2, 2]).conv2d(&zeros(&[4, 3, 3, 3]), None, ConvOptions::default()))), &["[1, 3, 2, 2]", "larger"]);
    add("conv2d", Box::new(|| drop(zeros(&[1, 3, 8, 8]).conv2d(&zeros(&[4, 3, 3, 3]), Some(&zeros(&[3])), ConvOptions::default()))), &["bias [3]", "[4]"]);
    add("conv2d", Box::new(|| drop(zeros(&[3, 8]).conv2d(&zeros(&[4, 3, 3, 3]), None, ConvOptions::default()))), &["[3, 8]", "4 dimensions"]);
    add("conv2d", Box::new(|| drop(zeros(&[1, 3, 8, 8]).conv2d(&zeros(&[4, 3, 3, 3]), None, ConvOptions::default().stride(0)))), &["stride: [0, 0]"]);
    add("conv1d", Box::new(|| drop(zeros(&[1, 3, 8]).conv1d(&zeros(&[4, 2, 3]), None, ConvOptions::default()))), &["channels"]);
    add("conv_transpose2d", Box::new(|| drop(zeros(&[1, 3, 8, 8]).conv_transpose2d(&zeros(&[4, 3, 3, 3]), None, ConvOptions::default()))), &["[1, 3, 8, 8]", "[4, 3, 3, 3]"]);
    add("conv_transpose2d", Box::new(|| drop(zeros(&[1, 3, 8, 8]).conv_transpose2d(&zeros(&[3, 3, 3, 3]), None, ConvOptions::default().output_padding(1)))), &["output_padding"]);
    add("max_pool2d", Box::new(|| drop(zeros(&[1, 3, 4, 4]).max_pool2d(PoolOptions::new(5)))), &["[5, 5]", "[1, 3, 4, 4]"]);
    add("avg_pool2d", Box::new(|| drop(zeros(&[1, 3, 4, 4]).avg_pool2d(PoolOptions::new(2).padding(2)))), &["half"]);
    add("max_pool2d", Box::new(|| drop(zeros(&[4, 4]).max_pool2d(PoolOptions::new(2)))), &["[4, 4]"]);
    add("adaptive_avg_pool2d", Box::new(|| drop(zeros(&[1, 3, 4, 4]).adaptive_avg_pool2d([0, 1]))), &["[0, 1]"]);
    add("softmax", Box::new(|| drop(zeros(&[2, 3]).softmax(2))), &["dimension 2", "[2, 3]"]);
    add("softmax", Box::new(|| drop(Tensor::arange(0, 3, 1).softmax(0))), &["i64"]);
    add("layer_norm", Box::new(|| drop(zeros(&[2, 3]).layer_norm(&[2], None, None, 1e-5))), &["[2, 3]", "[2]"]);
    add("layer_norm", Box::new(|| drop(zeros(&[2, 3]).layer_norm(&[3], Some(&zeros(&[2])), None, 1e-5))), &["[3]", "[2]"]);
    add("batch_norm", Box::new(|| drop(zeros(&[2, 3]).batch_norm(Some(&zeros(&[2])), None, None, 1e-5))), &["[3]", "[2, 3]"]);
    add("batch_norm", Box::new(|| drop(zeros(&[1, 3]).batch_norm(None, None, None, 1e-5))), &["[1, 3]", "evaluate"]);
    add("group_norm", Box::new(|| drop(zeros(&[2, 3, 4]).group_norm(2, None, None, 1e-5))), &["3 channels", "2 groups"]);
    add("dropout", Box::new(|| drop(zeros(&[2]).dropout(1.5, true))), &["1.5"]);
    add("embedding", Box::new(|| drop(zeros(&[2]).embedding(&zeros(&[3, 4])))), &["f32", "to_dtype"]);
    add("index_select", Box::new(|| drop(Tensor::from_slice(&[7i64]).embedding(&zeros(&[3, 4])))), &["7"]);
    add("one_hot", Box::new(|| drop(Tensor::from_slice(&[0i64, 5]).one_hot(3))), &["5", "3 classes"]);
    add("interpolate", Box::new(|| drop(zeros(&[2, 3]).interpolate([2, 2], ochre_tensors::Scaling::Nearest))), &["[2, 3]"]);
    add("scaled_dot_product_attention", Box::new(|| drop(functional::scaled_dot_product_attention(&zeros(&[2, 3]), &zeros(&[2, 4]), &zeros(&[2, 4]), None, false))), &["[2, 3]", "[2, 4]"]);
    add("cross_entropy", Box::new(|| drop(functional::cross_entropy(&zeros(&[4, 3]), &Tensor::zeros_on(&[5], DType::I64, &ochre_tensors::Device::Cpu)))), &["[4, 3]", "[5]"]);
    add("cross_entropy", Box::new(|| drop(functional::cross_entropy(&zeros(&[2, 3]), &Tensor::from_slice(&[0i64, 3])))), &["class 3", "0 to 2"]);
    add("cross_entropy", Box::new(|| drop(functional::cross_entropy_with(&zeros(&[2, 3]), &Tensor::from_slice(&[0i64, 1]), &CrossEntropy { smoothing: 2.0, ..Default::default() }))), &["smoothing", "2"]);
    add("mse", Box::new(|| drop(functional::mse(&zeros(&[4, 1]), &zeros(&[4])))), &["[4, 1]", "[4]", "reshape"]);
    add("bce_with_logits", Box::new(|| drop(functional::bce_with_logits(&zeros(&[4]), &zeros(&[2])))), &["[4]", "[2]"]);
    calls
}

#[test]
fn a_wrong_call_names_operation_shapes_and_line() {
    let seen: Arc<Mutex<Option<(String, String)>>> = Arc::default();
    let (hook, noted) = (take_hook(), seen.clone());
    set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or_default().to_owned();
        let file = info.location().map(|l| l.file().to_owned()).unwrap_or_default();
        *noted.lock().unwrap() = Some((text, file));
    }));
    let results: Vec<_> = wrong_calls()
        .into_iter()
        .map(|(name, call, fragments)| {
            seen.lock().unwrap().take();
            let ended = catch_unwind(AssertUnwindSafe(call)).is_err();
            (name, fragments, ended, seen.lock().unwrap().take())
        })
        .collect();
    set_hook(hook);
    let mut wrong = Vec::new();
    for (name, fragments, ended, said) in results {
        let (text, file) = said.unwrap_or_default();
        let complete = text.starts_with(name) && fragments.iter().all(|f| text.contains(f));
        if !ended || !complete || file != file!() {
            wrong.push(format!("{name} {fragments:?}: said at {file}: {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
