//! `cargo xtask bench storage`: builds the measurement and the server, installs the peers, and hands over to `tests/storage`.
use crate::build;
use crate::host;
use crate::peers;
use anyhow::{Context, ensure};
use ochre_build::{Artifact, Kind};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Medians of this many rounds; one takes a few minutes.
const ROUNDS: u64 = 3;
/// Numbers that can be given as `--NAME N`, for a quick look or a large machine.
const NUMBERS: [&str; 7] = ["rounds", "large_mib", "huge_mib", "upload_mib", "small", "names", "limit"];

/// `[--rounds N] [--only PART_OF_A_NAME,…] [--save] [--large_mib N] …`; `--save` keeps the table in the checkout.
pub fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let after = |flag: &str| arguments.iter().position(|a| a == flag).map(|at| arguments.get(at + 1).with_context(|| format!("{flag} wants a value")));
    let mut config = Map::from_iter([("rounds".to_string(), json!(ROUNDS))]);
    for name in NUMBERS {
        if let Some(value) = after(&format!("--{name}")).transpose()? {
            let number = value.parse::<u64>().ok().filter(|n| *n > 0).with_context(|| format!("--{name} takes a number above 0"))?;
            config.insert(name.into(), json!(number));
        }
    }
    if let Some(only) = after("--only").transpose()? {
        config.insert("only".into(), only.split(',').collect::<Vec<_>>().into());
    }
    let (cache, compiler, source) = (ochre_build::Cache::find()?, ochre_build::Compiler::find()?, build::source());
    let storage = peers::Storage::install(&source, &cache)?;
    let packages: Vec<String> = ["ochre", "ochre-servers", "ochre-storage-bench"].map(String::from).into();
    let artifacts = build::kernel_command(&source, &cache, &compiler, &packages).build()?;
    let scratch = host::scratch(&source, "bench")?.join("storage");
    let out = if arguments.iter().any(|a| a == "--save") { source.join("tests/bench/storage.md") } else { scratch.join("storage.md") };
    std::fs::create_dir_all(&scratch)?;
    let paths = [
        ("ochre", program(&artifacts, "ochre")?),
        ("serve", program(&artifacts, "ochre-serve")?),
        ("rclone", storage.directory.join("python-storage/bin/rclone")),
        ("s3fs", host::program("s3fs").context("there is no s3fs")?),
        ("scratch", scratch.clone()),
        ("out", out.clone()),
    ];
    config.extend(paths.into_iter().map(|(name, path)| (name.to_string(), json!(path))));
    let file = scratch.join("config.json");
    std::fs::write(&file, Value::Object(config).to_string()).with_context(|| format!("cannot write {}", file.display()))?;
    host::run(Command::new(program(&artifacts, "ochre-storage-bench")?).arg(&file))?;
    ensure!(out.is_file(), "the measurement wrote nothing");
    eprintln!("saved as {}", out.display());
    Ok(ExitCode::SUCCESS)
}

/// A program by its file's name.
pub fn program(artifacts: &[Artifact], name: &str) -> anyhow::Result<PathBuf> {
    let files = artifacts.iter().filter(|a| a.kind == Kind::Program).flat_map(|a| &a.files);
    files.into_iter().find(|f| f.file_name().is_some_and(|n| n == name)).cloned().with_context(|| format!("cargo built no program `{name}`"))
}
