//! Streams: cut anywhere, the outcome is that of the whole text; ordinary text does not wait.
use super::*;
use crate::Secret;

const MARK: &str = "…";

fn knows(values: &[&str]) -> Redactor {
    let redactor = Redactor::new();
    for value in values {
        redactor.know(&Secret::from(*value));
    }
    redactor
}

fn through(redactor: &Redactor, pieces: &[&[u8]]) -> String {
    let mut stream = redactor.stream();
    let mut out: Vec<u8> = pieces.iter().flat_map(|piece| stream.push(piece)).collect();
    out.extend(stream.finish());
    String::from_utf8(out).expect("text").replace(REDACTED, MARK)
}

#[test]
fn wherever_a_text_is_cut_the_outcome_is_the_same() {
    let redactor = knows(&["s3cr3t-value/+x", "value/+xyz12", "0-----0-----0"]);
    let texts = [
        "before s3cr3t-value/+x after",
        "s3cr3t-value/+xyz12",
        "url ?a=s3cr3t%2Dvalue%2F%2Bx&b",
        r#"{"a": "s3cr3t-value\/\u002bx"}"#,
        "czNjcjN0LXZhbHVlLyt4 in base64",
        "0-----0-----0-----0-----0",
        "s3cr3t-s3cr3t-value/+x s3cr3t",
        "AccountKey=QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ==; and https://u:pa55@h/ eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9 end",
        "plain \x1b[31mtext\x1b[0m\r 50% \\ & é🦀",
    ];
    for text in texts {
        let whole = redactor.text(text).replace(REDACTED, MARK);
        let bytes = text.as_bytes();
        for at in 0..=bytes.len() {
            assert_eq!(through(&redactor, &[&bytes[..at], &bytes[at..]]), whole, "cut at {at}");
            for to in at..=bytes.len().min(at + 9) {
                assert_eq!(through(&redactor, &[&bytes[..at], &bytes[at..to], &bytes[to..]]), whole, "cut at {at} and {to}");
            }
        }
        let each: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(through(&redactor, &each), whole, "byte by byte");
    }
}

#[test]
fn random_texts_are_the_same_however_they_are_cut() {
    let redactor = knows(&["abab%ab", "baabba", "aaaaaaa", "b%/%b\\b"]);
    let mut state = 7_u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for _ in 0..2_000 {
        let text: Vec<u8> = (0..random(60)).map(|_| b"aaabbb%\\/5cuF2"[random(14)]).collect();
        let whole = String::from_utf8(redactor.bytes(&text).into_owned()).expect("text").replace(REDACTED, MARK);
        let (mut pieces, mut rest): (Vec<&[u8]>, &[u8]) = (Vec::new(), &text);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + random(rest.len().min(7)));
            pieces.push(piece);
            rest = after;
        }
        let cut = through(&redactor, &pieces);
        let parts = |text: &str| text.split(MARK).filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        assert!(!redactor.finds(&cut.replace(MARK, REDACTED)) || redactor.finds(&whole.replace(MARK, REDACTED)), "{:?} -> {cut}", String::from_utf8_lossy(&text));
        assert_eq!(parts(&cut).concat().len() <= text.len(), true);
        assert_eq!(parts(&cut), parts(&whole), "{:?}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn ordinary_output_is_not_held_back() {
    // Ordinary output is not delayed.
    let mut stream = knows(&["s3cr3t-value"]).stream();
    for text in ["50%|#####     |\r", "60%|######    |\r", "a prompt> ", "no newline", "\x1b[32mok\x1b[0m", "see https://example.com/path ", "sig", "=0.05 "] {
        assert_eq!(stream.push_text(text), text);
        assert_eq!(stream.patience(), None);
    }
}

#[test]
fn only_what_may_begin_a_secret_waits() {
    let mut stream = knows(&["s3cr3t-value"]).stream();
    assert_eq!(stream.push_text("files"), "file");
    assert_eq!(stream.patience(), Some(SHORT_PATIENCE));
    assert_eq!(stream.release_text(), "s");
    assert_eq!(stream.patience(), None);
    assert_eq!(stream.push_text("3cr3"), "", "what was shown still counts");
    assert_eq!(stream.patience(), Some(LONG_PATIENCE));
    assert_eq!(stream.push_text("t-value!"), "[REDACTED]!");
    assert_eq!(stream.push_text("s3cr3t-v") + &stream.release_text(), REDACTED, "more than half of it is it");
    assert_eq!(stream.push_text("alue!"), "!");
    assert_eq!(stream.push_text("s3cr3t") + &stream.finish_text(), "s3cr3t", "less than that is not");
}

#[test]
fn a_run_behind_a_marker_ends_where_it_ends() {
    let mut stream = Redactor::new().stream();
    assert_eq!(stream.push_text("AccountKey=abcdefghij"), "AccountKey=");
    assert_eq!(stream.push_text("klmnopqrstuvwxyz"), REDACTED);
    assert_eq!(stream.push_text("0123456789=="), "");
    assert_eq!(stream.push_text("; next"), "; next");
    assert_eq!(stream.push_text("-----BEGIN PRIVATE KEY-----\n"), "-----BEGIN PRIVATE KEY-----[REDACTED]");
    assert_eq!(stream.push_text("MIIEvQ\n"), "");
    assert_eq!(stream.push_text("abc\n-----END PRIVATE KEY-----\n"), "-----END PRIVATE KEY-----\n");
}

/// What redaction costs, in megabytes per second of an ordinary log.
#[test]
#[ignore = "slow: a measurement, which cannot fail"]
fn throughput() {
    let line = "2026-11-21T11:14:20Z INFO step 1042 loss=0.3817 path=/data/part-0007.parquet url=https://host/a?b=c&d=10% rate 3.5 it/s\n";
    let text = line.repeat((100 << 20) / line.len());
    for known in [0, 1, 50] {
        let redactor = Redactor::new();
        for n in 0..known {
            redactor.know(&Secret::from(format!("{n}k9Zq-{}+/x==", n * 7_919_317)));
        }
        for piece in [64 << 10, line.len()] {
            let (started, mut stream, mut shown) = (std::time::Instant::now(), redactor.stream(), 0);
            for part in text.as_bytes().chunks(piece) {
                shown += stream.push(part).len();
            }
            shown += stream.finish().len();
            assert_eq!(shown, text.len());
            println!("{known} secrets, pieces of {piece} bytes: {:.0} MB/s", text.len() as f64 / 1e6 / started.elapsed().as_secs_f64());
        }
    }
}
