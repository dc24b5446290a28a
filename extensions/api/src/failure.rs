//! What went wrong, whose fault it is and what to do next, and the one printer for it.
//!
//! Magics and extensions return [`Failure`]; the session turns it into what the front end shows.
use std::error::Error;
use std::fmt;

/// Who can put it right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The code or the line that was typed.
    YourCode,
    /// A setting, a file, a missing program or permission on this side.
    YourConfiguration,
    /// A service or machine that we talk to.
    Remote,
    /// A bug of ours.
    Bug,
    /// The user stopped it: nobody's fault.
    Interrupted,
}

impl Fault {
    /// The word before the message.
    pub fn title(self) -> &'static str {
        match self {
            Fault::YourCode => "error",
            Fault::YourConfiguration => "configuration",
            Fault::Remote => "remote",
            Fault::Bug => "bug in Ochre",
            Fault::Interrupted => "interrupted",
        }
    }
}

/// A failure that a user reads.
#[derive(Debug)]
pub struct Failure {
    pub fault: Fault,
    /// Short class, as front ends show it before the message: `usage`, `io`, `interrupted`, `E0382`, ….
    pub name: String,
    /// One line: what happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// What caused it; printed as a chain below the message.
    pub source: Option<Box<dyn Error + Send + Sync>>,
    /// The text as another part has rendered it already (compiler diagnostics); replaces the chain.
    pub rendered: Option<Vec<String>>,
}

impl Failure {
    /// A failure with a class and a message.
    pub fn new(fault: Fault, name: impl Into<String>, message: impl Into<String>) -> Self {
        Self { fault, name: name.into(), message: message.into(), hint: None, source: None, rendered: None }
    }

    /// The line was typed wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Fault::YourCode, "usage", message)
    }

    /// Something on this machine is missing or set wrongly.
    pub fn configuration(message: impl Into<String>) -> Self {
        Self::new(Fault::YourConfiguration, "configuration", message)
    }

    /// The other side refused or did not answer.
    pub fn remote(message: impl Into<String>) -> Self {
        Self::new(Fault::Remote, "remote", message)
    }

    /// Our own rules were broken.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Fault::Bug, "bug", message).hint("please report it with this cell: it is not your code")
    }

    /// The user interrupted.
    pub fn interrupted() -> Self {
        Self::new(Fault::Interrupted, "interrupted", "interrupted")
    }

    /// A file operation failed: `what` says which, such as `cannot read a.csv`.
    pub fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::new(Fault::YourConfiguration, "io", what).because(source)
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The message with its chain of causes on one line, without colours or hint.
    pub fn one_line(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source.as_deref().map(|e| e as &dyn Error);
        while let Some(error) = cause {
            let part = error.to_string();
            // Many errors repeat their source's text; saying it twice helps nobody.
            if !text.ends_with(&part) {
                text.push_str(": ");
                text.push_str(&part);
            }
            cause = error.source();
        }
        text
    }

    /// The one printer: lines with ANSI colours, the hint last.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = match &self.rendered {
            Some(rendered) => rendered.clone(),
            None => vec![format!("\x1b[1;31m{}\x1b[0m\x1b[1m: {}\x1b[0m", self.fault.title(), self.one_line())],
        };
        if let Some(hint) = &self.hint {
            lines.push(format!("\x1b[1;36mhint\x1b[0m: {hint}"));
        }
        lines
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.one_line())
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_is_printed_once_and_the_hint_comes_last() {
        let inner = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let failure = Failure::io("cannot read a.csv", inner).hint("check the path with `!ls`");
        assert_eq!(failure.one_line(), "cannot read a.csv: no such file");
        assert!(failure.lines().last().expect("a line").contains("check the path"));
    }
}
