//! Reads cargo's JSON messages: which package gave which files.
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What an artifact is to a later compilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Library,
    ProcMacro,
    Program,
    /// A program of tests.
    Test,
    /// Build scripts and the like.
    Other,
}

/// One finished unit of a build.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Cargo's package id: unique within a build, never kept.
    pub id: String,
    pub package: String,
    pub version: String,
    /// The crate's name in code.
    pub crate_name: String,
    /// The package's directory, where its tests run.
    pub directory: PathBuf,
    pub kind: Kind,
    pub features: Vec<String>,
    pub files: Vec<PathBuf>,
    pub fresh: bool,
}

impl Artifact {
    /// Reads one line of cargo's output; other messages give `None`.
    pub fn parse(line: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        if message["reason"] != "compiler-artifact" {
            return None;
        }
        let id = message["package_id"].as_str()?.to_string();
        let target = &message["target"];
        let kinds: Vec<&str> = target["kind"].as_array()?.iter().filter_map(Value::as_str).collect();
        let kind = match kinds.as_slice() {
            _ if message["profile"]["test"] == true => Kind::Test,
            k if k.contains(&"proc-macro") => Kind::ProcMacro,
            k if k.contains(&"custom-build") => Kind::Other,
            k if k.contains(&"bin") => Kind::Program,
            _ => Kind::Library,
        };
        let (package, version) = name_and_version(&id);
        let strings = |v: &Value| -> Vec<String> {
            v.as_array().into_iter().flatten().filter_map(|s| s.as_str().map(String::from)).collect()
        };
        Some(Self {
            crate_name: target["name"].as_str()?.replace('-', "_"),
            directory: Path::new(message["manifest_path"].as_str()?).parent()?.to_owned(),
            features: strings(&message["features"]),
            files: strings(&message["filenames"]).into_iter().map(PathBuf::from).collect(),
            fresh: message["fresh"].as_bool().unwrap_or(false),
            id,
            package,
            version,
            kind,
        })
    }

    /// The first file with one of these endings.
    pub fn file(&self, extensions: &[&str]) -> Option<&PathBuf> {
        extensions.iter().find_map(|wanted| self.files.iter().find(|f| f.extension().is_some_and(|e| e == *wanted)))
    }
}

/// Package name and version from a package id: `…#name@1.2.3`, or `…/directory#1.2.3` when both names agree.
fn name_and_version(id: &str) -> (String, String) {
    let (place, fragment) = id.rsplit_once('#').unwrap_or(("", id));
    match fragment.rsplit_once('@') {
        Some((name, version)) => (name.to_string(), version.to_string()),
        None => (place.rsplit('/').next().unwrap_or_default().to_string(), fragment.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_ids_of_both_forms() {
        let of = |id| name_and_version(id);
        assert_eq!(of("registry+x#serde@1.0.2"), ("serde".into(), "1.0.2".into()));
        assert_eq!(of("path+file:///a/ochre#0.1.0"), ("ochre".into(), "0.1.0".into()));
        assert_eq!(of("path+file:///a/runtime#ochre-runtime@0.1.0"), ("ochre-runtime".into(), "0.1.0".into()));
    }

    #[test]
    fn an_artifact_line_is_read_and_others_are_not() {
        let line = r#"{"reason":"compiler-artifact","package_id":"r#serde@1.0.2","manifest_path":"/r/serde/Cargo.toml","target":{"kind":["lib"],"name":"serde"},"features":["derive"],"filenames":["/t/libserde-1.rlib","/t/libserde-1.rmeta"],"fresh":true}"#;
        let artifact = Artifact::parse(line).unwrap();
        assert_eq!(artifact.kind, Kind::Library);
        assert_eq!(artifact.file(&["rmeta"]).unwrap().to_str(), Some("/t/libserde-1.rmeta"));
        assert!(Artifact::parse(r#"{"reason":"build-finished"}"#).is_none());
        assert!(Artifact::parse("Compiling x").is_none());
    }
}
