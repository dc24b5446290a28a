//! Outputs of a cell: `execute_input`, `stream`, `display_data`, `update_display_data`, `execute_result`,
//! `error`, `clear_output`, `comm_*`.
use super::{comm, error, mime};
use crate::wire::Message;
use jupyter_protocol::{
    ClearOutput, DisplayData, ExecuteInput, ExecuteResult, ExecutionCount, StreamContent, Transient, UpdateDisplayData,
};
use ochre_link::{Bundle, Stream};
use ochre_session::front::Output;

/// The message of an output; none for a question, which goes to one client only.
pub(crate) fn message(output: Output) -> Option<Message> {
    Some(match output {
        Output::Started { code, count } => {
            Message::new(ExecuteInput { code, execution_count: ExecutionCount(count as usize) })
        }
        Output::Stream { stream: which, text } => stream(which, &text),
        Output::Display { bundle, id, update } => display(&bundle, id, update),
        Output::Result { bundle, count } => result(&bundle, count),
        Output::Error(report) => Message::new(error::output(report)),
        Output::Clear { wait } => Message::new(ClearOutput { wait }),
        Output::Comm(message) => comm::message(message),
        Output::Input { .. } => return None,
    })
}

pub(crate) fn stream(stream: Stream, text: &str) -> Message {
    Message::new(match stream {
        Stream::Stdout => StreamContent::stdout(text),
        Stream::Stderr => StreamContent::stderr(text),
    })
}

fn display(bundle: &Bundle, display_id: Option<String>, update: bool) -> Message {
    let (data, metadata) = mime::parts(bundle);
    let transient = Transient { display_id };
    if update {
        Message::new(UpdateDisplayData { data, metadata, transient })
    } else {
        Message::new(DisplayData { data, metadata, transient: Some(transient) })
    }
}

/// An empty `transient`, because the crate writes none as null.
fn result(bundle: &Bundle, count: u32) -> Message {
    let (data, metadata) = mime::parts(bundle);
    let transient = Some(Transient::default());
    Message::new(ExecuteResult { execution_count: ExecutionCount(count as usize), data, metadata, transient })
}
