//! Our side of the GPU's table: each row's work is repeated and its seconds are printed as a line of JSON. `tests/gpu/rows.py` starts this
//! program, does the same work in PyTorch and prints the table. `cargo xtask gpu` puts both into one folder.
//!
//! `ochre-gpu-rows [--small]`: small sizes, to see that every row runs.
use ochre_nn::nn::{BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, Module, Relu, Sequential, cross_entropy};
use ochre_nn::optim::Sgd;
use ochre_tensors::backend::Conv;
use ochre_tensors::{DType, Device, Tensor, TensorError, backend, cuda, no_grad};
use serde_json::json;
use std::time::{Duration, Instant};

/// How long the work of one measurement is repeated, and how often it is measured.
const BUDGET: Duration = Duration::from_millis(300);
const ROUNDS: usize = 7;
const GPU: Device = Device::Cuda(0);

fn main() -> anyhow::Result<()> {
    let begun = Instant::now();
    let small = std::env::args().any(|a| a == "--small");
    // The first thing a cell does: context, kernels, one result.
    let first = (Tensor::ones(&[1000]).to_device(&GPU) * 2.0).sum().item();
    anyhow::ensure!(first == 2000.0, "the GPU adds up 2,000 to {first}");
    let device = cuda::cuda(0)?;
    println!("{}", json!({ "device": device.gpu().name, "libraries": device.libraries(), "cold": begun.elapsed().as_secs_f64() }));
    for (name, rate, work) in rows(small) {
        match seconds(work) {
            Ok(seconds) => println!("{}", json!({ "row": name, "seconds": seconds, "work": rate.0, "unit": rate.1 })),
            Err(error) => println!("{}", json!({ "row": name, "error": error.to_string() })),
        }
        device.gpu().empty_cache()?;
    }
    let statistics = device.gpu().statistics();
    println!("{}", json!({ "peak_bytes": statistics.peak_reserved, "allocations": statistics.allocations, "segments": statistics.segments_taken }));
    Ok(())
}

