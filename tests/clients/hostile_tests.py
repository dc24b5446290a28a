"""Cells and clients that mean harm, or come from a bad day: afterwards the kernel answers, with what SEMANTICS.md promises."""
import json
import socket
import unittest

import psutil
import zmq
from support import Kernel, plain, text, until

SURVIVES = "let survivor = String::from(\"alive\");"


class HostileCells(unittest.TestCase):
    """What user code does to its own process, as far as it is not covered by the tests of the crates."""

    @classmethod
    def setUpClass(cls):
        cls.kernel = Kernel()

    @classmethod
    def tearDownClass(cls):
        cls.kernel.close()

    def setUp(self):
        reply, _ = self.kernel.run(SURVIVES)
        self.assertEqual(reply["status"], "ok", plain(reply))

    def survives(self, code, status=None, seconds=60):
        """The variable is there afterwards."""
        reply, outputs = self.kernel.run(code, seconds)
        if status:
            self.assertEqual(reply["status"], status, plain(reply))
        self.assertEqual(self.kernel.value("survivor.len()"), "5")
        return reply, outputs

    def dies(self, code, *words):
        """The worker dies of it: that is said in words, and the kernel runs the next cell."""
        reply, _ = self.kernel.run(code)
        self.assertEqual(reply["status"], "error")
        for word in words:
            self.assertIn(word.lower(), plain(reply).lower())
        self.assertEqual(self.kernel.value("1 + 1"), "2")
        return reply

    def test_syntax_errors_of_every_kind(self):
        for code in ["let", "let x = ;", "fn (", "}", "((((", "'", '"open', "r#\"open", "/* open", "#![x", "match {", "\\", "0x", "1e", "let 1 = 2;", "async", "🦀", "let 🦀 = 1;", "struct", "impl", "macro_rules! m", "use ;", "let x: = 1;", "%%", "%", "!", ":", "?"]:
            with self.subTest(code=code):
                reply, _ = self.kernel.run(code)
                self.assertIn(reply["status"], ("ok", "error"))
        self.assertEqual(self.kernel.value("survivor.len()"), "5")

    def test_odd_characters_in_the_source(self):
        for code in ["\0", "let a = \"\u202e\";", "\ufeff1", "let é = 1; é", "\r\n1\r\n", "\x1b[31m", "let z = \"\\u{0}\";", "/// doc only", "// only a comment", "   \n\t\n", ";" * 1000]:
            with self.subTest(code=code):
                reply, _ = self.kernel.run(code)
                self.assertIn(reply["status"], ("ok", "error"))
        self.assertEqual(self.kernel.value("survivor.len()"), "5")

    def test_output_without_a_line_break_is_shown(self):
        # Output without a line break is shown.
        _, outputs = self.survives('print!("no line break");', "ok")
        self.assertEqual(text(outputs), "no line break")

    def test_binary_output_is_shown_with_replacement_characters(self):
        _, outputs = self.survives("use std::io::Write; std::io::stdout().write_all(&[0xff, 0xfe, b'a', 0, b'\\n'])?;", "ok")
        self.assertIn("a", text(outputs))

    def test_200_megabytes_of_output_are_cut_and_the_note_says_so(self):
        # Too much output is cut, and a note says so.
        _, outputs = self.survives('let line = "x".repeat(1023); for _ in 0..200_000 { println!("{line}"); }', "ok", 120)
        shown = sum(len(o["content"].get("text", "")) for o in outputs)
        self.assertLess(shown, 20_000_000)
        self.assertRegex("".join(str(o["content"]) for o in outputs), r"(?i)(cut|dropped|left out|not shown|truncated|more)")
        process = psutil.Process(self.kernel.manager.provisioner.process.pid)
        self.assertLess(process.memory_info().rss, 200_000_000)

    def test_ten_thousand_displays(self):
        reply, outputs = self.survives("for i in 0..10_000 { ochre::display!(i); }", "ok", 120)
        self.assertGreater(len(outputs), 10)

    def test_a_panic_in_drop(self):
        # A panic loses nothing but what the cell had already consumed.
        self.survives("struct Bomb; impl Drop for Bomb { fn drop(&mut self) { panic!(\"in drop\") } }\n{ let _bomb = Bomb; }", "error")

    def test_a_panic_in_a_thread(self):
        self.survives('std::thread::spawn(|| panic!("elsewhere")).join().is_err()', "ok")

    def test_a_thread_that_prints_after_its_cell(self):
        # A thread that outlives its cell may print.
        self.kernel.run('std::thread::spawn(|| { std::thread::sleep(std::time::Duration::from_millis(300)); println!("late"); });')

        def late():
            got = self.kernel.client.get_iopub_msg(timeout=10)
            return got["msg_type"] == "stream" and "late" in got["content"]["text"]

        until("the late line", late)

    def test_a_fork(self):
        self.survives('extern "C" { fn fork() -> i32; fn _exit(code: i32) -> !; }\nunsafe { if fork() == 0 { _exit(0) } }')

    def test_a_closed_stdout(self):
        self.survives('extern "C" { fn close(fd: i32) -> i32; }\nunsafe { close(1); }')

    def test_exit(self):
        self.dies("std::process::exit(3)", "3")

    def test_abort(self):
        self.dies("std::process::abort()", "abort")

    def test_a_segmentation_fault(self):
        # A crash is reported by its name, and the next cell runs.
        self.dies("unsafe { std::ptr::null::<u8>().add(8).read_volatile() }", "segmentation")

    def test_a_stack_overflow(self):
        self.dies("fn deep(n: u64) -> u64 { if n == u64::MAX { 0 } else { 1 + std::hint::black_box(deep(std::hint::black_box(n + 1))) } }\ndeep(0)", "stack")

    def test_a_panic_while_panicking(self):
        self.dies("struct Twice; impl Drop for Twice { fn drop(&mut self) { panic!(\"again\") } }\nlet _twice = Twice; panic!(\"first\")", "abort")

    def test_a_deadlock_can_be_interrupted(self):
        # A deadlocked cell can be interrupted.
        self.kernel.run("use std::sync::Mutex;")
        message = self.kernel.client.execute("let lock = Mutex::new(0); let _one = lock.lock(); let _two = lock.lock();")
        until("busy", lambda: self.executing(message))
        self.kernel.manager.interrupt_kernel()
        reply = self.kernel.client.get_shell_msg(timeout=10)["content"]
        self.assertEqual(reply["status"], "error")
        self.assertEqual(self.kernel.value("1 + 1"), "2")

    def executing(self, message):
        got = self.kernel.client.get_iopub_msg(timeout=10)
        return got["parent_header"].get("msg_id") == message and got["msg_type"] == "execute_input"


