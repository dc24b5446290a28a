//! What a client may rely on, message by message.
mod client;
mod toy;

use client::{Client, kinds, start, start_at};
use ochre_jupyter::{ConnectionFile, Ended};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn everything_a_cell_shows_comes_in_order_before_its_reply() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let (outputs, reply) = client.execute("print a\nprint b\neprint c\nprint d\ndisplay e\nupdate f\nclear wait\nresult g").await;
    let expected = ["execute_input", "stream", "stream", "stream", "display_data", "update_display_data", "clear_output", "execute_result"];
    assert_eq!(kinds(&outputs), expected);
    assert_eq!(outputs[1].content, json!({"name": "stdout", "text": "a\nb\n"}));
    assert_eq!(outputs[2].content, json!({"name": "stderr", "text": "c\n"}));
    assert_eq!(outputs[4].content["transient"], json!({"display_id": "shown"}));
    assert_eq!(outputs[7].content["data"], json!({"text/plain": "g", "text/html": "<b>g</b>"}));
    assert_eq!(reply.content, json!({"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []}));
}

#[tokio::test]
async fn silent_shows_nothing_and_does_not_count() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let content = json!({"code": "print a\nresult b", "silent": true, "user_expressions": {"x": "1", "y": "bad"}});
    let id = client.shell("execute_request", content).await;
    assert_eq!(kinds(&client.until_idle(&id).await), [""; 0]);
    let reply = client.reply().await.content;
    assert_eq!((&reply["status"], &reply["execution_count"]), (&json!("ok"), &json!(0)));
    assert_eq!(reply["user_expressions"]["x"]["data"], json!({"text/plain": "1"}));
    assert_eq!(reply["user_expressions"]["y"]["ename"], json!("bad"));
}

#[tokio::test]
async fn an_error_aborts_the_cells_that_wait_and_only_those() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    // The cell waits until all the others are queued, then it fails.
    let first = client.shell("execute_request", json!({"code": "input go\nnothing"})).await;
    client.shell("execute_request", json!({"code": "print no"})).await;
    client.shell("kernel_info_request", json!({})).await;
    client.shell("execute_request", json!({"code": "print no"})).await;
    // An answer on the same connection, from a subshell, tells that all of them are queued.
    let subshell = client.control("create_subshell_request", json!({})).await.content["subshell_id"].clone();
    let (_, frames) = client.frames("kernel_info_request", &json!({}), &json!({"subshell_id": subshell}));
    client.send_shell(frames).await;
    assert_eq!(client.reply().await.kind, "kernel_info_reply");
    client.answer("").await;
    let mut ends = Vec::new();
    for _ in 0..4 {
        let reply = client.reply().await;
        ends.push((reply.kind, reply.content["status"].as_str().unwrap().to_owned()));
    }
    let expected = [("execute_reply", "error"), ("execute_reply", "aborted"), ("kernel_info_reply", "ok"), ("execute_reply", "aborted")];
    assert_eq!(ends, expected.map(|(kind, status)| (kind.to_owned(), status.to_owned())));
    assert_eq!(kinds(&client.until_idle(&first).await).last(), Some(&"error"));
    let (_, reply) = client.execute("print yes").await;
    assert_eq!(reply.content["status"], "ok");
}

#[tokio::test]
async fn without_stop_on_error_the_next_cell_runs() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    client.shell("execute_request", json!({"code": "nothing", "stop_on_error": false})).await;
    client.shell("execute_request", json!({"code": "print yes"})).await;
    assert_eq!(client.reply().await.content["status"], "error");
    assert_eq!(client.reply().await.content["status"], "ok");
}

#[tokio::test]
async fn questions_go_to_the_client_that_asked() {
    let kernel = start().await;
    let mut other = Client::connect(&kernel.connection).await;
    let mut client = Client::connect(&kernel.connection).await;
    let id = client.shell("execute_request", json!({"code": "print before\npassword secret?"})).await;
    // An answer that nobody asked this client for.
    let (_, frames) = other.frames("input_reply", &json!({"value": "wrong"}), &json!({}));
    zeromq::SocketSend::send(&mut other.stdin, frames.try_into().unwrap()).await.unwrap();
    let question = client.answer("swordfish").await;
    assert_eq!((question.parent_id(), &question.content), (id.as_str(), &json!({"prompt": "secret?", "password": true})));
    let outputs = client.until_idle(&id).await;
    let text: String = outputs.iter().filter_map(|output| output.content["text"].as_str()).collect();
    assert_eq!(text, "before\n<swordfish>");
    client.reply().await;
    client.shell("execute_request", json!({"code": "input x", "allow_stdin": false})).await;
    assert_eq!(client.reply().await.content["ename"], "no stdin");
}

