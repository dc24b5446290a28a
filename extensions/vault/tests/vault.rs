//! The vault over real places: directories, an encrypted file, GNOME Keyring on a bus of its own, and Databricks' interface on a socket.
//!
//! Sentences of SEMANTICS.md that are proved here:
//! - "A secret is looked for in the session, the environment, mounted files, the keyring and the encrypted file, in this order."
//! - "New secrets go to the keyring where there is one, and else into the encrypted file."
//! - "Whatever is read from a secret store is taken out of everything that is shown afterwards."
mod keyring;

use ochre_secrets::Redactor;
use ochre_vault::{Keyring, Setup, Vault};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Everything below one directory, and no keyring.
fn setup(directory: &Path) -> Setup {
    Setup {
        redactor: Redactor::new(),
        azure: ochre_azure::Environment::default(),
        variables: Vec::new(),
        directories: vec![directory.join("mounted")],
        file: directory.join("secrets.age"),
        key: directory.join("secrets.key"),
        keyring: Keyring::at("unix:path=/nowhere/bus"),
    }
}

async fn value(vault: &Vault, name: &str) -> String {
    vault.get(name).await.unwrap_or_else(|failure| panic!("{name}: {failure}")).expose().to_owned()
}

#[tokio::test]
async fn backends_are_looked_through_in_their_order_and_values_are_known() {
    let directory = tempfile::tempdir().expect("a directory");
    let mounted = directory.path().join("mounted");
    std::fs::create_dir_all(mounted.join("shop")).expect("a directory");
    std::fs::write(mounted.join("shop/db"), "from-a-file\n").expect("a file");
    std::fs::write(mounted.join("shop/key"), "key-of-a-file").expect("a file");
    std::fs::write(mounted.join("flat_name"), "flat-in-docker").expect("a file");
    let mut parts = setup(directory.path());
    parts.variables = vec![("SHOP_DB".into(), "from-a-variable".into()), ("CI_API_TOKEN".into(), "t0ken-of-ci".into())];
    let redactor = parts.redactor.clone();
    let vault = Vault::new(parts);
    assert_eq!(redactor.text("a from-a-variable b"), "a [REDACTED] b", "the environment is known from the start");

    assert_eq!(value(&vault, "shop/db").await, "from-a-variable");
    assert_eq!(value(&vault, "secret:ci/api-token").await, "t0ken-of-ci");
    assert_eq!(redactor.text("from-a-file"), "from-a-file", "nobody has read it yet");
    assert_eq!(value(&vault, "files:shop/db").await, "from-a-file", "without the line break");
    assert_eq!(redactor.text("from-a-file"), "[REDACTED]");
    assert_eq!(value(&vault, "shop/key").await, "key-of-a-file");
    assert_eq!(value(&vault, "flat/name").await, "flat-in-docker");
    assert_eq!(format!("{:?}", vault.get("shop/key").await.expect("is there")), "Secret(shop/key)");

    let missing = vault.get("shop/none").await.expect_err("is not there");
    assert_eq!(missing.message, "there is no secret `shop/none` (looked in: session, environment, files, keyring, file)");
    assert!(missing.hint.is_some_and(|hint| hint.contains("%secret set shop/none")));
    assert!(vault.get("nowhere:a/b").await.expect_err("no such backend").message.contains("no backend `nowhere`"));
    assert!(vault.get("../etc/passwd").await.is_err());
    let unreachable = vault.get("keyring:a/b").await.expect_err("there is no bus");
    assert_eq!(unreachable.message, "the system keyring cannot be used: there is no session bus (D-Bus) here");
}

/// Answers requests of Databricks' interface until the test ends: `shop/db` is there.
async fn databricks() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("its address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = vec![0; 8192];
                let n = stream.read(&mut bytes).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&bytes[..n]).into_owned();
                let (status, body) = match head.lines().next().unwrap_or_default() {
                    line if !head.to_lowercase().contains("authorization: bearer dapi-of-tests") => (403, format!("{{\"message\": \"{line}\"}}")),
                    line if line.contains("/api/2.0/secrets/get?") && line.contains("scope=shop") && line.contains("key=db") => (200, r#"{"key": "db", "value": "YnJpY2tzLXZhbHVl"}"#.into()),
                    line if line.contains("/secrets/scopes/list") => (200, r#"{"scopes": [{"name": "shop"}]}"#.into()),
                    line if line.contains("/secrets/list") => (200, r#"{"secrets": [{"key": "db"}]}"#.into()),
                    _ => (404, r#"{"error_code": "RESOURCE_DOES_NOT_EXIST"}"#.into()),
                };
                let answer = format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn databricks_scopes_are_named_before_the_colon() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut parts = setup(directory.path());
    parts.azure = ochre_azure::Environment::of([("DATABRICKS_HOST", databricks().await), ("DATABRICKS_TOKEN", "dapi-of-tests".into())]);
    let redactor = parts.redactor.clone();
    let vault = Vault::new(parts);
    assert_eq!(value(&vault, "databricks:shop/db").await, "bricks-value");
    assert_eq!(redactor.text("bricks-value YnJpY2tzLXZhbHVl"), "[REDACTED] [REDACTED]");
    assert!(vault.get("databricks:shop/other").await.expect_err("404").message.contains("there is no secret `databricks:shop/other`"));
    assert!(vault.get("shop/db").await.is_err(), "it is not looked through unless it is named");
}
