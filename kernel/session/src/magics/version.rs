//! `%version`: what runs here.
use ochre_api::*;

/// The magic.
pub(crate) struct Version;

const SPEC: Spec = Spec {
    name: "version",
    aliases: &[],
    area: "session",
    form: Form::Line,
    arguments: &[],
    summary: "says which version of Ochre this is, and which engine runs the cells",
    help: "`!rustc --version` says which compiler is on the path; `ochre doctor` checks the whole installation.",
    examples: &[Example { text: "%version", does: "one line" }],
};

#[async_trait]
impl Magic for Version {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, _call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        Ok(MagicOutcome::text(format!("Ochre {}, engine {}", env!("CARGO_PKG_VERSION"), session.engine())))
    }
}
