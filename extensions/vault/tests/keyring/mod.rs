//! GNOME Keyring on a bus of its own, with a home of its own: nothing of the user's keyring is touched.
use ochre_secrets::{Redactor, Secret};
use ochre_vault::{Keyring, Setup, Vault};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A bus and a keyring with the password `keyring password`.
struct Desktop {
    address: String,
    children: Vec<Child>,
    home: tempfile::TempDir,
}

impl Drop for Desktop {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn needed(program: &str, package: &str) -> String {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    assert!(std::env::split_paths(&paths).any(|dir| dir.join(program).exists()), "{program} is missing: `cargo xtask test` installs it (apt: {package})");
    program.to_owned()
}

impl Desktop {
    fn start() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let mut bus = Command::new(needed("dbus-daemon", "dbus-daemon"));
        // Without service files the bus starts no keyring by itself, which would be another one.
        bus.env("XDG_DATA_DIRS", home.path()).env("XDG_DATA_HOME", home.path()).env("HOME", home.path());
        let mut bus = bus.args(["--session", "--nofork", "--print-address=1"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
        let mut address = String::new();
        BufReader::new(bus.stdout.take().expect("its output")).read_line(&mut address).expect("says its address");
        Self { address: address.trim().to_owned(), children: vec![bus], home }
    }

    /// Starts the keyring, which makes or opens its default collection.
    fn keyring(&mut self) {
        let home = self.home.path();
        let run = home.join("run");
        for directory in [&run, &home.join("data")] {
            std::fs::create_dir_all(directory).expect("a directory");
        }
        let mut command = Command::new(needed("gnome-keyring-daemon", "gnome-keyring"));
        command.args(["--foreground", "--components=secrets"]).env("HOME", home).env("XDG_DATA_HOME", home.join("data")).env("XDG_RUNTIME_DIR", &run);
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address).env_remove("DISPLAY").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.arg("--unlock").spawn().expect("starts");
        child.stdin.take().expect("its input").write_all(b"keyring password").expect("takes the password");
        self.children.push(child);
    }

    fn end_keyring(&mut self) {
        let mut child = self.children.pop().expect("the keyring");
        child.kill().expect("ends");
        child.wait().expect("ends");
    }

    fn vault(&self, directory: &Path) -> (Vault, Redactor) {
        let redactor = Redactor::new();
        let setup = Setup {
            redactor: redactor.clone(),
            azure: ochre_azure::Environment::default(),
            variables: Vec::new(),
            directories: Vec::new(),
            file: directory.join("secrets.age"),
            key: directory.join("secrets.key"),
            keyring: Keyring::at(&self.address),
        };
        (Vault::new(setup), redactor)
    }
}

/// A vault with a keyring that takes secrets. Asked in the middle of its start, GNOME's says for ever that it has no collection: it is first asked
/// when its collection lies on the disk, and another is started when that was too early.
async fn started(desktop: &mut Desktop, directory: &Path) -> (Vault, Redactor) {
    let collection = desktop.home.path().join("data/keyrings/login.keyring");
    let mut last = None;
    for pause in [100, 500, 1000, 2000, 4000] {
        desktop.keyring();
        let end = Instant::now() + Duration::from_secs(10);
        while !collection.exists() && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let (vault, redactor) = desktop.vault(directory);
        match vault.keep("keyring:is/ready", &Secret::from("any-value")).await {
            Ok(_) => return (vault, redactor),
            Err(failure) => last = Some(failure),
        }
        desktop.end_keyring();
    }
    panic!("the keyring did not come: {last:?}")
}

#[tokio::test]
async fn gnome_keyring_keeps_secrets_over_its_restart() {
    let mut desktop = Desktop::start();
    let directory = tempfile::tempdir().expect("a directory");
    let (vault, redactor) = started(&mut desktop, directory.path()).await;
    assert_eq!(vault.keep("keyring:shop/db", &"k3yring-välue".into()).await.expect("is kept"), "keyring");
    assert_eq!(vault.get("shop/db").await.expect("is there").expose(), "k3yring-välue");
    assert_eq!(redactor.text("k3yring-välue"), "[REDACTED]");
    // New secrets go to the keyring where there is one, and else into the encrypted file.
    assert_eq!(vault.keep("shop/other", &"another-value".into()).await.expect("is kept"), "keyring");
    vault.keep("shop/db", &"k3yring-changed".into()).await.expect("is replaced");
    assert_eq!(vault.get("keyring:shop/db").await.expect("is there").expose(), "k3yring-changed");

    // Another client of the same interface, libsecret's own tool, reads what we wrote.
    if let Ok(found) = Command::new("secret-tool").args(["lookup", "application", "ochre", "scope", "shop", "key", "db"]).env("DBUS_SESSION_BUS_ADDRESS", &desktop.address).output() {
        assert_eq!(String::from_utf8_lossy(&found.stdout), "k3yring-changed");
    }

    desktop.end_keyring();
    let (again, _) = started(&mut desktop, directory.path()).await;
    assert_eq!(again.get("shop/db").await.expect("is still there").expose(), "k3yring-changed");
    // A vault that spoke to the one before begins anew, after one failure.
    let _ = vault.get("keyring:shop/db").await;
    assert_eq!(vault.get("keyring:shop/db").await.expect("is still there").expose(), "k3yring-changed");
    assert_eq!(vault.forget("shop/db").await.expect("deletes"), ["keyring"]);
    assert!(vault.get("shop/db").await.is_err());
}
