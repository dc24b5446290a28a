//! `%load_config` (evcxr's `:load_config`): evcxr's start files.
use ochre_api::*;
use std::path::{Path, PathBuf};

/// The magic.
pub(crate) struct LoadConfig;

const SPEC: Spec = Spec {
    name: "load_config",
    aliases: &[],
    area: "session",
    form: Form::Line,
    arguments: &[Argument::positional("directory", Value::Directory, "where evcxr.toml or init.evcxr is; otherwise the session's directory, then evcxr's own")],
    summary: "reads evcxr's start files: evcxr.toml, or init.evcxr and prelude.rs",
    help: "Of evcxr.toml, `dependencies`, `evcxr.prelude` and `evcxr.opt_level` are used; the other settings mean nothing here. Nothing is \
           read by itself when a session starts.",
    examples: &[Example { text: ":load_config", does: "as evcxr writes it" }, Example { text: "%load_config ~/.config/evcxr", does: "from a directory" }],
};

#[async_trait]
impl Magic for LoadConfig {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let places: Vec<PathBuf> = match call.arguments.value("directory") {
            Some(path) => vec![super::resolve(path, session.directory())],
            None => std::iter::once(session.directory()).chain(evcxr_directory()).collect(),
        };
        for place in &places {
            if let Some(done) = load(place, session).await? {
                return Ok(MagicOutcome::text(done));
            }
        }
        let looked: Vec<String> = places.iter().map(|p| p.display().to_string()).collect();
        let failure = Failure::configuration(format!("there is no evcxr.toml and no init.evcxr in {}", looked.join(" or ")));
        Err(failure.hint("give the directory: `%load_config DIRECTORY`"))
    }
}

/// Where evcxr keeps its files: `$EVCXR_CONFIG_DIR`, or `~/.config/evcxr`.
fn evcxr_directory() -> Option<PathBuf> {
    let set = std::env::var_os("EVCXR_CONFIG_DIR").map(PathBuf::from);
    set.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config/evcxr")))
}

/// Loads what a directory has; says what it was.
async fn load(directory: &Path, session: &mut dyn SessionAccess) -> Result<Option<String>, Failure> {
    let file = directory.join("evcxr.toml");
    if file.exists() {
        load_toml(&file, session).await?;
        return Ok(Some(format!("loaded {}", file.display())));
    }
    let mut loaded = Vec::new();
    for name in ["init.evcxr", "prelude.rs"] {
        let path = directory.join(name);
        if path.exists() {
            let text = super::load::read(&path, name)?;
            session.run_cell(&text).await?;
            loaded.push(path.display().to_string());
        }
    }
    Ok((!loaded.is_empty()).then(|| format!("loaded {}", loaded.join(" and "))))
}

async fn load_toml(path: &Path, session: &mut dyn SessionAccess) -> Result<(), Failure> {
    let shown = path.display().to_string();
    let text = super::load::read(path, &shown)?;
    let config: toml::Table = text.parse().map_err(|e: toml::de::Error| Failure::configuration(format!("{shown} is no TOML")).because(e))?;
    let settings = config.get("evcxr").and_then(|s| s.as_table());
    if let Some(level) = settings.and_then(|s| s.get("opt_level")) {
        session.set_opt_level(level.to_string().trim_matches('"'))?;
    }
    for (name, requirement) in config.get("dependencies").and_then(|d| d.as_table()).into_iter().flatten() {
        session.run_cell(&format!(":dep {name} = {requirement}")).await?;
    }
    if let Some(prelude) = settings.and_then(|s| s.get("prelude")).and_then(|p| p.as_str()) {
        session.run_cell(prelude).await?;
    }
    Ok(())
}
