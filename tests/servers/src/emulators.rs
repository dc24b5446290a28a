//! The real emulators: Azurite (Azure), moto (AWS), gcp-storage-emulator (Google). For correctness; their own speed is under 100 MB/s.
//!
//! What they lack: Azurite has no ADLS `dfs` API and takes bearer tokens over https only; gcp-storage-emulator speaks Google's JSON API alone,
//! while object_store lists and writes through the XML API (our own server, `BlobServer`, speaks that).
use crate::child::{Child, StartError};
use crate::peers::{node_program, python, python_script};
use crate::tls::Certificate;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

/// An emulator that does not answer a request of the set-up for this long is broken.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// How Azurite is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct AzuriteOptions {
    /// Serves https with a certificate for 127.0.0.1, and takes bearer tokens (their claims are checked, their signature is not).
    pub oauth: bool,
}

/// Azure Blob Storage: one account, `Azurite::ACCOUNT`, whose key the whole world knows.
#[derive(Debug)]
pub struct Azurite {
    child: Child,
    address: String,
    certificate: Option<Certificate>,
}

impl Azurite {
    pub const ACCOUNT: &str = "devstoreaccount1";
    /// The key that every Azurite has by default; it opens nothing else.
    pub const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    /// Over http, with shared keys and SAS.
    pub fn start() -> Result<Self, StartError> {
        Self::start_with(AzuriteOptions::default())
    }

    /// With options.
    pub fn start_with(options: AzuriteOptions) -> Result<Self, StartError> {
        let program = node_program("azurite-blob")?;
        let certificate = options.oauth.then(Certificate::new).transpose().map_err(|source| StartError::Start { what: "Azurite".into(), source })?;
        let mut child = Child::start("Azurite", |scratch| {
            let mut command = Command::new(program);
            command.args(["--blobHost", "127.0.0.1", "--blobPort", "0", "--skipApiVersionCheck", "--disableTelemetry", "--location"]).arg(scratch.join("data"));
            if let Some(certificate) = &certificate {
                command.args(["--oauth", "basic", "--cert"]).arg(&certificate.pem).arg("--key").arg(&certificate.key);
            }
            command
        })?;
        let address = child.wait_for(|log| log.split("successfully listens on ").nth(1)?.lines().next().map(|l| l.trim().to_string()).filter(|_| log.ends_with('\n')))?;
        Ok(Self { child, address, certificate })
    }

    /// `http://127.0.0.1:PORT/devstoreaccount1`, as `--endpoint` takes it.
    pub fn endpoint(&self) -> String {
        format!("{}/{}", self.address, Self::ACCOUNT)
    }

    /// A connection string, as the portal shows it.
    pub fn connection_string(&self) -> String {
        let protocol = if self.certificate.is_some() { "https" } else { "http" };
        format!("DefaultEndpointsProtocol={protocol};AccountName={};AccountKey={};BlobEndpoint={};", Self::ACCOUNT, Self::KEY, self.endpoint())
    }

    /// The certificate's PEM file, with `oauth`.
    pub fn certificate(&self) -> Option<&std::path::Path> {
        self.certificate.as_ref().map(|c| c.pem.as_path())
    }

    /// The process: its log, its pid, or its end in mid-test.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

/// S3 (and EC2, STS, …) by moto: any keys, region `us-east-1`, path-style addresses.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    endpoint: String,
}

impl Moto {
    pub const KEY_ID: &str = "AKIAOCHRETESTKEY0001";
    pub const KEY: &str = "ochre/test/secret/key/of/no/account/0001";
    pub const REGION: &str = "us-east-1";

    /// Starts it with no bucket.
    pub fn start() -> Result<Self, StartError> {
        let program = python_script("moto_server")?;
        let mut child = Child::start("moto", |scratch| {
            let mut command = Command::new(program);
            command.args(["-H", "127.0.0.1", "-p", "0"]).current_dir(scratch).env("PYTHONUNBUFFERED", "1").env("PYTHONDONTWRITEBYTECODE", "1");
            command
        })?;
        let endpoint = child.wait_for(|log| log.split("Running on ").nth(1)?.split_once('\n').map(|(address, _)| address.trim().to_string()))?;
        Ok(Self { child, endpoint })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Makes a bucket.
    pub fn create_bucket(&self, name: &str) -> Result<(), StartError> {
        post(&self.endpoint, &format!("PUT /{name} HTTP/1.1"), "", "moto")
    }

    /// The process: its log, its pid, or its end in mid-test.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

/// Google Cloud Storage's JSON API.
#[derive(Debug)]
pub struct Gcs {
    child: Child,
    endpoint: String,
}

/// Its own command line cannot say which port it got. It answers one connection at a time, so more than five may have to wait.
const GCS_PROGRAM: &str = "
import socketserver, time
socketserver.TCPServer.request_queue_size = 128
from gcp_storage_emulator.server import create_server
server = create_server('127.0.0.1', 0, True)
server.start()
print(f'port {server._api._httpd.server_address[1]}.', flush=True)
while True: time.sleep(1)
";

impl Gcs {
    /// Starts it in memory with no bucket.
    pub fn start() -> Result<Self, StartError> {
        let python = python()?;
        let mut child = Child::start("gcp-storage-emulator", |scratch| {
            let mut command = Command::new(python);
            command.args(["-c", GCS_PROGRAM]).current_dir(scratch).env("PYTHONDONTWRITEBYTECODE", "1");
            command
        })?;
        let port = child.wait_for(|log| log.split("port ").nth(1)?.split_once('.')?.0.parse::<u16>().ok())?;
        Ok(Self { child, endpoint: format!("http://127.0.0.1:{port}") })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Makes a bucket.
    pub fn create_bucket(&self, name: &str) -> Result<(), StartError> {
        post(&self.endpoint, "POST /storage/v1/b?project=test HTTP/1.1", &format!("{{\"name\":\"{name}\"}}"), "gcp-storage-emulator")
    }

    /// The process: its log, its pid, or its end in mid-test.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

/// One request without a client library; anything but 2xx is an error with the answer in it.
fn post(endpoint: &str, request: &str, body: &str, what: &str) -> Result<(), StartError> {
    let cannot = |source| StartError::Start { what: format!("a bucket of {what}"), source };
    let host = endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).map_err(cannot)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).map_err(cannot)?;
    let head = format!("{request}\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).map_err(cannot)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(cannot)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    match answer.split(' ').nth(1) {
        Some(status) if status.starts_with('2') => Ok(()),
        _ => Err(cannot(std::io::Error::other(answer))),
    }
}
