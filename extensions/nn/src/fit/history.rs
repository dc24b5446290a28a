//! What a training was like: a row for each epoch, and how it ended.
use ochre_tensors::Device;

/// One pass over the training data.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// Counts from 1.
    pub number: usize,
    /// Mean loss over the training data, while they were learnt.
    pub loss: f64,
    /// Share of right classes, of classifications.
    pub accuracy: Option<f64>,
    pub validation_loss: Option<f64>,
    pub validation_accuracy: Option<f64>,
    /// The learning rate at its end.
    pub rate: f64,
    pub seconds: f64,
    /// False where an interrupt ended it early: its numbers are those of the part that was made.
    pub complete: bool,
}

impl Epoch {
    /// What decides which epoch is the best.
    pub(super) fn judged(&self) -> f64 {
        self.validation_loss.unwrap_or(self.loss)
    }
}

/// Why a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All epochs were made.
    Finished,
    /// It was not better for as many epochs as patience lasted.
    Patience,
    /// `on_epoch` said so.
    Asked,
    /// The user interrupted; the model keeps what it had learnt.
    Interrupted,
    /// The loss became NaN or infinite.
    Diverged,
}

/// Made by [`fit`](crate::fit()); shown with curves of loss and accuracy.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    pub epochs: Vec<Epoch>,
    pub end: End,
    /// Steps of the optimiser.
    pub steps: u64,
    pub seconds: f64,
    /// The number of the epoch whose state the model has, where it was taken back to its best.
    pub restored: Option<usize>,
    /// How many epochs were asked for.
    pub(crate) wanted: usize,
    /// Where it was computed.
    pub(crate) device: Device,
}

impl History {
    /// The epoch with the smallest validation loss (training loss without validation data).
    pub fn best(&self) -> Option<&Epoch> {
        let judged = self.epochs.iter().filter(|e| e.complete && !e.judged().is_nan());
        judged.min_by(|a, b| a.judged().total_cmp(&b.judged()))
    }

    /// The last epoch.
    pub fn last(&self) -> Option<&Epoch> {
        self.epochs.last()
    }

    /// The headings of the table, without columns that are empty throughout.
    pub(crate) fn headings(&self) -> Vec<&'static str> {
        let all = ["epoch", "loss", "accuracy", "validation loss", "validation accuracy", "rate", "seconds"];
        all.into_iter().zip(self.filled()).filter(|(_, f)| *f).map(|(h, _)| h).collect()
    }

    fn filled(&self) -> [bool; 7] {
        let any = |has: fn(&Epoch) -> bool| self.epochs.iter().any(has);
        [true, true, any(|e| e.accuracy.is_some()), any(|e| e.validation_loss.is_some()), any(|e| e.validation_accuracy.is_some()), true, true]
    }

    /// The table's cells.
    pub(crate) fn cells(&self) -> Vec<Vec<String>> {
        let share = |a: Option<f64>| a.map(|v| format!("{:.2}%", v * 100.0)).unwrap_or_default();
        let number = |v: Option<f64>| v.map(|v| format!("{v:.4}")).unwrap_or_default();
        let row = |e: &Epoch| {
            let name = if e.complete { e.number.to_string() } else { format!("{} (in part)", e.number) };
            [name, number(Some(e.loss)), share(e.accuracy), number(e.validation_loss), share(e.validation_accuracy), format!("{:.2e}", e.rate), format!("{:.1}", e.seconds)]
        };
        self.epochs.iter().map(|e| row(e).into_iter().zip(self.filled()).filter(|(_, f)| *f).map(|(c, _)| c).collect()).collect()
    }

    /// How it ended, in a sentence.
    pub(crate) fn note(&self) -> String {
        let (made, wanted) = (self.epochs.iter().filter(|e| e.complete).count(), self.wanted);
        let end = match self.end {
            End::Finished => format!("{made} epochs"),
            End::Patience => format!("ended after {made} of {wanted} epochs: it was not getting better"),
            End::Asked => format!("ended by `on_epoch` after {made} of {wanted} epochs"),
            End::Interrupted => format!("interrupted after {} steps, in epoch {} of {wanted}: the model keeps what it has learnt", self.steps, self.epochs.len()),
            End::Diverged => "ended because the loss is no number any more: a smaller learning rate, or `clip: Some(1.0)`, may help".to_owned(),
        };
        let back = self.restored.map(|n| format!("; the model is that of epoch {n}, the best")).unwrap_or_default();
        format!("{end}{back}; {:.1} s on {}", self.seconds, self.device)
    }
}

impl std::fmt::Display for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rows: Vec<Vec<String>> = vec![self.headings().iter().map(ToString::to_string).collect()];
        rows.extend(self.cells());
        let widths: Vec<usize> = (0..rows[0].len()).map(|c| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0)).collect();
        for row in &rows {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:>width$}")).collect();
            writeln!(f, "{}", cells.join("  "))?;
        }
        f.write_str(&self.note())
    }
}
