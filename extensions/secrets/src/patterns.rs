//! Secrets that are recognised by their form alone: what stands behind a marker such as `AccountKey=` or `ghp_`. The marker stays, what is behind
//! it is taken out, so a reader still sees what it was; and a stream must never hold a marker back, only what follows it.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

/// Bytes of a run whose end has not come that are looked at; a longer one is no credential.
pub(crate) const LONGEST_RUN: usize = 32 << 10;

/// What is known of a secret behind a marker.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// Bytes of one kind, at least so many; with `true`, a digit among them.
    Run(fn(u8) -> bool, usize, bool),
    /// Blanks, quotes, `:` and `=`, then bytes of one kind, at least so many.
    Assigned(fn(u8) -> bool, usize),
    /// Behind the id of a key: the rest of the id, and the key when that follows.
    AwsId,
    /// Three parts with dots between.
    Token,
    /// To the line that ends the block.
    PrivateKey,
    /// `user:password@` of a URL.
    UserInfo,
}

/// A marker and what stands behind it.
pub(crate) struct Marker {
    pub(crate) text: &'static str,
    /// Words for a warning: "holds …".
    pub(crate) what: &'static str,
    /// A good name to keep it under.
    pub(crate) name: &'static str,
    /// No letter or digit may stand before it.
    word: bool,
    rule: Rule,
}

const fn marker(text: &'static str, what: &'static str, name: &'static str, word: bool, rule: Rule) -> Marker {
    Marker { text, what, name, word, rule }
}

const GITHUB: Rule = Rule::Run(alphanumeric, 30, false);

pub(crate) const MARKERS: &[Marker] = &[
    marker("sig=", "the signature of a SAS", "azure/sas", true, Rule::Run(signature, 40, false)),
    marker("AccountKey=", "an Azure storage account key", "azure/account-key", false, Rule::Run(signature, 20, false)),
    marker("SharedAccessKey=", "a shared access key", "azure/shared-access-key", false, Rule::Run(signature, 20, false)),
    marker("eyJ", "a token (JWT)", "tokens/jwt", true, Rule::Token),
    marker("Bearer ", "a bearer token", "tokens/bearer", true, Rule::Run(bearer, 20, true)),
    marker("bearer ", "a bearer token", "tokens/bearer", true, Rule::Run(bearer, 20, true)),
    marker("AKIA", "an AWS access key", "aws/key", true, Rule::AwsId),
    marker("ASIA", "an AWS access key", "aws/key", true, Rule::AwsId),
    marker("SecretAccessKey", "an AWS secret key", "aws/secret", false, Rule::Assigned(base64, 40)),
    marker("secret_access_key", "an AWS secret key", "aws/secret", false, Rule::Assigned(base64, 40)),
    marker("SECRET_ACCESS_KEY", "an AWS secret key", "aws/secret", false, Rule::Assigned(base64, 40)),
    marker("ghp_", "a GitHub token", "github/token", true, GITHUB),
    marker("gho_", "a GitHub token", "github/token", true, GITHUB),
    marker("ghu_", "a GitHub token", "github/token", true, GITHUB),
    marker("ghs_", "a GitHub token", "github/token", true, GITHUB),
    marker("ghr_", "a GitHub token", "github/token", true, GITHUB),
    marker("github_pat_", "a GitHub token", "github/token", true, Rule::Run(word, 30, false)),
    marker("dapi", "a Databricks token", "databricks/token", true, Rule::Run(hexadecimal, 32, true)),
    marker("hf_", "a Hugging Face token", "huggingface/token", true, Rule::Run(alphanumeric, 30, false)),
    marker("sk-", "an API key", "openai/key", true, Rule::Run(word, 40, true)),
    marker("AIza", "a Google API key", "google/key", true, Rule::Run(word, 35, false)),
    marker("ya29.", "a Google token", "google/token", true, Rule::Run(word, 20, true)),
    marker("-----BEGIN ", "a private key", "keys/private", false, Rule::PrivateKey),
    marker("://", "a password in a URL", "urls/password", false, Rule::UserInfo),
];

static AUTOMATON: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let texts = MARKERS.iter().map(|marker| marker.text);
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(texts).expect("two dozen short constants")
});

/// What stands behind a marker, as far as the text goes.
#[derive(Debug, PartialEq, Eq)]
enum Behind {
    Nothing,
    /// A secret. `open`: it may go on behind the end of the text.
    Secret { start: usize, end: usize, open: bool },
    /// From `start` on it may be one, when more has come.
    Undecided { start: usize },
}

/// What [`scan`] tells of each marker that matters.
pub(crate) struct Hit {
    pub(crate) marker: &'static Marker,
    /// Where the marker begins.
    pub(crate) at: usize,
    pub(crate) start: usize,
    /// Where the secret ends; `None` while it is undecided whether there is one.
    pub(crate) end: Option<usize>,
    pub(crate) open: bool,
}

/// Secrets by their form. `ended`: nothing follows the text.
pub(crate) fn scan(text: &[u8], ended: bool, mut hit: impl FnMut(Hit)) {
    for found in AUTOMATON.find_iter(text) {
        let marker = &MARKERS[found.pattern().as_usize()];
        let at = found.start();
        if marker.word && at > 0 && (text[at - 1].is_ascii_alphanumeric() || text[at - 1] == b'_') {
            continue;
        }
        match behind(marker.rule, text, found.end(), ended) {
            Behind::Nothing => {}
            Behind::Secret { start, end, open } => hit(Hit { marker, at, start, end: Some(end), open }),
            Behind::Undecided { start } => hit(Hit { marker, at, start, end: None, open: true }),
        }
    }
}

