//! `%cd`: the directory of cells and commands.
use ochre_api::*;

/// The magic.
pub(crate) struct Cd;

const SPEC: Spec = Spec {
    name: "cd",
    aliases: &["chdir"],
    area: "session",
    form: Form::Line,
    arguments: &[Argument::positional("directory", Value::Directory, "where to go; without it, says where the session is")],
    summary: "changes the directory of cells and commands, or says which it is",
    help: "`~` is the home directory. A `!cd` changes only the directory of its own shell.",
    examples: &[Example { text: "%cd data", does: "goes to data" }, Example { text: "%cd", does: "says where the session is" }],
};

#[async_trait]
impl Magic for Cd {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let Some(path) = call.arguments.value("directory") else {
            return Ok(MagicOutcome::text(session.directory().display().to_string()));
        };
        let path = super::resolve(path, session.directory());
        let now = session.set_directory(&path.display().to_string()).await?;
        Ok(MagicOutcome::text(now))
    }
}
