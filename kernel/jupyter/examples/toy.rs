//! The toy kernel of the tests as a process, for real clients: `toy CONNECTION_FILE`.
#[path = "../tests/toy/mod.rs"]
mod toy;

use ochre_jupyter::{ConnectionFile, Server};
use std::sync::Arc;

#[tokio::main]
async fn main() {
    let path = std::env::args().nth(1).expect("the path of a connection file");
    let connection = ConnectionFile::read(path.as_ref()).expect("a connection file");
    let server = Server::bind(connection).await.expect("free ports");
    let ended = server.serve(Arc::new(toy::Toy::default()), std::future::pending()).await;
    eprintln!("{ended:?}");
}
