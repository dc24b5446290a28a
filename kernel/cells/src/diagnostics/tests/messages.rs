//! Names, types, `?`, syntax and hints.
use super::*;

#[test]
fn question_mark_on_an_option() {
    Cell { keeps: &["m"], fallible: true, ..cell("let m = Some(1)?;") }.check(expect![[r#""#]]);
}

#[test]
fn question_mark_where_none_fits() {
    Cell { keeps: &["m"], ..cell(r#"let m: i32 = "1".parse()?;"#) }.check(expect![[r#""#]]);
}

#[test]
fn unclosed_bracket() {
    Cell { keeps: &["x"], ..cell("let x = vec![1;") }.check(expect![[r#""#]]);
}

#[test]
fn unclosed_call() {
    cell("foo(1;").check(expect![[r#""#]]);
}

#[test]
fn one_brace_too_many() {
    cell("let x = 1; }").check(expect![[r#""#]]);
}

#[test]
fn unclosed_function() {
    cell("fn f() {").check(expect![[r#""#]]);
}

#[test]
fn unclosed_string() {
    Cell { keeps: &["s"], ..cell(r#"let y = 1;
let s = "abc"#) }.check(expect![[r#""#]]);
}

#[test]
fn unclosed_comment() {
    cell("let y = 1; /* abc").check(expect![[r#""#]]);
}

#[test]
fn nothing_after_equals() {
    Cell { keeps: &["x"], ..cell("let x =") }.check(expect![[r#""#]]);
}

#[test]
fn nothing_after_dot() {
    Cell { keeps: &["x"], ..cell("let x = 1.max(2).") }.check(expect![[r#""#]]);
}

#[test]
fn missing_semicolon() {
    cell("let x = 1\nlet y = 2;").check(expect![[r#""#]]);
}

#[test]
fn unknown_variable() {
    cell(r#"println!("{}", undefined_x);"#).check(expect![[r#""#]]);
}

#[test]
fn unknown_variable_with_a_hint() {
    Cell { hints: &[("df", "`df` was moved in cell [2], line 1; use `df.clone()` there")], ..cell(r#"println!("{df:?}");"#) }.check(expect![[r#""#]]);
}

#[test]
fn unknown_crate() {
    cell("use serde_xx::Foo;\nlet x = ndarray::Array::zeros(3);").check(expect![[r#""#]]);
}

#[test]
fn prefix_of_python_polars() {
    cell(r#"let d = pl::col("x");"#).check(expect![[r#""#]]);
}

#[test]
fn suggested_import() {
    Cell { keeps: &["m"], ..cell("let m: HashMap<i32, i32> = HashMap::new();") }.check(expect![[r#""#]]);
}

#[test]
fn type_not_known() {
    Cell { keeps: &["x"], ..cell("let x = Vec::new();") }.check(expect![[r#""#]]);
}

#[test]
fn type_of_parse_not_known() {
    Cell { keeps: &["x"], ..cell(r#"let y = 1;
let x = "1".parse().unwrap();"#) }.check(expect![[r#""#]]);
}

#[test]
fn unsized_value() {
    Cell { keeps: &["x"], ..cell(r#"let x = *"abc";"#) }.check(expect![[r#""#]]);
}

#[test]
fn wrong_type() {
    Cell { keeps: &["x"], ..cell(r#"let x: i32 = "a";"#) }.check(expect![[r#""#]]);
}

#[test]
fn returned_value() {
    cell("return 5;").check(expect![[r#""#]]);
}

#[test]
fn break_at_top_level() {
    cell("break;").check(expect![[r#""#]]);
}

#[test]
fn await_without_async() {
    cell("async fn f() {}\nf().await;").check(expect![[r#""#]]);
}

#[test]
fn unknown_method() {
    cell("struct S; S.foo();\nlet v = vec![1]; v.lenn();").check(expect![[r#""#]]);
}

#[test]
fn old_name_of_a_method() {
    cell(r#"struct Df; Df.groupby("a");"#).check(expect![[r#""#]]);
}

#[test]
fn missing_derive() {
    cell(r#"struct P;
println!("{:?}", P);"#).check(expect![[r#""#]]);
}

#[test]
fn missing_derive_of_an_earlier_type() {
    Cell { earlier: r#"pub struct P;"#, ..cell(r#"println!("{:?}", P);"#) }.check(expect![[r#""#]]);
}

#[test]
fn bound_of_the_standard_library() {
    cell("struct P; let mut v = vec![P, P]; v.sort();").check(expect![[r#""#]]);
}

#[test]
fn call_of_an_earlier_function() {
    Cell { earlier: r#"pub fn add(a: i32, b: i32) -> i32 { a + b }"#, ..cell(r#"let x = add(1, "2");"#) }.check(expect![[r#""#]]);
}

#[test]
fn own_macro() {
    cell(r#"macro_rules! two { ($e:expr) => { { let z: i32 = $e; z } } }
let q = two!("str");"#).check(expect![[r#""#]]);
}

#[test]
fn body_of_an_own_macro() {
    cell(r#"macro_rules! bad { () => { let z: i32 = "a"; } }
bad!();"#).check(expect![[r#""#]]);
}

#[test]
fn argument_of_println() {
    cell(r#"println!("{} {}", 1);"#).check(expect![[r#""#]]);
}

#[test]
fn must_use() {
    cell(r#""1".parse::<i32>();"#).check(expect![[r#""#]]);
}

#[test]
fn unreachable() {
    cell(r#"return; println!("a");"#).check(expect![[r#""#]]);
}

#[test]
fn private_field() {
    cell("mod m { pub struct A { x: i32 } impl A { pub fn new() -> A { A { x: 1 } } } }\nm::A::new().x;").check(expect![[r#""#]]);
}

#[test]
fn missing_match_arm() {
    cell("match Some(1) { None => {} }").check(expect![[r#""#]]);
}

#[test]
fn two_errors() {
    cell(r#"let a: i32 = "x";
let b: &str = 1;"#).check(expect![[r#""#]]);
}

#[test]
fn lifetime_missing() {
    cell("fn f(a: &str, b: &str) -> &str { a }").check(expect![[r#""#]]);
}