/// Where the beginning of a marker stands at the end of a text.
pub(crate) fn beginning(text: &[u8]) -> Option<usize> {
    let longest = 17;
    (text.len().saturating_sub(longest)..text.len()).find(|at| {
        let tail = &text[*at..];
        MARKERS.iter().any(|marker| marker.text.len() > tail.len() && marker.text.as_bytes().starts_with(tail))
    })
}

fn behind(rule: Rule, text: &[u8], start: usize, ended: bool) -> Behind {
    match rule {
        Rule::Run(of, least, digit) => run(text, start, of, least, digit, ended),
        Rule::Assigned(of, least) => {
            let value = start + text[start..].iter().take(8).take_while(|b| matches!(b, b' ' | b'\t' | b'"' | b'\'' | b':' | b'=' | b'\\')).count();
            match value {
                _ if value == text.len() && !ended => Behind::Undecided { start: value },
                _ if value == start => Behind::Nothing,
                _ => run(text, value, of, least, false, ended),
            }
        }
        Rule::AwsId => aws(text, start, ended),
        Rule::Token => token(text, start, ended),
        Rule::PrivateKey => private_key(text, start, ended),
        Rule::UserInfo => user_info(text, start, ended),
    }
}

fn run(text: &[u8], start: usize, of: fn(u8) -> bool, least: usize, digit: bool, ended: bool) -> Behind {
    let length = text[start..].iter().take(LONGEST_RUN).take_while(|b| of(**b)).count();
    let end = start + length;
    let open = end == text.len() && !ended;
    let enough = length >= least && (!digit || text[start..end].iter().any(u8::is_ascii_digit));
    match (enough, open) {
        (true, _) => Behind::Secret { start, end, open },
        (false, true) => Behind::Undecided { start },
        (false, false) => Behind::Nothing,
    }
}

/// The 16 characters of an id, and 40 of a key when they follow within a few bytes.
fn aws(text: &[u8], start: usize, ended: bool) -> Behind {
    let id = text[start..].iter().take(17).take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count();
    let end = start + id;
    if end == text.len() && !ended && id <= 16 {
        return Behind::Undecided { start };
    }
    if id != 16 {
        return Behind::Nothing;
    }
    let key = end + text[end..].iter().take(6).take_while(|b| matches!(b, b':' | b' ' | b',' | b'"' | b'\'' | b'/' | b'\n' | b'\\')).count();
    match run(text, key, base64, 40, false, ended) {
        Behind::Secret { end, open, .. } if key > start + 16 => Behind::Secret { start, end, open },
        // The id is not shown either way; the key behind it may not have come.
        Behind::Undecided { .. } => Behind::Secret { start, end: text.len(), open: true },
        _ => Behind::Secret { start, end, open: false },
    }
}

/// Least bytes of a token and of each of its parts.
const TOKEN: (usize, usize) = (40, 6);

fn token(text: &[u8], start: usize, ended: bool) -> Behind {
    let length = text[start..].iter().take(LONGEST_RUN).take_while(|b| word(**b) || **b == b'.').count();
    let end = start + length;
    let open = end == text.len() && !ended && length < LONGEST_RUN;
    let mut parts = text[start..end].split(|b| *b == b'.').map(<[u8]>::len);
    let whole = length >= TOKEN.0 && parts.by_ref().take(2).filter(|l| *l >= TOKEN.1).count() == 2 && parts.next().is_some_and(|l| l >= TOKEN.1);
    match (whole, open) {
        (true, _) => Behind::Secret { start, end, open },
        (false, true) => Behind::Undecided { start },
        (false, false) => Behind::Nothing,
    }
}

fn private_key(text: &[u8], start: usize, ended: bool) -> Behind {
    const LABEL: &[u8] = b"PRIVATE KEY-----";
    let rest = &text[start..];
    let Some(label) = find(&rest[..rest.len().min(48)], LABEL) else {
        return if rest.len() < 48 && !ended && !rest.contains(&b'\n') { Behind::Undecided { start: text.len() } } else { Behind::Nothing };
    };
    let body = start + label + LABEL.len();
    let rest = &text[body..text.len().min(body + LONGEST_RUN)];
    match find(rest, b"-----END ") {
        Some(end) => Behind::Secret { start: body, end: body + end, open: false },
        None => Behind::Secret { start: body, end: body + rest.len(), open: !ended && rest.len() < LONGEST_RUN },
    }
}

/// Longest user and password of a URL together.
const USER_INFO: usize = 256;

fn user_info(text: &[u8], start: usize, ended: bool) -> Behind {
    let inside = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\' | b'{' | b'}' | b'$');
    let length = text[start..].iter().take(USER_INFO).take_while(|b| inside(b)).count();
    let authority = &text[start..start + length];
    let open = start + length == text.len() && !ended && length < USER_INFO;
    let Some(colon) = authority.iter().position(|b| *b == b':') else {
        return if open { Behind::Undecided { start: text.len() } } else { Behind::Nothing };
    };
    let password = start + colon + 1;
    match authority.iter().rposition(|b| *b == b'@').map(|at| start + at) {
        Some(at) if at > password => Behind::Secret { start: password, end: at, open: false },
        None if open => Behind::Undecided { start: password },
        _ => Behind::Nothing,
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn hexadecimal(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Base64, also of URLs, also with percent signs.
fn signature(byte: u8) -> bool {
    base64(byte) || matches!(byte, b'%' | b'-' | b'_')
}

fn bearer(byte: u8) -> bool {
    word(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'=')
}
