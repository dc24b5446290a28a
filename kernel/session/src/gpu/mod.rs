//! The NVIDIA cards of this machine, as its driver describes them: for `%gpu` and `ochre doctor`.
//!
//! ```text
//! nvml (libnvidia-ml.so.1, opened at run time)  --\
//! smi  (the program nvidia-smi, where that fails) --> Survey --> show (text and HTML)
//! ```
//! Reading and showing are apart, so that what is shown can be tested with what cards of all kinds have said. Nothing is started on a card.
mod nvml;
mod show;
mod smi;

pub(crate) use show::{Around, absence, bundle};

use std::path::{Path, PathBuf};

/// What a driver says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// As `580.65.06`.
    pub driver: Option<String>,
    /// The newest CUDA that the driver serves, as (13, 0).
    pub cuda: Option<(u32, u32)>,
    pub cards: Vec<Card>,
}

/// One card. What it does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// As `nvidia-smi` counts; CUDA counts the same ones unless variables say otherwise.
    pub number: u32,
    pub name: String,
    pub memory: Memory,
    /// Percent of the last moment in which something ran on it.
    pub busy: Option<u32>,
    /// Degrees Celsius.
    pub temperature: Option<u32>,
    /// Parts of a card that is divided (MIG), by name.
    pub parts: Vec<Part>,
    /// Whether it is divided.
    pub divided: bool,
    /// `None`: the driver does not say.
    pub processes: Option<Vec<Process>>,
}

/// A part of a divided card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub memory: Memory,
}

/// Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub used: Option<u64>,
    pub total: Option<u64>,
}

/// A process that holds memory of a card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    pub name: Option<String>,
    /// Bytes.
    pub memory: Option<u64>,
}

/// Why there is no survey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Neither a driver nor a card is here.
    NoDriver,
    /// Cards are here, but not the driver's libraries: how many.
    NoLibraries(usize),
    /// The driver's libcuda is here, and nothing that describes cards; tensors may work all the same.
    Undescribed(PathBuf),
    /// The driver is here and refuses: its own words.
    Refused(String),
}

/// Why one way of asking gave nothing.
enum Refusal {
    /// There is no such library or program.
    Missing,
    Says(String),
}

/// What the driver is asked with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tools {
    /// NVIDIA's management library.
    nvml: Option<PathBuf>,
    smi: Option<PathBuf>,
    cuda: Option<PathBuf>,
    devices: usize,
}

impl Tools {
    /// Those of this machine.
    pub(crate) fn find() -> Self {
        Self { nvml: ochre_nvidia::of_driver("libnvidia-ml.so.1"), smi: smi::find(), cuda: ochre_nvidia::driver(), devices: devices(Path::new("/dev")) }
    }

    /// Asks the library, then the program. May take seconds: cards that sleep are woken.
    pub(crate) fn survey(&self) -> Result<Survey, Absence> {
        let library = self.nvml.as_deref().map_or(Err(Refusal::Missing), nvml::read);
        let said = match library {
            Ok(survey) => return Ok(survey),
            Err(refusal) => refusal,
        };
        let program = self.smi.as_deref().map_or(Err(Refusal::Missing), smi::read);
        match (program, said, &self.cuda) {
            (Ok(survey), ..) => Ok(survey),
            // The library's words are an error's, the program's are for people.
            (Err(Refusal::Says(words)), ..) | (Err(Refusal::Missing), Refusal::Says(words), _) => Err(Absence::Refused(words)),
            (Err(Refusal::Missing), Refusal::Missing, Some(cuda)) => Err(Absence::Undescribed(cuda.clone())),
            (Err(Refusal::Missing), Refusal::Missing, None) if self.devices > 0 => Err(Absence::NoLibraries(self.devices)),
            _ => Err(Absence::NoDriver),
        }
    }
}

/// The cards of this machine.
pub fn survey() -> Result<Survey, Absence> {
    Tools::find().survey()
}

/// `/dev/nvidia0`, `/dev/nvidia1`, …; on WSL the one device is `/dev/dxg`.
fn devices(directory: &Path) -> usize {
    let numbered = |name: &str| name.strip_prefix("nvidia").is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|e| e.file_name().to_str().is_some_and(|name| numbered(name) || name == "dxg")).count()
}

#[cfg(test)]
mod tests;
