//! What a program sees of an error of the store.

use fuser::Errno;
use ochre_blobs::BlobError;

/// The errno for an error: `ENOENT`, `EACCES`, `EEXIST` and so on where there is one, else `EIO`.
pub(super) fn of(error: &BlobError) -> Errno {
    match error {
        BlobError::NotFound { .. } => Errno::ENOENT,
        BlobError::Denied { .. } | BlobError::BadCredential { .. } => Errno::EACCES,
        BlobError::Exists { .. } => Errno::EEXIST,
        BlobError::Changed { .. } => Errno::ESTALE,
        BlobError::Unsupported { .. } => Errno::EOPNOTSUPP,
        BlobError::BadLocation { .. } => Errno::EINVAL,
        _ => Errno::EIO,
    }
}
