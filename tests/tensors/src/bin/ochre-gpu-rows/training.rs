//! Training steps: a small network in f32 (TF32), and ResNet-18 for CIFAR-10's pictures in bf16; the same networks as in `tests/gpu/rows.py`.
use crate::{GPU, Row, Sizes, randn, row, work};
use ochre_nn::nn::{AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, Module, Relu, Residual, Sequential, autocast, cross_entropy};
use ochre_nn::optim::Sgd;
use ochre_tensors::{DType, Tensor, cuda, no_grad};

/// Three blocks of convolution, batch normalisation, ReLU and pooling.
fn small(sizes: Sizes) -> Sequential {
    let (mut net, mut inputs) = (Sequential::new(), 3);
    for outputs in [1, 2, 4].map(|times| times * sizes.width) {
        net = net.add(Conv2d::new(inputs, outputs, 3).padding(1).bias(false)).add(BatchNorm2d::new(outputs)).add(Relu).add(MaxPool2d::new(2));
        inputs = outputs;
    }
    let side = sizes.picture / 8;
    net.add(Flatten).add(Linear::new(inputs * side * side, 10))
}

/// He and others, 2015, with the stem that is usual for small pictures: 3x3, no pooling.
fn resnet(sizes: Sizes) -> Sequential {
    let convolution = |inputs, outputs, stride| Conv2d::new(inputs, outputs, 3).stride(stride).padding(1).bias(false);
    let (mut net, mut inputs) = (Sequential::new().add(convolution(3, sizes.width, 1)).add(BatchNorm2d::new(sizes.width)).add(Relu), sizes.width);
    for (times, stride) in [(1, 1), (2, 2), (4, 2), (8, 2)] {
        let outputs = times * sizes.width;
        for (inputs, stride) in [(inputs, stride), (outputs, 1)] {
            let body = Sequential::new().add(convolution(inputs, outputs, stride)).add(BatchNorm2d::new(outputs)).add(Relu);
            let block = Residual::new(body.add(convolution(outputs, outputs, 1)).add(BatchNorm2d::new(outputs)));
            let short = Sequential::new().add(Conv2d::new(inputs, outputs, 1).stride(stride).bias(false)).add(BatchNorm2d::new(outputs));
            net = net.add(if stride == 1 { block } else { block.shortcut(short) }).add(Relu);
        }
        inputs = outputs;
    }
    net.add(AdaptiveAvgPool2d::new(1)).add(Flatten).add(Linear::new(inputs, 10))
}

/// Forward, backward and SGD on one batch that lies on the device; gives the loss. `short`: the heavy layers compute in bf16.
fn step(net: Sequential, sizes: Sizes, short: bool) -> Box<dyn FnMut() -> Tensor> {
    net.to_device(&GPU);
    net.set_training(true);
    let (batch, side) = (sizes.batch, sizes.picture);
    let (x, t) = (randn(&[batch, 3, side, side], DType::F32), no_grad(|| Tensor::randint_on(0, 10, &[batch], DType::I64, &GPU)));
    let mut optimizer = Sgd::new(&net, 0.001).momentum(0.9);
    Box::new(move || {
        optimizer.zero_grad();
        let scores = if short { autocast(DType::BF16, || net.forward(&x)).to_dtype(DType::F32) } else { net.forward(&x) };
        let loss = cross_entropy(&scores, &t);
        loss.backward();
        optimizer.step();
        loss.detach()
    })
}

pub fn rows(sizes: Sizes) -> Vec<Row> {
    let both = |names: [&'static str; 2], make: fn(Sizes) -> Sequential, short: bool| {
        let rate = (sizes.batch as f64, "pictures/s");
        let eager = row(names[0], rate, move || {
            cuda::allow_tf32(true);
            let mut step = step(make(sizes), sizes, short);
            work(move || step())
        });
        let captured = row(names[1], rate, move || {
            cuda::allow_tf32(true);
            let mut graph = cuda::graph(&GPU, step(make(sizes), sizes, short))?;
            Ok(Box::new(move || graph.replay().map(drop)))
        });
        [eager, captured]
    };
    let small = both(["training step, small network, tf32", "training step, small network, tf32, as a graph"], small, false);
    let resnet = both(["training step, ResNet-18, bf16", "training step, ResNet-18, bf16, as a graph"], resnet, true);
    small.into_iter().chain(resnet).collect()
}
