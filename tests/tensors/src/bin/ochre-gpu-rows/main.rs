//! Our side of the GPU's table: each row's work is repeated and its seconds are printed as a line of JSON. `tests/gpu/rows.py` starts this
//! program, does the same work in PyTorch and prints the table. `cargo xtask gpu` puts both into one folder.
//!
//! `ochre-gpu-rows`          all rows
//! `ochre-gpu-rows --small`  tiny sizes, each measured for a moment: to see that every row runs
//! `ochre-gpu-rows --cold`   only the first result of a new process
mod training;

use ochre_tensors::backend::Conv;
use ochre_tensors::{DType, Device, Tensor, TensorError, backend, cuda};
use serde_json::json;
use std::time::{Duration, Instant};

/// How long the work of one measurement is repeated, and how often it is measured.
const BUDGET: Duration = Duration::from_millis(300);
const ROUNDS: usize = 7;
const GPU: Device = Device::Cuda(0);

/// What the rows' tensors are as large as; `rows.py` reads them from our first line.
#[derive(Clone, Copy)]
struct Sizes {
    /// Rows and columns of a product's matrices.
    product: usize,
    /// Elements of a gigabyte of f32.
    count: usize,
    lines: [usize; 2],
    /// Pictures, channels, height and width.
    convolution: [usize; 3],
    /// Elements of each of ten columns.
    column: usize,
    /// Pictures of a training step, their height and width, and channels of a network's first block.
    batch: usize,
    picture: usize,
    width: usize,
    budget: Duration,
}

const FULL: Sizes = Sizes { product: 8192, count: 1 << 28, lines: [32_768, 4096], convolution: [256, 256, 32], column: 10_000_000, batch: 512, picture: 32, width: 64, budget: BUDGET };
const SMALL: Sizes = Sizes { product: 32, count: 1 << 10, lines: [4, 64], convolution: [1, 4, 4], column: 100, batch: 2, picture: 8, width: 2, budget: Duration::ZERO };

fn main() -> anyhow::Result<()> {
    let begun = Instant::now();
    let is = |flag: &str| std::env::args().any(|a| a == flag);
    let sizes = if is("--small") { SMALL } else { FULL };
    // The first thing a cell does: context, kernels, one result.
    let first = (Tensor::ones(&[1000]).to_device(&GPU) * 2.0).sum().item();
    anyhow::ensure!(first == 2000.0, "the GPU adds up 2,000 to {first}");
    let cold = begun.elapsed().as_secs_f64();
    let device = cuda::cuda(0)?;
    let Sizes { product, count, lines, convolution, column, batch, picture, width, .. } = sizes;
    let told = json!({ "product": product, "count": count, "lines": lines, "convolution": convolution, "column": column, "batch": batch, "picture": picture, "width": width });
    println!("{}", json!({ "device": device.gpu().name, "libraries": device.libraries(), "cold": cold, "sizes": told }));
    if is("--cold") {
        return Ok(());
    }
    for (name, rate, work) in rows(sizes) {
        match seconds(work, sizes.budget) {
            Ok(seconds) => println!("{}", json!({ "row": name, "seconds": seconds, "work": rate.0, "unit": rate.1 })),
            Err(error) => println!("{}", json!({ "row": name, "error": error.to_string() })),
        }
        device.gpu().empty_cache()?;
    }
    let statistics = device.gpu().statistics();
    println!("{}", json!({ "peak_bytes": statistics.peak_reserved, "allocations": statistics.allocations, "segments": statistics.segments_taken, "kernels_compiled": device.kernels_compiled() }));
    Ok(())
}