#[tokio::test]
async fn control_and_subshells_answer_while_a_cell_runs() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let cell = client.shell("execute_request", json!({"code": "wait"})).await;
    while client.published().await.kind != "stream" {}
    let info = client.control("kernel_info_request", json!({})).await.content;
    assert_eq!((&info["protocol_version"], &info["supported_features"]), (&json!("5.5"), &json!(["kernel subshells"])));
    let usage = client.control("usage_request", json!({})).await;
    assert_eq!((usage.kind.as_str(), &usage.content["hostname"]), ("usage_reply", &json!("toy")));
    let subshell = client.control("create_subshell_request", json!({})).await.content["subshell_id"].clone();
    assert_eq!(client.control("list_subshell_request", json!({})).await.content["subshell_id"], json!([subshell]));
    let (id, frames) = client.frames("complete_request", &json!({"code": "pr", "cursor_pos": 2}), &json!({"subshell_id": subshell}));
    client.send_shell(frames.clone()).await;
    let reply = client.reply().await;
    assert_eq!((reply.parent_id(), &reply.parent["subshell_id"]), (id.as_str(), &subshell));
    assert_eq!(reply.content["matches"], json!(["print"]));
    assert_eq!(reply.content["metadata"]["_jupyter_types_experimental"], json!([{"start": 0, "end": 2, "text": "print", "type": "keyword"}]));
    let delete = json!({"subshell_id": subshell});
    assert_eq!(client.control("delete_subshell_request", delete.clone()).await.content["status"], "ok");
    assert_eq!(client.control("delete_subshell_request", delete).await.content["status"], "error");
    client.send_shell(frames).await;
    assert_eq!(client.reply().await.content["status"], "error", "that subshell is gone");
    assert_eq!(client.control("execute_request", json!({"code": "print x"})).await.content["status"], "error");
    assert_eq!(client.control("interrupt_request", json!({})).await.content["status"], "ok");
    let reply = client.reply().await;
    assert_eq!((reply.parent_id(), &reply.content["ename"]), (cell.as_str(), &json!("interrupted")));
}

#[tokio::test]
async fn small_questions_are_answered() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    client.execute("page p\nnext n").await;
    let cases: [(&str, Value, &str, Value); 9] = [
        ("is_complete_request", json!({"code": "a {"}), "/indent", json!("    ")),
        ("is_complete_request", json!({"code": "a !"}), "/status", json!("invalid")),
        ("inspect_request", json!({"code": "print", "cursor_pos": 1, "detail_level": 1}), "/data/text~1plain", json!("print TEXT, detail 1")),
        ("inspect_request", json!({"code": "other", "cursor_pos": 1}), "/found", json!(false)),
        ("history_request", json!({"hist_access_type": "tail", "n": 5, "output": true}), "/history", json!([[1, 1, ["page p\nnext n", ""]]])),
        ("history_request", json!({"hist_access_type": "search", "pattern": "page*"}), "/history/0/2", json!("page p\nnext n")),
        ("comm_info_request", json!({}), "/comms", json!({})),
        ("connect_request", json!({}), "/shell_port", json!(kernel.connection.shell_port)),
        ("kernel_info_request", json!({}), "/language_info/name", json!("rust")),
    ];
    for (kind, content, pointer, expected) in cases {
        let id = client.shell(kind, content).await;
        let reply = client.reply().await;
        assert_eq!(reply.kind, kind.replace("request", "reply"));
        assert_eq!(reply.content.pointer(pointer), Some(&expected), "{kind}: {}", reply.content);
        assert_eq!(kinds(&client.until_idle(&id).await), [""; 0]);
    }
}

#[tokio::test]
async fn payloads_are_those_that_front_ends_know() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let (_, reply) = client.execute("page p\nnext n").await;
    let page = json!({"source": "page", "data": {"text/plain": "p"}, "start": 0});
    assert_eq!(reply.content["payload"], json!([page, {"source": "set_next_input", "text": "n", "replace": false}]));
}

#[tokio::test]
async fn comms_go_both_ways_with_buffers() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let (outputs, _) = client.execute("comm c1").await;
    let open = outputs.last().unwrap();
    assert_eq!(open.content, json!({"comm_id": "c1", "target_name": "jupyter.widget", "data": {"state": {}}}));
    assert_eq!((&open.metadata, &open.buffers[..]), (&json!({"version": "2.1.0"}), &[vec![1u8, 2, 3].into()][..]));
    client.shell("comm_open", json!({"comm_id": "c2", "target_name": "echo", "data": {}})).await;
    let (_, mut frames) = client.frames("comm_msg", &json!({"comm_id": "c2", "data": {"x": 1}}), &json!({}));
    frames.push(vec![0u8, 255].into());
    client.send_shell(frames).await;
    let echoed = loop {
        let message = client.published().await;
        if message.kind == "comm_msg" {
            break message;
        }
    };
    assert_eq!(echoed.content, json!({"comm_id": "c2", "data": {"x": 1}}));
    assert_eq!(echoed.buffers, [vec![0u8, 255]]);
    client.shell("comm_info_request", json!({"target_name": "echo"})).await;
    assert_eq!(client.reply().await.content["comms"], json!({"c2": {"target_name": "echo"}}));
    let id = client.shell("comm_open", json!({"comm_id": "c3", "target_name": "nobody", "data": {}})).await;
    assert_eq!(kinds(&client.until_idle(&id).await), ["comm_close"]);
}

