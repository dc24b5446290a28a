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

impl Certificate {
    /// A server's side with this certificate.
    pub(crate) fn acceptor(&self) -> std::io::Result<tokio_rustls::TlsAcceptor> {
        use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
        let other = |e: &dyn std::fmt::Display| std::io::Error::other(e.to_string());
        let certificate = CertificateDer::from_pem_file(&self.pem).map_err(|e| other(&e))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|e| other(&e))?;
        let provider = std::sync::Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| other(&e))?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(|e| other(&e))?;
        Ok(tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config)))
    }
}
