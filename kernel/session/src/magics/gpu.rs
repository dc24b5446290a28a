//! `%gpu`: whether there is an NVIDIA driver that cells could use.
use ochre_api::*;
use std::path::{Path, PathBuf};

/// The magic.
pub(crate) struct Gpu;

const SPEC: Spec = Spec {
    name: "gpu",
    aliases: &[],
    area: "session",
    form: Form::Line,
    arguments: &[],
    summary: "says whether there is a GPU driver on this machine",
    help: "Looks for NVIDIA's libcuda where the dynamic loader looks, and for the kernel's devices; nothing is started. Dataframes run on \
           the CPU in any case.",
    examples: &[Example { text: "%gpu", does: "one line" }],
};

#[async_trait]
impl Magic for Gpu {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, _call: Call, _session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        Ok(MagicOutcome::text(sentence(library().as_deref(), version().as_deref(), devices())))
    }
}

fn sentence(library: Option<&Path>, version: Option<&str>, devices: usize) -> String {
    let version = version.map(|v| format!(" {v}")).unwrap_or_default();
    match (library, devices) {
        (Some(path), 0) => format!("an NVIDIA driver library{version} is there ({}), but no device: nothing can run on it", path.display()),
        (Some(path), n) => format!("NVIDIA driver{version} with {n} device{} ({})", if n == 1 { "" } else { "s" }, path.display()),
        (None, 0) => "no NVIDIA driver: libcuda.so.1 is not where libraries are looked for, so everything runs on the CPU".to_owned(),
        (None, n) => format!("{n} NVIDIA devices, but no libcuda.so.1 where libraries are looked for: install the driver's libraries, or start the container with them"),
    }
}

/// The driver's library, searched where the loader searches.
fn library() -> Option<PathBuf> {
    const PLACES: &[&str] = &[
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
        "/usr/lib/wsl/lib",
        "/usr/local/nvidia/lib64",
        "/usr/local/cuda/compat",
        "/run/opengl-driver/lib",
    ];
    let set = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let places = std::env::split_paths(&set).filter(|p| !p.as_os_str().is_empty()).chain(PLACES.iter().map(PathBuf::from));
    places.map(|place| place.join("libcuda.so.1")).find(|path| path.exists())
}

/// `/proc/driver/nvidia/version` begins `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  …`.
fn version() -> Option<String> {
    let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    let number = |word: &&str| word.split('.').count() >= 2 && word.split('.').all(|p| !p.is_empty() && p.chars().all(|c| c.is_ascii_digit()));
    text.split_whitespace().find(number).map(str::to_owned)
}

/// `/dev/nvidia0`, `/dev/nvidia1`, …; on WSL the one device is `/dev/dxg`.
fn devices() -> usize {
    let numbered = |name: &str| name.strip_prefix("nvidia").is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    entries.filter(|e| e.file_name().to_str().is_some_and(|name| numbered(name) || name == "dxg")).count()
}

#[cfg(test)]
mod tests {
    use super::sentence;
    use std::path::Path;

    #[test]
    fn the_sentence_is_honest() {
        let library = Path::new("/usr/lib/libcuda.so.1");
        assert!(sentence(None, None, 0).contains("on the CPU"));
        assert!(sentence(Some(library), Some("550.54"), 1).starts_with("NVIDIA driver 550.54 with 1 device ("));
        assert!(sentence(Some(library), None, 0).contains("but no device"));
        assert!(sentence(None, None, 2).contains("install"));
    }
}