#[tokio::test]
async fn late_output_belongs_to_the_last_cell() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let id = client.shell("execute_request", json!({"code": "late news"})).await;
    let late = loop {
        let message = client.published().await;
        if message.kind == "stream" {
            break message;
        }
    };
    assert_eq!((late.parent_id(), &late.content["text"]), (id.as_str(), &json!("news")));
}

#[tokio::test]
async fn a_panic_in_the_kernel_is_an_answer() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let (outputs, reply) = client.execute("print a\npanic").await;
    assert_eq!(kinds(&outputs), ["execute_input", "stream", "error"]);
    assert_eq!((&reply.content["status"], &reply.content["ename"]), (&json!("error"), &json!("kernel bug")));
    assert_eq!(client.execute("print b").await.1.content["status"], "ok");
}

#[tokio::test]
async fn shutdown_is_answered_on_both_sockets_before_the_end() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    client.shell("execute_request", json!({"code": "wait"})).await;
    while client.published().await.kind != "stream" {}
    let reply = client.control("shutdown_request", json!({"restart": true})).await;
    assert_eq!(reply.content, json!({"status": "ok", "restart": true}));
    while client.published().await.kind != "shutdown_reply" {}
    let ended = tokio::time::timeout(client::PATIENCE, kernel.ended).await.expect("the server ends").unwrap();
    assert_eq!(ended, Ended::Shutdown { restart: true });
}

#[tokio::test]
async fn the_binary_can_stop_the_server() {
    let kernel = start().await;
    kernel.stop.send(()).unwrap();
    let ended = tokio::time::timeout(client::PATIENCE, kernel.ended).await.expect("the server ends").unwrap();
    assert_eq!(ended, Ended::Stopped);
}

#[tokio::test]
async fn idle_follows_the_reply_at_once() {
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let mut delays = Vec::new();
    // A busy machine may delay one of them.
    for _ in 0..5 {
        let id = client.shell("execute_request", json!({"code": "print a"})).await;
        client.reply().await;
        let replied = Instant::now();
        client.until_idle(&id).await;
        delays.push(replied.elapsed());
    }
    assert!(delays.iter().min() < Some(&Duration::from_millis(100)), "jupyter_kernel_test waits 100 ms: {delays:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn unix_sockets_work_also_where_a_killed_kernel_left_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let prefix = directory.path().join("kernel");
    let text = json!({"transport": "ipc", "ip": prefix, "key": client::KEY, "shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5});
    let connection = ConnectionFile::parse(text.to_string().as_bytes()).unwrap();
    // A listener that goes away without removing its file.
    drop(std::os::unix::net::UnixListener::bind(directory.path().join("kernel-1")).unwrap());
    let kernel = start_at(connection).await;
    let mut client = Client::connect(&kernel.connection).await;
    assert_eq!(client.execute("print a").await.1.content["status"], "ok");
}

#[tokio::test]
async fn the_heartbeat_echoes_also_after_a_client_has_gone() {
    use zeromq::{ReqSocket, Socket, SocketRecv, SocketSend};
    let kernel = start().await;
    let url = format!("tcp://127.0.0.1:{}", kernel.connection.hb_port);
    for round in 0..3 {
        let mut heart = ReqSocket::new();
        heart.connect(&url).await.unwrap();
        heart.send(format!("beat {round}").into()).await.unwrap();
        // The first client goes without having read its answer.
        if round > 0 {
            let echo = tokio::time::timeout(client::PATIENCE, heart.recv()).await.expect("an echo").unwrap();
            assert_eq!(echo.get(0).unwrap(), format!("beat {round}").as_bytes());
        }
    }
}

#[tokio::test]
async fn a_subscription_to_a_topic_is_welcomed_with_it_and_gets_nothing_else() {
    use zeromq::{Socket, SocketRecv, SubSocket};
    let kernel = start().await;
    let mut client = Client::connect(&kernel.connection).await;
    let mut other = SubSocket::new();
    other.connect(&format!("tcp://127.0.0.1:{}", kernel.connection.iopub_port)).await.unwrap();
    for topic in ["weather", "news"] {
        other.subscribe(topic).await.unwrap();
        let frames = tokio::time::timeout(client::PATIENCE, other.recv()).await.expect("a welcome").unwrap().into_vec();
        assert_eq!((&frames[0][..], &frames[1][..]), (topic.as_bytes(), &b"<IDS|MSG>"[..]));
        assert_eq!(&frames[6][..], json!({ "subscription": topic }).to_string().as_bytes());
        // What runs in between is published under other topics.
        client.execute("print a").await;
    }
}
