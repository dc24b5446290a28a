//! The 1,797 handwritten digits that scikit-learn carries (UCI's test set: E. Alpaydin, C. Kaynak, 1998).
use super::dataset::Dataset;
use super::fetch::local;
use crate::bridge::tensor;
use crate::error::{NnError, Result};
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

const SIDE: usize = 8;
/// Pixels count from 0 to 16.
const WHITE: f32 = 16.0;

/// Digits as pictures `[N, 1, 8, 8]` (f32 from 0 to 1) with classes 0 to 9, from scikit-learn's `digits.csv.gz`, a folder that holds it, or UCI's
/// `optdigits.tra`/`optdigits.tes`: lines of 64 pixels and the digit. From a folder, a file or an
/// address; `"sklearn"` stands for the scikit-learn package that is installed here.
///
/// # Errors
/// The file cannot be found, or a line of it is damaged (its number is told).
pub fn digits(place: &str) -> Result<Dataset> {
    let path = if place == "sklearn" { installed()? } else { file_in(&local(place)?) };
    let file = File::open(&path).map_err(|e| NnError::file("opening", &path, e))?;
    let packed = path.extension().is_some_and(|e| e == "gz");
    let from: Box<dyn Read> = if packed { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    parse(&path.display().to_string(), BufReader::new(from))
}

/// The file of the installed package.
fn installed() -> Result<PathBuf> {
    let found = crate::python::site_packages().iter().map(|site| site.join("sklearn/datasets/data/digits.csv.gz")).find(|file| file.is_file());
    found.ok_or_else(|| NnError::Data("scikit-learn is not installed here: `pip install scikit-learn`, or name the place of its digits.csv.gz".to_owned()))
}

/// The file itself, or the one in a folder, or in scikit-learn's package.
fn file_in(path: &Path) -> PathBuf {
    let candidates = ["digits.csv.gz", "digits.csv", "datasets/data/digits.csv.gz", "sklearn/datasets/data/digits.csv.gz"];
    candidates.iter().map(|name| path.join(name)).find(|file| file.is_file()).unwrap_or_else(|| path.to_owned())
}

fn parse(name: &str, from: impl BufRead) -> Result<Dataset> {
    let (mut pixels, mut classes) = (Vec::new(), Vec::new());
    for (number, line) in from.lines().enumerate() {
        let bad = |problem: &str| NnError::format(name, format!("line {}: {problem}", number + 1));
        let line = line.map_err(|e| bad(&format!("it is cut short or damaged ({e})")))?;
        if line.trim().is_empty() {
            continue;
        }
        let numbers: Vec<f32> = line.split(',').map(|n| n.trim().parse().ok()).collect::<Option<_>>().ok_or_else(|| bad("it holds something that is no number"))?;
        let Some((&class, picture)) = numbers.split_last().filter(|(_, p)| p.len() == SIDE * SIDE) else {
            return Err(bad(&format!("it has {} numbers instead of 65: 64 pixels and the digit", numbers.len())));
        };
        if !(0.0..=9.0).contains(&class) || picture.iter().any(|p| !(0.0..=WHITE).contains(p)) {
            return Err(bad("pixels are from 0 to 16 and the digit from 0 to 9"));
        }
        pixels.extend(picture.iter().map(|p| p / WHITE));
        classes.push(class as i64);
    }
    if classes.is_empty() {
        return Err(NnError::format(name, "it has no lines"));
    }
    let count = classes.len();
    let names: Vec<String> = (0..10).map(|d| d.to_string()).collect();
    Ok(Dataset::try_new(&tensor(pixels.into(), &[count, 1, SIDE, SIDE])?, &tensor(classes.into(), &[count])?)?.with_classes(&names))
}
