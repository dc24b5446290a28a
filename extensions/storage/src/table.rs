//! Small tables that magics show: text for terminals, HTML for notebooks.
use crate::progress::escape;
use ochre_link::{Bundle, Data};

/// A table; columns that are empty in every row are left out.
pub(crate) fn bundle(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Bundle {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    let used: Vec<usize> = (0..header.len()).filter(|c| rows.iter().any(|r| r.get(*c).is_some_and(|t| !t.is_empty()))).collect();
    let header: Vec<String> = used.iter().map(|c| header[*c].to_owned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|r| used.iter().map(|c| r.get(*c).cloned().unwrap_or_default()).collect()).collect();
    Bundle::plain(plain(&header, &rows)).with("text/html", Data::Text(html(&header, &rows)))
}

fn plain(header: &[String], rows: &[Vec<String>]) -> String {
    let width = |c: usize| rows.iter().chain([&header.to_vec()]).map(|r| r[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |row: &[String]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let lines: Vec<String> = std::iter::once(line(header)).chain(rows.iter().map(|r| line(r))).collect();
    lines.join("\n")
}

fn html(header: &[String], rows: &[Vec<String>]) -> String {
    let cells = |row: &[String], tag: &str| row.iter().map(|t| format!("<{tag} style=\"text-align:left\">{}</{tag}>", escape(t))).collect::<String>();
    let body: String = rows.iter().map(|r| format!("<tr>{}</tr>", cells(r, "td"))).collect();
    format!("<table><thead><tr>{}</tr></thead><tbody>{body}</tbody></table>", cells(header, "th"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_empty_ones_are_left_out() {
        let bundle = bundle(&["a", "empty", "b"], [vec!["x".into(), String::new(), "<1>".into()], vec!["longer".into(), String::new(), "2".into()]]);
        assert_eq!(bundle.text(), Some("a       b\nx       <1>\nlonger  2"));
        assert!(matches!(bundle.get("text/html"), Some(Data::Text(t)) if t.contains("&lt;1&gt;") && !t.contains("empty")));
    }
}
