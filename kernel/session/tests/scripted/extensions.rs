//! What an extension gets of a session: magics of its own, questions, and cells to observe.
use crate::scripted::{BOUND, Bench};
use ochre_api::*;
use ochre_session::front::{Output, Status};
use ochre_session::history::HistoryPlace;
use std::sync::{Arc, Mutex};

/// Asks for a secret and says how long it was.
struct Secret;

const SECRET: Spec = Spec {
    name: "secret",
    aliases: &[],
    area: "secrets",
    form: Form::Line,
    arguments: &[Argument::positional("name", Value::Text, "what it is called").required()],
    summary: "asks for a secret",
    help: "",
    examples: &[Example { text: "%secret db", does: "asks" }],
};

#[async_trait]
impl Magic for Secret {
    fn spec(&self) -> &'static Spec {
        &SECRET
    }
    fn complete(&self, argument: &Argument, prefix: &str) -> Vec<String> {
        let known = ["database", "storage"].iter().filter(|k| argument.name == "name" && k.starts_with(prefix));
        known.map(|k| (*k).to_owned()).collect()
    }
    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let name = call.arguments.value("name").unwrap_or_default();
        match session.ask(&format!("{name}: "), true).await? {
            Some(answer) => Ok(MagicOutcome::text(format!("{} characters", answer.chars().count()))),
            None => Err(Failure::remote("nothing was typed").hint("try again")),
        }
    }
}

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Observer for Log {
    fn cell_started(&self, cell: &CellStarted<'_>) {
        self.0.lock().unwrap().push(format!("started {} {:?}", cell.count, cell.code));
    }
    fn cell_finished(&self, cell: &CellFinished<'_>) {
        self.0.lock().unwrap().push(format!("finished {} {:?}", cell.count, cell.ending));
    }
    fn session_ended(&self, restart: bool) {
        self.0.lock().unwrap().push(format!("ended {restart}"));
    }
}

/// Fails whenever it is told something.
struct Broken;

impl Observer for Broken {
    fn cell_started(&self, _: &CellStarted<'_>) {
        panic!("an observer's own bug");
    }
}

/// Has one piece of news.
struct Herald(Mutex<Vec<String>>);

impl Observer for Herald {
    fn notices(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn what_happened_between_cells_is_said_once_before_the_next_one() {
    let news = Arc::new(Herald(Mutex::new(vec!["the mount data is gone".into()])));
    let bench = Bench::with(HistoryPlace::Memory, vec![], vec![news]);
    bench.execute(ochre_session::front::Execute { silent: true, ..Bench::request("value 1") }).await.ok();
    let said = |ran: &crate::scripted::Ran| ran.outputs.iter().map(|o| format!("{o:?}")).collect::<String>();
    let first = bench.run("print hello").await;
    let text = said(&first);
    assert!(text.contains("the mount data is gone\\n") && text.find("the mount") < text.find("hello"), "{text}");
    assert!(!said(&bench.run("print hello").await).contains("the mount"));
}

fn bench() -> (Bench, Arc<Log>) {
    let log = Arc::new(Log::default());
    (Bench::with(HistoryPlace::Memory, vec![Arc::new(Secret)], vec![Arc::new(Broken), log.clone()]), log)
}

#[tokio::test]
async fn observers_are_told_in_order_and_cannot_harm() {
    let (bench, log) = bench();
    bench.run("value 1").await.ok();
    bench.execute(ochre_session::front::Execute { silent: true, ..Bench::request("value 2") }).await.ok();
    bench.run("fail").await;
    bench.session.shutdown(true).await;
    let told = log.0.lock().unwrap();
    let expected = [
        "started 1 \"value 1\"",
        "finished 1 Ok",
        "started 2 \"fail\"",
        "finished 2 Error { name: \"error\", message: \"it failed\" }",
        "ended true",
    ];
    assert_eq!(*told, expected);
}

#[tokio::test]
async fn a_magic_asks_and_is_answered() {
    let (bench, _) = bench();
    let (mut outputs, running) = bench.start("%secret db");
    loop {
        match outputs.recv().await {
            Some(Output::Input { prompt, password: true }) if prompt == "db: " => break,
            Some(_) => {}
            None => panic!("it did not ask"),
        }
    }
    bench.session.answer(Some("secret".into()));
    let mut value = None;
    while let Some(output) = outputs.recv().await {
        if let Output::Result { bundle, .. } = output {
            value = bundle.text().map(str::to_owned);
        }
    }
    assert_eq!(running.await.unwrap().status, Status::Ok);
    assert_eq!(value.as_deref(), Some("6 characters"), "and it is not echoed");
}

#[tokio::test]
async fn a_question_ends_with_an_interrupt_and_where_nobody_can_be_asked() {
    let (bench, _) = bench();
    let (mut outputs, running) = bench.start("%secret db");
    while !matches!(outputs.recv().await, Some(Output::Input { .. })) {}
    bench.session.interrupt();
    let executed = tokio::time::timeout(BOUND, running).await.expect("it ends").unwrap();
    assert!(matches!(executed.status, Status::Error(r) if r.name == "interrupted"));
    let ran = bench.execute(ochre_session::front::Execute { allow_stdin: false, ..Bench::request("%secret db") }).await;
    assert_eq!(ran.error().1, "this front end cannot ask questions");
}

#[tokio::test]
async fn an_extension_s_magic_is_listed_completed_and_explained_as_the_session_s_own() {
    let (bench, _) = bench();
    assert!(bench.run("%lsmagic").await.value().is_some_and(|t| t.contains("\nsecrets\n  %secret")));
    let found = bench.session.complete("%secret da", 10).await;
    assert_eq!(found.items.into_iter().map(|i| i.text).collect::<Vec<_>>(), ["database"]);
    let (_, message, hint) = bench.run("%secret").await.error();
    assert_eq!((message.as_str(), hint.contains("%secret NAME")), ("%secret needs NAME: what it is called", true));
}

#[tokio::test]
async fn two_magics_of_one_name_are_refused() {
    let mut registry = Registry::default();
    registry.add([Arc::new(Secret) as Arc<dyn Magic>]).unwrap();
    let error = registry.add([Arc::new(Secret) as Arc<dyn Magic>]).expect_err("twice");
    assert_eq!(error.to_string(), "two magics are called %secret");
}
