//! `%set`: settings of how values are shown.
use ochre_api::*;

/// The magic.
pub(crate) struct Set;

const SPEC: Spec = Spec {
    name: "set",
    aliases: &[],
    area: "session",
    form: Form::Line,
    arguments: &[
        Argument::positional("name", Value::Choice(&["rows", "columns"]), "rows or columns of a frame that are shown").required(),
        Argument::positional("value", Value::Text, "a number, or `all`").required(),
    ],
    summary: "sets how much of a frame is shown",
    help: "The same as `ochre::rows(50)` and `ochre::columns(30)` in a cell.",
    examples: &[Example { text: "%set rows 50", does: "shows up to 50 rows of a frame" }, Example { text: "%set columns all", does: "shows all columns" }],
};

#[async_trait]
impl Magic for Set {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let (name, value) = (call.arguments.value("name").unwrap_or(""), call.arguments.value("value").unwrap_or(""));
        if value != "all" && value.parse::<u32>().is_err() {
            return Err(Failure::usage(format!("{name} cannot be `{value}`")).hint("it is a number, or `all`"));
        }
        session.setting(name, value).await?;
        Ok(MagicOutcome::none())
    }
}
