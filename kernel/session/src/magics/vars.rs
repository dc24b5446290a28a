//! `%vars`: the variables, their types and sizes.
use ochre_api::*;
use ochre_link::{Bundle, Data, Variable};

/// The magic.
pub(crate) struct Vars;

const SPEC: Spec = Spec {
    name: "vars",
    aliases: &["who", "whos"],
    area: "session",
    form: Form::Line,
    arguments: &[Argument::positional("beginning", Value::Variable, "only names that begin like this")],
    summary: "lists the variables with type, size and the cell that stored them",
    help: "The size is that of the value itself, without what it points to: a Vec of any length is 24 bytes. A variable that is marked \
           `busy` is held by a cell that was interrupted and still runs.",
    examples: &[Example { text: "%vars", does: "all variables" }, Example { text: "%vars df", does: "df, df2, df_old, …" }],
};

#[async_trait]
impl Magic for Vars {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let beginning = call.arguments.value("beginning").unwrap_or("");
        let variables: Vec<Variable> = session.variables().into_iter().filter(|v| v.name.starts_with(beginning)).collect();
        if variables.is_empty() {
            return Ok(MagicOutcome::text("no variables"));
        }
        let bundle = Bundle { data: vec![("text/html".into(), Data::Text(html(&variables)))], metadata: None };
        Ok(MagicOutcome::value(bundle.with("text/plain", Data::Text(plain(&variables)))))
    }
}

fn plain(variables: &[Variable]) -> String {
    let width = variables.iter().map(|v| v.name.chars().count()).max().unwrap_or(0);
    let lines = variables.iter().map(|v| {
        let state = if v.available { "" } else { ", busy" };
        format!("{:width$}: {}  ({}, cell [{}]{state})", v.name, v.type_name, crate::limits::size(v.size as usize), v.cell.0)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn html(variables: &[Variable]) -> String {
    let mut text = "<table><thead><tr><th>name</th><th>type</th><th>size</th><th>cell</th></tr></thead><tbody>".to_owned();
    for v in variables {
        let state = if v.available { "" } else { " (busy)" };
        text.push_str(&format!(
            "<tr><td style=\"text-align:left\"><code>{}</code>{state}</td><td style=\"text-align:left\"><code>{}</code></td><td>{}</td><td>[{}]</td></tr>",
            escape(&v.name),
            escape(&v.type_name),
            crate::limits::size(v.size as usize),
            v.cell.0
        ));
    }
    text + "</tbody></table>"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
