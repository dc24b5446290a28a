//! A client for tests: sockets of the crate `zeromq` (another implementation of ZMTP than ours), messages
//! checked against the strict types of `jupyter-protocol`. Its waits are bounded and say what came instead.
#![allow(dead_code, reason = "each test file uses a part")]
use bytes::Bytes;
use hmac::{Hmac, Mac};
use jupyter_protocol::JupyterMessageContent;
use ochre_jupyter::{ConnectionFile, Ended, Server};
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use zeromq::{DealerSocket, Socket, SocketOptions, SocketRecv, SocketSend, SubSocket, ZmqMessage};

/// Longer than anything takes on a busy machine with two cores.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const KEY: &str = "a key";

/// A toy kernel that serves.
pub struct Running {
    pub connection: ConnectionFile,
    pub stop: oneshot::Sender<()>,
    pub ended: JoinHandle<Ended>,
}

pub async fn start() -> Running {
    start_at(ConnectionFile::parse(json!({ "key": KEY }).to_string().as_bytes()).unwrap()).await
}

pub async fn start_at(connection: ConnectionFile) -> Running {
    let server = Server::bind(connection).await.unwrap();
    let connection = server.connection().clone();
    let (stop, stopped) = oneshot::channel();
    let stopped = async move {
        // A sender that was dropped stops nothing.
        if stopped.await.is_err() {
            std::future::pending().await
        }
    };
    let ended = tokio::spawn(server.serve(Arc::new(crate::toy::Toy::default()), stopped));
    Running { connection, stop, ended }
}

#[derive(Clone, Debug)]
pub struct Message {
    pub kind: String,
    pub parent: Value,
    pub metadata: Value,
    pub content: Value,
    pub buffers: Vec<Bytes>,
}

impl Message {
    pub fn parent_id(&self) -> &str {
        self.parent["msg_id"].as_str().unwrap_or_default()
    }
}

pub struct Client {
    pub shell: DealerSocket,
    pub control: DealerSocket,
    pub stdin: DealerSocket,
    pub iopub: SubSocket,
    sent: usize,
}

fn url(connection: &ConnectionFile, port: u16) -> String {
    match connection.transport.as_str() {
        "ipc" => format!("ipc://{}-{port}", connection.ip),
        _ => format!("tcp://{}:{port}", connection.ip),
    }
}

impl Client {
    /// Connected, and welcomed on iopub.
    pub async fn connect(connection: &ConnectionFile) -> Self {
        let identity = format!("client-{}", uuid::Uuid::new_v4());
        let mut dealers = Vec::new();
        for port in [connection.shell_port, connection.control_port, connection.stdin_port] {
            let mut options = SocketOptions::default();
            options.peer_identity(identity.parse().unwrap());
            let mut dealer = DealerSocket::with_options(options);
            dealer.connect(&url(connection, port)).await.unwrap();
            dealers.push(dealer);
        }
        let mut iopub = SubSocket::new();
        iopub.connect(&url(connection, connection.iopub_port)).await.unwrap();
        iopub.subscribe("").await.unwrap();
        let [shell, control, stdin] = <[DealerSocket; 3]>::try_from(dealers).ok().unwrap();
        let mut client = Self { shell, control, stdin, iopub, sent: 0 };
        let welcome = client.published().await;
        assert_eq!((welcome.kind.as_str(), &welcome.content), ("iopub_welcome", &json!({ "subscription": "" })));
        assert_eq!(welcome.parent, json!({}));
        client
    }

    /// A request with our header: its id and frames.
    pub fn frames(&mut self, kind: &str, content: &Value, extra: &Value) -> (String, Vec<Bytes>) {
        self.sent += 1;
        let id = format!("request {}", self.sent);
        let mut header = json!({"msg_id": id, "session": "s", "username": "u", "date": "2026-11-21T08:00:00Z", "msg_type": kind, "version": "5.4"});
        header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        (id, signed(&[header.to_string(), "{}".into(), "{}".into(), content.to_string()].map(Bytes::from)))
    }

