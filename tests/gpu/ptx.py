"""Compiles the kernels (extensions/tensors/src/cuda/kernels/*.cu) with NVRTC, which needs neither a GPU nor a driver nor a toolkit.

ptx.py build KERNELS    writes KERNELS/built: of each module PTX for compute_80 and machine code for sm_80 and sm_90, compressed by zlib,
                        and HASH, over the names and the text of the sources
ptx.py assemble KERNELS assembles the built PTX with ptxas for sm_80 and sm_90, and says what each kernel needs; compiles fused.cu, whose kernels
                        are written as at run time (cuda/source.rs), as at run time, and sees that nothing in it is contracted
"""
import concurrent.futures
import ctypes
import os
import pathlib
import subprocess
import sys
import sysconfig
import time
import zlib

# Modules of element-wise operations: no multiplication joins an addition, so that an operation gives the same bits alone and fused with others.
EXACT = ("unary", "binary", "cast")
PACKAGES = pathlib.Path(sysconfig.get_paths()["purelib"]) / "nvidia"


def nvrtc():
    lib = PACKAGES / "cuda_nvrtc" / "lib"
    ctypes.CDLL(next(lib.glob("libnvrtc-builtins.so*")), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(lib / "libnvrtc.so.12")


def compile(rtc, source, headers, architecture):
    program = ctypes.c_void_p()
    texts = (ctypes.c_char_p * len(headers))(*[h.read_bytes() for h in headers])
    names = (ctypes.c_char_p * len(headers))(*[h.name.encode() for h in headers])
    check(rtc.nvrtcCreateProgram(ctypes.byref(program), source.read_bytes(), source.name.encode(), len(headers), texts, names))
    options = [f"--gpu-architecture={architecture}".encode(), b"--std=c++17"] + ([b"--fmad=false"] if source.stem in (*EXACT, "fused") else [])
    failed = rtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    if failed:
        sys.exit(read(rtc, program, "ProgramLog").decode())
    code = read(rtc, program, "PTX" if architecture.startswith("compute") else "CUBIN")
    check(rtc.nvrtcDestroyProgram(ctypes.byref(program)))
    return code.rstrip(b"\0") if architecture.startswith("compute") else code


def read(rtc, program, what):
    size = ctypes.c_size_t()
    check(getattr(rtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    text = ctypes.create_string_buffer(size.value)
    check(getattr(rtc, f"nvrtcGet{what}")(program, text))
    return text.raw


def check(code):
    if code:
        sys.exit(f"NVRTC failed with {code}")


def hash_of(kernels):
    """FNV-1a of 64 bits; the same is computed by a test in Rust."""
    value = 0xCBF29CE484222325
    for file in sorted(kernels.glob("*.cu")) + sorted(kernels.glob("*.cuh")):
        for byte in file.name.encode() + b"\0" + file.read_bytes() + b"\0":
            value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def build(kernels):
    rtc, built = nvrtc(), kernels / "built"
    built.mkdir(exist_ok=True)
    headers = sorted(kernels.glob("*.cuh"))
    for source in sorted(kernels.glob("*.cu")):
        sizes = []
        for architecture, ending in [("compute_80", "ptx"), ("sm_80", "sm_80"), ("sm_90", "sm_90")]:
            packed = zlib.compress(compile(rtc, source, headers, architecture), 9)
            (built / f"{source.stem}.{ending}.z").write_bytes(packed)
            sizes.append(f"{ending} {len(packed) // 1024} KiB")
        print(f"{source.stem}: {', '.join(sizes)}", flush=True)
    (built / "HASH").write_text(hash_of(kernels) + "\n")


def assembled(ptxas, text, architecture):
    return subprocess.run([ptxas, "-arch", architecture, "-v", "-o", "/dev/null", "-"], input=text, capture_output=True)


def assemble(kernels):
    ptxas = PACKAGES / "cuda_nvcc" / "bin" / "ptxas"
    ptxas.chmod(0o755)
    texts = {packed.name: zlib.decompress(packed.read_bytes()) for packed in sorted((kernels / "built").glob("*.ptx.z"))}
    for name, text in texts.items():
        assert b".version 8.1" in text and b".target sm_80" in text, f"{name} asks for a newer driver or GPU"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [(name, architecture) for name in texts for architecture in ["sm_80", "sm_90"]]
        runs = [pool.submit(assembled, ptxas, texts[name], architecture) for name, architecture in jobs]
        for (name, architecture), run in zip(jobs, runs):
            run = run.result()
            if run.returncode:
                sys.exit(f"{name} for {architecture}:\n{run.stderr.decode()}")
            lines = run.stderr.decode().splitlines()
            spills = [l for l in lines if "spill" in l and not l.strip().startswith("0 bytes stack frame, 0 bytes spill")]
            spilled = [l for l in spills if " 0 bytes spill stores" not in l]
            print(f"{name.split('.')[0]} {architecture}: {sum('Compiling entry' in l for l in lines)} kernels, registers are spilled in {len(spilled)}")
    fused(kernels)


def fused(kernels):
    """What `compile.rs` asks NVRTC for, and how long that takes."""
    rtc, source = nvrtc(), pathlib.Path(__file__).parent / "fused.cu"
    headers = [kernels / name for name in ["common.cuh", "operations.cuh", "fused.cuh"]]
    for architecture in ["sm_80", "sm_90"]:
        begun = time.perf_counter()
        size = len(compile(rtc, source, headers, architecture))
        print(f"fused {architecture}: 2 kernels in {time.perf_counter() - begun:.2f} s, {size} bytes")
    text = compile(rtc, source, headers, "compute_80").decode()
    begin = text.index(".entry fused_arithmetic")
    body = text[begin : text.index("\n}", begin)]
    assert "mul.rn.f32" in body and "add.rn.f64" in body and "mul.rn.f64" in body, "fused_arithmetic does not round as separate kernels do"
    assert "fma" not in body and "add.f32" not in body and "mul.f32" not in body, "fused_arithmetic is contracted"
    separate = zlib.decompress((kernels / "built" / "unary.ptx.z").read_bytes()).decode()
    begin = separate.index(".entry affine_f32")
    assert "fma" not in separate[begin : separate.index("\n}", begin)], "affine_f32 is contracted"


if __name__ == "__main__":
    {"build": build, "assemble": assemble}[sys.argv[1]](pathlib.Path(sys.argv[2]))
