"""Storage as a person uses it from a notebook: the installed kernel, its mount processes and its cells, against Azurite."""
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import tarfile
import tempfile
import unittest

import psutil
from support import REPLY_SECONDS, Kernel, plain, text, until

ACCOUNT = "devstoreaccount1"
# The key that every Azurite has by default; it opens nothing else.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
HERE = pathlib.Path(__file__).resolve().parent
# A mount process ends what is open and unmounts within this time.
END_SECONDS = 30


def peers():
    """As `ochre_servers` finds them."""
    cache = os.environ.get("OCHRE_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ochre")
    return pathlib.Path(os.environ.get("OCHRE_PEERS") or os.path.join(cache, "peers"))


def mounted(directory):
    """Whether the system has a mount there."""
    return any(line.split()[1] == str(directory) for line in open("/proc/mounts"))


class StorageTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        python, azurite = peers() / "python-storage/bin/python", peers() / "azurite/node_modules/.bin/azurite-blob"
        for program in (python, azurite):
            if not program.exists():
                raise AssertionError(f"{program} is missing: `cargo xtask test` installs it")
        command = [python, HERE / "notebook_storage.py", azurite, HERE.parents[1] / "notebooks/data/digits.csv.gz"]
        cls.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.stop_server)
        cls.connection = json.loads(cls.server.stdout.readline())["connection"]
        cls.endpoint = dict(part.split("=", 1) for part in cls.connection.split(";") if part)["BlobEndpoint"]

    @classmethod
    def stop_server(cls):
        cls.server.stdin.close()
        cls.server.wait(timeout=30)
        cls.server.stdout.close()

    def setUp(self):
        held = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(held.cleanup)
        self.directory = pathlib.Path(held.name).resolve()
        self.kernel = self.started()

    def started(self):
        environment = {**os.environ, "OCHRE_SECRET_AZURITE_KEY": KEY, "OCHRE_SECRET_AZURITE_CONNECTION": self.connection}
        kernel = Kernel(env=environment, cwd=str(self.directory))
        self.addCleanup(kernel.close)
        return kernel

    def ok(self, code, kernel=None, seconds=REPLY_SECONDS):
        """Runs a cell that must succeed; gives the text of its value and of its streams."""
        reply, outputs = (kernel or self.kernel).run(code, seconds=seconds)
        self.assertEqual(reply["status"], "ok", f"{code}: {plain(reply)}")
        self.assertNotIn(KEY, json.dumps(outputs, default=str))
        values = [o["content"]["data"]["text/plain"] for o in outputs if o["msg_type"] in ("execute_result", "display_data")]
        return "\n".join([*values, text(outputs), text(outputs, "stderr")])

    def refused(self, code):
        """Runs a cell that must fail; gives what the user reads."""
        reply, outputs = self.kernel.run(code)
        self.assertEqual(reply["status"], "error", f"{code} was not refused: {outputs}")
        self.assertNotIn(KEY, json.dumps([reply, outputs], default=str))
        return plain(reply)

    def configure(self, kernel=None):
        self.ok(f"%credential az://@{ACCOUNT} secret:azurite/connection", kernel)

    def test_the_day_of_a_notebook(self):
        # A container is mounted, read, written, and let go.
        self.configure()
        self.assertIn("secret:azurite/connection", self.ok("%credential"))
        listed = self.ok(f"%ls az://pictures@{ACCOUNT}")
        self.assertIn("digits.zip", listed)
        self.assertIn("size", listed)
        unpacked = self.ok(f"%unzip az://pictures@{ACCOUNT}/digits.zip az://pictures@{ACCOUNT}/day", seconds=120)
        self.assertIn("unpacked 400 files", unpacked)
        self.assertIn("nothing was unpacked", self.ok(f"%unzip az://pictures@{ACCOUNT}/digits.zip az://pictures@{ACCOUNT}/day"))
        # A frame like any other.
        self.ok(f"%ls az://pictures@{ACCOUNT}/day --recursive -o files")
        self.assertEqual(self.kernel.value("files.height()"), "400")
        said = self.ok(f"%mount az://pictures@{ACCOUNT}/day data")
        self.assertRegex(said, r"is mounted at .*/data, by (FUSE|seccomp|synced folder): ")
        self.assertEqual(self.kernel.value('std::fs::read_dir("data")?.count()'), "10")
        self.assertTrue(self.kernel.value('std::fs::read("data/7/0000.png")?.starts_with(b"\\x89PNG")').startswith("true"))
        self.assertIn("0000.png", self.ok("!ls data/7"))
        # Again: harmless.
        self.assertIn("already", self.ok(f"%mount az://pictures@{ACCOUNT}/day data"))
        # What is written is in the container when it is closed.
        self.ok('std::fs::write("data/note.txt", "written through the mount")?;')
        self.assertEqual(self.kernel.value(f'ochre::store("az://pictures@{ACCOUNT}/day").read_text("note.txt")?'), '"written through the mount"')
        self.ok("%cp data/note.txt copy.txt")
        self.assertEqual((self.directory / "copy.txt").read_text(), "written through the mount")
        self.assertIn("az://pictures@" + ACCOUNT, self.ok("%mounts"))
        self.assertIn("is unmounted", self.ok("%unmount data"))
        self.assertFalse(mounted(self.directory / "data"))
        self.assertIn("nothing is mounted", self.ok("%mounts"))
        self.assertIn("nothing is mounted at", self.refused("%unmount data"))

    def test_copies_go_both_ways_and_are_the_same(self):
        self.configure()
        made = os.urandom(30_000_000)
        (self.directory / "big.bin").write_bytes(made)
        self.assertIn("--create", self.refused(f"%cp big.bin az://both@{ACCOUNT}/"))
        self.assertRegex(self.ok(f"%cp big.bin az://both@{ACCOUNT}/ --create", seconds=120), r"copied 30\.0 MB .*MB/s\); length and checksum verified")
        self.ok(f"%cp az://both@{ACCOUNT}/big.bin back.bin", seconds=120)
        self.assertEqual(hashlib.sha256((self.directory / "back.bin").read_bytes()).digest(), hashlib.sha256(made).digest())
        # And what another client reads is the same.
        script = f"import sys,hashlib;from azure.storage.blob import BlobServiceClient as S;print(hashlib.sha256(S.from_connection_string(sys.argv[1]).get_blob_client('both','big.bin').download_blob().readall()).hexdigest())"
        read = subprocess.run([peers() / "python-storage/bin/python", "-c", script, self.connection], capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual(read.stdout.strip(), hashlib.sha256(made).hexdigest())

    def test_data_sets_come_from_a_container(self):
        # An archive, and a folder with the batches as they are; a folder of pictures by class.
        self.configure()
        records = lambda first: b"".join(bytes([(first + i) % 10]) + bytes([first + i]) * 3072 for i in range(20))
        sets = self.directory / "set" / "cifar-10-batches-bin"
        sets.mkdir(parents=True)
        for number in range(1, 6):
            (sets / f"data_batch_{number}.bin").write_bytes(records(number))
        (sets / "test_batch.bin").write_bytes(records(9))
        with tarfile.open(self.directory / "cifar.tar.gz", "w:gz") as archive:
            archive.add(sets, "cifar-10-batches-bin")
        self.ok(f"%cp cifar.tar.gz az://sets@{ACCOUNT}/ --create")
        upload = f'let sets = ochre::store("az://sets@{ACCOUNT}");\nfor file in std::fs::read_dir("set/cifar-10-batches-bin")? {{ let file = file?.path(); sets.upload(&file, &format!("plain/{{}}", file.file_name().unwrap().to_string_lossy()))?; }}'
        self.ok(upload)
        read = "{{ let c = ochre::data::cifar10(\"{}\")?; (c.train.len(), c.test.len(), c.train.targets().narrow(0, 19, 2).to_vec::<i64>(), c.test.inputs().select(0, 1).to_f32().mean().item()) }}"
        for place in ["cifar.tar.gz", "plain", "plain/"]:
            self.assertEqual(self.kernel.value(read.format(f"az://sets@{ACCOUNT}/{place}")), "(100, 20, [0, 2], 10.0)", place)
        # A batch that changes is fetched again; the others are not.
        (sets / "test_batch.bin").write_bytes(records(30))
        self.ok('sets.upload("set/cifar-10-batches-bin/test_batch.bin", "plain/test_batch.bin")?;')
        self.assertEqual(self.kernel.value(read.format(f"az://sets@{ACCOUNT}/plain")), "(100, 20, [0, 2], 31.0)")
        self.ok(f"%unzip az://pictures@{ACCOUNT}/digits.zip az://pictures@{ACCOUNT}/by-class", seconds=120)
        one = f'ochre::data::picture("az://pictures@{ACCOUNT}/by-class/7/0000.png")?.shape().to_vec()'
        self.assertEqual(self.kernel.value(one), "[3, 8, 8]")
        self.assertIn("az://sets@", self.refused(f'ochre::data::cifar10("az://sets@{ACCOUNT}/nothing-here")?'))

    def test_a_kernel_that_is_killed_in_a_copy_leaves_nothing_torn_and_the_next_goes_on(self):
        # The process is gone in the middle: what is at the destination is whole or not there.
        self.configure()
        made = os.urandom(60_000_000)
        (self.directory / "big.bin").write_bytes(made)
        self.ok(f"%cp big.bin az://killed@{ACCOUNT}/ --create", seconds=120)
        self.kernel.client.execute(f"%cp az://killed@{ACCOUNT}/big.bin back.bin")
        until("a part of the file", lambda: [p for p in self.directory.iterdir() if p.name.startswith(("back.bin.", ".back.bin")) and p.stat().st_size > 0] or (self.directory / "back.bin").exists())
        os.kill(self.kernel.manager.provisioner.pid, signal.SIGKILL)
        if (self.directory / "back.bin").exists():
            self.assertEqual((self.directory / "back.bin").read_bytes(), made)
        again = self.started()
        self.configure(again)
        self.ok(f"%cp az://killed@{ACCOUNT}/big.bin back.bin", again, seconds=120)
        self.assertEqual((self.directory / "back.bin").read_bytes(), made)
        left = sorted(p.name for p in self.directory.iterdir())
        self.assertEqual(left, ["back.bin", "big.bin"], "parts are tidied up")

    def mount_process(self):
        """The mount process of this kernel."""
        kernel = psutil.Process(self.kernel.manager.provisioner.pid)
        return until("the mount process", lambda: next((p for p in kernel.children() if "mount" in p.cmdline()[1:2]), None))

    def test_a_mount_ends_with_its_kernel_however_that_ends(self):
        # A mount ends with its kernel, however the kernel ends.
        # By SIGTERM, by SIGKILL: nothing stays mounted, and no process stays.
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(signal=number):
                self.kernel = self.started()
                self.configure()
                self.ok(f"%mount az://pictures@{ACCOUNT} ended --read-only")
                process = self.mount_process()
                os.kill(self.kernel.manager.provisioner.pid, number)
                until("the mount process ends", lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, END_SECONDS)
                until("the directory is let go", lambda: not mounted(self.directory / "ended"), END_SECONDS)

    def test_a_kernel_that_is_started_again_mounts_again(self):
        # Restart Kernel and Run All: the second kernel may meet the first one's mount.
        for _ in range(3):
            self.configure()
            self.assertIn("is mounted at", self.ok(f"%mount az://pictures@{ACCOUNT} again --read-only"))
            self.assertIn("digits.zip", self.ok("!ls again"))
            self.kernel.manager.restart_kernel(now=True)
            self.kernel.client.wait_for_ready(timeout=60)
        self.configure()
        self.ok(f"%mount az://pictures@{ACCOUNT} again --read-only")
        self.ok("%unmount again")

    def test_a_mount_that_dies_is_told_and_can_be_made_again(self):
        self.configure()
        self.ok(f"%mount az://pictures@{ACCOUNT} dies --read-only")
        process = self.mount_process()
        process.kill()
        until("the mount process is gone", lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
        said = until("the news", lambda: (lambda t: t if "is gone" in t else None)(self.ok("1 + 1")))
        self.assertIn("was ended by signal 9", said)
        self.assertIn("is mounted at", self.ok(f"%mount az://pictures@{ACCOUNT} dies --read-only"))
        self.assertIn("digits.zip", self.ok("!ls dies"))
        self.ok("%unmount dies")

    def test_no_key_is_in_the_process_listing_or_in_an_environment(self):
        self.configure()
        self.ok(f"%mount az://pictures@{ACCOUNT} quiet --read-only")
        process = self.mount_process()
        self.assertNotIn(KEY, " ".join(process.cmdline()))
        with open(f"/proc/{process.pid}/environ", "rb") as environment:
            self.assertNotIn(KEY.encode(), environment.read())
        self.ok("%unmount quiet")

    def test_traps_are_used_where_fuse_is_forbidden(self):
        self.configure()
        said = self.ok(f"%mount az://pictures@{ACCOUNT} trapped --read-only --way seccomp")
        self.assertIn("by seccomp", said)
        self.assertEqual(self.kernel.value('std::fs::read("trapped/digits.zip")?.starts_with(b"PK")'), "true")
        self.assertEqual(self.ok("!head -c 2 trapped/digits.zip").strip(), "PK")
        self.ok("%cp trapped/digits.zip plain.zip")
        self.assertTrue((self.directory / "plain.zip").read_bytes().startswith(b"PK"), "the kernel reads the store and no placeholder")
        self.ok("%unmount trapped")


