//! `%%bash`: a script of the shell as a cell.
use super::shell;
use ochre_api::*;

/// The magic.
pub(crate) struct Bash;

const SPEC: Spec = Spec {
    name: "bash",
    aliases: &[],
    area: "session",
    form: Form::Cell,
    arguments: &[Argument::rest("options", Value::Text, "options for bash, such as -e (stop at the first failure) or -x")],
    summary: "runs the cell as a script of bash",
    help: "Output is shown while it runs, an interrupt stops it, and another exit status than 0 is an error. It runs in the session's \
           directory and environment (`%cd`, `%env`), beside the kernel. Where there is no bash, sh runs it.",
    examples: &[
        Example { text: "%%bash\ncd data\nls -l | head", does: "a script" },
        Example { text: "%%bash -e\nmake\nmake check", does: "stops at the first failure" },
    ],
};

#[async_trait]
impl Magic for Bash {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let options: Vec<&str> = call.arguments.rest().split_whitespace().collect();
        let script = call.body.as_deref().unwrap_or("");
        shell::script(script, shell::shell(), &options, session).await?;
        Ok(MagicOutcome::none())
    }
}
