"""The floor: rustc alone on the crates that Ochre generated, and `cargo build --release` of the hot loops.

Ochre runs once with a rustc that writes down its arguments and its source and then runs the real one. The runs that
made the libraries of a cell are run again, directly, in a fresh directory each time. The clock is xtask's
(`bench cells stopwatch`), a Rust process that starts programs with std::process.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess

RECORDER = """#!/bin/sh
here=$(mktemp -d "{records}/$(date +%s%N)-XXXXXX")
printf '%s\\0' "$@" > "$here/arguments"
cp ./*.rs "$here/"
"{rustc}" "$@"
status=$?
echo $status > "$here/status"
exit $status
"""


class Recorder:
    """A toolchain directory whose `bin/rustc` records."""

    def __init__(self, directory, rustc):
        self.rustc = pathlib.Path(rustc)
        self.records = directory / "records"
        self.records.mkdir(parents=True)
        (directory / "bin").mkdir()
        (directory / "lib").symlink_to(self.rustc.parent.parent / "lib")
        self.program = directory / "bin/rustc"
        self.program.write_text(RECORDER.format(records=self.records, rustc=self.rustc))
        self.program.chmod(0o755)

    def environment(self):
        return {"OCHRE_RUSTC": str(self.program)}

    def count(self):
        return sum(1 for _ in self.records.iterdir())

    def take(self):
        """The runs since the last call: (those that made what the cell runs, how many there were)."""
        runs = []
        for directory in sorted(self.records.iterdir()):
            kept = directory.rename(directory.parent.parent / f"kept-{directory.name}")
            arguments = (kept / "arguments").read_text().split("\0")[:-1]
            runs.append((kept, arguments, (kept / "status").read_text().strip() == "0"))
        made = {}
        for run in runs:
            name = next(a.removeprefix("--crate-name=") for a in run[1] if a.startswith("--crate-name="))
            if run[2]:
                # Bodies are named by their key (`c_…`): the last is the one that ran, the others were attempts.
                made["body" if re.fullmatch("c_[0-9a-f]+", name) else name] = run
        return [(kept, arguments) for kept, arguments, _ in made.values()], len(runs)


class Stopwatch:
    """Programs, timed."""

    def __init__(self, xtask, scratch):
        self.scratch = scratch
        self.process = subprocess.Popen([xtask, "bench", "cells", "stopwatch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, program, arguments, cwd):
        self.process.stdin.write(json.dumps({"program": str(program), "arguments": arguments, "directory": str(cwd)}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if not answer["success"]:
            raise RuntimeError(f"{program} {arguments} failed in {cwd}: {answer['stderr']}")
        return answer["seconds"], answer["stdout"]

    def compile(self, rustc, runs):
        """Seconds of some recorded runs, one after the other."""
        total = 0.0
        for kept, arguments in runs:
            directory = self.scratch / "floor"
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            for source in kept.glob("*.rs"):
                shutil.copy(source, directory)
            total += self.run(rustc, arguments, directory)[0]
        return total

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=5)


def build_loops(directory, loops, checks):
    """`cargo build --release` of each loop as a `main`; gives the directory of the programs."""
    project = directory / "hot-loops"
    (project / "src/bin").mkdir(parents=True, exist_ok=True)
    (project / "Cargo.toml").write_text('[package]\nname = "hot-loops"\nversion = "0.0.0"\nedition = "2024"\n\n[workspace]\n')
    for loop in loops:
        (project / f"src/bin/{loop.key}.rs").write_text(f"fn main() {{\n{loop.text}\n}}\n")
    target = project / ("target-checked" if checks else "target")
    environment = os.environ | {"CARGO_TARGET_DIR": str(target), "RUSTFLAGS": "-C overflow-checks=on" if checks else ""}
    subprocess.run(["cargo", "build", "--quiet", "--release", "--offline"], cwd=project, env=environment, check=True)
    return target / "release"
