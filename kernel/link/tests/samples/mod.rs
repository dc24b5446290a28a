//! One message of every kind. The matches have no wildcard, so a new variant does not compile without a sample.
use ochre_link::*;

pub fn to_worker() -> Vec<(&'static str, ToWorker)> {
    let run = Run { cell: CellId(300), load: vec!["liba.so".into(), "libb.so".into()], library: "libc.so".into(), allow_stdin: true, replaying: false };
    let all = vec![
        ToWorker::Hello { version: VERSION, prelude: "p1".into() },
        ToWorker::Library { file: "liba.so".into(), bytes: vec![0, 127, 128, 255] },
        ToWorker::Run(run),
        ToWorker::Evaluate { cell: CellId(1), code: "1 + 1".into(), allow_stdin: false },
        ToWorker::Interrupt,
        ToWorker::InputReply { text: None },
        ToWorker::InputReply { text: Some("é".into()) },
        ToWorker::Forget { names: vec!["x".into()] },
        ToWorker::Environment { name: "A".into(), value: Some("b".into()) },
        ToWorker::Directory { path: "/tmp".into() },
        ToWorker::Setting { name: "rows".into(), value: "7".into() },
        ToWorker::Comm(comm(CommAction::Open { target: "jupyter.widget".into() })),
        ToWorker::Comm(comm(CommAction::Message)),
        ToWorker::Comm(comm(CommAction::Close)),
        ToWorker::Shutdown,
        ToWorker::Answer { id: 7, result: Answered::Done { payload: vec![0, 255] } },
        ToWorker::Answer { id: 8, result: refused(Blame::Code) },
        ToWorker::Answer { id: 8, result: refused(Blame::Configuration) },
        ToWorker::Answer { id: 8, result: refused(Blame::Remote) },
        ToWorker::Answer { id: 1 << 40, result: refused(Blame::Bug) },
        ToWorker::TrapOpens { socket: "/tmp/s".into(), program: vec![6, 0, 0, 255] },
    ];
    all.into_iter().map(|message| (to_worker_name(&message), message)).collect()
}

pub fn from_worker() -> Vec<(&'static str, FromWorker)> {
    let cell = CellId(1 << 40);
    let bundle = Bundle::plain("t").with("image/png", Data::Bytes(vec![137, 80])).with("application/json", Data::Json("{}".into()));
    let mut all = vec![
        FromWorker::Hello { version: VERSION, pid: 4321, host: "h".into() },
        FromWorker::Refused { reason: "no".into() },
        FromWorker::Stream { cell, stream: Stream::Stdout, bytes: vec![255, 10] },
        FromWorker::Stream { cell, stream: Stream::Stderr, bytes: vec![] },
        FromWorker::Display { cell, bundle: bundle.clone(), id: Some("i".into()), update: true },
        FromWorker::ClearOutput { cell, wait: true },
        FromWorker::Input { cell, prompt: "? ".into(), password: true },
        FromWorker::Event { cell, topic: "runs".into(), payload: vec![1, 200] },
        FromWorker::Comm(comm(CommAction::Message)),
        FromWorker::LateFinish { cell, variables: vec![variable()] },
        FromWorker::Variables { variables: vec![] },
        FromWorker::Directory { path: Ok("/tmp".into()) },
        FromWorker::Directory { path: Err("no".into()) },
        FromWorker::Crash { signal: 11, reason: "stack overflow".into(), frames: vec![frame()] },
        FromWorker::Request { id: 7, cell, topic: "storage".into(), payload: vec![1, 200] },
    ];
    let ended = |end| FromWorker::Finished { cell, end, value: Some(bundle.clone()), variables: vec![variable()] };
    all.extend(ends().into_iter().map(ended));
    all.into_iter().map(|message| (from_worker_name(&message), message)).collect()
}

fn ends() -> Vec<End> {
    vec![
        End::Completed,
        End::Failed { message: "m".into(), debug: "d".into(), type_name: "t".into() },
        End::Panicked { message: "m".into(), place: Some(place()), backtrace: vec![frame()], thread: "cell".into() },
        End::Interrupted,
        End::Detached,
        End::Broken { message: "b".into() },
        End::Rejected { rendered: "r".into() },
    ]
}

fn place() -> Place {
    Place { file: "cell.rs".into(), line: 1000, column: 7 }
}

fn frame() -> Frame {
    Frame { function: "f".into(), place: Some(place()) }
}

fn variable() -> Variable {
    Variable { name: "x".into(), type_name: "i32".into(), send: true, size: 4, cell: CellId(2), available: false }
}

fn refused(blame: Blame) -> Answered {
    Answered::Refused(Refusal { blame, message: "m".into(), hint: Some("h".into()) })
}

fn comm(action: CommAction) -> Comm {
    Comm { id: "c".into(), action, data: "{}".into(), metadata: "{}".into(), buffers: vec![vec![1, 2], vec![]] }
}

fn to_worker_name(message: &ToWorker) -> &'static str {
    match message {
        ToWorker::Hello { .. } => "to Hello",
        ToWorker::Library { .. } => "to Library",
        ToWorker::Run(_) => "to Run",
        ToWorker::Evaluate { .. } => "to Evaluate",
        ToWorker::Interrupt => "to Interrupt",
        ToWorker::InputReply { .. } => "to InputReply",
        ToWorker::Forget { .. } => "to Forget",
        ToWorker::Environment { .. } => "to Environment",
        ToWorker::Directory { .. } => "to Directory",
        ToWorker::Setting { .. } => "to Setting",
        ToWorker::Comm(_) => "to Comm",
        ToWorker::Shutdown => "to Shutdown",
        ToWorker::Answer { .. } => "to Answer",
        ToWorker::TrapOpens { .. } => "to TrapOpens",
    }
}

fn from_worker_name(message: &FromWorker) -> &'static str {
    match message {
        FromWorker::Hello { .. } => "from Hello",
        FromWorker::Refused { .. } => "from Refused",
        FromWorker::Stream { .. } => "from Stream",
        FromWorker::Display { .. } => "from Display",
        FromWorker::ClearOutput { .. } => "from ClearOutput",
        FromWorker::Input { .. } => "from Input",
        FromWorker::Event { .. } => "from Event",
        FromWorker::Comm(_) => "from Comm",
        FromWorker::Finished { end, .. } => match end {
            End::Completed => "from Finished, Completed",
            End::Failed { .. } => "from Finished, Failed",
            End::Panicked { .. } => "from Finished, Panicked",
            End::Interrupted => "from Finished, Interrupted",
            End::Detached => "from Finished, Detached",
            End::Broken { .. } => "from Finished, Broken",
            End::Rejected { .. } => "from Finished, Rejected",
        },
        FromWorker::LateFinish { .. } => "from LateFinish",
        FromWorker::Variables { .. } => "from Variables",
        FromWorker::Directory { .. } => "from Directory",
        FromWorker::Crash { .. } => "from Crash",
        FromWorker::Request { .. } => "from Request",
    }
}
