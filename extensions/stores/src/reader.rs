//! A blob read as a file.
use crate::error::StoreError;
use crate::wait::wait;
use bytes::{Bytes, BytesMut};
use ochre_blobs::Reader;
use polars::io::mmap::MmapBytesReader;
use std::fmt;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::sync::{Arc, OnceLock};

/// What is asked for first after a seek, in bytes: a footer or a header, and not much more.
const FIRST_PIECE: usize = 64 << 10;
/// The largest piece that is taken at a time, in bytes; the reader below fetches ahead in parts of its own.
const LARGEST_PIECE: usize = 4 << 20;

/// An open blob: `Read`, `Seek` and `BufRead`, also for polars' readers (`ParquetReader::new(store.open(path)?)`).
pub struct BlobReader {
    reader: Arc<Reader>,
    /// Where the next byte comes from.
    position: u64,
    /// What was fetched from `position` on.
    buffer: Bytes,
    /// How much the next fetch takes: it grows while reading goes on in order.
    piece: usize,
    /// All of it, for who needs it so.
    all: OnceLock<Bytes>,
}

impl BlobReader {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader: Arc::new(reader), position: 0, buffer: Bytes::new(), piece: FIRST_PIECE, all: OnceLock::new() }
    }

    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.reader.meta().size
    }

    fn fetch_all(&self) -> Result<Bytes, StoreError> {
        let reader = self.reader.clone();
        wait(async move {
            let size = reader.meta().size;
            let mut all = BytesMut::with_capacity(usize::try_from(size).unwrap_or_default());
            while (all.len() as u64) < size {
                all.extend_from_slice(&reader.read_at(all.len() as u64, LARGEST_PIECE).await?);
            }
            Ok(all.freeze())
        })
    }

    fn fetch(&self, len: usize) -> Result<Bytes, StoreError> {
        let (reader, position) = (self.reader.clone(), self.position);
        wait(async move { Ok(reader.read_at(position, len).await?) })
    }
}

impl BufRead for BlobReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = self.size().saturating_sub(self.position);
        if self.buffer.is_empty() && left > 0 {
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(self.piece);
            self.buffer = self.fetch(len)?;
            self.piece = (self.piece * 2).min(LARGEST_PIECE);
        }
        Ok(&self.buffer)
    }

    fn consume(&mut self, amount: usize) {
        let amount = amount.min(self.buffer.len());
        let _ = self.buffer.split_to(amount);
        self.position += amount as u64;
    }
}

impl Read for BlobReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let waiting = self.fill_buf()?;
        let len = waiting.len().min(out.len());
        out[..len].copy_from_slice(&waiting[..len]);
        self.consume(len);
        Ok(len)
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.size().checked_add_signed(by),
        };
        let place = place.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the blob's beginning"))?;
        let ahead = place.checked_sub(self.position).and_then(|ahead| usize::try_from(ahead).ok());
        match ahead.filter(|ahead| *ahead <= self.buffer.len()) {
            Some(ahead) => self.consume(ahead),
            None => {
                self.buffer = Bytes::new();
                self.position = place;
                self.piece = FIRST_PIECE;
            }
        }
        Ok(place)
    }
}

impl MmapBytesReader for BlobReader {
    /// All of it: polars' eager readers take bytes that lie in memory, and read from others what is left of them only.
    fn to_bytes(&self) -> Option<&[u8]> {
        if self.all.get().is_none() {
            let _ = self.all.set(self.fetch_all().ok()?);
        }
        self.all.get().map(|all| &**all)
    }
}

impl fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meta = self.reader.meta();
        write!(f, "BlobReader({:?}, at {} of {} bytes)", meta.path, self.position, meta.size)
    }
}
