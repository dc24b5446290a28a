//! `%opt`: how much cells are optimised.
use ochre_api::*;

/// The magic.
pub(crate) struct Opt;

const SPEC: Spec = Spec {
    name: "opt",
    aliases: &[],
    area: "session",
    form: Form::Line,
    arguments: &[Argument::positional("level", Value::Choice(&["auto", "0", "1", "2", "3"]), "0 compiles fastest, 3 runs fastest").required()],
    summary: "sets how much cells are optimised",
    help: "`auto` (as a session begins) optimises cells with loops or functions of their own and compiles glue fast: dataframes and \
           tensors are compiled with full optimisation in any case.",
    examples: &[Example { text: "%opt 3", does: "optimises all cells from now on" }, Example { text: "%opt auto", does: "lets Ochre choose" }],
};

#[async_trait]
impl Magic for Opt {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let level = call.arguments.value("level").unwrap_or("auto");
        session.set_opt_level(level)?;
        Ok(MagicOutcome::none())
    }
}
