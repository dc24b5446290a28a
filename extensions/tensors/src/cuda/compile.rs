//! Kernels that are compiled at run time by NVRTC, kept in memory and on disk.
//!
//! A kernel costs some 0.1 s once per machine: what was compiled is kept in the user's cache directory and costs a load (under a millisecond)
//! from then on. What a session does once is not compiled: the first time a plan is met and not on disk, its operations run as separate kernels.
use super::driver::{Function, Gpu};
use super::loader::{self, Wanted};
use super::source::{HEADERS, Plan};
use cudarc::nvrtc::sys;
use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::path::{Path, PathBuf};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Compiled kernels on disk: some kilobytes each. Beyond, the older half goes.
const MOST_FILES: usize = 2000;
/// How often a plan that is not on disk is met before it is compiled.
const WORTH_COMPILING: u32 = 2;

/// What is known of a plan.
enum Known {
    Met(u32),
    Ready(Function),
    /// NVRTC or the driver refused it.
    Refused,
}

/// NVRTC for one device.
pub(super) struct Compiler {
    /// As (12, 1).
    version: (i32, i32),
    /// As `sm_90`.
    architecture: String,
    known: Mutex<HashMap<Vec<u8>, Known>>,
    directory: Option<PathBuf>,
    compiled: AtomicU64,
}

impl Compiler {
    /// `None` where there is no NVRTC.
    pub fn open(gpu: &Gpu) -> Option<Self> {
        if !loader::load(Wanted::Nvrtc, gpu.driver_major) {
            return None;
        }
        let (mut major, mut minor) = (0, 0);
        // SAFETY: the library is loaded; pointers to locals.
        let code = unsafe { sys::nvrtcVersion(&mut major, &mut minor) };
        (code == sys::nvrtcResult::NVRTC_SUCCESS).then(|| Self {
            version: (major, minor),
            architecture: format!("sm_{}{}", gpu.capability.0, gpu.capability.1),
            known: Mutex::default(),
            directory: directory(),
            compiled: AtomicU64::new(0),
        })
    }

    /// As `NVRTC 12.1`.
    pub fn describe(&self) -> String {
        format!("NVRTC {}.{}", self.version.0, self.version.1)
    }

    /// Kernels that were compiled by this process.
    pub fn compiled(&self) -> u64 {
        self.compiled.load(Ordering::Relaxed)
    }

    /// The kernel of a plan, if it is there or worth being made now.
    pub fn function(&self, gpu: &Gpu, plan: &Plan) -> Option<Function> {
        let key = plan.key();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let met = match known.get(&key) {
            Some(Known::Ready(function)) => return Some(*function),
            Some(Known::Refused) => return None,
            Some(Known::Met(times)) => *times,
            None => 0,
        };
        if gpu.owner() != 0 {
            // Nothing is loaded while a graph is captured; the steps before have met it.
            return None;
        }
        let found = match self.made(gpu, plan, met + 1 >= WORTH_COMPILING) {
            Made::Ready(function) => Known::Ready(function),
            Made::Refused => Known::Refused,
            Made::NotYet => Known::Met(met + 1),
        };
        let ready = if let Known::Ready(function) = &found { Some(*function) } else { None };
        known.insert(key, found);
        ready
    }

    /// From the disk, or compiled if that is wanted.
    fn made(&self, gpu: &Gpu, plan: &Plan, compile: bool) -> Made {
        let headers = HEADERS.iter().flat_map(|(_, text)| text.bytes());
        let about = format!("{} {:?} {}", self.architecture, self.version, env!("CARGO_PKG_VERSION"));
        let hash = fnv(plan.text("").bytes().chain(headers).chain(about.bytes()));
        let name = format!("fused_{hash:016x}");
        let file = self.directory.as_ref().map(|directory| directory.join(format!("{name}.cubin")));
        if let Some(function) = file.as_deref().and_then(read).and_then(|cubin| gpu.load_made(&cubin, &name)) {
            return Made::Ready(function);
        }
        if !compile {
            return Made::NotYet;
        }
        let Some(cubin) = compiled(&plan.text(&name), &self.architecture) else { return Made::Refused };
        self.compiled.fetch_add(1, Ordering::Relaxed);
        let Some(function) = gpu.load_made(&cubin, &name) else { return Made::Refused };
        if let Some(file) = &file {
            write(file, &cubin);
        }
        Made::Ready(function)
    }
}

enum Made {
    Ready(Function),
    NotYet,
    Refused,
}

