//! What cells call to log into a run: `ochre::run::*`. Writes into a spool and returns; who delivers is not its business.
#![forbid(unsafe_code)]
