//! The CIFAR-10 network of the table: three blocks of convolution, batch normalisation, ReLU and pooling, and a linear layer; in both languages.
use super::rows::Work;
use ochre_tensors::backend::Sgd;
use ochre_tensors::functional::{ConvOptions, PoolOptions, cross_entropy, linear};
use ochre_tensors::{DType, Device, Raw, Tensor, backend, no_grad};

/// PyTorch's network, data and optimiser.
pub const SETUP: &str = "
nn = torch.nn
def block(i, o): return [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2)]
net = nn.Sequential(*block(3, 32), *block(32, 64), *block(64, 128), nn.Flatten(), nn.Linear(2048, 10)).to(device)
x, t = torch.randn(64, 3, 32, 32, device=device), torch.randint(0, 10, (64,), device=device)
opt = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
";
/// PyTorch's step.
pub const STEP: &str = "opt.zero_grad(); F.cross_entropy(net(x), t).backward(); opt.step()";
/// PyTorch's forward pass, in training mode.
pub const FORWARD: &str = "with torch.no_grad(): net(x)";

/// Channels in and out of each block.
const BLOCKS: [(usize, usize); 3] = [(3, 32), (32, 64), (64, 128)];

struct Network {
    /// Weight of the convolution, weight and bias of the normalisation.
    blocks: Vec<[Tensor; 3]>,
    /// Running mean and variance of each block.
    running: Vec<[Tensor; 2]>,
    last: [Tensor; 2],
}

impl Network {
    fn new(device: Device) -> Self {
        let leaf = |shape: &[usize], scale: f64| (Tensor::randn_on(shape, DType::F32, &device) * scale).requires_grad();
        let ones = |size: usize| Tensor::ones_on(&[size], DType::F32, &device);
        let zeros = |size: usize| Tensor::zeros_on(&[size], DType::F32, &device);
        let blocks = BLOCKS.iter().map(|&(i, o)| [leaf(&[o, i, 3, 3], (2.0 / (9 * i) as f64).sqrt()), ones(o).requires_grad(), zeros(o).requires_grad()]).collect();
        let running = BLOCKS.iter().map(|&(_, o)| [zeros(o), ones(o)]).collect();
        Self { blocks, running, last: [leaf(&[10, 2048], 0.02), zeros(10).requires_grad()] }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = x.clone();
        for ([weight, scale, shift], running) in self.blocks.iter().zip(&self.running) {
            let convolved = x.conv2d(weight, None, ConvOptions::default().padding(1));
            let (y, mean, variance) = convolved.batch_norm_with_statistics(Some(scale), Some(shift), 1e-5);
            no_grad(|| {
                running[0].assign(&(&running[0] * 0.9 + &mean * 0.1));
                running[1].assign(&(&running[1] * 0.9 + &variance * 0.1));
            });
            x = y.relu().max_pool2d(PoolOptions::new(2));
        }
        linear(&x.flatten(1, -1), &self.last[0], Some(&self.last[1]))
    }

    fn parameters(&self) -> Vec<Tensor> {
        self.blocks.iter().flatten().chain(&self.last).cloned().collect()
    }
}

fn data(device: Device) -> (Tensor, Tensor) {
    (Tensor::randn_on(&[64, 3, 32, 32], DType::F32, &device), Tensor::randint_on(0, 10, &[64], DType::I64, &device))
}

/// Forward, backward, SGD with momentum.
pub fn training_step(device: Device) -> Work {
    let (network, (x, t)) = (Network::new(device), data(device));
    let parameters = network.parameters();
    let mut momenta: Vec<Raw> = parameters.iter().map(|p| p.zeros_like().raw()).collect();
    let mut first = true;
    Box::new(move || {
        cross_entropy(&network.forward(&x), &t).backward();
        let how = Sgd { rate: 0.001, momentum: 0.9, decay: 0.0, nesterov: false, first };
        for (parameter, momentum) in parameters.iter().zip(&mut momenta) {
            let Some(gradient) = parameter.grad() else { continue };
            parameter.zero_grad();
            let gradient = gradient.raw();
            let changed = parameter.update(&mut |raw| backend(device)?.sgd(raw, &gradient, Some(momentum), how));
            changed.expect("the optimiser's step");
        }
        first = false;
    })
}

/// Forward alone, in training mode.
pub fn forward(device: Device) -> Work {
    let (network, (x, _)) = (Network::new(device), data(device));
    Box::new(move || drop(no_grad(|| network.forward(&x))))
}
