//! "A client that stops reading never blocks another, and its queue is bounded by bytes."
mod client;
mod toy;

use client::{Client, PATIENCE, kinds, start};
use serde_json::json;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Says hello as a subscriber of everything, by hand, and then reads no more.
async fn stalled_subscriber(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut hello = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0];
    hello.extend(b"NULL");
    hello.resize(64, 0);
    hello.extend(b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB");
    hello.extend(b"\x00\x01\x01");
    stream.write_all(&hello).await.unwrap();
    // The greeting, READY and the beginning of the welcome: it is subscribed.
    let mut first = vec![0; 200];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut first)).await.expect("a welcome").unwrap();
    stream
}

/// Reads until the end of the stream; gives the number of bytes.
async fn read_rest(mut stream: TcpStream) -> usize {
    let (mut total, mut buffer) = (0, vec![0; 1 << 20]);
    let reading = async {
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            total += n;
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the stalled client was cut off");
    total
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_subscriber_blocks_nobody_and_is_cut_off() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let stalled = stalled_subscriber(kernel.connection.iopub_port).await;
    // 200 pictures of a megabyte (a third more in base64): far more than the limit of a queue.
    let start = Instant::now();
    let (outputs, reply) = client.execute(&vec!["big 1024"; 200].join("\n")).await;
    assert_eq!(kinds(&outputs).len(), 201, "the reader has lost nothing");
    assert_eq!(reply.content["status"], "ok");
    assert!(start.elapsed() < PATIENCE, "it took {:?}", start.elapsed());
    let received = read_rest(stalled).await;
    assert!(received < 100 << 20, "{received} bytes were kept for a client that does not read");
    assert_eq!(client.execute("print well").await.1.content["status"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_its_replies_blocks_nobody() {
    let kernel = start().await;
    let mut stalled = Client::connect(&kernel.connection).await;
    let mut client = Client::connect(&kernel.connection).await;
    for _ in 0..200 {
        let page = format!("page {}", "x".repeat(500_000));
        stalled.shell("execute_request", json!({"code": page})).await;
    }
    let id = client.shell("execute_request", json!({"code": "print well"})).await;
    assert_eq!(client.reply().await.parent_id(), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_joined_and_loses_nothing() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let id = client.shell("execute_request", json!({"code": "flood 6000"})).await;
    let (mut text, mut messages) = (0, 0);
    loop {
        let message = client.published().await;
        match message.kind.as_str() {
            "stream" => {
                messages += 1;
                text += message.content["text"].as_str().unwrap().len();
            }
            "status" if message.parent_id() == id && message.content["execution_state"] == "idle" => break,
            _ => {}
        }
    }
    assert_eq!(text, 6000 * 1024);
    assert!(messages < 200, "{messages} messages: lines are joined");
}