type Work = Box<dyn FnMut() -> Result<(), TensorError>>;
/// Operations or bytes of one repetition, and what they are counted in.
type Rate = (f64, &'static str);
/// Makes its tensors when its turn comes.
type Row = (&'static str, Rate, Box<dyn FnOnce() -> Result<Work, TensorError>>);

/// The median of some measurements of as many repetitions as fit.
fn seconds(make: Box<dyn FnOnce() -> Result<Work, TensorError>>, budget: Duration) -> Result<f64, TensorError> {
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
    let repeats = (budget.as_secs_f64() / measure(2)?.max(1e-9)).clamp(1.0, 100_000.0) as u32;
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

/// Each repetition's result is computed: what is put off and dropped would not be.
fn work(mut step: impl FnMut() -> Tensor + 'static) -> Result<Work, TensorError> {
    Ok(Box::new(move || cuda::finish(&step())))
}

fn rows(sizes: Sizes) -> Vec<Row> {
    let mut all = products(sizes.product);
    all.extend(memory(sizes));
    all.extend(convolutions(sizes.convolution));
    all.extend(small_operations());
    all.extend(training::rows(sizes));
    all
}

fn products(n: usize) -> Vec<Row> {
    let of = move |name, dtype: DType, tf32: bool| {
        row(name, (2.0 * (n as f64).powi(3), "FLOP/s"), move || {
            cuda::allow_tf32(tf32);
            let (a, b) = (randn(&[n, n], dtype), randn(&[n, n], dtype));
            work(move || a.matmul(&b))
        })
    };
    vec![of("GEMM 8192, bf16", DType::BF16, false), of("GEMM 8192, f32", DType::F32, false), of("GEMM 8192, tf32", DType::F32, true)]
}

fn memory(sizes: Sizes) -> Vec<Row> {
    let (count, [lines, width], column) = (sizes.count, sizes.lines, sizes.column);
    let bytes = |passes: f64, count: usize, size: f64| (passes * count as f64 * size, "B/s");
    let (half, area) = (count / 2, lines * width);
    vec![
        row("copy of 1 GB", bytes(2.0, count, 4.0), move || {
            let x = randn(&[count], DType::F32);
            work(move || x.copy())
        }),
        row("addition of 1 GB", bytes(3.0, count, 4.0), move || {
            let (x, y) = (randn(&[count], DType::F32), randn(&[count], DType::F32));
            work(move || &x + &y)
        }),
        row("six operations on 0.5 GB", bytes(3.0, half, 4.0), move || {
            let (x, y) = (randn(&[half], DType::F32), randn(&[half], DType::F32));
            work(move || (((&x * 2.0 + 1.0).relu() * &y) - &x).sigmoid())
        }),
        row("sum of rows, bf16", bytes(1.0, area, 2.0), move || {
            let x = randn(&[lines, width], DType::BF16);
            work(move || x.sum_dim(-1))
        }),
        row("softmax, bf16", bytes(2.0, area, 2.0), move || {
            let x = randn(&[lines, width], DType::BF16);
            work(move || x.softmax(-1))
        }),
        row("layer norm, bf16", bytes(2.0, area, 2.0), move || {
            let (x, w, b) = (randn(&[lines, width], DType::BF16), randn(&[width], DType::BF16), randn(&[width], DType::BF16));
            work(move || x.layer_norm(&[width], Some(&w), Some(&b), 1e-5))
        }),
        row("upload of ten columns, f32", bytes(1.0, 10 * column, 4.0), move || {
            // To one matrix of rows on the device, as a frame's columns become one (`extensions/frames`).
            let columns: Vec<Tensor> = (0..10).map(|i| Tensor::full(&[column], f64::from(i))).collect();
            work(move || {
                let there: Vec<Tensor> = columns.iter().map(|c| c.to_device(&GPU).reshape(&[-1, 1])).collect();
                Tensor::cat(&there.iter().collect::<Vec<_>>(), 1)
            })
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

/// A kernel of its own for what would be fused.
fn alone(x: Tensor) -> Tensor {
    cuda::finish(&x).map(|()| x).unwrap_or_else(|error| panic!("{error}"))
}

fn small_operations() -> Vec<Row> {
    vec![
        row("one small operation", (1.0, "op/s"), || {
            let (x, y) = (randn(&[1000], DType::F32), randn(&[1000], DType::F32));
            work(move || &x + &y)
        }),
        row("one small operation of a graph", (CAPTURED as f64, "op/s"), || {
            let (x, y) = (randn(&[1000], DType::F32), randn(&[1000], DType::F32));
            let mut graph = cuda::graph(&GPU, move || (0..CAPTURED).fold(x.clone(), |sum, _| alone(sum + &y)))?;
            Ok(Box::new(move || graph.replay().map(drop)))
        }),
    ]
}
