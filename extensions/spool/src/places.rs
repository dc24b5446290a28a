//! Where spools are kept.
use std::path::PathBuf;

/// Names the directory, before any other place.
pub const SPOOL_VARIABLE: &str = "OCHRE_SPOOL";

/// `$OCHRE_SPOOL`, `$XDG_STATE_HOME/ochre/spool`, `~/.local/state/ochre/spool`, else a directory of this user's that does not outlive the machine.
pub fn spool_directory() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let state = || variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state"))).map(|d| d.join("ochre/spool"));
    let last = || std::env::temp_dir().join(format!("ochre-spool-{}", crate::sys::user_id()));
    variable(SPOOL_VARIABLE).unwrap_or_else(|| state().filter(|d| std::fs::create_dir_all(d).is_ok()).unwrap_or_else(last))
}
