"""Computes cases in PyTorch on the CPU: JSON in, JSON out, elements as base64 of their f64; run by ochre-tensors-suite.

Floats come as they are after rounding to the tested type and are computed in f64, so that the answer is exact for each type. What is smooth is
differentiated, with sin(1.7 i + 0.3) coming in as the gradient of the i-th element of each result.
"""
import base64
import json
import math
import sys
import warnings

import torch
import torch.nn.functional as F

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def encoded(tensor):
    return base64.b64encode(tensor.detach().to(torch.float64).contiguous().numpy().tobytes()).decode()


def tensor(given, native):
    kind = getattr(torch, given["dtype"])
    if kind in FLOATS and not native:
        kind = torch.float64
    values = bytearray(base64.b64decode(given["values"]))
    wide = torch.frombuffer(values, dtype=torch.float64) if values else torch.zeros(0, dtype=torch.float64)
    return wide.to(kind, copy=True).reshape(given["shape"])


def wide(one):
    """Where ours computes in f32 what is narrower."""
    return one if one.dtype == torch.float64 else one.float()


def names(tensors):
    return dict(zip("abcdefgh", tensors), torch=torch, F=F, math=math, wide=wide)


def results(expression, tensors):
    value = eval(f"({expression})", names(tensors))
    return list(value) if isinstance(value, (tuple, list)) else [value]


def computed(case):
    inputs = [tensor(given, False) for given in case["inputs"]]
    if case["smooth"]:
        inputs = [one.requires_grad_() if one.dtype in FLOATS else one for one in inputs]
    outputs = results(case["torch"], inputs)
    answer = {"outputs": [{"shape": list(one.shape), "values": encoded(one)} for one in outputs]}
    if case["smooth"]:
        total = sum((one * torch.sin(1.7 * torch.arange(one.numel(), dtype=one.dtype) + 0.3).reshape(one.shape)).sum() for one in outputs if one.requires_grad)
        total.backward()
        answer["gradients"] = [encoded(torch.zeros_like(one) if one.grad is None else one.grad) if one.dtype in FLOATS else None for one in inputs]
    # The type that it has when computed in the tested one, where this PyTorch can.
    try:
        native = results(case["torch"], [tensor(given, True) for given in case["inputs"]])
        answer["dtypes"] = [str(one.dtype).removeprefix("torch.") for one in native]
    except RuntimeError:
        answer["dtypes"] = None
    return answer


def main():
    # Its advice is for who writes new code.
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    answers, failures = [], []
    for case in json.load(sys.stdin)["cases"]:
        try:
            answers.append(computed(case))
        except Exception as error:
            failures.append(f"{case['name']}: {case['torch']}: {error!r}")
    if failures:
        sys.exit("\n".join(failures))
    json.dump({"version": torch.__version__, "answers": answers}, sys.stdout)


main()