class HostileClients(unittest.TestCase):
    """Messages that no client should send."""

    @classmethod
    def setUpClass(cls):
        cls.kernel = Kernel()
        cls.kernel.run(SURVIVES)

    @classmethod
    def tearDownClass(cls):
        cls.kernel.close()

    def connect(self, port, kind):
        context = zmq.Context.instance()
        made = context.socket(kind)
        made.linger = 0
        made.connect(f"tcp://127.0.0.1:{port}")
        self.addCleanup(made.close)
        return made

    def tearDown(self):
        self.assertEqual(self.kernel.value("survivor.len()"), "5")

    def frames(self, **change):
        """An execute request as it goes over the wire."""
        session = self.kernel.client.session
        message = session.msg("execute_request", {"code": "survivor.clear();", "silent": False, **change})
        return session.serialize(message)

    def test_wrong_signatures_are_ignored(self):
        shell = self.connect(self.kernel.client.shell_port, zmq.DEALER)
        for signature in [b"", b"0" * 64, b"\xff" * 32, b"x" * 1_000_000]:
            frames = self.frames()
            frames[1] = signature
            shell.send_multipart(frames)

    def test_missing_frames_and_fields(self):
        shell = self.connect(self.kernel.client.shell_port, zmq.DEALER)
        frames = self.frames()
        for cut in range(1, len(frames)):
            shell.send_multipart(frames[:cut])
        session = self.kernel.client.session
        for content in [{}, {"code": 5}, {"code": None}, [], "text", {"code": "1", "silent": "no"}]:
            frames = self.frames()
            frames[5] = json.dumps(content).encode()
            frames[1] = session.sign(frames[2:6])
            shell.send_multipart(frames)
        for kind in ["", "no_such_request", "complete_request", "inspect_request", "history_request", "comm_msg", "comm_open"]:
            shell.send_multipart(session.serialize(session.msg(kind, {})))

    def test_giant_fields(self):
        session = self.kernel.client.session
        shell = self.connect(self.kernel.client.shell_port, zmq.DEALER)
        shell.send_multipart(session.serialize(session.msg("complete_request", {"code": "x" * 20_000_000, "cursor_pos": 10**12})))
        shell.send_multipart(session.serialize(session.msg("is_complete_request", {"code": "(" * 1_000_000})))
        shell.send_multipart(session.serialize(session.msg("execute_request", {"code": "// " + "y" * 20_000_000})))

    def test_deeply_nested_json(self):
        session = self.kernel.client.session
        frames = self.frames()
        content = (b'{"code":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
        frames[5] = content
        frames[1] = session.sign(frames[2:6])
        self.connect(self.kernel.client.shell_port, zmq.DEALER).send_multipart(frames)

    def test_bytes_that_are_no_zeromq(self):
        for port in (self.kernel.client.shell_port, self.kernel.client.iopub_port, self.kernel.client.control_port):
            with socket.create_connection(("127.0.0.1", port)) as raw:
                raw.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(range(256)) * 40)

    def test_a_client_that_never_reads_holds_nobody_up(self):
        # A client that never reads holds nobody up.
        stalled = self.connect(self.kernel.client.iopub_port, zmq.SUB)
        stalled.rcvhwm = 1
        stalled.subscribe(b"")
        reply, _ = self.kernel.run('let line = "x".repeat(10_000); for i in 0..2_000 { println!("{i} {line}"); }', 120)
        self.assertEqual(reply["status"], "ok", plain(reply))
        process = psutil.Process(self.kernel.manager.provisioner.process.pid)
        self.assertLess(process.memory_info().rss, 300_000_000)

    def test_a_header_with_unknown_fields_is_echoed(self):
        session = self.kernel.client.session
        message = session.msg("kernel_info_request", {})
        message["header"]["from_the_future"] = {"a": [1]}
        shell = self.connect(self.kernel.client.shell_port, zmq.DEALER)
        shell.send_multipart(session.serialize(message))
        self.assertTrue(shell.poll(10_000), "no answer")
        got = shell.recv_multipart()
        parent = json.loads(got[got.index(b"<IDS|MSG>") + 3])
        self.assertEqual(parent.get("from_the_future"), {"a": [1]})
