//! Seeded random operations on a real mount, each compared with a model of a few lines: a map of files. Over our own server with and without changes
//! behind the mount's back, over Azurite, and over a folder of this machine.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use ochre_mount::{MountConfig, WayName};
use ochre_servers::Azurite;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use support::*;

/// Operations of one run.
const STEPS: usize = 60;

/// What the mount should hold, by path below the run's own directory.
#[derive(Default)]
struct Model {
    files: BTreeMap<String, Vec<u8>>,
    /// Directories that stay without files: made here, or emptied here.
    local: BTreeSet<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    File,
    Directory,
    Nothing,
}

/// What an operation gives: something to compare, or an errno.
type Outcome = Result<String, i32>;

impl Model {
    fn kind(&self, path: &str) -> Kind {
        let below = format!("{path}/");
        match () {
            () if path.is_empty() || self.local.contains(path) || self.files.keys().any(|key| key.starts_with(&below)) => Kind::Directory,
            () if self.files.contains_key(path) => Kind::File,
            () => Kind::Nothing,
        }
    }

    /// What stops an operation on `path` before it is looked at: its directory.
    fn parent(&self, path: &str) -> Result<(), i32> {
        let mut ancestors: Vec<&str> = path.match_indices('/').map(|(at, _)| &path[..at]).collect();
        ancestors.sort_unstable();
        for ancestor in ancestors {
            match self.kind(ancestor) {
                Kind::Directory => {}
                Kind::File => return Err(libc::ENOTDIR),
                Kind::Nothing => return Err(libc::ENOENT),
            }
        }
        Ok(())
    }

    fn list(&self, path: &str) -> Vec<String> {
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let names = self.files.keys().chain(&self.local).filter_map(|key| key.strip_prefix(&below)).filter(|rest| !rest.is_empty());
        let names: BTreeSet<String> = names.map(|rest| rest.split('/').next().unwrap().to_owned()).collect();
        names.into_iter().collect()
    }

    fn emptied(&mut self, path: &str) {
        if let Some((directory, _)) = path.rsplit_once('/') {
            self.local.insert(directory.to_owned());
        }
    }
}

struct Run<'a> {
    model: Model,
    random: StdRng,
    base: &'a Path,
    overwrite: bool,
    /// Changes behind the mount's back.
    outside: Option<&'a dyn Fn(&str, Option<&[u8]>)>,
}

