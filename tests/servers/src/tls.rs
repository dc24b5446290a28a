//! Certificates of our own for 127.0.0.1 and localhost.
use rcgen::{CertificateParams, KeyPair};
use std::path::PathBuf;

/// A self-signed certificate, in files, until it is dropped.
#[derive(Debug)]
pub struct Certificate {
    /// The certificate: what a client has to trust.
    pub pem: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    _directory: tempfile::TempDir,
}

impl Certificate {
    /// A fresh one.
    pub fn new() -> std::io::Result<Self> {
        Self::for_names(&["127.0.0.1", "localhost"])
    }

    /// A fresh one for these names, and no others.
    pub fn for_names(names: &[&str]) -> std::io::Result<Self> {
        let other = |e: rcgen::Error| std::io::Error::other(e);
        let directory = tempfile::Builder::new().prefix("ochre-certificate-").tempdir()?;
        let key = KeyPair::generate().map_err(other)?;
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let certificate = CertificateParams::new(names).map_err(other)?.self_signed(&key).map_err(other)?;
        let one = Self { pem: directory.path().join("certificate.pem"), key: directory.path().join("key.pem"), _directory: directory };
        std::fs::write(&one.pem, certificate.pem())?;
        std::fs::write(&one.key, key.serialize_pem())?;
        Ok(one)
    }
}
