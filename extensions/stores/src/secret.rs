//! Secrets in cells: asked for by name, from the kernel's vault (topic `secret`). What the kernel hands out it takes out of all that is shown.
use ochre_runtime::host::{self, RequestFailure};
use ochre_secrets::Secret;

/// Topic of `ochre-vault`.
const TOPIC: &str = "secret";

/// The secret of this name (`SCOPE/KEY`, `keyvault:NAME/KEY`, …). `.expose()` gives the text; showing it shows its name.
pub fn secret(name: &str) -> Result<Secret, RequestFailure> {
    let bytes = host::request(TOPIC, name.as_bytes())?;
    // The kernel sends text; if ever not, nothing of it is shown.
    Ok(Secret::named(name.strip_prefix("secret:").unwrap_or(name), String::from_utf8(bytes).unwrap_or_default()))
}