fn errno(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

fn text(bytes: &[u8]) -> String {
    format!("{} bytes {:08x}", bytes.len(), crc32fast::hash(bytes))
}

impl Run<'_> {
    fn path(&mut self) -> String {
        let depth = self.random.random_range(1..=3);
        let parts: Vec<&str> = (0..depth).map(|_| ["a", "b", "c ü"][self.random.random_range(0..3)]).collect();
        parts.join("/")
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = match self.random.random_range(0..10) {
            0 => 0,
            1 => self.random.random_range(1_000_000..3_000_000),
            _ => self.random.random_range(1..5_000),
        };
        (0..length).map(|at| (at as u64 * 31 % 251) as u8 ^ self.random.random::<u8>() & u8::from(at < 64)).collect()
    }

    /// One operation: its name, and what the mount and the model say.
    fn step(&mut self) -> (String, Outcome, Outcome) {
        let path = self.path();
        let at = self.base.join(&path);
        match self.random.random_range(0..13) {
            0..3 => {
                let (new, bytes) = (self.random.random(), self.bytes());
                let real = write(&at, new, &bytes).map(|()| String::new()).map_err(errno);
                (format!("write {path} new={new} {}", bytes.len()), real, self.write(&path, new, bytes))
            }
            3 => {
                let real = fs::OpenOptions::new().append(true).open(&at).map(|_| String::new()).map_err(errno);
                (format!("append {path}"), real, self.append(&path))
            }
            4..6 => {
                let real = fs::File::open(&at).and_then(|mut file| {
                    let mut bytes = Vec::new();
                    file.read_to_end(&mut bytes).map(|_| text(&bytes))
                });
                (format!("read {path}"), real.map_err(errno), self.read(&path, 0, usize::MAX))
            }
            6 => {
                let (offset, length) = (self.random.random_range(0..4_000_000u64), self.random.random_range(1..200_000));
                let real = fs::File::open(&at).and_then(|file| {
                    let mut bytes = vec![0; length];
                    let mut read = 0;
                    while read < length {
                        match file.read_at(&mut bytes[read..], offset + read as u64)? {
                            0 => break,
                            more => read += more,
                        }
                    }
                    Ok(text(&bytes[..read]))
                });
                (format!("read {path} {offset}+{length}"), real.map_err(errno), self.read(&path, offset as usize, length))
            }
            7 => (format!("unlink {path}"), fs::remove_file(&at).map(|()| String::new()).map_err(errno), self.unlink(&path)),
            8 => (format!("mkdir {path}"), fs::create_dir(&at).map(|()| String::new()).map_err(errno), self.mkdir(&path)),
            9 => (format!("rmdir {path}"), fs::remove_dir(&at).map(|()| String::new()).map_err(errno), self.rmdir(&path)),
            10 => {
                let to = self.path();
                let real = fs::rename(&at, self.base.join(&to)).map(|()| String::new()).map_err(errno);
                (format!("rename {path} -> {to}"), real, self.rename(&path, &to))
            }
            11 => {
                let real = fs::read_dir(&at).and_then(|entries| {
                    let names: Result<Vec<String>, _> = entries.map(|entry| entry.map(|entry| entry.file_name().into_string().unwrap())).collect();
                    names.map(|mut names| {
                        names.sort();
                        names.join("|")
                    })
                });
                (format!("list {path}"), real.map_err(errno), self.list(&path))
            }
            _ => {
                let real = fs::metadata(&at).map(|meta| if meta.is_dir() { "directory".to_owned() } else { meta.len().to_string() });
                (format!("stat {path}"), real.map_err(errno), self.stat(&path))
            }
        }
    }

    fn write(&mut self, path: &str, new: bool, bytes: Vec<u8>) -> Outcome {
        self.model.parent(path)?;
        match self.model.kind(path) {
            Kind::File | Kind::Directory if new => return Err(libc::EEXIST),
            Kind::Directory => return Err(libc::EISDIR),
            Kind::File if !self.overwrite => return Err(libc::EPERM),
            _ => {}
        }
        self.model.files.insert(path.to_owned(), bytes);
        Ok(String::new())
    }

    fn append(&mut self, path: &str) -> Outcome {
        self.model.parent(path)?;
        match self.model.kind(path) {
            Kind::Directory => Err(libc::EISDIR),
            Kind::Nothing => Err(libc::ENOENT),
            Kind::File if !self.overwrite => Err(libc::EPERM),
            Kind::File if self.model.files[path].is_empty() => Ok(String::new()),
            Kind::File => Err(libc::EOPNOTSUPP),
        }
    }

    fn read(&mut self, path: &str, offset: usize, length: usize) -> Outcome {
        self.model.parent(path)?;
        match self.model.kind(path) {
            Kind::Directory => Err(libc::EISDIR),
            Kind::Nothing => Err(libc::ENOENT),
            Kind::File => {
                let bytes = &self.model.files[path];
                let begin = offset.min(bytes.len());
                Ok(text(&bytes[begin..begin.saturating_add(length).min(bytes.len())]))
            }
        }
    }

    fn unlink(&mut self, path: &str) -> Outcome {
        self.model.parent(path)?;
        match self.model.kind(path) {
            Kind::Directory => Err(libc::EISDIR),
            Kind::Nothing => Err(libc::ENOENT),
            Kind::File if !self.overwrite => Err(libc::EPERM),
            Kind::File => {
                self.model.files.remove(path);
                self.model.emptied(path);
                Ok(String::new())
            }
        }
    }

    fn mkdir(&mut self, path: &str) -> Outcome {
        self.model.parent(path)?;
        if self.model.kind(path) != Kind::Nothing {
            return Err(libc::EEXIST);
        }
        self.model.local.insert(path.to_owned());
        Ok(String::new())
    }

    fn rmdir(&mut self, path: &str) -> Outcome {
        self.model.parent(path)?;
        match self.model.kind(path) {
            Kind::File => Err(libc::ENOTDIR),
            Kind::Nothing => Err(libc::ENOENT),
            Kind::Directory if !self.model.list(path).is_empty() => Err(libc::ENOTEMPTY),
            Kind::Directory => {
                self.model.local.remove(path);
                Ok(String::new())
            }
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> Outcome {
        self.model.parent(from)?;
        self.model.parent(to)?;
        let (source, target) = (self.model.kind(from), self.model.kind(to));
        // The kernel's own checks, in its order.
        match (source, target) {
            (Kind::Nothing, _) => return Err(libc::ENOENT),
            _ if to.starts_with(&format!("{from}/")) => return Err(libc::EINVAL),
            (_, Kind::Directory) if from.starts_with(&format!("{to}/")) => return Err(libc::ENOTEMPTY),
            _ if from == to => return Ok(String::new()),
            (Kind::File, Kind::Directory) => return Err(libc::EISDIR),
            (Kind::Directory, Kind::File) => return Err(libc::ENOTDIR),
            _ if !self.overwrite => return Err(libc::EPERM),
            (Kind::Directory, _) => return Err(libc::EXDEV),
            _ => {}
        }
        let bytes = self.model.files.remove(from).unwrap();
        self.model.files.insert(to.to_owned(), bytes);
        self.model.emptied(from);
        Ok(String::new())
    }

    fn list(&mut self, path: &str) -> Outcome {
        self.model.parent(path)?;
        match self.model.kind(path) {
            Kind::File => Err(libc::ENOTDIR),
            Kind::Nothing => Err(libc::ENOENT),
            Kind::Directory => Ok(self.model.list(path).join("|")),
        }
    }

    fn stat(&mut self, path: &str) -> Outcome {
        self.model.parent(path)?;
        match self.model.kind(path) {
            Kind::Directory => Ok("directory".to_owned()),
            Kind::Nothing => Err(libc::ENOENT),
            Kind::File => Ok(self.model.files[path].len().to_string()),
        }
    }

    /// Somebody else writes or deletes a file.
    fn someone_else(&mut self) -> Option<String> {
        let outside = self.outside?;
        if self.random.random_range(0..5) > 0 {
            return None;
        }
        let path = self.path();
        if self.model.parent(&path).is_err() {
            return None;
        }
        match self.model.kind(&path) {
            Kind::Directory => None,
            Kind::File if self.random.random() => {
                outside(&path, None);
                self.model.files.remove(&path);
                Some(format!("outside: delete {path}"))
            }
            _ => {
                let bytes = self.bytes();
                outside(&path, Some(&bytes));
                self.model.files.insert(path.clone(), bytes);
                Some(format!("outside: write {path}"))
            }
        }
    }

    fn run(&mut self, seed: u64) -> &Model {
        let mut log: Vec<String> = Vec::new();
        for _ in 0..STEPS {
            log.extend(self.someone_else());
            let (name, real, expected) = self.step();
            log.push(format!("{name} = {real:?}"));
            assert_eq!(real, expected, "seed {seed}, overwrite {}:\n{}", self.overwrite, log.join("\n"));
        }
        &self.model
    }
}

/// Writes in pieces, and closes with the error of the close.
fn write(path: &Path, new: bool, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true);
    if new { options.create_new(true) } else { options.create(true).truncate(true) };
    let mut file = options.open(path)?;
    for piece in bytes.chunks(300_000) {
        file.write_all(piece)?;
    }
    // As a close: the file is visible, or this is the error.
    file.sync_all()
}

/// Runs `seeds` against mounts of our own server.
fn over_our_server(seeds: std::ops::Range<u64>) {
    for (overwrite, ttl) in [(false, 0), (true, 0), (true, 5000)] {
        let server = server();
        let (_folder, directory) = ground();
        let mount = Mount::start(&MountConfig { overwrite, names_ttl_ms: ttl, ..config(&server, "", &directory) });
        for seed in seeds.clone() {
            let base = mount.path(&format!("s{seed}"));
            fs::create_dir(&base).unwrap();
            let change = |path: &str, bytes: Option<&[u8]>| match bytes {
                Some(bytes) => server.put("c", &format!("s{seed}/{path}"), bytes.to_vec()),
                None => server.remove("c", &format!("s{seed}/{path}")),
            };
            let outside: Option<&dyn Fn(&str, Option<&[u8]>)> = if ttl == 0 { Some(&change) } else { None };
            let mut run = Run { model: Model::default(), random: StdRng::seed_from_u64(seed), base: &base, overwrite, outside };
            let model = run.run(seed);
            let prefix = format!("s{seed}/");
            let stored: BTreeMap<String, Vec<u8>> = server
                .names("c")
                .into_iter()
                .filter_map(|name| Some((name.strip_prefix(&prefix)?.to_owned(), server.get("c", &name)?.to_vec())))
                .collect();
            assert!(stored == model.files, "seed {seed}: what is stored differs: {:?} and {:?}", stored.keys(), model.files.keys());
        }
        assert_eq!(mount.end(), None);
        assert_eq!(server.unfinished(), 0);
    }
}

#[test]
fn random_operations_do_what_the_model_says() {
    over_our_server(0..10);
}

#[test]
#[ignore = "slow: 3,000 runs of the model"]
fn random_operations_do_what_the_model_says_1000() {
    over_our_server(1000..2000);
}

#[test]
fn random_operations_over_azurite() {
    let azurite = Azurite::start().expect("Azurite (`cargo xtask test` installs it)");
    let grant = serde_json::from_slice(&azurite_grant(&azurite).to_wire()).unwrap();
    let (_folder, directory) = ground();
    let url = format!("az://model@{}", Azurite::ACCOUNT);
    make_container(&azurite, &url);
    let config = MountConfig { grant: Some(grant), way: Some(WayName::Fuse), overwrite: true, ..MountConfig::new(&url, &directory) };
    let mount = Mount::start(&config);
    for seed in 0..4 {
        let base = mount.path(&format!("s{seed}"));
        fs::create_dir(&base).unwrap();
        Run { model: Model::default(), random: StdRng::seed_from_u64(seed), base: &base, overwrite: true, outside: None }.run(seed);
    }
    assert_eq!(mount.end(), None);
}

fn make_container(azurite: &Azurite, url: &str) {
    let location = ochre_blobs::Location::parse(url).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let grants = std::sync::Arc::new(ochre_blobs::FixedGrant(azurite_grant(azurite)));
        ochre_blobs::Container::open(&location, grants).await.unwrap().create().await.unwrap();
    });
}

