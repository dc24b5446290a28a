//! CIFAR-10 (A. Krizhevsky, 2009) in its real binary format: records of a class and 3 x 32 x 32 bytes, red, green, blue, row by row.
use super::archive::{is_archive, walk};
use super::dataset::Dataset;
use super::fetch::local;
use crate::bridge::tensor;
use crate::error::{NnError, Result};
use crate::summary::grouped;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The names of the classes, in the order of their numbers.
pub const CIFAR10_CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

const SIDE: usize = 32;
const PIXELS: usize = 3 * SIDE * SIDE;
/// A class and a picture.
const RECORD: usize = 1 + PIXELS;
/// The folder in which the official archive has its files.
const FOLDER: &str = "cifar-10-batches-bin";
/// The one in which the archive for Python has them.
const PICKLED: &str = "cifar-10-batches-py";

/// Pictures `[N, 3, 32, 32]` (u8) with classes (i64), in the two parts of the original.
#[derive(Clone)]
pub struct Cifar10 {
    pub train: Dataset,
    pub test: Dataset,
}

impl Cifar10 {
    /// Means of the three channels over the training pictures, from 0 to 1: for `Loader::normalize`.
    pub const MEAN: [f32; 3] = [0.4914, 0.4822, 0.4465];
    /// Standard deviations.
    pub const STD: [f32; 3] = [0.2470, 0.2435, 0.2616];

    /// Names of the classes.
    pub fn classes(&self) -> &[String] {
        self.train.classes()
    }
}

impl std::fmt::Display for Cifar10 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [inputs, targets] = self.train.kinds();
        writeln!(f, "CIFAR-10: {} samples for training and {} for testing: inputs {inputs}, targets {targets}", grouped(self.train.len()), grouped(self.test.len()))?;
        write!(f, "classes: {}", self.classes().join(", "))
    }
}

/// Reads CIFAR-10 from a folder with `data_batch_1.bin` … `data_batch_5.bin`, `test_batch.bin` and `batches.meta.txt` (some batches may be missing),
/// from the official `cifar-10-binary.tar.gz`, from a folder or a zip of PNGs laid out by class (`train/cat/….png`, `test/cat/….png`; without these
/// two parts every sixth picture of a class is for testing), or from an address of one of these files (fetched once, through the proxy of the
/// environment).
///
/// # Errors
/// Nothing of it can be found or read, or a file is damaged: the file and the record are told.
pub fn cifar10(dir_or_url: &str) -> Result<Cifar10> {
    let path = local(dir_or_url)?;
    let mut parts = Parts::default();
    if path.is_dir() {
        let inner = path.join(FOLDER);
        let folder = if inner.is_dir() { inner } else { path.clone() };
        for file in binaries(&folder)? {
            let mut from = File::open(&file).map_err(|e| NnError::file("opening", &file, e))?;
            parts.take(&file.display().to_string(), &mut from)?;
        }
    } else if path.is_file() {
        if !is_archive(&path) && path.extension().is_some_and(|e| e == "bin") {
            let mut from = File::open(&path).map_err(|e| NnError::file("opening", &path, e))?;
            parts.take(&path.display().to_string(), &mut from)?;
        } else {
            walk(&path, &mut |name, from, _| {
                parts.take(name, from)?;
                Ok(true)
            })?;
        }
    } else {
        return Err(NnError::format(path.display(), "it is neither a folder nor a file"));
    }
    let pickled = |folder: &Path| folder.join("data_batch_1").is_file();
    if parts.is_empty() && (parts.pickled || pickled(&path) || pickled(&path.join(PICKLED))) {
        let problem = "it is the version for Python, whose pickled files are not read here: take the binary version from the same page, cifar-10-binary.tar.gz";
        return Err(NnError::format(path.display(), problem));
    }
    if parts.is_empty() {
        return super::folder::cifar_of_pictures(&path);
    }
    parts.finish()
}

/// The files of a folder that are parts of the data set, sorted: batch 1 comes first.
fn binaries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| NnError::file("reading", folder, e))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| p.file_name().is_some_and(|n| part_of(&n.to_string_lossy()).is_some())).collect();
    files.sort();
    Ok(files)
}

/// What a file of the archive is.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Train,
    Test,
    Names,
}

fn part_of(name: &str) -> Option<Part> {
    let file = name.rsplit('/').next().unwrap_or(name);
    match file {
        "batches.meta.txt" => Some(Part::Names),
        "test_batch.bin" => Some(Part::Test),
        _ if file.starts_with("data_batch_") && file.ends_with(".bin") => Some(Part::Train),
        _ => None,
    }
}

/// What was read so far.
#[derive(Default)]
struct Parts {
    train: Pictures,
    test: Pictures,
    names: Vec<String>,
    /// Files of the version for Python were seen.
    pickled: bool,
}

#[derive(Default)]
struct Pictures {
    pixels: Vec<u8>,
    classes: Vec<i64>,
}

impl Parts {
    fn is_empty(&self) -> bool {
        self.train.classes.is_empty() && self.test.classes.is_empty()
    }

    /// Takes a file if it is part of the data set.
    fn take(&mut self, name: &str, from: &mut dyn Read) -> Result<()> {
        let damaged = |e: std::io::Error| NnError::format(name, format!("it is cut short or damaged ({e})"));
        match part_of(name) {
            None => self.pickled |= name.split('/').any(|part| part == PICKLED),
            Some(Part::Names) => {
                let mut text = String::new();
                from.read_to_string(&mut text).map_err(damaged)?;
                self.names = text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
            }
            Some(part) => {
                let mut bytes = Vec::new();
                from.read_to_end(&mut bytes).map_err(damaged)?;
                let into = if part == Part::Test { &mut self.test } else { &mut self.train };
                into.add(name, &bytes)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Cifar10> {
        let names = if self.names.is_empty() { CIFAR10_CLASSES.map(str::to_owned).to_vec() } else { self.names };
        if names.len() != CIFAR10_CLASSES.len() {
            return Err(NnError::format("batches.meta.txt", format!("it names {} classes instead of 10", names.len())));
        }
        Ok(Cifar10 { train: self.train.finish(&names)?, test: self.test.finish(&names)? })
    }
}

impl Pictures {
    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        if bytes.len() % RECORD != 0 {
            let problem = format!("its {} bytes are not whole records of {RECORD} (a class and 3 x 32 x 32 bytes): it is cut short, or not CIFAR-10's binary version", bytes.len());
            return Err(NnError::format(name, problem));
        }
        for (number, record) in bytes.chunks_exact(RECORD).enumerate() {
            let class = record[0];
            if usize::from(class) >= CIFAR10_CLASSES.len() {
                return Err(NnError::format(name, format!("record {number} has the class {class}; classes are 0 to 9. Is it CIFAR-100, or the version for Python?")));
            }
            self.classes.push(class.into());
            self.pixels.extend_from_slice(&record[1..]);
        }
        Ok(())
    }

    fn finish(self, names: &[String]) -> Result<Dataset> {
        let count = self.classes.len();
        let pictures = tensor(self.pixels.into(), &[count, 3, SIDE, SIDE])?;
        Ok(Dataset::try_new(&pictures, &tensor(self.classes.into(), &[count])?)?.with_classes(names))
    }
}
