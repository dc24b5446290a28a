//! Jupyter messages as frames: identities, delimiter, signature, four JSON parts, buffers
//! (<https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol>).
//!
//! Reading is lenient: a message is refused only when its sender cannot be believed or cannot be answered.
//! A header is echoed as the bytes that came, so that fields that we do not know survive. What we write has
//! the strict types of `jupyter-protocol`, where it has them.
use crate::fields::Fields;
use crate::zmtp::Received;
use bytes::Bytes;
use chrono::{SubsecRound, Utc};
use hmac::{Hmac, Mac};
use jupyter_protocol::{Header, JupyterMessageContent, UnknownMessage};
use serde_json::{Map, Value};
use sha2::Sha256;

/// The version of the protocol that we speak.
pub(crate) const PROTOCOL: &str = "5.5";
/// A header is a few hundred bytes, and each answer repeats it.
const MAX_HEADER_BYTES: usize = 64 << 10;
const DELIMITER: &[u8] = b"<IDS|MSG>";
const NO_PARENT: &[u8] = b"{}";

/// A message from a client.
#[derive(Debug)]
pub(crate) struct Request {
    /// The connection that gets the answer, and the frames that come before the delimiter there.
    pub(crate) identity: Bytes,
    pub(crate) route: Vec<Bytes>,
    pub(crate) kind: String,
    pub(crate) subshell: Option<String>,
    /// As it came.
    pub(crate) header: Bytes,
    pub(crate) metadata: Fields,
    /// Or why there is none.
    pub(crate) content: Result<Fields, String>,
    pub(crate) buffers: Vec<Bytes>,
}

/// Why a message was dropped.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("it has no delimiter, or less than five frames behind it")]
    Truncated,
    #[error("its signature is wrong")]
    Signature,
    #[error("its header has {0} bytes")]
    LongHeader(usize),
    #[error("its header is not a JSON object with a `msg_type`")]
    Header,
}

/// Signs and numbers messages.
#[derive(Debug)]
pub(crate) struct Codec {
    mac: Option<Hmac<Sha256>>,
    /// Names this run of the kernel.
    session: String,
}

impl Codec {
    pub(crate) fn new(key: &str) -> Self {
        let mac = (!key.is_empty())
            .then(|| Hmac::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length"));
        Self { mac, session: uuid::Uuid::new_v4().to_string() }
    }

    pub(crate) fn session(&self) -> &str {
        &self.session
    }

    pub(crate) fn decode(&self, received: Received) -> Result<Request, Refused> {
        let Received { identity, frames } = received;
        let delimiter = frames.iter().position(|frame| &frame[..] == DELIMITER).ok_or(Refused::Truncated)?;
        let [signature, header, parent, metadata, content, buffers @ ..] = &frames[delimiter + 1..] else {
            return Err(Refused::Truncated);
        };
        self.check(signature, [header, parent, metadata, content])?;
        if header.len() > MAX_HEADER_BYTES {
            return Err(Refused::LongHeader(header.len()));
        }
        let fields = Fields::parse(header).map_err(|_| Refused::Header)?;
        Ok(Request {
            identity,
            route: frames[..delimiter].to_vec(),
            kind: fields.text("msg_type").map_err(|_| Refused::Header)?.to_owned(),
            subshell: fields.text("subshell_id").ok().filter(|id| !id.is_empty()).map(str::to_owned),
            header: header.clone(),
            metadata: Fields::parse(metadata).unwrap_or_default(),
            content: Fields::parse(content),
            buffers: buffers.to_vec(),
        })
    }

    /// A message about `parent` (a header as it came, or nothing). The frames begin with the delimiter.
    pub(crate) fn encode(&self, message: &Message, parent: Option<&Bytes>) -> Vec<Bytes> {
        let header = Header {
            msg_id: uuid::Uuid::new_v4().to_string(),
            session: self.session.clone(),
            username: "kernel".into(),
            // jupyter_client reads no more than six digits.
            date: Utc::now().trunc_subsecs(6),
            msg_type: message.kind().into(),
            version: PROTOCOL.into(),
        };
        let parts = [
            json(&header),
            parent.cloned().unwrap_or(Bytes::from_static(NO_PARENT)),
            json(&message.metadata),
            json(&message.content),
        ];
        let mut frames = vec![Bytes::from_static(DELIMITER), self.sign(parts.each_ref()).into()];
        frames.extend(parts);
        frames.extend(message.buffers.iter().cloned());
        frames
    }

    fn sign(&self, parts: [&Bytes; 4]) -> String {
        let Some(mac) = self.mac_of(parts) else { return String::new() };
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn check(&self, signature: &[u8], parts: [&Bytes; 4]) -> Result<(), Refused> {
        let Some(mac) = self.mac_of(parts) else { return Ok(()) };
        let bytes = from_hex(signature).ok_or(Refused::Signature)?;
        // Takes the same time wherever the difference is.
        mac.verify_slice(&bytes).map_err(|_| Refused::Signature)
    }

    fn mac_of(&self, parts: [&Bytes; 4]) -> Option<Hmac<Sha256>> {
        let mut mac = self.mac.clone()?;
        for part in parts {
            mac.update(part);
        }
        Some(mac)
    }
}

/// A message to clients, before it has a header.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) content: JupyterMessageContent,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) buffers: Vec<Bytes>,
}

impl Message {
    pub(crate) fn new(content: impl Into<JupyterMessageContent>) -> Self {
        Self { content: content.into(), metadata: Map::new(), buffers: Vec::new() }
    }

