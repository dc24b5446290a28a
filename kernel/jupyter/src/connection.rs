//! The connection file: where the front end wants the five sockets, and the key of the signatures.
use crate::zmtp::Address;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What a front end wrote for us (<https://jupyter-client.readthedocs.io/en/stable/kernels.html#connection-files>).
/// Unknown fields are ignored; a port that is missing or 0 becomes a free one.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct ConnectionFile {
    #[serde(default = "tcp")]
    pub transport: String,
    /// An address for `tcp`, the beginning of a path for `ipc`.
    #[serde(default = "loopback")]
    pub ip: String,
    #[serde(default)]
    pub shell_port: u16,
    #[serde(default)]
    pub iopub_port: u16,
    #[serde(default)]
    pub stdin_port: u16,
    #[serde(default)]
    pub control_port: u16,
    #[serde(default)]
    pub hb_port: u16,
    /// Empty: messages are not signed.
    #[serde(default)]
    pub key: String,
    #[serde(default = "hmac_sha256")]
    pub signature_scheme: String,
    /// Set when the front end wants encrypted sockets, which this kernel does not offer.
    #[serde(default)]
    pub curve_publickey: Option<String>,
}

fn tcp() -> String {
    "tcp".into()
}

fn loopback() -> String {
    "127.0.0.1".into()
}

fn hmac_sha256() -> String {
    "hmac-sha256".into()
}

/// What is wrong with a connection file.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("cannot read the connection file {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the connection file is not what Jupyter writes")]
    Parse(#[source] serde_json::Error),
    #[error("the connection file asks for the signature scheme `{0}`; this kernel signs with `hmac-sha256` only")]
    Scheme(String),
    #[error("the connection file asks for the transport `{0}`; this kernel knows `tcp` and `ipc`")]
    Transport(String),
    #[error("the connection file asks for encrypted sockets, which this kernel does not offer; set `KernelManager.transport_encryption = \"disabled\"`")]
    Encryption,
}

impl ConnectionFile {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, ConnectionError> {
        let text = std::fs::read(path).map_err(|source| ConnectionError::Read { path: path.into(), source })?;
        Self::parse(&text)
    }

    /// Checks a text.
    pub fn parse(text: &[u8]) -> Result<Self, ConnectionError> {
        let file: Self = serde_json::from_slice(text).map_err(ConnectionError::Parse)?;
        if !file.key.is_empty() && file.signature_scheme != "hmac-sha256" {
            return Err(ConnectionError::Scheme(file.signature_scheme));
        }
        if !matches!(file.transport.as_str(), "tcp" | "ipc") {
            return Err(ConnectionError::Transport(file.transport));
        }
        if file.curve_publickey.is_some() {
            return Err(ConnectionError::Encryption);
        }
        Ok(file)
    }

    /// The address of one socket.
    pub(crate) fn address(&self, port: u16) -> Address {
        match self.transport.as_str() {
            "ipc" => Address::Path(format!("{}-{port}", self.ip).into()),
            _ => Address::Tcp { host: self.ip.clone(), port },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_as_clients_write_them() {
        let file = ConnectionFile::parse(
            br#"{"shell_port":1,"iopub_port":2,"stdin_port":3,"control_port":4,"hb_port":5,"ip":"127.0.0.1","key":"k",
                "transport":"tcp","signature_scheme":"hmac-sha256","kernel_name":"ochre","jupyter_session":"/x.ipynb"}"#,
        )
        .unwrap();
        assert_eq!(file.address(file.shell_port), Address::Tcp { host: "127.0.0.1".into(), port: 1 });
        let file = ConnectionFile::parse(br#"{"transport":"ipc","ip":"/tmp/k-ipc","shell_port":1}"#).unwrap();
        assert_eq!(file.address(1), Address::Path("/tmp/k-ipc-1".into()));
    }

    #[test]
    fn what_cannot_be_served_is_said() {
        for (text, says) in [
            (&br#"{"key":"k","signature_scheme":"hmac-md5"}"#[..], "hmac-md5"),
            (br#"{"transport":"inproc"}"#, "inproc"),
            (br#"{"curve_publickey":"x"}"#, "transport_encryption"),
            (br#"[1]"#, "not what Jupyter writes"),
            (b"\xff", "not what Jupyter writes"),
        ] {
            let error = ConnectionFile::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
