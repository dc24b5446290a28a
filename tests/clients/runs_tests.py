"""Runs as a person uses them from a notebook: the installed kernel, cells that log, and what dies while they do."""
import json
import os
import pathlib
import random
import signal
import sqlite3
import struct
import subprocess
import tempfile
import unittest

import psutil
from support import REPLY_SECONDS, Kernel, plain, text, until

VEGA = "application/vnd.vegalite.v5+json"
# Kills at random points: of the worker and of the kernel, 200 together with --full.
SEEDS = range(100 if os.environ.get("OCHRE_FULL") else 4)
# What a cell does until it is killed: each call is acknowledged by the number in the file.
LOGS_FOR_EVER = """
use std::os::unix::fs::FileExt;
let acknowledged = std::fs::File::create("acknowledged")?;
for step in 0i64.. {
    ochre::run::log_metric_at("loss", step as f64, step);
    acknowledged.write_all_at(&(step + 1).to_le_bytes(), 0)?;
    if step % 100 == 0 { std::thread::sleep(std::time::Duration::from_millis(2)); }
}
"""


def peers():
    """As `cargo xtask test` installs them."""
    cache = os.environ.get("OCHRE_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ochre")
    return pathlib.Path(os.environ.get("OCHRE_PEERS") or os.path.join(cache, "peers"))


