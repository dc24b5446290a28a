//! Judgements as values that are shown as charts and tables, and can be logged.
use crate::view::{TableView, number};
use crate::{Ml, charts};
use ochre_learning::LearningError;
use ochre_learning::judge::{ClassReport, ClassificationReport, ConfusionMatrix, PrecisionRecallCurve, RegressionReport, RocCurve};
use ochre_logging::run;
use ochre_plots::Chart;
use ochre_runtime::{Mime, Show, text};

/// Something that can be logged to the active run under a name: its numbers as metrics, the rest as a picture and as JSON beside it.
pub trait Logs {
    /// Logs it; what cannot be drawn or written is said on stderr.
    fn log(&self, name: &str);
}

/// The chart, with the text that tells its content where charts are not shown.
fn shown(chart: Result<Chart, LearningError>, plain: String) -> Mime {
    match chart {
        Ok(chart) => chart.show().with_text("text/plain", plain),
        Err(error) => text(format!("{plain}\n({error})")),
    }
}

fn log_chart(name: &str, chart: Result<Chart, LearningError>) {
    let bytes = match chart.map(|c| c.png()) {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return eprintln!("ochre: `{name}` is logged without its chart: {error}"),
        Err(error) => return eprintln!("ochre: `{name}` is logged without its chart: {error}"),
    };
    if let Err(error) = run::log_image(format!("{name}.png"), &bytes) {
        eprintln!("ochre: the chart of `{name}` is not logged: {error}");
    }
}

fn matrix_view(matrix: &ConfusionMatrix) -> TableView {
    let mut headings = vec!["true \\ predicted".to_owned()];
    headings.extend(matrix.classes.iter().cloned());
    let row = |(class, counts): (&String, &Vec<u64>)| std::iter::once(class.clone()).chain(counts.iter().map(u64::to_string)).collect();
    let rows = matrix.classes.iter().zip(&matrix.counts).map(row).collect();
    TableView { title: format!("accuracy {}", number(matrix.accuracy())), headings, rows, best_first: false, note: format!("{} rows", matrix.total()) }
}

impl Show<Ml> for ConfusionMatrix {
    fn show(&self) -> Mime {
        let plain = matrix_view(self).show().plain().to_owned();
        shown(charts::confusion(self), plain)
    }
}

impl Logs for ConfusionMatrix {
    fn log(&self, name: &str) {
        run::log_metric(format!("{name}_accuracy"), self.accuracy());
        run::log_json(format!("{name}.json"), self);
        log_chart(name, charts::confusion(self));
    }
}

impl Show<Ml> for RocCurve {
    fn show(&self) -> Mime {
        shown(charts::roc(&[("curve".to_owned(), self)]), format!("receiver operating characteristic of {} points, area {}", self.thresholds.len(), number(self.area)))
    }
}

impl Logs for RocCurve {
    fn log(&self, name: &str) {
        run::log_metric(format!("{name}_area"), self.area);
        // The first threshold is infinite, which JSON has not.
        run::log_json(format!("{name}.json"), &(&self.false_positive_rate, &self.true_positive_rate));
        log_chart(name, charts::roc(&[("curve".to_owned(), self)]));
    }
}

impl Show<Ml> for PrecisionRecallCurve {
    fn show(&self) -> Mime {
        let plain = format!("precision and recall of {} points, average precision {}", self.thresholds.len(), number(self.average_precision));
        shown(charts::precision_recall(&[("curve".to_owned(), self)]), plain)
    }
}

impl Logs for PrecisionRecallCurve {
    fn log(&self, name: &str) {
        run::log_metric(format!("{name}_average_precision"), self.average_precision);
        run::log_json(format!("{name}.json"), &(&self.recall, &self.precision));
        log_chart(name, charts::precision_recall(&[("curve".to_owned(), self)]));
    }
}

/// Curves of several classes, each against the rest.
#[derive(Debug, Clone)]
pub struct RocCurves {
    /// The name of each class with its curve.
    pub curves: Vec<(String, RocCurve)>,
}

impl RocCurves {
    /// The mean of the areas.
    pub fn area(&self) -> f64 {
        self.curves.iter().map(|(_, c)| c.area).sum::<f64>() / self.curves.len().max(1) as f64
    }

    fn chart(&self) -> Result<Chart, LearningError> {
        let curves: Vec<(String, &RocCurve)> = self.curves.iter().map(|(name, curve)| (name.clone(), curve)).collect();
        charts::roc(&curves)
    }
}

impl Show<Ml> for RocCurves {
    fn show(&self) -> Mime {
        let areas: Vec<String> = self.curves.iter().map(|(name, curve)| format!("{name}: area {}", number(curve.area))).collect();
        shown(self.chart(), areas.join("\n"))
    }
}

impl Logs for RocCurves {
    fn log(&self, name: &str) {
        self.curves.iter().for_each(|(class, curve)| run::log_metric(format!("{name}_area/{class}"), curve.area));
        log_chart(name, self.chart());
    }
}

fn report_view(report: &ClassificationReport) -> TableView {
    let line = |c: &ClassReport| vec![c.name.clone(), number(c.precision), number(c.recall), number(c.f1), c.support.to_string()];
    let all = report.classes.iter().chain([&report.macro_average, &report.weighted_average]);
    TableView {
        title: format!("accuracy {}", number(report.accuracy)),
        headings: ["class", "precision", "recall", "f1", "rows"].map(String::from).to_vec(),
        rows: all.map(line).collect(),
        best_first: false,
        note: String::new(),
    }
}

impl Show<Ml> for ClassificationReport {
    fn show(&self) -> Mime {
        report_view(self).show()
    }
}

impl Logs for ClassificationReport {
    fn log(&self, name: &str) {
        run::log_metric(format!("{name}_accuracy"), self.accuracy);
        run::log_metric(format!("{name}_f1"), self.macro_average.f1);
        run::log_json(format!("{name}.json"), self);
    }
}

fn measures(report: &RegressionReport) -> [(&'static str, f64); 8] {
    [
        ("r2", report.r2),
        ("root_mean_squared_error", report.root_mean_squared_error),
        ("mean_absolute_error", report.mean_absolute_error),
        ("median_absolute_error", report.median_absolute_error),
        ("max_error", report.max_error),
        ("mean_squared_error", report.mean_squared_error),
        ("mean_absolute_percentage_error", report.mean_absolute_percentage_error),
        ("explained_variance", report.explained_variance),
    ]
}

impl Show<Ml> for RegressionReport {
    fn show(&self) -> Mime {
        let rows = measures(self).into_iter().map(|(name, value)| vec![name.replace('_', " "), number(value)]).collect();
        let headings = ["measure", "value"].map(String::from).to_vec();
        TableView { title: format!("R² {}", number(self.r2)), headings, rows, best_first: false, note: format!("{} rows", self.rows) }.show()
    }
}

impl Logs for RegressionReport {
    fn log(&self, name: &str) {
        measures(self).into_iter().for_each(|(key, value)| run::log_metric(format!("{name}_{key}"), value));
    }
}
