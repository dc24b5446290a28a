//! Frames on the wire: flags, a length of one or eight bytes, the body; and messages made of them.
use bytes::{BufMut, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Largest message that is taken from a peer, all frames together: room for a file upload in a widget,
/// and an end for a peer that sends without end.
pub(crate) const MAX_MESSAGE_BYTES: usize = 512 << 20;
/// Most frames of one message: Jupyter needs seven and the buffers.
const MAX_FRAMES: usize = 10_000;
/// Largest command (READY, PING, …); they are tens of bytes.
const MAX_COMMAND_BYTES: usize = 64 << 10;
/// What is allocated for a body before its bytes have come: a lying length costs nothing.
const FIRST_ALLOCATION_BYTES: usize = 64 << 10;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// What a peer sent.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Name and data of a command.
    Command { name: String, data: Bytes },
    Message(Vec<Bytes>),
}

/// Reads one command or one whole message. A command may come between the frames of a message only by
/// a broken peer: that is an error.
pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Incoming> {
    let mut frames = Vec::new();
    let mut total = 0;
    loop {
        let flags = from.read_u8().await?;
        let len = if flags & LONG == 0 { u64::from(from.read_u8().await?) } else { from.read_u64().await? };
        let command = flags & COMMAND != 0;
        let limit = if command { MAX_COMMAND_BYTES } else { MAX_MESSAGE_BYTES - total };
        let len = usize::try_from(len).ok().filter(|&len| len <= limit).ok_or_else(|| invalid("frame is too long"))?;
        let body = read_body(from, len).await?;
        if command {
            return if frames.is_empty() { split_command(body) } else { Err(invalid("command inside a message")) };
        }
        total += len;
        frames.push(body);
        if flags & MORE == 0 {
            return Ok(Incoming::Message(frames));
        }
        if frames.len() >= MAX_FRAMES {
            return Err(invalid("message has too many frames"));
        }
    }
}

async fn read_body(from: &mut (impl AsyncRead + Unpin), len: usize) -> io::Result<Bytes> {
    let mut body = Vec::with_capacity(len.min(FIRST_ALLOCATION_BYTES));
    from.take(len as u64).read_to_end(&mut body).await?;
    if body.len() < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(body.into()) }
}

fn split_command(body: Bytes) -> io::Result<Incoming> {
    let name_len = usize::from(*body.first().ok_or_else(|| invalid("empty command"))?);
    let name = body.get(1..1 + name_len).ok_or_else(|| invalid("command name is cut"))?;
    Ok(Incoming::Command { name: String::from_utf8_lossy(name).into_owned(), data: body.slice(1 + name_len..) })
}

/// A message as it goes over the wire. Encoded once, however many peers get it.
pub(crate) fn encode(frames: &[Bytes]) -> Bytes {
    let mut wire = BytesMut::with_capacity(frames.iter().map(|frame| frame.len() + 9).sum());
    for (index, frame) in frames.iter().enumerate() {
        put(&mut wire, if index + 1 < frames.len() { MORE } else { 0 }, frame);
    }
    wire.freeze()
}

/// A command as it goes over the wire.
pub(crate) fn encode_command(name: &str, data: &[u8]) -> Bytes {
    let mut body = vec![name.len() as u8];
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    let mut wire = BytesMut::with_capacity(body.len() + 9);
    put(&mut wire, COMMAND, &body);
    wire.freeze()
}

fn put(wire: &mut BytesMut, flags: u8, body: &[u8]) {
    if let Ok(len) = u8::try_from(body.len()) {
        wire.put_u8(flags);
        wire.put_u8(len);
    } else {
        wire.put_u8(flags | LONG);
        wire.put_u64(body.len() as u64);
    }
    wire.put_slice(body);
}

pub(crate) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(mut wire: &[u8]) -> io::Result<Incoming> {
        read(&mut wire).await
    }

    #[tokio::test]
    async fn messages_come_back_as_they_were_sent() {
        let sent: Vec<Bytes> = vec![Bytes::new(), "a".into(), vec![7u8; 255].into(), vec![8u8; 70_000].into()];
        match read_all(&encode(&sent)).await {
            Ok(Incoming::Message(got)) => assert_eq!(got, sent),
            other => panic!("{other:?}"),
        }
        match read_all(&encode_command("PING", b"\0\x01ctx")).await {
            Ok(Incoming::Command { name, data }) => assert_eq!((name.as_str(), &data[..]), ("PING", &b"\0\x01ctx"[..])),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn broken_frames_are_errors() {
        let cases: [(&[u8], io::ErrorKind); 6] = [
            (b"", io::ErrorKind::UnexpectedEof),
            (b"\x00\x05abc", io::ErrorKind::UnexpectedEof),
            (b"\x01\x01a", io::ErrorKind::UnexpectedEof),
            (b"\x02\xff\xff\xff\xff\xff\xff\xff\xff", io::ErrorKind::InvalidData),
            (b"\x04\x00", io::ErrorKind::InvalidData),
            (b"\x04\x02\x09P", io::ErrorKind::InvalidData),
        ];
        for (wire, kind) in cases {
            assert_eq!(read_all(wire).await.map_err(|e| e.kind()).err(), Some(kind), "{wire:?}");
        }
    }
}
