//! Shared libraries of cells: written into a directory of this worker's own, loaded, never unloaded.
//!
//! The bytes arrive over the link, so no file system is shared with the kernel. A library stays loaded for
//! ever, because variables and threads hold code of it.
use ochre_runtime::__rt::{ENTRY, Entry};
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{fs, io};

static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();

/// What this worker has of the session's libraries.
#[derive(Default)]
pub struct Libraries {
    loaded: HashMap<String, Handle>,
    written: HashSet<String>,
    /// Why a library that was sent is not there.
    failed: HashMap<String, String>,
}

/// What `dlopen` returned.
#[derive(Clone, Copy)]
struct Handle(*mut c_void);

// SAFETY: `dlsym` may be called from any thread, and the handle is never closed.
unsafe impl Send for Handle {}

/// Makes the directory. Called once, before anything is received.
pub fn make_directory() -> io::Result<()> {
    let pattern = std::env::temp_dir().join("ochre-worker-XXXXXX");
    let mut pattern = CString::new(pattern.as_os_str().as_bytes())?.into_bytes_with_nul();
    // SAFETY: a NUL-terminated, writable buffer, which mkdtemp changes in place.
    if unsafe { libc::mkdtemp(pattern.as_mut_ptr().cast()) }.is_null() {
        return Err(io::Error::last_os_error());
    }
    pattern.pop();
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(&pattern));
    let _ = DIRECTORY.set(path);
    Ok(())
}

/// Removes the directory with all that is in it; the loaded code stays mapped.
pub fn remove_directory() {
    if let Some(path) = DIRECTORY.get() {
        let _ = fs::remove_dir_all(path);
    }
}

impl Libraries {
    /// Keeps a library that the kernel sent. Failures are told when the library is needed.
    pub fn write(&mut self, file: String, bytes: &[u8]) {
        if self.written.contains(&file) {
            return;
        }
        match save(&file, bytes) {
            Ok(()) => {
                self.failed.remove(&file);
                self.written.insert(file);
            }
            Err(reason) => {
                self.failed.insert(file, reason);
            }
        }
    }

    /// Loads what is not loaded yet, in this order, and finds the entry point of the last one.
    pub fn entry(&mut self, load: &[String], library: &str) -> Result<Entry, String> {
        for file in load {
            self.open(file)?;
        }
        let handle = self.open(library)?;
        symbol(handle, library)
    }

    fn open(&mut self, file: &str) -> Result<Handle, String> {
        if let Some(handle) = self.loaded.get(file) {
            return Ok(*handle);
        }
        if let Some(reason) = self.failed.get(file) {
            return Err(reason.clone());
        }
        if !self.written.contains(file) {
            return Err(format!("the library `{file}` was never sent to the worker; this is a bug of Ochre, please report it"));
        }
        let handle = open_path(&directory()?.join(file))?;
        self.loaded.insert(file.to_owned(), handle);
        Ok(handle)
    }
}

/// Loads a library that is found by the usual rules, so that the first cell that needs it finds it loaded.
pub fn preload(path: &Path) {
    // A failure shows again, with its reason, when a cell needs the library.
    let _ = open_path(path);
}

fn directory() -> Result<&'static Path, String> {
    DIRECTORY.get().map(PathBuf::as_path).ok_or_else(|| "the worker has no directory for libraries".to_owned())
}

/// Writes beside and renames: a file that is mapped must never change.
fn save(file: &str, bytes: &[u8]) -> Result<(), String> {
    let plain = Path::new(file).file_name().is_some_and(|name| name == file);
    if !plain {
        return Err(format!("`{file}` is not the name of a library"));
    }
    let directory = directory()?;
    let part = directory.join(format!("{file}.part"));
    let result = fs::write(&part, bytes).and_then(|()| fs::rename(&part, directory.join(file)));
    result.map_err(|e| {
        format!("the worker could not write the cell's library into {}: {e}; make room there, or set TMPDIR to another directory and restart the kernel", directory.display())
    })
}

fn open_path(path: &Path) -> Result<Handle, String> {
    let path_text = CString::new(path.as_os_str().as_bytes()).map_err(|e| e.to_string())?;
    // SAFETY: a NUL-terminated path. Constructors of the library run here: it is code of the user's own cell.
    let handle = unsafe { libc::dlopen(path_text.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if handle.is_null() {
        return Err(format!("the cell's library could not be loaded: {}", last_error()));
    }
    Ok(Handle(handle))
}

fn symbol(handle: Handle, library: &str) -> Result<Entry, String> {
    let name = CString::new(ENTRY).map_err(|e| e.to_string())?;
    // SAFETY: a live handle and a NUL-terminated name.
    let address = unsafe { libc::dlsym(handle.0, name.as_ptr()) };
    if address.is_null() {
        return Err(format!("`{library}` has no entry point: {}", last_error()));
    }
    // SAFETY: the kernel built this library with the compiler and the runtime that built this worker, and
    // gave the symbol this type.
    Ok(unsafe { std::mem::transmute::<*mut c_void, Entry>(address) })
}

fn last_error() -> String {
    // SAFETY: dlerror returns null or a text that stays valid until this thread's next dl call.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "no reason was given".to_owned();
    }
    // SAFETY: not null, NUL-terminated.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    if text.contains("Operation not permitted") {
        return format!("{text} (is the temporary directory mounted noexec? set TMPDIR to one that is not)");
    }
    text
}
