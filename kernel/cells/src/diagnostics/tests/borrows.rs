//! Moves and borrows: what the store at the end of a cell adds to them is not the user's.
use super::*;

#[test]
fn a_reference_that_would_be_kept() {
    Cell { keeps: &["r", "v"], ..cell("let v = vec![1];\nlet r = &v;") }.check(expect![[r#""#]]);
}

#[test]
fn a_part_of_a_temporary() {
    Cell { keeps: &["s"], ..cell(r#"let s = String::from("a").as_str();"#) }.check(expect![[r#""#]]);
}

#[test]
fn a_slice_of_a_temporary() {
    Cell { keeps: &["s"], ..cell(r#"let s = &String::from("a")[..];"#) }.check(expect![[r#""#]]);
}

#[test]
fn an_iterator_that_would_be_kept() {
    Cell { keeps: &["s", "it"], ..cell(r#"let s = String::from("a");
let it = s.chars();"#) }.check(expect![[r#""#]]);
}

#[test]
fn a_reference_to_an_earlier_variable() {
    Cell { keeps: &["r"], takes: &[("v", "Vec<i32>")], ..cell("let r = &v;") }.check(expect![[r#""#]]);
}

#[test]
fn a_kept_closure_over_a_mutable_borrow() {
    Cell { keeps: &["c"], takes: &[("v", "Vec<i32>")], ..cell("let r = &mut v; let c = || r.push(1);") }.check(expect![[r#""#]]);
}

#[test]
fn assigned_while_borrowed_by_what_is_kept() {
    Cell { keeps: &["r"], takes: &[("v", "Vec<i32>")], ..cell("let r = &v; v = vec![];") }.check(expect![[r#""#]]);
}

#[test]
fn moved_twice() {
    Cell { takes: &[("v", "Vec<i32>")], ..cell(r#"drop(v);
println!("{v:?}");"#) }.check(expect![[r#""#]]);
}

#[test]
fn moved_in_a_loop() {
    Cell { takes: &[("v", "Vec<i32>")], ..cell("for i in 0..2 { drop(v); }") }.check(expect![[r#""#]]);
}

#[test]
fn moved_once_and_stored() {
    Cell { takes: &[("v", "Vec<i32>")], ..cell("drop(v);") }.check(expect![[r#""#]]);
}

#[test]
fn two_borrows() {
    Cell { takes: &[("v", "Vec<i32>")], ..cell(r#"let r = &v[0]; v.push(1); println!("{r}");"#) }.check(expect![[r#""#]]);
}

#[test]
fn a_thread_that_borrows() {
    Cell { keeps: &["t"], takes: &[("v", "Vec<i32>")], ..cell(r#"let t = std::thread::spawn(|| println!("{v:?}"));"#) }.check(expect![[r#""#]]);
}

#[test]
fn a_thread_that_borrows_a_local() {
    Cell { keeps: &["t"], ..cell(r#"let n = 1;
let t = std::thread::spawn(|| println!("{n}"));"#) }.check(expect![[r#""#]]);
}

#[test]
fn never_initialised() {
    Cell { keeps: &["x"], ..cell("let x: i32;") }.check(expect![[r#""#]]);
}

#[test]
fn not_mutable() {
    Cell { keeps: &["w"], ..cell("let w = vec![1]; w.push(1);") }.check(expect![[r#""#]]);
}
