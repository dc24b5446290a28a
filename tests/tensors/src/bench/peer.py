"""PyTorch's side of `bench tensors`: a request per line (JSON), an answer per line. `device` and the number of threads are arguments."""
import json
import math
import sys
import time

import torch
import torch.nn.functional as F

device = torch.device(sys.argv[1])
torch.set_num_threads(int(sys.argv[2]))
torch.manual_seed(0)


def wait():
    if device.type == "cuda":
        torch.cuda.synchronize()


def compiled(step, names):
    """The step as a function that repeats itself, as fast as Python can."""
    lines = ["def work(repeats):", "    for _ in range(repeats):"] + ["        " + line for line in step.splitlines()]
    exec("\n".join(lines), names)
    return names["work"]


work = None
for line in sys.stdin:
    request = json.loads(line)
    answer = {}
    if "setup" in request:
        # What the row before held is freed first.
        work = None
        names = {"torch": torch, "F": F, "math": math, "device": device}
        exec(request["setup"], names)
        work = compiled(request["step"], names)
    elif "repeats" in request:
        wait()
        start = time.perf_counter()
        work(request["repeats"])
        wait()
        answer["seconds"] = (time.perf_counter() - start) / request["repeats"]
    else:
        answer["version"] = torch.__version__
    print(json.dumps(answer), flush=True)
