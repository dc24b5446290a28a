//! A kernel without a language: each line of a cell is a command, such as `print hello`. It tests the sockets
//! and messages without compiling anything.
use async_trait::async_trait;
use ochre_jupyter::{About, Kernel};
use ochre_link::{Bundle, Comm, CommAction, Data, Stream};
use ochre_session::engine::OutputSender;
use ochre_session::front::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::{Notify, mpsc};

pub struct Toy {
    count: AtomicU32,
    history: Mutex<Vec<String>>,
    interrupted: Notify,
    answers: (mpsc::UnboundedSender<Option<String>>, tokio::sync::Mutex<mpsc::UnboundedReceiver<Option<String>>>),
    comms: Mutex<Vec<(String, String)>>,
    stray: mpsc::Sender<Output>,
    late: Mutex<Option<mpsc::Receiver<Output>>>,
}

impl Default for Toy {
    fn default() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (stray, late) = mpsc::channel(16);
        Self {
            count: AtomicU32::new(0),
            history: Mutex::default(),
            interrupted: Notify::new(),
            answers: (sender, tokio::sync::Mutex::new(receiver)),
            comms: Mutex::default(),
            stray,
            late: Mutex::new(Some(late)),
        }
    }
}

/// How one line ended.
enum Line {
    Done,
    Value(Bundle),
    Payload(Payload),
    Failed(Report),
}

fn report(name: &str, message: &str) -> Report {
    Report { name: name.into(), message: message.into(), traceback: vec![format!("\u{1b}[31m{name}\u{1b}[0m: {message}")] }
}

impl Toy {
    async fn line(&self, line: &str, allow_stdin: bool, output: &OutputSender) -> Line {
        let (command, text) = line.split_once(' ').unwrap_or((line, ""));
        let plain = || Bundle::plain(text);
        let stream = |stream, text: String| Output::Stream { stream, text };
        let say = |out| async move { output.send(out).await.expect("the server takes outputs") };
        match command {
            "print" => say(stream(Stream::Stdout, format!("{text}\n"))).await,
            "eprint" => say(stream(Stream::Stderr, format!("{text}\n"))).await,
            "flood" => {
                // As many kilobytes as it says.
                for _ in 0..text.parse::<usize>().expect("a number") {
                    say(stream(Stream::Stdout, format!("{}\n", "é".repeat(511)) + "x")).await;
                }
            }
            "displays" => {
                for n in 0..text.parse::<usize>().expect("a number") {
                    say(Output::Display { bundle: Bundle::plain(n.to_string()), id: None, update: false }).await;
                }
            }
            "big" => {
                let bundle = plain().with("image/png", Data::Bytes(vec![7; text.parse::<usize>().expect("a number") << 10]));
                say(Output::Display { bundle, id: None, update: false }).await;
            }
            "display" => say(Output::Display { bundle: plain(), id: Some("shown".into()), update: false }).await,
            "update" => say(Output::Display { bundle: plain(), id: Some("shown".into()), update: true }).await,
            "clear" => say(Output::Clear { wait: text == "wait" }).await,
            "result" => return Line::Value(plain().with("text/html", Data::Text(format!("<b>{text}</b>")))),
            "page" => return Line::Payload(Payload::Page(plain())),
            "next" => return Line::Payload(Payload::NextInput { text: text.into(), replace: false }),
            "input" | "password" => {
                say(Output::Input { prompt: text.into(), password: command == "password" }).await;
                let Some(answer) = self.answers.1.lock().await.recv().await.flatten() else {
                    return Line::Failed(report("no stdin", &format!("nobody can be asked ({allow_stdin})")));
                };
                say(stream(Stream::Stdout, format!("<{answer}>"))).await;
            }
            "wait" => {
                say(stream(Stream::Stdout, "waiting\n".into())).await;
                self.interrupted.notified().await;
                return Line::Failed(report("interrupted", "the cell was interrupted"));
            }
            "late" => {
                let (stray, text) = (self.stray.clone(), text.to_owned());
                tokio::spawn(async move { stray.send(stream(Stream::Stdout, text)).await });
            }
            "comm" => {
                let action = CommAction::Open { target: "jupyter.widget".into() };
                self.comms.lock().unwrap().push((text.into(), "jupyter.widget".into()));
                say(Output::Comm(Comm {
                    id: text.into(),
                    action,
                    data: "{\"state\":{}}".into(),
                    metadata: "{\"version\":\"2.1.0\"}".into(),
                    buffers: vec![vec![1, 2, 3]],
                }))
                .await;
            }
            "panic" => panic!("the toy panics, as it was told"),
            _ => return Line::Failed(report("unknown", &format!("there is no command `{command}`"))),
        }
        Line::Done
    }
}

