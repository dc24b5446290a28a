"""Kernels as a client sees them: started, asked, timed. One client code for Ochre and evcxr_jupyter."""
import os
import pathlib
import queue
import subprocess
import time

import zmq
from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

# A kernel that needs longer than this for a cell is broken; building polars (evcxr) is given its own limit.
CELL_SECONDS = 120
START_SECONDS = 60
# ZeroMQ waits 100 ms before it tries a port again: that would be seen in "time to ready".
RETRY_MILLISECONDS = 1
# After this long without `idle` the subscription was late, and the client asks again.
ASK_AGAIN_SECONDS = 0.02


class CellFailed(Exception):
    """A measured cell ended with an error: the table would be worthless."""


class Kernel:
    """A running kernel; `ready` holds the seconds from the start of its process to the first answer and idle."""

    def __init__(self, command, scratch, cwd, environment):
        scratch.mkdir(parents=True, exist_ok=True)
        file = scratch / f"connection-{time.monotonic_ns()}.json"
        write_connection_file(str(file), ip="127.0.0.1")
        context = zmq.Context()
        context.setsockopt(zmq.RECONNECT_IVL, RETRY_MILLISECONDS)
        context.setsockopt(zmq.LINGER, 0)
        self.client = BlockingKernelClient(connection_file=str(file), context=context)
        self.client.load_connection_file()
        self.client.start_channels(hb=False)
        self.log = open(scratch / "kernel.log", "ab")
        words = [str(file) if word == "{connection_file}" else word for word in command]
        started = time.perf_counter()
        self.process = subprocess.Popen(words, cwd=cwd, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self._wait_until_idle()
        self.ready = time.perf_counter() - started
        self.started = started

    def _wait_until_idle(self):
        deadline, answered, asked = time.monotonic() + START_SECONDS, False, []
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise CellFailed(f"the kernel ended with {self.process.returncode} before it was ready")
            asked.append(self.client.kernel_info())
            if not answered:
                answered = self._answer(asked, 1.0)
            if answered and self._idle(asked, ASK_AGAIN_SECONDS):
                return
        raise CellFailed(f"the kernel was not ready within {START_SECONDS} s")

    def _answer(self, asked, seconds):
        try:
            return self.client.get_shell_msg(timeout=seconds)["parent_header"].get("msg_id") in asked
        except queue.Empty:
            return False

    def _idle(self, asked, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                message = self.client.get_iopub_msg(timeout=left)
            except queue.Empty:
                return False
            status = message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
            if status and message["parent_header"].get("msg_id") in asked:
                return True
        return False

    def run(self, text, seconds=CELL_SECONDS, prints=False):
        """Executes a cell; gives the seconds from the request to reply and idle, and what it printed.

        A cell that `prints` is waited for until it has: evcxr_jupyter can say idle before it sends the output."""
        started = time.perf_counter()
        message = self.client.execute(text, allow_stdin=False)
        printed, idle = [], False
        deadline = time.monotonic() + seconds
        while not idle or (prints and not printed):
            got = self._next(self.client.get_iopub_msg, deadline, text)
            if got["parent_header"].get("msg_id") != message:
                continue
            if got["msg_type"] == "stream" and got["content"]["name"] == "stdout":
                printed.append(got["content"]["text"])
            if got["msg_type"] == "error":
                raise CellFailed(f"{text!r}: {got['content']['ename']}: {got['content']['evalue']}\n" + "\n".join(got["content"]["traceback"]))
            if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
                idle = True
        while (got := self._next(self.client.get_shell_msg, deadline, text))["parent_header"].get("msg_id") != message:
            pass
        elapsed = time.perf_counter() - started
        if got["content"]["status"] != "ok":
            raise CellFailed(f"{text!r}: {got['content']}")
        return elapsed, "".join(printed)

    def _next(self, receive, deadline, text):
        try:
            return receive(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise CellFailed(f"no end of {text!r}") from None

    def memory(self):
        """Resident megabytes: of the kernel's process, and of all that it started."""
        own, below = self.process.pid, 0.0
        for pid in _descendants(own):
            below += _resident(pid)
        return _resident(own), below

    def close(self):
        if self.log.closed:
            return
        self.client.stop_channels()
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.client.context.destroy(linger=0)
        self.log.close()


def _resident(pid):
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS:"))


def _descendants(pid):
    found = []
    try:
        tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
        children = {child for task in tasks for child in (task / "children").read_text().split()}
    except OSError:
        return found
    for child in children:
        found += [child, *_descendants(child)]
    return found
