//! A mount where the host forbids FUSE: by trapped opens, driven as the kernel does, from the outside.

#[path = "support/filled.rs"]
mod filled;
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ochre_mount::seccomp::Supervisor;
use ochre_mount::{FromMount, MountConfig, WayName};
use ochre_servers::BlobServer;
use filled::*;
use support::*;

fn trapped(server: &BlobServer, directory: &Path) -> MountConfig {
    MountConfig { way: Some(WayName::Seccomp), ..config(server, "data", directory) }
}

/// Runs a program that takes the configuration on its stdin; ends it when it hangs.
fn run(mut command: Command, config: &MountConfig) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("piped").write_all(config.to_wire().as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn supervise(directory: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-k", "5", RUN_LIMIT, CHECKS, "supervise"]).arg(directory).args(words);
    command
}

/// SEMANTICS: "Where the host forbids FUSE, cells and the programs that they start read a mounted directory all the same."
#[test]
fn reads_by_trapped_opens() {
    let server = filled();
    let (_folder, directory) = ground();
    let config = MountConfig { read_only: true, ..trapped(&server, &directory) };
    let printed = succeeded(&run(supervise(&directory, &[CHECKS, "read", path(&directory)]), &config));
    assert_eq!(printed.lines().count(), 9, "{printed}");
    assert!(!directory.exists(), "nothing is left behind");
}

#[test]
fn writes_by_trapped_opens() {
    let server = filled();
    let (_folder, directory) = ground();
    let config = MountConfig { overwrite: true, ..trapped(&server, &directory) };
    let printed = succeeded(&run(supervise(&directory, &[CHECKS, "write", path(&directory)]), &config));
    assert_eq!(printed.lines().count(), 8, "{printed}");
    let text = |name: &str| server.get("c", &format!("data/{name}")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!((text("w-new.txt").as_deref(), text("w-replaced").as_deref(), text("w-moved").as_deref()), (Some("one two"), Some("new"), Some("hello\n")));
    assert_eq!((text("w-dir/inner/f").as_deref(), text("w-from"), text("w-to"), text("w-python2")), (Some("f"), None, None, None));
    assert_eq!(server.get("c", "data/w-large").map(|bytes| bytes.len()), Some(20_000_003));
    assert!(!directory.exists(), "nothing is left behind");
}

/// What an open costs below the filter; said in SEMANTICS.md.
#[test]
fn opens_elsewhere_stay_cheap() {
    let server = filled();
    let (_folder, directory) = ground();
    let native = succeeded(&run(supervise(&directory, &["true"]), &trapped(&server, &directory)));
    assert_eq!(native, "");
    let (_folder, directory) = ground();
    let printed = succeeded(&run(supervise(&directory, &[CHECKS, "opens", path(&directory), "2000"]), &trapped(&server, &directory)));
    eprintln!("{printed}");
    let first: f64 = printed.split_whitespace().nth(2).expect("a number").parse().expect("a number");
    assert!(first < 2000.0, "{printed}");
}

/// The kernel's part, in this process: a supervisor, and programs under its filter.
struct Kernel {
    supervisor: Supervisor,
}

impl Kernel {
    fn over(directory: &Path) -> Self {
        let supervisor = Supervisor::new().expect("a socket");
        supervisor.add(directory).expect("the mount process answers");
        Self { supervisor }
    }

    /// A program whose opens are trapped.
    fn command(&self, words: &[&str]) -> Command {
        let wrapper = self.supervisor.wrapper(Path::new(CHECKS));
        let mut command = Command::new("timeout");
        command.args(["-k", "5", RUN_LIMIT]).args(wrapper).args(words).stdin(Stdio::null());
        command
    }

    fn shell(&self, line: &str) -> Output {
        self.command(&["sh", "-c", line]).output().expect("a shell")
    }

    fn python(&self, script: &str) -> Child {
        let mut command = self.command(&["python3", "-u", "-c", script]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("python3 is installed")
    }
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A directory for a user without privileges, with the programs, which lie where that user may not go.
fn for_anybody() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().expect("a directory");
    let root = folder.path().canonicalize().expect("it is there");
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
    open(&root, 0o755);
    for program in [CHECKS, env!("CARGO_BIN_EXE_ochre-mount")] {
        let copy = root.join(Path::new(program).file_name().expect("a name"));
        fs::copy(program, &copy).expect("a copy");
        open(&copy, 0o755);
    }
    let (own, temporary) = (root.join("own"), root.join("tmp"));
    for made in [&own, &temporary] {
        fs::create_dir(made).expect("a directory");
        open(made, 0o777);
    }
    (folder, root, own)
}

/// What stands before a command so that it runs as a user who is not root, without capabilities, in a user namespace of its own where there is one.
const POWERLESS: &[&str] = &["setpriv", "--reuid", "65532", "--regid", "65532", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"];

/// SEMANTICS: "Trapping opens needs no privilege." As a user who is not root, with all capabilities dropped.
#[test]
fn reads_as_a_user_without_privileges() {
    let server = filled();
    let (_folder, root, own) = for_anybody();
    let directory = own.join("mount");
    let checks = root.join("ochre-mount-checks");
    let mut command = Command::new("timeout");
    command.args(["-k", "5", RUN_LIMIT]);
    if rustix::process::geteuid().is_root() {
        command.args(POWERLESS);
    }
    command.arg("env").arg(format!("TMPDIR={}", root.join("tmp").display())).arg(&checks).args(["supervise", path(&directory)]).arg(&checks).args(["read", path(&directory)]);
    let config = MountConfig { read_only: true, ..trapped(&server, &directory) };
    let printed = succeeded(&run(command, &config));
    assert_eq!(printed.lines().count(), 9, "{printed}");
    assert!(!directory.exists(), "nothing is left behind");
}

/// The same inside a container: podman and runc, all capabilities dropped, no new privileges, the default seccomp profile, no `/dev/fuse`.
#[test]
fn reads_inside_a_container_without_privileges() {
    let server = filled();
    let (folder, root, _own) = for_anybody();
    let directory = Path::new("/tmp/mount");
    let config = MountConfig { read_only: true, way: None, ..trapped(&server, directory) };
    let rootfs = root.join("rootfs");
    for name in ["usr", "etc", "tmp", "proc", "sys", "dev", "run", "ochre", "var/tmp"] {
        fs::create_dir_all(rootfs.join(name)).expect("a directory");
    }
    // podman gives a tmpfs the permissions of the directory below it.
    fs::set_permissions(rootfs.join("tmp"), fs::Permissions::from_mode(0o1777)).expect("permissions");
    for name in ["bin", "lib", "lib64", "sbin"] {
        std::os::unix::fs::symlink(format!("usr/{name}"), rootfs.join(name)).expect("a link");
    }
    let configuration = root.join("containers.conf");
    fs::write(
        &configuration,
        "[containers]\ndefault_ulimits = [\"nofile=1024:1024\",\"nproc=1024:1024\"]\n[network]\nnetwork_backend=\"netavark\"\n[engine]\nruntime=\"runc\"\n\
         cgroup_manager=\"cgroupfs\"\nevents_logger=\"file\"\nhelper_binaries_dir=[\"/usr/lib/podman\",\"/usr/libexec/podman\"]\n",
    )
    .expect("it writes");
    let mut command = Command::new("timeout");
    command.env("CONTAINERS_CONF", &configuration).args(["-k", "5", RUN_LIMIT, "podman", "--root", path(&root.join("storage")), "--runroot", path(&root.join("run"))]);
    command.args(["run", "--rm", "-i", "--network=host", "--user", "65532", "--cap-drop=all", "--security-opt", "no-new-privileges", "--read-only", "--tmpfs", "/tmp:rw,mode=1777"]);
    command.args(["-v", "/usr:/usr:ro", "-v", "/etc:/etc:ro", "-v"]).arg(format!("{}:/ochre:ro", root.display())).arg("--rootfs").arg(&rootfs);
    command.args(["/ochre/ochre-mount-checks", "supervise", "/tmp/mount", "/ochre/ochre-mount-checks", "read", "/tmp/mount"]);
    let output = run(command, &config);
    let started = error_of(&output).contains("\"say\"");
    assert!(started, "podman and runc could not start a container (`cargo xtask test` installs them): {}", error_of(&output));
    let printed = succeeded(&output);
    assert_eq!(printed.lines().count(), 9, "{printed}");
    let said = error_of(&output);
    assert!(said.contains("\"way\":\"seccomp\"") && said.contains("FUSE: /dev/fuse cannot be opened"), "{said}");
    drop(folder);
}

/// SEMANTICS: "Without FUSE, a file that was opened keeps its version; the next open sees the store's." Within the time for which names are believed.
#[test]
fn a_new_version_is_fetched_anew() {
    let server = filled();
    let (_folder, directory) = ground();
    let mount = Mount::start(&MountConfig { names_ttl_ms: 50, ..trapped(&server, &directory) });
    let kernel = Kernel::over(&directory);
    let script = format!("import sys\nf = open('{0}/a.txt')\nprint('opened')\nsys.stdin.readline()\nprint(f.read(), open('{0}/a.txt').read())", directory.display());
    let mut child = kernel.python(&script);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "opened");
    server.put("c", "data/a.txt", "omega, longer");
    std::thread::sleep(Duration::from_millis(60));
    child.stdin.take().expect("piped").write_all(b"go\n").expect("it reads");
    assert_eq!(lines.next().expect("a line").expect("text"), "alpha omega, longer");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(mount.end(), None);
}

/// SEMANTICS: "Without FUSE, a written file is in the store when its close returns, all of it or nothing." A close that could not do that is an error.
#[test]
fn the_error_of_an_upload_comes_at_close() {
    let server = filled();
    let (_folder, directory) = ground();
    let mount = Mount::start(&trapped(&server, &directory));
    let kernel = Kernel::over(&directory);
    let script = format!(
        "import sys\nf = open('{0}/w-x', 'w')\nf.write('mine')\nf.flush()\nprint('opened')\nsys.stdin.readline()\n\
         try:\n    f.close()\n    print('closed')\nexcept OSError as e:\n    print(e.errno)\n\
         with open('{0}/w-y', 'w') as f:\n    f.write('whole')\nprint(open('{0}/w-y').read())",
        directory.display()
    );
    let mut child = kernel.python(&script);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().map(|line| line.expect("text")).unwrap_or_default();
    assert_eq!(line(), "opened");
    assert_eq!(server.get("c", "data/w-x"), None, "nothing of an unfinished file is seen");
    server.put("c", "data/w-x", "somebody else's");
    child.stdin.take().expect("piped").write_all(b"go\n").expect("it reads");
    assert_eq!(line(), libc_eexist());
    assert_eq!(line(), "whole");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(server.get("c", "data/w-x").as_deref(), Some(&b"somebody else's"[..]));
    assert_eq!(server.get("c", "data/w-y").as_deref(), Some(&b"whole"[..]));
    assert_eq!(mount.end(), None);
}

fn libc_eexist() -> String {
    rustix::io::Errno::EXIST.raw_os_error().to_string()
}

/// SEMANTICS: "Without FUSE, what a killed program had not closed is not written."
#[test]
fn a_killed_writer_publishes_nothing() {
    let server = filled();
    let (_folder, directory) = ground();
    let mount = Mount::start(&trapped(&server, &directory));
    let kernel = Kernel::over(&directory);
    let script = format!("import os, signal\nf = open('{}/w-x', 'w')\nf.write('half')\nf.flush()\nos.kill(os.getpid(), signal.SIGKILL)", directory.display());
    let output = kernel.python(&script).wait_with_output().expect("it ends");
    assert!(!output.status.success());
    let said = wait("the user is told", || mount.try_next().ok_or_else(String::new));
    assert!(matches!(&said, FromMount::Warning { text } if text.contains("w-x")), "{said:?}");
    assert_eq!(server.get("c", "data/w-x"), None);
    assert_eq!(mount.end(), None);
}

/// SEMANTICS: "Without FUSE, nothing is replaced or deleted that the mount may not."
#[test]
fn rights_are_kept() {
    let server = filled();
    for (read_only, words) in [(false, ["Operation not permitted", "Operation not permitted", "made"]), (true, ["Read-only file system", "Read-only file system", "Read-only file system"])] {
        let (_folder, directory) = ground();
        let mount = Mount::start(&MountConfig { read_only, ..trapped(&server, &directory) });
        let kernel = Kernel::over(&directory);
        for (line, expected) in ["echo x > a.txt", "rm a.txt", "echo x > w-made && echo made >&2"].iter().zip(words) {
            let output = kernel.shell(&format!("cd '{}' && LC_ALL=C {line}", directory.display()));
            assert!(error_of(&output).contains(expected), "{line}: {}", error_of(&output));
        }
        assert_eq!(server.get("c", "data/a.txt").as_deref(), Some(&b"alpha"[..]));
        assert_eq!(mount.end(), None);
        server.remove("c", "data/w-made");
    }
}

/// SEMANTICS: "Without FUSE, a dead server or mount process is an input/output error, and never a hang." What is elsewhere goes on; a later mount takes away what was left.
#[test]
fn dead_servers_and_mount_processes_are_errors() {
    let server = filled();
    let (_folder, directory) = ground();
    let config = MountConfig { names_ttl_ms: 60_000, answer_limit_ms: 1500, ..trapped(&server, &directory) };
    let mut mount = Mount::start(&config);
    let kernel = Kernel::over(&directory);
    let line = format!("cd '{}' && cat sub/b.txt && LC_ALL=C cat a.txt; cat /etc/hostname > /dev/null && echo elsewhere", directory.display());
    assert_eq!(succeeded(&kernel.shell(&line)), "betaalphaelsewhere\n");
    mount.kill();
    let began = Instant::now();
    let output = kernel.shell(&format!("cat /etc/hostname > /dev/null && echo elsewhere; LC_ALL=C cat '{}/a.txt'", directory.display()));
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert!(String::from_utf8_lossy(&output.stdout) == "elsewhere\n" && error_of(&output).contains("Input/output error"), "{output:?}");
    // What the killed one left is taken away, and the next one works.
    let mount = Mount::start(&config);
    let kernel = Kernel::over(&directory);
    assert_eq!(succeeded(&kernel.shell(&line)), "betaalphaelsewhere\n");
    drop(server);
    let began = Instant::now();
    let output = kernel.shell(&format!("LC_ALL=C cat '{}/big.bin' | wc -c; LC_ALL=C cat '{}/sub/deep/c.txt'", directory.display(), directory.display()));
    assert!(error_of(&output).contains("Input/output error") && began.elapsed() < Duration::from_secs(60), "{:?} {output:?}", began.elapsed());
    assert_eq!(mount.end(), None);
    assert_eq!(fs::read_dir(&directory).map_or(0, Iterator::count), 0, "nothing is left behind");
}

/// SEMANTICS: "A process whose kernel is gone does not hang in an open."
#[test]
fn a_killed_supervisor_leaves_no_process_hanging() {
    let server = filled();
    let (folder, directory) = ground();
    let alive = folder.path().join("alive");
    let config = trapped(&server, &directory);
    let mut command = Command::new(CHECKS);
    command.arg("supervise").arg(&directory).args(["python3", "-c"]);
    command.arg(format!("import os\nopen('{}', 'w').write(str(os.getpid()))\nwhile True:\n    open('{}/a.txt').read()", alive.display(), directory.display()));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    child.stdin.take().expect("piped").write_all(config.to_wire().as_bytes()).expect("it reads");
    let pid = wait("the program runs", || fs::read_to_string(&alive).ok().filter(|text| !text.is_empty()).ok_or_else(String::new));
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    wait("the trapped program ends", || if Path::new(&format!("/proc/{pid}")).exists() { Err(format!("{pid} is there")) } else { Ok(()) });
    wait("the mount process leaves nothing", || if directory.exists() { Err("the directory is there".to_owned()) } else { Ok(()) });
}

/// The same checks through FUSE.
#[test]
fn fuse_passes_the_same_checks() {
    let server = filled();
    let (_folder, directory) = ground();
    let mount = Mount::start(&MountConfig { overwrite: true, ..config(&server, "data", &directory) });
    checked("read", &directory);
    checked("write", &directory);
    assert_eq!(mount.end(), None);
    assert_eq!(server.get("c", "data/w-large").map(|bytes| bytes.len()), Some(20_000_003));
}

/// Writes and reads below the mount for a while, whatever fails; then says that it is done.
const BUSY: &str = r#"
import os, sys, time
directory, seed, failed = sys.argv[1], int(sys.argv[2]), 0
until = time.time() + 2.5
n = 0
while time.time() < until:
    n += 1
    length = 1 + (seed * 7919 + n * 104729) % 3000000
    try:
        with open(f"{directory}/w-{seed}-{n}", "wb") as f:
            f.write(b"%d " % length)
            f.write(bytes([n % 251]) * length)
        assert len(open(f"{directory}/a.txt").read()) == 5
        os.listdir(f"{directory}/sub")
    except OSError as e:
        failed += 1
        time.sleep(0.01)
open("/dev/null").close()
print("done", failed)
"#;

/// The mount process is killed at a random moment: no program hangs, no half object is in the store, and the next mount works on a clean directory.
/// `OCHRE_SEEDS` are the rounds.
#[test]
fn kills_at_any_moment_leave_no_program_hanging_and_no_half_object() {
    let rounds = std::env::var("OCHRE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4u64);
    let server = filled();
    let (_folder, directory) = ground();
    fs::create_dir(&directory).expect("a directory");
    let config = MountConfig { overwrite: true, ..trapped(&server, &directory) };
    for seed in 0..rounds {
        let mut mount = Mount::start(&config);
        let kernel = Kernel::over(&directory);
        let seed_text = seed.to_string();
        let child = kernel.command(&["python3", "-c", BUSY, path(&directory), &seed_text]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("python3 is installed");
        let first = format!("data/w-{seed}-1");
        wait("the program writes", || server.get("c", &first).map(drop).ok_or_else(String::new));
        let moment = Duration::from_millis(seed.wrapping_mul(6_364_136_223_846_793_005).rotate_left(20) % 1500);
        std::thread::sleep(moment);
        mount.kill();
        let output = child.wait_with_output().expect("it ends");
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("done "), "seed {seed}, killed after {moment:?}: {output:?}");
        drop(kernel);
        let mut whole = 0;
        for number in 1..10_000u64 {
            let Some(bytes) = server.get("c", &format!("data/w-{seed}-{number}")) else { continue };
            let length = 1 + (seed * 7919 + number * 104_729) % 3_000_000;
            let head = format!("{length} ");
            assert_eq!(bytes.len() as u64, head.len() as u64 + length, "seed {seed}: w-{seed}-{number} is half");
            assert!(bytes.starts_with(head.as_bytes()) && bytes[head.len()..].iter().all(|&byte| u64::from(byte) == number % 251), "seed {seed}");
            whole += 1;
            server.remove("c", &format!("data/w-{seed}-{number}"));
        }
        assert!(whole > 0, "seed {seed}: nothing was written within {moment:?}");
        let next = Mount::start(&config);
        let kernel = Kernel::over(&directory);
        assert_eq!(succeeded(&kernel.shell(&format!("cat '{}/a.txt'", directory.display()))), "alpha", "seed {seed}");
        assert_eq!(next.end(), None, "seed {seed}");
        assert_eq!(fs::read_dir(&directory).expect("it is there").count(), 0, "seed {seed}: something is left");
    }
}
