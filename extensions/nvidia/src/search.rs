//! Where libraries are looked for.
use crate::library::{Library, majors};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Variable that names the prefix (`sys.prefix`) of the Python that owns the kernel.
pub const PYTHON_VARIABLE: &str = "OCHRE_PYTHON_PREFIX";

/// The directories of one environment. Making it runs `python3` once, some 20 ms.
pub struct Search {
    first: Vec<PathBuf>,
    last: Vec<PathBuf>,
}

/// A library that is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The major version of CUDA that it is of.
    pub major: u32,
    /// Its last file, the one that is called.
    pub path: PathBuf,
}

impl Search {
    /// By this process's variables.
    pub fn of_process() -> Self {
        Self::with(std::env::var_os(PYTHON_VARIABLE).map(PathBuf::from))
    }

    /// As for a kernel whose kernelspec names this Python.
    pub fn with(python: Option<PathBuf>) -> Self {
        let named = std::env::var_os("OCHRE_CUDA_LIBRARIES").unwrap_or_default();
        let mut first: Vec<PathBuf> = std::env::split_paths(&named).filter(|p| p.is_dir()).collect();
        let set = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
        for prefix in python.into_iter().chain(set) {
            first.extend(site_packages(&prefix).iter().flat_map(|site| wheels(site)));
            first.push(prefix.join("lib"));
        }
        first.extend(python_paths().iter().flat_map(|site| wheels(site)));
        let mut roots: Vec<PathBuf> = ["CUDA_PATH", "CUDA_HOME"].into_iter().filter_map(std::env::var_os).map(PathBuf::from).collect();
        roots.extend(entries(Path::new("/usr/local"), "cuda"));
        let below = |root: &PathBuf| [root.join("lib64"), root.join("lib"), root.join("targets/x86_64-linux/lib")];
        Self { first, last: roots.iter().flat_map(below).filter(|d| d.is_dir()).collect() }
    }

    /// Looked through before the loader's own paths: what the user named, and what pip and conda installed.
    pub fn first(&self) -> &[PathBuf] {
        &self.first
    }

    /// Looked through after them: toolkits that an administrator installed.
    pub fn last(&self) -> &[PathBuf] {
        &self.last
    }

    /// Where a file of this name would be opened from.
    pub fn locate(&self, name: &str) -> Option<PathBuf> {
        let among = |directories: &[PathBuf]| directories.iter().find_map(|directory| find(directory, name));
        among(&self.first).or_else(|| of_loader(name)).or_else(|| among(&self.last))
    }

    /// The newest version of a library that the driver can serve and whose files are all there.
    pub fn library(&self, library: Library, driver: u32) -> Option<Found> {
        majors(driver).find_map(|major| {
            let needed = library.files(major).into_iter().filter(|file| !file.starts_with('?'));
            let paths: Option<Vec<PathBuf>> = needed.map(|file| self.locate(&file)).collect();
            let path = paths?.pop()?;
            // cuDNN 9 is made for one version of CUDA and named alike for all: its package stands beside that version's.
            Some(Found { major, path })
        })
    }
}

/// A file of a directory; for names without the minor version (`libnvrtc-builtins.so.13`) the one that begins so.
pub fn find(directory: &Path, name: &str) -> Option<PathBuf> {
    let exact = directory.join(name);
    if exact.is_file() {
        return Some(exact);
    }
    let entries = std::fs::read_dir(directory).ok()?;
    entries.flatten().find(|e| e.file_name().to_string_lossy().strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))).map(|e| e.path())
}

/// Where the dynamic loader finds a name: `LD_LIBRARY_PATH`, its cache, its usual directories. Nothing is opened.
pub(crate) fn of_loader(name: &str) -> Option<PathBuf> {
    const USUAL: [&str; 5] = ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"];
    let set = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let set = std::env::split_paths(&set).filter(|p| !p.as_os_str().is_empty()).map(|p| p.join(name)).find(|p| p.is_file());
    set.or_else(|| cached(&loaders_cache(), name)).or_else(|| USUAL.iter().map(|d| Path::new(d).join(name)).find(|p| p.is_file()))
}

/// What `ldconfig -p` prints; empty where there is none (musl, NixOS).
fn loaders_cache() -> String {
    let run = |program| Command::new(program).arg("-p").stdin(Stdio::null()).stderr(Stdio::null()).output();
    // It is not on the PATH of users everywhere.
    let output = run("ldconfig").or_else(|_| run("/sbin/ldconfig"));
    output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default()
}

