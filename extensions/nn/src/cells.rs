//! How this crate's values are shown in a notebook: tables and curves. Only with the feature `cells`.
use crate::data::{Cifar10, Dataset};
use crate::fit::{Evaluation, History};
use crate::summary::Summary;
use crate::{Nn, NnError};
use ochre_plots::{Chart, plot};
use ochre_runtime::{Mime, Show, display_as, shown::escape};
use polars::prelude::{Column, DataFrame};

const STYLE: &str = "border-collapse:collapse;border:none;font-size:13px;font-variant-numeric:tabular-nums";

/// Rows of texts under headings; columns from `numbers` on stand on the right.
fn table(headings: &[&str], rows: &[Vec<String>], numbers: usize) -> String {
    let align = |column: usize| if column < numbers { "left" } else { "right" };
    let mut html = format!("<table style=\"{STYLE}\"><thead><tr>");
    for (column, heading) in headings.iter().enumerate() {
        html += &format!("<th style=\"text-align:{};padding:3px 10px;border-bottom:1px solid rgba(128,128,128,.5)\">{}</th>", align(column), escape(heading));
    }
    html += "</tr></thead><tbody>";
    for row in rows {
        html += "<tr>";
        for (column, cell) in row.iter().enumerate() {
            html += &format!("<td style=\"text-align:{};padding:2px 10px;white-space:pre\">{}</td>", align(column), escape(cell));
        }
        html += "</tr>";
    }
    html + "</tbody></table>"
}

fn note(text: &str) -> String {
    format!("<div style=\"margin:4px 0 0 10px;font-size:85%;opacity:.65\">{}</div>", escape(text))
}

/// Replaces the table of a training under way by the newest.
pub fn live(id: u64, history: &History) {
    let html = format!("{}{}", table(&history.headings(), &history.cells(), 0), note(&format!("{} of {} epochs", history.epochs.len(), history.wanted)));
    let mime = Mime::new().with_text("text/html", html).with_text("text/plain", history.to_string());
    display_as(&format!("ochre-fit-{}-{id}", std::process::id()), &mime);
}

impl History {
    /// The epochs as a frame: a row for each.
    pub fn frame(&self) -> Result<DataFrame, NnError> {
        let of = |name: &str, value: fn(&crate::fit::Epoch) -> Option<f64>| Column::new(name.into(), self.epochs.iter().map(value).collect::<Vec<Option<f64>>>());
        let mut columns = vec![Column::new("epoch".into(), self.epochs.iter().map(|e| e.number as i64).collect::<Vec<i64>>()), of("loss", |e| Some(e.loss))];
        columns.extend([of("accuracy", |e| e.accuracy), of("validation_loss", |e| e.validation_loss), of("validation_accuracy", |e| e.validation_accuracy)]);
        columns.extend([of("rate", |e| Some(e.rate)), of("seconds", |e| Some(e.seconds))]);
        DataFrame::new_infer_height(columns).map_err(|e| NnError::Data(e.to_string()))
    }

    /// Curves of loss and accuracy over the epochs, of training and validation, in a panel each.
    pub fn chart(&self) -> Result<Chart, NnError> {
        let (mut epochs, mut values, mut data, mut panels) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for epoch in &self.epochs {
            let points = [("loss", "training", Some(epoch.loss)), ("loss", "validation", epoch.validation_loss), ("accuracy", "training", epoch.accuracy), ("accuracy", "validation", epoch.validation_accuracy)];
            for (panel, source, value) in points {
                if let Some(value) = value.filter(|v| v.is_finite()) {
                    epochs.push(epoch.number as f64);
                    values.push(value);
                    data.push(source);
                    panels.push(panel);
                }
            }
        }
        let columns = vec![Column::new("epoch".into(), epochs), Column::new("value".into(), values), Column::new("data".into(), data), Column::new("measure".into(), panels)];
        let frame = DataFrame::new_infer_height(columns).map_err(|e| NnError::Data(e.to_string()))?;
        Ok(plot(&frame).line("epoch", "value").color("data").facet("measure").title(self.note()))
    }
}

impl Show<Nn> for History {
    fn show(&self) -> Mime {
        let as_table = || {
            let html = format!("{}{}", table(&self.headings(), &self.cells(), 0), note(&self.note()));
            Mime::new().with_text("text/html", html)
        };
        // A single epoch is a point and no curve.
        let shown = if self.epochs.len() < 2 { as_table() } else { self.chart().map_or_else(|_| as_table(), |chart| chart.show()) };
        shown.with_text("text/plain", self.to_string())
    }
}

impl Show<Nn> for Summary {
    fn show(&self) -> Mime {
        let rows: Vec<Vec<String>> = self.cells().into_iter().map(|row| row.to_vec()).collect();
        let html = format!("{}{}", table(&["name", "layer", "output", "parameters"], &rows, 2), note(&self.totals()));
        Mime::new().with_text("text/html", html).with_text("text/plain", self.to_string())
    }
}

impl Evaluation {
    /// The confusion matrix as a heat map: true classes down, said ones across.
    pub fn chart(&self) -> Result<Chart, NnError> {
        let name = |i: usize| self.classes.get(i).cloned().unwrap_or_else(|| i.to_string());
        let (mut truth, mut said, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for (t, row) in self.confusion().into_iter().enumerate() {
            for (s, count) in row.into_iter().enumerate() {
                truth.push(name(t));
                said.push(name(s));
                counts.push(count as f64);
            }
        }
        let columns = vec![Column::new("true".into(), truth), Column::new("predicted".into(), said), Column::new("samples".into(), counts)];
        let frame = DataFrame::new_infer_height(columns).map_err(|e| NnError::Data(e.to_string()))?;
        Ok(plot(&frame).heatmap("predicted", "true", "samples").title(self.to_string()))
    }
}

macro_rules! as_text {
    ($($type:ty),*) => {
        $(impl Show<Nn> for $type {
            fn show(&self) -> Mime {
                ochre_runtime::text(self.to_string())
            }
        })*
    };
}
as_text!(Evaluation, Dataset, Cifar10, crate::layers::Sequential, crate::onnx::Model);
