//! Several charts as one value: `ochre::charts("a title", &[loss, accuracy])`. Each has scales of its own; what their colours mean is said once.
use crate::chart::Chart;
use crate::{PlotError, Plots, picture};
use ochre_charts::figure::Colour;
use ochre_charts::{Board, draw, encode};
use ochre_runtime::{Data, Mime, Show};

/// Charts in a row.
const COLUMNS: usize = 2;
/// Size inside the axes of a chart that does not say.
const SIZE: (f64, f64) = (300.0, 190.0);

/// Charts below a title. Made by [`charts`], shown as vega-lite and PNG.
#[derive(Clone)]
pub struct Charts {
    title: String,
    charts: Vec<Chart>,
}

/// Charts side by side below a title, two in a row.
pub fn charts(title: &str, charts: &[Chart]) -> Charts {
    Charts { title: title.to_owned(), charts: charts.iter().map(|chart| chart.clone().or_size(SIZE)).collect() }
}

impl Charts {
    fn board(&self) -> Result<(Board, Vec<String>), PlotError> {
        let mut figures = self.charts.iter().map(Chart::figure).collect::<Result<Vec<_>, _>>()?;
        let names = figures.iter().find_map(|figure| match &figure.colour {
            Colour::Names { names, .. } => Some(names.clone()),
            _ => None,
        });
        let names = names.unwrap_or_default();
        // The legend above says it for those that have the same names.
        for figure in &mut figures {
            figure.legend = matches!(&figure.colour, Colour::Names { names: own, .. } if *own != names);
        }
        let summaries = figures.iter().map(ochre_charts::figure::Figure::summary).collect();
        Ok((Board { title: self.title.clone(), lines: Vec::new(), names, charts: figures, columns: COLUMNS }, summaries))
    }

    /// The vega-lite specification as JSON text.
    pub fn try_spec(&self) -> Result<String, PlotError> {
        Ok(self.board()?.0.spec().to_string())
    }

    fn bundle(&self) -> Result<Mime, PlotError> {
        let (board, summaries) = self.board()?;
        let picture = board.draw()?;
        let (width, height) = (picture.width() / draw::canvas::SCALE, picture.height() / draw::canvas::SCALE);
        let mut mime = Mime::new()
            .with("application/vnd.vegalite.v5+json", Data::Json(board.spec().to_string()))
            .with("image/png", Data::Bytes(encode(&picture)?))
            .with_text("text/plain", format!("{}\n{}", self.title, summaries.join("\n")));
        mime.metadata = Some(format!("{{\"image/png\":{{\"width\":{width},\"height\":{height}}}}}"));
        Ok(mime)
    }
}

impl Show<Plots> for Charts {
    /// The charts, or in red the sentence that says why there are none.
    fn show(&self) -> Mime {
        self.bundle().unwrap_or_else(|error| picture::failure(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot;
    use polars::prelude::df;

    #[test]
    fn each_chart_has_its_own_scale_and_colours_are_explained_once() -> Result<(), Box<dyn std::error::Error>> {
        let loss = df!("epoch" => [1, 2, 1, 2], "loss" => [2.0, 1.5, 2.1, 1.8], "data" => ["training", "training", "validation", "validation"])?;
        let right = df!("epoch" => [1, 2, 1, 2], "accuracy in %" => [20.0, 60.0, 10.0, 55.0], "data" => ["training", "training", "validation", "validation"])?;
        let both = charts("2 epochs", &[plot(&loss).line("epoch", "loss").color("data"), plot(&right).line("epoch", "accuracy in %").color("data")]);
        let spec: serde_json::Value = serde_json::from_str(&both.try_spec()?)?;
        let domain = |at: usize| spec["concat"][at]["encoding"]["y"]["scale"]["domain"][1].as_f64().unwrap_or_default();
        assert!(domain(0) < 3.0 && domain(1) > 50.0, "{spec}");
        assert_eq!(spec["resolve"]["legend"]["color"], "shared");
        let shown = both.show();
        assert!(shown.plain().starts_with("2 epochs\n<line chart of loss over epoch"), "{}", shown.plain());
        Ok(())
    }
}
