//! What must hold below a mounted directory, whichever way it is mounted, as a program that runs there (under the filter, inside a container, as a user
//! without privileges); and what plays the kernel for the way by trapped opens. For the tests of this crate.
//!
//! ```text
//! ochre-mount-checks fill SIZE                  prints the content of a file of that size
//! ochre-mount-checks read DIR | write DIR       the checks; one line each
//! ochre-mount-checks write-folder DIR           those that hold in a folder that is copied
//! ochre-mount-checks opens DIR COUNT            microseconds for an open and close elsewhere, for a stat elsewhere, for both below DIR
//! ochre-mount-checks trapped SOCKET COMMAND…    as `ochre trapped`
//! ochre-mount-checks supervise DIR COMMAND…     mounts (the configuration is on stdin), runs the command under the filter, unmounts
//! ```
#![forbid(unsafe_code)]

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};
use std::time::{Duration, Instant};

use ochre_mount::FromMount;
use ochre_mount::seccomp::{self, Supervisor};

/// Size of `big.bin`, in bytes: some parts, and not a whole number of them.
const BIG: u64 = 20_000_003;
/// How long the mount process may take to be ready.
const READY: Duration = Duration::from_secs(60);

/// One check.
type Check = (&'static str, fn(&Path));

const READ: &[Check] = &[
    ("names", names),
    ("sizes_and_kinds", sizes_and_kinds),
    ("contents", contents),
    ("parts", parts),
    ("paths", paths),
    ("missing", missing),
    ("many_threads", many_threads),
    ("programs", programs),
    ("python", python),
];

const WRITE: &[Check] = &[
    ("create", create),
    ("replace", replace),
    ("versions", versions),
    ("large", large),
    ("directories", directories),
    ("rename_and_delete", rename_and_delete),
    ("programs_write", programs_write),
    ("python_writes", python_writes),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["fill", size] => {
            let size: u64 = size.parse().expect("a number");
            std::io::stdout().write_all(&pattern(0, size)).expect("somebody reads");
        }
        ["read", directory] => run(READ, Path::new(directory)),
        ["write", directory] => run(WRITE, Path::new(directory)),
        ["write-folder", directory] => {
            let plain: Vec<Check> = WRITE.iter().filter(|(name, _)| *name != "versions").copied().collect();
            run(&plain, Path::new(directory));
        }
        ["opens", directory, count] => opens(Path::new(directory), count.parse().expect("a number")),
        ["trapped", socket, ..] => {
            let command: Vec<_> = std::env::args_os().skip(3).collect();
            let error = seccomp::run_trapped(Path::new(socket), &command);
            eprintln!("{}: {error}", words[2]);
            exit(127);
        }
        ["supervise", directory, command @ ..] => exit(supervise(Path::new(directory), command)),
        _ => {
            eprintln!("see the source for what this takes");
            exit(2);
        }
    }
}

fn run(checks: &[Check], directory: &Path) {
    for (name, check) in checks {
        check(directory);
        println!("ok {name}");
    }
}

/// What plays the kernel: a mount process, a supervisor, a command.
fn supervise(directory: &Path, command: &[&str]) -> i32 {
    let own = std::env::current_exe().expect("a path");
    let mut mount = Command::new(own.with_file_name("ochre-mount")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the mount process starts");
    let mut to_mount = mount.stdin.take().expect("piped");
    let mut config = String::new();
    std::io::stdin().lock().read_line(&mut config).expect("the configuration");
    to_mount.write_all(config.as_bytes()).expect("the mount process reads");
    let mut lines = BufReader::new(mount.stdout.take().expect("piped")).lines();
    let ready = lines.next().expect("a line").expect("text");
    eprintln!("{ready}");
    let began = Instant::now();
    let supervisor = Supervisor::new().expect("a socket");
    if matches!(FromMount::from_line(&ready), Some(FromMount::Ready { .. })) {
        supervisor.add(directory).expect("the mount process answers");
        let wrapper = supervisor.wrapper(&own);
        let status = Command::new(&wrapper[0]).args(&wrapper[1..]).args(command).stdin(Stdio::null()).status().expect("the command starts");
        supervisor.wait(READY).unwrap_or_else(|_| assert!(began.elapsed() < READY, "no filter"));
        drop(to_mount);
        for line in lines.map_while(Result::ok) {
            eprintln!("{line}");
        }
        let ended = mount.wait().expect("it ends");
        return status.code().unwrap_or(200) | if ended.success() { 0 } else { 100 };
    }
    let _ = mount.wait();
    101
}

/// The content of every file of these checks: the byte at an offset.
fn pattern(from: u64, length: u64) -> Vec<u8> {
    (from..from + length).map(|at| ((at.wrapping_mul(2_654_435_761) >> 13) ^ (at >> 20)) as u8).collect()
}

fn list(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory).expect("it can be listed").map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.retain(|name| !name.starts_with("w-"));
    names.sort();
    names
}

