//! What is measured: our work, and PyTorch's words for the same.
use super::network;
use ochre_tensors::functional::ConvOptions;
use ochre_tensors::{DType, Device, Tensor, cuda};

/// Work that is repeated.
pub type Work = Box<dyn FnMut()>;

/// Drops a result that was computed: on a GPU it may have been put off, and would never be.
pub(super) fn done(result: Tensor) {
    if result.device() != Device::Cpu {
        cuda::finish(&result).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A line of the table.
pub struct Row {
    pub name: &'static str,
    /// Makes the tensors and gives what is repeated.
    pub ours: fn(Device) -> Work,
    /// Python that makes the tensors.
    pub setup: &'static str,
    /// Python that is repeated.
    pub step: &'static str,
    /// How slow ours may be: 1.1 for products and convolutions, else 1.2 (issue 5).
    pub limit: f64,
    /// Arithmetic operations and bytes moved by one step, for the rate.
    pub flops: f64,
    pub bytes: f64,
}

impl Row {
    /// The rate for a time.
    pub fn rate(&self, seconds: f64) -> Option<String> {
        match (self.flops > 0.0, self.bytes > 0.0) {
            (true, _) => Some(format!("{:.0} GFLOP/s", self.flops / seconds / 1e9)),
            (_, true) => Some(format!("{:.1} GB/s", self.bytes / seconds / 1e9)),
            _ => None,
        }
    }
}

fn randn(shape: &[usize], device: Device) -> Tensor {
    Tensor::randn_on(shape, DType::F32, &device)
}

/// Forward and backward, and the gradients forgotten.
fn both_ways(leaves: Vec<Tensor>, forward: impl Fn(&[Tensor]) -> Tensor + 'static) -> Work {
    let gradient = forward(&leaves).detach().ones_like();
    Box::new(move || {
        forward(&leaves).backward_with(&gradient);
        leaves.iter().for_each(Tensor::zero_grad);
    })
}

/// The table.
pub fn all(device: Device) -> Vec<Row> {
    // A GPU is measured on larger work by its own benchmark (`cargo xtask gpu`).
    let _ = device;
    [products(), memory(), rows(), convolutions(), whole(), small()].into_iter().flatten().collect()
}

fn products() -> Vec<Row> {
    vec![
        Row {
            name: "matmul 1024 x 1024 x 1024",
            ours: |d| { let (a, b) = (randn(&[1024, 1024], d), randn(&[1024, 1024], d)); Box::new(move || done(a.matmul(&b))) },
            setup: "a, b = torch.randn(1024, 1024, device=device), torch.randn(1024, 1024, device=device)",
            step: "a @ b",
            limit: 1.1, flops: 2.0 * 1024f64.powi(3), bytes: 0.0,
        },
        Row {
            name: "matmul 1024 x 1024 x 1024, f64",
            ours: |d| { let (a, b) = (Tensor::randn_on(&[1024, 1024], DType::F64, &d), Tensor::randn_on(&[1024, 1024], DType::F64, &d)); Box::new(move || done(a.matmul(&b))) },
            setup: "a, b = (torch.randn(1024, 1024, device=device, dtype=torch.float64) for _ in range(2))",
            step: "a @ b",
            limit: 1.1, flops: 2.0 * 1024f64.powi(3), bytes: 0.0,
        },
        Row {
            name: "matmul 64 x 512 x 512, right side transposed (a linear layer)",
            ours: |d| { let (a, b) = (randn(&[64, 512], d), randn(&[512, 512], d)); Box::new(move || done(a.matmul(&b.t()))) },
            setup: "a, b = torch.randn(64, 512, device=device), torch.randn(512, 512, device=device)",
            step: "a @ b.t()",
            limit: 1.1, flops: 2.0 * 64.0 * 512.0 * 512.0, bytes: 0.0,
        },
        Row {
            name: "matmul batched, 32 times 128 x 64 x 128",
            ours: |d| { let (a, b) = (randn(&[32, 128, 64], d), randn(&[32, 64, 128], d)); Box::new(move || done(a.matmul(&b))) },
            setup: "a, b = torch.randn(32, 128, 64, device=device), torch.randn(32, 64, 128, device=device)",
            step: "a @ b",
            limit: 1.1, flops: 2.0 * 32.0 * 128.0 * 64.0 * 128.0, bytes: 0.0,
        },
        Row {
            name: "matmul 512 x 512 x 512, forward and backward",
            ours: |d| both_ways(vec![randn(&[512, 512], d).requires_grad(), randn(&[512, 512], d).requires_grad()], |x| x[0].matmul(&x[1])),
            setup: "a, b = (torch.randn(512, 512, device=device, requires_grad=True) for _ in range(2)); g = torch.ones(512, 512, device=device)",
            step: "(a @ b).backward(g); a.grad = b.grad = None",
            limit: 1.1, flops: 6.0 * 512f64.powi(3), bytes: 0.0,
        },
    ]
}

fn memory() -> Vec<Row> {
    const COUNT: usize = 4 << 20;
    vec![
        Row {
            name: "add, 4M elements",
            ours: |d| { let (a, b) = (randn(&[COUNT], d), randn(&[COUNT], d)); Box::new(move || done(&a + &b)) },
            setup: "a, b = torch.randn(4 << 20, device=device), torch.randn(4 << 20, device=device)",
            step: "a + b",
            limit: 1.2, flops: 0.0, bytes: 12.0 * COUNT as f64,
        },
        Row {
            name: "element-wise chain of 6, 4M elements",
            ours: |d| { let (a, b) = (randn(&[COUNT], d), randn(&[COUNT], d)); Box::new(move || done((((&a * 2.0 + 1.0) * &b).relu() - &a).tanh())) },
            setup: "a, b = torch.randn(4 << 20, device=device), torch.randn(4 << 20, device=device)",
            step: "(((a * 2.0 + 1.0) * b).relu() - a).tanh()",
            limit: 1.2, flops: 0.0, bytes: 0.0,
        },
        Row {
            name: "exp, 4M elements",
            ours: |d| { let a = randn(&[COUNT], d); Box::new(move || done(a.exp())) },
            setup: "a = torch.randn(4 << 20, device=device)",
            step: "a.exp()",
            limit: 1.2, flops: 0.0, bytes: 8.0 * COUNT as f64,
        },
        Row {
            name: "gelu, 4M elements, forward and backward",
            ours: |d| both_ways(vec![randn(&[COUNT], d).requires_grad()], |x| x[0].gelu()),
            setup: "a = torch.randn(4 << 20, device=device, requires_grad=True); g = torch.ones(4 << 20, device=device)",
            step: "F.gelu(a).backward(g); a.grad = None",
            limit: 1.2, flops: 0.0, bytes: 0.0,
        },
        Row {
            name: "sum, 4M elements",
            ours: |d| { let a = randn(&[COUNT], d); Box::new(move || done(a.sum())) },
            setup: "a = torch.randn(4 << 20, device=device)",
            step: "a.sum()",
            limit: 1.2, flops: 0.0, bytes: 4.0 * COUNT as f64,
        },
        Row {
            name: "add a row, 4096 x 1024",
            ours: |d| { let (a, b) = (randn(&[4096, 1024], d), randn(&[1024], d)); Box::new(move || done(&a + &b)) },
            setup: "a, b = torch.randn(4096, 1024, device=device), torch.randn(1024, device=device)",
            step: "a + b",
            limit: 1.2, flops: 0.0, bytes: 8.0 * COUNT as f64,
        },
        Row {
            name: "transposed copy, 2048 x 2048",
            ours: |d| { let a = randn(&[2048, 2048], d); Box::new(move || done(a.t().contiguous())) },
            setup: "a = torch.randn(2048, 2048, device=device)",
            step: "a.t().contiguous()",
            limit: 1.2, flops: 0.0, bytes: 8.0 * COUNT as f64,
        },
    ]
}

fn rows() -> Vec<Row> {
    vec![
        Row {
            name: "softmax, 4096 x 1000",
            ours: |d| { let a = randn(&[4096, 1000], d); Box::new(move || done(a.softmax(-1))) },
            setup: "a = torch.randn(4096, 1000, device=device)",
            step: "a.softmax(-1)",
            limit: 1.2, flops: 0.0, bytes: 8.0 * 4096.0 * 1000.0,
        },
        Row {
            name: "softmax, 4096 x 1000, forward and backward",
            ours: |d| both_ways(vec![randn(&[4096, 1000], d).requires_grad()], |x| x[0].softmax(-1)),
            setup: "a = torch.randn(4096, 1000, device=device, requires_grad=True); g = torch.ones(4096, 1000, device=device)",
            step: "a.softmax(-1).backward(g); a.grad = None",
            limit: 1.2, flops: 0.0, bytes: 0.0,
        },
        Row {
            name: "layer_norm, 8192 x 512",
            ours: |d| { let (a, w, b) = (randn(&[8192, 512], d), randn(&[512], d), randn(&[512], d)); Box::new(move || done(a.layer_norm(&[512], Some(&w), Some(&b), 1e-5))) },
            setup: "a, w, b = torch.randn(8192, 512, device=device), torch.randn(512, device=device), torch.randn(512, device=device)",
            step: "F.layer_norm(a, (512,), w, b)",
            limit: 1.2, flops: 0.0, bytes: 8.0 * 8192.0 * 512.0,
        },
        Row {
            name: "layer_norm, 8192 x 512, forward and backward",
            ours: |d| both_ways(vec![randn(&[8192, 512], d).requires_grad(), randn(&[512], d).requires_grad(), randn(&[512], d).requires_grad()], |x| x[0].layer_norm(&[512], Some(&x[1]), Some(&x[2]), 1e-5)),
            setup: "a, w, b = (torch.randn(s, device=device, requires_grad=True) for s in [(8192, 512), (512,), (512,)]); g = torch.ones(8192, 512, device=device)",
            step: "F.layer_norm(a, (512,), w, b).backward(g); a.grad = w.grad = b.grad = None",
            limit: 1.2, flops: 0.0, bytes: 0.0,
        },
        Row {
            name: "batch_norm, 64 x 64 x 32 x 32, forward and backward",
            ours: |d| both_ways(vec![randn(&[64, 64, 32, 32], d).requires_grad(), randn(&[64], d).requires_grad(), randn(&[64], d).requires_grad()], |x| x[0].batch_norm(Some(&x[1]), Some(&x[2]), None, 1e-5)),
            setup: "a, w, b = (torch.randn(s, device=device, requires_grad=True) for s in [(64, 64, 32, 32), (64,), (64,)]); g = torch.ones(64, 64, 32, 32, device=device)",
            step: "F.batch_norm(a, None, None, w, b, True).backward(g); a.grad = w.grad = b.grad = None",
            limit: 1.2, flops: 0.0, bytes: 0.0,
        },
        Row {
            name: "max_pool2d 2 x 2, 64 x 64 x 32 x 32, forward and backward",
            ours: |d| both_ways(vec![randn(&[64, 64, 32, 32], d).requires_grad()], |x| x[0].max_pool2d(ochre_tensors::functional::PoolOptions::new(2))),
            setup: "a = torch.randn(64, 64, 32, 32, device=device, requires_grad=True); g = torch.ones(64, 64, 16, 16, device=device)",
            step: "F.max_pool2d(a, 2).backward(g); a.grad = None",
            limit: 1.2, flops: 0.0, bytes: 0.0,
        },
    ]
}

fn convolutions() -> Vec<Row> {
    vec![
        Row {
            name: "conv2d 3 x 3, 64 to 64 channels, 32 pictures of 32 x 32",
            ours: |d| { let (x, w) = (randn(&[32, 64, 32, 32], d), randn(&[64, 64, 3, 3], d)); Box::new(move || done(x.conv2d(&w, None, ConvOptions::default().padding(1)))) },
            setup: "x, w = torch.randn(32, 64, 32, 32, device=device), torch.randn(64, 64, 3, 3, device=device)",
            step: "F.conv2d(x, w, padding=1)",
            limit: 1.1, flops: 2.0 * 32.0 * 1024.0 * 64.0 * 64.0 * 9.0, bytes: 0.0,
        },
        Row {
            name: "conv2d 3 x 3, 64 to 64 channels, 32 pictures of 32 x 32, forward and backward",
            ours: |d| both_ways(vec![randn(&[32, 64, 32, 32], d).requires_grad(), randn(&[64, 64, 3, 3], d).requires_grad()], |x| x[0].conv2d(&x[1], None, ConvOptions::default().padding(1))),
            setup: "x, w = torch.randn(32, 64, 32, 32, device=device, requires_grad=True), torch.randn(64, 64, 3, 3, device=device, requires_grad=True); g = torch.ones(32, 64, 32, 32, device=device)",
            step: "F.conv2d(x, w, padding=1).backward(g); x.grad = w.grad = None",
            limit: 1.1, flops: 6.0 * 32.0 * 1024.0 * 64.0 * 64.0 * 9.0, bytes: 0.0,
        },
        Row {
            name: "conv2d 3 x 3 of pictures, 3 to 32 channels, 64 of 32 x 32, forward and gradient of the weight",
            ours: |d| { let x = randn(&[64, 3, 32, 32], d); both_ways(vec![randn(&[32, 3, 3, 3], d).requires_grad()], move |w| x.conv2d(&w[0], None, ConvOptions::default().padding(1))) },
            setup: "x, w = torch.randn(64, 3, 32, 32, device=device), torch.randn(32, 3, 3, 3, device=device, requires_grad=True); g = torch.ones(64, 32, 32, 32, device=device)",
            step: "F.conv2d(x, w, padding=1).backward(g); w.grad = None",
            limit: 1.1, flops: 4.0 * 64.0 * 1024.0 * 32.0 * 3.0 * 9.0, bytes: 0.0,
        },
        Row {
            name: "conv2d 1 x 1, 128 to 128 channels, 32 pictures of 16 x 16",
            ours: |d| { let (x, w) = (randn(&[32, 128, 16, 16], d), randn(&[128, 128, 1, 1], d)); Box::new(move || done(x.conv2d(&w, None, ConvOptions::default()))) },
            setup: "x, w = torch.randn(32, 128, 16, 16, device=device), torch.randn(128, 128, 1, 1, device=device)",
            step: "F.conv2d(x, w)",
            limit: 1.1, flops: 2.0 * 32.0 * 256.0 * 128.0 * 128.0, bytes: 0.0,
        },
        Row {
            name: "conv2d 3 x 3 depthwise, 64 channels, 32 pictures of 32 x 32",
            ours: |d| { let (x, w) = (randn(&[32, 64, 32, 32], d), randn(&[64, 1, 3, 3], d)); Box::new(move || done(x.conv2d(&w, None, ConvOptions::default().padding(1).groups(64)))) },
            setup: "x, w = torch.randn(32, 64, 32, 32, device=device), torch.randn(64, 1, 3, 3, device=device)",
            step: "F.conv2d(x, w, padding=1, groups=64)",
            limit: 1.1, flops: 2.0 * 32.0 * 1024.0 * 64.0 * 9.0, bytes: 0.0,
        },
    ]
}

fn whole() -> Vec<Row> {
    vec![
        Row { name: "training step of a CIFAR-10 network, 64 pictures, SGD with momentum", ours: network::training_step, setup: network::SETUP, step: network::STEP, limit: 1.2, flops: 0.0, bytes: 0.0 },
        Row { name: "the same network, 64 pictures, forward alone", ours: network::forward, setup: network::SETUP, step: network::FORWARD, limit: 1.2, flops: 0.0, bytes: 0.0 },
    ]
}

fn small() -> Vec<Row> {
    vec![
        Row {
            name: "tiny: add of 64 elements",
            ours: |d| { let (a, b) = (randn(&[64], d), randn(&[64], d)); Box::new(move || done(&a + &b)) },
            setup: "a, b = torch.randn(64, device=device), torch.randn(64, device=device)",
            step: "a + b",
            limit: 1.2, flops: 0.0, bytes: 0.0,
        },
        Row {
            name: "tiny: matmul 8 x 8 x 8",
            ours: |d| { let (a, b) = (randn(&[8, 8], d), randn(&[8, 8], d)); Box::new(move || done(a.matmul(&b))) },
            setup: "a, b = torch.randn(8, 8, device=device), torch.randn(8, 8, device=device)",
            step: "a @ b",
            limit: 1.2, flops: 0.0, bytes: 0.0,
        },
        Row {
            name: "tiny: two layers and cross-entropy, 8 rows, forward and backward",
            ours: |d| {
                let (x, t) = (randn(&[8, 16], d), Tensor::randint_on(0, 4, &[8], DType::I64, &d));
                both_ways(vec![randn(&[16, 32], d).requires_grad(), randn(&[32, 4], d).requires_grad()], move |w| ochre_tensors::functional::cross_entropy(&x.matmul(&w[0]).relu().matmul(&w[1]), &t))
            },
            setup: "x, t = torch.randn(8, 16, device=device), torch.randint(0, 4, (8,), device=device); v, w = torch.randn(16, 32, device=device, requires_grad=True), torch.randn(32, 4, device=device, requires_grad=True)",
            step: "F.cross_entropy((x @ v).relu() @ w, t).backward(); v.grad = w.grad = None",
            limit: 1.2, flops: 0.0, bytes: 0.0,
        },
    ]
}
