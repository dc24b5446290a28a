//! The program `nvidia-smi`, where the library cannot be opened. Asking and reading are apart: what cards print is tested.
use super::{Card, Memory, Part, Process, Refusal, Survey};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long one question may take: sleeping cards are woken, which is some seconds with many of them.
const BOUND: Duration = Duration::from_secs(15);
/// The fields of a card, in the order in which [`cards`] reads them.
const CARDS: &str = "--query-gpu=index,uuid,name,memory.used,memory.total,utilization.gpu,temperature.gpu,driver_version,mig.mode.current";
/// Those of a process, as [`processes`] reads them.
const PROCESSES: &str = "--query-compute-apps=gpu_uuid,pid,process_name,used_memory";
const FORM: &str = "--format=csv,noheader,nounits";
const MEBIBYTE: u64 = 1 << 20;

/// The program: on the PATH, or where WSL and containers keep it.
pub(super) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/usr/lib/wsl/lib", "/usr/local/nvidia/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|directory| directory.join("nvidia-smi")).find(|file| file.is_file())
}

/// Asks the program.
pub(super) fn read(program: &Path) -> Result<Survey, Refusal> {
    let mut survey = Answers {
        cards: ask(program, &[CARDS, FORM])?,
        // What follows is not there everywhere, and nothing fails without it.
        processes: ask(program, &[PROCESSES, FORM]).unwrap_or_default(),
        list: String::new(),
        header: ask(program, &[]).unwrap_or_default(),
    };
    if survey.cards.contains("Enabled") {
        survey.list = ask(program, &["-L"]).unwrap_or_default();
    }
    Ok(survey.read())
}

/// What one call prints; what it says when it fails.
fn ask(program: &Path, arguments: &[&str]) -> Result<String, Refusal> {
    let child = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|_| Refusal::Missing)?;
    let mut out = child.stdout.take().ok_or(Refusal::Missing)?;
    let (sender, text) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = out.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    let Ok(text) = text.recv_timeout(BOUND) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(Refusal::Says(format!("nvidia-smi did not answer within {} s", BOUND.as_secs())));
    };
    match child.wait() {
        Ok(status) if status.success() => Ok(text),
        // It says why on its stdout, in one or two sentences.
        _ => Err(Refusal::Says(text.split_whitespace().collect::<Vec<_>>().join(" "))),
    }
}

/// What the program printed, call by call.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) cards: String,
    pub(super) processes: String,
    /// `nvidia-smi -L`, of divided cards.
    pub(super) list: String,
    /// What it prints without arguments.
    pub(super) header: String,
}

impl Answers {
    pub(super) fn read(&self) -> Survey {
        let rows: Vec<Row> = self.cards.lines().filter_map(row).collect();
        let driver = rows.iter().find_map(|row| row.driver.clone());
        let mut cards: Vec<Card> = Vec::new();
        for row in rows {
            let mut card = row.card;
            card.parts = parts(&self.list, &row.uuid);
            card.processes = Some(processes(&self.processes, &row.uuid));
            cards.push(card);
        }
        Survey { driver, cuda: cuda(&self.header), cards }
    }
}

struct Row {
    card: Card,
    uuid: String,
    driver: Option<String>,
}

/// `0, GPU-…, NVIDIA H100 80GB HBM3, 1205, 81559, 34, 41, 580.65.06, Disabled`; `[N/A]` and the like where a card does not say.
fn row(line: &str) -> Option<Row> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [number, uuid, name, used, total, busy, temperature, driver, mig] = fields.as_slice() else { return None };
    let mebibytes = |text: &str| text.parse::<u64>().ok().map(|n| n * MEBIBYTE);
    let card = Card {
        number: number.parse().ok()?,
        name: (*name).to_owned(),
        memory: Memory { used: mebibytes(used), total: mebibytes(total) },
        busy: busy.parse().ok(),
        temperature: temperature.parse().ok(),
        divided: *mig == "Enabled",
        ..Card::default()
    };
    Some(Row { card, uuid: (*uuid).to_owned(), driver: said(driver) })
}

/// A word, unless it is `[N/A]`, `[Not Supported]`, `[Unknown Error]`, ….
fn said(text: &str) -> Option<String> {
    (!text.is_empty() && !text.starts_with('[')).then(|| text.to_owned())
}

/// Lines of one card: `GPU-…, 4242, /usr/bin/python3, 1180`. Names may have commas.
fn processes(text: &str, uuid: &str) -> Vec<Process> {
    let lines = text.lines().filter_map(|line| {
        let (card, rest) = line.split_once(',')?;
        let (pid, rest) = rest.split_once(',')?;
        let (name, memory) = rest.rsplit_once(',')?;
        let memory = memory.trim().parse::<u64>().ok().map(|n| n * MEBIBYTE);
        let process = Process { pid: pid.trim().parse().ok()?, name: said(name.trim()), memory };
        (card.trim() == uuid).then_some(process)
    });
    lines.collect()
}

/// Parts of one card in `nvidia-smi -L`, which stand indented below it: `  MIG 3g.20gb     Device  0: (UUID: MIG-…)`.
fn parts(list: &str, uuid: &str) -> Vec<Part> {
    let below = list.lines().skip_while(|line| !(line.starts_with("GPU") && line.contains(uuid))).skip(1);
    let parts = below.take_while(|line| line.starts_with(' ')).filter_map(|line| {
        let name = line.trim().strip_prefix("MIG ")?.split_whitespace().next()?;
        Some(Part { name: format!("MIG {name}"), memory: Memory::default() })
    });
    parts.collect()
}

/// `| NVIDIA-SMI 580.65.06    Driver Version: 580.65.06    CUDA Version: 13.0 |`
fn cuda(header: &str) -> Option<(u32, u32)> {
    let (_, rest) = header.split_once("CUDA Version:").or_else(|| header.split_once("CUDA UMD Version:"))?;
    let (major, minor) = rest.split_whitespace().next()?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
