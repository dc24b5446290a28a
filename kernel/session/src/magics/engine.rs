//! `%engine`: which engine runs the cells.
use ochre_api::*;

/// The magic.
pub(crate) struct Engine;

const SPEC: Spec = Spec {
    name: "engine",
    aliases: &[],
    area: "session",
    form: Form::Line,
    arguments: &[Argument::positional("name", Value::Choice(&["ochre", "evcxr"]), "the engine to change to")],
    summary: "changes the engine that runs cells, or says which one it is",
    help: "`ochre` is fast and has polars built in. `evcxr` is the engine of evcxr_jupyter, for notebooks that rely on its exact ways. \
           Variables and items do not move over; history, environment and directory do.",
    examples: &[Example { text: "%engine", does: "says which one runs" }, Example { text: "%engine evcxr", does: "changes to evcxr" }],
};

#[async_trait]
impl Magic for Engine {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let Some(name) = call.arguments.value("name") else {
            return Ok(MagicOutcome::text(format!("cells are run by {}", session.engine())));
        };
        if name == session.engine() {
            return Ok(MagicOutcome::text(format!("cells are run by {name} already")));
        }
        let lost = session.variables().len();
        session.use_engine(name).await?;
        let note = if lost == 0 { String::new() } else { format!("; {lost} variables were left behind: run their cells again") };
        Ok(MagicOutcome::text(format!("cells are run by {name} now{note}")))
    }
}
