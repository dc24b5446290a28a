//! MLflow's filter language for runs: `metrics.loss < 0.1 and params.model = 'tree'`, and its order clauses. Text to values; SQL is made in
//! `embedded/search.rs`, and servers read the text themselves.
use crate::{Result, TrackingError};

/// What a clause looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Metric(String),
    Param(String),
    Tag(String),
    /// `name`, `digest` or `context` of a dataset.
    Dataset(String),
    Attribute(Attribute),
}

/// A run's own columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Id,
    Name,
    Status,
    User,
    Start,
    End,
    Artifacts,
}

impl Attribute {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "run_id" | "id" => Self::Id,
            "run_name" | "run name" | "Run name" | "Run Name" => Self::Name,
            "status" => Self::Status,
            "user_id" => Self::User,
            "start_time" | "created" | "Created" => Self::Start,
            "end_time" => Self::End,
            "artifact_uri" => Self::Artifacts,
            _ => return None,
        })
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Start | Self::End)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Text(String),
    Texts(Vec<String>),
    None,
}

/// One comparison; a filter is all of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clause {
    pub subject: Subject,
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`, `LIKE`, `ILIKE`, `IN`, `NOT IN`, `IS NULL`, `IS NOT NULL`.
    pub comparator: &'static str,
    pub value: Value,
}

/// One order clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub subject: Subject,
    pub ascending: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A word or a dotted name; its quoted part is without the quotes.
    Name(String),
    Text(String),
    Number(f64),
    Sign(&'static str),
}

/// Reads a filter; empty is no clause.
pub(crate) fn filter(text: &str) -> Result<Vec<Clause>> {
    let wrong = |why: String| TrackingError::Filter { filter: text.to_owned(), why };
    let mut reader = Reader { tokens: tokens(text).map_err(wrong)?, at: 0 };
    let mut clauses = Vec::new();
    while reader.at < reader.tokens.len() {
        if !clauses.is_empty() && !reader.word("AND") {
            return Err(wrong(format!("{} stands where `and` is expected; there is no `or` and no brackets", reader.shown())));
        }
        clauses.push(reader.clause().map_err(wrong)?);
    }
    Ok(clauses)
}

/// Reads an order clause: `metrics.loss DESC`.
pub(crate) fn order(text: &str) -> Result<Order> {
    let wrong = |why: String| TrackingError::Filter { filter: text.to_owned(), why };
    let mut reader = Reader { tokens: tokens(text).map_err(wrong)?, at: 0 };
    let subject = reader.subject().map_err(wrong)?;
    let descending = reader.word("DESC");
    let ascending = descending || reader.word("ASC") || reader.at == reader.tokens.len();
    if !ascending || reader.at < reader.tokens.len() || matches!(subject, Subject::Dataset(_)) {
        return Err(wrong("it is a metric, param, tag or attribute, and ASC or DESC".into()));
    }
    Ok(Order { subject, ascending: !descending })
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    /// Takes the word when it is next.
    fn word(&mut self, word: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Name(name)) if name.eq_ignore_ascii_case(word));
        self.at += usize::from(is);
        is
    }

    fn shown(&self) -> String {
        match self.tokens.get(self.at) {
            None => "the end".into(),
            Some(Token::Name(text) | Token::Text(text)) => format!("{text:?}"),
            Some(Token::Number(number)) => number.to_string(),
            Some(Token::Sign(sign)) => format!("{sign:?}"),
        }
    }

    fn clause(&mut self) -> Result<Clause, String> {
        let subject = self.subject()?;
        let comparator = self.comparator()?;
        allowed(&subject, comparator)?;
        let number = matches!(subject, Subject::Metric(_)) || matches!(subject, Subject::Attribute(a) if a.is_number());
        let value = match comparator {
            "IS NULL" | "IS NOT NULL" => Value::None,
            "IN" | "NOT IN" => Value::Texts(self.list()?),
            _ => match (self.next(), number) {
                (Some(Token::Number(value)), true) => Value::Number(value),
                (Some(Token::Text(value)), false) => Value::Text(value),
                (_, true) => return Err("a metric or time is compared with a number, without quotes".into()),
                (_, false) => return Err("what is not a number is compared with a text in quotes".into()),
            },
        };
        Ok(Clause { subject, comparator, value })
    }

    fn subject(&mut self) -> Result<Subject, String> {
        let Some(Token::Name(name)) = self.next() else {
            return Err("a name such as metrics.loss, params.model, tags.team or status is expected".into());
        };
        let Some((kind, key)) = name.split_once('.') else {
            return Attribute::parse(&name).map(Subject::Attribute).ok_or_else(|| format!("a run has no attribute {name:?}"));
        };
        let key = key.to_owned();
        match kind.to_ascii_lowercase().as_str() {
            "metric" | "metrics" => Ok(Subject::Metric(key)),
            "param" | "params" | "parameter" | "parameters" => Ok(Subject::Param(key)),
            "tag" | "tags" => Ok(Subject::Tag(key)),
            "dataset" | "datasets" if ["name", "digest", "context"].contains(&key.as_str()) => Ok(Subject::Dataset(key)),
            "attribute" | "attributes" | "attr" | "run" => Attribute::parse(&key).map(Subject::Attribute).ok_or_else(|| format!("a run has no attribute {key:?}")),
            _ => Err(format!("{name:?} is none of metrics., params., tags., datasets. and attributes.")),
        }
    }

    fn comparator(&mut self) -> Result<&'static str, String> {
        if let Some(Token::Sign(sign)) = self.tokens.get(self.at)
            && !["(", ")", ","].contains(sign)
        {
            self.at += 1;
            return Ok(sign);
        }
        let not = |reader: &mut Self| reader.word("NOT");
        if self.word("LIKE") {
            return Ok("LIKE");
        } else if self.word("ILIKE") {
            return Ok("ILIKE");
        } else if self.word("IN") {
            return Ok("IN");
        } else if not(self) && self.word("IN") {
            return Ok("NOT IN");
        } else if self.word("IS") {
            let negative = not(self);
            if self.word("NULL") {
                return Ok(if negative { "IS NOT NULL" } else { "IS NULL" });
            }
        }
        Err(format!("{} stands where a comparison is expected", self.shown()))
    }

    fn list(&mut self) -> Result<Vec<String>, String> {
        let wrong = || "IN needs texts in quotes within brackets: ('a', 'b')".to_owned();
        if self.next() != Some(Token::Sign("(")) {
            return Err(wrong());
        }
        let mut texts = Vec::new();
        loop {
            let Some(Token::Text(text)) = self.next() else { return Err(wrong()) };
            texts.push(text);
            match self.next() {
                Some(Token::Sign(",")) => {}
                Some(Token::Sign(")")) => return Ok(texts),
                _ => return Err(wrong()),
            }
        }
    }
}

/// Which comparisons MLflow has for what.
fn allowed(subject: &Subject, comparator: &str) -> Result<(), String> {
    let fine: &[&str] = match subject {
        Subject::Metric(_) => &["=", "!=", "<", "<=", ">", ">="],
        Subject::Attribute(attribute) if attribute.is_number() => &["=", "!=", "<", "<=", ">", ">="],
        Subject::Param(_) | Subject::Tag(_) => &["=", "!=", "LIKE", "ILIKE", "IS NULL", "IS NOT NULL"],
        Subject::Attribute(_) | Subject::Dataset(_) => &["=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"],
    };
    if fine.contains(&comparator) { Ok(()) } else { Err(format!("{comparator} is not one of {} there", fine.join(", "))) }
}

const SIGNS: [&str; 9] = ["!=", "<=", ">=", "=", "<", ">", "(", ")", ","];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first == '\'' || first == '"' {
            let (value, length) = quoted(rest, first)?;
            (Token::Text(value), length)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), sign.len())
        } else if first.is_ascii_digit() || "+-.".contains(first) {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(rest.len());
            (Token::Number(rest[..length].parse().map_err(|_| format!("{:?} is no number", &rest[..length]))?), length)
        } else {
            name(rest)?
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// `metrics.loss`, ``metrics.`my loss` ``, `metrics."my loss"`, `status`, `AND`.
fn name(text: &str) -> Result<(Token, usize), String> {
    let end = text.find(|c: char| c.is_whitespace() || "!=<>(),'\"`".contains(c)).unwrap_or(text.len());
    if let Some(quote) = text[end..].chars().next().filter(|c| "\"`".contains(*c) && (end == 0 || text[..end].ends_with('.'))) {
        let (key, length) = quoted(&text[end..], quote)?;
        return Ok((Token::Name(format!("{}{key}", &text[..end])), end + length));
    }
    if end == 0 {
        return Err(format!("{:?} cannot be read", text.chars().next().unwrap_or_default()));
    }
    Ok((Token::Name(text[..end].to_owned()), end))
}

