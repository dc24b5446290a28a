//! MLflow's pages on our file, in a browser: the run with its values, and an artifact. `OCHRE_SCREENSHOT` names a folder that keeps the pictures.
mod support;

use ochre_servers::Mlflow;
use ochre_tracking::{FromEnvironment, open};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A page is there after some seconds, on a machine that is busy after some more.
const LIMIT: Duration = Duration::from_secs(90);

/// The page's document once it holds all of `wanted`; takes a picture of it.
fn look(url: &str, wanted: &[&str], picture: &Path) {
    let chromium = ochre_servers::storage_program("chromium").expect("`cargo xtask test` installs chromium");
    let profile = tempfile::tempdir().unwrap();
    let page = |seconds: u32, more: &[String]| {
        let mut command = Command::new(&chromium);
        command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]);
        command.args(["--window-size=1400,1100", &format!("--virtual-time-budget={}", seconds * 1000), &format!("--user-data-dir={}", profile.path().display())]);
        let output = command.args(more).arg(url).output().expect("chromium starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let began = Instant::now();
    let mut seconds = 10;
    loop {
        let document = page(seconds, &["--dump-dom".into()]);
        let missing: Vec<&&str> = wanted.iter().filter(|text| !document.contains(**text)).collect();
        if missing.is_empty() {
            break;
        }
        assert!(began.elapsed() < LIMIT, "{url} lacks {missing:?}; it has\n{}", document.chars().rev().take(3000).collect::<String>().chars().rev().collect::<String>());
        seconds *= 2;
    }
    page(seconds, &[format!("--screenshot={}", picture.display())]);
    assert!(std::fs::metadata(picture).is_ok_and(|about| about.len() > 10_000), "no picture of {url}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mlflows_pages_show_what_is_in_our_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap().join("mlflow.db");
    let store = open(&format!("sqlite:///{}", path.display()), Arc::new(FromEnvironment::of([("", ""); 0]))).await.unwrap();
    let run = support::fill(&*store, "our experiment").await;
    let pictures = std::env::var_os("OCHRE_SCREENSHOT").map_or_else(|| directory.path().to_owned(), Into::into);
    tokio::task::spawn_blocking(move || {
        let server = Mlflow::over(Some(path)).unwrap();
        let page = |rest: &str| format!("{}/#/experiments/{}{rest}", server.endpoint(), run.experiment_id);
        let one = format!("/runs/{}", run.id);
        look(&page(&one), &["ours", "val/acc ü", "tree", "wine"], &pictures.join("run.png"));
        look(&page(&format!("{one}/artifacts")), &["notes", "model"], &pictures.join("artifacts.png"));
    })
    .await
    .unwrap();
}
