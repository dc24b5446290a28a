//! The CIFAR-10 network of the table: three blocks of convolution, batch normalisation, ReLU and pooling, and a linear layer; in both languages.
use super::rows::{Work, done};
use ochre_nn::nn::{BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, Module, Relu, Sequential, cross_entropy};
use ochre_nn::optim::Sgd;
use ochre_tensors::{DType, Device, Tensor, no_grad};

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

fn network(device: Device) -> Sequential {
    let mut net = Sequential::new();
    for (inputs, outputs) in [(3, 32), (32, 64), (64, 128)] {
        net = net.add(Conv2d::new(inputs, outputs, 3).padding(1).bias(false)).add(BatchNorm2d::new(outputs)).add(Relu).add(MaxPool2d::new(2));
    }
    let net = net.add(Flatten).add(Linear::new(2048, 10));
    net.to_device(&device);
    net.set_training(true);
    net
}

fn data(device: Device) -> (Tensor, Tensor) {
    (Tensor::randn_on(&[64, 3, 32, 32], DType::F32, &device), Tensor::randint_on(0, 10, &[64], DType::I64, &device))
}

/// Forward, backward, SGD with momentum.
pub fn training_step(device: Device) -> Work {
    let (network, (x, t)) = (network(device), data(device));
    let mut optimizer = Sgd::new(&network, 0.001).momentum(0.9);
    Box::new(move || {
        optimizer.zero_grad();
        cross_entropy(&network.forward(&x), &t).backward();
        optimizer.step();
    })
}

/// Forward alone, in training mode.
pub fn forward(device: Device) -> Work {
    let (network, (x, _)) = (network(device), data(device));
    Box::new(move || done(no_grad(|| network.forward(&x))))
}
