//! Jupyter messages as frames: identities, delimiter, signature, four JSON parts, buffers
//! (<https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol>).
//!
//! Reading is lenient: a message is refused only when its sender cannot be believed or cannot be answered.
//! A header is echoed as the bytes that came, so that fields that we do not know survive.
use crate::fields::Fields;
use crate::zmtp::Received;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use std::time::SystemTime;

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
        let header = json!({
            "msg_id": uuid::Uuid::new_v4().to_string(),
            "session": self.session,
            "username": "kernel",
            "date": rfc3339(SystemTime::now()),
            "msg_type": message.kind,
            "version": PROTOCOL,
        });
        let parts = [
            Bytes::from(header.to_string()),
            parent.cloned().unwrap_or(Bytes::from_static(NO_PARENT)),
            Value::Object(message.metadata.clone()).to_string().into(),
            message.content.to_string().into(),
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
    pub(crate) kind: String,
    pub(crate) content: Value,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) buffers: Vec<Bytes>,
}

impl Message {
    pub(crate) fn new(kind: &str, content: Value) -> Self {
        Self { kind: kind.into(), content, metadata: Map::new(), buffers: Vec::new() }
    }
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect())?
}

/// `2026-11-21T08:15:53.123456Z`. Days to a date after Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z", since.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn received(frames: Vec<Bytes>) -> Received {
        Received { identity: "client".into(), frames }
    }

    fn message() -> Message {
        let mut message = Message::new("execute_request", json!({"code": "1"}));
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
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (1_795_248_953, "2026-11-21T08:15:53.000000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000000Z"),
        ] {
            assert_eq!(rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
