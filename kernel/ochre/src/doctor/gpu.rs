//! The checks of `ochre doctor` about GPUs: the driver, and the libraries that make tensors fast on it.
//!
//! Libraries are looked for as the worker of an installed kernel does it (`ochre-nvidia`): the Python that the kernelspec names counts here, too.
use super::Finding;
use crate::places::Destination;
use ochre_nvidia::{Found, Library, PYTHON_VARIABLE, Search};
use ochre_session::gpu::{Absence, Survey, survey};
use std::path::PathBuf;
use std::sync::OnceLock;

/// What is believed of a driver that does not say which CUDA it serves.
const NEWEST: u32 = ochre_nvidia::MAJORS[0];

/// Asked once for all checks.
fn asked() -> &'static Result<Survey, Absence> {
    static ASKED: OnceLock<Result<Survey, Absence>> = OnceLock::new();
    ASKED.get_or_init(survey)
}

/// The driver and its cards.
pub fn driver() -> Finding {
    judge_driver(asked(), ochre_nvidia::driver())
}

fn judge_driver(asked: &Result<Survey, Absence>, cuda: Option<PathBuf>) -> Finding {
    match (asked, cuda) {
        (Ok(survey), Some(cuda)) if !survey.cards.is_empty() => {
            let names: Vec<&str> = survey.cards.iter().map(|card| card.name.as_str()).collect();
            let version = survey.driver.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
            let serves = survey.cuda.map(|(major, minor)| format!(", CUDA {major}.{minor}")).unwrap_or_default();
            Finding::Ok(format!("{}; driver{version}{serves} ({})", names.join(", "), cuda.display()))
        }
        (Ok(_), Some(cuda)) => Finding::Optional(format!("the driver is here ({}) and shows no card: tensors use the CPU", cuda.display())),
        (Ok(_), None) => Finding::Optional("the driver answers, but libcuda.so.1 was not found: add its directory to LD_LIBRARY_PATH, or name the file in OCHRE_CUDA_DRIVER".into()),
        (Err(Absence::NoDriver), _) => Finding::Optional("no NVIDIA driver on this machine: tensors use the CPU".into()),
        (Err(Absence::NoLibraries(cards)), _) => {
            Finding::Optional(format!("{cards} NVIDIA card(s) without libcuda.so.1: install the driver's libraries, or start the container with `--gpus all`"))
        }
        (Err(Absence::Undescribed(cuda)), _) => Finding::Ok(format!("{} (nothing that describes the cards: no libnvidia-ml.so.1, no nvidia-smi)", cuda.display())),
        (Err(Absence::Refused(words)), _) => {
            Finding::Optional(format!("the NVIDIA driver does not answer ({words}): after an update of the driver restart the machine, in a container restart that"))
        }
    }
}

/// Matrix products.
pub fn blas() -> Finding {
    library(Library::Blas)
}

/// Convolutions.
pub fn dnn() -> Finding {
    library(Library::Dnn)
}

/// What cuDNN compiles with.
pub fn nvrtc() -> Finding {
    library(Library::Nvrtc)
}

fn library(library: Library) -> Finding {
    static SEARCH: OnceLock<Search> = OnceLock::new();
    let search = SEARCH.get_or_init(|| Search::with(std::env::var_os(PYTHON_VARIABLE).map(PathBuf::from).or_else(installed_python)));
    let (usable, major) = match asked() {
        Ok(survey) => (!survey.cards.is_empty(), survey.cuda.map_or(NEWEST, |(major, _)| major)),
        Err(Absence::Undescribed(_)) => (true, NEWEST),
        Err(_) => (false, NEWEST),
    };
    judge_library(library, search.library(library, major), usable, major)
}

fn judge_library(library: Library, found: Option<Found>, usable: bool, major: u32) -> Finding {
    let missed = match library {
        Library::Blas | Library::BlasLt => "matrix products of tensors are slow on the GPU",
        Library::Dnn => "convolutions of tensors are slow on the GPU",
        Library::Nvrtc => "some of cuDNN's engines cannot be used",
    };
    let package = library.package(major.clamp(ochre_nvidia::MAJORS[1], NEWEST));
    match (found, usable) {
        (Some(found), true) => Finding::Ok(found.path.display().to_string()),
        (None, true) => Finding::Optional(format!("{} was not found, so {missed}: `pip install {package}`", library.name())),
        (Some(found), false) => Finding::Optional(format!("{} is here ({}), and no GPU to use it", library.name(), found.path.display())),
        (None, false) => Finding::Optional(format!("not needed without a GPU (with one: `pip install {package}`)")),
    }
}

/// The Python that the user's kernelspec names.
fn installed_python() -> Option<PathBuf> {
    let text = std::fs::read_to_string(Destination::user().ok()?.kernelspec().join("kernel.json")).ok()?;
    let spec: serde_json::Value = serde_json::from_str(&text).ok()?;
    spec["env"][PYTHON_VARIABLE].as_str().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ochre_session::gpu::Card;

    #[track_caller]
    fn optional(finding: Finding, part: &str) {
        let Finding::Optional(text) = finding else { panic!("it is not optional") };
        assert!(text.contains(part) && !text.contains('\n'), "{text}");
    }

    #[track_caller]
    fn ok(finding: Finding, part: &str) {
        let Finding::Ok(text) = finding else { panic!("it is not ok") };
        assert_eq!(text, part);
    }

    #[test]
    fn a_driver_is_said_with_its_cards_or_with_what_to_do() {
        let cuda = || Some(PathBuf::from("/lib/libcuda.so.1"));
        let card = Card { name: "NVIDIA H200".into(), ..Card::default() };
        let survey = Survey { driver: Some("580.65.06".into()), cuda: Some((13, 0)), cards: vec![card.clone(), card] };
        ok(judge_driver(&Ok(survey.clone()), cuda()), "NVIDIA H200, NVIDIA H200; driver 580.65.06, CUDA 13.0 (/lib/libcuda.so.1)");
        optional(judge_driver(&Ok(survey), None), "OCHRE_CUDA_DRIVER");
        optional(judge_driver(&Ok(Survey::default()), cuda()), "shows no card");
        optional(judge_driver(&Err(Absence::NoDriver), None), "tensors use the CPU");
        optional(judge_driver(&Err(Absence::NoLibraries(1)), None), "--gpus all");
        optional(judge_driver(&Err(Absence::Refused("mismatch".into())), cuda()), "(mismatch)");
    }

    #[test]
    fn a_machine_needs_no_gpu_to_be_healthy() {
        for check in [driver, blas, dnn, nvrtc] {
            assert!(!matches!(check(), Finding::Bad(_)));
        }
    }

    #[test]
    fn a_library_is_said_with_its_place_or_with_pip_s_command_for_the_driver_s_cuda() {
        let found = || Some(Found { major: 13, path: "/v/lib/libcublas.so.13".into() });
        ok(judge_library(Library::Blas, found(), true, 13), "/v/lib/libcublas.so.13");
        optional(judge_library(Library::Blas, found(), false, 13), "no GPU to use it");
        optional(judge_library(Library::Blas, None, true, 12), "`pip install nvidia-cublas-cu12`");
        optional(judge_library(Library::Dnn, None, true, 13), "`pip install nvidia-cudnn-cu13`");
        optional(judge_library(Library::Nvrtc, None, false, 14), "`pip install nvidia-cuda-nvrtc`");
    }
}