/// A text in quotes, which are doubled within it; and its length with them.
fn quoted(text: &str, quote: char) -> Result<(String, usize), String> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c != quote {
            value.push(c);
        } else if characters.peek().is_some_and(|(_, next)| *next == quote) {
            characters.next();
            value.push(quote);
        } else {
            return Ok((value, at + quote.len_utf8()));
        }
    }
    Err(format!("a {quote} is not closed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        let show = |c: &Clause| format!("{:?} {} {:?}", c.subject, c.comparator, c.value);
        filter(text).map_or_else(|e| e.to_string(), |clauses| clauses.iter().map(show).collect::<Vec<_>>().join(" & "))
    }

    #[test]
    fn filters_are_read() {
        assert_eq!(check(""), "");
        assert_eq!(check("metrics.loss<1e-3"), r#"Metric("loss") < Number(0.001)"#);
        assert_eq!(check("metrics.`val loss` >= -1 AND params.a.b = 'x''y'"), r#"Metric("val loss") >= Number(-1.0) & Param("a.b") = Text("x'y")"#);
        assert_eq!(check("tags.\"mlflow.user\" ILIKE 'A%' and status != \"FAILED\""), r#"Tag("mlflow.user") ILIKE Text("A%") & Attribute(Status) != Text("FAILED")"#);
        assert_eq!(check("attributes.run_id in ('a','b')"), r#"Attribute(Id) IN Texts(["a", "b"])"#);
        assert_eq!(check("run_id not in ('a')"), r#"Attribute(Id) NOT IN Texts(["a"])"#);
        assert_eq!(check("params.x is null and tags.y IS NOT NULL"), r#"Param("x") IS NULL None & Tag("y") IS NOT NULL None"#);
        assert_eq!(check("dataset.context = 'train' and start_time > 5"), r#"Dataset("context") = Text("train") & Attribute(Start) > Number(5.0)"#);
    }

    #[test]
    fn what_is_no_filter_says_why() {
        for (text, why) in [
            ("metrics.a", "the end stands where a comparison"),
            ("metrics.a = '1'", "with a number"),
            ("params.a = 1", "a text in quotes"),
            ("params.a < 'x'", "is not one of"),
            ("metrics.a > 1 or metrics.b > 1", "no `or`"),
            ("speed > 1", "no attribute \"speed\""),
            ("params.a = 'x", "not closed"),
            ("params.a LIKE", "a text in quotes"),
            ("; drop table runs", "no attribute"),
        ] {
            assert!(check(text).contains(why), "{text}: {}", check(text));
        }
    }

    #[test]
    fn orders_are_read() {
        assert_eq!(order("metrics.loss").unwrap(), Order { subject: Subject::Metric("loss".into()), ascending: true });
        assert_eq!(order("params.`a b` desc").unwrap(), Order { subject: Subject::Param("a b".into()), ascending: false });
        assert_eq!(order("start_time ASC").unwrap(), Order { subject: Subject::Attribute(Attribute::Start), ascending: true });
        assert!(order("metrics.loss sideways").is_err());
    }
}
