"""A kernel under test and what a client does with it. Every wait has a bound and says what it saw last."""
import contextlib
import queue
import time

from jupyter_client.manager import KernelManager

# A cell that compiles cold takes a second or two; a machine that is busy takes longer.
REPLY_SECONDS = 60
START_SECONDS = 30


class Kernel:
    """An `ochre` kernel with one client."""

    def __init__(self, **options):
        self.manager = KernelManager(kernel_name="ochre")
        self.manager.start_kernel(**options)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=START_SECONDS)

    def close(self):
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)

    def run(self, code, seconds=REPLY_SECONDS, answers=(), **options):
        """Executes a cell; gives the reply's content and the outputs until idle."""
        answers = list(answers)
        options.setdefault("allow_stdin", bool(answers))
        message = self.client.execute(code, **options)
        outputs, reply, deadline = [], None, time.monotonic() + seconds
        idle = False
        while reply is None or not idle:
            if time.monotonic() > deadline:
                raise AssertionError(f"no end of {code!r} within {seconds} s; reply {reply}; last outputs {outputs[-3:]}")
            if answers and self.client.stdin_channel.msg_ready():
                self.client.stdin_channel.get_msg()
                self.client.input(answers.pop(0))
            with contextlib.suppress(queue.Empty):
                while True:
                    got = self.client.get_iopub_msg(timeout=0.05)
                    if got["parent_header"].get("msg_id") != message:
                        continue
                    if got["msg_type"] == "status":
                        idle = idle or got["content"]["execution_state"] == "idle"
                    elif got["msg_type"] != "execute_input":
                        outputs.append(got)
                    if idle:
                        break
            with contextlib.suppress(queue.Empty):
                got = self.client.get_shell_msg(timeout=0.01)
                if got["parent_header"].get("msg_id") == message:
                    reply = got["content"]
        return reply, outputs

    def value(self, expression):
        """The text/plain of a cell's value."""
        reply, outputs = self.run(expression)
        if reply["status"] != "ok":
            raise AssertionError(f"{expression!r} failed: {plain(reply)}")
        shown = [o["content"]["data"]["text/plain"] for o in outputs if o["msg_type"] == "execute_result"]
        return shown[-1] if shown else None


def text(outputs, name="stdout"):
    """All of one stream."""
    return "".join(o["content"]["text"] for o in outputs if o["msg_type"] == "stream" and o["content"]["name"] == name)


def plain(reply):
    """An error reply as text."""
    return f"{reply.get('ename')}: {reply.get('evalue')}\n" + "\n".join(reply.get("traceback", []))


def until(what, condition, seconds=REPLY_SECONDS):
    """Waits for a condition; a failure says what it last gave."""
    deadline, last = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        last = condition()
        if last:
            return last
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s; last seen: {last!r}")