type Work = Box<dyn FnMut() -> Result<(), TensorError>>;
/// Operations or bytes of one repetition, and what they are counted in.
type Rate = (f64, &'static str);
/// Makes its tensors when its turn comes.
type Row = (&'static str, Rate, Box<dyn FnOnce() -> Result<Work, TensorError>>);

/// The median of some measurements of as many repetitions as fit.
fn seconds(make: Box<dyn FnOnce() -> Result<Work, TensorError>>) -> Result<f64, TensorError> {
    let (mut work, gpu) = (make()?, backend(GPU)?);
    let mut measure = |repeats: u32| -> Result<f64, TensorError> {
        gpu.synchronize()?;
        let begun = Instant::now();
        (0..repeats).try_for_each(|_| work())?;
        gpu.synchronize()?;
        Ok(begun.elapsed().as_secs_f64() / f64::from(repeats))
    };
    // Plans are made, memory is taken, clocks rise.
    measure(3)?;
    let repeats = (BUDGET.as_secs_f64() / measure(2)?.max(1e-9)).clamp(1.0, 100_000.0) as u32;
    let mut all = (0..ROUNDS).map(|_| measure(repeats)).collect::<Result<Vec<_>, _>>()?;
    all.sort_by(f64::total_cmp);
    Ok(all[ROUNDS / 2])
}

fn randn(shape: &[usize], dtype: DType) -> Tensor {
    Tensor::randn_on(shape, dtype, &GPU)
}

fn row(name: &'static str, rate: Rate, make: impl FnOnce() -> Result<Work, TensorError> + 'static) -> Row {
    (name, rate, Box::new(make))
}

fn work(mut step: impl FnMut() + 'static) -> Result<Work, TensorError> {
    Ok(Box::new(move || {
        step();
        Ok(())
    }))
}

fn rows(small: bool) -> Vec<Row> {
    let mut all = products(if small { 64 } else { 8192 });
    all.extend(memory(if small { 1 << 10 } else { 1 << 28 }, if small { [16, 64] } else { [32_768, 4096] }));
    all.extend(convolutions(if small { [2, 8, 8] } else { [256, 256, 32] }));
    all.extend(small_operations());
    all.extend(training(if small { 4 } else { 512 }));
    all
}

fn products(n: usize) -> Vec<Row> {
    let of = move |name, dtype: DType, tf32: bool| {
        row(name, (2.0 * (n as f64).powi(3), "FLOP/s"), move || {
            cuda::allow_tf32(tf32);
            let (a, b) = (randn(&[n, n], dtype), randn(&[n, n], dtype));
            work(move || drop(a.matmul(&b)))
        })
    };
    vec![of("GEMM 8192, bf16", DType::BF16, false), of("GEMM 8192, f32", DType::F32, false), of("GEMM 8192, tf32", DType::F32, true)]
}

fn memory(count: usize, [lines, width]: [usize; 2]) -> Vec<Row> {
    let bytes = |passes: f64, count: usize, size: f64| (passes * count as f64 * size, "B/s");
    let (half, area) = (count / 2, lines * width);
    vec![
        row("copy of 1 GB", bytes(2.0, count, 4.0), move || {
            let x = randn(&[count], DType::F32);
            work(move || drop(x.copy()))
        }),
        row("addition of 1 GB", bytes(3.0, count, 4.0), move || {
            let (x, y) = (randn(&[count], DType::F32), randn(&[count], DType::F32));
            work(move || drop(&x + &y))
        }),
        row("six operations on 0.5 GB", bytes(3.0, half, 4.0), move || {
            let (x, y) = (randn(&[half], DType::F32), randn(&[half], DType::F32));
            work(move || drop((((&x * 2.0 + 1.0).relu() * &y) - &x).sigmoid()))
        }),
        row("sum of rows, bf16", bytes(1.0, area, 2.0), move || {
            let x = randn(&[lines, width], DType::BF16);
            work(move || drop(x.sum_dim(-1)))
        }),
        row("softmax, bf16", bytes(2.0, area, 2.0), move || {
            let x = randn(&[lines, width], DType::BF16);
            work(move || drop(x.softmax(-1)))
        }),
        row("layer norm, bf16", bytes(2.0, area, 2.0), move || {
            let (x, w, b) = (randn(&[lines, width], DType::BF16), randn(&[width], DType::BF16), randn(&[width], DType::BF16));
            work(move || drop(x.layer_norm(&[width], Some(&w), Some(&b), 1e-5)))
        }),
        row("upload of ten columns, f32", bytes(1.0, count / 4, 4.0), move || {
            let columns: Vec<Tensor> = (0..10).map(|_| Tensor::zeros(&[count / 40])).collect();
            work(move || columns.iter().for_each(|c| drop(c.to_device(&GPU))))
        }),
    ]
}

fn convolutions([batch, channels, size]: [usize; 3]) -> Vec<Row> {
    let flops = 2.0 * (batch * channels * channels * size * size * 9) as f64;
    let conv = Conv { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 };
    let (x, w) = ([batch, channels, size, size], [channels, channels, 3, 3]);
    let tensors = move || -> Result<_, TensorError> {
        let gpu = backend(GPU)?;
        let normal = ochre_tensors::backend::Draw::Normal { mean: 0.0, std: 1.0 };
        Ok((gpu, gpu.random(&x, DType::BF16, normal, 1, 0)?, gpu.random(&w, DType::BF16, normal, 2, 0)?))
    };
    vec![
        row("convolution 3x3, bf16", (flops, "FLOP/s"), move || {
            let (gpu, x, w) = tensors()?;
            Ok(Box::new(move || gpu.conv(&x, &w, None, conv).map(drop)))
        }),
        row("its gradient of the input", (flops, "FLOP/s"), move || {
            let (gpu, dy, w) = tensors()?;
            Ok(Box::new(move || gpu.conv_backward_input(&dy, &w, &x, conv).map(drop)))
        }),
        row("its gradient of the weights", (flops, "FLOP/s"), move || {
            let (gpu, dy, _) = tensors()?;
            let input = dy.clone();
            Ok(Box::new(move || gpu.conv_backward_weight(&dy, &input, &w, conv).map(drop)))
        }),
    ]
}

/// Additions that a graph holds.
const CAPTURED: usize = 1000;

fn small_operations() -> Vec<Row> {
    vec![
        row("one small operation", (1.0, "op/s"), || {
            let (x, y) = (randn(&[1000], DType::F32), randn(&[1000], DType::F32));
            work(move || drop(&x + &y))
        }),
        row("one small operation of a graph", (CAPTURED as f64, "op/s"), || {
            let (x, y) = (randn(&[1000], DType::F32), randn(&[1000], DType::F32));
            let mut graph = cuda::graph(&GPU, move || (0..CAPTURED).fold(x.clone(), |sum, _| sum + &y))?;
            Ok(Box::new(move || graph.replay().map(drop)))
        }),
    ]
}

/// Three blocks of convolution, batch normalisation, ReLU and pooling on CIFAR-10's pictures; the loss of a step.
fn step(batch: usize) -> Box<dyn FnMut() -> Tensor> {
    let mut net = Sequential::new();
    for (inputs, outputs) in [(3, 64), (64, 128), (128, 256)] {
        net = net.add(Conv2d::new(inputs, outputs, 3).padding(1).bias(false)).add(BatchNorm2d::new(outputs)).add(Relu).add(MaxPool2d::new(2));
    }
    let net = net.add(Flatten).add(Linear::new(4096, 10));
    net.to_device(&GPU);
    net.set_training(true);
    let (x, t) = (randn(&[batch, 3, 32, 32], DType::F32), no_grad(|| Tensor::randint_on(0, 10, &[batch], DType::I64, &GPU)));
    let mut optimizer = Sgd::new(&net, 0.001).momentum(0.9);
    Box::new(move || {
        optimizer.zero_grad();
        let loss = cross_entropy(&net.forward(&x), &t);
        loss.backward();
        optimizer.step();
        loss.detach()
    })
}

fn training(batch: usize) -> Vec<Row> {
    vec![
        row("training step on CIFAR-10, tf32", (batch as f64, "pictures/s"), move || {
            cuda::allow_tf32(true);
            let mut step = step(batch);
            work(move || drop(step()))
        }),
        row("training step of a graph, tf32", (batch as f64, "pictures/s"), move || {
            cuda::allow_tf32(true);
            let mut graph = cuda::graph(&GPU, step(batch))?;
            Ok(Box::new(move || graph.replay().map(drop)))
        }),
    ]
}
