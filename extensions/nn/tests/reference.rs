//! Layers, optimisers and schedules against what PyTorch computed (peer/reference.py wrote it down): outputs, gradients, states.
use ochre_nn::nn::{self, CrossEntropy, Module};
use ochre_nn::optim::{AdamW, Optimizer, Schedule, Sgd};
use ochre_nn::{Fit, Loss, data::Loader, fit, npy};
use ochre_tensors::{DType, Tensor};
use std::collections::BTreeMap;
use std::path::Path;

type Reference = BTreeMap<String, Tensor>;

fn reference() -> Reference {
    read("reference.npz")
}

fn read(name: &str) -> Reference {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer").join(name);
    npy::load_npz(file).expect("the reference is there").into_iter().collect()
}

#[track_caller]
fn close(what: &str, ours: &Tensor, theirs: &Tensor, tolerance: f64) {
    assert_eq!(ours.shape(), theirs.shape(), "{what}: shapes");
    let (ours, theirs) = (ours.to_dtype(DType::F64).to_vec::<f64>(), theirs.to_dtype(DType::F64).to_vec::<f64>());
    for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}: element {i} is {a}, PyTorch's {b}");
    }
}

/// The tensors below a name.
fn below(reference: &Reference, name: &str) -> Vec<(String, Tensor)> {
    let prefix = format!("{name}/");
    reference.iter().filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), value.clone()))).collect()
}

/// Output, gradients of input and parameters, buffers afterwards, output in use.
fn check(reference: &Reference, name: &str, layer: &dyn Module) {
    layer.load_state(&below(reference, &format!("{name}/state"))).unwrap_or_else(|e| panic!("{name}: {e}"));
    let given = &reference[&format!("{name}/x")];
    let x = if given.dtype().is_float() { given.requires_grad() } else { given.clone() };
    let y = layer.forward(&x);
    close(name, &y, &reference[&format!("{name}/y")], 2e-5);
    let direction = Tensor::arange(0, y.len() as i64, 1).to_dtype(DType::F32).cos().reshape(&y.shape().iter().map(|&n| n as i64).collect::<Vec<_>>());
    (&y * &direction).sum().backward();
    if given.dtype().is_float() {
        close(&format!("{name} dx"), &x.grad().expect("a gradient"), &reference[&format!("{name}/dx")], 5e-5);
    }
    for (own, parameter) in layer.parameters() {
        close(&format!("{name} {own}"), &parameter.grad().expect("a gradient"), &reference[&format!("{name}/grad/{own}")], 5e-5);
    }
    let buffers = layer.buffers();
    for (own, buffer) in &buffers {
        close(&format!("{name} {own}"), buffer, &reference[&format!("{name}/after/{own}")], 2e-5);
    }
    if !buffers.is_empty() {
        layer.eval();
        close(&format!("{name} in use"), &layer.forward(&x), &reference[&format!("{name}/eval")], 2e-5);
    }
}

#[test]
fn layers_compute_what_pytorch_computes() {
    let reference = reference();
    let cases: Vec<(&str, Box<dyn Module>)> = vec![
        ("linear", Box::new(nn::Linear::new(5, 3))),
        ("conv1d", Box::new(nn::Conv1d::new(4, 6, 3).stride(2).padding(1).groups(2))),
        ("conv2d", Box::new(nn::Conv2d::new(3, 4, [3, 2]).stride([2, 1]).padding([1, 0]))),
        ("conv2d_groups", Box::new(nn::Conv2d::new(4, 8, 3).padding(2).dilation(2).groups(4).bias(false))),
        ("conv_transpose2d", Box::new(nn::ConvTranspose2d::new(4, 3, 3).stride(2).padding(1).output_padding(1))),
        ("batch_norm1d", Box::new(nn::BatchNorm1d::new(3))),
        ("batch_norm2d", Box::new(nn::BatchNorm2d::new(3))),
        ("layer_norm", Box::new(nn::LayerNorm::new(&[3, 4]))),
        ("group_norm", Box::new(nn::GroupNorm::new(2, 4))),
        ("embedding", Box::new(nn::Embedding::new(7, 3))),
        ("relu", Box::new(nn::Relu)),
        ("gelu", Box::new(nn::Gelu)),
        ("silu", Box::new(nn::Silu)),
        ("tanh", Box::new(nn::Tanh)),
        ("sigmoid", Box::new(nn::Sigmoid)),
        ("softmax", Box::new(nn::Softmax(-1))),
        ("leaky_relu", Box::new(nn::LeakyRelu(0.1))),
        ("max_pool2d", Box::new(nn::MaxPool2d::new(3).stride(2).padding(1))),
        ("avg_pool2d", Box::new(nn::AvgPool2d::new(2).padding(1))),
        ("adaptive_avg_pool2d", Box::new(nn::AdaptiveAvgPool2d::new([2, 3]))),
    ];
    for (name, layer) in &cases {
        check(&reference, name, layer);
    }
}

