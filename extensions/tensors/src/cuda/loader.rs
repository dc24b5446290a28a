//! Finds NVIDIA's libraries at run time. Nothing of CUDA is needed to build, and a host without it loses nothing but the GPU.
//!
//! The driver (libcuda) comes with the kernel module and is all that is needed. cuBLASLt, cuBLAS and cuDNN make matrix products and
//! convolutions fast; `pip install nvidia-cublas nvidia-cudnn-cu13` brings them. They are opened by absolute path with their names made
//! global, in the order of their dependencies, so that cudarc's later `dlopen` by name finds what is loaded already.
//!
//! Looked through, in this order: `OCHRE_CUDA_LIBRARIES` (a list of directories), the site-packages of the Python that owns the kernel
//! (`OCHRE_PYTHON_PREFIX`, `VIRTUAL_ENV`, `CONDA_PREFIX`, then `python3`), the loader's own paths, `CUDA_PATH`, `CUDA_HOME`, `/usr/local/cuda*`.
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A library and what has to be loaded before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    BlasLt,
    Blas,
    Dnn,
}

/// Major versions of CUDA whose libraries we speak to, the newest first.
const MAJORS: [u32; 2] = [13, 12];

impl Wanted {
    /// File names in the order in which they are opened, for a major version of CUDA. What is optional comes with `?`.
    fn files(self, major: u32) -> Vec<String> {
        match self {
            Self::BlasLt => vec![format!("libcublasLt.so.{major}")],
            Self::Blas => vec![format!("libcublasLt.so.{major}"), format!("libcublas.so.{major}")],
            // Some of cuDNN's engines compile at run time and multiply with cuBLASLt.
            Self::Dnn => {
                let optional = [format!("?libnvrtc-builtins.so.{major}"), format!("?libnvrtc.so.{major}"), format!("?libcublasLt.so.{major}")];
                optional.into_iter().chain(["libcudnn.so.9".to_owned()]).collect()
            }
        }
    }
}

/// Why the driver cannot be used, if so. Tried once in a process.
pub fn driver() -> Result<(), &'static str> {
    static FOUND: OnceLock<Result<(), String>> = OnceLock::new();
    FOUND.get_or_init(find_driver).as_ref().map(|_| ()).map_err(String::as_str)
}

fn find_driver() -> Result<(), String> {
    if cfg!(not(target_os = "linux")) {
        return Err("GPUs are used on Linux only".to_owned());
    }
    let named = std::env::var_os("OCHRE_CUDA_DRIVER").map(PathBuf::from);
    // Containers and WSL keep the driver where the loader does not look.
    let usual = ["/usr/local/nvidia/lib64/libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1", "/usr/local/cuda/compat/libcuda.so.1"].map(PathBuf::from);
    if let Some(path) = &named {
        open(path).map_err(|why| format!("OCHRE_CUDA_DRIVER names {}, which cannot be opened: {why}", path.display()))?;
    }
    if driver_is_found() || usual.iter().any(|path| path.exists() && open(path).is_ok() && driver_is_found()) {
        return Ok(());
    }
    Err("there is no NVIDIA driver here (libcuda.so.1 was not found); the CPU is used".to_owned())
}

fn driver_is_found() -> bool {
    // SAFETY: opens and closes libcuda by its usual names, whose initialisers are the vendor's and have no preconditions.
    unsafe { cudarc::driver::sys::is_culib_present() }
}

/// Whether a library is loaded now. Tried once in a process for each; `driver_major` is the newest CUDA that the driver knows.
pub fn load(wanted: Wanted, driver_major: u32) -> bool {
    static LOADED: [OnceLock<bool>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
    *LOADED[wanted as usize].get_or_init(|| {
        // For measurements and tests of the kernels that need the driver alone.
        if std::env::var_os("OCHRE_CUDA_DRIVER_ONLY").is_some() {
            return false;
        }
        let majors = MAJORS.into_iter().filter(|&major| major <= driver_major.max(MAJORS[1]));
        majors.into_iter().any(|major| load_all(&wanted.files(major))) && is_found(wanted)
    })
}

fn is_found(wanted: Wanted) -> bool {
    // SAFETY: as for the driver: opens and closes by name.
    unsafe {
        match wanted {
            Wanted::BlasLt => cudarc::cublaslt::sys::is_culib_present(),
            Wanted::Blas => cudarc::cublas::sys::is_culib_present(),
            Wanted::Dnn => cudarc::cudnn::sys::is_culib_present(),
        }
    }
}

/// Opens all files of a list, each from the first directory that has it, or by the loader's own search.
fn load_all(files: &[String]) -> bool {
    files.iter().all(|file| {
        let (name, optional) = file.strip_prefix('?').map_or((file.as_str(), false), |name| (name, true));
        let here = directories().iter().filter_map(|directory| find(directory, name)).any(|path| open(&path).is_ok());
        here || open(Path::new(name)).is_ok() || system().iter().filter_map(|directory| find(directory, name)).any(|path| open(&path).is_ok()) || optional
    })
}

/// A file of a directory; for names without the minor version (`libnvrtc-builtins.so.13`) the one that begins so.
fn find(directory: &Path, name: &str) -> Option<PathBuf> {
    let exact = directory.join(name);
    if exact.is_file() {
        return Some(exact);
    }
    let entries = std::fs::read_dir(directory).ok()?;
    entries.flatten().find(|e| e.file_name().to_string_lossy().strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))).map(|e| e.path())
}

