//! The encrypted file: passphrase, key file, and several kernels at a time.
use super::*;

fn at(directory: &Path) -> Sealed {
    Sealed::new(directory.join("data/secrets.age"), directory.join("config/secrets.key"))
}

#[tokio::test]
async fn a_passphrase_opens_the_file_and_a_wrong_one_is_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let sealed = at(directory.path());
    assert_eq!(sealed.needs(), Needs::NewPassphrase);
    sealed.unlock("correct horse".into()).await.expect("there is no file yet");
    sealed.set("shop", "db", &"v4lue-one".into()).await.expect("is kept");
    let bytes = std::fs::read(sealed.path()).expect("the file");
    assert!(bytes.starts_with(b"age-encryption.org/v1\n-> scrypt"), "age's own format");
    assert!(!bytes.windows(9).any(|w| w == b"v4lue-one"));
    assert_eq!(std::fs::metadata(sealed.path()).expect("the file").permissions().mode() & 0o777, 0o600);

    let again = at(directory.path());
    assert_eq!(again.needs(), Needs::Passphrase);
    assert!(matches!(again.get("shop", "db").await, Err(VaultError::Locked { .. })));
    assert!(matches!(again.unlock("wrong".into()).await, Err(VaultError::WrongPassphrase { .. })));
    assert_eq!(again.needs(), Needs::Passphrase, "a wrong one is not kept");
    again.unlock("correct horse".into()).await.expect("opens");
    assert_eq!(again.get("shop", "db").await.expect("reads").expect("is there").expose(), "v4lue-one");
    assert!(again.delete("shop", "db").await.expect("deletes") && !again.delete("shop", "db").await.expect("is gone"));
    // The other one sees it: what it has read is of an older file.
    assert!(sealed.get("shop", "db").await.expect("reads").is_none());
}

#[tokio::test]
async fn a_key_file_opens_it_without_a_question_and_must_be_the_users_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let sealed = at(directory.path());
    sealed.make_key().expect("a key");
    assert_eq!(sealed.needs(), Needs::Nothing);
    sealed.set("a", "b", &"v4lue-two".into()).await.expect("is kept");
    let again = at(directory.path());
    assert_eq!(again.get("a", "b").await.expect("reads").expect("is there").expose(), "v4lue-two");

    std::fs::set_permissions(sealed.key_path(), std::fs::Permissions::from_mode(0o644)).expect("changes");
    assert!(matches!(at(directory.path()).get("a", "b").await, Err(VaultError::OpenToOthers { mode: 0o644, .. })));
    std::fs::remove_file(sealed.key_path()).expect("is gone");
    sealed.make_key().expect("another key");
    assert!(matches!(at(directory.path()).get("a", "b").await, Err(VaultError::WrongKey { .. })));
    std::fs::write(sealed.path(), b"not an age file").expect("writes");
    assert!(matches!(at(directory.path()).get("a", "b").await, Err(VaultError::Broken { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_at_the_same_time_lose_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    at(directory.path()).make_key().expect("a key");
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        // Each as another kernel would.
        let sealed = at(directory.path());
        tasks.spawn(async move { sealed.set("many", &format!("k{n}"), &format!("v4lue-{n}").into()).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no panic").expect("is kept");
    }
    assert_eq!(at(directory.path()).list().await.expect("reads").len(), 20);
    let left: Vec<_> = std::fs::read_dir(directory.path().join("data")).expect("the directory").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 2, "the file and its lock: {left:?}");
}