fn names(directory: &Path) {
    assert_eq!(list(directory), ["a.txt", "big.bin", "empty", "naïve file.txt", "sub"]);
    assert_eq!(list(&directory.join("sub")), ["b.txt", "deep"]);
    assert_eq!(list(&directory.join("sub/deep")), ["c.txt"]);
    assert_eq!(list(&directory.join("sub/../sub/./deep")), ["c.txt"]);
}

fn sizes_and_kinds(directory: &Path) {
    let big = fs::metadata(directory.join("big.bin")).expect("it is there");
    assert_eq!((big.len(), big.is_file(), big.is_dir()), (BIG, true, false));
    assert!(big.permissions().mode() & 0o444 == 0o444, "{:o}", big.permissions().mode());
    let age = big.modified().expect("a time").elapsed().expect("past");
    assert!(age < Duration::from_secs(3600), "{age:?}");
    assert!(fs::metadata(directory.join("sub")).expect("it is there").is_dir());
    assert_eq!(fs::symlink_metadata(directory.join("sub/deep/c.txt")).expect("it is there").len(), 5);
    assert_eq!(fs::metadata(directory.join("empty")).expect("it is there").len(), 0);
    assert!(directory.join("sub/b.txt").exists() && !directory.join("sub/nothing").exists());
    // The file that is opened is the one that was looked at: `cp` insists on that.
    let path = directory.join("naïve file.txt");
    let before = fs::metadata(&path).expect("it is there");
    let opened = File::open(&path).expect("it opens").metadata().expect("it is there");
    assert_eq!((before.ino(), before.dev(), before.len()), (opened.ino(), opened.dev(), opened.len()));
}

fn contents(directory: &Path) {
    for (name, text) in [("a.txt", "alpha"), ("sub/b.txt", "beta"), ("sub/deep/c.txt", "gamma"), ("empty", ""), ("naïve file.txt", "naïve")] {
        assert_eq!(fs::read_to_string(directory.join(name)).expect(name), text, "{name}");
    }
    assert!(fs::read(directory.join("big.bin")).expect("it reads") == pattern(0, BIG));
}

fn parts(directory: &Path) {
    let mut file = File::open(directory.join("big.bin")).expect("it opens");
    for offset in [BIG - 10, 0, 8_388_600, 19_999_000, 1] {
        let mut part = vec![0; 4096.min((BIG - offset) as usize)];
        file.read_exact_at(&mut part, offset).expect("it reads");
        assert!(part == pattern(offset, part.len() as u64), "at {offset}");
    }
    assert_eq!(file.seek(SeekFrom::End(-3)).expect("it seeks"), BIG - 3);
    let mut end = Vec::new();
    file.read_to_end(&mut end).expect("it reads");
    assert_eq!(end, pattern(BIG - 3, 3));
    assert_eq!(file.read_at(&mut [0; 8], BIG + 5).expect("it reads"), 0);
}

fn paths(directory: &Path) {
    let outside = std::env::temp_dir().join(format!("ochre-checks-{}", std::process::id()));
    let _ = fs::remove_file(&outside);
    std::os::unix::fs::symlink(directory.join("sub"), &outside).expect("a link");
    assert_eq!(fs::read_to_string(outside.join("b.txt")).expect("through a link"), "beta");
    assert_eq!(fs::read_to_string(outside.join("../a.txt")).expect("through a link and back"), "alpha");
    fs::remove_file(&outside).expect("the link goes");
    std::env::set_current_dir(directory.join("sub/deep")).expect("it can be entered");
    assert_eq!(fs::read_to_string("c.txt").expect("relative"), "gamma");
    assert_eq!(fs::read_to_string("../../a.txt").expect("relative, upwards"), "alpha");
    assert_eq!(list(Path::new("..")), ["b.txt", "deep"]);
    let whole = fs::canonicalize("../b.txt").expect("a true path");
    assert_eq!(whole, directory.canonicalize().expect("a true path").join("sub/b.txt"));
    // Not back to where it began: a user without privileges may not be let in there again.
    std::env::set_current_dir("/").expect("out of the mount");
    let file = File::open(directory.join("a.txt")).expect("it opens");
    let again = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    assert_eq!(fs::read_to_string(again).expect("by its descriptor"), "alpha");
}

