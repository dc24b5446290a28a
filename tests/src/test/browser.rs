//! JupyterLab in Chromium, as a person would see it: a notebook is opened, all its cells are run, and its frames, its
//! chart (and pictures) are there. The screenshots are kept.
use super::emulated::Emulated;
use super::{Context, Tally};
use crate::host::{self, Server};
use crate::peers::{Browser, Python};
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// JupyterLab starts in about 3 s on an idle machine; a busy one takes a while longer.
const SERVER_START: Duration = Duration::from_secs(90);
/// Between two looks at the file in which the server says its address.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A notebook, what of it is in the picture, and the file of that.
struct Shown {
    notebook: &'static str,
    /// A CSS selector: its last element is at the lower end of the picture.
    view: &'static str,
    picture: &'static str,
}

const SHOWN: [Shown; 5] = [
    Shown { notebook: "01-first-cells.ipynb", view: ".jp-OutputArea-output .vega-embed", picture: "lab.png" },
    Shown { notebook: "02-storage.ipynb", view: ".jp-OutputArea-output img", picture: "lab-02.png" },
    Shown { notebook: "03-runs.ipynb", view: ".jp-OutputArea-output .vega-embed", picture: "lab-03.png" },
    Shown { notebook: "05-cifar10.ipynb", view: ".jp-OutputArea-output .vega-embed", picture: "lab-05.png" },
    Shown { notebook: "06-digits.ipynb", view: ".jp-OutputArea-output .vega-embed", picture: "lab-06.png" },
];

/// One test for each notebook.
pub fn run(context: &Context) -> anyhow::Result<Tally> {
    let python = Python::install(&context.built)?;
    let browser = Browser::install(&context.built)?;
    context.install_kernel()?;
    let mut tally = Tally::default();
    for shown in &SHOWN {
        tally.count(&format!("JupyterLab runs {} and shows its frames and its chart", shown.notebook), run_notebook(context, &python, &browser, shown));
    }
    Ok(tally)
}

fn run_notebook(context: &Context, python: &Python, browser: &Browser, shown: &Shown) -> anyhow::Result<()> {
    let work = copy_notebooks(context)?;
    let storage = Emulated::for_notebook(context, &work.join(shown.notebook))?;
    let (server, url, token) = start_lab(context, python, &work, storage.as_ref())?;
    let screenshot = context.logs.join(shown.picture);
    let _ = std::fs::remove_file(&screenshot);
    // Imports of a module are resolved from where it lies, so the script runs beside the driver.
    let script = browser.modules.join("lab.mjs");
    std::fs::copy(context.built.source.join("tests/browser/lab.mjs"), &script)?;
    let output = Command::new(&browser.node)
        .arg(&script)
        .args([&url, &token, shown.notebook])
        .arg(&screenshot)
        .arg(shown.view)
        .env("CHROMIUM", &browser.chromium)
        .stdin(Stdio::null())
        .output()
        .context("cannot start node")?;
    drop(server);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{}", said.trim());
    }
    println!("   {}; picture in {}", said.trim(), screenshot.display());
    Ok(())
}

/// The notebooks are saved by JupyterLab: it gets copies.
fn copy_notebooks(context: &Context) -> anyhow::Result<PathBuf> {
    let work = host::scratch(&context.built.source, "lab")?;
    let directory = context.built.source.join("notebooks");
    for shown in &SHOWN {
        std::fs::copy(directory.join(shown.notebook), work.join(shown.notebook))?;
    }
    let data = work.join("data");
    std::fs::create_dir_all(&data)?;
    for entry in std::fs::read_dir(directory.join("data"))?.flatten() {
        std::fs::copy(entry.path(), data.join(entry.file_name()))?;
    }
    Ok(work)
}

/// Starts the server on a free port; gives its address and token, which it writes into its runtime directory.
fn start_lab(context: &Context, python: &Python, work: &Path, storage: Option<&Emulated>) -> anyhow::Result<(Server, String, String)> {
    let runtime = host::scratch(&context.built.source, "home/runtime")?;
    // No question about news over the picture.
    let settings = host::scratch(&context.built.source, "home/config/labconfig")?;
    std::fs::write(settings.join("page_config.json"), r#"{"disabledExtensions":{"@jupyterlab/apputils-extension:announcements":true}}"#)?;
    let log = std::fs::File::create(context.logs.join("lab.log"))?;
    let mut command = context.jupyter_command(python, "jupyter-lab")?;
    Emulated::offer(storage, &mut command);
    command
        .args(["--no-browser", "--ip=127.0.0.1", "--ServerApp.port=0", "--allow-root"])
        // The test asks the application itself to run all cells.
        .arg("--LabApp.expose_app_in_browser=True")
        .arg(format!("--ServerApp.root_dir={}", work.display()))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut server = Server(command.spawn().context("cannot start JupyterLab")?);
    let file = runtime.join(format!("jpserver-{}.json", server.0.id()));
    let started = Instant::now();
    loop {
        if let Some(found) = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok()) {
            let field = |name: &str| found[name].as_str().unwrap_or_default().to_string();
            return Ok((server, field("url"), field("token")));
        }
        if let Some(status) = server.0.try_wait()? {
            bail!("JupyterLab ended with {status}; see {}", context.logs.join("lab.log").display());
        }
        if started.elapsed() > SERVER_START {
            bail!("JupyterLab wrote no {} within {} s", file.display(), SERVER_START.as_secs());
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