/// Lines are `	libcuda.so.1 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libcuda.so.1`, those of other architectures among them.
fn cached(text: &str, name: &str) -> Option<PathBuf> {
    let architecture = if cfg!(target_arch = "aarch64") { "AArch64" } else { "x86-64" };
    let lines = text.lines().filter_map(|line| line.trim().split_once(" => "));
    let named = lines.filter(|(library, _)| library.split_once(' ').is_some_and(|(file, kind)| file == name && kind.contains(architecture)));
    named.map(|(_, path)| PathBuf::from(path)).find(|path| path.is_file())
}

/// `PREFIX/lib/python3.*/site-packages`; Debian's own Python says `dist-packages`.
fn site_packages(prefix: &Path) -> Vec<PathBuf> {
    let pythons = entries(&prefix.join("lib"), "python3");
    pythons.iter().flat_map(|python| [python.join("site-packages"), python.join("dist-packages")]).filter(|d| d.is_dir()).collect()
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

/// Where the `python3` of the PATH looks for packages.
fn python_paths() -> Vec<PathBuf> {
    let output = Command::new("python3").args(["-c", "import sys; print('\\n'.join(sys.path))"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines().filter(|line| !line.is_empty()).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that goes away with the test.
    struct Root(PathBuf);

    impl Root {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("ochre-nvidia-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&root).expect("a directory");
            Self(root)
        }
        fn file(&self, path: &str) -> PathBuf {
            let path = self.0.join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(&path, "").expect("a file");
            path
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn wheels_of_both_generations_are_found() {
        let root = Root::new("wheels");
        let site = root.0.join("lib/python3.12/site-packages");
        for package in ["cu13", "cudnn", "cublas"] {
            std::fs::create_dir_all(site.join("nvidia").join(package).join("lib")).expect("a directory");
        }
        std::fs::write(site.join("nvidia/cu13/lib/libnvrtc-builtins.so.13.0"), "").expect("a file");
        assert_eq!(site_packages(&root.0), [site.clone()]);
        assert_eq!(wheels(&site).len(), 3);
        let found = find(&site.join("nvidia/cu13/lib"), "libnvrtc-builtins.so.13").expect("the file with a minor version");
        assert!(found.ends_with("libnvrtc-builtins.so.13.0"));
        assert!(find(&site.join("nvidia/cu13/lib"), "libnvrtc.so.13").is_none());
    }

    #[test]
    fn a_library_is_that_of_the_newest_cuda_that_the_driver_serves() {
        let root = Root::new("prefix");
        let old = root.file("lib/python3.12/site-packages/nvidia/cublas/lib/libcublas.so.12");
        root.file("lib/python3.12/site-packages/nvidia/cublas/lib/libcublasLt.so.12");
        let new = root.file("lib/python3.12/site-packages/nvidia/cu13/lib/libcublas.so.13");
        let search = Search::with(Some(root.0.clone()));
        // cuBLAS 13 without its cuBLASLt cannot be opened.
        assert_eq!(search.library(Library::Blas, 13), Some(Found { major: 12, path: old.clone() }));
        root.file("lib/python3.12/site-packages/nvidia/cu13/lib/libcublasLt.so.13");
        assert_eq!(search.library(Library::Blas, 13), Some(Found { major: 13, path: new }));
        assert_eq!(search.library(Library::Blas, 12), Some(Found { major: 12, path: old }));
    }

    #[test]
    fn the_loaders_cache_is_read_for_this_architecture() {
        let root = Root::new("cache");
        let path = root.file("libcuda.so.1");
        let kind = if cfg!(target_arch = "aarch64") { "libc6,AArch64" } else { "libc6,x86-64" };
        let text = format!("2 libs found in cache `/etc/ld.so.cache'\n\tlibcuda.so.1 (libc6) => /usr/lib/i386/libcuda.so.1\n\tlibcuda.so.1 ({kind}) => {}\n", path.display());
        assert_eq!(cached(&text, "libcuda.so.1"), Some(path));
        assert_eq!(cached(&text, "libcuda.so"), None);
        // The C library is in the cache of every host that has one.
        let cache = loaders_cache();
        if !cache.is_empty() {
            assert!(cached(&cache, "libc.so.6").is_some(), "{cache}");
        }
    }
}
