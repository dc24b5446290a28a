//! What concerns the device as a whole: training through `Tensor`, graphs, memory.
use crate::both::{gpu, of};
use ochre_tensors::{DType, Device, Tensor, cuda, no_grad};

pub const CASES: &[(&str, fn())] = &[
    ("training gives the same losses", training),
    ("a graph takes the same steps", graph_of_training),
    ("a graph draws new random numbers", graph_of_random),
    ("numbers are part of a graph", graph_of_numbers),
    ("nothing is read while a graph is captured", graph_that_reads),
    ("large copies arrive", large_copies),
    ("a small operation costs the host little", small_operations),
    ("memory comes back", memory_comes_back),
    ("out of memory is an error", out_of_memory),
];

/// A small network: its weights, and a step of gradient descent that gives the loss.
struct Network {
    weights: Vec<Tensor>,
    x: Tensor,
    y: Tensor,
}

impl Network {
    fn new(device: Device) -> Self {
        let sized = |shape: &[usize], scale: f64| {
            let count: usize = shape.iter().product();
            let values: Vec<f32> = (0..count).map(|i| ((i as f64 * 12.9898).sin() * scale) as f32).collect();
            Tensor::from_vec(values, shape).to_device(&device)
        };
        let weights = [sized(&[8, 3, 3, 3], 0.4), sized(&[8], 0.1), sized(&[128, 10], 0.2)].map(|w| w.requires_grad());
        let classes = Tensor::from_vec((0..16).map(|i| i % 10).collect::<Vec<i64>>(), &[16]).to_device(&device);
        Self { weights: weights.into(), x: sized(&[16, 3, 8, 8], 1.0), y: classes }
    }

    fn step(&self) -> Tensor {
        let hidden = self.x.conv2d(&self.weights[0], Some(&self.weights[1]), ochre_tensors::ConvOptions::default().padding(1));
        let hidden = hidden.relu().max_pool2d(ochre_tensors::PoolOptions::new(2));
        let loss = ochre_tensors::functional::cross_entropy(&hidden.flatten(1, -1).matmul(&self.weights[2]), &self.y);
        self.weights.iter().for_each(Tensor::zero_grad);
        loss.backward();
        no_grad(|| {
            for w in &self.weights {
                if let Some(gradient) = w.grad() {
                    w.assign(&(w.detach() - gradient * 0.1));
                }
            }
        });
        loss.detach()
    }
}

fn training() {
    let (here, there) = (Network::new(Device::Cpu), Network::new(Device::Cuda(0)));
    for step in 0..5 {
        let (a, b) = (here.step().item(), there.step().item());
        assert!((a - b).abs() < 1e-4, "step {step}: {a} on the CPU and {b} on the GPU");
    }
}

fn graph_of_training() {
    let (eager, captured) = (Network::new(Device::Cuda(0)), Network::new(Device::Cuda(0)));
    let mut graph = cuda::graph(&Device::Cuda(0), || captured.step()).expect("a graph");
    // Two steps were taken before the capture.
    (0..2).for_each(|_| drop(eager.step()));
    for step in 0..6 {
        let loss = graph.replay().expect("a replay").item();
        let expected = eager.step().item();
        assert!((loss - expected).abs() < 1e-5, "step {step}: {expected} eagerly, {loss} by the graph");
    }
    let next = &captured.x * 0.5;
    (eager.x.assign(&next), captured.x.assign(&next));
    let (loss, expected) = (graph.replay().expect("a replay").item(), eager.step().item());
    assert!((loss - expected).abs() < 1e-5, "new data: {expected} eagerly, {loss} by the graph");
}

fn graph_of_random() {
    let mut graph = cuda::graph(&Device::Cuda(0), || Tensor::rand_on(&[1000], DType::F32, &Device::Cuda(0))).expect("a graph");
    let draws: Vec<Vec<f32>> = (0..3).map(|_| graph.replay().expect("a replay").to_vec::<f32>()).collect();
    assert!(draws[0] != draws[1] && draws[1] != draws[2] && draws.iter().flatten().all(|x| (0.0..1.0).contains(x)));
}

/// A number beside a tensor is no copy from the CPU, which a graph could not have.
fn graph_of_numbers() {
    let (x, n) = (Tensor::ones(&[3]).to_device(&Device::Cuda(0)), Tensor::from_slice(&[1i64, 2]).to_device(&Device::Cuda(0)));
    let mut graph = cuda::graph(&Device::Cuda(0), || &x * 2.5 + (&n + 1).sum().to_dtype(DType::F32)).expect("a graph");
    assert_eq!(graph.replay().expect("a replay").to_vec::<f32>(), [7.5; 3]);
}

