#!/bin/bash
# Everything that `cargo xtask gpu` packed, on a host with an NVIDIA GPU and a Python that has PyTorch; no Rust, no network.
# run.sh [--dry] [PYTHON]: the operations against the CPU, against PyTorch, then the table (table.md). Ends with the number of parts that failed.
# --dry: tiny sizes, PyTorch on its CPU, few operations; on the emulated GPU as well, to see that everything here runs.
cd "$(dirname "$0")" || exit 1
dry=
if [ "$1" = --dry ]; then
    dry=--dry
    export OCHRE_CUDA_CASE=${OCHRE_CUDA_CASE:-fill}
    shift
fi
python=${1:-${OCHRE_TORCH_PYTHON:-python3}}
export OCHRE_TORCH_PYTHON=$(command -v "$python")
# Where that Python's packages are, our libraries are found too.
export OCHRE_PYTHON_PREFIX=${OCHRE_PYTHON_PREFIX:-$("$python" -c 'import sys; print(sys.prefix)')}
export OCHRE_CUDA_LIBRARIES=${OCHRE_CUDA_LIBRARIES:-$("$python" -c '
import glob, os, sys
print(":".join(p for s in sys.path for p in sorted(glob.glob(os.path.join(s, "nvidia", "*", "lib")), reverse=True)))')}
parts=0 failed=0
part() {
    echo "== $1"
    shift
    parts=$((parts + 1))
    "$@" || { echo "FAILED ($?)"; failed=$((failed + 1)); }
}
command -v nvidia-smi > /dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
part "libraries, against the CPU" ./device-cases --nocapture
part "the driver alone, against the CPU" env OCHRE_CUDA_DRIVER_ONLY=1 ./device-cases --nocapture
part "against PyTorch" ./ochre-tensors-suite check cuda ${dry:+softmax}
part "the table" "$python" rows.py $dry ./ochre-gpu-rows table.md
echo "$failed of $parts parts failed"
exit $failed
