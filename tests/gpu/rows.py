"""The GPU's table: starts `ochre-gpu-rows`, does the same work in PyTorch (eager, and with torch.compile), and prints one table.

rows.py PROGRAM [OUT]   OUT gets the table as Markdown
"""
import json
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

BUDGET, ROUNDS = 0.3, 7
gpu = torch.device("cuda:0")


def randn(*shape, dtype=torch.float32):
    return torch.randn(*shape, device=gpu, dtype=dtype)


def seconds(work):
    """The median of some measurements of as many repetitions as fit, as on our side."""

    def measure(repeats):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        for _ in range(repeats):
            work()
        torch.cuda.synchronize()
        return (time.perf_counter() - begun) / repeats

    measure(3)
    repeats = max(1, min(100_000, int(BUDGET / measure(2))))
    return statistics.median(measure(repeats) for _ in range(ROUNDS))


def product(dtype, tf32):
    def make():
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a, b = randn(8192, 8192, dtype=dtype), randn(8192, 8192, dtype=dtype)
        return lambda a, b: a @ b, (a, b)

    return make


def on(function, *shapes, dtype=torch.float32):
    return lambda: (function, tuple(randn(*shape, dtype=dtype) for shape in shapes))


def convolution(which):
    def make():
        x = randn(256, 256, 32, 32, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
        w = randn(256, 256, 3, 3, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
        dy = torch.randn_like(x)
        arguments = (None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
        if which == "forward":
            return lambda x, w: F.conv2d(x, w, padding=1), (x, w)
        mask = [which == "input", which == "weight", False]
        return lambda dy, x, w: torch.ops.aten.convolution_backward(dy, x, w, *arguments, mask), (dy, x, w)

    return make


def upload():
    columns = [torch.zeros(2**28 // 40) for _ in range(10)]
    return lambda: [c.to(gpu) for c in columns], ()


class Step(torch.nn.Module):
    def __init__(self):
        super().__init__()
        nn, layers = torch.nn, []
        for i, o in [(3, 64), (64, 128), (128, 256)]:
            layers += [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2)]
        self.net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4096, 10)).to(gpu).to(memory_format=torch.channels_last)

    def forward(self, x, t):
        return F.cross_entropy(self.net(x), t)


def training(compiled):
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    step = Step()
    optimizer = torch.optim.SGD(step.parameters(), lr=0.001, momentum=0.9)
    x = randn(512, 3, 32, 32).to(memory_format=torch.channels_last)
    t = torch.randint(0, 10, (512,), device=gpu)
    forward = torch.compile(step, mode="reduce-overhead") if compiled else step

    def work():
        optimizer.zero_grad(set_to_none=True)
        forward(x, t).backward()
        optimizer.step()

    return work


BF16 = torch.bfloat16
LINES = (32768, 4096)
# Name: how the tensors are made; `None` where PyTorch has nothing of its own for it.
ROWS = {
    "GEMM 8192, bf16": product(BF16, False),
    "GEMM 8192, f32": product(torch.float32, False),
    "GEMM 8192, tf32": product(torch.float32, True),
    "copy of 1 GB": on(lambda x: x.clone(), (2**28,)),
    "addition of 1 GB": on(lambda x, y: x + y, (2**28,), (2**28,)),
    "six operations on 0.5 GB": on(lambda x, y: torch.sigmoid(torch.relu(x * 2.0 + 1.0) * y - x), (2**27,), (2**27,)),
    "sum of rows, bf16": on(lambda x: x.sum(-1), LINES, dtype=BF16),
    "softmax, bf16": on(lambda x: x.softmax(-1), LINES, dtype=BF16),
    "layer norm, bf16": on(lambda x, w, b: F.layer_norm(x, (4096,), w, b), LINES, (4096,), (4096,), dtype=BF16),
    "upload of ten columns, f32": upload,
    "convolution 3x3, bf16": convolution("forward"),
    "its gradient of the input": convolution("input"),
    "its gradient of the weights": convolution("weight"),
    "one small operation": on(lambda x, y: x + y, (1000,), (1000,)),
}


def peer(name):
    """Seconds of PyTorch, eager and compiled; None where there is no such way."""
    if name == "training step on CIFAR-10, tf32":
        return seconds(training(False)), None
    if name == "training step of a graph, tf32":
        return None, seconds(training(True))
    if name not in ROWS:
        return None, None
    function, arguments = ROWS[name]()
    eager = seconds(lambda: function(*arguments))
    if name.startswith(("upload", "one small", "its gradient")):
        return eager, None
    try:
        compiled = torch.compile(function)
        return eager, seconds(lambda: compiled(*arguments))
    except Exception as error:
        print(f"torch.compile of {name}: {error}", file=sys.stderr)
        return eager, None


def rate(seconds, work, unit):
    value = work / seconds
    for prefix, size in [("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)]:
        if value >= size:
            return f"{value / size:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"


def main():
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    ours = subprocess.run([sys.argv[1]], stdout=subprocess.PIPE, text=True)
    lines = [json.loads(line) for line in ours.stdout.splitlines() if line.startswith("{")]
    if ours.returncode or not lines:
        sys.exit(f"{sys.argv[1]} ended with {ours.returncode}")
    about, rows = lines[0], [line for line in lines if "row" in line]
    out = [
        f"{time.strftime('%Y-%m-%d')}, {about['device']}, {about['libraries']}; PyTorch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}",
        "",
        f"First result of a new process: {about['cold']:.2f} s.",
        "",
        "| what | ours | rate | PyTorch eager | torch.compile | ours / the faster |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    show = lambda s: "" if s is None else f"{s * 1e6:.4g} us" if s < 1e-3 else f"{s * 1e3:.4g} ms"
    for row in rows:
        if "error" in row:
            out.append(f"| {row['row']} | FAILED: {row['error']} | | | | |")
            continue
        eager, compiled = peer(row["row"])
        torch.cuda.empty_cache()
        best = min((s for s in (eager, compiled) if s is not None), default=None)
        ratio = "" if best is None else f"{row['seconds'] / best:.2f}"
        out.append(f"| {row['row']} | {show(row['seconds'])} | {rate(row['seconds'], row['work'], row['unit'])} | {show(eager)} | {show(compiled)} | {ratio} |")
        print(out[-1], file=sys.stderr, flush=True)
    text = "\n".join(out) + "\n"
    print(text)
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w") as file:
            file.write(text)


main()
