"""Drives the toy kernel (`examples/toy.rs`) with jupyter_client, and with it libzmq: python interop.py PATH_OF_TOY"""

import json
import os
import sys
import tempfile
import time
import unittest

TOY = os.path.abspath(sys.argv.pop(1))
DATA = tempfile.TemporaryDirectory()
SPEC = os.path.join(DATA.name, "kernels", "toy")
os.makedirs(SPEC)
with open(os.path.join(SPEC, "kernel.json"), "w") as file:
    json.dump(
        {"argv": [TOY, "{connection_file}"], "display_name": "Toy", "language": "rust", "interrupt_mode": "message"}, file
    )
os.environ["JUPYTER_PATH"] = DATA.name

import jupyter_kernel_test  # noqa: E402
import zmq  # noqa: E402
from jupyter_client.manager import KernelManager, start_new_kernel  # noqa: E402
from jupyter_kernel_test.msgspec_v5 import validate_message  # noqa: E402


class Suite(jupyter_kernel_test.KernelTests):
    """jupyter_kernel_test, all of it."""

    kernel_name = "toy"
    language_name = "rust"
    file_extension = ".rs"
    code_hello_world = "print hello, world"
    code_stderr = "eprint oh"
    completion_samples = [{"text": "pa", "matches": {"panic", "password"}}]
    complete_code_samples = ["print 1"]
    incomplete_code_samples = ["{"]
    invalid_code_samples = ["!"]
    code_page_something = "page something"
    code_generate_error = "nothing"
    code_execute_result = [{"code": "result 3", "result": "3"}]
    code_display_data = [{"code": "display 1", "mime": "text/plain"}]
    code_history_pattern = "result*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "print"
    code_clear_output = "clear"


class Welcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "toy"
    support_iopub_welcome = True


class Session(unittest.TestCase):
    transport = "tcp"

    def setUp(self):
        kwargs = {"kernel_name": "toy", "transport": self.transport}
        if self.transport == "ipc":
            kwargs["ip"] = os.path.join(DATA.name, "ipc")
        self.manager = KernelManager(**kwargs)
        start = time.monotonic()
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=10)
        self.ready = time.monotonic() - start
        self.seen = []

    def tearDown(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel()

    def run_cell(self, code, **kwargs):
        """Outputs as (type, content), the reply's content."""
        self.seen = []
        reply = self.client.execute_interactive(code, timeout=10, output_hook=self.take, **kwargs)
        return [(m["msg_type"], m["content"]) for m in self.seen], reply["content"]

    def take(self, message):
        if not message["msg_type"].startswith("comm_"):  # not in the suite's schema
            validate_message(message)
        if message["msg_type"] not in ("status", "execute_input"):
            self.seen.append(message)

    def test_streams_are_joined_and_ordered(self):
        outputs, reply = self.run_cell("\n".join(["print a"] * 500 + ["eprint b"] + ["print c"] * 2 + ["result 4"]))
        kinds = [(kind, content.get("name")) for kind, content in outputs]
        self.assertEqual(
            kinds,
            [("stream", "stdout"), ("stream", "stderr"), ("stream", "stdout"), ("execute_result", None)],
        )
        self.assertEqual(outputs[0][1]["text"], "a\n" * 500)
        self.assertEqual(reply["status"], "ok")
        self.assertEqual(reply["user_expressions"], {})

    def test_input(self):
        asked = []

        def answer(message):
            asked.append(message["content"])
            self.client.input("blue")

        outputs, reply = self.run_cell("input colour? \nprint x", allow_stdin=True, stdin_hook=answer)
        self.assertEqual(asked, [{"prompt": "colour? ", "password": False}])
        self.assertEqual("".join(content["text"] for _, content in outputs), "<blue>x\n")
        outputs, reply = self.run_cell("input colour?", allow_stdin=False)
        self.assertEqual((reply["status"], reply["ename"]), ("error", "no stdin"))

    def test_interrupt_by_message(self):
        message_id = self.client.execute("wait")
        while self.client.get_iopub_msg(timeout=5)["msg_type"] != "stream":
            pass
        self.manager.interrupt_kernel()
        reply = self.client.get_shell_msg(timeout=5)
        self.assertEqual(reply["parent_header"]["msg_id"], message_id)
        self.assertEqual(reply["content"]["ename"], "interrupted")

    def test_restart_and_comms(self):
        self.manager.restart_kernel(now=False)
        self.client.wait_for_ready(timeout=10)
        outputs, reply = self.run_cell("comm c1\nprint again")
        self.assertEqual([kind for kind, _ in outputs], ["comm_open", "stream"])
        self.assertEqual(bytes(self.seen[0]["buffers"][0]), b"\1\2\3")
        self.assertEqual(reply["execution_count"], 1)

    def test_heartbeat_echoes(self):
        context = zmq.Context.instance()
        with context.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(self.manager._make_url("hb"))
            for text in [b"ping", b"", b"x" * 100_000]:
                socket.send(text)
                self.assertTrue(socket.poll(5_000), "no answer")
                self.assertEqual(socket.recv(), text)
        self.client.hb_channel.unpause()
        self.assertTrue(self.client.is_alive())

    def test_zmtp_heartbeats(self):
        """A client that pings at the level of ZMTP, which zeromq 0.7 answers by closing."""
        context = zmq.Context.instance()
        with context.socket(zmq.SUB) as socket:
            socket.linger = 0
            socket.heartbeat_ivl = 50
            socket.heartbeat_timeout = 500
            socket.connect(self.manager._make_url("iopub"))
            socket.subscribe(b"")
            self.assertTrue(socket.poll(5_000), "no welcome")
            self.assertIn(b"iopub_welcome", b"".join(socket.recv_multipart()))
            self.assertFalse(socket.poll(1_500), "nothing came, and no second welcome of a new connection")

    def test_a_reader_that_stalls_blocks_nobody(self):
        context = zmq.Context.instance()
        with context.socket(zmq.SUB) as stalled:
            stalled.linger = 0
            stalled.rcvhwm = 1
            stalled.rcvbuf = 4096
            stalled.connect(self.manager._make_url("iopub"))
            stalled.subscribe(b"")
            self.assertTrue(stalled.poll(5_000))
            start = time.monotonic()
            outputs, reply = self.run_cell("\n".join(["big 1024"] * 150))
            self.assertEqual(len(outputs), 150)
            self.assertLess(time.monotonic() - start, 9)

    def test_ready_at_once(self):
        self.assertLess(self.ready, 2)
        print(f"\nready after {self.ready * 1000:.0f} ms ({self.transport})", file=sys.stderr)


class Ipc(Session):
    transport = "ipc"


if __name__ == "__main__":
    unittest.main()
