//! A survey as text and as HTML, and in one line why there is none.
use super::{Absence, Card, Memory, Process, Survey};
use ochre_link::{Bundle, Data};

/// What pip brings for tensors on a GPU.
const PACKAGES: &str = "pip install nvidia-cublas nvidia-cudnn-cu13 nvidia-cuda-nvrtc";

/// What is known beside the cards.
#[derive(Clone, Debug, Default)]
pub(crate) struct Around {
    /// The processes that run this session's cells.
    pub(crate) workers: Vec<u32>,
    /// Whether the driver counts processes as this process does: in a container it does not.
    pub(crate) same_numbers: bool,
    /// What tensors hold, line by line.
    pub(crate) tensors: Option<String>,
    /// What else is to be said, each a line.
    pub(crate) notes: Vec<String>,
}

/// One line for a machine whose cards cannot be described: why, what tensors do, and what to do.
pub(crate) fn absence(absence: &Absence, threads: usize) -> String {
    let cpu = format!("tensors use the CPU, with {threads} thread{}", if threads == 1 { "" } else { "s" });
    match absence {
        Absence::NoDriver => format!(
            "no GPU: there is no NVIDIA driver here (libcuda.so.1 was not found), so {cpu}; for an NVIDIA card install its driver (a container is started with `--gpus all`), then `{PACKAGES}`"
        ),
        Absence::NoLibraries(cards) => format!(
            "{cards} NVIDIA card{} without the driver's libraries (libcuda.so.1 was not found), so {cpu}; install the driver's libraries, or start the container with `--gpus all`",
            if *cards == 1 { "" } else { "s" }
        ),
        Absence::Undescribed(cuda) => format!(
            "an NVIDIA driver is here ({}), and neither libnvidia-ml.so.1 nor nvidia-smi, which describe its cards; tensors can use them all the same (a container shows them with NVIDIA_DRIVER_CAPABILITIES=compute,utility)",
            cuda.display()
        ),
        Absence::Refused(words) => format!("the NVIDIA driver does not answer ({}), so {cpu}; after an update of the driver restart the machine, in a container restart that", words.trim_end_matches('.')),
    }
}

/// The value of `%gpu`.
pub(crate) fn bundle(survey: &Survey, around: &Around) -> Bundle {
    let tables = [cards(survey), processes(survey, around)];
    let mut lines = vec![title(survey)];
    lines.extend(tables.iter().filter(|t| !t.rows.is_empty()).map(|t| format!("\n{}", t.plain())));
    let mut html = format!("<p>{}</p>", escape(&title(survey)));
    html.extend(tables.iter().filter(|t| !t.rows.is_empty()).map(Table::html));
    let mut say = |text: &str| {
        lines.push(format!("\n{text}"));
        html.push_str(&format!("<p>{}</p>", escape(text).replace('\n', "<br>")));
    };
    if let Some(sentence) = unseen(survey, around) {
        say(&sentence);
    }
    if let Some(tensors) = around.tensors.as_ref().filter(|t| !t.is_empty()) {
        say(&format!("tensors of this session\n{tensors}"));
    }
    around.notes.iter().for_each(|note| say(note));
    Bundle::plain(lines.join("\n")).with("text/html", Data::Text(html))
}

fn title(survey: &Survey) -> String {
    let driver = survey.driver.as_ref().map_or_else(|| "NVIDIA driver".to_owned(), |version| format!("NVIDIA driver {version}"));
    let cuda = survey.cuda.map(|(major, minor)| format!(", CUDA {major}.{minor}")).unwrap_or_default();
    match survey.cards.len() {
        0 => format!("{driver}{cuda}, and no card: tensors use the CPU"),
        _ => format!("{driver}{cuda}"),
    }
}

