//! `%type` (evcxr's `:type`): the type of an expression, compiled but not run.
use ochre_api::*;

/// The magic.
pub(crate) struct Type;

const SPEC: Spec = Spec {
    name: "type",
    aliases: &["t"],
    area: "session",
    form: Form::Line,
    arguments: &[Argument::rest("expression", Value::Code, "a variable or any expression").required()],
    summary: "says the type of a variable or an expression, without running it",
    help: "The expression is compiled and not run, so it may be expensive and consumes nothing.",
    examples: &[
        Example { text: "%type df", does: "the type of a variable" },
        Example { text: ":type (1..10).map(|x| x * 2).collect::<Vec<_>>()", does: "as evcxr writes it" },
    ],
};

#[async_trait]
impl Magic for Type {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let expression = call.arguments.rest().trim_end_matches(';');
        if let Some(variable) = session.variables().into_iter().find(|v| v.name == expression) {
            return Ok(MagicOutcome::text(variable.type_name));
        }
        Ok(MagicOutcome::text(session.type_of(expression).await?))
    }
}
