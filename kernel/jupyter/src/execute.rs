//! Runs one cell: outputs while it runs, questions to the client, then the reply.
use crate::fields::Fields;
use crate::messages::{error, execute};
use crate::outputs::Outputs;
use crate::request::{Answer, Effect};
use crate::server::Shared;
use crate::stdin;
use crate::wire::Request;
use ochre_session::front::{Executed, Output, Report, Status};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Outputs between the session and us. Few: when clients are slow the cell shall wait, not the memory grow.
const OUTPUT_QUEUE: usize = 16;

/// Runs the cell of an `execute_request`.
pub(crate) async fn run(shared: &Arc<Shared>, request: &Arc<Request>, content: &Fields) -> Result<Answer, String> {
    let execute = execute::parse(request, content)?;
    let (silent, stop_on_error) = (execute.silent, execute.stop_on_error);
    if !silent {
        *crate::lock(&shared.last_cell) = Some(request.header.clone());
    }
    let (sender, mut receiver) = mpsc::channel(OUTPUT_QUEUE);
    let mut cell = Cell {
        shared,
        request,
        outputs: Outputs::new(shared, Some(request.header.clone())),
        silent,
        allow_stdin: execute.allow_stdin,
        reported: false,
    };
    // Runs beside the outputs, and is gone when this future is dropped.
    let mut task = JoinSet::new();
    let kernel = shared.kernel.clone();
    task.spawn(async move { kernel.execute(execute, sender).await });
    let joined = loop {
        tokio::select! {
            biased;
            Some(output) = receiver.recv() => cell.take(output).await,
            () = cell.outputs.due() => cell.outputs.flush().await,
            joined = task.join_next() => break joined,
        }
    };
    while let Ok(output) = receiver.try_recv() {
        cell.take(output).await;
    }
    let executed = match joined {
        Some(Ok(executed)) => executed,
        _ => failed(error::bug("executing the cell panicked"), shared.count.load(Ordering::Relaxed)),
    };
    cell.end(&executed).await;
    let stop = stop_on_error && matches!(executed.status, Status::Error(_));
    let effect = if stop { Effect::AbortQueued } else { Effect::None };
    Ok(Answer { reply: Some(execute::reply(&executed).into()), effect })
}

fn failed(report: Report, count: u32) -> Executed {
    Executed { count, status: Status::Error(report), user_expressions: Vec::new(), payloads: Vec::new() }
}

/// A cell that runs.
struct Cell<'a> {
    shared: &'a Shared,
    request: &'a Request,
    outputs: Outputs<'a>,
    silent: bool,
    allow_stdin: bool,
    /// An error was shown.
    reported: bool,
}

impl Cell<'_> {
    async fn take(&mut self, output: Output) {
        match output {
            Output::Input { prompt, password } if self.allow_stdin => {
                self.outputs.flush().await;
                stdin::ask(self.shared, self.request, &prompt, password).await;
            }
            Output::Input { .. } => self.shared.kernel.answer(None),
            // Comms are state of the front end; all else is not to be shown.
            output if self.silent && !matches!(output, Output::Comm(_)) => {}
            output => {
                self.reported |= matches!(output, Output::Error(_));
                self.outputs.send(output).await;
            }
        }
    }

    /// All that the cell showed is sent when this returns.
    async fn end(&mut self, executed: &Executed) {
        self.shared.questions.close();
        self.shared.count.store(executed.count, Ordering::Relaxed);
        if let Status::Error(report) = &executed.status
            && !self.reported
            && !self.silent
        {
            self.outputs.send(Output::Error(report.clone())).await;
        }
        self.outputs.flush().await;
    }
}
