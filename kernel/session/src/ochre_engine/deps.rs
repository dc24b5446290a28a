//! `%dep`: a crate built once and linked by cells.
use super::{OchreEngine, report, say};
use crate::engine::{Context, Outcome};
use crate::front::Output;
use ochre_cells::dependencies::{Added, DependencyError, Progress};
use ochre_link::{Bundle, Data};
use tokio::sync::mpsc;

/// Progress messages that may wait for the front end.
const MAX_PROGRESS: usize = 64;

impl OchreEngine {
    pub(super) async fn depend(&mut self, name: &str, requirement: &str, context: &Context) -> Outcome {
        let (sender, mut progress) = mpsc::channel(MAX_PROGRESS);
        let mut stop = self.controls.stop();
        let id = format!("ochre-dep-{}", self.next_cell);
        self.next_cell += 1;
        let model = self.notebook.model.clone();
        let build = self.parts.dependencies.add(&self.parts.prelude, &model, name, requirement, sender, &mut stop);
        tokio::pin!(build);
        let built = loop {
            tokio::select! {
                built = &mut build => break built,
                Some(step) = progress.recv() => show(&step, &id, context).await,
            }
        };
        match built {
            Ok(Added::Already { version }) => {
                say(&context.output, &format!("`{name}` {version} is here already; `use` it.\n")).await;
                Outcome::Ok(None)
            }
            Ok(Added::Layer { layer, cached }) => {
                let found = layer.shared.iter().find(|s| s.direct);
                let version = found.map(|s| s.version.as_str()).unwrap_or_default();
                let how = if cached { "from the cache" } else { "built" };
                let mut text = format!("`{name}` {version} {how}.\n");
                if !layer.private_copies.is_empty() {
                    text.push_str(&format!(
                        "It has copies of its own of {}, because it asks for features that the shared ones lack: their types are not those of the other cells.\n",
                        layer.private_copies.join(", ")
                    ));
                }
                say(&context.output, &text).await;
                self.notebook.model.layers.push(layer);
                Outcome::Ok(None)
            }
            Err(DependencyError::Interrupted) => Outcome::Error(report::interrupted("the build stopped; nothing has changed")),
            Err(error) => Outcome::Error(report::of_error(&format!("`{name}` could not be added"), &error)),
        }
    }
}

async fn show(step: &Progress, id: &str, context: &Context) {
    let bundle = Bundle::default()
        .with("text/html", Data::Text(format!("<progress value=\"{}\" max=\"{}\"></progress> {}", step.done, step.total.max(1), step.text)))
        .with("text/plain", Data::Text(format!("[{}/{}] {}", step.done, step.total, step.text)));
    let _ = context.output.send(Output::Display { bundle, id: Some(id.to_owned()), update: step.done > 0 }).await;
}
