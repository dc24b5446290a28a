//! From what the runtime says to what the link carries.
use ochre_link::{Bundle, CellId, Data, End, Frame, Place, Variable};
use ochre_runtime::Mime;
use ochre_runtime::__rt::{CellEnd, Known, PanicInfo};

/// A value's representations.
pub fn bundle(mime: Mime) -> Bundle {
    let data = mime.parts.into_iter().map(|(media_type, data)| (media_type, self::data(data))).collect();
    Bundle { data, metadata: mime.metadata }
}

fn data(data: ochre_runtime::Data) -> Data {
    match data {
        ochre_runtime::Data::Text(text) => Data::Text(text),
        ochre_runtime::Data::Bytes(bytes) => Data::Bytes(bytes),
        ochre_runtime::Data::Json(text) => Data::Json(text),
    }
}

/// How a cell ended.
pub fn end(end: CellEnd, thread: &str) -> End {
    match end {
        CellEnd::Completed => End::Completed,
        CellEnd::Failed(failure) => End::Failed { message: failure.message, debug: failure.debug, type_name: failure.type_name },
        CellEnd::Panicked(info) => panicked(info, thread),
        CellEnd::Interrupted => End::Interrupted,
    }
}

fn panicked(info: PanicInfo, thread: &str) -> End {
    End::Panicked {
        message: info.message,
        place: info.place.map(|(file, line, column)| Place { file, line, column }),
        backtrace: frames(&info.backtrace),
        thread: thread.to_owned(),
    }
}

/// The frames in the text of a `std::backtrace::Backtrace`: lines `  3: path::of::function`, each
/// perhaps followed by `             at file:line:column`.
pub fn frames(text: &str) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(at) = line.strip_prefix("at ") {
            if let Some(frame) = frames.last_mut() {
                frame.place = place(at);
            }
        } else if let Some((number, function)) = line.split_once(": ") {
            if number.bytes().all(|b| b.is_ascii_digit()) {
                frames.push(Frame { function: function.to_owned(), place: None });
            }
        }
    }
    frames
}

fn place(text: &str) -> Option<Place> {
    let (rest, column) = text.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    Some(Place { file: file.to_owned(), line: line.parse().ok()?, column: column.parse().ok()? })
}

/// Variables as the kernel is told of them; those of `gone` that are not among them are held by a detached cell.
pub fn variables(known: Vec<Known>, gone: &[Known]) -> Vec<Variable> {
    let held: Vec<&Known> = gone.iter().filter(|g| known.iter().all(|k| k.name != g.name)).collect();
    let mut all: Vec<Variable> = known.iter().map(variable).collect();
    all.extend(held.into_iter().map(|k| Variable { available: false, ..variable(k) }));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn variable(known: &Known) -> Variable {
    Variable {
        name: known.name.clone(),
        type_name: known.type_name.to_owned(),
        send: known.send,
        size: known.size as u64,
        cell: CellId(known.cell),
        available: known.available,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_text_of_a_backtrace() {
        let text = "   0: std::backtrace::Backtrace::create\n   1: cell::main::{{closure}}\n             at ./src/cell.rs:12:5\n   2: <a::B as c::D>::e\n";
        let frames = frames(text);
        assert_eq!(frames.len(), 3);
        assert_eq!(frames[1].function, "cell::main::{{closure}}");
        assert_eq!(frames[1].place, Some(Place { file: "./src/cell.rs".into(), line: 12, column: 5 }));
        assert_eq!(frames[2], Frame { function: "<a::B as c::D>::e".into(), place: None });
    }

    #[test]
    fn reads_a_real_backtrace() {
        let text = std::backtrace::Backtrace::force_capture().to_string();
        assert!(frames(&text).iter().any(|f| f.function.contains("reads_a_real_backtrace")), "{text}");
    }
}
