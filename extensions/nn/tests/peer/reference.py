"""What PyTorch and numpy make of layers, optimisers and files: `python reference.py FOLDER` writes reference.npz and small files of numpy's into it.

With `safetensors` as second argument: theirs.safetensors. With `layers`: layers.npz. The results are committed, so that the tests need no Python; run it again when a case is added (torch 2.15, numpy 2.4).
"""
import pathlib
import sys

import numpy
import torch
import torch.nn.functional as F
from torch import nn

out = {}


def keep(name, value):
    out[name] = value.detach().numpy().copy() if isinstance(value, torch.Tensor) else numpy.asarray(value)


def module(name, layer, *inputs):
    """Parameters, input, output, and gradients for a fixed direction."""
    for own, value in layer.state_dict().items():
        keep(f"{name}/state/{own}", value)
    x = inputs[0].clone()
    if x.is_floating_point():
        x.requires_grad_()
    y = layer(x)
    direction = torch.cos(torch.arange(y.numel(), dtype=torch.float32)).reshape(y.shape)
    y.backward(direction)
    keep(f"{name}/x", x)
    keep(f"{name}/y", y)
    if x.is_floating_point():
        keep(f"{name}/dx", x.grad)
    for own, value in layer.named_parameters():
        keep(f"{name}/grad/{own}", value.grad)
    for own, value in layer.named_buffers():
        keep(f"{name}/after/{own}", value)
    if list(layer.buffers()):
        layer.eval()
        keep(f"{name}/eval", layer(x))


def layers():
    torch.manual_seed(1)
    module("linear", nn.Linear(5, 3), torch.randn(4, 5))
    module("conv1d", nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), torch.randn(2, 4, 9))
    module("conv2d", nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0)), torch.randn(2, 3, 7, 6))
    module("conv2d_groups", nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=4, bias=False), torch.randn(2, 4, 6, 6))
    module("conv_transpose2d", nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1), torch.randn(2, 4, 4, 5))
    module("batch_norm1d", nn.BatchNorm1d(3), torch.randn(6, 3) * 2 + 1)
    module("batch_norm2d", nn.BatchNorm2d(3), torch.randn(4, 3, 3, 2) * 2 + 1)
    module("layer_norm", nn.LayerNorm([3, 4]), torch.randn(2, 3, 4))
    module("group_norm", nn.GroupNorm(2, 4), torch.randn(3, 4, 2, 2))
    module("embedding", nn.Embedding(7, 3), torch.tensor([[0, 3, 3], [6, 1, 0]]))
    for name, layer in [("relu", nn.ReLU()), ("gelu", nn.GELU()), ("silu", nn.SiLU()), ("tanh", nn.Tanh()), ("sigmoid", nn.Sigmoid()), ("softmax", nn.Softmax(-1)), ("leaky_relu", nn.LeakyReLU(0.1))]:
        module(name, layer, torch.randn(3, 4) * 3)
    module("max_pool2d", nn.MaxPool2d(3, stride=2, padding=1), torch.randn(2, 2, 6, 5))
    module("avg_pool2d", nn.AvgPool2d(2, padding=1), torch.randn(2, 2, 6, 4))
    module("adaptive_avg_pool2d", nn.AdaptiveAvgPool2d((2, 3)), torch.randn(2, 2, 5, 7))


def optimisers():
    """Three parameters and five steps by gradients that are written down, so that only the optimiser is compared."""
    kinds = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
        "sgd_momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
        "sgd_nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
        "adamw_own": lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
    }
    torch.manual_seed(2)
    first = [torch.randn(3, 2), torch.randn(4)]
    gradients = [[torch.randn(3, 2), torch.randn(4)] for _ in range(5)]
    for i in range(2):
        keep(f"optim/start/{i}", first[i])
        keep(f"optim/gradients/{i}", torch.stack([g[i] for g in gradients]))
    for name, make in kinds.items():
        parameters = [nn.Parameter(p.clone()) for p in first]
        optimiser = make(parameters)
        for step in gradients:
            for parameter, gradient in zip(parameters, step):
                parameter.grad = gradient.clone()
            optimiser.step()
        for i in range(2):
            keep(f"optim/{name}/{i}", parameters[i])


