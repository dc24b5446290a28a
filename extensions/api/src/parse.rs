//! What was typed after a magic's name, against its [`Spec`]: parsing only, nothing is done here.
use crate::spec::{Argument, Kind, Spec, Value};
use crate::suggest::nearest;
use crate::words::{self, Word};
use crate::Failure;
use std::str::FromStr;

/// The arguments of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    given: Vec<(String, String)>,
    rest: Option<Rest>,
    help: bool,
}

/// The text that a [`Kind::Rest`] argument took, and its byte offset in the line of arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    pub text: String,
    pub offset: usize,
}

impl Arguments {
    /// Adds a value, for magics that read their line in a way of their own.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.given.push((name.to_owned(), value.into()));
        self
    }
    /// `--help` was asked for.
    pub fn wants_help(&self) -> bool {
        self.help
    }
    /// Whether a flag (or any argument) of this name was given.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }
    /// The last value given for this name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.given.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// All values given for this name, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.given.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// The last value given for this name, read as a `T`.
    pub fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        let read = |v: &str| v.parse().map_err(|_| Failure::usage(format!("`{v}` is no value for {name}")));
        self.value(name).map(read).transpose()
    }
    /// What follows, as typed; empty when nothing does.
    pub fn rest(&self) -> &str {
        self.rest.as_ref().map_or("", |r| r.text.as_str())
    }
    /// Byte offset of [`Arguments::rest`] in the line that was parsed.
    pub fn rest_offset(&self) -> usize {
        self.rest.as_ref().map_or(0, |r| r.offset)
    }
}

/// Reads the text after the name. `has_body`: it is a `%%name`, whose body stands for a required rest.
pub fn parse(spec: &Spec, line: &str, has_body: bool) -> Result<Arguments, Failure> {
    let mut reader = Reader { spec, line, at: 0, arguments: Arguments::default(), positionals: spec_positionals(spec) };
    while reader.step()? {}
    let arguments = reader.arguments;
    if !arguments.help {
        check_required(spec, &arguments, has_body)?;
    }
    Ok(arguments)
}

fn spec_positionals(spec: &Spec) -> std::collections::VecDeque<&'static Argument> {
    spec.arguments.iter().filter(|a| a.kind == Kind::Positional).collect()
}

struct Reader<'a> {
    spec: &'a Spec,
    line: &'a str,
    at: usize,
    arguments: Arguments,
    positionals: std::collections::VecDeque<&'static Argument>,
}