fn cards(survey: &Survey) -> Table {
    let mut table = Table::new(&["card", "name", "memory", "busy", "temperature"]);
    for card in &survey.cards {
        let busy = card.busy.map_or("-".to_owned(), |percent| format!("{percent} %"));
        let temperature = card.temperature.map_or("-".to_owned(), |degrees| format!("{degrees} °C"));
        table.rows.push(vec![card.number.to_string(), name(card), memory(card.memory), busy, temperature]);
        for part in &card.parts {
            let name = part.name.strip_prefix(&card.name).unwrap_or(&part.name).trim();
            table.rows.push(vec![String::new(), format!("  {name}"), memory(part.memory), String::new(), String::new()]);
        }
    }
    table
}

fn name(card: &Card) -> String {
    match (card.divided, card.parts.is_empty()) {
        (true, true) => format!("{} (divided by MIG, without a part to use)", card.name),
        (true, false) => format!("{} (divided by MIG)", card.name),
        _ => card.name.clone(),
    }
}

/// `1.2 of 79.6 GiB`
fn memory(memory: Memory) -> String {
    let gibibytes = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    match (memory.used, memory.total) {
        (Some(used), Some(total)) => format!("{:.1} of {:.1} GiB", gibibytes(used), gibibytes(total)),
        (None, Some(total)) => format!("{:.1} GiB", gibibytes(total)),
        (Some(used), None) => format!("{:.1} GiB used", gibibytes(used)),
        (None, None) => "-".to_owned(),
    }
}

fn processes(survey: &Survey, around: &Around) -> Table {
    let mut table = Table::new(&["card", if around.same_numbers { "process" } else { "process on the host" }, "memory", "what it is"]);
    for card in &survey.cards {
        let mut holders: Vec<&Process> = card.processes.iter().flatten().collect();
        holders.sort_by_key(|process| (std::cmp::Reverse(process.memory), process.pid));
        for process in holders {
            let memory = process.memory.map_or("-".to_owned(), |bytes| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)));
            table.rows.push(vec![card.number.to_string(), process.pid.to_string(), memory, what(process, around)]);
        }
    }
    table
}

/// This session's worker, or the name of the program.
fn what(process: &Process, around: &Around) -> String {
    if around.same_numbers && around.workers.contains(&process.pid) {
        return "this session's worker".to_owned();
    }
    process.name.as_deref().map_or("-", |name| name.rsplit('/').next().unwrap_or(name)).to_owned()
}

/// Memory that is used by nobody who can be seen is somebody's.
fn unseen(survey: &Survey, around: &Around) -> Option<String> {
    /// What a driver keeps for itself stays below this.
    const DRIVERS_OWN: u64 = 1 << 30;
    let used = |card: &&Card| card.memory.used.is_some_and(|used| used > DRIVERS_OWN);
    let hidden: Vec<String> = survey.cards.iter().filter(used).filter(|c| c.processes.as_ref().is_none_or(Vec::is_empty)).map(|c| c.number.to_string()).collect();
    let cards = format!("card{} {}", if hidden.len() == 1 { "" } else { "s" }, hidden.join(", "));
    match (hidden.is_empty(), around.same_numbers) {
        (true, _) => None,
        (_, true) => Some(format!("who holds the memory of {cards} is not shown to this user")),
        (_, false) => Some(format!("who holds the memory of {cards} is not seen from a container")),
    }
}

struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(|h| (*h).to_owned()).collect(), rows: Vec::new() }
    }

    fn plain(&self) -> String {
        let all = || std::iter::once(&self.header).chain(&self.rows);
        let widths: Vec<usize> = (0..self.header.len()).map(|c| all().map(|row| row[c].chars().count()).max().unwrap_or(0)).collect();
        let line = |row: &Vec<String>| row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}")).collect::<Vec<_>>().join("  ").trim_end().to_owned();
        all().map(line).collect::<Vec<_>>().join("\n")
    }

    fn html(&self) -> String {
        let cells = |row: &[String], tag: &str| row.iter().map(|text| format!("<{tag} style=\"text-align:left\">{}</{tag}>", escape(text))).collect::<String>();
        let rows: String = self.rows.iter().map(|row| format!("<tr>{}</tr>", cells(row, "td"))).collect();
        format!("<table><thead><tr>{}</tr></thead><tbody>{rows}</tbody></table>", cells(&self.header, "th"))
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
