//! Small tables in HTML and text: leaderboards, reports, trials.
use ochre_runtime::{Mime, shown::escape};

/// Rows of texts under headings. Numbers stand on the right.
pub struct TableView {
    pub title: String,
    pub headings: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// The first row is the best and stands out.
    pub best_first: bool,
    pub note: String,
}

const STYLE: &str = "border-collapse:collapse;border:none;font-size:13px;font-variant-numeric:tabular-nums";

impl TableView {
    /// Both forms.
    pub fn show(&self) -> Mime {
        Mime::new().with_text("text/html", self.html()).with_text("text/plain", self.plain())
    }

    fn right(&self, column: usize) -> bool {
        let number = |text: &String| text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '−');
        self.rows.iter().all(|row| row.get(column).is_none_or(number))
    }

    fn html(&self) -> String {
        let align = |column: usize| if self.right(column) { "right" } else { "left" };
        let mut html = format!("<div><div style=\"font-weight:600;margin:2px 0 4px\">{}</div><table style=\"{STYLE}\"><thead><tr>", escape(&self.title));
        for (column, heading) in self.headings.iter().enumerate() {
            html += &format!("<th style=\"text-align:{};padding:3px 10px;border-bottom:1px solid rgba(128,128,128,.5)\">{}</th>", align(column), escape(heading));
        }
        html += "</tr></thead><tbody>";
        for (index, row) in self.rows.iter().enumerate() {
            html += if self.best_first && index == 0 { "<tr style=\"font-weight:600;background:rgba(46,158,79,.15)\">" } else { "<tr>" };
            for (column, cell) in row.iter().enumerate() {
                html += &format!("<td style=\"text-align:{};padding:3px 10px;white-space:pre-wrap;max-width:520px\">{}</td>", align(column), escape(cell));
            }
            html += "</tr>";
        }
        html + &format!("</tbody></table><div style=\"margin:4px 0 0 10px;font-size:85%;opacity:.65\">{}</div></div>", escape(&self.note))
    }

    fn plain(&self) -> String {
        let width = |column: usize| self.rows.iter().chain([&self.headings]).map(|row| row.get(column).map_or(0, |c| c.chars().count())).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.headings.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cell = |(column, text): (usize, &String)| {
                let space = " ".repeat(widths.get(column).copied().unwrap_or(0).saturating_sub(text.chars().count()));
                if self.right(column) { format!("{space}{text}") } else { format!("{text}{space}") }
            };
            row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut lines = vec![self.title.clone(), line(&self.headings)];
        lines.extend(self.rows.iter().map(line));
        lines.push(self.note.clone());
        lines.retain(|l| !l.is_empty());
        lines.join("\n")
    }
}

/// A number with as many digits as are read: four behind the point, or five in all.
pub fn number(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => value.to_string(),
        a if a == 0.0 || (1e-3..1e3).contains(&a) => format!("{value:.4}"),
        a if (1e3..1e7).contains(&a) => format!("{value:.1}"),
        _ => format!("{value:.4e}"),
    }
}

/// Seconds, or minutes.
pub fn seconds(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.1} s") } else { format!("{}:{:02} min", seconds as u64 / 60, seconds as u64 % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_in_both_forms() {
        let row = |cells: [&str; 2]| cells.map(String::from).to_vec();
        let view = TableView { title: "2 <models>".into(), headings: row(["name", "score"]), rows: vec![row(["a", "1.5"]), row(["long name", "10.25"])], best_first: true, note: "done".into() };
        assert_eq!(view.plain(), "2 <models>\nname       score\na            1.5\nlong name  10.25\ndone");
        let html = view.html();
        assert!(html.contains("2 &lt;models&gt;") && html.contains("text-align:right") && html.matches("<tr").count() == 3, "{html}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.93341, 12345.678, 1e-9, f64::NAN].map(number), ["0.9334", "12345.7", "1.0000e-9", "NaN"]);
        assert_eq!((seconds(1.25), seconds(125.0)), ("1.2 s".into(), "2:05 min".into()));
    }
}
