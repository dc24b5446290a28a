//! Names of entries: how their bytes are read, and which are refused.
use super::ArchiveError;

/// Longest part of a path, bytes: what Linux file systems take.
const MAX_PART: usize = 255;
/// Longest name, bytes: what blob stores take.
const MAX_NAME: usize = 1024;

/// The upper half of code page 437, which names have when nothing says that they are UTF-8.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// A name's bytes as text. Many programs write UTF-8 without saying so.
pub(super) fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|b| if *b < 0x80 { *b as char } else { CP437.chars().nth(usize::from(*b) - 0x80).unwrap_or('?') }).collect(),
    }
}

/// The name in the form in which it is written, or why it must not be. Backslashes are what some Windows programs write for slashes.
pub(super) fn safe(name: &str) -> Result<String, ArchiveError> {
    let escapes = |why| ArchiveError::Escapes { name: shown(name), why };
    let bad = |why| ArchiveError::BadName { name: shown(name), why };
    if name.chars().any(char::is_control) {
        return Err(bad("it has control characters"));
    }
    let slashed = name.replace('\\', "/");
    if slashed.starts_with('/') {
        return Err(escapes("it is absolute"));
    }
    if slashed.as_bytes().get(1) == Some(&b':') && slashed.as_bytes()[0].is_ascii_alphabetic() {
        return Err(escapes("it begins with a drive"));
    }
    let mut parts = Vec::new();
    for part in slashed.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(escapes("it has `..`")),
            part if part.len() > MAX_PART => return Err(bad("a part is longer than 255 bytes")),
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if joined.is_empty() {
        return Err(bad("it is empty"));
    }
    if joined.len() > MAX_NAME {
        return Err(bad("it is longer than 1024 bytes"));
    }
    Ok(joined)
}

/// For messages: what is no letter of a text stays visible, and length is bounded.
fn shown(name: &str) -> String {
    const CHARACTERS: usize = 120;
    let text: String = name.chars().take(CHARACTERS).flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect();
    if name.chars().count() > CHARACTERS { text + "…" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        let got = safe(name).unwrap_or_else(|error| error.to_string());
        assert_eq!(got, expected, "name {name:?}");
    }

    #[test]
    fn names_that_stay_inside_are_taken() {
        check("a/b.txt", "a/b.txt");
        check("./a//b/", "a/b");
        check("a\\b.txt", "a/b.txt");
        check("..a/b..", "..a/b..");
        check("Äpfel/日本.png", "Äpfel/日本.png");
    }

    #[test]
    fn names_that_leave_are_refused() {
        check("../a", "`../a` in the archive would be written outside the destination (it has `..`)");
        check("a/../../b", "`a/../../b` in the archive would be written outside the destination (it has `..`)");
        check("a\\..\\..\\b", "`a\\..\\..\\b` in the archive would be written outside the destination (it has `..`)");
        check("/etc/passwd", "`/etc/passwd` in the archive would be written outside the destination (it is absolute)");
        check("\\\\host\\share", "`\\\\host\\share` in the archive would be written outside the destination (it is absolute)");
        check("C:\\x", "`C:\\x` in the archive would be written outside the destination (it begins with a drive)");
        check("a\0b", "`a\\u{0}b` in the archive is no usable name (it has control characters)");
        check("./", "`./` in the archive is no usable name (it is empty)");
        check(&"x".repeat(256), &format!("`{}…` in the archive is no usable name (a part is longer than 255 bytes)", "x".repeat(120)));
    }

    #[test]
    fn old_names_are_read() {
        assert_eq!(CP437.chars().count(), 128);
        assert_eq!(decode(b"\x8epfel.txt"), "Äpfel.txt");
        assert_eq!(decode("Äpfel".as_bytes()), "Äpfel");
    }
}
