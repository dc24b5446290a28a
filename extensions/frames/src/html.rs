//! A window of a frame as an HTML table, for light and dark themes of JupyterLab and VS Code.
use crate::value::{Kind, Value};
use crate::window::{Gap, ShownColumn, Window};
use ochre_runtime::shown::escape;
use std::fmt::Write;

/// Colours come from the front end's theme where it has one; greys that are half transparent suit both.
const STYLE: &str = "<style>\
.ochre-frame{max-width:100%;overflow:auto;max-height:640px;font-size:13px;color:var(--jp-content-font-color1,var(--vscode-editor-foreground,inherit))}\
.ochre-frame table{border-collapse:collapse;border:none;margin:0;width:auto;font-variant-numeric:tabular-nums}\
.ochre-frame.ochre-frame table th,.ochre-frame.ochre-frame table td{padding:3px 10px;border:none;text-align:left;white-space:pre;max-width:420px;overflow:hidden;text-overflow:ellipsis;background:none}\
.ochre-frame.ochre-frame thead th{position:sticky;top:0;vertical-align:bottom;font-weight:600;border-bottom:1px solid rgba(128,128,128,.5);background:var(--jp-layout-color0,var(--vscode-notebook-outputContainerBackgroundColor,var(--vscode-editor-background,Canvas)))}\
.ochre-frame thead span{display:block;font-weight:400;font-size:85%;opacity:.65}\
.ochre-frame tbody tr:nth-child(even) td{background:rgba(128,128,128,.07)}\
.ochre-frame tbody tr:hover td{background:rgba(128,128,128,.16)}\
.ochre-frame.ochre-frame table .r{text-align:right}\
.ochre-frame .n{opacity:.5;font-style:italic}\
.ochre-frame.ochre-frame table .g{text-align:center;opacity:.5}\
.ochre-frame p{margin:4px 0 0 10px;font-size:85%;opacity:.65}\
</style>";

/// The table with its style and a line that says how large the whole frame is.
pub fn table(window: &Window) -> String {
    let mut html = String::with_capacity(2_000 + 40 * window.height() * window.columns.len());
    html.push_str("<div class=\"ochre-frame\">");
    html.push_str(STYLE);
    html.push_str("<table><thead><tr>");
    for (index, column) in window.columns.iter().enumerate() {
        if is_at(window.column_gap, index) {
            html.push_str("<th class=\"g\">…</th>");
        }
        head(&mut html, column);
    }
    html.push_str("</tr></thead><tbody>");
    for row in 0..window.height() {
        if is_at(window.row_gap, row) {
            gap_row(&mut html, window);
        }
        body_row(&mut html, window, row);
    }
    if is_at(window.row_gap, window.height()) {
        gap_row(&mut html, window);
    }
    html.push_str("</tbody></table>");
    let _ = write!(html, "<p>{}</p></div>", window.caption);
    html
}

fn is_at(gap: Option<Gap>, index: usize) -> bool {
    gap.is_some_and(|gap| gap.after == index)
}

fn head(html: &mut String, column: &ShownColumn) {
    let class = if column.right { " class=\"r\"" } else { "" };
    let _ = write!(html, "<th{class}>{}", escape(&column.name));
    if !column.dtype.is_empty() {
        let _ = write!(html, "<span>{}</span>", escape(&column.dtype));
    }
    html.push_str("</th>");
}

fn body_row(html: &mut String, window: &Window, row: usize) {
    html.push_str("<tr>");
    for (index, column) in window.columns.iter().enumerate() {
        if is_at(window.column_gap, index) {
            html.push_str("<td class=\"g\">…</td>");
        }
        cell(html, &column.values[row], column.right);
    }
    html.push_str("</tr>");
}

fn cell(html: &mut String, value: &Value, right: bool) {
    let class = match (value.kind, right) {
        (Kind::Plain, false) => "",
        (Kind::Plain, true) => " class=\"r\"",
        (_, false) => " class=\"n\"",
        (_, true) => " class=\"r n\"",
    };
    let _ = write!(html, "<td{class}");
    if let Some(whole) = &value.whole {
        let _ = write!(html, " title=\"{}\"", escape(whole));
    }
    let _ = write!(html, ">{}</td>", escape(&value.text));
}

/// The row that stands for those that were left out.
fn gap_row(html: &mut String, window: &Window) {
    let cells = window.columns.len() + usize::from(window.column_gap.is_some());
    html.push_str("<tr>");
    for _ in 0..cells {
        html.push_str("<td class=\"g\">…</td>");
    }
    html.push_str("</tr>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::window::Window;
    use polars::prelude::{DataFrame, df};

    /// The table without its style.
    fn html(frame: &DataFrame, rows: usize, columns: usize) -> String {
        table(&Window::of_frame(frame, Limits { rows, columns })).replace(STYLE, "")
    }

    #[test]
    fn a_small_frame() {
        let frame = df!("name" => [Some("a<b"), None], "x" => [Some(1.5), Some(2.25)]).expect("equal lengths");
        assert_eq!(
            html(&frame, 20, 20),
            "<div class=\"ochre-frame\"><table><thead><tr><th>name<span>str</span></th><th class=\"r\">x<span>f64</span></th></tr></thead><tbody>\
             <tr><td>a&lt;b</td><td class=\"r\">1.50</td></tr>\
             <tr><td class=\"n\">null</td><td class=\"r\">2.25</td></tr>\
             </tbody></table><p>2 rows × 2 columns</p></div>"
        );
    }

    #[test]
    fn rows_and_columns_in_the_middle_are_elided() {
        let frame = df!("a" => [1, 2, 3], "b" => [4, 5, 6], "c" => [7, 8, 9]).expect("equal lengths");
        assert_eq!(
            html(&frame, 2, 2),
            "<div class=\"ochre-frame\"><table><thead><tr><th class=\"r\">a<span>i32</span></th><th class=\"g\">…</th><th class=\"r\">c<span>i32</span></th></tr></thead><tbody>\
             <tr><td class=\"r\">1</td><td class=\"g\">…</td><td class=\"r\">7</td></tr>\
             <tr><td class=\"g\">…</td><td class=\"g\">…</td><td class=\"g\">…</td></tr>\
             <tr><td class=\"r\">3</td><td class=\"g\">…</td><td class=\"r\">9</td></tr>\
             </tbody></table><p>3 rows × 3 columns</p></div>"
        );
    }

    #[test]
    fn a_limit_of_one_row_shows_the_gap_at_the_end() {
        let frame = df!("a" => [1, 2]).expect("one column");
        assert!(html(&frame, 1, 1).contains("<td class=\"r\">1</td></tr><tr><td class=\"g\">…</td></tr></tbody>"));
    }

    #[test]
    fn a_cut_text_has_the_whole_in_its_title() {
        let frame = df!("t" => ["\"quoted\" ".repeat(20)]).expect("one column");
        assert!(html(&frame, 1, 1).contains("title=\"&quot;quoted&quot; &quot;quoted&quot;"));
    }

    #[test]
    fn an_empty_frame_says_so() {
        assert!(html(&DataFrame::empty(), 20, 20).contains("<p>0 rows × 0 columns</p>"));
    }
}
