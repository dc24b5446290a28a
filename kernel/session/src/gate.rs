//! The one place through which everything leaves a session.
//!
//! **Invariant:** what a front end, the history or an observer is handed has passed this file: outputs of cells and of the threads that they left
//! behind (the pump), what an execution, a completion, an inspection or a question about the history gives (the handle), what is recorded. No other
//! file of this crate hands a text out, so no other file thinks of secrets.
//!
//! ```text
//! pump    --Output-->   CellGate --Output-->  limits --> front end          stdout, stderr: a stream each, tails held back for a moment
//! session --answers-->  Gate     --answers--> front end, history, observers
//! ```
//! Pictures and other bytes pass as they are. What a front end sends in passes as it is.
use crate::front::{Completion, Completions, Executed, HistoryEntry, Output, Payload, Report, Status};
use ochre_link::{Bundle, Comm, CommAction, Data, Stream};
use ochre_secrets::{Finding, Redactor};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Takes out of whole answers what must not be seen.
#[derive(Clone)]
pub(crate) struct Gate {
    redactor: Redactor,
    /// The last question was for a password.
    password: Arc<AtomicBool>,
}

impl Gate {
    pub(crate) fn new(redactor: Redactor) -> Self {
        Self { redactor, password: Arc::default() }
    }

    /// For the outputs of one cell.
    pub(crate) fn cell(&self) -> CellGate {
        CellGate { gate: self.clone(), stdout: self.redactor.stream(), stderr: self.redactor.stream() }
    }

    /// The literal keys of a cell; from now on they are known.
    pub(crate) fn learn(&self, code: &str) -> Vec<Finding> {
        self.redactor.learn(code)
    }

    /// From now on this value is known.
    pub(crate) fn know(&self, value: &str) {
        self.redactor.know(&value.into());
    }

    /// What the user typed: known when it is a password.
    pub(crate) fn answer(&self, text: Option<&str>) {
        if self.password.swap(false, Ordering::SeqCst)
            && let Some(text) = text
        {
            self.know(text);
        }
    }

    pub(crate) fn text(&self, text: String) -> String {
        match self.redactor.redact(&text) {
            std::borrow::Cow::Borrowed(_) => text,
            std::borrow::Cow::Owned(changed) => changed,
        }
    }

    fn optional(&self, text: Option<String>) -> Option<String> {
        text.map(|text| self.text(text))
    }

