//! Programs that know nothing of mounts: they copy, hash, map, list, unpack and query what is in a container. Over Azurite and over our own server.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use ochre_mount::{FromMount, MountConfig, WayName};
use ochre_servers::{Azurite, contents};
use support::*;

fn shell(script: &str, directory: &Path) -> String {
    program("bash", &["-ec", script, "bash", directory.to_str().unwrap()])
}

/// What a person does in a shell.
fn in_a_shell(directory: &Path) {
    let said = shell(
        r#"cd "$1"
           head -c 3000000 /dev/urandom > /dev/shm/ochre-mount-$$; trap 'rm -f /dev/shm/ochre-mount-$$' EXIT
           mkdir -p in/deep; cp /dev/shm/ochre-mount-$$ in/deep/big
           cmp /dev/shm/ochre-mount-$$ in/deep/big; md5sum < in/deep/big | cmp - <(md5sum < /dev/shm/ochre-mount-$$)
           { echo one; echo two; ls in; } > in/list; exec 3> in/opened; echo first >&3; echo second >&3; exec 3>&-
           cat in/list in/opened; : > in/nothing; stat -c %s in/nothing
           for i in 1 2 3; do echo $i > in/n$i; done; ls -R in; grep -rlx two in; wc -l < in/list
           cp -r in out; mv out/list out/moved; tar cf in/all.tar -C out .; tar tf in/all.tar | sort | head -3
           rm -r out; ls; find in -type f | wc -l; du -s --apparent-size in > /dev/null; df . > /dev/null"#,
        directory,
    );
    let expected = "one\ntwo\ndeep\nlist\nfirst\nsecond\n0\n\
                    in:\ndeep\nlist\nn1\nn2\nn3\nnothing\nopened\n\nin/deep:\nbig\nin/list\n4\n./\n./deep/\n./deep/big\nin\n8\n";
    assert_eq!(said, expected);
}

/// Memory maps, random access, sqlite, zip: what data programs do.
fn in_python(directory: &Path) {
    let script = r#"
import mmap, os, sqlite3, sys, zipfile, hashlib, shutil, tempfile
root = sys.argv[1]; os.makedirs(root + "/py", exist_ok=True)
data = bytes(range(256)) * 40000
with open(root + "/py/data", "wb") as f: f.write(data)
with open(root + "/py/data", "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
    assert len(m) == len(data) and m[:] == data and m[5_000_001:5_000_009] == data[5_000_001:5_000_009] and m.find(b"\xff\x00\x01") == 255
with open(root + "/py/data", "rb") as f, mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE) as m:
    assert hashlib.md5(m).digest() == hashlib.md5(data).digest()
with tempfile.TemporaryDirectory() as t:
    db = sqlite3.connect(t + "/x.db"); db.execute("create table n(i integer primary key, t text)")
    db.executemany("insert into n(t) values (?)", [("row %d" % i,) for i in range(20000)]); db.commit(); db.close()
    shutil.copy2(t + "/x.db", root + "/py/x.db")
    with zipfile.ZipFile(t + "/z.zip", "w") as z: z.writestr("a/b", "zipped" * 1000)
    shutil.copyfile(t + "/z.zip", root + "/py/z.zip")
db = sqlite3.connect("file:" + root + "/py/x.db?mode=ro", uri=True)
assert db.execute("select count(*), max(t) from n where t like '%99'").fetchone()[0] == 200
assert zipfile.ZipFile(root + "/py/z.zip").read("a/b") == b"zipped" * 1000
assert sorted(os.listdir(root + "/py")) == ["data", "x.db", "z.zip"]
print("done")
"#;
    assert_eq!(program("python3", &["-c", script, directory.to_str().unwrap()]), "done\n");
}

