//! Parts of an object in parallel: what reading a whole object, readers and downloads have in common.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use md5::{Digest, Md5};
use object_store::path::Path;
use object_store::{Attribute, GetOptions, GetRange, GetResult, GetResultPayload, ObjectStore};
use std::ops::Range;
use tokio::task::JoinSet;

use crate::error::{Ours, Verdict, verdict};
use crate::http::{PART_MD5, WHOLE_MD5, hex};
use crate::{BlobError, Container, Meta, Result};

/// Size of a part, in bytes: the best of 4, 8 and 32 MiB against a server with 60 MB/s per connection and one without.
pub(crate) const PART: u64 = 8 << 20;
/// The smallest part that a larger object is cut into.
const SMALL_PART: u64 = 1 << 20;
/// The first request for an object of unknown size asks for so much, and so learns the size; most objects are smaller.
const FIRST: u64 = 2 << 20;
/// Times that bytes which contradict a checksum are fetched again.
const CORRUPT_TRIES: u32 = 3;

/// Asks for `range` of the version `etag` (of any where `None`).
pub(crate) async fn open(container: &Container, path: &Path, etag: Option<&str>, range: Range<u64>) -> object_store::Result<GetResult> {
    let options = GetOptions { if_match: etag.map(str::to_owned), range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
    container.steady().get_opts(path, options).await
}

/// Gives each piece of `range` of version `etag` to `take`. Pieces of a part that has a checksum come once it is verified.
pub(crate) async fn fetch(
    container: &Container,
    path: &Path,
    etag: Option<&str>,
    range: Range<u64>,
    mut take: impl FnMut(Bytes) -> std::io::Result<()>,
) -> object_store::Result<()> {
    let mut tries = 0;
    loop {
        let found = open(container, path, etag, range.clone()).await?;
        match pieces(found, range.end - range.start, &mut take).await {
            Err(error) if verdict(&error) == Verdict::Corrupt && tries < CORRUPT_TRIES => tries += 1,
            other => return other,
        }
    }
}

async fn pieces(found: GetResult, length: u64, take: &mut impl FnMut(Bytes) -> std::io::Result<()>) -> object_store::Result<()> {
    let sum = found.attributes.get(&Attribute::Metadata(PART_MD5.into())).map(|sum| sum.to_string());
    let refused = |error: std::io::Error| object_store::Error::Generic { store: "ochre", source: Box::new(error) };
    let announced = found.range.end - found.range.start;
    if announced != length {
        return Err(Ours::Truncated(length.saturating_sub(announced)).into_store());
    }
    if let GetResultPayload::File(..) = found.payload {
        return take(found.bytes().await?).map_err(refused);
    }
    let mut body = found.into_stream();
    let mut held = Vec::new();
    let mut digest = sum.as_ref().map(|_| Md5::new());
    let mut got = 0;
    while let Some(piece) = body.next().await {
        let piece = piece?;
        got += piece.len() as u64;
        match &mut digest {
            Some(digest) => {
                digest.update(&piece);
                held.push(piece);
            }
            None => take(piece).map_err(refused)?,
        }
    }
    if got != length {
        return Err(Ours::Truncated(length.saturating_sub(got)).into_store());
    }
    if let (Some(digest), Some(sum)) = (digest, sum) {
        if hex(&digest.finalize()) != sum {
            return Err(Ours::Corrupt("a part does not have the MD5 that the service sent with it".to_owned()).into_store());
        }
    }
    held.into_iter().try_for_each(take).map_err(refused)
}

/// The whole object at `path`.
pub(crate) async fn read_whole(container: &Container, path: &str) -> Result<Bytes> {
    let mut tries = 0;
    loop {
        match try_whole(container, path).await {
            // Changed between two parts, or bytes that contradict a checksum: from the start, which is another version or another transfer.
            Err(BlobError::Changed { .. } | BlobError::Corrupt { .. }) if tries < CORRUPT_TRIES => tries += 1,
            other => return other,
        }
    }
}

async fn try_whole(container: &Container, path: &str) -> Result<Bytes> {
    let location = container.path(path)?;
    let failed = |error: object_store::Error| container.failed("reading", path, &error);
    let found = match open(container, &location, None, 0..FIRST).await {
        Ok(found) => found,
        Err(error) if verdict(&error) == Verdict::NotFound => return Err(failed(error)),
        // Services answer a range of an empty object with an error.
        Err(error) => match container.stat(path).await {
            Ok(Meta { size: 0, .. }) => return Ok(Bytes::new()),
            _ => return Err(failed(error)),
        },
    };
    let (size, etag) = (found.meta.size, found.meta.e_tag.clone());
    if size <= FIRST {
        let sum = found.attributes.get(&Attribute::Metadata(WHOLE_MD5.into())).map(|sum| sum.to_string());
        let bytes = found.bytes().await.map_err(failed)?;
        return verified(container, path, bytes, size, sum);
    }
    let rest = size - FIRST;
    let part = (rest / container.engine().limit() as u64).clamp(SMALL_PART, PART).next_multiple_of(4096);
    let capacity = usize::try_from(size).map_err(|_| container.internal("reading", path, "the object is larger than the address space"))?;
    let mut whole = BytesMut::with_capacity(capacity);
    let mut tail = whole.split_off(FIRST as usize);
    let mut tasks = JoinSet::new();
    let mut start = FIRST;
    while start < size {
        let end = size.min(start + part);
        let rest = tail.split_off((end - start) as usize);
        let buffer = std::mem::replace(&mut tail, rest);
        let (container, location, etag) = (container.clone(), location.clone(), etag.clone());
        tasks.spawn(async move {
            let ticket = container.engine().enter().await;
            let mut buffer = buffer;
            fetch(&container, &location, etag.as_deref(), start..end, |piece| {
                buffer.extend_from_slice(&piece);
                Ok(())
            })
            .await?;
            ticket.done(end - start);
            Ok::<_, object_store::Error>((start, buffer))
        });
        start = end;
    }
    let mut body = found.into_stream();
    while let Some(piece) = body.next().await {
        whole.extend_from_slice(&piece.map_err(failed)?);
    }
    if whole.len() as u64 != FIRST {
        return Err(failed(Ours::Truncated(FIRST.saturating_sub(whole.len() as u64)).into_store()));
    }
    let mut done = Vec::with_capacity(tasks.len());
    while let Some(part) = tasks.join_next().await {
        let part = part.map_err(|error| container.internal("reading", path, &error.to_string()))?;
        done.push(part.map_err(failed)?);
    }
    done.sort_unstable_by_key(|(start, _)| *start);
    // The buffers are neighbours in one allocation, so this copies nothing.
    done.into_iter().for_each(|(_, part)| whole.unsplit(part));
    Ok(whole.freeze())
}

fn verified(container: &Container, path: &str, bytes: Bytes, size: u64, sum: Option<String>) -> Result<Bytes> {
    let corrupt = |detail: String| BlobError::Corrupt { doing: "reading", at: container.at(path), detail };
    if bytes.len() as u64 != size {
        return Err(corrupt(format!("{} bytes of {size}", bytes.len())));
    }
    match sum {
        Some(sum) if container.trusts_md5() && hex(&Md5::digest(&bytes)) != sum => Err(corrupt("it does not have the MD5 that the service has for it".to_owned())),
        _ => Ok(bytes),
    }
}
