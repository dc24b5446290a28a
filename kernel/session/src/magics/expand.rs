//! `%expand`: the crate that the last cell became.
use ochre_api::*;

/// The magic.
pub(crate) struct Expand;

const SPEC: Spec = Spec {
    name: "expand",
    aliases: &[],
    area: "session",
    form: Form::Line,
    arguments: &[],
    summary: "shows the crate that was generated for the last cell",
    help: "For the curious, and for reports of bugs.",
    examples: &[Example { text: "%expand", does: "the source that rustc was given" }],
};

#[async_trait]
impl Magic for Expand {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, _call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        match session.expand() {
            Some(source) => Ok(MagicOutcome::text(source)),
            None => Err(Failure::usage("there is no cell to show yet").hint("run a cell with Rust first")),
        }
    }
}