def network():
    """The layers of a CIFAR network, trained for four steps."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 4 * 4, 5))
    for own, value in model.state_dict().items():
        keep(f"network/state/{own}", value)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
    x, y = torch.randn(4, 6, 3, 8, 8), torch.randint(0, 5, (4, 6))
    keep("network/x", x)
    keep("network/y", y)
    losses = []
    for step in range(4):
        loss = F.cross_entropy(model(x[step]), y[step], label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    keep("network/losses", losses)
    for own, value in model.state_dict().items():
        keep(f"network/trained/{own}", value)
    model.eval()
    keep("network/eval", model(x[0]))


def schedules():
    def rates(make, steps):
        optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = make(optimiser)
        seen = []
        for _ in range(steps):
            seen.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            schedule.step()
        return seen

    from torch.optim import lr_scheduler as s

    keep("schedule/step", rates(lambda o: s.StepLR(o, 3, 0.5), 10))
    keep("schedule/cosine", rates(lambda o: s.CosineAnnealingLR(o, 12), 12))
    keep("schedule/one_cycle", rates(lambda o: s.OneCycleLR(o, 1.0, total_steps=20), 20))


def arrays(folder):
    """Files as numpy writes them: types, orders, byte orders, emptiness."""
    a = numpy.arange(24)
    cases = {
        "f4": a.astype("<f4").reshape(2, 3, 4) / 8, "f8": a.astype("<f8") / 8, "f2": a.astype("<f2").reshape(4, 6) / 8, "i8": a.astype("<i8") - 5, "i4": a.astype("<i4") - 5,
        "u1": a.astype("u1"), "b1": a % 3 == 0, "big_f4": a.astype(">f4").reshape(4, 6) / 8, "big_i8": a.astype(">i8") * -1, "i1": (a - 12).astype("i1"), "i2": (a - 12).astype("<i2"),
        "u2": (a * 2000).astype("<u2"), "u4": (a.astype("<u8") * 178956970).astype("<u4"), "fortran": numpy.asfortranarray(a.astype("<f4").reshape(4, 6)), "scalar": numpy.float32(2.5), "empty": numpy.zeros((0, 3), "<f4"),
    }
    numpy.savez(folder / "arrays.npz", **cases)
    numpy.savez_compressed(folder / "packed.npz", **cases)
    numpy.save(folder / "one.npy", cases["f4"])


def tensors(folder):
    """A file of Hugging Face's own package (`pip install safetensors`)."""
    from safetensors.numpy import save_file

    a = numpy.arange(6)
    cases = {"f32": (a / 8).astype("f4").reshape(2, 3), "f64": a / 8, "f16": (a / 8).astype("f2"), "i64": a, "i32": a.astype("i4"), "u8": a.astype("u1").reshape(3, 2), "b": a % 2 == 1}
    cases |= {"scalar": numpy.float32(0), "empty": numpy.zeros((0, 4), "f4"), 'wörd "x"': a[:2].astype("f4")}
    save_file({k: numpy.asarray(v) for k, v in cases.items()}, folder / "theirs.safetensors", metadata={"epoch": "12 \"x\""})


def more_layers():
    torch.manual_seed(4)
    module("conv_transpose1d", nn.ConvTranspose1d(4, 3, 4, stride=3, padding=1, output_padding=2), torch.randn(2, 4, 5))
    module("rms_norm", nn.RMSNorm([4]), torch.randn(3, 4))
    module("prelu", nn.PReLU(), torch.randn(3, 4))
    module("prelu_channels", nn.PReLU(3), torch.randn(2, 3, 4))
    module("elu", nn.ELU(0.7), torch.randn(3, 4))
    module("softplus", nn.Softplus(), torch.randn(3, 4))
    module("upsample", nn.Upsample(scale_factor=2), torch.randn(2, 3, 3, 4))
    module("upsample_bilinear", nn.Upsample(size=(5, 7), mode="bilinear"), torch.randn(2, 3, 3, 4))
    module("max_pool1d", nn.MaxPool1d(3, ceil_mode=True), torch.randn(2, 3, 8))
    module("avg_pool1d", nn.AvgPool1d(3, stride=2, padding=1), torch.randn(2, 3, 8))
    module("avg_pool2d_up", nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False), torch.randn(2, 2, 6, 8))
    module("adaptive_max_pool2d", nn.AdaptiveMaxPool2d((2, 3)), torch.randn(2, 2, 5, 7))

    module("embedding_padding", nn.Embedding(7, 3, padding_idx=3), torch.tensor([[0, 3, 3], [6, 1, 0]]))

    class Attention(nn.MultiheadAttention):
        def forward(self, x):
            hide = None if not self.causal else torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1)
            return super().forward(x, x, x, attn_mask=hide)[0]

    for name, causal in [("attention", False), ("attention_causal", True)]:
        layer = Attention(8, 2, batch_first=True)
        layer.causal = causal
        module(name, layer, torch.randn(3, 5, 8))
    module("transformer", nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True), torch.randn(3, 5, 8))
    module("transformer_first", nn.TransformerEncoderLayer(8, 4, 12, dropout=0.0, activation="gelu", batch_first=True, norm_first=True), torch.randn(3, 5, 8))

    class Outputs(nn.Module):
        """The outputs alone; the parameters keep their names."""

        def __init__(self, layer):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(x)[0]

    for kind, layer in [("lstm", nn.LSTM), ("gru", nn.GRU)]:
        module(kind, Outputs(layer(4, 3)), torch.randn(5, 2, 4))
        module(f"{kind}_both", Outputs(layer(4, 3, num_layers=2, bidirectional=True, batch_first=True)), torch.randn(2, 5, 4))


folder = pathlib.Path(sys.argv[1])
if sys.argv[2:] == ["layers"]:
    more_layers()
    numpy.savez_compressed(folder / "layers.npz", **out)
    sys.exit()
if sys.argv[2:] == ["safetensors"]:
    tensors(folder)
    sys.exit()
layers()
optimisers()
network()
schedules()
numpy.savez_compressed(folder / "reference.npz", **out)
arrays(folder)
