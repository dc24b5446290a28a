//! The lines between the kernel and a mount process: one JSON object each. The first line to the process is a [`crate::MountConfig`].
//!
//! ```text
//! to the process                                     from it
//! {"do":"grant","id":1,"grant":{…}}                  {"say":"ready","way":"fuse","why":"…","already":false}
//! {"do":"refuse","id":1,"error":"…"}                 {"say":"failed","error":"…","hint":"…"}
//! {"do":"end"}   (so does the end of the pipe)       {"say":"ask","id":1,"grant":"az://…","refresh":true}
//!                                                    {"say":"warning","text":"…"}
//!                                                    {"say":"ended","error":null}
//! ```

use serde::{Deserialize, Serialize};

use crate::WayName;

/// A line from the kernel, after the configuration. No `Debug`: a grant is in it.
#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum ToMount {
    /// The credential that was asked for.
    Grant {
        /// Of the question.
        id: u64,
        /// What `Grant::to_wire` wrote (JSON).
        grant: serde_json::Value,
    },
    /// There is no credential.
    Refuse {
        /// Of the question.
        id: u64,
        /// Why.
        error: String,
    },
    /// Unmount and end.
    End,
}

/// A line from the mount process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum FromMount {
    /// The directory answers.
    Ready {
        /// Which way was taken.
        way: WayName,
        /// Why it and not the ones before it: one clause.
        why: String,
        /// The same location was mounted there already, by another process; this one takes over when that one ends.
        already: bool,
    },
    /// There is no mount, and the process ends.
    Failed {
        /// What happened.
        error: String,
        /// What to do.
        hint: String,
    },
    /// A credential is needed.
    Ask {
        /// Comes back in the answer.
        id: u64,
        /// The location's URL.
        grant: String,
        /// The last one was refused, or has expired.
        refresh: bool,
    },
    /// Something that no program could be told: a file that was lost at the end, say.
    Warning {
        /// One sentence.
        text: String,
    },
    /// The mount is gone and the process ends.
    Ended {
        /// What was lost or left behind.
        error: Option<String>,
    },
}

impl ToMount {
    /// The line, with its line break.
    ///
    /// # Panics
    /// Never: there is nothing in it that JSON lacks.
    #[must_use]
    pub fn to_line(&self) -> String {
        line(self)
    }

    /// The message in a line; `None` for a line of a later version.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

impl FromMount {
    /// The line, with its line break.
    ///
    /// # Panics
    /// Never: there is nothing in it that JSON lacks.
    #[must_use]
    pub fn to_line(&self) -> String {
        line(self)
    }

    /// The message in a line; `None` for a line of a later version.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

fn line(message: &impl Serialize) -> String {
    let mut line = serde_json::to_string(message).expect("strings and numbers are JSON");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_documented() {
        let said = [
            FromMount::Ready { way: WayName::Fuse, why: "works".into(), already: false },
            FromMount::Failed { error: "e".into(), hint: "h".into() },
            FromMount::Ask { id: 1, grant: "az://c@a".into(), refresh: true },
            FromMount::Ended { error: None },
        ];
        let lines: String = said.iter().map(FromMount::to_line).collect();
        assert_eq!(
            lines,
            "{\"say\":\"ready\",\"way\":\"fuse\",\"why\":\"works\",\"already\":false}\n{\"say\":\"failed\",\"error\":\"e\",\"hint\":\"h\"}\n\
             {\"say\":\"ask\",\"id\":1,\"grant\":\"az://c@a\",\"refresh\":true}\n{\"say\":\"ended\",\"error\":null}\n"
        );
        assert!(lines.lines().zip(&said).all(|(line, message)| FromMount::from_line(line).as_ref() == Some(message)));
        assert!(matches!(ToMount::from_line("{\"do\":\"end\"}"), Some(ToMount::End)));
        assert!(ToMount::from_line("{\"do\":\"dance\"}").is_none());
    }
}
