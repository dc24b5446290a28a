//! `%lsmagic`: all magics with one line each, by area.
use ochre_api::*;
use ochre_link::{Bundle, Data};

/// The magic.
pub(crate) struct LsMagic;

const SPEC: Spec = Spec {
    name: "lsmagic",
    aliases: &["magic", "quickref"],
    area: "session",
    form: Form::Line,
    arguments: &[
        Argument::positional("magic", Value::Magic, "only this one, with its whole help"),
        Argument::flag("long", "the whole help of all, as a page").short('l'),
    ],
    summary: "lists all magics",
    help: "`%name?` and `%name --help` say all about one of them. `!command` runs a command of the shell.",
    examples: &[Example { text: "%lsmagic", does: "all magics, one line each" }, Example { text: "%lsmagic timeit", does: "the help of %timeit" }, Example { text: "%lsmagic --long", does: "a page to read or to save" }],
};

#[async_trait]
impl Magic for LsMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let magics = session.magics();
        if let Some(name) = call.arguments.value("magic") {
            let name = name.trim_start_matches('%');
            let magic = magics.get(name).ok_or_else(|| crate::habits::unknown_magic(name, &magics))?;
            return Ok(MagicOutcome::text(help::long(magic.spec())));
        }
        if call.arguments.has("long") {
            let specs: Vec<&Spec> = magics.iter().map(|m| m.spec()).collect();
            let page = help::page(&specs);
            return Ok(MagicOutcome::value(Bundle::plain(page.clone()).with("text/markdown", Data::Text(page))));
        }
        Ok(MagicOutcome::text(list(&magics)))
    }
}

/// The list, areas in the order in which they were registered.
fn list(magics: &Registry) -> String {
    let mut areas: Vec<&str> = Vec::new();
    for magic in magics.iter() {
        if !areas.contains(&magic.spec().area) {
            areas.push(magic.spec().area);
        }
    }
    let mut text = String::new();
    for area in areas {
        text.push_str(&format!("{area}\n"));
        for magic in magics.iter().filter(|m| m.spec().area == area) {
            text.push_str(&format!("  {}\n", help::short(magic.spec())));
        }
    }
    text.push_str("  !COMMAND              runs a command of the shell\n\n%name? says more about one of them.");
    text
}
