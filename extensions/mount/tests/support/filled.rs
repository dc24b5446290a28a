//! The files of `ochre-mount-checks` on a server, and running it: for the tests of the ways without FUSE.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::Path;
use std::process::{Command, Output};

use ochre_servers::BlobServer;

use crate::support::server;

pub const CHECKS: &str = env!("CARGO_BIN_EXE_ochre-mount-checks");
/// No run of the checks takes longer, unless it hangs.
pub const RUN_LIMIT: &str = "150";

/// A server with the files of the checks below `data/`.
pub fn filled() -> BlobServer {
    let server = server();
    for (name, text) in [("a.txt", "alpha"), ("sub/b.txt", "beta"), ("sub/deep/c.txt", "gamma"), ("empty", ""), ("naïve file.txt", "naïve")] {
        server.put("c", &format!("data/{name}"), text.as_bytes().to_vec());
    }
    let big = Command::new(CHECKS).args(["fill", "20000003"]).output().expect("the checks start").stdout;
    server.put("c", "data/big.bin", big);
    server
}

/// What it printed; it must have succeeded.
pub fn succeeded(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out
}

pub fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}

pub fn checked(what: &str, directory: &Path) {
    succeeded(&Command::new("timeout").args(["-k", "5", RUN_LIMIT, CHECKS, what, path(directory)]).output().expect("the checks start"));
}
