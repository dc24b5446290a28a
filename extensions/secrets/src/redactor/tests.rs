//! What is taken out of texts, and what stays.
use super::*;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

const VALUE: &str = "kT9/x+Zq\"w'=é%40&<b> vW";

fn knows(values: &[&str]) -> Redactor {
    let redactor = Redactor::new();
    for value in values {
        assert!(redactor.know(&Secret::from(*value)));
    }
    redactor
}

/// What the text becomes, with `…` for the mark.
fn check(redactor: &Redactor, text: &str, expected: &str) {
    assert_eq!(redactor.text(text).replace(REDACTED, "…"), expected, "{text}");
}

fn percent(value: &str, upper: bool, kept: &str) -> String {
    let byte = |b: u8| match b {
        _ if b.is_ascii_alphanumeric() || kept.as_bytes().contains(&b) => char::from(b).to_string(),
        _ if upper => format!("%{b:02X}"),
        _ => format!("%{b:02x}"),
    };
    value.bytes().map(byte).collect()
}

#[test]
fn a_known_value_is_found_in_every_form() {
    let redactor = knows(&[VALUE]);
    let json: String = format!("{VALUE:?}").replace("é", r"\u00e9");
    let every: String = VALUE.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let entities: String = VALUE.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;");
    let quoted = format!("'{}'", VALUE.replace('\'', r"'\''"));
    let backslashed: String = VALUE.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\{c}") }).filter(|c| c != "\\é").collect();
    let escaped = backslashed.replace("=%", "=é%").replace(r"\=\%", r"\=é\%");
    let forms = [
        VALUE.to_owned(),
        STANDARD.encode(VALUE),
        URL_SAFE.encode(VALUE),
        percent(VALUE, true, ""),
        percent(VALUE, false, "-_.~"),
        percent(VALUE, true, "-_.!~*'()"),
        percent(VALUE, false, "/+=&<>"),
        percent(VALUE, true, "").replace('%', "%25"),
        percent(VALUE, true, " ").replace(' ', "+"),
        json.trim_matches('"').to_owned(),
        json.replace('/', r"\/"),
        format!("{json:?}"),
        every,
        entities,
        quoted,
        escaped,
        VALUE.bytes().map(|b| format!("{b:02x}")).collect(),
        format!("{:?}", VALUE.as_bytes()),
        format!("{:#?}", VALUE.as_bytes()),
        format!("b{:?}", VALUE.as_bytes().escape_ascii().to_string()),
    ];
    for form in forms {
        let text = redactor.text(&format!("a {form} z"));
        assert!(text.contains(REDACTED) && text.len() < 40, "{form} -> {text}");
        assert!(redactor.finds(&form));
    }
    for offset in 0..3 {
        let text = STANDARD.encode(format!("{}{VALUE} and more", "x".repeat(offset)));
        assert!(redactor.text(&text).contains(REDACTED), "{text}");
    }
}

#[test]
fn base64_of_many_lines_is_found() {
    let value = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijklmnopqrstuvwxyz";
    let wrapped = |columns: usize| STANDARD.encode(value).as_bytes().chunks(columns).map(|c| String::from_utf8_lossy(c).into_owned()).collect::<Vec<_>>().join("\n");
    for columns in [64, 76] {
        check(&knows(&[value]), &format!("{}\n", wrapped(columns)), "…\n");
        check(&knows(&[value]), &STANDARD.encode(format!("{value}\n")).as_bytes().chunks(columns).map(|c| String::from_utf8_lossy(c).into_owned()).collect::<Vec<_>>().join("\n"), "…oK");
    }
}

#[test]
fn everything_else_stays_as_it_is() {
    let redactor = knows(&[VALUE, "hunter22"]);
    for text in ["", "plain", "50% \\ & 100%zz \\u12 &amp; \x1b[31mred\x1b[0m\r", "sig=0.05 and Bearer of news", "https://example.com:8080/a@b?c=d://e:f", "hunter2", "é🦀\u{fffd}"] {
        assert!(matches!(redactor.redact(text), Cow::Borrowed(same) if same == text), "{text}");
    }
    let bytes = b"\xff\xfehunter22\xff\x00\x1b[0m";
    assert_eq!(redactor.bytes(bytes).as_ref(), b"\xff\xfe[REDACTED]\xff\x00\x1b[0m");
}

#[test]
fn a_long_text_is_looked_through_in_pieces() {
    let redactor = knows(&["s3cr3t-value"]);
    let long = |middle: &str| format!("{}{middle}{}", "x&amp;".repeat(PIECE / 6 - 10), "y%41".repeat(PIECE));
    let before = long("").find('y').expect("a border");
    for shift in 0..14 {
        let pad = "z".repeat(PIECE - before - 7 + shift);
        let text = redactor.text(&long(&format!("{pad}s3cr3t-value")));
        assert_eq!(text, long(&format!("{pad}{REDACTED}")), "shift {shift}");
    }
    assert!(matches!(redactor.redact(&long("")), Cow::Borrowed(_)));
}

#[test]
fn overlapping_values_leave_nothing() {
    let redactor = knows(&["abcdefgh", "efghijkl", "abcdefghij"]);
    check(&redactor, "-abcdefghijkl-", "-…-");
    check(&redactor, "-abcdefghefghijkl-", "-…-");
}

#[test]
fn a_value_with_a_line_break_at_its_end_is_found_without() {
    check(&knows(&["from-a-file\n"]), "x from-a-file y", "x … y");
}

#[test]
fn forms_that_are_secret_by_themselves() {
    // What has the form of a key is taken out too, known or not.
    let redactor = Redactor::new();
    let key = "Q".repeat(86) + "==";
    check(&redactor, &format!("AccountName=a;AccountKey={key};EndpointSuffix=x"), "AccountName=a;AccountKey=…;EndpointSuffix=x");
    check(&redactor, &format!("SharedAccessKeyName=root;SharedAccessKey={key}"), "SharedAccessKeyName=root;SharedAccessKey=…");
    check(&redactor, "https://a.blob.core.windows.net/c?sv=2024&sig=abcdefghijklmnopqrstuvwxyz0123456789abcde%2Fa%3D&se=1", "https://a.blob.core.windows.net/c?sv=2024&sig=…&se=1");
    check(&redactor, "t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U.", "t=eyJ…");
    check(&redactor, "Authorization: Bearer abcDEF123456789012345678901234\n", "Authorization: Bearer …\n");
    check(&redactor, "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AKIA…");
    check(&redactor, "AKIAIOSFODNN7EXAMPLE is here", "AKIA… is here");
    check(&redactor, "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key = …");
    check(&redactor, r#"{"SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#, r#"{"SecretAccessKey": "…"}"#);
    check(&redactor, "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_…");
    check(&redactor, "dapi0123456789abcdef0123456789abcdef", "dapi…");
    check(&redactor, "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", "hf_…");
    check(&redactor, "git clone https://user:p4ss@host:80/x and s3://b/k", "git clone https://user:…@host:80/x and s3://b/k");
    check(&redactor, "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----\nafter", "-----BEGIN RSA PRIVATE KEY-----…-----END RSA PRIVATE KEY-----\nafter");
    check(&redactor, "-----BEGIN CERTIFICATE-----\nMIIE\n", "-----BEGIN CERTIFICATE-----\nMIIE\n");
}
