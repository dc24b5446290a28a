//! `%dep` and `:dep`: adds a crate.
use ochre_api::*;
use std::path::PathBuf;

/// The magic.
pub(crate) struct Dep;

const SPEC: Spec = Spec {
    name: "dep",
    aliases: &[],
    area: "session",
    form: Form::Line,
    arguments: &[
        Argument::positional("name", Value::Text, "the crate, as NAME or NAME@VERSION; without it, lists what was added"),
        Argument::option("features", Value::Text, "features to turn on, separated by commas").short('F'),
        Argument::flag("no-default-features", "without the crate's default features"),
        Argument::option("path", Value::Directory, "a crate of this machine"),
        Argument::option("git", Value::Text, "a repository"),
        Argument::option("branch", Value::Text, "its branch"),
        Argument::option("tag", Value::Text, "its tag"),
        Argument::option("rev", Value::Text, "its commit"),
        Argument::option("package", Value::Text, "the crate's own name, when NAME is to be another"),
    ],
    summary: "adds a crate from the registry, a directory or a repository",
    help: "It is built once, with progress, and kept for all sessions; crates that the prelude has already (polars, serde, rand, …) are \
           shared and not built again. Lines in the form of Cargo.toml work too: `:dep rand = \"0.9\"`. Then `use` it in a cell.",
    examples: &[
        Example { text: "%dep rand", does: "the newest version" },
        Example { text: "%dep tokio@1.40 --features rt,time", does: "a version and features" },
        Example { text: "%dep mine --path ../mine", does: "a crate of your own" },
        Example { text: ":dep uuid = { version = \"1\", features = [\"v4\"] }", does: "as evcxr and Cargo.toml write it" },
        Example { text: "%dep", does: "what was added so far" },
    ],
};

#[async_trait]
impl Magic for Dep {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn parse(&self, line: &str, has_body: bool) -> Result<Arguments, Failure> {
        match toml_form(line) {
            Some((name, requirement)) => Ok(Arguments::default().with("name", name).with("toml", requirement)),
            None => parse::parse(&SPEC, line, has_body),
        }
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let Some(name) = call.arguments.value("name") else {
            let lines: Vec<String> = session.dependencies().into_iter().map(|(name, requirement)| format!("{name} = {requirement}")).collect();
            return Ok(MagicOutcome::text(if lines.is_empty() { "nothing was added yet".to_owned() } else { lines.join("\n") }));
        };
        let (name, requirement) = match call.arguments.value("toml") {
            Some(text) => (name.to_owned(), from_toml(name, text, session.directory())?),
            None => from_flags(name, &call.arguments, session.directory())?,
        };
        checked(&name)?;
        session.add_dependency(&name, &requirement).await.map(|value| MagicOutcome { value })
    }
}

/// `name = …`, as evcxr and Cargo.toml write it.
fn toml_form(line: &str) -> Option<(&str, &str)> {
    let (name, requirement) = line.split_once('=')?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') && !name.starts_with('-');
    is_name.then(|| (name, requirement.trim().trim_end_matches(';').trim()))
}

/// The right side of a Cargo.toml line, checked and written in one way, paths made absolute.
fn from_toml(name: &str, text: &str, directory: PathBuf) -> Result<String, Failure> {
    let wrong = |problem: String| {
        Failure::usage(format!("`{name} = {text}` is no line of Cargo.toml: {problem}")).hint(format!("write `:dep {name} = \"1\"`, or `%dep {name}@1`"))
    };
    // A bare version is forgiven.
    let bare = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '*' | '^' | '~' | '=' | '<' | '>' | '-' | '+')) && !text.is_empty();
    let line = if bare { format!("it = \"{text}\"") } else { format!("it = {text}") };
    let table: toml::Table = line.parse().map_err(|e: toml::de::Error| wrong(e.message().to_owned()))?;
    match table.get("it") {
        Some(toml::Value::String(version)) => Ok(toml::Value::from(version.as_str()).to_string()),
        Some(toml::Value::Table(fields)) => Ok(inline(fields, directory)),
        _ => Err(wrong("the right side is a version in quotes, or a table in braces".to_owned())),
    }
}

