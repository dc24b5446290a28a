//! Fetches a file by http(s) with the client that object stores use: through the proxy that the environment names, again after a cut, with progress.
use crate::error::{NnError, Result};
use crate::report;
use futures::StreamExt;
use object_store::http::HttpBuilder;
use object_store::path::Path as ObjectPath;
use object_store::{ClientOptions, ObjectStoreExt};
use std::io::Write;
use std::path::Path;
use url::Url;

/// Downloads into a file; a cut download leaves nothing behind.
pub fn download(address: &str, file: &Path) -> Result<()> {
    // What follows the path may be a signature, which is nobody's business.
    let named = address.split_once('?').map_or(address, |(named, _)| named);
    let failed = |problem: String| NnError::Fetch { address: named.to_owned(), problem };
    let url = Url::parse(address).map_err(|e| failed(format!("it is no address ({e})")))?;
    let shown = |problem: String| url.query().filter(|query| !query.is_empty()).map_or(problem.clone(), |query| problem.replace(query, "…"));
    // A thread of its own: the cell's may be inside a runtime, where another cannot be waited for.
    let done = std::thread::scope(|scope| scope.spawn(|| fetch(&url, file)).join());
    match done {
        Ok(done) => done.map_err(|e| match e {
            Trouble::Http(problem) => failed(shown(problem)),
            Trouble::Other(error) => error,
        }),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

enum Trouble {
    Http(String),
    Other(NnError),
}

impl From<object_store::Error> for Trouble {
    fn from(error: object_store::Error) -> Self {
        Self::Http(match error {
            object_store::Error::NotFound { .. } => "the server has no such file".to_owned(),
            other => format!("{other}; check the address, the network and any proxy (`HTTPS_PROXY`)"),
        })
    }
}

fn fetch(url: &Url, file: &Path) -> std::result::Result<(), Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| Trouble::Http(e.to_string()))?;
    runtime.block_on(async {
        let (base, path) = split(url);
        let options = ClientOptions::new().with_allow_http(url.scheme() == "http").with_timeout_disabled();
        let store = HttpBuilder::new().with_url(base).with_client_options(options).build()?;
        let answer = store.get(&path).await?;
        let total = answer.meta.size;
        let mut stream = answer.into_stream();
        let mut bar = report::Bytes::new(&format!("fetching {}", url.path().rsplit('/').next().unwrap_or_default()), total);
        let beside = crate::files::beside(file);
        let broken = |e| Trouble::Other(NnError::file("writing", file, e));
        let mut out = std::fs::File::create(&beside).map_err(broken)?;
        let written = async {
            let mut have = 0;
            while let Some(piece) = stream.next().await {
                let piece = piece?;
                out.write_all(&piece).map_err(broken)?;
                have += piece.len() as u64;
                bar.set(have);
                if ochre_tensors::interrupt::interrupted() {
                    return Err(Trouble::Other(NnError::Interrupted("the download")));
                }
            }
            if have != total {
                return Err(Trouble::Http(format!("the connection ended after {have} of {total} bytes")));
            }
            std::fs::rename(&beside, file).map_err(broken)
        };
        let written = written.await;
        if written.is_err() {
            // The error to tell is the first one.
            let _ = std::fs::remove_file(&beside);
        }
        written
    })
}

/// The server with the address's query (signatures of shared addresses are in it), which the client keeps for every path; and the path.
fn split(url: &Url) -> (String, ObjectPath) {
    let mut base = url.clone();
    let path = url.path().trim_start_matches('/').to_owned();
    base.set_path("/");
    base.set_fragment(None);
    (base.to_string(), ObjectPath::from_url_path(&path).unwrap_or_else(|_| ObjectPath::from(path)))
}
