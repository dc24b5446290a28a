//! What a wrong call says: the operation, all shapes, what to do, and the line of the call.
//!
//! - "A wrong shape, type or device panics with the operation, the shapes and the cell's line."
use ochre_tensors::functional::{self, ConvOptions, CrossEntropy, PoolOptions};
use ochre_tensors::{DType, Device, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Mutex};

/// The line of a call that panics, the operation, the call, and fragments of what it says.
type Wrong = (u32, &'static str, Box<dyn Fn()>, &'static [&'static str]);

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape)
}

fn wrong_calls() -> Vec<Wrong> {
    let mut calls: Vec<Wrong> = Vec::new();
    let mut add = |line, name, call: Box<dyn Fn()>, fragments| calls.push((line, name, call, fragments));
    add(line!(), "matmul", Box::new(|| drop(zeros(&[2, 3]).matmul(&zeros(&[4, 5])))), &["[2, 3]", "[4, 5]"]);
    add(line!(), "matmul", Box::new(|| drop(zeros(&[2, 3]).matmul(&zeros(&[2, 3])))), &["[2, 3]", ".t()"]);
    add(line!(), "matmul", Box::new(|| drop(zeros(&[2, 2, 3]).matmul(&zeros(&[4, 3, 5])))), &["[2, 2, 3]", "[4, 3, 5]"]);
    add(line!(), "matmul", Box::new(|| drop(zeros(&[]).matmul(&zeros(&[2])))), &["`*`"]);
    add(line!(), "matmul", Box::new(|| drop(Tensor::arange(0, 4, 1).matmul(&Tensor::arange(0, 4, 1)))), &["i64", "to_dtype"]);
    add(line!(), "dot", Box::new(|| drop(zeros(&[2, 3]).dot(&zeros(&[3])))), &["[2, 3]", "[3]", "matmul"]);
    add(line!(), "outer", Box::new(|| drop(zeros(&[2, 3]).outer(&zeros(&[3])))), &["[2, 3]"]);
    add(line!(), "conv2d", Box::new(|| drop(zeros(&[1, 3, 8, 8]).conv2d(&zeros(&[4, 2, 3, 3]), None, ConvOptions::default()))), &["[1, 3, 8, 8]", "[4, 2, 3, 3]", "groups"]);
    add(line!(), "conv2d", Box::new(|| drop(zeros(&[1, 3, 2, 2]).conv2d(&zeros(&[4, 3, 3, 3]), None, ConvOptions::default()))), &["[1, 3, 2, 2]", "larger"]);
    add(line!(), "conv2d", Box::new(|| drop(zeros(&[1, 3, 8, 8]).conv2d(&zeros(&[4, 3, 3, 3]), Some(&zeros(&[3])), ConvOptions::default()))), &["bias [3]", "[4]"]);
    add(line!(), "conv2d", Box::new(|| drop(zeros(&[3, 8]).conv2d(&zeros(&[4, 3, 3, 3]), None, ConvOptions::default()))), &["[3, 8]", "4 dimensions"]);
    add(line!(), "conv2d", Box::new(|| drop(zeros(&[1, 3, 8, 8]).conv2d(&zeros(&[4, 3, 3, 3]), None, ConvOptions::default().stride(0)))), &["stride: [0, 0]"]);
    add(line!(), "conv1d", Box::new(|| drop(zeros(&[1, 3, 8]).conv1d(&zeros(&[4, 2, 3]), None, ConvOptions::default()))), &["channels"]);
    add(line!(), "conv_transpose2d", Box::new(|| drop(zeros(&[1, 3, 8, 8]).conv_transpose2d(&zeros(&[4, 3, 3, 3]), None, ConvOptions::default()))), &["[1, 3, 8, 8]", "[4, 3, 3, 3]"]);
    add(line!(), "conv_transpose2d", Box::new(|| drop(zeros(&[1, 3, 8, 8]).conv_transpose2d(&zeros(&[3, 3, 3, 3]), None, ConvOptions::default().output_padding(1)))), &["output_padding"]);
    add(line!(), "max_pool2d", Box::new(|| drop(zeros(&[1, 3, 4, 4]).max_pool2d(PoolOptions::new(5)))), &["[5, 5]", "[1, 3, 4, 4]"]);
    add(line!(), "avg_pool2d", Box::new(|| drop(zeros(&[1, 3, 4, 4]).avg_pool2d(PoolOptions::new(2).padding(2)))), &["half"]);
    add(line!(), "max_pool2d", Box::new(|| drop(zeros(&[4, 4]).max_pool2d(PoolOptions::new(2)))), &["[4, 4]"]);
    add(line!(), "adaptive_avg_pool2d", Box::new(|| drop(zeros(&[1, 3, 4, 4]).adaptive_avg_pool2d([0, 1]))), &["[0, 1]"]);
    add(line!(), "softmax", Box::new(|| drop(zeros(&[2, 3]).softmax(2))), &["dimension 2", "[2, 3]"]);
    add(line!(), "softmax", Box::new(|| drop(Tensor::arange(0, 3, 1).softmax(0))), &["i64"]);
    add(line!(), "layer_norm", Box::new(|| drop(zeros(&[2, 3]).layer_norm(&[2], None, None, 1e-5))), &["[2, 3]", "[2]"]);
    add(line!(), "layer_norm", Box::new(|| drop(zeros(&[2, 3]).layer_norm(&[3], Some(&zeros(&[2])), None, 1e-5))), &["[3]", "[2]"]);
    add(line!(), "batch_norm", Box::new(|| drop(zeros(&[2, 3]).batch_norm(Some(&zeros(&[2])), None, None, 1e-5))), &["[3]", "[2, 3]"]);
    add(line!(), "batch_norm", Box::new(|| drop(zeros(&[1, 3]).batch_norm(None, None, None, 1e-5))), &["[1, 3]", "evaluate"]);
    add(line!(), "group_norm", Box::new(|| drop(zeros(&[2, 3, 4]).group_norm(2, None, None, 1e-5))), &["3 channels", "2 groups"]);
    add(line!(), "dropout", Box::new(|| drop(zeros(&[2]).dropout(1.5, true))), &["1.5"]);
    add(line!(), "embedding", Box::new(|| drop(zeros(&[2]).embedding(&zeros(&[3, 4])))), &["f32", "to_dtype"]);
    add(line!(), "index_select", Box::new(|| drop(Tensor::from_slice(&[7i64]).embedding(&zeros(&[3, 4])))), &["7"]);
    add(line!(), "one_hot", Box::new(|| drop(Tensor::from_slice(&[0i64, 5]).one_hot(3))), &["5", "3 classes"]);
    add(line!(), "interpolate", Box::new(|| drop(zeros(&[2, 3]).interpolate([2, 2], ochre_tensors::Scaling::Nearest))), &["[2, 3]"]);
    add(line!(), "scaled_dot_product_attention", Box::new(|| drop(functional::scaled_dot_product_attention(&zeros(&[2, 3]), &zeros(&[2, 4]), &zeros(&[2, 4]), None, false))), &["[2, 3]", "[2, 4]"]);
    add(line!(), "cross_entropy", Box::new(|| drop(functional::cross_entropy(&zeros(&[4, 3]), &Tensor::zeros_on(&[5], DType::I64, &ochre_tensors::Device::Cpu)))), &["[4, 3]", "[5]"]);
    add(line!(), "cross_entropy", Box::new(|| drop(functional::cross_entropy(&zeros(&[2, 3]), &Tensor::from_slice(&[0i64, 3])))), &["class 3", "0 to 2"]);
    add(line!(), "cross_entropy", Box::new(|| drop(functional::cross_entropy_with(&zeros(&[2, 3]), &Tensor::from_slice(&[0i64, 1]), &CrossEntropy { smoothing: 2.0, ..Default::default() }))), &["smoothing", "2"]);
    add(line!(), "mse", Box::new(|| drop(functional::mse(&zeros(&[4, 1]), &zeros(&[4])))), &["[4, 1]", "[4]", "reshape"]);
    add(line!(), "bce_with_logits", Box::new(|| drop(functional::bce_with_logits(&zeros(&[4]), &zeros(&[2])))), &["[4]", "[2]"]);
    add(line!(), "stack", Box::new(|| drop(Tensor::stack(&[&zeros(&[2, 3]), &zeros(&[3, 2])], 0))), &["[2, 3]", "[3, 2]", "equal"]);
    add(line!(), "cat", Box::new(|| drop(Tensor::cat(&[&zeros(&[2, 3]), &zeros(&[3, 2])], 0))), &["[2, 3]", "[3, 2]"]);
    add(line!(), "gather", Box::new(|| drop(zeros(&[2, 3]).gather(1, &Tensor::from_slice(&[0i64])))), &["[1]", "[2, 3]", "dimension 1"]);
    add(line!(), "gather", Box::new(|| drop(zeros(&[3]).gather(0, &Tensor::from_slice(&[3i64])))), &["index 3", "3 places"]);
    add(line!(), "scatter", Box::new(|| drop(zeros(&[2, 3]).scatter(0, &Tensor::from_slice(&[0i64]), &zeros(&[1])))), &["[1]", "[2, 3]"]);
    add(line!(), "index_add", Box::new(|| drop(zeros(&[2, 3]).index_add(0, &Tensor::from_slice(&[0i64]), &zeros(&[2, 3])))), &["[2, 3]", "[1]", "[1, 3]"]);
    add(line!(), "masked_select", Box::new(|| drop(zeros(&[2, 3]).masked_select(&zeros(&[4]).gt(0)))), &["[2, 3]", "[4]"]);
    add(line!(), "where", Box::new(|| drop(Tensor::where_cond(&zeros(&[2]).gt(0), &zeros(&[3]), &zeros(&[3])))), &["[2]", "[3]"]);
    add(line!(), "assign", Box::new(|| zeros(&[2, 3]).assign(&zeros(&[4]))), &["[4]", "[2, 3]"]);
    add(line!(), "to_vec2", Box::new(|| drop(zeros(&[3]).to_vec2::<f32>())), &["[3]", "not 2"]);
    add(line!(), "item", Box::new(|| assert!(zeros(&[3]).item() < 0.0)), &["[3]"]);
    add(line!(), "backward", Box::new(|| zeros(&[3]).requires_grad().backward()), &["[3]", ".sum()"]);
    add(line!(), "expand", Box::new(|| drop(zeros(&[2]).expand(&[-1, 2]))), &["[2]", "[-1, 2]"]);
    add(line!(), "nll_loss", Box::new(|| drop(functional::nll_loss(&zeros(&[2, 3]), &Tensor::from_slice(&[0i64, -1])))), &["class -1", "0 to 2"]);
    calls
}

