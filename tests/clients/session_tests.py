"""What a person does with a kernel through Jupyter's own client: run, interrupt, answer, restart, close."""
import os
import signal
import subprocess
import sys
import time
import unittest

import psutil
from jupyter_client.manager import KernelManager
from support import Kernel, plain, text, until


class SessionTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kernel = Kernel()

    @classmethod
    def tearDownClass(cls):
        cls.kernel.close()

    def test_variables_and_items_last_over_cells(self):
        # Variables, functions and types of a cell are there in later cells.
        self.kernel.run("let a = 20; fn twice(n: i32) -> i32 { 2 * n }")
        self.assertEqual(self.kernel.value("twice(a) + 2"), "42")

    def test_a_frame_is_shown_as_a_table_and_as_text(self):
        reply, outputs = self.kernel.run('df!("a" => [1, 2, 3], "b" => ["x", "y", "z"])?')
        self.assertEqual(reply["status"], "ok", plain(reply))
        data = outputs[-1]["content"]["data"]
        self.assertIn("<table", data["text/html"])
        self.assertIn("3 rows × 2 columns", data["text/plain"])

    def test_output_arrives_while_the_cell_runs(self):
        # Output is shown while the cell runs.
        code = 'println!("first"); std::thread::sleep(std::time::Duration::from_secs(3)); println!("second");'
        message = self.kernel.client.execute(code)
        seen = {}

        def both():
            got = self.kernel.client.get_iopub_msg(timeout=30)
            if got["parent_header"].get("msg_id") == message and got["msg_type"] == "stream":
                for word in got["content"]["text"].split():
                    seen.setdefault(word, time.monotonic())
            return "second" in seen

        until("both words", both)
        self.assertGreater(seen["second"] - seen["first"], 1.5, "the first line was held back")
        self.kernel.client.get_shell_msg(timeout=30)

    def test_a_compile_error_points_at_the_cell_and_loses_nothing(self):
        # A cell that does not compile changes nothing.
        self.kernel.run("let kept = String::from(\"here\");")
        reply, _ = self.kernel.run("let n: i32 = kept;\n")
        self.assertEqual(reply["status"], "error")
        self.assertIn("E0308", plain(reply))
        self.assertEqual(self.kernel.value("kept.len()"), "4")

    def test_a_cell_can_ask(self):
        # A cell can ask, and gets the answer.
        reply, outputs = self.kernel.run('let name = ochre::input("Name? ")?; println!("hi {name}");', answers=["Ada"])
        self.assertEqual(reply["status"], "ok", plain(reply))
        self.assertEqual(text(outputs), "hi Ada\n")

    def test_asking_without_a_front_end_is_an_error_and_no_hang(self):
        # Where nobody can be asked, asking is an error.
        reply, _ = self.kernel.run('ochre::input("Name? ")?', allow_stdin=False)
        self.assertEqual(reply["status"], "error")

    def test_user_expressions_are_evaluated(self):
        reply, _ = self.kernel.run("let u = 5;", user_expressions={"good": "u + 1", "bad": "nope"})
        self.assertEqual(reply["user_expressions"]["good"]["data"]["text/plain"], "6")
        self.assertEqual(reply["user_expressions"]["bad"]["status"], "error")

    def test_an_interrupt_in_a_loop_keeps_every_variable(self):
        # An interrupt stops a running cell and keeps every variable.
        self.kernel.run("let mut before = 7; let text = String::from(\"kept\");")
        message = self.kernel.client.execute("loop { std::thread::sleep(std::time::Duration::from_millis(5)); before += 1; }")
        until("busy", lambda: self.busy(message))
        asked = time.monotonic()
        self.kernel.manager.interrupt_kernel()
        reply = self.kernel.client.get_shell_msg(timeout=10)["content"]
        self.assertEqual(reply["status"], "error")
        self.assertLess(time.monotonic() - asked, 3)
        self.assertEqual(self.kernel.value("text.len()"), "4")

    def busy(self, message):
        got = self.kernel.client.get_iopub_msg(timeout=10)
        return got["parent_header"].get("msg_id") == message and got["msg_type"] == "execute_input"

    def test_queued_cells_are_aborted_after_an_error(self):
        first = self.kernel.client.execute("panic!(\"stop\")", stop_on_error=True)
        second = self.kernel.client.execute("let never = 1;")
        replies = {}

        def both():
            got = self.kernel.client.get_shell_msg(timeout=30)
            replies[got["parent_header"]["msg_id"]] = got["content"]["status"]
            return len(replies) == 2

        until("two replies", both)
        self.assertEqual(replies[first], "error")
        self.assertIn(replies[second], ("aborted", "error"))

    def test_the_usage_is_told(self):
        session = self.kernel.client.session
        message = session.msg("usage_request", {})
        self.kernel.client.control_channel.send(message)
        reply = self.kernel.client.get_control_msg(timeout=10)["content"]
        self.assertEqual(reply["pid"], self.kernel.manager.provisioner.process.pid)
        self.assertGreater(reply["kernel_memory"], 1_000_000)