fn graph_that_reads() {
    let (x, mut calls) = (Tensor::ones(&[3]).to_device(&Device::Cuda(0)), 0);
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        cuda::graph(&Device::Cuda(0), || {
            calls += 1;
            let sum = x.sum();
            // The third call is the captured one.
            if calls > 2 {
                sum.item();
            }
            sum
        })
        .map(|_| ())
    }));
    let text = refused.expect_err("an item is read").downcast::<String>().expect("a message");
    assert!(text.contains("captured"), "{text}");
    assert_eq!(x.sum().item(), 3.0, "the device goes on");
}

/// Copies through pinned buffers, whose ends are no buffer's: each after the other, while the one before is still read.
fn large_copies() {
    for count in [1 << 18, (1 << 18) + 1, 5_000_001, 9 << 20] {
        let values: Vec<f32> = (0..count).map(|i| (i % 65_521) as f32).collect();
        let (first, second) = (Tensor::from_slice(&values), Tensor::from_vec(values.iter().map(|v| v + 0.5).collect::<Vec<f32>>(), &[count]));
        let (a, b) = (first.to_device(&Device::Cuda(0)), second.to_device(&Device::Cuda(0)));
        assert!(a.to_vec::<f32>() == values, "{count} elements");
        assert!(b.to_vec::<f32>() == second.to_vec::<f32>(), "{count} elements after others");
    }
}

/// What our part of a small operation takes; the driver's is measured on a GPU (`ochre-gpu-rows`).
fn small_operations() {
    // An emulated kernel takes ten times as long as what is measured.
    let is_idle = std::env::var_os("OCHRE_EMULATED_IDLE").is_some();
    let count: u32 = if is_idle || std::env::var_os("OCHRE_CUDA_DRIVER").is_none() { 5000 } else { 5 };
    let of = |n: usize| Tensor::ones(&[n]).to_device(&Device::Cuda(0));
    let (x, y) = (of(1000), of(1000));
    let measure = |work: &dyn Fn() -> Tensor| {
        let round = || {
            let begun = std::time::Instant::now();
            (0..count).for_each(|_| cuda::finish(&work()).expect("computed"));
            begun.elapsed().as_secs_f64() / f64::from(count) * 1e9
        };
        // The least of several: other processes want the CPU, too.
        (0..10).map(|_| round()).fold(f64::INFINITY, f64::min)
    };
    let one = measure(&|| no_grad(|| &x + &y));
    cuda::allow_fusion(false);
    let separate = measure(&|| no_grad(|| &x + &y));
    cuda::allow_fusion(true);
    let six = measure(&|| no_grad(|| (((&x * 2.0 + 1.0).relu() * &y) - &x).sigmoid()));
    println!("host's time of an addition {one:.0} ns, {separate:.0} ns without fusion; of six operations {six:.0} ns");
    if is_idle && !cfg!(debug_assertions) {
        assert!(one < 3000.0 && separate < 3000.0, "{one} and {separate} ns");
    }
}

/// Ten thousand steps take no more memory than ten.
fn memory_comes_back() {
    let network = Network::new(Device::Cuda(0));
    let device = cuda::cuda(0).expect("a GPU").gpu();
    let steps = |n: usize| (0..n).for_each(|_| drop(network.step()));
    steps(3);
    let before = device.statistics();
    let is_slow = std::env::var_os("OCHRE_CUDA_DRIVER").is_some() && std::env::var_os("OCHRE_EMULATED_IDLE").is_none();
    let count = if is_slow { 20 } else { 10_000 };
    steps(count);
    println!("{count} steps, {} buffers live, {} segments taken", before.live, before.segments_taken);
    let after = device.statistics();
    assert_eq!((before.allocated, before.live, before.segments_taken), (after.allocated, after.live, after.segments_taken));
}

fn out_of_memory() {
    let (_, total) = cuda::cuda(0).expect("a GPU").gpu().memory();
    let held = gpu().full(&[1 << 20], DType::F32, 1.0).expect("some memory");
    let error = gpu().full(&[total], DType::F32, 1.0).map(|_| ()).expect_err("four times what there is").to_string();
    assert!(error.contains("out of memory on cuda:0") && error.contains("this session holds") && error.contains("[1048576]"), "{error}");
    drop(held);
    let x = of(&[1.0, 2.0], &[2], DType::F32);
    assert_eq!(crate::both::values(&crate::both::moved(&x)), [1.0, 2.0]);
}
