"""The GPU's table: starts `ochre-gpu-rows`, does the same work in PyTorch (eager, and with torch.compile), and prints one table.

rows.py [--dry] PROGRAM [OUT]   OUT gets the table as Markdown

Each row says its limit and whether it is kept. --dry: tiny sizes, PyTorch on its CPU and nothing compiled by it, to see that every line of both
programs runs; the table then says that it measures nothing. Ends with the number of rows that failed; limits fail nothing in a dry run.
"""
import json
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

DRY = "--dry" in sys.argv
PROGRAM, *OUT = [a for a in sys.argv[1:] if a != "--dry"]
BUDGET, ROUNDS = (0.0, 1) if DRY else (0.3, 7)
gpu = torch.device("cpu" if DRY else "cuda:0")
BF16, F32 = torch.bfloat16, torch.float32
# What our program's first line says: sizes of all rows.
SIZES = {}


def randn(*shape, dtype=F32):
    return torch.randn(*shape, device=gpu, dtype=dtype)


def wait():
    if not DRY:
        torch.cuda.synchronize()


def seconds(work):
    """The median of some measurements of as many repetitions as fit, as on our side."""

    def measure(repeats):
        wait()
        begun = time.perf_counter()
        for _ in range(repeats):
            work()
        wait()
        return (time.perf_counter() - begun) / repeats

    measure(3)
    repeats = max(1, min(100_000, int(BUDGET / max(measure(2), 1e-9))))
    return statistics.median(measure(repeats) for _ in range(ROUNDS))


def tf32(yes):
    """One switch for products and convolutions, as ours."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = yes


def compiled(function, **options):
    # The dry run traces, and leaves out the compiler.
    return torch.compile(function, backend="eager") if DRY else torch.compile(function, **options)


# ---- each row: PyTorch's ways, and seconds of each -------------------------------------------------------------------------------------
def ways(make, compile=True):
    """`make` gives a function and its tensors."""

    def measure():
        function, arguments = make()
        times = {"eager": seconds(lambda: function(*arguments))}
        if compile:
            fast = compiled(function)
            times["compile"] = seconds(lambda: fast(*arguments))
        return times

    return measure


def product(dtype, allow):
    def make():
        tf32(allow)
        n = SIZES["product"]
        return lambda a, b: a @ b, (randn(n, n, dtype=dtype), randn(n, n, dtype=dtype))

    return ways(make)


def on(function, shapes, dtype=F32, compile=True):
    return ways(lambda: (function, tuple(randn(*shape, dtype=dtype) for shape in shapes())), compile)


def convolution(which):
    def make():
        batch, channels, size = SIZES["convolution"]
        x = randn(batch, channels, size, size, dtype=BF16).to(memory_format=torch.channels_last)
        w = randn(channels, channels, 3, 3, dtype=BF16).to(memory_format=torch.channels_last)
        dy = torch.randn_like(x)
        arguments = (None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
        if which == "forward":
            return lambda x, w: F.conv2d(x, w, padding=1), (x, w)
        mask = [which == "input", which == "weight", False]
        return lambda dy, x, w: torch.ops.aten.convolution_backward(dy, x, w, *arguments, mask), (dy, x, w)

    return ways(make, compile=which == "forward")


def upload():
    """Ten columns of a frame to one matrix: as they are, and through pinned memory with the copy into it."""
    columns = [torch.full((SIZES["column"],), float(i)) for i in range(10)]
    plain = lambda: torch.stack([c.to(gpu) for c in columns], dim=1)
    if DRY:
        return {"eager": seconds(plain)}
    pinned = lambda: torch.stack([torch.from_numpy(c.numpy()).pin_memory().to(gpu, non_blocking=True) for c in columns], dim=1)
    return {"eager": seconds(plain), "pinned": seconds(pinned)}


def lines():
    return SIZES["lines"]


def width():
    return SIZES["lines"][-1:]


# ---- training steps ----------------------------------------------------------------------------------------------------------------
class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        nn, layers, i = torch.nn, [], 3
        for o in [SIZES["width"] * times for times in (1, 2, 4)]:
            layers += [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2)]
            i = o
        self.net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(i * (SIZES["picture"] // 8) ** 2, 10))

    def forward(self, x):
        return self.net(x)


class Block(torch.nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        nn = torch.nn
        conv = lambda i, o, stride: nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.body = nn.Sequential(conv(i, o, stride), nn.BatchNorm2d(o), nn.ReLU(), conv(o, o, 1), nn.BatchNorm2d(o))
        self.short = nn.Identity() if stride == 1 else nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        return F.relu(self.body(x) + self.short(x))


class ResNet(torch.nn.Module):
    """He and others, 2015, with the stem that is usual for small pictures; the same as in `ochre-gpu-rows`."""

    def __init__(self):
        super().__init__()
        nn, width = torch.nn, SIZES["width"]
        layers, i = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()], width
        for times, stride in [(1, 1), (2, 2), (4, 2), (8, 2)]:
            o = times * width
            layers += [Block(i, o, stride), Block(o, o, 1)]
            i = o
        self.net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(i, 10))

    def forward(self, x):
        return self.net(x)


def training(network, short):
    def times():
        tf32(True)
        batch, side = SIZES["batch"], SIZES["picture"]
        x = randn(batch, 3, side, side).to(memory_format=torch.channels_last)
        t = torch.randint(0, 10, (batch,), device=gpu)

        def measure(wrap):
            net = network().to(gpu).to(memory_format=torch.channels_last)
            optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)

            def loss(x, t):
                with torch.autocast(gpu.type, dtype=BF16, enabled=short):
                    scores = net(x)
                return F.cross_entropy(scores.float(), t)

            forward = wrap(loss)

            def work():
                optimizer.zero_grad(set_to_none=True)
                forward(x, t).backward()
                optimizer.step()

            return seconds(work)

        # reduce-overhead: PyTorch's own CUDA graphs.
        return {"eager": measure(lambda f: f), "compile": measure(lambda f: compiled(f, mode="reduce-overhead"))}

    return times


# ---- limits ------------------------------------------------------------------------------------------------------------------------
def ratio(limit, beside=("eager", "compile", "pinned")):
    """Our seconds may be so many times the fastest of those."""

    def judge(ours, times, _):
        best = min((times[way] for way in beside if way in times), default=None)
        return f"{limit:.2f} x {' / '.join(w for w in beside if w in times)}", best is None or ours <= limit * best

    return judge


def of_copy(part):
    """Our rate is this part of the copy's."""

    def judge(ours, _, state):
        return f"{part} of the copy's rate", state["work"] / ours >= part * state.get("copy", 0.0)

    return judge


