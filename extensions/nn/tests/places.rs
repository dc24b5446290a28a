//! What a wrong shape in a layer says: the line that called the layer, and of layers in a container which one it was and what it was given.
//! Alone in its process: the panic hook is the process's.
use ochre_nn::nn::{self, Module};
use ochre_tensors::Tensor;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Mutex;

static SAID: Mutex<Option<(String, String, u32)>> = Mutex::new(None);

/// What a call says, and where.
fn said(call: impl FnOnce() -> Tensor) -> (String, String, u32) {
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err(), "it has to fail");
    SAID.lock().expect("the hook does not panic").take().expect("the hook was called")
}

fn noted() {
    set_hook(Box::new(|info| {
        let place = info.location().map(|l| (l.file().to_owned(), l.line())).unwrap_or_default();
        *SAID.lock().expect("one at a time") = Some((info.payload_as_str().unwrap_or_default().to_owned(), place.0, place.1));
    }));
}

#[test]
fn a_wrong_shape_is_told_with_the_line_and_the_layer() {
    noted();
    let pictures = Tensor::zeros(&[2, 5, 8, 8]);
    // Layers by themselves: this file and the very line.
    macro_rules! at_this_line {
        ($call:expr, $says:expr) => {
            let (text, file, line) = said(|| $call);
            assert!(text.contains($says), "{text}");
            assert_eq!((file.as_str(), line), (file!(), line!()), "{text}");
        };
    }
    at_this_line!(nn::Linear::new(3, 4).forward(&pictures), "[2, 5, 8, 8]");
    at_this_line!(nn::Conv2d::new(3, 4, 3).forward(&pictures), "[4, 3, 3, 3]");
    at_this_line!(nn::ConvTranspose2d::new(3, 4, 3).forward(&pictures), "conv_transpose2d");
    at_this_line!(nn::BatchNorm2d::new(3).forward(&pictures), "BatchNorm2d");
    at_this_line!(nn::LayerNorm::new(&[9]).forward(&pictures), "layer_norm");
    at_this_line!(nn::GroupNorm::new(2, 4).forward(&pictures), "group_norm");
    at_this_line!(nn::MaxPool2d::new(9).forward(&pictures), "max_pool2d");
    at_this_line!(nn::Softmax(7).forward(&pictures), "softmax");
    at_this_line!(nn::Embedding::new(3, 2).forward(&pictures), "embedding");
    at_this_line!(nn::MultiheadAttention::new(4, 2).forward(&pictures), "MultiheadAttention");
    at_this_line!(nn::TransformerEncoderLayer::new(4, 2).forward(&pictures), "MultiheadAttention");
    at_this_line!(nn::Lstm::new(4, 2).forward(&pictures), "LSTM");
    // In containers: which layer, and what arrived there; the innermost first.
    let inner = nn::Sequential::new().add(nn::Relu).add(nn::Linear::new(7, 2));
    let model = nn::Sequential::new().add(nn::Conv2d::new(5, 6, 3)).named("head", inner).add(nn::Relu);
    let (text, _, _) = said(|| model.forward(&pictures));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("linear") || lines[0].starts_with("matmul"), "{text}");
    assert_eq!(lines[1], "  in layer 1 of Sequential, Linear(in_features=7, out_features=2, bias=True), which was given [2, 6, 6, 6]", "{text}");
    assert_eq!(lines[2], "  in layer head of Sequential, Sequential, which was given [2, 6, 6, 6]", "{text}");
    assert_eq!(lines.len(), 3, "{text}");
    // What was told once is over.
    let (text, _, _) = said(|| pictures.matmul(&Tensor::zeros(&[3])));
    assert!(!text.contains("layer"), "{text}");
    // Behind pointers it is the same layer.
    let boxed: Box<dyn Module> = Box::new(nn::Sequential::new().add(nn::BatchNorm1d::new(3)));
    let (text, _, _) = said(|| boxed.forward(&pictures));
    assert!(text.starts_with("BatchNorm1d: the input's shape is [2, 5, 8, 8]") && text.contains("in layer 0 of Sequential, BatchNorm1d(3"), "{text}");
}
