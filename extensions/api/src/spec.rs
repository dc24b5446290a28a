//! What a magic is: name, arguments, help, examples and completion, all in one place.
//!
//! `%lsmagic`, `%name?`, `--help`, completion and the documentation page are made from this.

/// Where a magic may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `%name` on a line.
    Line,
    /// `%%name` at the top of a cell, whose rest is the body.
    Cell,
    /// Both.
    Both,
}

impl Form {
    /// Whether it may be written `%name`.
    pub fn line(self) -> bool {
        self != Form::Cell
    }
    /// Whether it may be written `%%name`.
    pub fn cell(self) -> bool {
        self != Form::Line
    }
}

/// How an argument is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `--name`: there or not.
    Flag,
    /// `--name VALUE` or `--name=VALUE`.
    Option,
    /// A word by its place.
    Positional,
    /// All that follows, as it was typed: code or a command. Only as the last argument.
    Rest,
}

/// What a value is; used for completion and for checks before the magic runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Any text.
    Text,
    /// Rust code.
    Code,
    /// A file.
    Path,
    /// A directory.
    Directory,
    /// A whole number, not negative.
    Number,
    /// The name of a variable of the session.
    Variable,
    /// The name of a magic.
    Magic,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// One argument.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// Without dashes for flags and options (`cache` for `--cache`); shown in capitals when positional.
    pub name: &'static str,
    pub kind: Kind,
    pub value: Value,
    pub required: bool,
    /// May be given several times.
    pub repeated: bool,
    /// One letter that may stand for it (`n` for `-n 5`).
    pub short: Option<char>,
    /// One line.
    pub help: &'static str,
}

impl Argument {
    const fn new(name: &'static str, kind: Kind, value: Value, help: &'static str) -> Self {
        Self { name, kind, value, required: false, repeated: false, short: None, help }
    }
    /// `--name`.
    pub const fn flag(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Flag, Value::Text, help)
    }
    /// `--name VALUE`.
    pub const fn option(name: &'static str, value: Value, help: &'static str) -> Self {
        Self::new(name, Kind::Option, value, help)
    }
    /// A word by its place, optional.
    pub const fn positional(name: &'static str, value: Value, help: &'static str) -> Self {
        Self::new(name, Kind::Positional, value, help)
    }
    /// All that follows.
    pub const fn rest(name: &'static str, value: Value, help: &'static str) -> Self {
        Self::new(name, Kind::Rest, value, help)
    }
    /// Must be given.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }
    /// May be given several times.
    pub const fn repeated(mut self) -> Self {
        self.repeated = true;
        self
    }
    /// May be written with one letter.
    pub const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }
}

/// An example that `%name?` shows; each one must parse (a test sees to it).
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// As typed, with `%`.
    pub text: &'static str,
    /// What it does, in a few words.
    pub does: &'static str,
}

/// All about one magic.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Without `%`.
    pub name: &'static str,
    /// Other names that mean the same (evcxr's, other kernels').
    pub aliases: &'static [&'static str],
    /// Row of INTERFACE.md's table: `session`, `storage`, ….
    pub area: &'static str,
    pub form: Form,
    pub arguments: &'static [Argument],
    /// One line, lower-case, no full stop.
    pub summary: &'static str,
    /// The rest of what there is to say; paragraphs.
    pub help: &'static str,
    pub examples: &'static [Example],
}

impl Spec {
    /// The argument that takes all that follows, if there is one.
    pub fn rest(&self) -> Option<&Argument> {
        self.arguments.iter().find(|a| a.kind == Kind::Rest)
    }
    /// True when a line of it ends with Rust code, which may then go on over several lines.
    pub fn takes_code(&self) -> bool {
        self.rest().is_some_and(|a| a.value == Value::Code)
    }
    /// The argument of this long name.
    pub fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments.iter().find(|a| a.name == name)
    }
}