    /// JSON text stays JSON: strings, keys and numbers are looked at one by one.
    fn json(&self, text: String) -> String {
        if !self.redactor.finds(&text) {
            return text;
        }
        let Ok(value) = serde_json::from_str(&text) else { return self.text(text) };
        let changed = self.value(value).to_string();
        // What is spread over several values, such as a list of bytes, or reads as a marker with the next value behind it.
        if self.redactor.finds(&changed) { Value::from(ochre_secrets::REDACTED).to_string() } else { changed }
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Number(number) if self.redactor.finds(&number.to_string()) => Value::from(ochre_secrets::REDACTED),
            Value::Array(values) => values.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(fields) => Value::Object(fields.into_iter().map(|(key, value)| (self.text(key), self.value(value))).collect::<Map<_, _>>()),
            other => other,
        }
    }

    pub(crate) fn bundle(&self, bundle: Bundle) -> Bundle {
        let data = |data: Data| match data {
            Data::Text(text) => Data::Text(self.text(text)),
            Data::Json(text) => Data::Json(self.json(text)),
            Data::Bytes(bytes) => Data::Bytes(bytes),
        };
        Bundle {
            data: bundle.data.into_iter().map(|(media, content)| (media, data(content))).collect(),
            metadata: bundle.metadata.map(|text| self.json(text)),
        }
    }

    /// The traceback as one text, for a secret may have line breaks.
    pub(crate) fn report(&self, report: Report) -> Report {
        let whole = report.traceback.join("\n");
        let traceback = if self.redactor.finds(&whole) { self.text(whole).split('\n').map(str::to_owned).collect() } else { report.traceback };
        Report { name: self.text(report.name), message: self.text(report.message), traceback }
    }

    fn comm(&self, comm: Comm) -> Comm {
        let action = match comm.action {
            CommAction::Open { target } => CommAction::Open { target: self.text(target) },
            other => other,
        };
        // A buffer that is text is one; numbers of a widget are none.
        let buffer = |bytes: Vec<u8>| match String::from_utf8(bytes) {
            Ok(text) => self.text(text).into_bytes(),
            Err(bytes) => bytes.into_bytes(),
        };
        Comm { id: self.text(comm.id), action, data: self.json(comm.data), metadata: self.json(comm.metadata), buffers: comm.buffers.into_iter().map(buffer).collect() }
    }

    pub(crate) fn executed(&self, executed: Executed) -> Executed {
        let status = match executed.status {
            Status::Error(report) => Status::Error(self.report(report)),
            other => other,
        };
        let value = |value: Result<Bundle, Report>| value.map(|bundle| self.bundle(bundle)).map_err(|report| self.report(report));
        let payload = |payload: Payload| match payload {
            Payload::Page(bundle) => Payload::Page(self.bundle(bundle)),
            Payload::NextInput { text, replace } => Payload::NextInput { text: self.text(text), replace },
        };
        Executed {
            count: executed.count,
            status,
            user_expressions: executed.user_expressions.into_iter().map(|(name, of)| (name, value(of))).collect(),
            payloads: executed.payloads.into_iter().map(payload).collect(),
        }
    }

    pub(crate) fn completions(&self, found: Completions) -> Completions {
        let item = |item: Completion| Completion { text: self.text(item.text), kind: item.kind, signature: self.optional(item.signature) };
        Completions { items: found.items.into_iter().map(item).collect(), ..found }
    }

    /// Cells that were recorded before a secret in them was known, too.
    pub(crate) fn history(&self, entries: Vec<HistoryEntry>) -> Vec<HistoryEntry> {
        let entry = |entry: HistoryEntry| HistoryEntry { input: self.text(entry.input), output: self.optional(entry.output), ..entry };
        entries.into_iter().map(entry).collect()
    }

    /// What is kept of a cell.
    pub(crate) fn record(&self, input: String, output: Option<String>) -> (String, Option<String>) {
        (self.text(input), self.optional(output))
    }

    pub(crate) fn comms(&self, comms: Vec<(String, String)>) -> Vec<(String, String)> {
        comms.into_iter().map(|(id, target)| (self.text(id), self.text(target))).collect()
    }
}

/// The outputs of one cell, in order.
pub(crate) struct CellGate {
    gate: Gate,
    stdout: ochre_secrets::Stream,
    stderr: ochre_secrets::Stream,
}

impl CellGate {
    /// What may be shown now that this has come.
    pub(crate) fn pass(&mut self, output: Output) -> Vec<Output> {
        // Order is kept: what one stream holds back is shown before another one speaks.
        let mut shown = match &output {
            Output::Stream { stream: Stream::Stdout, .. } => release(Stream::Stderr, &mut self.stderr),
            Output::Stream { stream: Stream::Stderr, .. } => release(Stream::Stdout, &mut self.stdout),
            _ => self.release(),
        };
        let gate = &self.gate;
        shown.push(match output {
            Output::Stream { stream, text } => {
                let state = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
                let text = state.push_text(&text);
                if text.is_empty() {
                    return shown;
                }
                Output::Stream { stream, text }
            }
            Output::Started { code, count } => Output::Started { code: gate.text(code), count },
            Output::Display { bundle, id, update } => Output::Display { bundle: gate.bundle(bundle), id: gate.optional(id), update },
            Output::Result { bundle, count } => Output::Result { bundle: gate.bundle(bundle), count },
            Output::Error(report) => Output::Error(gate.report(report)),
            Output::Comm(comm) => Output::Comm(gate.comm(comm)),
            Output::Input { prompt, password } => {
                gate.password.store(password, Ordering::SeqCst);
                Output::Input { prompt: gate.text(prompt), password }
            }
            Output::Clear { wait } => Output::Clear { wait },
        });
        shown
    }

    /// How long what is held back may wait for more; `None` when nothing is.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.stdout.patience().or(self.stderr.patience())
    }

    /// What was held back: it has waited long enough, or something else comes, or nothing more.
    pub(crate) fn release(&mut self) -> Vec<Output> {
        let mut shown = release(Stream::Stdout, &mut self.stdout);
        shown.extend(release(Stream::Stderr, &mut self.stderr));
        shown
    }
}

fn release(stream: Stream, state: &mut ochre_secrets::Stream) -> Vec<Output> {
    let text = state.release_text();
    if text.is_empty() { Vec::new() } else { vec![Output::Stream { stream, text }] }
}

#[cfg(test)]
mod tests;