/// `NAME@VERSION --features a,b …`.
fn from_flags(name: &str, arguments: &Arguments, directory: PathBuf) -> Result<(String, String), Failure> {
    let (name, version) = name.split_once('@').map_or((name, None), |(name, version)| (name, Some(version)));
    let mut fields = toml::Table::new();
    for field in ["path", "git", "branch", "tag", "rev", "package"] {
        if let Some(value) = arguments.value(field) {
            fields.insert(field.to_owned(), value.into());
        }
    }
    let elsewhere = fields.contains_key("path") || fields.contains_key("git");
    if let Some(version) = version.or((!elsewhere).then_some("*")) {
        fields.insert("version".to_owned(), version.into());
    }
    if let Some(features) = arguments.value("features") {
        let features: Vec<toml::Value> = features.split([',', ' ']).filter(|f| !f.is_empty()).map(toml::Value::from).collect();
        fields.insert("features".to_owned(), features.into());
    }
    if arguments.has("no-default-features") {
        fields.insert("default-features".to_owned(), false.into());
    }
    let requirement = match (fields.len(), fields.get("version")) {
        (1, Some(version)) => version.to_string(),
        _ => inline(&fields, directory),
    };
    Ok((name.to_owned(), requirement))
}

/// A table in braces, on one line, keys in order: the same dependency is always the same text.
fn inline(fields: &toml::Table, directory: PathBuf) -> String {
    let mut fields: Vec<(&String, toml::Value)> = fields.iter().map(|(name, value)| (name, value.clone())).collect();
    for (name, value) in &mut fields {
        if let (true, Some(path)) = (*name == "path", value.as_str()) {
            let path = super::resolve(path, directory.clone());
            let path = path.canonicalize().unwrap_or(path);
            *value = path.display().to_string().into();
        }
    }
    fields.sort_by_key(|(name, _)| (*name != "version", (*name).clone()));
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    format!("{{ {} }}", fields.join(", "))
}

fn checked(name: &str) -> Result<(), Failure> {
    let valid = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_') && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if valid { Ok(()) } else { Err(Failure::usage(format!("`{name}` is no name of a crate")).hint("write `%dep NAME` or `%dep NAME@VERSION`")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let got = Dep.parse(line, false).and_then(|arguments| {
            let name = arguments.value("name").unwrap_or("").to_owned();
            match arguments.value("toml") {
                Some(text) => from_toml(&name, text, "/work".into()).map(|r| (name.clone(), r)),
                None => from_flags(&name, &arguments, "/work".into()),
            }
        });
        let got = got.map_or_else(|failure| failure.message, |(name, requirement)| format!("{name} = {requirement}"));
        assert_eq!(got, expected, "dependency of {line:?}");
    }

    #[test]
    fn both_forms_are_normalised() {
        check("rand", "rand = \"*\"");
        check("rand@0.9", "rand = \"0.9\"");
        check("rand = \"0.9\"", "rand = \"0.9\"");
        check("rand='0.9'", "rand = \"0.9\"");
        check("rand = 0.9", "rand = \"0.9\"");
        check("tokio@1 --features rt,time", "tokio = { version = \"1\", features = [\"rt\", \"time\"] }");
        check("tokio = { features = [\"rt\"], version = \"1\" }", "tokio = { version = \"1\", features = [\"rt\"] }");
        check("mine --path ../no-such-place", "mine = { path = \"/work/../no-such-place\" }");
        check("mine = { path = \"no-such-place\" }", "mine = { path = \"/work/no-such-place\" }");
        check("x --git https://example.org/x --rev abc", "x = { git = \"https://example.org/x\", rev = \"abc\" }");
        check("serde --no-default-features", "serde = { version = \"*\", default-features = false }");
    }

    #[test]
    fn what_is_no_line_of_cargo_is_refused() {
        check("rand = [", "`rand = [` is no line of Cargo.toml: unclosed array, expected `]`");
        check("rand = 3", "rand = \"3\"");
        check("rand = true", "`rand = true` is no line of Cargo.toml: the right side is a version in quotes, or a table in braces");
    }
}
