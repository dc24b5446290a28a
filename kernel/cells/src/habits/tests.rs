//! Lines of other kernels and what is said, and ordinary Rust of which nothing is said.
use super::*;

/// What is wrong with the hint of a text, if anything.
fn fault(code: &str, expected: &str) -> Option<String> {
    let found = hint(code).unwrap_or_default();
    let good = found.contains(expected) && !found.contains("{1}") && !found.contains("{2}") && !found.contains('\n');
    (!good).then(|| format!("{code:?} gave {found:?}, expected {expected:?}"))
}

#[test]
fn lines_of_other_kernels() {
    let samples = [
        ("import polars as pl", "in scope already"),
        ("import pandas as pd\ndf = pd.DataFrame()", "df!"),
        ("import numpy as np", "`Vec`"),
        ("import matplotlib.pyplot as plt", "ochre::plot"),
        ("from sklearn.linear_model import Ridge", "%dep linfa"),
        ("from os import path", "`use os::path;`"),
        ("import json", "`%dep json`"),
        ("import java.util.List;", "`use java.util.List;`"),
        ("%pip install polars", "%dep polars"),
        ("let x = 1;\n%pip install polars", "%dep polars"),
        ("pip install ndarray", "%dep ndarray"),
        ("cargo add ndarray", "%dep ndarray"),
        ("install.packages(\"x\")", "%dep NAME"),
        ("library(dplyr)", "%dep dplyr"),
        ("%matplotlib inline", "ochre::plot"),
        ("%sh ls -l", "`!ls -l`"),
        ("%fs ls /mnt", "`!ls /mnt`"),
        ("%sql SELECT 1", "SQLContext"),
        ("dbutils.fs.ls(\"/mnt/data\")", "`!ls \"/mnt/data\"`"),
        ("dbutils.secrets.get(\"scope\", \"key\")", "databricks:SCOPE/KEY"),
        ("val k = dbutils.secrets.get(scope=\"s\", key=\"k\")", "databricks:SCOPE/KEY"),
        ("dbutils.widgets.get(\"x\")", "-p name=value"),
        ("dbutils.notebook.run(\"x\", 60)", "%run PATH"),
        ("mssparkutils.fs.ls(\"/\")", "!ls"),
        ("spark.sql(\"select 1\")", "SQLContext"),
        ("df = spark.read.parquet(\"x\")", "scan_parquet"),
        ("display(df)", "`ochre::display(&df)`"),
        ("display(f(df).head(3))", "`ochre::display(&f(df).head(3))`"),
        ("displayHTML(\"<b>x</b>\")", "`ochre::html(\"<b>x</b>\")`"),
        ("print(\"x\")", "println!"),
        ("x = 5\nprint(x)", "println!"),
        ("println(\"x\")", "exclamation mark"),
        ("console.log(x)", "println!"),
        ("s = f\"{x} and {y}\"", "format!"),
        ("df = pl.read_csv(\"iris.csv\")", "LazyCsvReader::new(PlRefPath::new(\"iris.csv\"))"),
        ("pl.col(\"x\").sum()", "`col` for `pl.col`"),
        ("pd.concat([a, b])", "polars"),
        ("a = np.zeros(3)", "`Vec`"),
        ("plt.plot(x, y)", "ochre::plot"),
        ("df.groupby(\"a\")", "group_by"),
        ("df.iloc[0]", "slice"),
        ("df.loc[0]", "filter"),
        ("def f():\n    return 1", "`fn f("),
        ("def f(x: int) -> int:", "`fn f("),
        ("def f(x: Int) = x + 1", "`fn f("),
        ("class P:\n    pass", "struct P"),
        ("for x in y:\n    print(x)", "`for x in y { … }`"),
        ("for i in range(10):", "`for i in 0..10 { … }`"),
        ("while x < 3:", "while x < 3 {"),
        ("if x > 3:", "if x > 3 {"),
        ("else:", "else {"),
        ("elif x:", "else if x"),
        ("try:", "`?`"),
        ("with open(\"x\") as f:", "block"),
        ("f = lambda x: x + 1", "|x|"),
        ("val x = 5", "`let x = 5`"),
        ("var x = 5", "`let mut x = 5`"),
        ("x <- 5", "`let x = 5`"),
        ("my.data <- read.csv(\"x\")", "let"),
        ("SELECT a FROM t", "SQLContext"),
        ("x = True", "`true`"),
        ("f(False)", "`false`"),
        ("if x is not None:", "if x is not None {"),
        ("y = x is None", "is_none"),
        ("x = None", "Option"),
        ("ls", "`!ls`"),
        ("ls -l /tmp", "`!ls -l /tmp`"),
        ("cat notes.txt", "`!cat notes.txt`"),
        ("cd ..", "`%cd ..`"),
        ("git status", "`!git status`"),
        ("nvidia-smi", "`!nvidia-smi`"),
        ("exit()", "%reset"),
    ];
    let faults: Vec<String> = samples.iter().filter_map(|(code, expected)| fault(code, expected)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn ordinary_rust_gets_no_hint() {
    let samples = [
        "", "1 + 2", "let x = 5i32;", "let x = vec![1, 2, 3];\nx.len()", "println!(\"import polars as pl\");", "println!(\"{}\", x)", "print!(\"{x}\")", "eprintln!(\"x\")",
        "// import polars as pl\nlet x = 1;", "/* print(x) */ 1", "/// def f():\nfn f() {}", "let s = r#\"\nimport x\nls -l\ndef f():\n\"#;", "use std::collections::HashMap;",
        "use polars::prelude::*;", "let df = df!(\"a\" => [1, 2])?;", "df.head(Some(3))", "df.clone().lazy().filter(col(\"a\").gt(lit(1))).collect()?", "df.group_by([\"a\"])?",
        "fn print(x: i32) {}\nprint(1)", "fn display(x: i32) {}\ndisplay(3);", "ochre::display(&df)", "self.print(x)", "out.display(x)", "path.display()", "fmt::print(1)",
        "for x in y {\n    f(x);\n}", "for i in 0..10 {}", "while x < 3 { x += 1 }", "if x > 3 { 1 } else { 2 }", "match x {\n    Some(v) if v > 1 => v,\n    None => 0,\n}", "let r = None::<i32>;",
        "return None", "let x: Option<i32> = None;", "x == None", "let t = true && false;", "x < -5", "if a <-5 {}", "let y = x<-1;", "struct P {\n    val: i32,\n}", "let val = 3;", "let var: f64 = 2.0;",
        "let pl = vec![1];\npl.len()", "let spark = S;\nspark.go()", "fn f(np: &[i32]) -> usize { np.len() }", "v.iter().map(|pd| pd.x).sum::<i32>()", "let ls = 3;\nls + 1", "top / 2", "top - 1", "head", "df", "find(x)", "cat.name()",
        "let cp = 1;\ncp", "enum E { True, False }", "E::True", "impl P {\n    pub fn new() -> Self { P }\n}", "where T: Copy", "let x:\n    i32 = 1;", "'outer: loop { break 'outer; }",
        "let c = 'x';", "let c = '\"';\nlet d = '\\'';", "let s = \"a\\\"b print(x)\";", "b\"bytes\"", "let f = |x| x + 1;", "let half = x / 2; // half", "let url = \"http://x\";", "a.and(b).or(c)",
        "#[derive(Debug, Clone)]\nstruct P;", "macro_rules! print_it { ($x:expr) => { println!(\"{}\", $x) } }", "trait Print { fn print(&self); }", "async fn f() {}\nf().await", "let x = if a { None } else { Some(1) };",
        "let v: Vec<i32> = (0..10).collect();\nv.iter().sum::<i32>()", "Tensor::zeros(&[2, 3])", "ochre::plot(&df).line(\"x\", \"y\")", "let with = 1;", "type X = i32;", "static X: i32 = 1;", "let range = 0..3;", "s.find(\"x\")", "let größe = 1; größe",
        "let import = 1;", "let mut lambda = 0.5;", "lambda += 1.0;", "fit(lambda)", "let class = 1;",
    ];
    let faults: Vec<String> = samples.iter().filter_map(|code| hint(code).map(|hint| format!("{code:?} gave {hint:?}"))).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn odd_text_is_answered() {
    for code in ["\"", "'", "*", "f\"", "<-", " <- ", "x <- ", "ä <- 日", "pl.", "print(", "print(ä", "import ", "%%", "\u{0}", "🦀.groupby(", "日本 is None"] {
        let _ = hint(code);
        for (at, _) in code.char_indices() {
            let _ = hint(&code[at..]);
        }
    }
}