/// Every `try_` twin gives what its panicking one says, as a value.
#[test]
fn twins_give_errors_as_values() {
    let x = zeros(&[2, 3]);
    let nowhere = Device::cuda(63);
    let filters = zeros(&[4, 2, 3, 3]);
    let refused = [
        ("try_full_on", Tensor::try_full_on(&[2], 1.0, DType::F32, &nowhere).err(), "cuda:63"),
        ("try_zeros_on", Tensor::try_zeros_on(&[1 << 40, 1 << 40], DType::F32, &Device::Cpu).err(), "more memory than can be addressed"),
        ("try_item", x.try_item().err(), "[2, 3]"),
        ("try_to_dtype", x.try_to_device(&nowhere).and_then(|x| x.try_to_dtype(DType::F64)).err(), "cuda:63"),
        ("try_to_device", x.try_to_device(&nowhere).err(), "cuda:63"),
        ("try_conv2d", zeros(&[1, 3, 8, 8]).try_conv2d(&filters, None, ConvOptions::default()).err(), "[4, 2, 3, 3]"),
        ("try_matmul", x.try_matmul(&x).err(), "matmul: [2, 3] and [2, 3]"),
        ("try_cat", Tensor::try_cat(&[&x, &zeros(&[3])], 0).err(), "[3]"),
        ("try_slice", x.try_slice(ochre_tensors::s![5]).err(), "slice: index 5"),
        ("try_select", x.try_select(0, 2).err(), "select: index 2"),
        ("try_narrow", x.try_narrow(1, 2, 2).err(), "narrow: 2 places from 2"),
        ("try_reshape", x.try_reshape(&[4]).err(), "reshape: shape [2, 3] to [4]"),
        ("try_from_vec", Tensor::try_from_vec(vec![1.0_f32], &[2]).err(), "1 elements"),
        ("try_backward", x.requires_grad().try_backward().err(), "backward: of a tensor of shape [2, 3]"),
    ];
    for (name, error, part) in refused {
        let said = error.map(|e| e.to_string()).unwrap_or_else(|| panic!("{name} gave no error"));
        assert!(said.contains(part), "{name}: {said}");
    }
    let same = [x.try_to_dtype(DType::F64), x.try_matmul(&zeros(&[3, 1])), Tensor::try_cat(&[&x, &x], 0), x.try_select(1, -1), x.try_narrow(1, 1, 2), x.try_slice(ochre_tensors::s![.., 1..])];
    let shapes: Vec<Vec<usize>> = same.into_iter().map(|made| made.expect("it fits").shape().to_vec()).collect();
    assert_eq!(shapes, [vec![2, 3], vec![2, 1], vec![4, 3], vec![2], vec![2, 2], vec![2, 2]]);
    assert_eq!(zeros(&[1]).try_item(), Ok(0.0));
    assert_eq!(zeros(&[1, 2, 8, 8]).try_conv2d(&filters, None, ConvOptions::default()).expect("it fits").shape(), [1, 4, 6, 6]);
    assert_eq!(Tensor::try_full_on(&[2], 3.0, DType::I64, &Device::Cpu).expect("there is room").to_vec::<i64>(), [3, 3]);
}

