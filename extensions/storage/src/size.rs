//! Amounts for people, in decimal units as stores and networks count: 1 MB is 1,000,000 bytes.
use std::time::Duration;

/// `1.2 GB`, `512 bytes`.
pub(crate) fn text(bytes: u64) -> String {
    const STEPS: [(&str, f64); 5] = [("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    for (unit, step) in STEPS {
        if bytes as f64 >= step {
            let number = bytes as f64 / step;
            return if number >= 99.95 { format!("{number:.0} {unit}") } else { format!("{number:.1} {unit}") };
        }
    }
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}

/// `85.3 MB/s`.
pub(crate) fn rate(bytes: u64, time: Duration) -> String {
    format!("{}/s", text((bytes as f64 / time.as_secs_f64().max(1e-3)) as u64))
}

/// `0.4 s`, `1:05`, `2:03:04`.
pub(crate) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        3600..360_000 => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        _ => "days".to_owned(),
    }
}

/// `1 file`, `1,234 files`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `500MB`, `2 GiB`, `1.5g`, `4096`: bytes; a bare number is bytes, `K M G T` alone are decimal.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let text = text.trim().replace('_', "");
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..split].parse().ok()?;
    let unit = match text[split..].trim().to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1048576.0,
        "gib" => 1073741824.0,
        "tib" => 1099511627776.0,
        _ => return None,
    };
    let bytes = number * unit;
    (bytes.is_finite() && bytes < u64::MAX as f64).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_well() {
        assert_eq!([text(0), text(1), text(999), text(1500), text(123_456_789), text(5_000_000_000)], ["0 bytes", "1 byte", "999 bytes", "1.5 kB", "123 MB", "5.0 GB"]);
        assert_eq!(rate(170_000_000, Duration::from_secs(2)), "85.0 MB/s");
        assert_eq!((count(1, "file"), count(12_345, "file")), ("1 file".into(), "12,345 files".into()));
        assert_eq!([clock(Duration::from_millis(420)), clock(Duration::from_secs(42)), clock(Duration::from_secs(65))], ["0.4 s", "42 s", "1:05"]);
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!([parse("500MB"), parse("2 GiB"), parse("1.5g"), parse("4096"), parse("10_000 kB")], [Some(500_000_000), Some(2 << 30), Some(1_500_000_000), Some(4096), Some(10_000_000)]);
        assert_eq!([parse(""), parse("many"), parse("-1"), parse("5 apples"), parse("1e999")], [None; 5]);
    }
}