#[async_trait]
impl Kernel for Toy {
    fn about(&self) -> About {
        About::default()
    }

    async fn execute(&self, request: Execute, output: OutputSender) -> Executed {
        let mut count = self.count.load(Ordering::Relaxed);
        if request.store_history {
            count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
            self.history.lock().unwrap().push(request.code.clone());
        }
        output.send(Output::Started { code: request.code.clone(), count }).await.unwrap();
        let mut executed = Executed { count, status: Status::Ok, user_expressions: vec![], payloads: vec![] };
        for line in request.code.lines() {
            match self.line(line, request.allow_stdin, &output).await {
                Line::Done => {}
                Line::Value(bundle) => output.send(Output::Result { bundle, count }).await.unwrap(),
                Line::Payload(payload) => executed.payloads.push(payload),
                Line::Failed(report) => {
                    output.send(Output::Error(report.clone())).await.unwrap();
                    executed.status = Status::Error(report);
                    return executed;
                }
            }
        }
        for (name, expression) in request.user_expressions {
            let value = if expression == "bad" { Err(report("bad", "is bad")) } else { Ok(Bundle::plain(expression)) };
            executed.user_expressions.push((name, value));
        }
        executed
    }

    fn interrupt(&self) {
        self.interrupted.notify_waiters();
    }

    fn answer(&self, text: Option<String>) {
        self.answers.0.send(text).unwrap();
    }

    async fn complete(&self, code: &str, cursor: usize) -> Completions {
        let prefix: String = code.chars().take(cursor).collect();
        let items = ["print", "password", "panic"].iter().filter(|word| word.starts_with(&prefix));
        let items = items.map(|word| Completion { text: (*word).into(), kind: "keyword".into(), signature: None });
        Completions { start: 0, end: cursor, items: items.collect() }
    }

    async fn inspect(&self, code: &str, _cursor: usize, detail: u8) -> Option<Bundle> {
        (code == "print").then(|| Bundle::plain(format!("print TEXT, detail {detail}")))
    }

    fn is_complete(&self, code: &str) -> Completeness {
        match code.chars().last() {
            Some('{') => Completeness::Incomplete { indent: "    ".into() },
            Some('!') => Completeness::Invalid,
            _ => Completeness::Complete,
        }
    }

    async fn history(&self, query: HistoryQuery) -> Vec<HistoryEntry> {
        let all = self.history.lock().unwrap().clone();
        let entries = all.into_iter().zip(1..).map(|(input, line)| HistoryEntry { session: 1, line, input, output: None });
        let mut entries: Vec<HistoryEntry> = entries.collect();
        match query {
            HistoryQuery::Tail { n } => {
                entries.drain(..entries.len().saturating_sub(n));
            }
            HistoryQuery::Range { start, stop, .. } => {
                entries.retain(|entry| entry.line >= start && stop.is_none_or(|stop| entry.line < stop));
            }
            HistoryQuery::Search { pattern, n, unique } => {
                entries.retain(|entry| entry.input.contains(pattern.trim_matches('*')));
                if unique {
                    entries.dedup_by(|a, b| a.input == b.input);
                }
                entries.drain(..entries.len().saturating_sub(n.unwrap_or(entries.len())));
            }
        }
        entries
    }

    fn serves(&self, target: &str) -> bool {
        target == "echo"
    }

    /// Sends back what comes.
    fn comm(&self, message: Comm) {
        match &message.action {
            CommAction::Open { target } => self.comms.lock().unwrap().push((message.id, target.clone())),
            CommAction::Close => self.comms.lock().unwrap().retain(|(id, _)| *id != message.id),
            CommAction::Message => {
                let stray = self.stray.clone();
                tokio::spawn(async move { stray.send(Output::Comm(message)).await });
            }
        }
    }

    fn comms(&self) -> Vec<(String, String)> {
        self.comms.lock().unwrap().clone()
    }

    async fn usage(&self) -> Usage {
        Usage { pid: std::process::id(), host: "toy".into(), memory: 1, ..Usage::default() }
    }

    async fn shutdown(&self, _restart: bool) {
        self.interrupt();
    }

    fn stray(&self) -> Option<mpsc::Receiver<Output>> {
        self.late.lock().unwrap().take()
    }
}
