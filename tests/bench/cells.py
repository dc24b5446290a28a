"""`cargo xtask bench cells`: bare rustc, Ochre, Ochre from cache and evcxr_jupyter, side by side on the same texts.

Called by xtask with a JSON file that says where everything is. One round walks through every session; at each measured
cell the columns follow one another, in an order that turns with the round, so that a busy machine slows all alike.
Cold Ochre gets an empty cell cache in every round; Ochre from cache gets the one that the recording run filled.
"""
import contextlib
import json
import pathlib
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict

import rows
import table
from compilers import Recorder, Stopwatch, build_loops
from kernels import CellFailed, Kernel

# Building polars is over 15 minutes on 2 cores; with a busy machine twice that.
POLARS_SECONDS = 3600
BUILD = rows.Row("polars-build", "evcxr_jupyter builds polars")


class Bench:
    """One run of the benchmark and what it has measured."""

    def __init__(self, config, scratch, kernels):
        self.config, self.scratch, self.kernels = config, scratch, kernels
        self.samples = defaultdict(lambda: defaultdict(list))
        # By the text of a cell.
        self.floor, self.runs = {}, {}
        # A copy: a build that ends during the run would change what is measured, and empty its cache.
        self.ochre_program = shutil.copy2(config["ochre"], scratch / "ochre")
        self.recorder = Recorder(scratch / "recorder", config["rustc"])
        self.watch = Stopwatch(config["xtask"], scratch)
        self.recorded_cache = scratch / "recorded"
        self.notebook = [rows.Cell(text) for text in notebook_cells(config["notebook"])]
        self.loops = {column: build_loops(scratch, rows.LOOPS, checks) for column, checks in [("floor", False), ("checked", True)]}

    def ochre(self, cache, recorded=False):
        """A fresh Ochre kernel over a cell cache."""
        environment = {
            "OCHRE_CACHE": str(cache), "OCHRE_PRELUDE": self.config["prelude"],
            "XDG_DATA_HOME": str(self.scratch / "home"), "JUPYTER_DATA_DIR": str(self.scratch / "home/jupyter"),
        }
        if recorded:
            environment |= self.recorder.environment()
        return self.start([str(self.ochre_program), "kernel", "-f", "{connection_file}"], environment)

    def evcxr(self, polars=False):
        """A fresh evcxr_jupyter."""
        environment = {"EVCXR_CONFIG_DIR": str(self.scratch / "evcxr")}
        if polars:
            # One directory for all rounds: polars is built in the first.
            environment["EVCXR_TMPDIR"] = str(self.scratch / "evcxr-polars")
            (self.scratch / "evcxr-polars").mkdir(exist_ok=True)
        return self.start([self.config["evcxr"], "--control_file", "{connection_file}"], environment)

    def start(self, command, environment):
        kernel = Kernel(command, self.scratch / "kernels", self.cwd, environment)
        self.kernels.callback(kernel.close)
        return kernel

    @property
    def cwd(self):
        return pathlib.Path(self.config["notebook"]).parent

    def note(self, row, column, seconds):
        self.samples[row.key][column].append(seconds)

    # ---- recording -----------------------------------------------------------------------------------------------

    def record(self):
        """Runs every session once over the recorder: fills the cache, and gives what the floor runs."""
        for cells in [rows.plain(), rows.polars(), rows.tensors()]:
            self.record_session(cells)
        try:
            self.record_session(self.notebook)
        except CellFailed as failure:
            print(f"the notebook is left out: {failure}", file=sys.stderr)
            self.notebook = []
        self.record_session([rows.Cell(loop.text) for loop in rows.LOOPS])

    def record_session(self, cells):
        kernel = self.ochre(self.recorded_cache, recorded=True)
        for cell in cells:
            kernel.run(cell.text)
            self.floor[cell.text], self.runs[cell.text] = self.recorder.take()
        kernel.close()

    # ---- one round -----------------------------------------------------------------------------------------------

    def round(self, number):
        self.session("plain", rows.plain(), number, rows.FIRST, evcxr=self.config["evcxr"])
        self.session("polars", rows.polars(), number, None, evcxr=self.config["evcxr"] if self.config["evcxr_polars"] else None)
        self.session("tensors", rows.tensors(), number, None, evcxr=None)
        self.aging(number)
        if self.notebook:
            self.run_all(number)
        self.hot_loops(number)

    def session(self, name, cells, number, first, evcxr):
        """Every cell in every column, one column after the other."""
        polars = name == "polars"
        cold = self.scratch / f"cold-{number}-{name}"
        starts = [("ochre", lambda: self.ochre(cold)), ("cached", lambda: self.ochre(self.recorded_cache, recorded=True))]
        if evcxr:
            starts.append(("evcxr", lambda: self.evcxr(polars)))
        kernels = {}
        for column, start in turned(starts, number):
            kernels[column] = start()
            if first:
                self.note(rows.READY, column, kernels[column].ready)
                kernels[column].run(cells[0].text)
                self.note(first, column, time.perf_counter() - kernels[column].started)
                self.remember_memory(kernels[column], column, "started")
        if polars and evcxr:
            self.note(BUILD, "evcxr", kernels["evcxr"].run(rows.EVCXR_POLARS, POLARS_SECONDS)[0])
        for cell in cells[1 if first else 0:]:
            self.cell(cell, kernels, number)
        for column, kernel in kernels.items():
            self.remember_memory(kernel, column, name)
            kernel.close()
        shutil.rmtree(cold, ignore_errors=True)

    def cell(self, cell, kernels, number):
        columns = [(column, lambda kernel=kernel: kernel.run(cell.text)[0]) for column, kernel in kernels.items()]
        if cell.row:
            columns.insert(0, ("floor", lambda: self.watch.compile(self.recorder.rustc, self.floor[cell.text])))
        for column, measure in turned(columns, number):
            seconds = measure()
            if cell.row:
                self.note(cell.row, column, seconds)

    def aging(self, number):
        """The same new cells in a session of 4 cells and in one of 49, one after the other: minutes lie between the rows
        of the 5th and the 50th cell, and a busy machine would be taken for age."""
        ages = {"young": rows.EARLY - 1, "old": rows.LATE - 1}
        kernels = {}
        for age, cells in ages.items():
            cache = self.scratch / f"cold-{number}-{age}"
            shutil.copytree(self.recorded_cache, cache)
            kernels[age] = self.ochre(cache)
            for cell in rows.plain()[:cells]:
                kernels[age].run(cell.text)
        for at, text in enumerate(rows.AGING):
            for age, kernel in turned(list(kernels.items()), number + at):
                self.samples["aging"][age].append(kernel.run(text)[0])
        for age, kernel in kernels.items():
            kernel.close()
            shutil.rmtree(self.scratch / f"cold-{number}-{age}")

    def run_all(self, number):
        """A restarted kernel and every cell of the notebook."""
        cold = self.scratch / f"cold-{number}-notebook"

        def whole(cache, recorded):
            kernel = self.ochre(cache, recorded)
            total = kernel.ready + sum(kernel.run(cell.text)[0] for cell in self.notebook)
            kernel.close()
            return total

        every = [run for cell in self.notebook for run in self.floor[cell.text]]
        columns = [
            ("floor", lambda: self.watch.compile(self.recorder.rustc, every)),
            ("ochre", lambda: whole(cold, False)),
            ("cached", lambda: whole(self.recorded_cache, True)),
        ]
        for column, measure in turned(columns, number):
            self.note(rows.RUN_ALL, column, measure())
        shutil.rmtree(cold, ignore_errors=True)

    def hot_loops(self, number):
        """What each loop says of its own run time."""
        kernels = {"ochre": self.ochre(self.recorded_cache, recorded=True)}
        if self.config["evcxr"]:
            kernels["evcxr"] = self.evcxr()
        for loop in rows.LOOPS:
            columns = [(column, lambda d=directory: self.watch.run(d / loop.key, [], self.scratch)[1]) for column, directory in self.loops.items()]
            columns += [(column, lambda k=kernel: k.run(loop.text, prints=True)[1]) for column, kernel in kernels.items()]
            for column, measure in turned(columns, number):
                self.samples[loop.key][column].append(float(measure().split()[0]))
        for kernel in kernels.values():
            kernel.close()

    def remember_memory(self, kernel, column, when):
        own, below = kernel.memory()
        self.samples[f"memory-kernel-{when}"][column].append(own)
        self.samples[f"memory-worker-{when}"][column].append(below)

    def counts(self):
        """How often Ochre ran rustc, by row."""
        plain = rows.plain()
        counts = {cell.row.key: self.runs[cell.text] for cell in plain + rows.polars() + rows.tensors() if cell.row}
        return counts | {rows.FIRST.key: self.runs[plain[0].text], rows.RUN_ALL.key: sum(self.runs[cell.text] for cell in self.notebook)}

    def medians(self):
        # Polars is built once, in the first round.
        middle = lambda key, values: values[0] if key == BUILD.key else statistics.median(values)
        return {key: {column: middle(key, values) for column, values in columns.items()} for key, columns in self.samples.items()}


def turned(columns, number):
    """The columns, beginning with another one in each round."""
    at = number % len(columns)
    return columns[at:] + columns[:at]


def notebook_cells(path):
    cells = json.loads(pathlib.Path(path).read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def main():
    config = json.loads(pathlib.Path(sys.argv[1]).read_text())
    with tempfile.TemporaryDirectory(prefix="ochre-bench-") as directory, contextlib.ExitStack() as kernels:
        bench = Bench(config, pathlib.Path(directory), kernels)
        print("recording what the floor is", file=sys.stderr)
        bench.record()
        rounds = config["rounds"]
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            bench.round(number)
            # After every round, so that a run that is cut off has measured something.
            text = table.render(bench.medians(), bench.counts(), config, number + 1, bench.recorder.count())
            pathlib.Path(config["out"]).write_text(text)
            pathlib.Path(config["samples"]).write_text(json.dumps(bench.samples, indent=1))
        bench.watch.close()
    print(text)


main()