fn missing(directory: &Path) {
    for name in ["nothing", "sub/nothing", "no/such/path", "a.txtx"] {
        assert_eq!(fs::read(directory.join(name)).expect_err(name).kind(), ErrorKind::NotFound, "{name}");
        assert_eq!(fs::metadata(directory.join(name)).expect_err(name).kind(), ErrorKind::NotFound, "{name}");
    }
    assert_eq!(fs::read(directory.join("a.txt/x")).expect_err("below a file").kind(), ErrorKind::NotADirectory);
    assert_eq!(fs::read_dir(directory.join("a.txt")).expect_err("a file").kind(), ErrorKind::NotADirectory);
}

fn many_threads(directory: &Path) {
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            scope.spawn(move || {
                for round in 0..20 {
                    let offset = (thread * 2_000_000 + round * 1000) % (BIG - 5000);
                    let mut part = vec![0; 5000];
                    File::open(directory.join("big.bin")).expect("it opens").read_exact_at(&mut part, offset).expect("it reads");
                    assert!(part == pattern(offset, 5000));
                    assert_eq!(fs::read_to_string(directory.join("sub/b.txt")).expect("it reads"), "beta");
                }
            });
        }
    });
}

/// Runs a line of shell in `directory` and gives what it printed.
fn shell(directory: &Path, line: &str) -> String {
    let output = Command::new("sh").arg("-c").arg(line).current_dir(directory).output().expect("a shell");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{line}: {}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn programs(directory: &Path) {
    assert_eq!(shell(directory, "cat a.txt sub/b.txt; cat < sub/deep/c.txt"), "alphabetagamma");
    assert_eq!(shell(directory, "ls sub"), "b.txt\ndeep\n");
    assert_eq!(shell(Path::new("/"), &format!("cd '{}/sub' && ls deep && wc -c < ../big.bin", directory.display())).split_whitespace().collect::<Vec<_>>(), ["c.txt", "20000003"]);
    assert_eq!(shell(directory, "test -r a.txt && test -d sub && test ! -e nothing && echo yes"), "yes\n");
    let copy = std::env::temp_dir().join(format!("ochre-copy-{}", std::process::id()));
    shell(directory, &format!("cp big.bin '{0}' && cmp big.bin '{0}' && test -r '{0}'", copy.display()));
    assert!(fs::read(&copy).expect("the copy") == pattern(0, BIG));
    fs::remove_file(copy).expect("it goes");
    assert_eq!(shell(directory, "find . -name 'c*' -type f"), "./sub/deep/c.txt\n");
}

fn python(directory: &Path) {
    let script = r#"
import glob, mmap, os, shutil, tempfile
assert open("a.txt").read() == "alpha"
assert sorted(glob.glob("**/*.txt", recursive=True)) == ["a.txt", "naïve file.txt", "sub/b.txt", "sub/deep/c.txt"], glob.glob("**/*.txt", recursive=True)
assert [sorted(f) for _, _, f in os.walk("sub")] == [["b.txt"], ["c.txt"]]
with open("big.bin", "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
    assert len(m) == 20000003 and m[8388600:8388610] == open("big.bin", "rb").read()[8388600:8388610]
assert os.path.getsize("sub/deep/c.txt") == 5 and os.access("a.txt", os.R_OK) and os.path.isdir("sub")
with tempfile.TemporaryDirectory() as t:
    shutil.copytree("sub", t + "/copy")
    assert open(t + "/copy/deep/c.txt").read() == "gamma"
print("python read")
"#;
    assert_eq!(python_in(directory, script), "python read\n");
}

fn python_in(directory: &Path, script: &str) -> String {
    let output = Command::new("python3").args(["-c", script]).env("LC_ALL", "C.UTF-8").current_dir(directory).output().expect("python3 is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn create(directory: &Path) {
    let path = directory.join("w-new.txt");
    let mut file = File::create_new(&path).expect("it is made");
    file.write_all(b"one ").expect("it writes");
    file.write_all(b"two").expect("it writes");
    file.sync_all().expect("it arrives");
    drop(file);
    assert_eq!(fs::read_to_string(&path).expect("it reads"), "one two");
    assert_eq!(fs::metadata(&path).expect("it is there").len(), 7);
    assert_eq!(File::create_new(&path).expect_err("it is there").kind(), ErrorKind::AlreadyExists);
    fs::write(directory.join("w-empty"), "").expect("an empty file");
    assert_eq!(fs::read(directory.join("w-empty")).expect("it reads"), b"");
    assert_eq!(fs::write(directory.join("w-no/such/x"), "x").expect_err("no directory").kind(), ErrorKind::NotFound);
}

fn replace(directory: &Path) {
    let path = directory.join("w-replaced");
    fs::write(&path, "old and long").expect("it writes");
    fs::write(&path, "new").expect("it is replaced");
    assert_eq!(fs::read_to_string(&path).expect("it reads"), "new");
}

/// A file that is open keeps its version, or cannot be read on. Not so in a folder that is a plain one.
fn versions(directory: &Path) {
    let path = directory.join("w-versions");
    fs::write(&path, "old and long").expect("it writes");
    let reader = File::open(&path).expect("it opens");
    fs::write(&path, "new").expect("it is replaced");
    assert_eq!(fs::read_to_string(&path).expect("it reads"), "new");
    let mut old = String::new();
    (&reader).read_to_string(&mut old).unwrap_or_default();
    assert!(old == "old and long" || old.is_empty(), "{old}");
}

fn large(directory: &Path) {
    let path = directory.join("w-large");
    let mut file = File::create(&path).expect("it is made");
    for at in (0..BIG).step_by(1 << 20) {
        file.write_all(&pattern(at, (1 << 20).min(BIG - at))).expect("it writes");
    }
    drop(file);
    assert!(fs::read(&path).expect("it reads") == pattern(0, BIG));
}

fn directories(directory: &Path) {
    fs::create_dir_all(directory.join("w-dir/inner")).expect("they are made");
    assert_eq!(fs::create_dir(directory.join("w-dir")).expect_err("it is there").kind(), ErrorKind::AlreadyExists);
    fs::write(directory.join("w-dir/inner/f"), "f").expect("it writes");
    assert_eq!(list(&directory.join("w-dir/inner")), ["f"]);
    assert_eq!(fs::remove_dir(directory.join("w-dir/inner")).expect_err("it is not empty").kind(), ErrorKind::DirectoryNotEmpty);
    fs::create_dir(directory.join("w-gone")).expect("it is made");
    fs::remove_dir(directory.join("w-gone")).expect("it goes");
    assert!(!directory.join("w-gone").exists());
}

fn rename_and_delete(directory: &Path) {
    let (from, to) = (directory.join("w-from"), directory.join("w-to"));
    fs::write(&from, "moved").expect("it writes");
    fs::rename(&from, &to).expect("it moves");
    assert_eq!(fs::read_to_string(&to).expect("it reads"), "moved");
    assert!(!from.exists());
    fs::remove_file(&to).expect("it goes");
    assert_eq!(fs::read(&to).expect_err("it is gone").kind(), ErrorKind::NotFound);
    assert_eq!(fs::remove_file(&to).expect_err("it is gone").kind(), ErrorKind::NotFound);
}

fn programs_write(directory: &Path) {
    shell(directory, "echo hello > w-shell && cat w-shell && cp w-shell w-copied && mv w-copied w-moved && rm w-shell");
    assert_eq!(fs::read_to_string(directory.join("w-moved")).expect("it reads"), "hello\n");
    assert!(!directory.join("w-shell").exists());
    shell(directory, "cat big.bin > w-big && cmp big.bin w-big && rm w-big");
}

fn python_writes(directory: &Path) {
    let script = r#"
import os
with open("w-python", "w") as f:
    f.write("x" * 100000)
assert os.path.getsize("w-python") == 100000 and open("w-python").read(3) == "xxx"
os.rename("w-python", "w-python2")
assert not os.path.exists("w-python")
os.remove("w-python2")
try:
    open("w-python2")
except FileNotFoundError:
    print("python wrote")
"#;
    assert_eq!(python_in(directory, script), "python wrote\n");
}

fn opens(directory: &Path, count: u32) {
    let time = |what: &dyn Fn()| {
        what();
        let began = Instant::now();
        (0..count).for_each(|_| what());
        began.elapsed().as_secs_f64() * 1e6 / f64::from(count)
    };
    let elsewhere: PathBuf = std::env::current_exe().expect("a path");
    let (below, other) = (directory.join("a.txt"), elsewhere.as_path());
    println!(
        "open elsewhere {:.1} µs, stat elsewhere {:.1} µs, missing elsewhere {:.1} µs, open below {:.1} µs, stat below {:.1} µs",
        time(&|| drop(File::open(other))),
        time(&|| drop(fs::metadata(other))),
        time(&|| drop(fs::metadata("/usr/lib/no-such-file"))),
        time(&|| drop(OpenOptions::new().read(true).open(&below))),
        time(&|| drop(fs::metadata(&below))),
    );
}