impl Reader<'_> {
    /// Takes one argument; false at the end.
    fn step(&mut self) -> Result<bool, Failure> {
        // What is left belongs to a rest argument and may hold open quotes: it is looked at before words are split.
        let blank = self.line[self.at..].len() - self.line[self.at..].trim_start().len();
        let start = self.at + blank;
        if start == self.line.len() {
            return Ok(false);
        }
        if self.rest_begins(start) {
            let text = self.line[start..].trim_end().to_owned();
            self.arguments.rest = Some(Rest { text, offset: start });
            return Ok(false);
        }
        let Some(word) = words::next(self.line, start)? else { return Ok(false) };
        self.at = word.end;
        match flag_body(&word) {
            Some(body) => self.flag(&word, body)?,
            None => self.positional(&word)?,
        }
        Ok(true)
    }

    /// Whether all from `start` on is the rest: no positional is open, and no known flag begins here.
    fn rest_begins(&self, start: usize) -> bool {
        if self.spec.rest().is_none() || !self.positionals.is_empty() {
            return false;
        }
        let word = self.line[start..].split_whitespace().next().unwrap_or("");
        let name = word.split('=').next().unwrap_or("");
        !(word == "--help" || word == "--" || self.find(name).is_some())
    }

    /// The flag or option that `--name` or `-n` names.
    fn find(&self, dashed: &str) -> Option<&'static Argument> {
        let dashed_kind = |a: &&Argument| matches!(a.kind, Kind::Flag | Kind::Option);
        if let Some(name) = dashed.strip_prefix("--") {
            return self.spec.arguments.iter().filter(dashed_kind).find(|a| a.name == name);
        }
        let mut letters = dashed.strip_prefix('-')?.chars();
        let (letter, end) = (letters.next()?, letters.next());
        self.spec.arguments.iter().filter(dashed_kind).find(|a| a.short == Some(letter) && end.is_none())
    }

    fn flag(&mut self, word: &Word, body: &str) -> Result<(), Failure> {
        if word.text == "--help" || (word.text == "-h" && self.find("-h").is_none()) {
            self.arguments.help = true;
            return Ok(());
        }
        if word.text == "--" {
            let text = self.line[word.end..].trim();
            if self.spec.rest().is_some() && !text.is_empty() {
                let offset = self.line.len() - self.line[word.end..].trim_start().len();
                self.arguments.rest = Some(Rest { text: text.to_owned(), offset });
                self.at = self.line.len();
            }
            return Ok(());
        }
        let (name, inline) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        let Some(argument) = self.find(name) else { return Err(self.unknown(name)) };
        let value = match (argument.kind, inline) {
            (Kind::Flag, None) => String::new(),
            (Kind::Flag, Some(_)) => return Err(Failure::usage(format!("--{} takes no value", argument.name))),
            (_, Some(value)) => value,
            (_, None) => self.value_of(argument)?,
        };
        self.keep(argument, value)
    }

    /// The word after an option.
    fn value_of(&mut self, argument: &Argument) -> Result<String, Failure> {
        match words::next(self.line, self.at)? {
            Some(word) if flag_body(&word).is_none() || argument.value == Value::Number => {
                self.at = word.end;
                Ok(word.text)
            }
            _ => Err(Failure::usage(format!("--{} needs a value", argument.name)).hint(argument.help)),
        }
    }

    fn positional(&mut self, word: &Word) -> Result<(), Failure> {
        let Some(argument) = self.positionals.front().copied() else {
            let failure = Failure::usage(format!("%{} does not take `{}`", self.spec.name, word.text));
            return Err(failure.hint(crate::help::usage_line(self.spec)));
        };
        if !argument.repeated {
            self.positionals.pop_front();
        }
        self.keep(argument, word.text.clone())
    }

    fn keep(&mut self, argument: &Argument, value: String) -> Result<(), Failure> {
        check_value(argument, &value)?;
        self.arguments.given.push((argument.name.to_owned(), value));
        Ok(())
    }

    fn unknown(&self, dashed: &str) -> Failure {
        let names = self.spec.arguments.iter().filter(|a| matches!(a.kind, Kind::Flag | Kind::Option)).map(|a| a.name);
        let failure = Failure::usage(format!("%{} has no {dashed}", self.spec.name));
        match nearest(dashed.trim_start_matches('-'), names) {
            Some(name) => failure.hint(format!("did you mean --{name}?")),
            None => failure.hint(crate::help::usage_line(self.spec)),
        }
    }
}

/// The word when it is a flag: begins with `-`, is unquoted, and is no negative number or single dash.
fn flag_body(word: &Word) -> Option<&str> {
    let dashed = word.text.starts_with('-') && word.text.len() > 1 && !word.quoted_start();
    let number = word.text[1.min(word.text.len())..].starts_with(|c: char| c.is_ascii_digit());
    (dashed && !number).then_some(word.text.as_str())
}

impl Word {
    /// Whether the quotes are not inside a `--name="…"`.
    fn quoted_start(&self) -> bool {
        self.quoted && !self.text.contains('=')
    }
}

fn check_value(argument: &Argument, value: &str) -> Result<(), Failure> {
    let shown = if argument.kind == Kind::Positional { argument.name.to_uppercase() } else { format!("--{}", argument.name) };
    match argument.value {
        Value::Number if argument.kind != Kind::Flag && value.parse::<u64>().is_err() => {
            Err(Failure::usage(format!("{shown} is a number, not `{value}`")).hint(argument.help))
        }
        Value::Choice(words) if !words.contains(&value) => {
            let failure = Failure::usage(format!("{shown} cannot be `{value}`"));
            Err(match nearest(value, words.iter().copied()) {
                Some(word) => failure.hint(format!("did you mean `{word}`? It is one of {}", words.join(", "))),
                None => failure.hint(format!("it is one of {}", words.join(", "))),
            })
        }
        _ => Ok(()),
    }
}

