//! One cache serves many checkouts, and cargo names the crates of a workspace without its path and judges them by their files' times:
//! what another checkout built last would be taken for this one's, with that one's paths and perhaps its code.
use std::path::Path;

/// File in a target directory that names the checkout that built there last.
const STAMP: &str = "ochre-checkout";

/// Has cargo build our own crates again when another checkout was the last to build in `target_dir`. Dependencies stay.
pub(crate) fn adopt(target_dir: &Path, source: &Path) -> std::io::Result<()> {
    let source = source.canonicalize()?;
    let stamp = target_dir.join(STAMP);
    if std::fs::read(&stamp).is_ok_and(|last| last == source.as_os_str().as_encoded_bytes()) {
        return Ok(());
    }
    std::fs::create_dir_all(target_dir)?;
    let mut places = directories(target_dir); // of `--target`
    places.push(target_dir.to_owned());
    for directory in places {
        for unit in directories(&directory.join("release/.fingerprint")) {
            let name = unit.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("ochre-") || name.starts_with("xtask-") {
                std::fs::remove_dir_all(&unit)?;
            }
        }
    }
    std::fs::write(&stamp, source.as_os_str().as_encoded_bytes())
}

fn directories(below: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(below).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_checkout_makes_our_crates_stale_and_leaves_dependencies() {
        let place = tempfile::tempdir().expect("a directory");
        let (target, one, other) = (place.path().join("target"), place.path().join("one"), place.path().join("other"));
        let units = ["release/.fingerprint/ochre-link-1", "triple/release/.fingerprint/ochre-ml-2", "release/.fingerprint/serde-3"].map(|unit| target.join(unit));
        let there = || units.clone().map(|unit| unit.exists());
        let again = || units.iter().for_each(|unit| std::fs::create_dir_all(unit).expect("a unit"));
        for checkout in [&one, &other] {
            std::fs::create_dir_all(checkout).expect("a checkout");
        }
        again();
        adopt(&target, &one).expect("adopted");
        assert_eq!(there(), [false, false, true], "who built here is not known");
        again();
        adopt(&target, &one).expect("adopted");
        assert_eq!(there(), [true, true, true]);
        adopt(&target, &other).expect("adopted");
        assert_eq!(there(), [false, false, true]);
    }
}
