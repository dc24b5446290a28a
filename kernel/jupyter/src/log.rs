//! Notes for who runs the kernel, on its stderr: Jupyter shows that in the terminal of its server.
use std::sync::atomic::{AtomicU32, Ordering};

/// A hostile peer must not fill a disk: after this many notes the rest is not written.
const MAX_NOTES: u32 = 200;

static NOTES: AtomicU32 = AtomicU32::new(0);

/// Writes one line.
pub(crate) fn note(text: std::fmt::Arguments<'_>) {
    match NOTES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n <= MAX_NOTES).then_some(n + 1)) {
        Ok(MAX_NOTES) => eprintln!("ochre: more notes like these are not written"),
        Ok(_) => eprintln!("ochre: {text}"),
        Err(_) => {}
    }
}
