"""The hunt: cells work with known secrets in every way that people do, and none is found in anything that leaves the kernel or stays behind it."""
import json
import os
import pathlib
import resource
import secrets
import signal
import subprocess
import tempfile
import time
import unittest

import nbformat
import psutil
import secret_hunt
from support import Kernel, plain, text, until

# Every character that some form writes differently.
ODD = "\"/+%&<>é='\\ "


def value(name):
    """A secret that no other test has, with the odd characters in its midst."""
    return f"{name}-{secrets.token_hex(6)}{ODD}{secrets.token_urlsafe(9)}"


class Watched:
    """A kernel of which every message, its log and its files are kept."""

    def __init__(self, directory, known, **environment):
        self.directory, self.known = pathlib.Path(directory), known
        for name in ("work", "data", "config", "mounted/hunt"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "mounted/hunt/file").write_text(known["file"] + "\n")
        self.log = open(self.directory / "kernel.log", "wb")
        places = {"XDG_DATA_HOME": "data", "XDG_CONFIG_HOME": "config", "OCHRE_SECRETS_DIR": "mounted"}
        made = {
            **os.environ, **{name: str(self.directory / place) for name, place in places.items()},
            "OCHRE_SECRET_HUNT_ENV": known["env"], "HUNT_TOKEN": known["token"], "AZURE_CLIENT_SECRET": known["client"],
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/bus", **environment,
        }
        self.kernel = Kernel(env=made, cwd=str(self.directory / "work"), stdout=self.log, stderr=self.log)
        self.captured = bytearray()
        session = self.kernel.client.session
        deserialize = session.deserialize

        def record(frames, *arguments, **options):
            self.captured += b"\n".join(bytes(getattr(frame, "bytes", frame)) for frame in frames) + b"\n"
            return deserialize(frames, *arguments, **options)

        session.deserialize = record

    def process(self):
        return psutil.Process(self.kernel.manager.provisioner.pid)

    def ok(self, code, **options):
        reply, outputs = self.kernel.run(code, **options)
        if reply["status"] != "ok":
            raise AssertionError(f"{code!r}: {plain(reply)}")
        return reply, outputs

    def close(self):
        self.kernel.close()
        self.log.close()


PRINTS = r"""
use std::io::Write;
use ochre::base64::Engine;
use ochre::base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
for name in ["env", "file", "asked", "sealed"] {
    let secret = ochre::secret(&format!("hunt/{name}"))?;
    let v = secret.expose().to_owned();
    println!("raw {v} end");
    println!("debug {v:?} {:?} {:#?}", v.as_bytes(), Some(&v));
    println!("base64 {} {} {}", STANDARD.encode(&v), URL_SAFE_NO_PAD.encode(&v), STANDARD.encode(format!("user:{v}@host")));
    let percent = |upper: bool| -> String {
        let escape = |b: u8| if upper { format!("%{b:02X}") } else { format!("%{b:02x}") };
        v.bytes().map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { escape(b) }).collect()
    };
    println!("url https://host/?key={}&x=1 {} {}", percent(true), percent(false), percent(true).replace('%', "%25"));
    let json = ochre::serde_json::to_string(&v)?;
    println!("json {json} {}", ochre::serde_json::to_string(&json)?);
    println!("escaped {}", v.chars().map(|c| format!("\\u{:04x}", c as u32)).collect::<String>());
    println!("hex {}", v.bytes().map(|b| format!("{b:02x}")).collect::<String>());
    println!("\x1b[31mred {v}\x1b[0m");
    eprintln!("on stderr {v}");
    for at in (1..v.len()).filter(|at| v.is_char_boundary(*at)) {
        print!("{}", &v[..at]);
        std::io::stdout().flush()?;
        print!("{}\n", &v[at..]);
    }
    print!("slowly {}", &v[..v.len() / 4]);
    std::io::stdout().flush()?;
    std::thread::sleep(std::time::Duration::from_millis(400));
    println!("{}", &v[v.len() / 4..]);
}
"""

