//! Moves and borrows: what the store at the end of a cell adds to them is not the user's.
use super::*;

#[test]
fn a_reference_that_would_be_kept() {
    Cell { keeps: &["r", "v"], ..cell("let v = vec![1];\nlet r = &v;") }.check(expect![[r#"
        error[E0597]: `r` borrows from `v`, and a variable that outlives its cell cannot borrow
         --> cell [3]:2:9
          |
        2 | let r = &v;
          |         ^^ `v` is borrowed here
          |
        help: store an owned value: `v.clone()`, or use `v` itself
        help: or keep `r` and all that uses it inside one block `{ … }` of one cell
    "#]]);
}

#[test]
fn a_part_of_a_temporary() {
    Cell { keeps: &["s"], ..cell(r#"let s = String::from("a").as_str();"#) }.check(expect![[r#"
        error[E0716]: `s` borrows from a value that is dropped at the end of its statement, and a variable that outlives its cell cannot borrow
         --> cell [3]:1:9
          |
        1 | let s = String::from("a").as_str();
          |         ^^^^^^^^^^^^^^^^^ this value has no owner that stays
          |
        help: store an owned value: `.to_owned()` at its end makes one
        help: or keep `s` and all that uses it inside one block `{ … }` of one cell
    "#]]);
}

#[test]
fn a_slice_of_a_temporary() {
    Cell { keeps: &["s"], ..cell(r#"let s = &String::from("a")[..];"#) }.check(expect![[r#"
        error[E0716]: `s` borrows from a value that is dropped at the end of its statement, and a variable that outlives its cell cannot borrow
         --> cell [3]:1:10
          |
        1 | let s = &String::from("a")[..];
          |          ^^^^^^^^^^^^^^^^^ this value has no owner that stays
          |
        help: store an owned value: `String::from("a")[..].to_owned()`, without the `&`
        help: or keep `s` and all that uses it inside one block `{ … }` of one cell
    "#]]);
}

#[test]
fn an_iterator_that_would_be_kept() {
    Cell { keeps: &["s", "it"], ..cell(r#"let s = String::from("a");
let it = s.chars();"#) }.check(expect![[r#"
    error[E0597]: `it` borrows from `s`, and a variable that outlives its cell cannot borrow
     --> cell [3]:2:10
      |
    2 | let it = s.chars();
      |          ^ `s` is borrowed here
      |
    help: store an owned value: collect what it yields, as in `.map(|x| x.to_owned()).collect::<Vec<_>>()`
    help: or keep `it` and all that uses it inside one block `{ … }` of one cell
"#]]);
}

#[test]
fn a_reference_to_an_earlier_variable() {
    Cell { keeps: &["r"], takes: &[("v", "Vec<i32>")], ..cell("let r = &v;") }.check(expect![[r#"
        error[E0597]: `r` borrows from `v`, and a variable that outlives its cell cannot borrow
         --> cell [3]:1:10
          |
        1 | let r = &v;
          |          ^ `v` is borrowed here
          |
        help: store an owned value: `v.clone()`, or use `v` itself
        help: or keep `r` and all that uses it inside one block `{ … }` of one cell
    "#]]);
}

#[test]
fn a_kept_closure_over_a_mutable_borrow() {
    Cell { keeps: &["c"], takes: &[("v", "Vec<i32>")], ..cell("let r = &mut v; let c = || r.push(1);") }.check(expect![[r#"
        error[E0597]: `c` borrows from `v`, and a variable that outlives its cell cannot borrow
         --> cell [3]:1:14
          |
        1 | let r = &mut v; let c = || r.push(1);
          |              ^ `v` is borrowed here
          |
        help: store an owned value: make it a function (`fn`) that is given what it uses
        help: or keep `c` and all that uses it inside one block `{ … }` of one cell
    "#]]);
}

#[test]
fn assigned_while_borrowed_by_what_is_kept() {
    Cell { keeps: &["r"], takes: &[("v", "Vec<i32>")], ..cell("let r = &v; v = vec![];") }.check(expect![[r#"
        error[E0506]: `r` borrows from `v`, and a variable that outlives its cell cannot borrow
         --> cell [3]:1:13
          |
        1 | let r = &v; v = vec![];
          |         --  ^ assigned to here, while it is borrowed
          |         |
          |         `v` is borrowed here
          |
        help: store an owned value: `v.clone()`, or use `v` itself
        help: or keep `r` and all that uses it inside one block `{ … }` of one cell
    "#]]);
}

#[test]
fn moved_twice() {
    Cell { takes: &[("v", "Vec<i32>")], ..cell(r#"drop(v);
println!("{v:?}");"#) }.check(expect![[r#"
    error[E0382]: borrow of moved value: `v`
     --> cell [3]:2:12
      |
    1 | drop(v);
      |      - value moved here
    2 | println!("{v:?}");
      |            ^ value borrowed here after move
      |
      = note: move occurs because `v` has type `Vec<i32>`, which does not implement the `Copy` trait
    help: consider cloning the value if the performance cost is acceptable
      |
    1 | drop(v.clone());
      |       ++++++++
"#]]);
}

#[test]
fn moved_in_a_loop() {
    Cell { takes: &[("v", "Vec<i32>")], ..cell("for i in 0..2 { drop(v); }") }.check(expect![[r#"
        error[E0382]: use of moved value: `v`
         --> cell [3]:1:22
          |
        1 | for i in 0..2 { drop(v); }
          |                      ^ value moved here, in previous iteration of loop
          |
          = note: move occurs because `v` has type `Vec<i32>`, which does not implement the `Copy` trait
        help: consider cloning the value if the performance cost is acceptable
          |
        1 | for i in 0..2 { drop(v.clone()); }
          |                       ++++++++
    "#]]);
}

#[test]
fn moved_once_and_stored() {
    Cell { takes: &[("v", "Vec<i32>")], ..cell("drop(v);") }.check(expect![[r#"
        error[E0382]: borrow of moved value: `v`
         --> cell [3]:1:6
          |
        1 | drop(v);
          |      ^ value moved here
          |
        help: consider cloning the value if the performance cost is acceptable
          |
        1 | drop(v.clone());
          |       ++++++++
    "#]]);
}

#[test]
fn two_borrows() {
    Cell { takes: &[("v", "Vec<i32>")], ..cell(r#"let r = &v[0]; v.push(1); println!("{r}");"#) }.check(expect![[r#"
        error[E0502]: cannot borrow `v` as mutable because it is also borrowed as immutable
         --> cell [3]:1:16
          |
        1 | let r = &v[0]; v.push(1); println!("{r}");
          |          -     ^^^^^^^^^             - immutable borrow later used here
          |          |     |
          |          |     mutable borrow occurs here
          |          immutable borrow occurs here
    "#]]);
}

#[test]
fn a_thread_that_borrows() {
    Cell { keeps: &["t"], takes: &[("v", "Vec<i32>")], ..cell(r#"let t = std::thread::spawn(|| println!("{v:?}"));"#) }.check(expect![[r#"
        error[E0597]: `v` does not live long enough
         --> cell [3]:1:42
          |
        1 | let t = std::thread::spawn(|| println!("{v:?}"));
          |         ---------------------------------^------
          |         |                                |
          |         |                                borrowed value does not live long enough
          |         argument requires that `v` is borrowed for `'static`
          |
        help: `v` stays with the session when the cell ends: give the thread its own, as in `let mine = v.clone();` and a `move` closure that uses `mine`
    "#]]);
}

#[test]
fn a_thread_that_borrows_a_local() {
    Cell { keeps: &["t"], ..cell(r#"let n = 1;
let t = std::thread::spawn(|| println!("{n}"));"#) }.check(expect![[r#"
    error[E0373]: closure may outlive the cell, but it borrows `n`, which is owned by the cell
     --> cell [3]:2:28
      |
    2 | let t = std::thread::spawn(|| println!("{n}"));
      |                            ^^            - `n` is borrowed here
      |                            |
      |                            may outlive borrowed value `n`
      |
    note: function requires argument type to outlive `'static`
     --> cell [3]:2:9
      |
    2 | let t = std::thread::spawn(|| println!("{n}"));
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    help: to force the closure to take ownership of `n` (and any other referenced variables), use the `move` keyword
      |
    2 | let t = std::thread::spawn(move || println!("{n}"));
      |                            ++++
"#]]);
}

#[test]
fn never_initialised() {
    Cell { keeps: &["x"], ..cell("let x: i32;") }.check(expect![[r#"
        error[E0381]: used binding `x` isn't initialized
         --> cell [3]:1:5
          |
        1 | let x: i32;
          |     ^ binding declared here but left uninitialized
          |
        help: consider assigning a value
          |
        1 | let x: i32 = 42;
          |            ++++
    "#]]);
}

#[test]
fn not_mutable() {
    Cell { keeps: &["w"], ..cell("let w = vec![1]; w.push(1);") }.check(expect![[r#"
        error[E0596]: cannot borrow `w` as mutable, as it is not declared as mutable
         --> cell [3]:1:18
          |
        1 | let w = vec![1]; w.push(1);
          |                  ^ cannot borrow as mutable
          |
        help: consider changing this to be mutable
          |
        1 | let mut w = vec![1]; w.push(1);
          |     +++
    "#]]);
}

#[test]
fn moved_in_a_cell_that_waits() {
    Cell { waits: true, takes: &[("v", "Vec<i32>")], ..cell("async {}.await; drop(v); drop(v);") }.check(expect![[r#"
        error[E0382]: use of moved value: `v`
         --> cell [3]:1:31
          |
        1 | async {}.await; drop(v); drop(v);
          |                      -        ^ value used here after move
          |                      |
          |                      value moved here
          |
          = note: move occurs because `v` has type `Vec<i32>`, which does not implement the `Copy` trait
        help: consider cloning the value if the performance cost is acceptable
          |
        1 | async {}.await; drop(v.clone()); drop(v);
          |                       ++++++++
    "#]]);
}

#[test]
fn moved_before_it_is_shown() {
    Cell { takes: &[("v", "Vec<i32>")], tail: "v", ..cell("let w = v;") }.check(expect![[r#"
        error[E0382]: borrow of moved value: `v`
         --> cell [3]:2:1
          |
        1 | let w = v;
          |         - value moved here
        2 | v
          | ^ value borrowed here after move
          |
          = note: move occurs because `v` has type `Vec<i32>`, which does not implement the `Copy` trait
        help: consider cloning the value if the performance cost is acceptable
          |
        1 | let w = v.clone();
          |          ++++++++
    "#]]);
}

#[test]
fn a_new_variable_that_is_moved() {
    Cell { keeps: &["a"], ..cell("let a = vec![1]; drop(a);") }.check(expect![[r#"
        error[E0382]: borrow of moved value: `a`
         --> cell [3]:1:23
          |
        1 | let a = vec![1]; drop(a);
          |     -                 ^ value moved here
          |     |
          |     move occurs because `a` has type `Vec<i32>`, which does not implement the `Copy` trait
          |
        help: consider cloning the value if the performance cost is acceptable
          |
        1 | let a = vec![1]; drop(a.clone());
          |                        ++++++++
    "#]]);
}

#[test]
fn a_reference_into_a_vector_of_references() {
    Cell { keeps: &["words"], ..cell("let text = String::from(\"a b\");\nlet words: Vec<&str> = text.split(' ').collect();") }.check(expect![[r#"
        error[E0597]: `words` borrows from `text`, and a variable that outlives its cell cannot borrow
         --> cell [3]:2:24
          |
        2 | let words: Vec<&str> = text.split(' ').collect();
          |                        ^^^^ `text` is borrowed here
          |
        help: store an owned value: own what is collected, as in `.map(|x| x.to_owned()).collect::<Vec<_>>()`
        help: or keep `words` and all that uses it inside one block `{ … }` of one cell
    "#]]);
}

#[test]
fn an_earlier_variable_changed_while_a_kept_one_borrows_it() {
    Cell { keeps: &["first"], takes: &[("v", "Vec<i32>")], ..cell("let first = &v[0];\nv.push(2);") }.check(expect![[r#"
        error[E0502]: `first` borrows from `v`, and a variable that outlives its cell cannot borrow
         --> cell [3]:2:1
          |
        1 | let first = &v[0];
          |              - `v` is borrowed here
        2 | v.push(2);
          | ^^^^^^^^^ `v` is changed here, while it is borrowed
          |
        help: store an owned value: `v[0].clone()`, without the `&`
        help: or keep `first` and all that uses it inside one block `{ … }` of one cell
    "#]]);
}
