//! `%reset`: forgets variables and items.
use ochre_api::*;

/// The magic.
pub(crate) struct Reset;

const SPEC: Spec = Spec {
    name: "reset",
    aliases: &[],
    area: "session",
    form: Form::Line,
    arguments: &[Argument::flag("force", "accepted for those who are used to it: nothing is asked anyway").short('f')],
    summary: "forgets all variables and items",
    help: "Destructors run. Dependencies, settings, the environment and the history stay.",
    examples: &[Example { text: "%reset", does: "a session without variables" }],
};

#[async_trait]
impl Magic for Reset {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, _call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        session.reset().await?;
        Ok(MagicOutcome::none())
    }
}
