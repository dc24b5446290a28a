"""Models for the ONNX tests with what others make of them: `python onnx_oracle.py FOLDER`, run by PyTorch's Python with onnx and onnxruntime beside it.

FOLDER/networks: networks that PyTorch exports, with PyTorch's own answers; onnxruntime's are compared here.
FOLDER/standard: the standard's own tests of every operator and its models converted from PyTorch, with their answers.
A NAME.onnx has a NAME.npz: `in0`, `in1`, … in the order of its inputs, `out0`, …, and `tolerance` (relative, absolute).
"""
import pathlib
import sys
import warnings

import numpy
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import nn

warnings.filterwarnings("ignore")
folder = pathlib.Path(sys.argv[1])
torch.manual_seed(5)

# --- networks ----------------------------------------------------------------------------------------


class Words(nn.Module):
    """Sums of learnt rows of whole numbers."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(50, 16), nn.Linear(16, 4)

    def forward(self, words):
        return self.head(self.table(words).mean(1))


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.table = nn.Embedding(30, 8)
        self.body = kind(8, 12, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(24, 3)

    def forward(self, words):
        return self.head(self.body(self.table(words))[0][:, -1])


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(30, 16)
        self.body = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True, norm_first=True), 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 3)

    def forward(self, words):
        return self.head(self.body(self.table(words)).amax(1))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.GroupNorm(2, 8)

    def forward(self, x):
        return torch.nn.functional.silu(self.b(self.a(x)) + x)


def pictures(*shape):
    return torch.randn(*shape)


NETWORKS = {
    "perceptron": (nn.Sequential(nn.Linear(7, 20), nn.ReLU(), nn.LayerNorm(20), nn.Dropout(0.2), nn.Linear(20, 20), nn.GELU(), nn.Linear(20, 3), nn.Softmax(-1)), (torch.randn(5, 7),)),
    "convolutions": (
        nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(12),
            nn.Hardswish(), nn.AvgPool2d(2, ceil_mode=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 10), nn.LogSoftmax(1),
        ),
        (pictures(4, 3, 18, 18),),
    ),
    "residual": (nn.Sequential(nn.Conv2d(3, 8, 3), Residual(), nn.Upsample(scale_factor=2), nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1)), (pictures(2, 3, 9, 8),)),
    "words": (Words(), (torch.randint(0, 50, (6, 9)),)),
    "lstm": (Recurrent(nn.LSTM), (torch.randint(0, 30, (3, 7)),)),
    "gru": (Recurrent(nn.GRU), (torch.randint(0, 30, (3, 7)),)),
    "attention": (Attending(), (torch.randint(0, 30, (3, 6)),)),
    "lines": (nn.Sequential(nn.Conv1d(4, 6, 3, dilation=2), nn.PReLU(6), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(6 * 8, 2), nn.Sigmoid()), (torch.randn(5, 4, 20),)),
}


def settle(model, inputs):
    """Running statistics that are not 0 and 1."""
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(*inputs)
    return model.eval()


def run(path, arrays):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {port.name: array for port, array in zip(session.get_inputs(), arrays)})


def networks():
    to = folder / "networks"
    to.mkdir(parents=True)
    for name, (model, inputs) in NETWORKS.items():
        settle(model, inputs)
        # Both of PyTorch's exporters where they can: the newer one, and the one that most files in use came from.
        for suffix, dynamo in [("", True), ("_older", False)]:
            path = to / f"{name}{suffix}.onnx"
            try:
                export(model, inputs, path, dynamo)
            except Exception as error:
                if dynamo:
                    raise
                print(f"the older exporter does not do {name}: {type(error).__name__}")
                continue
            # Another size of the batch than it was exported with.
            for rows, at in [(inputs[0].shape[0], ""), (2, "_two")]:
                given = tuple(i[:rows] for i in inputs)
                with torch.no_grad():
                    wanted = model(*given).numpy()
                arrays = [i.numpy() for i in given]
                theirs = run(path, arrays)
                numpy.testing.assert_allclose(theirs[0], wanted, rtol=1e-4, atol=1e-5, err_msg=name)
                save(to / f"{name}{suffix}{at}.npz", arrays, [wanted], (1e-4, 1e-5))


def export(model, inputs, path, dynamo):
    names = [f"x{i}" for i in range(len(inputs))]
    if dynamo:
        batch = torch.export.Dim("batch", min=1, max=64)
        torch.onnx.export(model, inputs, path, input_names=names, dynamic_shapes=tuple({0: batch} for _ in inputs), dynamo=True, verbose=False)
    else:
        torch.onnx.export(model, inputs, str(path), input_names=names, dynamic_axes={n: {0: "batch"} for n in names}, dynamo=False)


# --- the standard's tests ----------------------------------------------------------------------------

KINDS = {"float16", "float32", "float64", "int32", "int64", "uint8", "bool"}


def save(path, inputs, outputs, tolerance):
    arrays = {f"in{i}": numpy.asarray(a) for i, a in enumerate(inputs)} | {f"out{i}": numpy.asarray(a) for i, a in enumerate(outputs)}
    numpy.savez(path, tolerance=numpy.array(tolerance), **arrays)


def plain(arrays):
    """Arrays of numbers that tensors have."""
    return all(isinstance(a, (numpy.ndarray, numpy.generic)) and a.dtype.name in KINDS for a in arrays)


def standard():
    to = folder / "standard"
    to.mkdir(parents=True)
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(None):
        inputs, outputs = case.data_sets[0]
        names = [i.name for i in case.model.graph.input]
        if isinstance(inputs, dict):
            inputs = [inputs[n] for n in names]
        # Of several graph inputs some are left out.
        if not plain(inputs) or not plain(outputs) or len(inputs) != len(names):
            continue
        onnx.save(case.model, to / f"{case.name}.onnx")
        save(to / f"{case.name}.npz", inputs, outputs, (case.rtol, case.atol))
    data = pathlib.Path(onnx.__file__).parent / "backend/test/data"
    for kind in ["pytorch-converted", "pytorch-operator", "simple"]:
        for model in sorted((data / kind).glob("*/model.onnx")):
            read = lambda what: [onnx.load_tensor(p) for p in sorted(model.parent.glob(f"test_data_set_0/{what}_*.pb"), key=lambda p: int(p.stem.split("_")[1]))]
            try:
                inputs, outputs = ([numpy_helper.to_array(t) for t in read(what)] for what in ["input", "output"])
            except Exception:
                # Sequences, which are no tensors.
                continue
            if plain(inputs) and plain(outputs):
                name = f"{kind}_{model.parent.name}"
                (to / f"{name}.onnx").write_bytes(model.read_bytes())
                save(to / f"{name}.npz", inputs, outputs, (1e-3, 1e-6))


networks()
standard()
print(onnx.__version__, onnxruntime.__version__, torch.__version__)
