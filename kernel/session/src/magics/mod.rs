//! The session's own magics: one file per magic or family, all registered here.
//!
//! An extension's magics are made the same way, in its own crate; `%lsmagic`, `%name?`, completion and the
//! documentation are generated from the registry.
pub(crate) mod evcxr;
pub(crate) mod lsmagic;
pub(crate) mod shell;
pub(crate) mod time;
pub(crate) mod vars;

use crate::parts::Line;
use ochre_api::{Arguments, Failure, Magic, Spec, parse};
use std::sync::Arc;

/// All magics that every session has.
pub(crate) fn all() -> Vec<Arc<dyn Magic>> {
    vec![Arc::new(lsmagic::LsMagic), Arc::new(vars::Vars), Arc::new(time::Time)]
}

/// Reads the line of a magic. With `%%name` the body stands for a missing rest.
pub(crate) fn arguments(spec: &Spec, line: &Line) -> Result<Arguments, Failure> {
    let body_is_rest = line.body.is_some() && spec.rest().is_some_and(|a| a.required);
    if !body_is_rest {
        return parse::parse(spec, &line.rest);
    }
    // The required code is below the line: it is read with a stand-in behind it.
    parse::parse(spec, &format!("{} -- body", line.rest))
}