def at_most(microseconds, count=1):
    """Of `count` operations."""
    return lambda ours, times, _: (f"{microseconds} us" + (f" x {count}" if count > 1 else ""), ours * 1e6 <= microseconds * count)


def chain(ours, times, _):
    """As compiled by PyTorch, and four times as fast as its eager mode."""
    text, is_kept = ratio(1 / 0.9, ("compile",))(ours, times, _)
    return f"{text} and 0.25 x eager", is_kept and ours <= 0.25 * times["eager"]


SIX = lambda x, y: torch.sigmoid(torch.relu(x * 2.0 + 1.0) * y - x)
whole, half = lambda: [(SIZES["count"],)], lambda: [(SIZES["count"] // 2,)] * 2
SMALL_STEP, BIG_STEP = training(Small, False), training(ResNet, True)
# Name: PyTorch's ways, and the limit.
ROWS = {
    "GEMM 8192, bf16": (product(BF16, False), ratio(1 / 0.98)),
    "GEMM 8192, f32": (product(F32, False), ratio(1 / 0.98)),
    "GEMM 8192, tf32": (product(F32, True), ratio(1 / 0.98)),
    "copy of 1 GB": (on(lambda x: x.clone(), whole), ratio(1 / 0.95)),
    "addition of 1 GB": (on(lambda x, y: x + y, lambda: whole() * 2), of_copy(0.95)),
    "six operations on 0.5 GB": (on(SIX, half), chain),
    "sum of rows, bf16": (on(lambda x: x.sum(-1), lambda: [lines()], BF16), of_copy(0.9)),
    "softmax, bf16": (on(lambda x: x.softmax(-1), lambda: [lines()], BF16), of_copy(0.9)),
    "layer norm, bf16": (on(lambda x, w, b: F.layer_norm(x, width(), w, b), lambda: [lines(), width(), width()], BF16), of_copy(0.9)),
    "upload of ten columns, f32": (upload, ratio(1.0)),
    "convolution 3x3, bf16": (convolution("forward"), ratio(1 / 0.98)),
    "its gradient of the input": (convolution("input"), ratio(1 / 0.98)),
    "its gradient of the weights": (convolution("weight"), ratio(1 / 0.98)),
    "one small operation": (on(lambda x, y: x + y, lambda: [(1000,)] * 2, compile=False), at_most(3)),
    "one small operation of a graph": (lambda: {}, at_most(1.5, 1000)),
    "training step, small network, tf32": (SMALL_STEP, ratio(1.0, ("eager",))),
    "training step, small network, tf32, as a graph": (None, ratio(1.0, ("compile",))),
    "training step, ResNet-18, bf16": (BIG_STEP, ratio(1.0, ("eager",))),
    "training step, ResNet-18, bf16, as a graph": (None, ratio(1.0, ("compile",))),
}


# ---- the table -----------------------------------------------------------------------------------------------------------------------
def rate(value, unit):
    for prefix, size in [("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)]:
        if value >= size:
            return f"{value / size:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"


def show(s):
    return "" if s is None else f"{s * 1e6:.4g} us" if s < 1e-3 else f"{s * 1e3:.4g} ms"


def ours(*flags):
    run = subprocess.run([PROGRAM, *flags, *(["--small"] if DRY else [])], stdout=subprocess.PIPE, text=True)
    found = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    if run.returncode or not found:
        sys.exit(f"{PROGRAM} ended with {run.returncode}")
    return found


def line(row, state):
    """A row of the table, and whether it is as it should be."""
    name = row["row"]
    if "error" in row:
        return f"| {name} | FAILED: {row['error']} | | | | | | no |", False
    measure, judge = ROWS[name]
    # A graph's row is beside the step's own.
    if measure is not None:
        state["times"] = measure()
    if not DRY:
        torch.cuda.empty_cache()
    times, state["work"] = state["times"], row["work"]
    if name.startswith("copy"):
        state["copy"] = row["work"] / row["seconds"]
    limit, is_kept = judge(row["seconds"], times, state)
    beside = "; ".join(f"pinned {show(times[way])}" for way in ["pinned"] if way in times)
    cells = [name, show(row["seconds"]), rate(row["work"] / row["seconds"], row["unit"]), show(times.get("eager")) + (f" ({beside})" if beside else "")]
    best = min(times.values(), default=None)
    cells += [show(times.get("compile")), "" if best is None else f"{row['seconds'] / best:.2f}", limit, "dry" if DRY else "yes" if is_kept else "NO"]
    return "| " + " | ".join(cells) + " |", DRY or is_kept


def main():
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    # The first start reads our files from the disk; the second finds them in memory.
    cold = [ours("--cold")[0]["cold"] for _ in range(2)]
    about, *rows = ours()
    SIZES.update(about["sizes"])
    rows = [row for row in rows if "row" in row]
    if [row["row"] for row in rows] != list(ROWS):
        sys.exit(f"the programs have other rows: {[row['row'] for row in rows]} and {list(ROWS)}")
    versions = f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {None if DRY else torch.backends.cudnn.version()}"
    out = [f"{time.strftime('%Y-%m-%d')}, {about['device']}, {about['libraries']}; {versions}", ""]
    if DRY:
        out += ["**A dry run: tiny sizes, PyTorch on the CPU. It measures nothing.**", ""]
    is_soon = cold[0] <= 1.5 and cold[1] <= 0.4
    out += [f"First result of a new process: {cold[0]:.2f} s, then {cold[1]:.2f} s (limits 1.5 s and 0.4 s: {'dry' if DRY else 'kept' if is_soon else 'NOT kept'}).", ""]
    out += ["| what | ours | rate | PyTorch eager | torch.compile | ours / the fastest | limit | kept |", "|---|--:|--:|--:|--:|--:|---|---|"]
    failed, state = int(not (DRY or is_soon)), {}
    for row in rows:
        text, is_good = line(row, state)
        failed += not is_good
        out.append(text)
        print(text, file=sys.stderr, flush=True)
    text = "\n".join(out) + "\n"
    print(text)
    if OUT:
        with open(OUT[0], "w") as file:
            file.write(text)
    sys.exit(min(failed, 100))


main()