/// A layer under the name that the reference gives it.
struct Inner(Box<dyn Module>);

impl Module for Inner {
    fn forward(&self, input: &Tensor) -> Tensor {
        self.0.forward(input)
    }
    fn children(&self) -> Vec<(String, &dyn Module)> {
        vec![("layer".to_owned(), &*self.0)]
    }
}

#[test]
fn more_layers_compute_what_pytorch_computes() {
    let reference = read("layers.npz");
    let inner = |layer: Box<dyn Module>| -> Box<dyn Module> { Box::new(Inner(layer)) };
    let cases: Vec<(&str, Box<dyn Module>)> = vec![
        ("conv_transpose1d", Box::new(nn::ConvTranspose1d::new(4, 3, 4).stride(3).padding(1).output_padding(2))),
        ("rms_norm", Box::new(nn::RmsNorm::new(&[4]))),
        ("prelu", Box::new(nn::PRelu::new(1))),
        ("prelu_channels", Box::new(nn::PRelu::new(3))),
        ("elu", Box::new(nn::Elu(0.7))),
        ("softplus", Box::new(nn::Softplus)),
        ("upsample", Box::new(nn::Upsample::new(2))),
        ("upsample_bilinear", Box::new(nn::Upsample::to([5, 7]).bilinear(false))),
        ("max_pool1d", Box::new(nn::MaxPool1d::new(3).ceil_mode(true))),
        ("avg_pool1d", Box::new(nn::AvgPool1d::new(3).stride(2).padding(1))),
        ("avg_pool2d_up", Box::new(nn::AvgPool2d::new(3).stride(2).padding(1).ceil_mode(true).count_padding(false))),
        ("adaptive_max_pool2d", Box::new(nn::AdaptiveMaxPool2d::new([2, 3]))),
        ("embedding_padding", Box::new(nn::Embedding::new(7, 3).padding(3))),
        ("attention", Box::new(nn::MultiheadAttention::new(8, 2))),
        ("attention_causal", Box::new(nn::MultiheadAttention::new(8, 2).causal(true))),
        ("transformer", Box::new(nn::TransformerEncoderLayer::new(8, 2).hidden(12).dropout(0.0))),
        ("transformer_first", Box::new(nn::TransformerEncoderLayer::new(8, 4).hidden(12).dropout(0.0).gelu().norm_first(true))),
        ("lstm", inner(Box::new(nn::Lstm::new(4, 3)))),
        ("lstm_both", inner(Box::new(nn::Lstm::new(4, 3).layers(2).bidirectional(true).batch_first(true)))),
        ("gru", inner(Box::new(nn::Gru::new(4, 3)))),
        ("gru_both", inner(Box::new(nn::Gru::new(4, 3).layers(2).bidirectional(true).batch_first(true)))),
    ];
    for (name, layer) in &cases {
        check(&reference, name, layer);
    }
}

#[test]
fn what_stands_for_nothing_is_nothing_and_whole_channels_are_dropped() {
    let table = nn::Embedding::new(4, 2).padding(1);
    assert_eq!(table.forward(&Tensor::from_slice(&[1i64, 1])).to_vec::<f32>(), [0.0; 4]);
    assert_eq!(table.describe(), "Embedding(4, 2, padding_idx=1)");
    let drop = nn::Dropout2d::new(0.5);
    let x = Tensor::ones(&[8, 16, 3, 3]);
    let sums = drop.forward(&x).sum_dims(&[2, 3], false).to_vec::<f32>();
    assert!(sums.iter().all(|s| *s == 0.0 || *s == 18.0) && sums.contains(&0.0) && sums.contains(&18.0));
    drop.eval();
    assert!(drop.forward(&x).equal(&x));
}

#[test]
fn a_sequence_in_two_parts_is_the_sequence() {
    let x = Tensor::randn(&[6, 2, 4]);
    let (lstm, gru) = (nn::Lstm::new(4, 3).layers(2), nn::Gru::new(4, 3).layers(2));
    let parts = [x.narrow(0, 0, 2), x.narrow(0, 2, 4)];
    let (first, (hidden, cell)) = lstm.run(&parts[0], None);
    let (second, last) = lstm.run(&parts[1], Some((&hidden, &cell)));
    let (whole, end) = lstm.run(&x, None);
    close("lstm", &Tensor::cat(&[&first, &second], 0), &whole, 1e-6);
    close("its cell", &last.1, &end.1, 1e-6);
    let (first, hidden) = gru.run(&parts[0], None);
    let (second, _) = gru.run(&parts[1], Some(&hidden));
    close("gru", &Tensor::cat(&[&first, &second], 0), &gru.forward(&x), 1e-6);
}