class LifeTests(unittest.TestCase):
    """Beginning and end: each test has a kernel of its own."""

    def start(self, **options):
        kernel = Kernel(**options)
        self.addCleanup(kernel.close)
        return kernel

    def test_restart_forgets_variables(self):
        # A restart forgets all variables.
        kernel = self.start()
        kernel.run("let gone = 1;")
        kernel.manager.restart_kernel()
        kernel.client.wait_for_ready(timeout=30)
        reply, _ = kernel.run("gone")
        self.assertIn("E0425", plain(reply))

    def test_shutdown_ends_kernel_and_worker(self):
        # A kernel that ends takes its worker with it.
        kernel = self.start()
        kernel.run("1")
        family = self.family(kernel)
        self.assertGreaterEqual(len(family), 2, "kernel and worker")
        kernel.manager.shutdown_kernel()
        until("all gone", lambda: not any(alive(p) for p in family), 10)

    def test_sigterm_ends_both_as_vs_code_does_it(self):
        kernel = self.start()
        kernel.run("1")
        family = self.family(kernel)
        os.kill(kernel.manager.provisioner.process.pid, signal.SIGTERM)
        until("all gone", lambda: not any(alive(p) for p in family), 10)

    def test_sigkill_of_the_kernel_ends_the_worker(self):
        kernel = self.start()
        kernel.run("1")
        family = self.family(kernel)
        os.kill(kernel.manager.provisioner.process.pid, signal.SIGKILL)
        until("all gone", lambda: not any(alive(p) for p in family), 10)

    def test_the_kernel_ends_when_its_parent_is_gone(self):
        code = (
            "import sys, os\n"
            "from jupyter_client.manager import KernelManager\n"
            "manager = KernelManager(kernel_name='ochre')\n"
            "manager.start_kernel()\n"
            "client = manager.blocking_client(); client.start_channels(); client.wait_for_ready(timeout=30)\n"
            "print(manager.provisioner.process.pid, flush=True)\n"
            "os._exit(0)\n"
        )
        parent = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        pid = int(parent.stdout)
        until("the kernel is gone", lambda: not psutil.pid_exists(pid) or not alive(psutil.Process(pid)), 10)

    def test_the_kernel_is_ready_at_once(self):
        times = []
        for _ in range(5):
            manager = KernelManager(kernel_name="ochre")
            begun = time.monotonic()
            manager.start_kernel()
            client = manager.blocking_client()
            client.start_channels()
            client.kernel_info()
            client.get_shell_msg(timeout=10)
            times.append(time.monotonic() - begun)
            client.stop_channels()
            manager.shutdown_kernel(now=True)
        # jupyter_client itself takes about 0.1 s of this to launch a process and to connect.
        self.assertLess(min(times), 0.4, times)

    @staticmethod
    def family(kernel):
        process = psutil.Process(kernel.manager.provisioner.process.pid)
        return [process, *process.children(recursive=True)]


def alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