#[test]
fn programs_over_azurite() {
    let azurite = Azurite::start().expect("Azurite (`cargo xtask test` installs it)");
    let grant = azurite_grant(&azurite);
    let url = format!("az://programs@{}", Azurite::ACCOUNT);
    let location = ochre_blobs::Location::parse(&url).unwrap();
    let grants = std::sync::Arc::new(ochre_blobs::FixedGrant(grant.clone()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { ochre_blobs::Container::open(&location, grants).await.unwrap().create().await.unwrap() });
    let (_folder, directory) = ground();
    let grant = serde_json::from_slice(&grant.to_wire()).unwrap();
    let mount = Mount::start(&MountConfig { grant: Some(grant), way: Some(WayName::Fuse), overwrite: true, ..MountConfig::new(&url, &directory) });
    in_a_shell(&directory);
    in_python(&directory);
    assert_eq!(mount.end(), None);
}

#[test]
fn programs_over_our_server_with_a_disk_cache() {
    let server = server();
    let (folder, directory) = ground();
    let cached = MountConfig { overwrite: true, cache: 64 << 20, cache_directory: Some(folder.path().join("cache")), ..config(&server, "", &directory) };
    let mount = Mount::start(&cached);
    in_a_shell(&directory);
    in_python(&directory);
    assert_eq!(mount.end(), None);
    assert_eq!(server.unfinished(), 0);
}

/// **100,000 names in one directory are listed.**
#[test]
fn a_hundred_thousand_names_are_listed() {
    let server = server();
    for number in 0..100_000 {
        server.put("c", &format!("many/{number:06}"), "x");
    }
    let (_folder, directory) = ground();
    let mount = Mount::start(&config(&server, "", &directory));
    let began = Instant::now();
    assert_eq!(fs::read_dir(mount.path("many")).unwrap().count(), 100_000);
    eprintln!("100,000 names: {:?}", began.elapsed());
    assert_eq!(fs::read_to_string(mount.path("many/054321")).unwrap(), "x");
    assert!(!mount.path("many/100000").exists());
}

/// **The memory of a mount stays within its budget, however much is read.**
#[test]
fn the_memory_of_a_mount_stays_within_its_budget() {
    let server = server();
    let (budget, size) = (48 << 20, 256 << 20);
    let versions: Vec<u64> = (0..4).map(|number| server.put_synthetic("c", &format!("big{number}"), size)).collect();
    let (_folder, directory) = ground();
    let mount = Mount::start(&MountConfig { budget, ..config(&server, "", &directory) });
    let before = mount.memory();
    let readers: Vec<_> = (0..4)
        .map(|number| {
            let path = mount.path(&format!("big{number}"));
            std::thread::spawn(move || std::io::copy(&mut fs::File::open(path)?, &mut std::io::sink()))
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.join().unwrap().unwrap(), size);
    }
    let file = fs::File::open(mount.path("big1")).unwrap();
    let mut part = vec![0; 1 << 20];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut part, 77 << 20).unwrap();
    assert!(part == contents("big1", versions[1], 77 << 20..78 << 20));
    // What the process needs beside the budget: its threads, its connections, and what the allocator keeps.
    let (grown, spare) = (mount.memory() - before, 96 << 20);
    assert!(grown < budget + spare, "{} MiB more than before, budget {} MiB", grown >> 20, budget >> 20);
}

/// A user who is not root mounts, where `/dev/fuse` may be opened: in a namespace of their own (mount(2)), and by fusermount3.
#[test]
fn a_user_who_is_not_root_can_mount() {
    let server = server();
    server.put("c", "a", "alpha");
    // The test's own program must be readable by that user.
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = place.path().join("ochre-mount");
    fs::copy(env!("CARGO_BIN_EXE_ochre-mount"), &binary).unwrap();
    let device = place.path().join("fuse");
    program("mknod", &["-m", "666", device.to_str().unwrap(), "c", "10", "229"]);
    let home = place.path().join("home");
    fs::create_dir(&home).unwrap();
    program("chown", &["65534:65534", home.to_str().unwrap()]);
    let directory = home.join("mount");
    for helper in [true, false] {
        // A mount namespace in which everybody may open /dev/fuse; within it, the user, with a namespace of their own or without.
        let user = if helper { "exec setpriv --reuid 65534 --regid 65534 --clear-groups" } else { "exec setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urm" };
        let script = format!("mount --bind {} /dev/fuse && {user} {}", device.display(), binary.display());
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]);
        let mount = Mount::spawn_as(&config(&server, "", &directory), command);
        let said = mount.next();
        assert!(matches!(said, FromMount::Ready { way: WayName::Fuse, .. }), "helper {helper}: {said:?}");
        // As that user, for nobody else may look into the mount.
        let (enter, user) = if helper { ("-m", "--reuid 65534 --regid 65534 --clear-groups") } else { ("-m -U --preserve-credentials -S 0", "--regid 0 --keep-groups") };
        let look = format!("exec nsenter -t {} {enter} setpriv {user} cat {}", mount.child.id(), directory.join("a").display());
        let seen = program("sh", &["-c", &look]);
        assert_eq!(seen, "alpha");
        assert_eq!(mount.end(), None, "helper {helper}");
    }
}
