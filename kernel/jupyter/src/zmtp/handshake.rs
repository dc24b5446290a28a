//! The start of a connection: both greetings, then both READY commands.
use super::frame::{self, Incoming, invalid};
use bytes::Bytes;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What we are on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Router,
    Publisher,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Router => "ROUTER",
            Role::Publisher => "XPUB",
        }
    }

    fn talks_to(self, peer: &str) -> bool {
        match self {
            Role::Router => matches!(peer, "REQ" | "DEALER" | "ROUTER"),
            Role::Publisher => matches!(peer, "SUB" | "XSUB"),
        }
    }
}

/// Signature, version 3.0, mechanism NULL (20 bytes), not "as server", 31 bytes of filler. We say 3.0, so
/// that peers send subscriptions as messages; 3.1's commands are understood all the same.
fn greeting() -> [u8; 64] {
    let mut greeting = [0; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

/// Greets the peer and gives its routing identity, if it has chosen one.
pub(crate) async fn greet(
    role: Role,
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Result<Option<Bytes>> {
    writer.write_all(&greeting()).await?;
    let mut theirs = [0; 64];
    reader.read_exact(&mut theirs).await?;
    if theirs[0] != 0xff || theirs[9] & 1 == 0 || theirs[10] < 3 {
        return Err(invalid("peer does not speak ZMTP 3"));
    }
    if &theirs[12..17] != b"NULL\0" {
        return Err(invalid("peer wants a security mechanism other than NULL"));
    }
    let mut properties = property("Socket-Type", role.name().as_bytes());
    if role == Role::Router {
        properties.extend(property("Identity", b""));
    }
    writer.write_all(&frame::encode_command("READY", &properties)).await?;
    let Incoming::Command { name, data } = frame::read(reader).await? else {
        return Err(invalid("peer sent a message before READY"));
    };
    if name != "READY" {
        return Err(invalid("peer did not send READY"));
    }
    accept(role, data)
}

fn accept(role: Role, mut properties: Bytes) -> io::Result<Option<Bytes>> {
    let mut identity = None;
    let mut fits = false;
    while !properties.is_empty() {
        let (name, value) = take_property(&mut properties).ok_or_else(|| invalid("READY is cut"))?;
        match name.to_ascii_lowercase().as_slice() {
            b"socket-type" => fits = std::str::from_utf8(&value).is_ok_and(|peer| role.talks_to(peer)),
            b"identity" if !value.is_empty() => identity = Some(value),
            _ => {}
        }
    }
    if fits { Ok(identity) } else { Err(invalid("peer has the wrong socket type")) }
}

fn take_property(from: &mut Bytes) -> Option<(Bytes, Bytes)> {
    let name_len = usize::from(*from.first()?);
    let value_at = 1 + name_len + 4;
    let value_len = u32::from_be_bytes(from.get(1 + name_len..value_at)?.try_into().ok()?) as usize;
    let value_end = value_at.checked_add(value_len).filter(|&end| end <= from.len())?;
    let property = (from.slice(1..1 + name_len), from.slice(value_at..value_end));
    *from = from.slice(value_end..);
    Some(property)
}

fn property(name: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![name.len() as u8];
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(&(value.len() as u32).to_be_bytes());
    bytes.extend_from_slice(value);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(role: Role, properties: &[(&str, &[u8])]) -> Result<Option<Bytes>, String> {
        let bytes: Vec<u8> = properties.iter().flat_map(|(name, value)| property(name, value)).collect();
        accept(role, bytes.into()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_right_peers_are_let_in() {
        assert_eq!(ready(Role::Router, &[("Socket-Type", b"DEALER"), ("Identity", b"me")]), Ok(Some("me".into())));
        assert_eq!(ready(Role::Router, &[("socket-type", b"REQ"), ("Identity", b"")]), Ok(None));
        assert_eq!(ready(Role::Publisher, &[("Socket-Type", b"SUB"), ("X-Other", b"1")]), Ok(None));
        assert!(ready(Role::Publisher, &[("Socket-Type", b"DEALER")]).is_err());
        assert!(ready(Role::Router, &[]).is_err());
        assert!(accept(Role::Router, Bytes::from_static(b"\x0bSocket-Type\xff\xff\xff\xffSUB")).is_err());
    }
}
