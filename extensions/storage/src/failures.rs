//! Errors of the crates below, as users read them.
use ochre_api::{Failure, Fault};
use ochre_blobs::BlobError;

/// An error of blobs, with its fault and hint.
pub(crate) fn of_blob(error: BlobError) -> Failure {
    let fault = match error.fault() {
        ochre_blobs::Fault::YourCode => Fault::YourCode,
        ochre_blobs::Fault::YourConfiguration => Fault::YourConfiguration,
        ochre_blobs::Fault::Remote => Fault::Remote,
        ochre_blobs::Fault::Bug => Fault::Bug,
    };
    let failure = Failure::new(fault, error.name(), error.to_string());
    match role_hint(&error).or(error.hint()) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Azure's most frequent refusal: owners of an account may do all with it but read its data, for which there are roles of their own.
fn role_hint(error: &BlobError) -> Option<&'static str> {
    let BlobError::Denied { detail, .. } = error else { return None };
    let hint = "this identity needs the role Storage Blob Data Contributor (or Reader) on the account; or use its key: `%credential URL account-key`";
    detail.contains("AuthorizationPermissionMismatch").then_some(hint)
}

/// The way back: what a source of credentials says becomes the error of the operation that needed one.
pub(crate) fn to_blob(failure: &Failure, at: &ochre_blobs::Location) -> BlobError {
    let hint = failure.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    BlobError::BadCredential { at: at.to_string(), why: format!("{}{hint}", failure.one_line()) }
}