#[test]
fn a_folder_of_this_machine_can_be_mounted() {
    let store = tempfile::tempdir().unwrap();
    let (_folder, directory) = ground();
    let grant = serde_json::from_slice(&ochre_blobs::Grant::new(ochre_blobs::Credential::Anonymous).to_wire()).unwrap();
    let url = format!("file://{}", store.path().display());
    let config = MountConfig { grant: Some(grant), way: Some(WayName::Fuse), overwrite: true, ..MountConfig::new(&url, &directory) };
    let mount = Mount::start(&config);
    for (name, text) in [("a", "alpha"), ("d/b", "beta")] {
        fs::create_dir_all(store.path().join("d")).unwrap();
        fs::write(store.path().join(name), text).unwrap();
    }
    assert_eq!(fs::read_to_string(mount.path("d/b")).unwrap(), "beta");
    fs::write(mount.path("d/c"), "gamma").unwrap();
    fs::rename(mount.path("a"), mount.path("d/a")).unwrap();
    assert_eq!(fs::read_to_string(store.path().join("d/c")).unwrap(), "gamma");
    assert_eq!(fs::read_to_string(store.path().join("d/a")).unwrap(), "alpha");
    assert!(!store.path().join("a").exists());
    let top: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(top, ["d"], "the folder, and not the file system that it lies in");
    let mut names: Vec<_> = fs::read_dir(mount.path("d")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(mount.end(), None);
}
