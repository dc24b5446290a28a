//! Starts this crate's program, `examples/logging_program.rs`, and reads what spools have.
#![allow(dead_code)]

use ochre_spool::{Metric, Most, Reader, Record};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program, which cargo builds beside the tests.
pub fn program() -> Command {
    let test = std::env::current_exe().expect("this test");
    let path: PathBuf = test.parent().and_then(Path::parent).expect("deps/ is in a folder").join("examples/logging_program");
    assert!(path.is_file(), "{} is missing: run the tests of this crate without --test, so that cargo builds it", path.display());
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).env_remove("MLFLOW_RUN_ID").env_remove("OCHRE_RUN");
    command
}

/// All metrics in the spools of dead processes below a folder.
pub fn metrics(spools: &Path) -> Vec<Metric> {
    let (readers, problems) = ochre_spool::abandoned(spools).expect("a list");
    assert!(problems.is_empty(), "{problems:?}");
    readers.iter().flat_map(records).filter_map(|r| if let Record::Metric(metric) = r { Some(metric) } else { None }).collect()
}

pub fn records(reader: &Reader) -> Vec<Record> {
    reader.batch(Most { records: usize::MAX, bytes: usize::MAX }).expect("records").records()
}

/// A number that depends on a seed as a die does.
pub fn random(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

pub struct Ran {
    pub place: tempfile::TempDir,
    pub said: String,
    pub out: String,
}

impl Ran {
    /// Runs the program to its end, with a run in the environment or without.
    pub fn of(arguments: &[&str], run: Option<&str>) -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let mut command = program();
        command.args(arguments).current_dir(place.path()).env("OCHRE_SPOOL", place.path().join("spools")).env("KEPT", place.path().join("kept"));
        if let Some(run) = run {
            command.env("MLFLOW_RUN_ID", run).env("MLFLOW_TRACKING_URI", "http://user:word@host:5000");
        }
        let output = command.output().expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let (said, out) = (text(output.stderr), text(output.stdout));
        assert!(output.status.success(), "{said}");
        Self { place, said, out }
    }

    pub fn spools(&self) -> std::path::PathBuf {
        self.place.path().join("spools")
    }

    pub fn readers(&self) -> Vec<Reader> {
        ochre_spool::abandoned(&self.spools()).expect("a list").0
    }
}
