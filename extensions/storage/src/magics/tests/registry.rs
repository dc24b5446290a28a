//! What the registry needs of them, and what is never shown.
use super::NO_PROGRAM;
use crate::double::{Double, storage};
use ochre_api::{Magic, help};
use std::path::Path;
use std::sync::Arc;

fn all() -> Vec<Arc<dyn Magic>> {
    crate::magics::all(&storage(&[], Path::new(NO_PROGRAM)).0)
}

#[test]
fn every_example_parses_and_every_page_reads() {
    for magic in all() {
        let spec = magic.spec();
        assert!(!spec.examples.is_empty() && !spec.summary.ends_with('.') && !spec.help.is_empty(), "%{}", spec.name);
        for example in spec.examples {
            let rest = example.text.strip_prefix(&format!("%{}", spec.name)).unwrap_or_else(|| panic!("{} begins with another name", example.text));
            magic.parse(rest, false).unwrap_or_else(|failure| panic!("{}: {failure}", example.text));
        }
        assert!(help::long(spec).contains("Examples"));
    }
}

#[tokio::test]
async fn urls_words_and_containers_complete() {
    let (storage, _) = storage(&[], Path::new(NO_PROGRAM));
    let mut session = Double::new(&storage, Path::new("/"));
    session.run("%credential az://pictures@acct anonymous").await.expect("configures");
    let magics = crate::magics::all(&storage);
    let complete = |name: &str, argument: &str, prefix: &str| {
        let magic = magics.iter().find(|m| m.spec().name == name).expect("a magic");
        magic.complete(magic.spec().argument(argument).expect("an argument"), prefix)
    };
    assert_eq!(complete("ls", "url", "az"), ["az://", "az://pictures@acct", "azureml://datastores/"]);
    assert_eq!(complete("cp", "to", "s3"), ["s3://"]);
    assert_eq!(complete("credential", "word", "man"), ["managed-identity", "managed-identity:"]);
    assert_eq!(complete("mount", "credential", "se"), ["service-principal:", "secret:"]);
    assert_eq!(complete("ls", "url", ""), [""; 0], "nothing is offered over the files of the directory");
}

#[tokio::test]
async fn credentials_are_listed_without_their_values() {
    let (storage, redactor) = storage(&[("azure/key", ochre_servers::BlobServer::KEY)], Path::new(NO_PROGRAM));
    let mut session = Double::new(&storage, Path::new("/"));
    assert!(session.run("%credential").await.expect("lists").starts_with("no credential was chosen yet"));
    let said = session.run("%credential az://pictures@acct secret:azure/key").await.expect("configures");
    assert_eq!(said, "az://pictures@acct: secret:azure/key (account key) is used from now on");
    let list = session.run("%credential").await.expect("lists");
    assert!(list.contains("az://pictures@acct") && list.contains("secret:azure/key") && !list.contains(ochre_servers::BlobServer::KEY), "{list}");
    storage.accounts().grant(&ochre_blobs::Location::parse("az://pictures@acct").expect("a location"), false).await.expect("a grant");
    assert!(!redactor.text(&format!("key {} end", ochre_servers::BlobServer::KEY)).contains(ochre_servers::BlobServer::KEY), "the redactor knows it once it is used");
}

#[tokio::test]
async fn what_is_typed_wrongly_is_said_with_what_to_do() {
    let (storage, _) = storage(&[], Path::new(NO_PROGRAM));
    let root = tempfile::tempdir().expect("a directory");
    let mut session = Double::new(&storage, root.path());
    for (line, expected) in [
        ("%credential az://c@a secret:no/such", "there is no secret no/such"),
        ("%credential az://c@a nonsense", "that is no credential word"),
        ("%credential nonsense auto", "it has no scheme"),
        ("%credential s3://b anonymous --endpoint http://example.org", "plain http is for this machine only"),
        ("%ls az://c@a?sig=abc", "it carries a signature"),
        ("%ls https://example.org/x", "web servers do not say what they hold"),
        ("%ls nowhere", "does not exist"),
        ("%cp nowhere /tmp/x", "cannot read"),
        ("%cp . /tmp/x", "is a directory"),
        ("%cp a https://example.org/x", "cannot read"),
        ("%mount https://example.org/x data", "a web server cannot be mounted"),
        ("%mount /tmp data", "is on this machine already"),
        ("%mount az://c@a data --cache many", "`many` is no size"),
        ("%mount az://c@a data --read-only --overwrite", "contradict each other"),
        ("%unmount data", "nothing is mounted at"),
        ("%unmount", "%unmount needs DIR"),
        ("%unzip nowhere.zip data", "cannot read"),
        ("%unzip a.zip data --max-size many", "`many` is no size"),
        ("%ls . -o 1x", "is no name of a variable"),
    ] {
        let said = session.refused(line).await;
        assert!(said.contains(expected), "{line}: {said}");
    }
}

#[tokio::test]
async fn ls_asks_the_cells_for_a_frame() {
    // What is listed is a frame.
    let (storage, _) = storage(&[], Path::new(NO_PROGRAM));
    let root = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(root.path().join("my data")).expect("a directory");
    let mut session = Double::new(&storage, root.path());
    session.run("%ls az://c@a/b").await.expect("runs");
    session.run("%ls s3://b -r -o files").await.expect("runs");
    session.run("%ls 'my data'").await.expect("runs");
    let path = root.path().canonicalize().expect("is there").join("my%20data");
    let local = format!("ochre::__stores::listing(\"file://{}\", false)?", path.display());
    assert_eq!(session.ran, ["ochre::__stores::listing(\"az://c@a/b\", false)?", "let files = ochre::__stores::listing(\"s3://b/\", true)?;\nfiles", &local]);
    session.engine = "evcxr";
    std::fs::write(root.path().join("my data/x"), "12345").expect("writes");
    assert_eq!(session.run("%ls 'my data'").await.expect("lists"), "name  size\nx     5 bytes");
}