fn optimised(reference: &Reference, make: &dyn Fn(Vec<Tensor>) -> Box<dyn Optimizer>) -> Vec<Tensor> {
    let parameters: Vec<Tensor> = (0..2).map(|i| reference[&format!("optim/start/{i}")].requires_grad()).collect();
    let mut optimiser = make(parameters.clone());
    for step in 0..5 {
        for (i, parameter) in parameters.iter().enumerate() {
            parameter.set_grad(Some(&reference[&format!("optim/gradients/{i}")].select(0, step)));
        }
        optimiser.try_step().expect("a step");
    }
    parameters
}

#[test]
fn optimisers_make_pytorchs_steps() {
    let reference = reference();
    type Make = Box<dyn Fn(Vec<Tensor>) -> Box<dyn Optimizer>>;
    let cases: [(&str, Make); 5] = [
        ("sgd", Box::new(|p| Box::new(Sgd::new(p, 0.1)))),
        ("sgd_momentum", Box::new(|p| Box::new(Sgd::new(p, 0.1).momentum(0.9).weight_decay(0.01)))),
        ("sgd_nesterov", Box::new(|p| Box::new(Sgd::new(p, 0.1).momentum(0.8).nesterov(true)))),
        ("adamw", Box::new(|p| Box::new(AdamW::new(p, 0.01)))),
        ("adamw_own", Box::new(|p| Box::new(AdamW::new(p, 0.05).betas(0.8, 0.95).epsilon(1e-6).weight_decay(0.1)))),
    ];
    for (name, make) in &cases {
        for (i, parameter) in optimised(&reference, make).iter().enumerate() {
            close(&format!("{name} {i}"), parameter, &reference[&format!("optim/{name}/{i}")], 2e-6);
        }
    }
}

/// The layers of a CIFAR network.
fn network() -> nn::Sequential {
    nn::Sequential::new()
        .add(nn::Conv2d::new(3, 8, 3).padding(1).bias(false))
        .add(nn::BatchNorm2d::new(8))
        .add(nn::Relu)
        .add(nn::MaxPool2d::new(2))
        .add(nn::Flatten)
        .add(nn::Linear::new(8 * 4 * 4, 5))
}

#[test]
fn a_network_learns_as_in_pytorch() {
    let reference = reference();
    let model = network();
    model.load_state(&below(&reference, "network/state")).expect("PyTorch's names are ours");
    let mut optimiser = AdamW::new(&model, 0.01);
    let losses = reference["network/losses"].to_vec::<f64>();
    for step in 0..4 {
        let (x, y) = (reference["network/x"].select(0, step), reference["network/y"].select(0, step));
        let loss = nn::cross_entropy_with(&model.forward(&x), &y, &CrossEntropy { smoothing: 0.1, ..CrossEntropy::default() });
        optimiser.zero_grad();
        loss.backward();
        let parameters = model.parameters();
        ochre_tensors::clip_grad_norm(&parameters.iter().map(|(_, p)| p).collect::<Vec<_>>(), 1.0);
        optimiser.step();
        assert!((loss.item() - losses[step as usize]).abs() < 2e-5, "step {step}: {} and PyTorch's {}", loss.item(), losses[step as usize]);
    }
    for (name, value) in model.state() {
        close(&name, &value, &reference[&format!("network/trained/{name}")], 2e-4);
    }
    model.eval();
    close("logits", &model.forward(&reference["network/x"].select(0, 0)), &reference["network/eval"], 5e-4);
}

#[test]
fn fit_makes_the_same_steps() {
    let reference = reference();
    let model = network();
    model.load_state(&below(&reference, "network/state")).expect("PyTorch's names are ours");
    let data = ochre_nn::data::Dataset::new(&reference["network/x"].reshape(&[24, 3, 8, 8]), &reference["network/y"].reshape(&[24]));
    let mut optimiser = AdamW::new(&model, 0.01);
    let options = Fit { epochs: 1, optimizer: Some(&mut optimiser), clip: Some(1.0), loss: Loss::CrossEntropy { smoothing: 0.1 }, ..Fit::default() };
    let history = fit(&model, &Loader::new(&data).batch(6), &(), options);
    let losses = reference["network/losses"].to_vec::<f64>();
    assert!((history.epochs[0].loss - losses.iter().sum::<f64>() / 4.0).abs() < 2e-5, "{history}");
    for (name, value) in model.state() {
        close(&name, &value, &reference[&format!("network/trained/{name}")], 2e-4);
    }
}

#[test]
fn schedules_are_pytorchs() {
    let reference = reference();
    for (name, schedule, total) in [("step", Schedule::step(3, 0.5), 10), ("cosine", Schedule::cosine(), 12), ("one_cycle", Schedule::one_cycle(), 20)] {
        let theirs = reference[&format!("schedule/{name}")].to_vec::<f64>();
        for (step, want) in theirs.iter().enumerate() {
            let got = schedule.factor(step as u64, total, 1);
            assert!((got - want).abs() < 1e-9, "{name} at {step}: {got}, PyTorch's {want}");
        }
    }
}
