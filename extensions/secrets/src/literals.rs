//! Keys that are written into a cell: they are saved with the notebook, so their author is told.

use std::sync::LazyLock;

use regex::Regex;

use crate::patterns;
use crate::{Redactor, Secret};

/// A literal key in a source.
#[derive(Clone, Debug)]
pub struct Finding {
    /// 1-based line.
    pub line: usize,
    /// What it looks like: "an Azure storage account key".
    pub what: &'static str,
    /// A name under which it could be kept.
    pub name: &'static str,
    /// The key itself.
    pub value: Secret,
}

/// A value that is given to a name which speaks of a secret: `let api_key = "…"`, `password: "…"`, `export DB_PASSWORD=…`.
static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
    let text = r#"(?i)\b[a-z0-9_]*(?:secret|token|passw(?:or)?d|passphrase|api_?key|account_?key|access_?key|secret_?key|private_?key)[0-9]*"?\s*(?::\s*&?\s*(?:'static\s+)?str\s*)?(?:=>|=|:)\s*(?:String::from\()?b?r?#*["']([^"'\n]{12,512})["']"#;
    Regex::new(text).expect("a constant")
});
/// 64 bytes in base64: what storage and Cosmos accounts have as keys.
static ACCOUNT_KEY: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?:^|[^A-Za-z0-9+/])([A-Za-z0-9+/]{86}==)").expect("a constant"));
/// Bits per character from which on a text is hardly words.
const ENTROPY: f64 = 3.2;

/// The literal keys of a cell, in order, each once.
#[must_use]
pub fn literals(source: &str) -> Vec<Finding> {
    let mut found: Vec<(usize, Finding)> = Vec::new();
    let mut add = |at: usize, value: &str, what, name| {
        let covered = found.iter().any(|(_, other)| other.value.expose().contains(value) || value.contains(other.value.expose()));
        if !covered && !value.trim().is_empty() {
            let line = source[..at].matches('\n').count() + 1;
            found.push((at, Finding { line, what, name, value: Secret::from(value) }));
        }
    };
    patterns::scan(source.as_bytes(), true, |hit| {
        // `AKIA…` and `ghp_…` are a part of what is secret.
        let start = if hit.marker.text.ends_with(['=', ' ', '/']) || hit.start > hit.at + hit.marker.text.len() { hit.start } else { hit.at };
        if let Some(value) = hit.end.and_then(|end| source.get(start..end)) {
            add(hit.start, value, hit.marker.what, hit.marker.name);
        }
    });
    for capture in ACCOUNT_KEY.captures_iter(source).filter_map(|c| c.get(1)) {
        if entropy(capture.as_str()) > ENTROPY {
            add(capture.start(), capture.as_str(), "an Azure account key", "azure/account-key");
        }
    }
    for capture in ASSIGNED.captures_iter(source).filter_map(|c| c.get(1)) {
        let value = capture.as_str();
        if entropy(value) > ENTROPY && value.bytes().any(|b| b.is_ascii_digit()) && !value.contains(['{', ' ', '<']) && !value.starts_with("secret:") {
            add(capture.start(), value, "a key or password", "notebook/key");
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, finding)| finding).collect()
}

impl Redactor {
    /// The literal keys of a cell; from now on they are known.
    #[must_use]
    pub fn learn(&self, source: &str) -> Vec<Finding> {
        let found = literals(source);
        for finding in &found {
            self.know(&finding.value);
        }
        found
    }
}

/// Shannon's, in bits per byte.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let all = text.len() as f64;
    counts.iter().filter(|n| **n > 0).map(|n| f64::from(*n) / all).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[(usize, &str, &str)]) {
        let found: Vec<_> = literals(source).into_iter().map(|f| (f.line, f.name, f.value.expose().to_owned())).collect();
        let found: Vec<_> = found.iter().map(|(line, name, value)| (*line, *name, value.as_str())).collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn literal_keys_are_found_with_their_line() {
        let key = "Zm9vYmFyLWJhei1xdXV4L3dpdGgrYSt2ZXJ5K2xvbmcva2V5LzAxMjM0NTY3ODlhYmNkZWZnaGlqa2xtbm9wcXJzdA==";
        assert_eq!(key.len(), 92);
        let key = &key[4..];
        check(&format!("let a = 1;\nlet k = \"{key}\";"), &[(2, "azure/account-key", key)]);
        check(&format!("\n\nlet c = \"AccountName=x;AccountKey={key}\";"), &[(3, "azure/account-key", key)]);
        check("let token = \"ghp_abcdefghijklmnopqrstuvwxyz0123456789\";", &[(1, "github/token", "ghp_abcdefghijklmnopqrstuvwxyz0123456789")]);
        check("!curl -H 'Authorization: Bearer abcDEF123456789012345678'", &[(1, "tokens/bearer", "abcDEF123456789012345678")]);
        check("let db_password: &str = \"x9!kQ27vLp0z\";", &[(1, "notebook/key", "x9!kQ27vLp0z")]);
        check("%env DB_PASSWORD='x9!kQ27vLp0z'", &[(1, "notebook/key", "x9!kQ27vLp0z")]);
    }

    #[test]
    fn ordinary_cells_have_none() {
        for source in [
            "let token = \"the next token of the text\";",
            "let key = \"user_id\"; let api_key = std::env::var(\"API_KEY_0123456789\")?;",
            "%mount az://c@a/x DIR --credential secret:azure/account-key-2024",
            "let df = LazyFrame::scan_parquet(\"az://data@acct/2024/part-0001.parquet\")?;",
            "let hash = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\";",
            "let password = format!(\"{user}-{n:012}\");",
            "let tokenizer_path = \"models/bert-base-uncased-v1.json\"; let tokens = \"a1b2c3d4e5f6g7h8\";",
        ] {
            check(source, &[]);
        }
    }
}
