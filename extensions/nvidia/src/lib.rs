//! Where NVIDIA's libraries are on this machine: the driver's, and those of CUDA that pip, conda or an administrator installed.
//!
//! `ochre-tensors` opens what is found here, and `ochre doctor` says it: one search, so that both agree. Nothing is opened here, nothing of
//! CUDA is needed to build, and this crate depends on nothing, because cells carry it.
//!
//! Looked through, in this order: `OCHRE_CUDA_LIBRARIES` (a list of directories), the site-packages of the Python that owns the kernel
//! (`OCHRE_PYTHON_PREFIX`, which `ochre install` writes into the kernelspec), of `VIRTUAL_ENV` and `CONDA_PREFIX`, then of `python3`, the
//! loader's own paths, `CUDA_PATH`, `CUDA_HOME`, `/usr/local/cuda*`.
#![forbid(unsafe_code)]

mod library;
mod search;

pub use library::{Library, MAJORS, majors};
pub use search::{Found, PYTHON_VARIABLE, Search, find};

use std::path::PathBuf;

/// Variable that names the driver's library, before any other is looked for.
pub const DRIVER_VARIABLE: &str = "OCHRE_CUDA_DRIVER";

/// Directories of the driver's libraries where the loader does not look: containers and WSL keep them there.
pub const DRIVER_PLACES: [&str; 4] = ["/usr/local/nvidia/lib64", "/usr/lib/wsl/lib", "/usr/local/cuda/compat", "/run/opengl-driver/lib"];

/// The driver's own library `libcuda.so.1`: where it was named, where the loader finds it, or where containers keep it.
pub fn driver() -> Option<PathBuf> {
    let named = std::env::var_os(DRIVER_VARIABLE).map(PathBuf::from);
    named.filter(|path| path.is_file()).or_else(|| of_driver("libcuda.so.1"))
}

/// A library that comes with the driver, such as `libnvidia-ml.so.1`.
pub fn of_driver(name: &str) -> Option<PathBuf> {
    let places = DRIVER_PLACES.iter().map(|place| PathBuf::from(place).join(name));
    search::of_loader(name).or_else(|| places.into_iter().find(|path| path.is_file()))
}