#[test]
fn the_cpus_memory_that_ends_is_an_error_and_no_abort() {
    // 16 TB, which no machine of ours has: Rust's own containers would end the process.
    let huge = [1_000_000, 4_000_000];
    let error = Tensor::try_zeros_on(&huge, DType::F32, &Device::Cpu).expect_err("no room").to_string();
    assert!(error.starts_with("out of memory on cpu: 16.0 TB were asked for") && error.contains("are free") && error.contains("drop(x)"), "{error}");
    let row = Tensor::zeros(&[4_000_000]);
    let wide = row.expand(&[1_000_000, -1]);
    assert!(wide.try_to_dtype(DType::I64).expect_err("no room").to_string().contains("out of memory on cpu"));
    let said = |call: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(call)).expect_err("no room");
        panic.downcast_ref::<String>().cloned().unwrap_or_default()
    };
    let _guard = hooks();
    let hook = take_hook();
    set_hook(Box::new(|_| ()));
    let calls: [&dyn Fn(); 6] =
        [&|| drop(&wide + 1.0), &|| drop(wide.contiguous()), &|| drop(Tensor::eye(2_000_000)), &|| drop(Tensor::arange(0, 1i64 << 41, 1)), &|| drop(Tensor::rand(&huge)), &|| drop(wide.exp())];
    let texts: Vec<String> = calls.iter().map(|call| said(call)).collect();
    set_hook(hook);
    assert!(texts.iter().all(|text| text.starts_with("out of memory on cpu: ")), "{texts:#?}");
    assert_eq!(row.sum().item(), 0.0, "what was there is there");
}