/// Machine code for one generation; `None` if NVRTC refuses, for instance a GPU that is newer than itself.
fn compiled(text: &str, architecture: &str) -> Option<Vec<u8>> {
    let text = CString::new(text).ok()?;
    let strings = |of: fn(&(&str, &str)) -> String| HEADERS.iter().map(|header| CString::new(of(header)).ok()).collect::<Option<Vec<_>>>();
    let (names, headers) = (strings(|(name, _)| (*name).to_owned())?, strings(|(_, text)| (*text).to_owned())?);
    let options = [format!("--gpu-architecture={architecture}"), "--std=c++17".to_owned(), "--fmad=false".to_owned()];
    let options = options.into_iter().map(|option| CString::new(option).ok()).collect::<Option<Vec<_>>>()?;
    let pointers = |strings: &[CString]| strings.iter().map(|s| s.as_ptr()).collect::<Vec<*const c_char>>();
    let mut program = null_mut();
    let is_done = |code| code == sys::nvrtcResult::NVRTC_SUCCESS;
    // SAFETY: all strings end with a 0 and live until after the calls; `program` is what the first call made, and is destroyed once.
    unsafe {
        let (headers, names) = (pointers(&headers), pointers(&names));
        if !is_done(sys::nvrtcCreateProgram(&mut program, text.as_ptr(), c"fused.cu".as_ptr(), headers.len() as i32, headers.as_ptr(), names.as_ptr())) {
            return None;
        }
        let (options, mut size) = (pointers(&options), 0);
        let mut cubin = None;
        if is_done(sys::nvrtcCompileProgram(program, options.len() as i32, options.as_ptr())) && is_done(sys::nvrtcGetCUBINSize(program, &mut size)) && size > 0 {
            let mut bytes = vec![0u8; size];
            cubin = is_done(sys::nvrtcGetCUBIN(program, bytes.as_mut_ptr().cast())).then_some(bytes);
        }
        let _ = sys::nvrtcDestroyProgram(&mut program);
        cubin
    }
}

/// FNV-1a of 64 bits.
fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// `$OCHRE_CACHE/gpu`, else in the user's cache directory.
fn directory() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("OCHRE_CACHE").or_else(|| Some(set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?.join("ochre")));
    Some(cache?.join("gpu"))
}

/// A file's content without its checksum, which is the last eight bytes; `None` if it is not whole.
fn read(file: &Path) -> Option<Vec<u8>> {
    let mut bytes = std::fs::read(file).ok()?;
    let at = bytes.len().checked_sub(8)?;
    let sum = u64::from_le_bytes(bytes[at..].try_into().ok()?);
    bytes.truncate(at);
    (!bytes.is_empty() && fnv(bytes.iter().copied()) == sum).then_some(bytes)
}

/// Keeps a kernel; a disk that is full or read-only costs only the next compilation.
fn write(file: &Path, cubin: &[u8]) {
    let Some(directory) = file.parent() else { return };
    let _ = std::fs::create_dir_all(directory);
    forget_old(directory);
    let bytes = [cubin, &fnv(cubin.iter().copied()).to_le_bytes()].concat();
    let part = file.with_extension(format!("{}.part", std::process::id()));
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, file));
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
}

fn forget_old(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut files: Vec<_> = entries.flatten().filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    if files.len() >= MOST_FILES {
        files.sort();
        files[..MOST_FILES / 2].iter().for_each(|(_, path)| drop(std::fs::remove_file(path)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_not_used() {
        let directory = std::env::temp_dir().join(format!("ochre-gpu-{}", std::process::id()));
        let file = directory.join("fused_1.cubin");
        write(&file, b"machine code");
        assert_eq!(read(&file).as_deref(), Some(&b"machine code"[..]));
        let mut bytes = std::fs::read(&file).expect("written");
        bytes[3] ^= 1;
        std::fs::write(&file, &bytes).expect("writable");
        assert_eq!(read(&file), None);
        std::fs::write(&file, b"short").expect("writable");
        assert_eq!(read(&file), None);
        (0..MOST_FILES).for_each(|n| std::fs::write(directory.join(format!("{n}.cubin")), b"").expect("writable"));
        write(&file, b"machine code");
        assert_eq!(read(&file).as_deref(), Some(&b"machine code"[..]));
        assert!(std::fs::read_dir(&directory).expect("there").count() < MOST_FILES);
        std::fs::remove_dir_all(directory).expect("removed");
    }
}
