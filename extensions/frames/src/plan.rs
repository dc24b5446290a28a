//! A lazy frame as its plan: what was written, and beside it what polars will run.
use ochre_runtime::{Mime, shown::escape};
use polars::prelude::*;

/// Characters of a plan that are shown; plans of generated queries grow without bound.
const PLAN_LIMIT: usize = 20_000;

/// The plan; nothing is run. A plan that does not hold (an unknown column, say) shows polars' reason.
pub fn lazy_frame(frame: &LazyFrame) -> Mime {
    match frame.describe_plan() {
        Ok(plan) => {
            let plan = cut(plan);
            let optimized = frame.describe_optimized_plan().ok().map(cut).filter(|optimized| *optimized != plan);
            both(&plan, optimized.as_deref())
        }
        Err(error) => failed(&error.to_string()),
    }
}

fn both(plan: &str, optimized: Option<&str>) -> Mime {
    let mut html = format!("<div style=\"font-size:13px\"><div style=\"opacity:.65\">LazyFrame, not yet run: <code>.collect()</code> runs it</div><pre style=\"margin:4px 0\">{}</pre>", escape(plan));
    if let Some(optimized) = optimized {
        html.push_str(&format!("<details><summary style=\"opacity:.65;cursor:pointer\">as optimized</summary><pre style=\"margin:4px 0\">{}</pre></details>", escape(optimized)));
    }
    html.push_str("</div>");
    Mime::new().with_text("text/html", html).with_text("text/plain", format!("LazyFrame, not yet run: .collect() runs it\n{plan}"))
}

fn failed(reason: &str) -> Mime {
    let html = format!(
        "<div style=\"font-size:13px\"><div style=\"opacity:.65\">LazyFrame whose plan does not hold:</div>\
         <pre style=\"margin:4px 0;white-space:pre-wrap;color:var(--jp-error-color1,var(--vscode-errorForeground,#b00020))\">{}</pre></div>",
        escape(reason)
    );
    Mime::new().with_text("text/html", html).with_text("text/plain", format!("LazyFrame whose plan does not hold: {reason}"))
}

fn cut(plan: String) -> String {
    match plan.char_indices().nth(PLAN_LIMIT) {
        Some((end, _)) => format!("{}\n… cut here: the plan is longer than {PLAN_LIMIT} characters", &plan[..end]),
        None => plan,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ochre_runtime::Data;

    #[test]
    fn a_plan_and_its_optimized_twin() {
        let frame = df!("a" => [1, 2], "b" => [3, 4]).expect("equal lengths");
        let lazy = frame.lazy().filter(col("a").gt(lit(1))).select([col("b")]);
        let mime = lazy_frame(&lazy);
        assert!(mime.plain().contains("FILTER"), "{}", mime.plain());
        let Some(Data::Text(html)) = mime.get("text/html") else { panic!("no HTML") };
        assert!(html.contains("as optimized") && html.contains("&gt;"), "{html}");
    }

    #[test]
    fn a_plan_that_does_not_hold_says_why() {
        let lazy = df!("a" => [1]).expect("one column").lazy().select([col("missing")]);
        let mime = lazy_frame(&lazy);
        assert!(mime.plain().contains("does not hold") && mime.plain().contains("missing"), "{}", mime.plain());
    }
}
