//! `%doc` (evcxr's `:doc`): what is known of a name.
use ochre_api::*;

/// The magic.
pub(crate) struct Doc;

const SPEC: Spec = Spec {
    name: "doc",
    aliases: &["pinfo"],
    area: "session",
    form: Form::Line,
    arguments: &[Argument::positional("name", Value::Variable, "a variable, an item of this notebook, a well-known name or a magic").required()],
    summary: "says what is known of a name",
    help: "The same as Shift-Tab in JupyterLab, and as `?name`.",
    examples: &[Example { text: "%doc df", does: "type, size and cell of a variable" }, Example { text: "%doc col", does: "a function of polars" }],
};

#[async_trait]
impl Magic for Doc {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let name = call.arguments.value("name").unwrap_or("").trim_start_matches(['%', ':']);
        if let Some(magic) = session.magics().get(name) {
            return Ok(MagicOutcome::text(help::long(magic.spec())));
        }
        match crate::inspect::name(name, &session.variables(), &items(session)) {
            Some(text) => Ok(MagicOutcome::text(text)),
            None => Err(Failure::usage(format!("nothing is known of `{name}`")).hint("%vars lists the variables; for std see https://doc.rust-lang.org/std")),
        }
    }
}

fn items(session: &dyn SessionAccess) -> Vec<crate::front::Completion> {
    let item = |(text, kind, signature)| crate::front::Completion { text, kind, signature };
    session.items().into_iter().map(item).collect()
}
