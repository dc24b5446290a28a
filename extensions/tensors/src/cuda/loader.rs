//! Opens NVIDIA's libraries at run time. Nothing of CUDA is needed to build, and a host without it loses nothing but the GPU.
//!
//! The driver (libcuda) comes with the kernel module and is all that is needed. cuBLASLt, cuBLAS and cuDNN make matrix products and
//! convolutions fast, NVRTC fuses element-wise operations; `pip install nvidia-cublas nvidia-cudnn-cu13 nvidia-cuda-nvrtc` brings them. They are opened by absolute path with their names made
//! global, in the order of their dependencies, so that cudarc's later `dlopen` by name finds what is loaded already. Where they are looked
//! for, and in which order, is `ochre-nvidia`'s.
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
pub use ochre_nvidia::Library as Wanted;
use ochre_nvidia::{DRIVER_PLACES, DRIVER_VARIABLE, Search, find, majors};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Why the driver cannot be used, if so. Tried once in a process.
pub fn driver() -> Result<(), &'static str> {
    static FOUND: OnceLock<Result<(), String>> = OnceLock::new();
    FOUND.get_or_init(find_driver).as_ref().map(|_| ()).map_err(String::as_str)
}

fn find_driver() -> Result<(), String> {
    if cfg!(not(target_os = "linux")) {
        return Err("GPUs are used on Linux only".to_owned());
    }
    let named = std::env::var_os(DRIVER_VARIABLE).map(PathBuf::from);
    let usual = DRIVER_PLACES.map(|place| Path::new(place).join("libcuda.so.1"));
    if let Some(path) = &named {
        open(path).map_err(|why| format!("OCHRE_CUDA_DRIVER names {}, which cannot be opened: {why}", path.display()))?;
    }
    if driver_is_found() || usual.iter().any(|path| path.exists() && open(path).is_ok() && driver_is_found()) {
        return Ok(());
    }
    Err("there is no NVIDIA driver here (libcuda.so.1 was not found); `Device::best()` is the CPU".to_owned())
}

fn driver_is_found() -> bool {
    // SAFETY: opens and closes libcuda by its usual names, whose initialisers are the vendor's and have no preconditions.
    unsafe { cudarc::driver::sys::is_culib_present() }
}

/// Whether a library is loaded now. Tried once in a process for each; `driver_major` is the newest CUDA that the driver knows.
pub fn load(wanted: Wanted, driver_major: u32) -> bool {
    static LOADED: [OnceLock<bool>; 4] = [const { OnceLock::new() }; 4];
    *LOADED[wanted as usize].get_or_init(|| {
        // For measurements and tests: with any value the driver alone, with `nvrtc` that as well.
        match std::env::var_os("OCHRE_CUDA_DRIVER_ONLY") {
            Some(value) if wanted != Wanted::Nvrtc || value != "nvrtc" => return false,
            _ => (),
        }
        majors(driver_major).any(|major| load_all(&wanted.files(major))) && is_found(wanted)
    })
}

fn is_found(wanted: Wanted) -> bool {
    // SAFETY: as for the driver: opens and closes by name.
    unsafe {
        match wanted {
            Wanted::BlasLt => cudarc::cublaslt::sys::is_culib_present(),
            Wanted::Blas => cudarc::cublas::sys::is_culib_present(),
            Wanted::Dnn => cudarc::cudnn::sys::is_culib_present(),
            Wanted::Nvrtc => cudarc::nvrtc::sys::is_culib_present(),
        }
    }
}

/// Opens all files of a list, each from the first directory that has it, or by the loader's own search.
fn load_all(files: &[String]) -> bool {
    static SEARCH: OnceLock<Search> = OnceLock::new();
    let search = SEARCH.get_or_init(Search::of_process);
    let among = |directories: &[PathBuf], name: &str| directories.iter().filter_map(|directory| find(directory, name)).any(|path| open(&path).is_ok());
    files.iter().all(|file| {
        let (name, optional) = file.strip_prefix('?').map_or((file.as_str(), false), |name| (name, true));
        among(search.first(), name) || open(Path::new(name)).is_ok() || among(search.last(), name) || optional
    })
}

/// Opens a library for good.
fn open(path: &Path) -> Result<(), String> {
    // SAFETY: NVIDIA's libraries run only their own initialisers; the handle is never closed, so no code of theirs goes away.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    library.map(std::mem::forget).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_the_driver_says_so_and_does_not_panic() {
        // On a host with one there is nothing to say.
        if let Err(why) = driver() {
            assert!(why.contains("libcuda") && why.contains("`Device::best()` is the CPU"), "{why}");
        }
    }
}