/// Opens a library for good.
fn open(path: &Path) -> Result<(), String> {
    // SAFETY: NVIDIA's libraries run only their own initialisers; the handle is never closed, so no code of theirs goes away.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    library.map(std::mem::forget).map_err(|error| error.to_string())
}

/// What the user named, and what pip and conda installed.
fn directories() -> &'static [PathBuf] {
    static FOUND: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let named = std::env::var_os("OCHRE_CUDA_LIBRARIES").unwrap_or_default();
        let mut found: Vec<PathBuf> = std::env::split_paths(&named).filter(|p| p.is_dir()).collect();
        let prefixes = ["OCHRE_PYTHON_PREFIX", "VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
        for prefix in prefixes {
            found.extend(site_packages(&prefix).iter().flat_map(|site| wheels(site)));
            found.push(prefix.join("lib"));
        }
        found.extend(python_paths().iter().flat_map(|site| wheels(site)));
        found
    })
}

/// Toolkits that an administrator installed.
fn system() -> &'static [PathBuf] {
    static FOUND: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut roots: Vec<PathBuf> = ["CUDA_PATH", "CUDA_HOME"].into_iter().filter_map(std::env::var_os).map(PathBuf::from).collect();
        roots.extend(entries(Path::new("/usr/local"), "cuda"));
        roots.iter().flat_map(|root| [root.join("lib64"), root.join("lib"), root.join("targets/x86_64-linux/lib")]).filter(|d| d.is_dir()).collect()
    })
}

/// `PREFIX/lib/python3.*/site-packages`
fn site_packages(prefix: &Path) -> Vec<PathBuf> {
    entries(&prefix.join("lib"), "python3").into_iter().map(|python| python.join("site-packages")).collect()
}

/// `SITE/nvidia/*/lib`: CUDA 13's wheels share `cu13`, those of CUDA 12 have one directory each.
fn wheels(site: &Path) -> Vec<PathBuf> {
    entries(&site.join("nvidia"), "").into_iter().map(|package| package.join("lib")).filter(|lib| lib.is_dir()).collect()
}

/// Entries of a directory whose names begin so, the greatest name first.
fn entries(directory: &Path, start: &str) -> Vec<PathBuf> {
    let Ok(listed) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found: Vec<PathBuf> = listed.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(start)).map(|e| e.path()).collect();
    found.sort_by(|a, b| b.cmp(a));
    found
}

/// Where the `python3` of the PATH looks for packages. It costs some 20 ms, once, and only where there is a GPU.
fn python_paths() -> Vec<PathBuf> {
    let output = Command::new("python3").args(["-c", "import sys; print('\\n'.join(sys.path))"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines().filter(|line| !line.is_empty()).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_of_both_generations_are_found() {
        let root = std::env::temp_dir().join(format!("ochre-loader-{}", std::process::id()));
        let site = root.join("lib/python3.12/site-packages");
        for package in ["cu13", "cudnn", "cublas"] {
            std::fs::create_dir_all(site.join("nvidia").join(package).join("lib")).expect("a directory");
        }
        std::fs::write(site.join("nvidia/cu13/lib/libnvrtc-builtins.so.13.0"), "").expect("a file");
        assert_eq!(site_packages(&root), [site.clone()]);
        assert_eq!(wheels(&site).len(), 3);
        let found = find(&site.join("nvidia/cu13/lib"), "libnvrtc-builtins.so.13").expect("the file with a minor version");
        assert!(found.ends_with("libnvrtc-builtins.so.13.0"));
        assert!(find(&site.join("nvidia/cu13/lib"), "libnvrtc.so.13").is_none());
        std::fs::remove_dir_all(root).expect("removable");
    }

    #[test]
    fn a_host_without_the_driver_says_so_and_does_not_panic() {
        // On a host with one there is nothing to say.
        if let Err(why) = driver() {
            assert!(why.contains("libcuda") && why.contains("the CPU is used"), "{why}");
        }
    }
}
