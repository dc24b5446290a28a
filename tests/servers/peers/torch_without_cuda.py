"""Lets PyTorch's wheel for CUDA start where none of NVIDIA's libraries are installed: `python torch_without_cuda.py`, run by xtask after pip.

The dynamic loader wants a file for each library that PyTorch was linked with, and a definition of each symbol that it takes from them. One library
of functions that all give 100 (CUDA's "no device") stands for all of them, with the versions of the symbols that the loader asks for. PyTorch then
finds no GPU, and its arithmetic on the CPU is complete. The files lie beside PyTorch's own, where it looks first; nothing else sees them.
"""
import pathlib
import re
import subprocess
import sys
import sysconfig

NVIDIAS = re.compile(r"lib(cu|nv|nccl)")
SYMBOLS = re.compile(r"(cu|__cuda|nvrtc|nccl|pnccl|nvshmem)")
NAME = "libnvidia-absent.so"
NO_DEVICE = 100


def main():
    directory = pathlib.Path(sysconfig.get_paths()["purelib"]) / "torch/lib"
    libraries = [path for path in directory.glob("lib*.so*") if not path.is_symlink() and path.name != NAME]
    wanted = {name for path in libraries for name in re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", path))}
    missing = [name for name in wanted if NVIDIAS.match(name) and not any(path.name == name for path in libraries)]
    build(directory, symbols(libraries))
    for name in missing:
        link = directory / name
        link.unlink(missing_ok=True)
        link.symlink_to(NAME)


def symbols(libraries):
    """Names that no library of PyTorch's defines, with the version that is asked for ("" for none)."""
    defined, undefined = set(), {}
    for path in libraries:
        for line in output("nm", "-D", path).splitlines():
            kind, symbol = line.split()[-2:]
            name, _, version = symbol.partition("@")
            if kind == "U":
                undefined[name] = version
            else:
                defined.add(name)
    return {name: version for name, version in undefined.items() if name not in defined and SYMBOLS.match(name)}


def build(directory, wanted):
    source, script = directory / "absent.c", directory / "absent.map"
    lines = [f"static int none(void) {{ return {NO_DEVICE}; }}"]
    lines += [f'int {name}(void) __attribute__((alias("none")));' for name in wanted]
    source.write_text("\n".join(lines))
    versions = {}
    for name, version in wanted.items():
        versions.setdefault(version, []).append(name)
    nodes = [f"{version} {{ global: {' '.join(name + ';' for name in names)} }};" for version, names in versions.items() if version]
    script.write_text("\n".join(nodes))
    output("cc", "-shared", "-fPIC", "-w", "-o", directory / NAME, source, f"-Wl,--version-script={script}")


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return done.stdout


main()
