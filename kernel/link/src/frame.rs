//! Frames on a byte stream: a length (u32, little-endian, bytes of the body), then the body (postcard).
//!
//! Pure functions over buffers and `std::io`; who wants to await wraps them.
use serde::{Serialize, de::DeserializeOwned};
use std::io::{Read, Write};

/// Longest body that is sent or accepted: 1 GiB holds any library and any display, and a corrupt length
/// is noticed before memory is asked for.
pub const MAX_FRAME_BYTES: usize = 1 << 30;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("frame of {len} bytes exceeds the limit of {MAX_FRAME_BYTES}")]
    TooLong { len: usize },
    #[error("frame does not decode")]
    Decode(#[source] postcard::Error),
    #[error("message does not encode")]
    Encode(#[source] postcard::Error),
    #[error("stream ended inside a frame")]
    Truncated,
    #[error("stream failed")]
    Io(#[source] std::io::Error),
}

/// One message as it goes over the wire, length included.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = postcard::to_extend(message, vec![0u8; 4]).map_err(FrameError::Encode)?;
    let len = bytes.len() - 4;
    if len > MAX_FRAME_BYTES {
        return Err(FrameError::TooLong { len });
    }
    bytes[..4].copy_from_slice(&(len as u32).to_le_bytes());
    Ok(bytes)
}

/// The body's length from the four bytes before it.
pub fn body_len(prefix: [u8; 4]) -> Result<usize, FrameError> {
    let len = u32::from_le_bytes(prefix) as usize;
    if len > MAX_FRAME_BYTES { Err(FrameError::TooLong { len }) } else { Ok(len) }
}

/// A message from a frame's body.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    postcard::from_bytes(body).map_err(FrameError::Decode)
}

/// Writes one message and flushes.
pub fn write<T: Serialize>(to: &mut impl Write, message: &T) -> Result<(), FrameError> {
    let bytes = encode(message)?;
    to.write_all(&bytes).and_then(|()| to.flush()).map_err(FrameError::Io)
}

/// Reads one message; `None` at a clean end of the stream.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> Result<Option<T>, FrameError> {
    let mut prefix = [0u8; 4];
    let mut have = 0;
    while have < 4 {
        match from.read(&mut prefix[have..]) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(FrameError::Truncated),
            Ok(n) => have += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(FrameError::Io(e)),
        }
    }
    // Grown as bytes arrive, not asked for at once: a lying length costs nothing.
    let len = body_len(prefix)?;
    let mut body = Vec::with_capacity(len.min(1 << 20));
    from.take(len as u64).read_to_end(&mut body).map_err(FrameError::Io)?;
    if body.len() < len {
        return Err(FrameError::Truncated);
    }
    decode(&body).map(Some)
}
