//! `%recover`: brings back, after a worker died, what can be brought back.
use ochre_api::*;

/// The magic.
pub(crate) struct Recover;

const SPEC: Spec = Spec {
    name: "recover",
    aliases: &[],
    area: "session",
    form: Form::Line,
    arguments: &[Argument::flag("dry-run", "only says what would be run")],
    summary: "runs again what the variables of a dead worker need",
    help: "Nothing is compiled: the cells come from the cache. What will run is shown first. While it replays, calls that log or upload \
           do nothing, so that nothing is logged twice.",
    examples: &[Example { text: "%recover --dry-run", does: "shows which cells would run" }, Example { text: "%recover", does: "runs them" }],
};

#[async_trait]
impl Magic for Recover {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        // The engine says what it will run before it runs it.
        session.recover(call.arguments.has("dry-run")).await.map(|value| MagicOutcome { value })
    }
}
