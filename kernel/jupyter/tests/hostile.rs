//! What a broken or hostile peer sends: the kernel drops or answers it, and goes on.
mod client;
mod toy;

use bytes::Bytes;
use client::{Client, signed, start};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The kernel answers, with what it knew before.
async fn still_well(client: &mut Client) {
    let (outputs, reply) = client.execute("print well").await;
    assert_eq!(reply.content["status"], "ok");
    assert_eq!(outputs.last().unwrap().content["text"], "well\n");
}

#[tokio::test]
async fn messages_that_cannot_be_believed_are_dropped() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let (_, good) = client.frames("execute_request", &json!({"code": "print evil"}), &json!({}));
    for signature in ["", "0", "zz", &"0".repeat(64), &"a".repeat(100_000)] {
        let mut frames = good.clone();
        frames[1] = signature.to_owned().into();
        client.send_shell(frames).await;
    }
    for len in 1..6 {
        client.send_shell(good[..len].to_vec()).await;
    }
    client.send_shell(vec![Bytes::new()]).await;
    client.send_shell(vec![Bytes::from_static(b"\xff\xfe")]).await;
    still_well(&mut client).await;
}

#[tokio::test]
async fn headers_that_cannot_be_answered_are_dropped() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let long = format!("{{\"msg_type\":\"x_request\",\"msg_id\":\"{}\"}}", "x".repeat(10 << 20));
    for header in [&b"\xff\xfe"[..], b"", b"[]", b"{}", b"{\"msg_type\":5}", b"{\"msg_type\":", long.as_bytes()] {
        client.send_shell(signed(&[header, b"{}", b"{}", b"{}"].map(Bytes::copy_from_slice))).await;
    }
    still_well(&mut client).await;
}

#[tokio::test]
async fn whatever_else_is_wrong_is_answered() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let deep = format!("{{\"code\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let contents: [&[u8]; 8] =
        [b"", b"\xff\xfe", b"[]", b"{}", b"{\"code\":5}", b"{\"code\":null}", b"{\"code\":", deep.as_bytes()];
    for kind in ["execute_request", "complete_request", "inspect_request", "is_complete_request", "history_request", "strange_request"] {
        for content in contents {
            let header = json!({"msg_id": "hostile", "msg_type": kind, "session": 7}).to_string();
            let parts = [header.as_bytes(), b"\xff", b"[1]", content].map(Bytes::copy_from_slice);
            client.send_shell(signed(&parts)).await;
            client.until_idle("hostile").await;
            let reply = client.reply().await;
            assert_eq!(reply.kind, kind.replace("request", "reply"));
            let status = if kind == "is_complete_request" { "unknown" } else { "error" };
            assert_eq!(reply.content["status"], status, "{kind} {:?}", String::from_utf8_lossy(content));
            assert!(!reply.content["evalue"].as_str().unwrap().is_empty());
        }
    }
    for kind in ["comm_msg", "comm_open", "nonsense"] {
        let id = client.shell(kind, json!({"comm_id": 5})).await;
        client.until_idle(&id).await;
    }
    still_well(&mut client).await;
}

#[tokio::test]
async fn optional_fields_of_the_wrong_type_have_their_defaults() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let content = json!({"code": "print a", "silent": "no", "store_history": 3, "user_expressions": [], "allow_stdin": {}, "stop_on_error": null});
    client.shell("execute_request", content).await;
    let reply = client.reply().await.content;
    assert_eq!((&reply["status"], &reply["execution_count"]), (&json!("ok"), &json!(1)));
}

#[tokio::test]
async fn a_giant_field_is_a_field() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let id = client.shell("execute_request", json!({"code": format!("print {}", "é".repeat(1 << 20))})).await;
    let outputs = client.until_idle(&id).await;
    let text: String = outputs.iter().filter_map(|output| output.content["text"].as_str()).collect();
    assert_eq!(text.chars().count(), (1 << 20) + 1);
    assert!(outputs.len() > 10, "in pieces, cut between characters");
    client.reply().await;
    still_well(&mut client).await;
}

#[tokio::test]
async fn peers_that_do_not_speak_zmtp_are_let_go() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let mut greeting = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0];
    greeting.extend(b"NULL");
    greeting.resize(64, 0);
    let with = |rest: &[u8]| [greeting.as_slice(), rest].concat();
    let attacks = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a browser that somebody pointed here\r\n\r\n".to_vec(),
        with(b"\x04\x00"),
        with(b"\x00\x01x"),
        with(b"\x06\xff\xff\xff\xff\xff\xff\xff\xff"),
        with(b"\x04\x05\x05READ"),
        with(b"\x04\x16\x05READY\x0bSocket-Type\x00\xff\xff\xff"),
        with(b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PULL"),
    ];
    for port in [kernel.connection.shell_port, kernel.connection.iopub_port, kernel.connection.hb_port] {
        for attack in &attacks {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.write_all(attack).await.unwrap();
            let mut rest = Vec::new();
            let closed = tokio::time::timeout(client::PATIENCE, stream.read_to_end(&mut rest)).await;
            assert!(closed.is_ok(), "still open after {attack:?}");
        }
        // One that says nothing at all, and stays.
        std::mem::forget(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    still_well(&mut client).await;
}
