//! `%timing` (evcxr's `:timing`): times below each cell.
use ochre_api::*;

/// The magic.
pub(crate) struct Timing;

const SPEC: Spec = Spec {
    name: "timing",
    aliases: &[],
    area: "session",
    form: Form::Line,
    arguments: &[Argument::positional("state", Value::Choice(&["on", "off"]), "without it, the other state")],
    summary: "writes below each cell how long it was compiled and ran",
    help: "",
    examples: &[Example { text: "%timing on", does: "from now on" }, Example { text: ":timing", does: "as evcxr writes it: on, or off again" }],
};

#[async_trait]
impl Magic for Timing {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let on = call.arguments.value("state").map_or(!session.timing(), |state| state == "on");
        session.set_timing(on);
        Ok(MagicOutcome::text(format!("timing is {}", if on { "on" } else { "off" })))
    }
}