fn check_required(spec: &Spec, arguments: &Arguments, has_body: bool) -> Result<(), Failure> {
    let missing = spec.arguments.iter().filter(|a| a.required).find(|a| match a.kind {
        Kind::Rest => !has_body && arguments.rest().is_empty(),
        _ => !arguments.has(a.name),
    });
    match missing {
        None => Ok(()),
        Some(a) => {
            let shown = if a.kind == Kind::Option { format!("--{}", a.name) } else { a.name.to_uppercase() };
            let failure = Failure::usage(format!("%{} needs {shown}: {}", spec.name, a.help));
            Err(failure.hint(crate::help::usage_line(spec)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Example, Form};

    const SPEC: Spec = Spec {
        name: "mount",
        aliases: &[],
        area: "test",
        form: Form::Line,
        arguments: &[
            Argument::positional("url", Value::Text, "what to mount").required(),
            Argument::positional("dir", Value::Directory, "where"),
            Argument::flag("read-only", "no writes"),
            Argument::option("cache", Value::Text, "how much is kept").short('c'),
            Argument::option("n", Value::Number, "how many").short('n'),
            Argument::option("mode", Value::Choice(&["fast", "safe"]), "how"),
            Argument::option("tag", Value::Text, "labels").repeated(),
        ],
        summary: "mounts",
        help: "",
        examples: &[Example { text: "%mount a b", does: "" }],
    };
    const TIME: Spec = Spec {
        name: "timeit",
        arguments: &[Argument::option("loops", Value::Number, "loops").short('n'), Argument::rest("code", Value::Code, "what").required()],
        ..SPEC
    };

    #[track_caller]
    fn check(spec: &Spec, line: &str, expected: &str) {
        let got = match parse(spec, line, false) {
            Ok(a) if a.help => "help".to_owned(),
            Ok(a) => {
                let given: Vec<String> = a.given.iter().map(|(n, v)| format!("{n}={v}")).collect();
                format!("{}|{}", given.join(","), a.rest())
            }
            Err(failure) => format!("{} / {}", failure.message, failure.hint.unwrap_or_default()),
        };
        assert_eq!(got, expected, "arguments of {line:?}");
    }

    #[test]
    fn flags_options_and_places() {
        check(&SPEC, "az://c data --read-only", "url=az://c,dir=data,read-only=|");
        check(&SPEC, "--cache 10G u", "cache=10G,url=u|");
        check(&SPEC, "--cache=10G u -n 3", "cache=10G,url=u,n=3|");
        check(&SPEC, "-c 1 u --tag a --tag 'b c'", "cache=1,url=u,tag=a,tag=b c|");
        check(&SPEC, "\"my dir\" '--read-only'", "url=my dir,dir=--read-only|");
        check(&SPEC, "--tag=\"b c\" u", "tag=b c,url=u|");
        check(&SPEC, "--help", "help");
    }

    #[test]
    fn mistakes_are_named_with_the_next_step() {
        check(&SPEC, "u --readonly", "%mount has no --readonly / did you mean --read-only?");
        check(&SPEC, "u --mode fats", "--mode cannot be `fats` / did you mean `fast`? It is one of fast, safe");
        check(&SPEC, "u -n x", "--n is a number, not `x` / how many");
        check(&SPEC, "u --cache", "--cache needs a value / how much is kept");
        check(&SPEC, "u --read-only=1", "--read-only takes no value / ");
        let all = "%mount URL [DIR] [--read-only] [--cache CACHE] [--n N] [--mode fast|safe] [--tag TAG]…";
        check(&SPEC, "", &format!("%mount needs URL: what to mount / {all}"));
        check(&SPEC, "a b c", &format!("%mount does not take `c` / {all}"));
    }

    #[test]
    fn the_rest_is_taken_as_typed() {
        check(&TIME, "-n 10 f(\"a  b\") - 'c'", "loops=10|f(\"a  b\") - 'c'");
        check(&TIME, "-x.abs()", "|-x.abs()");
        check(&TIME, "-- --loops", "|--loops");
        check(&TIME, "don't", "|don't");
    }
}
