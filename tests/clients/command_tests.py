"""The commands of `ochre`, as a person types them: install, uninstall, run, doctor, and a machine that lacks something."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

import nbformat
from support import until

OCHRE = os.environ["OCHRE_BINARY"]


def ochre(*arguments, seconds=120, **change):
    """Runs it; `change` replaces environment variables, `None` removes one."""
    environment = {**os.environ, **{k: v for k, v in change.items() if v is not None}}
    for name in [k for k, v in change.items() if v is None]:
        environment.pop(name, None)
    return subprocess.run([OCHRE, *map(str, arguments)], capture_output=True, text=True, timeout=seconds, env=environment)


def notebook(directory, *cells, tags=()):
    """Writes a notebook of code cells; the first carries the tags."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    made.cells[0].metadata["tags"] = list(tags)
    path = pathlib.Path(directory) / "n.ipynb"
    nbformat.write(made, path)
    return path


class RunTests(unittest.TestCase):
    def setUp(self):
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        self.directory = pathlib.Path(held.name)

    def run_cells(self, *cells, arguments=(), tags=()):
        out = self.directory / "out.ipynb"
        done = ochre("run", notebook(self.directory, *cells, tags=tags), "-o", out, *arguments)
        saved = nbformat.read(out, as_version=4) if out.exists() else None
        if saved:
            nbformat.validate(saved)
        return done, saved

    def test_outputs_are_saved_in_a_valid_notebook(self):
        # A notebook's outputs are saved as Jupyter saves them.
        done, saved = self.run_cells("let a = 2;", 'println!("out"); a + 1')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([o["output_type"] for o in saved.cells[1].outputs], ["stream", "execute_result"])
        self.assertEqual(saved.cells[1].outputs[1].data["text/plain"], "3")
        self.assertEqual([c.execution_count for c in saved.cells], [1, 2])
        self.assertIn("[2/2]", done.stderr)

    def test_a_failing_cell_ends_the_run_and_the_exit_code_says_so(self):
        # The exit code is 0 only if every cell succeeded.
        done, saved = self.run_cells("let a = 1;", 'panic!("on purpose")', "a")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("on purpose", done.stderr)
        self.assertEqual(saved.cells[1].outputs[-1].output_type, "error")
        self.assertEqual(saved.cells[2].outputs, [])

    def test_a_cell_that_is_expected_to_fail_may(self):
        done, _ = self.run_cells('panic!("expected")', "1", tags=["raises-exception"])
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_parameters_replace_let_lines(self):
        # Parameters replace the values of let lines in the cell tagged parameters.
        cells = ('let n = 1;\nlet name = "x";\nlet rate: f64 = 0.5;', 'format!("{n} {name} {rate}")')
        done, saved = self.run_cells(*cells, arguments=["-p", "n=7", "-p", "name=Ada", "-p", "rate=2"], tags=["parameters"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("7 Ada 2", saved.cells[1].outputs[0].data["text/plain"])

    def test_an_unknown_parameter_is_refused_before_anything_runs(self):
        done, saved = self.run_cells("let n = 1;", arguments=["-p", "m=1"], tags=["parameters"])
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("it has: n", done.stderr)
        self.assertIsNone(saved)

    def test_the_notebook_runs_in_its_own_directory(self):
        # A notebook runs in its own directory.
        (self.directory / "data.txt").write_text("here")
        done, saved = self.run_cells('std::fs::read_to_string("data.txt")?')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("here", saved.cells[0].outputs[0].data["text/plain"])

    def test_ctrl_c_interrupts_the_cell(self):
        path = notebook(self.directory, 'loop { println!("looping"); std::thread::sleep(std::time::Duration::from_millis(5)); }')
        running = subprocess.Popen([OCHRE, "run", path], stderr=subprocess.PIPE, text=True)
        self.addCleanup(running.kill)
        # The loop prints once it runs, and the notebook is saved a second later at the latest.
        until("the cell runs", lambda: "looping" in path.read_text() and "stream" in path.read_text(), 60)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)
        self.assertNotEqual(running.returncode, 0)
        self.assertIn("interrupt", said.lower())

    def test_what_is_no_notebook_is_refused_in_words(self):
        path = self.directory / "n.ipynb"
        path.write_text("hello")
        done = ochre("run", path)
        self.assertIn("not a notebook", done.stderr)
        self.assertNotEqual(done.returncode, 0)


class InstallTests(unittest.TestCase):
    def test_a_prefix_takes_the_kernel_and_gives_it_back(self):
        # `cargo xtask test` has installed into such a prefix already; this looks at what it made.
        with tempfile.TemporaryDirectory() as prefix:
            done = ochre("uninstall", "--prefix", prefix)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("nothing is installed", done.stdout)

    def test_the_installed_kernelspec_is_found_by_jupyter(self):
        from jupyter_client.kernelspec import KernelSpecManager

        spec = KernelSpecManager().get_kernel_spec("ochre")
        self.assertEqual((spec.display_name, spec.language, spec.interrupt_mode), ("Rust (Ochre)", "rust", "message"))
        for logo in ("logo-32x32.png", "logo-64x64.png", "logo-svg.svg"):
            self.assertTrue((pathlib.Path(spec.resource_dir) / logo).stat().st_size > 100)

    def test_places_that_cannot_be_written_are_refused_with_the_way_out(self):
        with tempfile.NamedTemporaryFile() as file:
            done = ochre("install", "--prefix", f"{file.name}/below-a-file")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("cannot be written", done.stderr)
        self.assertIn("--prefix", done.stderr)


class MissingPartsTests(unittest.TestCase):
    """One sentence that says what to do."""

    def one_cell(self, **change):
        with tempfile.TemporaryDirectory() as directory:
            done = ochre("run", notebook(directory, "1 + 1"), **change)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_no_prelude(self):
        with tempfile.TemporaryDirectory() as empty:
            said = self.one_cell(OCHRE_PRELUDE=None, XDG_DATA_HOME=empty, OCHRE_CACHE=empty)
        self.assertIn("ochre install", said)

    def test_a_prelude_that_is_not_there(self):
        self.assertIn("ochre install", self.one_cell(OCHRE_PRELUDE="/nowhere/at/all"))

    def test_doctor_names_a_missing_compiler(self):
        with tempfile.TemporaryDirectory() as empty:
            done = ochre("doctor", PATH=empty, RUSTC=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"FAIL toolchain .*rustup")
        self.assertRegex(done.stdout, r"FAIL linker .*gcc")

    def test_doctor_names_a_prelude_of_another_compiler(self):
        prelude = pathlib.Path(os.environ["OCHRE_PRELUDE"])
        with tempfile.TemporaryDirectory() as other:
            manifest = json.loads((prelude / "manifest.json").read_text())
            manifest["rustc"] = manifest["rustc"].replace("1.", "0.", 1)
            (pathlib.Path(other) / "manifest.json").write_text(json.dumps(manifest))
            done = ochre("doctor", OCHRE_PRELUDE=other)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"FAIL prelude .*ochre install")

    def test_doctor_is_content_where_all_is_well(self):
        done = ochre("doctor")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertNotIn("FAIL", done.stdout)

    def test_a_kernel_without_its_connection_file_says_so(self):
        done = ochre("kernel", "-f", "/nowhere/k.json")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("connection file", done.stderr)