    pub async fn shell(&mut self, kind: &str, content: Value) -> String {
        let (id, frames) = self.frames(kind, &content, &json!({}));
        self.send_shell(frames).await;
        id
    }

    pub async fn send_shell(&mut self, frames: Vec<Bytes>) {
        self.shell.send(ZmqMessage::try_from(frames).unwrap()).await.unwrap();
    }

    pub async fn control(&mut self, kind: &str, content: Value) -> Message {
        let (id, frames) = self.frames(kind, &content, &json!({}));
        self.control.send(ZmqMessage::try_from(frames).unwrap()).await.unwrap();
        let reply = receive(&mut self.control, "a reply on control").await;
        assert_eq!(reply.parent_id(), id);
        reply
    }

    pub async fn reply(&mut self) -> Message {
        receive(&mut self.shell, "a reply on shell").await
    }

    pub async fn published(&mut self) -> Message {
        receive(&mut self.iopub, "a message on iopub").await
    }

    /// Executes and gives the outputs between busy and idle, and the reply.
    pub async fn execute(&mut self, code: &str) -> (Vec<Message>, Message) {
        let id = self.shell("execute_request", json!({ "code": code })).await;
        let outputs = self.until_idle(&id).await;
        let reply = self.reply().await;
        assert_eq!(reply.parent_id(), id);
        (outputs, reply)
    }

    /// What is published about a request, from busy to idle; both must come.
    pub async fn until_idle(&mut self, id: &str) -> Vec<Message> {
        let mut outputs: Vec<Message> = Vec::new();
        let mut busy = false;
        loop {
            let message = self.published().await;
            if message.parent_id() != id {
                continue;
            }
            match message.content["execution_state"].as_str() {
                Some("busy") => busy = true,
                Some("idle") => break,
                _ => outputs.push(message),
            }
        }
        assert!(busy, "idle without busy");
        outputs
    }

    pub async fn answer(&mut self, text: &str) -> Message {
        let question = receive(&mut self.stdin, "a question").await;
        let (_, frames) = self.frames("input_reply", &json!({ "value": text }), &json!({}));
        self.stdin.send(ZmqMessage::try_from(frames).unwrap()).await.unwrap();
        question
    }
}

/// The four parts with delimiter and signature in front.
pub fn signed(parts: &[Bytes; 4]) -> Vec<Bytes> {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut frames = vec![Bytes::from_static(b"<IDS|MSG>"), signature.into()];
    frames.extend(parts.iter().cloned());
    frames
}

pub async fn receive(socket: &mut impl SocketRecv, what: &str) -> Message {
    let message = tokio::time::timeout(PATIENCE, socket.recv()).await;
    let frames = message.unwrap_or_else(|_| panic!("{what} did not come")).unwrap().into_vec();
    let at = frames.iter().position(|frame| &frame[..] == b"<IDS|MSG>").expect("a delimiter");
    let parts: [Bytes; 4] = frames[at + 2..at + 6].to_vec().try_into().unwrap();
    assert_eq!(frames[at..at + 6], signed(&parts), "our signature");
    let [header, parent, metadata, content] = parts.map(|part| serde_json::from_slice::<Value>(&part).unwrap());
    let kind = header["msg_type"].as_str().unwrap().to_owned();
    // The protocol lets an error reply leave out everything else, that crate does not. What it does not
    // know becomes its `UnknownMessage`.
    if content["status"] == "error" && kind != "execute_reply" {
        assert!(["ename", "evalue"].iter().all(|field| content[field].is_string()) && content["traceback"].is_array());
    } else if let Err(error) = JupyterMessageContent::from_type_and_content(&kind, content.clone()) {
        panic!("{kind} is not as it should be: {error}: {content}");
    }
    Message { kind, parent, metadata, content, buffers: frames[at + 6..].to_vec() }
}

/// Asks again and again, for at most [`PATIENCE`].
pub async fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn kinds(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.kind.as_str()).collect()
}