SHOWS = r"""
let v = ochre::secret("hunt/env")?.expose().to_owned();
ochre::display(&ochre::html(format!("<b title=\"{}\">{v}</b>", v.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;"))));
ochre::display(&ochre::markdown(format!("**{v}**")));
ochre::display(&ochre::json(ochre::serde_json::json!({ "value": v, (v.clone()): 1, "bytes": v.as_bytes() })));
ochre::display_as("shown-id", &ochre::html(format!("<i>{v}</i>")));
let data = ochre::serde_json::json!({ "state": { "value": v } }).to_string();
ochre::host::get().ok_or("a host")?.comm("hunt-comm", "open:hunt", &data, &data, &[v.clone().into_bytes()]);
ochre::host::get().ok_or("a host")?.comm("hunt-comm", "message", &data, &data, &[]);
df!("name" => ["key"], "value" => [v.as_str()])?
"""


class SecretTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.held = tempfile.TemporaryDirectory()
        cls.known = {name: value(name) for name in ("env", "file", "asked", "sealed", "typed", "token", "client")}
        secret_hunt.note(cls.known.values())
        cls.started = time.time()
        cls.watched = Watched(cls.held.name, cls.known)
        cls.kernel = cls.watched.kernel
        cls.watched.ok("%secret set hunt/asked --backend session", answers=[cls.known["asked"]])
        cls.watched.ok("%secret set hunt/sealed --backend file --key-file", answers=[cls.known["sealed"]])

    @classmethod
    def tearDownClass(cls):
        cls.watched.close()
        cls.held.cleanup()

    def none_leaves(self, *more):
        """No secret in what was captured so far, nor in the texts given."""
        haystack = bytes(self.watched.captured) + "\n".join(more).encode()
        self.assertEqual(secret_hunt.find(haystack, self.known.values()), [])

    def test_the_hunt_finds_what_is_there(self):
        for name in self.known.values():
            for form in secret_hunt.forms(name):
                self.assertTrue(secret_hunt.find(b"before " + form + b" after", [name]), form)

    def test_a_secret_shows_its_name(self):
        # A secret that is a cell's value shows its name.
        self.assertEqual(self.kernel.value('ochre::secret("hunt/env")?'), "Secret(hunt/env)")
        self.none_leaves()

    def test_prints_in_every_form_are_redacted(self):
        # No known secret leaves the kernel: not in output, displays, errors, history, logs or comms, and in no usual encoding.
        _, outputs = self.watched.ok(PRINTS, seconds=120)
        shown = text(outputs)
        self.assertGreater(shown.count("[REDACTED]"), 4 * 30, shown[:2000])
        # What is not secret is shown to the byte.
        self.assertIn("raw [REDACTED] end\n", shown)
        self.assertIn("\x1b[31mred [REDACTED]\x1b[0m\n", shown)
        self.assertIn("on stderr [REDACTED]\n", text(outputs, "stderr"))
        self.none_leaves()

    def test_displays_values_comms_and_expressions_are_redacted(self):
        reply, outputs = self.watched.ok(SHOWS, user_expressions={"e": 'ochre::secret("hunt/file")?.expose().to_owned()'})
        kinds = {o["msg_type"] for o in outputs}
        self.assertTrue({"display_data", "execute_result", "comm_open", "comm_msg"} <= kinds, kinds)
        self.assertIn("[REDACTED]", json.dumps(reply["user_expressions"]))
        self.none_leaves()

    def test_errors_and_panics_are_redacted(self):
        for code in ('panic!("it was {}", ochre::secret("hunt/env")?.expose())', 'Err::<(), String>(ochre::secret("hunt/file")?.expose().to_owned())?'):
            reply, _ = self.kernel.run(code)
            self.assertEqual(reply["status"], "error")
            self.assertIn("[REDACTED]", plain(reply))
        self.none_leaves()

    def test_what_was_typed_as_a_password_is_known(self):
        # What is typed at a password prompt is taken out of everything that is shown afterwards.
        _, outputs = self.watched.ok('let p = ochre::password("password: ")?; println!("typed {p}");', answers=[self.known["typed"]])
        self.assertEqual(text(outputs), "typed [REDACTED]\n")
        self.none_leaves()

    def test_programs_get_no_credentials(self):
        # Cells, commands and builds are not handed the credentials of the kernel's environment, unless they are set or passed with %env.
        _, outputs = self.watched.ok('["HUNT_TOKEN", "OCHRE_SECRET_HUNT_ENV", "AZURE_CLIENT_SECRET"].map(|n| std::env::var(n).is_ok())')
        self.assertIn("[false, false, false]", json.dumps(outputs[-1]["content"]["data"]))
        self.assertIn("%env --pass HUNT_TOKEN", text(outputs, "stderr"))
        reply, outputs = self.watched.ok("!env")
        self.assertNotIn("HUNT_TOKEN", text(outputs))
        self.watched.ok("%%bash\nsleep 1000 &\necho $! > child.pid\n")
        children = self.watched.process().children(recursive=True)
        self.assertTrue(children)
        child = int((self.watched.directory / "work/child.pid").read_text())
        try:
            for process in [*children, psutil.Process(child)]:
                environment = pathlib.Path(f"/proc/{process.pid}/environ").read_bytes()
                self.assertEqual(secret_hunt.find(environment, self.known.values()), [], process.cmdline())
        finally:
            os.kill(child, signal.SIGKILL)
        self.watched.ok("%env --pass HUNT_TOKEN")
        _, outputs = self.watched.ok("!echo got $HUNT_TOKEN")
        self.assertEqual(text(outputs), "got [REDACTED]\n")
        self.assertEqual(self.kernel.value('std::env::var("HUNT_TOKEN").is_ok()'), "true")
        self.watched.ok("%env")
        self.watched.ok("%env HUNT_TOKEN")
        self.watched.ok("%env --unset HUNT_TOKEN")
        self.none_leaves()

    def test_command_lines_hold_no_secret(self):
        for process in [self.watched.process(), *self.watched.process().children(recursive=True)]:
            self.assertEqual(secret_hunt.find("\0".join(process.cmdline()).encode(), self.known.values()), [])

    def test_secrets_are_kept_listed_and_deleted_and_never_got(self):
        # A secret is asked for without echo, listed by name, and never shown.
        reply, _ = self.kernel.run("%secret get hunt/env")
        self.assertEqual((reply["status"], reply["ename"]), ("error", "usage"))
        listed = self.kernel.value("%secret list")
        for line in ("hunt/asked   session", "hunt/env     environment", "hunt/file    files", "hunt/sealed  file"):
            self.assertIn(line, listed)
        self.assertIn("<- new secrets go here", listed)
        once = value("once")
        secret_hunt.note([once])
        self.assertEqual(self.kernel.run("%secret set hunt/once --backend session", answers=[once])[0]["status"], "ok")
        self.assertIn("deleted from: session", self.kernel.value("%secret delete hunt/once"))
        reply, _ = self.kernel.run('ochre::secret("hunt/once")?')
        self.assertIn("there is no secret `hunt/once`", plain(reply))
        self.assertEqual(self.kernel.run("%secret delete hunt/env")[0]["status"], "error")
        self.none_leaves()

    def test_a_literal_key_is_warned_about_and_not_kept_in_the_history(self):
        # A cell that holds a literal key runs, and its author is told the one magic that moves it into a secret.
        key = "ghp_" + secrets.token_hex(18)
        _, outputs = self.watched.ok(f'let fine = 1;\nlet token = "{key}";\nprintln!("{{token}}");')
        warned = text(outputs, "stderr")
        self.assertIn("line 2 holds a GitHub token", warned)
        self.assertIn("%secret set github/token", warned)
        self.assertNotIn(key, text(outputs))
        # The history keeps a cell without its literal keys.
        self.assertNotIn(key, self.kernel.value("%history"))
        self.assertIn("[REDACTED]", self.kernel.value("%history"))
        self.kernel.client.history(output=True, hist_access_type="tail", n=50)
        until("the history", lambda: self.kernel.client.get_shell_msg(timeout=20)["msg_type"] == "history_reply")
        self.assertEqual(secret_hunt.find(bytes(self.watched.captured), [key]), [])
        self.assertEqual(secret_hunt.search([self.watched.directory / "data"], [key]), [])

    def test_a_run_notebook_holds_none(self):
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in (PRINTS.replace(', "asked"', ""), SHOWS, "!env", 'panic!("{}", ochre::secret("hunt/env")?.expose())')])
        directory = self.watched.directory / "run"
        directory.mkdir()
        nbformat.write(made, directory / "n.ipynb")
        environment = {**os.environ, "OCHRE_SECRET_HUNT_ENV": self.known["env"], "HUNT_TOKEN": self.known["token"]}
        for name, place in (("XDG_DATA_HOME", "data"), ("XDG_CONFIG_HOME", "config"), ("OCHRE_SECRETS_DIR", "mounted")):
            environment[name] = str(self.watched.directory / place)
        done = subprocess.run([os.environ["OCHRE_BINARY"], "run", directory / "n.ipynb", "-o", directory / "out.ipynb"], env=environment, capture_output=True, timeout=180)
        saved = (directory / "out.ipynb").read_bytes()
        self.assertGreater(saved.count(b"[REDACTED]"), 50, done.stderr.decode()[-2000:])
        self.assertEqual(secret_hunt.find(saved + done.stdout + done.stderr, self.known.values()), [])

    def test_the_log_is_redacted(self):
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        # A place for the history that cannot be, with a secret in its name: the kernel says so in its log.
        blocked = pathlib.Path(held.name) / "file"
        blocked.write_text("")
        token = "log-" + secrets.token_hex(12)
        watched = Watched(held.name, {**self.known, "token": token}, XDG_DATA_HOME=str(blocked / token))
        try:
            watched.ok("1 + 1")
            log = until("the note", lambda: (lambda t: t if b"history is kept in memory" in t else None)(pathlib.Path(watched.log.name).read_bytes()))
        finally:
            watched.close()
        self.assertIn(b"[REDACTED]", log)
        self.assertNotIn(token.encode(), log)

    def test_no_core_is_left(self):
        # A kernel that crashes leaves no core, and nobody reads its memory while it lives.
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        watched = Watched(held.name, self.known)
        try:
            watched.ok('let s = ochre::secret("hunt/env")?; s')
            limits = pathlib.Path(f"/proc/{watched.process().children()[0].pid}/limits").read_text()
            soft = next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()[4]
            self.assertEqual(soft, "0", limits)
            watched.process().send_signal(signal.SIGABRT)
            until("the end of the kernel", lambda: not watched.kernel.manager.provisioner.process or watched.kernel.manager.provisioner.process.poll() is not None)
        finally:
            watched.close()
        left = [str(path) for path in secret_hunt.files([held.name]) if "core" in path.name]
        self.assertEqual(left, [])
        self.assertEqual(secret_hunt.search([pathlib.Path(held.name) / "work", pathlib.Path(held.name) / "data"], self.known.values()), [])

    def test_zz_files_hold_none(self):
        # After all others: the history, the encrypted file, the directory of cells, the log and the cell cache.
        self.kernel.client.history(output=True, hist_access_type="range", session=0, start=1)
        until("the history", lambda: self.kernel.client.get_shell_msg(timeout=20)["msg_type"] == "history_reply")
        self.watched.log.flush()
        # Mounted files and the key of the encrypted file are secrets by themselves.
        directories = [self.watched.directory / place for place in ("work", "data", "run")]
        found = secret_hunt.search(directories, self.known.values())
        found += secret_hunt.search([pathlib.Path(os.environ["OCHRE_CACHE"]) / "cells"], self.known.values(), since=self.started)
        found += secret_hunt.find((self.watched.directory / "kernel.log").read_bytes(), self.known.values())
        self.assertEqual(found, [])
        self.none_leaves()