class RunsTests(unittest.TestCase):
    def setUp(self):
        held = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(held.cleanup)
        self.directory = pathlib.Path(held.name).resolve()
        self.kernel = self.started()

    def started(self, **variables):
        environment = {**os.environ, "OCHRE_SPOOL": str(self.directory / "spool"), "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "0.5", **variables}
        kernel = Kernel(env=environment, cwd=str(self.directory))
        self.addCleanup(kernel.close)
        return kernel

    def ok(self, code, kernel=None, seconds=REPLY_SECONDS):
        """Runs a cell that must succeed; gives its outputs."""
        reply, outputs = (kernel or self.kernel).run(code, seconds=seconds)
        self.assertEqual(reply["status"], "ok", f"{code}: {plain(reply)}")
        return outputs

    def rows(self, query, *values):
        """What a reader of the file sees now; nothing before it is made."""
        path = self.directory / "mlflow.db"
        if not path.exists():
            return []
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
        try:
            return database.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
        finally:
            database.close()

    def acknowledged(self):
        path = self.directory / "acknowledged"
        held = path.read_bytes() if path.exists() else b""
        return struct.unpack("<q", held)[0] if len(held) == 8 else 0

    def statuses(self):
        return dict(self.rows("select name, status from runs"))

    def test_the_day_of_a_notebook(self):
        # A run by hand over several cells, watched while it goes on, listed, compared.
        self.ok("%experiment day")
        said = text(self.ok("ochre::run::log_metric(\"alone\", 1.0);"))
        self.assertRegex(said, r"run [a-z]+-[a-z]+-\d+ in experiment day.* began by itself")
        self.ok("%start_run first")
        outputs = self.ok('''%watch
ochre::run::log_param("lr", 0.1);
for step in 0..200i64 {
    ochre::run::log_metric_at("train_loss", 1.0 / (step + 1) as f64, step);
    ochre::run::log_metric_at("val_loss", 1.2 / (step + 1) as f64, step);
    std::thread::sleep(std::time::Duration::from_millis(15));
}''')
        shown = [o for o in outputs if o["msg_type"] in ("display_data", "update_display_data") and VEGA in o["content"]["data"]]
        self.assertEqual(shown[0]["msg_type"], "display_data")
        self.assertEqual(len({o["content"]["transient"]["display_id"] for o in shown}), 1, "one display")
        updates = [o for o in shown if o["msg_type"] == "update_display_data"]
        # Three seconds, twice a second at most.
        self.assertTrue(2 <= len(updates) <= 9, f"{len(updates)} updates")
        last = updates[-1]["content"]["data"]
        self.assertIn("image/png", last)
        chart = last[VEGA]
        self.assertEqual(len(chart["concat"]), 1, "train and val share a chart")
        self.assertIn("first · running", chart["title"]["text"])
        self.assertIn("lr = 0.1", " ".join(chart["title"]["subtitle"]))
        self.ok("%end_run")
        # After the cell the same display goes on to the last picture.
        ended = until("the last picture", lambda: self.stray_update("first · finished"))
        self.assertIn("image/png", ended["content"]["data"])
        self.ok("%start_run second")
        self.ok("%log val_loss=0.001 lr=0.2")
        self.ok("%end_run")
        found = self.ok("%runs --best val_loss -o all")
        self.assertIn("best_run is second with the lowest val_loss: 0.001", text(found))
        self.assertEqual(self.kernel.value("all.height()"), "3")
        self.assertIn("second", self.kernel.value('best_run.column("run_name")?.str()?.get(0)'))
        self.assertEqual(self.kernel.value('all.column("metrics.val_loss")?.f64()?.get(0)'), "Some(0.001)")
        compared = [o for o in self.ok("%compare first best_run") if o["msg_type"] == "display_data"][0]["content"]["data"]
        self.assertIn("2 runs compared", compared[VEGA]["title"]["text"])
        self.assertIn("image/png", compared)
        self.assertEqual({name: status for name, status in self.statuses().items() if name in ("first", "second")}, {"first": "FINISHED", "second": "FINISHED"})
        self.assertEqual(set(self.statuses().values()), {"FINISHED"})
        system = self.rows("select count(*) from metrics where key like 'system/%'")[0][0]
        self.assertGreater(system, 10, "system metrics")

    def stray_update(self, title):
        """An update of a display that came after its cell had ended."""
        while self.kernel.client.iopub_channel.msg_ready():
            got = self.kernel.client.get_iopub_msg(timeout=1)
            if got["msg_type"] == "update_display_data" and title in got["content"]["data"].get(VEGA, {}).get("title", {}).get("text", ""):
                return got
        return None

    def test_statuses_are_those_of_the_cells(self):
        # A cell that fails or is interrupted leaves its run FAILED or KILLED, and a kernel that dies leaves it KILLED from the next start on.
        for code, status in [('ochre::run::log_tag("kind", 1);', "FINISHED"), ('ochre::run::log_tag("kind", 2); panic!("boom");', "FAILED")]:
            self.kernel.run(code)
            until(status, lambda: status in self.statuses().values())
        self.kernel.client.execute('ochre::run::log_tag("kind", 3); loop { std::thread::sleep(std::time::Duration::from_millis(10)); }')
        until("a third run", lambda: len(self.statuses()) == 3)
        self.kernel.manager.interrupt_kernel()
        until("KILLED", lambda: sorted(self.statuses().values()) == ["FAILED", "FINISHED", "KILLED"])

    def complete(self, run, count):
        """Every acknowledged value is there once; gives how many are there, when none is missing."""
        rows = self.rows("select count(*), count(distinct step), min(step), max(step) from metrics where run_uuid = ? and key = 'loss'", run)
        total, steps, first, last = rows[0] if rows else (0, 0, None, None)
        self.assertEqual(total, steps, "a value is there twice")
        return total if first == 0 and last == total - 1 and total >= count else None

    def start_logging(self, kernel):
        (self.directory / "acknowledged").unlink(missing_ok=True)
        known = {row[0] for row in self.rows("select run_uuid from runs")}
        kernel.client.execute(LOGS_FOR_EVER)
        return until("a run", lambda: next((row[0] for row in self.rows("select run_uuid from runs") if row[0] not in known), None))

    def test_a_worker_that_is_killed_loses_nothing(self):
        # What was logged is in the store once, whatever dies after the call returned.
        for seed in SEEDS:
            with self.subTest(seed=seed):
                run = self.start_logging(self.kernel)
                goal = random.Random(seed).randrange(1, 30_000)
                until(f"{goal} calls", lambda: self.acknowledged() >= goal)
                worker = next(p for p in psutil.Process(self.kernel.manager.provisioner.pid).children() if "ochre-worker" in " ".join(p.cmdline()))
                os.kill(worker.pid, signal.SIGKILL)
                worker.wait(10)
                count = self.acknowledged()
                until(f"all {count} of seed {seed}", lambda: self.complete(run, count))
                until("FAILED", lambda: self.rows("select status from runs where run_uuid = ?", run) == [("FAILED",)])
                self.assertEqual(self.kernel.run("1")[0]["status"], "ok")

    def test_a_kernel_that_is_killed_loses_nothing(self):
        # What was logged is in the store once, whatever dies after the call returned.
        for seed in SEEDS:
            with self.subTest(seed=seed):
                run = self.start_logging(self.kernel)
                goal = random.Random(seed).randrange(1, 30_000)
                until(f"{goal} calls", lambda: self.acknowledged() >= goal)
                process = psutil.Process(self.kernel.manager.provisioner.pid)
                workers = process.children(recursive=True)
                for one in random.Random(seed).sample([process, *workers], 1 + len(workers)):
                    if one.pid == process.pid or seed % 2:
                        one.kill()
                gone, alive = psutil.wait_procs([process, *workers], timeout=20)
                self.assertEqual(alive, [], "workers end with their kernel")
                count = self.acknowledged()
                self.kernel = self.started()
                until(f"all {count} of seed {seed}", lambda: self.complete(run, count))
                until("KILLED", lambda: self.rows("select status from runs where run_uuid = ? and end_time is not null", run) == [("KILLED",)])

    def test_mlflow_reads_what_cells_wrote(self):
        python = peers() / "python-runs/bin/python"
        if not python.exists():
            raise AssertionError(f"{python} is missing: `cargo xtask test` installs it")
        self.ok("%experiment read")
        self.ok("%start_run one --tag data=v1")
        self.ok('for step in 0..50i64 { ochre::run::log_metric_at("loss", step as f64 / 2.0, step); } ochre::run::log_param("model", "tree"); ochre::run::log_text("notes/a.txt", "hello");')
        self.ok("%end_run")
        script = """
import json, sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
run = client.search_runs([client.get_experiment_by_name("read").experiment_id])[0]
history = client.get_metric_history(run.info.run_id, "loss")
files = sorted(f.path for d in client.list_artifacts(run.info.run_id) for f in (client.list_artifacts(run.info.run_id, d.path) if d.is_dir else [d]))
print(json.dumps([run.info.run_name, run.info.status, run.data.params, run.data.tags["data"], run.data.tags["mlflow.source.type"], [(m.step, m.value) for m in history], files]))
"""
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        read = subprocess.run([python, "-c", script, f"sqlite:///{self.directory}/mlflow.db"], capture_output=True, text=True, timeout=180, cwd=self.directory, env=environment)
        self.assertEqual(read.returncode, 0, read.stderr[-2000:])
        name, status, params, data, kind, history, files = json.loads(read.stdout.splitlines()[-1])
        self.assertEqual((name, status, params, data, kind), ("one", "FINISHED", {"model": "tree"}, "v1", "NOTEBOOK"))
        self.assertEqual([tuple(m) for m in history], [(step, step / 2) for step in range(50)])
        self.assertEqual(files, ["notes/a.txt", "source/cells.rs"])

    def test_a_notebook_that_is_run_as_a_whole_logs_its_parameters(self):
        cell = lambda source, *tags: {"cell_type": "code", "metadata": {"tags": list(tags)}, "execution_count": None, "outputs": [], "source": source}
        cells = [cell('let rate = 0.1;\nlet kind = "tree";', "parameters"), cell('ochre::run::log_metric("loss", rate * 2.0); ochre::run::log_tag("seen", kind);')]
        notebook = self.directory / "with parameters.ipynb"
        notebook.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
        environment = {**os.environ, "OCHRE_SPOOL": str(self.directory / "spool")}
        done = subprocess.run([os.environ["OCHRE_BINARY"], "run", notebook, "-p", "rate=0.25", "-o", self.directory / "out.ipynb"], capture_output=True, text=True, timeout=REPLY_SECONDS, env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        # The kernel ends with the notebook: everything was sent before.
        self.assertEqual(self.rows("select key, value from params order by key"), [("kind", "tree"), ("rate", "0.25")])
        self.assertEqual(self.rows("select value from metrics where key = 'loss'"), [(0.5,)])
        self.assertEqual(self.rows("select name from experiments where name != 'Default'"), [("with parameters",)])
        self.assertEqual(list(self.statuses().values()), ["FINISHED"])
        self.assertEqual(self.rows("select value from tags where key = 'mlflow.source.name'"), [(str(notebook),)])
