//! What a cell is told about keys before it runs: those that are written into it, and those of the kernel's environment that it asks for.
use crate::runner::Runner;

/// Warnings for stderr, a line each.
pub(crate) fn warnings(code: &str, runner: &mut Runner) -> Vec<String> {
    let mut all: Vec<String> = runner.gate.learn(code).iter().map(|found| literal(found.line, found.what, found.name)).collect();
    let (environment, withheld) = (&runner.environment, &mut runner.withheld);
    withheld.retain(|name| {
        let asked = !environment.contains_key(name) && mentions(code, name) && !code.trim_start().starts_with("%env");
        if asked {
            all.push(format!(
                "\x1b[1;33mnote\x1b[0m: {name} is set where this kernel was started, and is kept from cells and commands, as credentials are; `%env --pass {name}` hands it to them\n"
            ));
        }
        !asked
    });
    all
}

fn literal(line: usize, what: &str, name: &str) -> String {
    format!(
        "\x1b[1;33mwarning\x1b[0m: line {line} holds {what}, which is saved with the notebook. Move it into a secret: `%secret set {name}` asks for it, then write \
         `ochre::secret(\"{name}\")?` here, or `secret:{name}` where a magic takes a credential\n"
    )
}

/// Whether a text names a variable as a word.
fn mentions(code: &str, name: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| !code[..at].ends_with(inside) && !code[at + name.len()..].starts_with(inside))
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn names_are_whole_words() {
        assert!(mentions("std::env::var(\"HF_TOKEN\")", "HF_TOKEN") && mentions("!echo $HF_TOKEN", "HF_TOKEN"));
        assert!(!mentions("MY_HF_TOKEN HF_TOKENS", "HF_TOKEN"));
    }
}