    pub(crate) fn kind(&self) -> &str {
        self.content.message_type()
    }
}

/// A content (a JSON object) for which `jupyter-protocol` has no type, or one with fields missing.
pub(crate) fn other(kind: &str, content: Value) -> JupyterMessageContent {
    UnknownMessage { msg_type: kind.into(), content }.into()
}

fn json(part: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(part).expect("texts, numbers and maps with text keys are JSON").into()
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use jupyter_protocol::ExecuteRequest;

    fn received(frames: Vec<Bytes>) -> Received {
        Received { identity: "client".into(), frames }
    }

    fn message() -> Message {
        let mut message = Message::new(ExecuteRequest::new("1".into()));
        message.buffers = vec![Bytes::from_static(b"\xff\0")];
        message
    }

    #[test]
    fn what_we_sign_we_accept() {
        for key in ["", "secret"] {
            let codec = Codec::new(key);
            let request = codec.decode(received(codec.encode(&message(), None))).unwrap();
            assert_eq!((request.kind.as_str(), &request.identity[..]), ("execute_request", &b"client"[..]));
            assert_eq!(request.content.unwrap().text("code"), Ok("1"));
            assert_eq!(request.buffers, message().buffers);
        }
    }

    #[test]
    fn what_another_signed_is_refused() {
        let frames = Codec::new("other").encode(&message(), None);
        assert_eq!(Codec::new("secret").decode(received(frames.clone())).unwrap_err(), Refused::Signature);
        for signature in ["", "zz", "abc", "é"] {
            let mut frames = frames.clone();
            frames[1] = signature.into();
            assert_eq!(Codec::new("secret").decode(received(frames)).unwrap_err(), Refused::Signature);
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let codec = Codec::new("");
        let frames = codec.encode(&message(), None);
        for len in 0..6 {
            assert_eq!(codec.decode(received(frames[..len].to_vec())).unwrap_err(), Refused::Truncated, "{len}");
        }
        assert!(codec.decode(received(frames[..6].to_vec())).is_ok(), "buffers may be missing");
    }

    #[test]
    fn only_the_header_must_be_good() {
        let codec = Codec::new("");
        let good: Vec<Bytes> = codec.encode(&message(), None);
        let with = |at: usize, text: &'static [u8]| {
            let mut frames = good.clone();
            frames[at] = Bytes::from_static(text);
            codec.decode(received(frames))
        };
        for header in [&b"\xff\xfe"[..], b"[]", b"{}", b"{\"msg_type\":1}", b""] {
            assert_eq!(with(2, header).unwrap_err(), Refused::Header);
        }
        for part in [&b"\xff\xfe"[..], b"[]", b"{\"code\":", b""] {
            assert!(with(3, part).is_ok());
            assert!(with(4, part).is_ok());
            assert!(with(5, part).unwrap().content.is_err());
        }
        let mut frames = good.clone();
        frames[2] = format!("{{\"msg_type\":\"x\",\"pad\":\"{}\"}}", "x".repeat(MAX_HEADER_BYTES)).into();
        assert!(matches!(codec.decode(received(frames)), Err(Refused::LongHeader(_))));
    }

    #[test]
    fn dates_are_those_that_clients_read() {
        let frames = Codec::new("").encode(&message(), None);
        let header = Fields::parse(&frames[2]).unwrap();
        let date = header.text("date").unwrap();
        let (seconds, fraction) = date.strip_suffix('Z').unwrap().split_once('.').unwrap_or((date, ""));
        assert!(seconds.len() >= "2026-11-21T08:15:53".len() && fraction.len() <= 6, "{date}");
    }
}