/// The hook of panics is the process's: tests that change it take turns.
fn hooks() -> std::sync::MutexGuard<'static, ()> {
    static HOOKS: Mutex<()> = Mutex::new(());
    HOOKS.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn a_wrong_call_names_operation_shapes_and_line() {
    let _guard = hooks();
    let seen: Arc<Mutex<Option<(String, (String, u32))>>> = Arc::default();
    let (hook, noted) = (take_hook(), seen.clone());
    set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or_default().to_owned();
        let place = info.location().map(|l| (l.file().to_owned(), l.line())).unwrap_or_default();
        *noted.lock().unwrap() = Some((text, place));
    }));
    let results: Vec<_> = wrong_calls()
        .into_iter()
        .map(|(line, name, call, fragments)| {
            seen.lock().unwrap().take();
            let ended = catch_unwind(AssertUnwindSafe(call)).is_err();
            (line, name, fragments, ended, seen.lock().unwrap().take())
        })
        .collect();
    set_hook(hook);
    let mut wrong = Vec::new();
    for (line, name, fragments, ended, said) in results {
        let (text, place) = said.unwrap_or_default();
        let complete = text.starts_with(name) && fragments.iter().all(|f| text.contains(f));
        if !ended || !complete || place != (file!().to_owned(), line) {
            wrong.push(format!("line {line}: {name} {fragments:?}: said at {place:?}: {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
