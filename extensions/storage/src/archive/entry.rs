//! One entry of an archive, after its checks.

/// How the bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Stored,
    Deflate,
}

/// A file or directory of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Relative, with `/`, without `.`, `..` or empty parts; a directory's name has no slash at its end.
    pub(crate) name: String,
    /// The name as the archive's bytes have it: the local header must say the same.
    pub(crate) raw: Vec<u8>,
    pub(crate) directory: bool,
    pub(crate) method: Method,
    /// Bytes in the archive.
    pub(crate) compressed: u64,
    /// Bytes unpacked.
    pub(crate) size: u64,
    pub(crate) crc: u32,
    /// Where its local header begins.
    pub(crate) header: u64,
    /// Where its bytes must have ended: the next entry's header, or the directory.
    pub(crate) bound: u64,
}
