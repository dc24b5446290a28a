//! How this crate's values are shown in a notebook: tables and curves. Only with the feature `cells`.
use crate::data::{Cifar10, Dataset, Source};
use crate::fit::{Evaluation, History};
use crate::summary::{Summary, grouped};
use crate::{Nn, NnError};
use ochre_plots::{Chart, Charts, ImagesGrid, Picture, charts, images, plot};
use ochre_runtime::{Mime, Show, display_as, shown::escape};
use ochre_tensors::{DType, Tensor};
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

    /// Curves of loss and accuracy over the epochs, of training and validation, in a chart each with its own scale.
    pub fn chart(&self) -> Result<Charts, NnError> {
        let loss = self.curves("loss", [|e| Some(e.loss), |e| e.validation_loss])?;
        let accuracy = self.curves("accuracy in %", [|e| e.accuracy.map(|a| 100.0 * a), |e| e.validation_accuracy.map(|a| 100.0 * a)])?;
        Ok(charts(&self.note(), &[loss, accuracy].into_iter().flatten().collect::<Vec<_>>()))
    }

    /// One measure of training and validation, where it was taken.
    fn curves(&self, name: &str, of: [fn(&crate::fit::Epoch) -> Option<f64>; 2]) -> Result<Option<Chart>, NnError> {
        let (mut epochs, mut values, mut data) = (Vec::new(), Vec::new(), Vec::new());
        for (source, value) in ["training", "validation"].into_iter().zip(of) {
            for epoch in &self.epochs {
                if let Some(value) = value(epoch).filter(|v| v.is_finite()) {
                    epochs.push(epoch.number as f64);
                    values.push(value);
                    data.push(source);
                }
            }
        }
        if values.is_empty() {
            return Ok(None);
        }
        let columns = vec![Column::new("epoch".into(), epochs), Column::new(name.into(), values), Column::new("data".into(), data)];
        let frame = DataFrame::new_infer_height(columns).map_err(|e| NnError::Data(e.to_string()))?;
        Ok(Some(plot(&frame).line("epoch", name).color("data")))
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

/// Columns of a grid of pictures.
const COLUMNS: usize = 6;
/// The side that each is shown at, in CSS pixels: wide enough for two classes' names.
const SIDE: usize = 104;

impl Evaluation {
    /// Up to `count` pictures of the data that were judged, with what was said of them: wrong ones first (half of them at the most), in red with the
    /// truth in parentheses, then others in their order.
    pub fn pictures(&self, data: &dyn Source, count: usize) -> Picture {
        let Some(data) = data.loader(1, None).map(|l| l.data().clone()).filter(|d| d.len() == self.targets.len()) else {
            return Picture::failed(ochre_plots::PlotError::Empty("these are not the data that were judged".to_owned()));
        };
        let wrong = self.wrong();
        let mut picked: Vec<usize> = wrong.iter().copied().take(count / 2).collect();
        let red: Vec<usize> = (0..picked.len()).collect();
        let others = (0..data.len()).filter(|i| wrong.binary_search(i).is_err());
        picked.extend(others.take(count - red.len()));
        let number = |tensor: &Tensor, i: usize| tensor.select(0, i as i64).to_dtype(DType::I64).item() as i64;
        let label = |(place, &i): (usize, &usize)| {
            let (said, truth) = (self.class(number(&self.predictions, i)), self.class(number(&self.targets, i)));
            if place < red.len() { format!("{said} ({truth})") } else { said }
        };
        let labels: Vec<String> = if self.accuracy.is_some() { picked.iter().enumerate().map(label).collect() } else { Vec::new() };
        grid(&data.subset(&picked).inputs(), labels, &red)
    }

    /// A row for each class: how many samples, the share that was said right, and what it was most often taken for.
    fn by_class(&self) -> Vec<Vec<String>> {
        let row = |(class, (counts, right)): (usize, (Vec<usize>, Option<f64>))| {
            let mistaken = counts.iter().enumerate().filter(|(said, count)| *said != class && **count > 0).max_by_key(|(said, count)| (**count, usize::MAX - said));
            let mistaken = mistaken.map(|(said, count)| format!("{} ({count})", self.class(said as i64))).unwrap_or_default();
            vec![self.class(class as i64), mistaken, grouped(counts.iter().sum()), right.map(|r| format!("{:.1}%", 100.0 * r)).unwrap_or_default()]
        };
        self.confusion().into_iter().zip(self.accuracies()).enumerate().map(row).collect()
    }

    /// The confusion matrix as a heat map: true classes down, said ones across.
    pub fn chart(&self) -> Result<Chart, NnError> {
        let name = |i: usize| self.class(i as i64);
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

impl Show<Nn> for Evaluation {
    fn show(&self) -> Mime {
        let text = ochre_runtime::text(self.to_string());
        let rows = self.by_class();
        if rows.is_empty() {
            return text;
        }
        let html = format!("{}{}", table(&["class", "most often taken for", "samples", "right"], &rows, 2), note(&self.to_string()));
        text.with_text("text/html", html)
    }
}

impl Dataset {
    /// The first pictures of the data, each with its class below it.
    pub fn pictures(&self, count: usize) -> Picture {
        let some = self.take(count);
        let named = some.targets().rank() == 1 && !some.targets().dtype().is_float();
        let classes = if named { some.targets().to_vec::<i64>() } else { Vec::new() };
        grid(&some.inputs(), classes.into_iter().map(|class| self.class(class)).collect(), &[])
    }
}

/// Pictures `[N, C, H, W]` with labels, some in red.
fn grid(pictures: &Tensor, labels: Vec<String>, red: &[usize]) -> Picture {
    if pictures.rank() < 3 {
        return Picture::failed(ochre_plots::PlotError::Empty(format!("these are no pictures [N, C, H, W]: a sample is {:?}", &pictures.shape()[pictures.rank().min(1)..])));
    }
    let side = pictures.shape()[2..].iter().copied().max().unwrap_or(1).max(1);
    images(&pictures.unbind(0), ImagesGrid::columns(COLUMNS).labels(labels).marked(red).scale((SIDE / side).max(1) as f64))
}

impl Show<Nn> for Dataset {
    fn show(&self) -> Mime {
        shown_data(&[("all", self)], self.to_string())
    }
}

impl Show<Nn> for Cifar10 {
    fn show(&self) -> Mime {
        shown_data(&[("training", &self.train), ("test", &self.test)], self.to_string())
    }
}

/// Parts of data as a table, with the classes below it.
fn shown_data(parts: &[(&str, &Dataset)], plain: String) -> Mime {
    let row = |(name, part): &(&str, &Dataset)| {
        let [inputs, targets] = part.kinds();
        vec![(*name).to_owned(), inputs, targets, grouped(part.len())]
    };
    let rows: Vec<Vec<String>> = parts.iter().map(row).collect();
    let classes = parts.first().map(|(_, part)| part.classes().join(", ")).filter(|c| !c.is_empty());
    let below = classes.map(|c| note(&format!("classes: {c}"))).unwrap_or_default();
    Mime::new().with_text("text/html", format!("{}{below}", table(&["data", "inputs", "targets", "samples"], &rows, 3))).with_text("text/plain", plain)
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
as_text!(crate::layers::Sequential, crate::onnx::Model);
