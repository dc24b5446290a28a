//! Names, types, `?`, syntax and hints.
use super::*;

#[test]
fn question_mark_on_an_option() {
    Cell { keeps: &["m"], fallible: true, ..cell("let m = Some(1)?;") }.check(expect![[r#"
        error[E0277]: the `?` operator can only be used on `Result`s, not `Option`s, in a cell that returns `Result`
         --> cell [3]:1:16
          |
        1 | let m = Some(1)?;
          |                ^ use `.ok_or(...)?` to provide an error compatible with `Result<(), Box<dyn std::error::Error>>`
          |
        help: give the missing value an error: `.ok_or("what is missing")?`
    "#]]);
}

#[test]
fn question_mark_where_none_fits() {
    Cell { keeps: &["m"], ..cell(r#"let m: i32 = "1".parse()?;"#) }.check(expect![[r#"
        error[E0277]: the `?` operator can only be used in a cell that returns `Result` or `Option` (or another type that implements `FromResidual`)
         --> cell [3]:1:25
          |
        1 | let m: i32 = "1".parse()?;
          |                         ^ cannot use the `?` operator in a cell that returns `()`
    "#]]);
}

#[test]
fn unclosed_bracket() {
    Cell { keeps: &["x"], ..cell("let x = vec![1;") }.check(expect![[r#"
        error: this cell contains an unclosed delimiter: `[`
         --> cell [3]:1:16
          |
        1 | let x = vec![1;
          |             -  ^ the cell ends here
          |             |
          |             unclosed delimiter
    "#]]);
}

#[test]
fn unclosed_call() {
    cell("foo(1;").check(expect![[r#"
        error: this cell contains an unclosed delimiter: `(`
         --> cell [3]:1:7
          |
        1 | foo(1;
          |    -  ^ the cell ends here
          |    |
          |    unclosed delimiter
    "#]]);
}

#[test]
fn one_brace_too_many() {
    cell("let x = 1; }").check(expect![[r#"
        error: unexpected closing delimiter: `}`
         --> cell [3]:1:12
          |
        1 | let x = 1; }
          |            ^ unexpected closing delimiter
    "#]]);
}

#[test]
fn unclosed_function() {
    cell("fn f() {").check(expect![[r#"
        error: this cell contains an unclosed delimiter: `{`
         --> cell [3]:1:9
          |
        1 | fn f() {
          |        -^ the cell ends here
          |        |
          |        unclosed delimiter
    "#]]);
}

#[test]
fn unclosed_string() {
    Cell { keeps: &["s"], ..cell(r#"let y = 1;
let s = "abc"#) }.check(expect![[r#"
    error[E0765]: unterminated double quote string
     --> cell [3]:2:9
      |
    2 | let s = "abc
      |         ^^^^ begins here and does not end
"#]]);
}

#[test]
fn unclosed_comment() {
    cell("let y = 1; /* abc").check(expect![[r#"
        error[E0758]: unterminated block comment
         --> cell [3]:1:12
          |
        1 | let y = 1; /* abc
          |            ^^^^^^ begins here and does not end
    "#]]);
}

#[test]
fn nothing_after_equals() {
    Cell { keeps: &["x"], ..cell("let x =") }.check(expect![[r#"
        error: expected expression, found the end of the cell
         --> cell [3]:1:8
          |
        1 | let x =
          |        ^ the cell ends here
    "#]]);
}

#[test]
fn nothing_after_dot() {
    Cell { keeps: &["x"], ..cell("let x = 1.max(2).") }.check(expect![[r#"
        error: expected identifier, found the end of the cell
         --> cell [3]:1:18
          |
        1 | let x = 1.max(2).
          |                  ^ the cell ends here
    "#]]);
}

#[test]
fn missing_semicolon() {
    cell("let x = 1\nlet y = 2;").check(expect![[r#"
        error: expected `;`, found keyword `let`
         --> cell [3]:1:10
          |
        1 | let x = 1
          |          ^
        2 | let y = 2;
          | --- unexpected token
          |
        help: add `;` here
          |
        1 | let x = 1;
          |          +
    "#]]);
}

#[test]
fn unknown_variable() {
    cell(r#"println!("{}", undefined_x);"#).check(expect![[r#"
        error[E0425]: cannot find value `undefined_x` in this scope
         --> cell [3]:1:16
          |
        1 | println!("{}", undefined_x);
          |                ^^^^^^^^^^^ not found in this scope
    "#]]);
}

#[test]
fn unknown_variable_with_a_hint() {
    Cell { hints: &[("df", "`df` was moved in cell [2], line 1; use `df.clone()` there")], ..cell(r#"println!("{df:?}");"#) }.check(expect![[r#"
        error[E0425]: cannot find value `df` in this scope
         --> cell [3]:1:12
          |
        1 | println!("{df:?}");
          |            ^^ not found in this scope
          |
        help: `df` was moved in cell [2], line 1; use `df.clone()` there
    "#]]);
}

#[test]
fn unknown_crate() {
    cell("use serde_xx::Foo;\nlet x = ndarray::Array::zeros(3);").check(expect![[r#"
        error[E0432]: unresolved import `serde_xx`
         --> cell [3]:1:5
          |
        1 | use serde_xx::Foo;
          |     ^^^^^^^^ use of unresolved module or unlinked crate `serde_xx`
          |
        help: if `serde_xx` is a crate, add it with `%dep serde_xx`

        error[E0433]: cannot find module or crate `ndarray` in this scope
         --> cell [3]:2:9
          |
        2 | let x = ndarray::Array::zeros(3);
          |         ^^^^^^^ use of unresolved module or unlinked crate `ndarray`
          |
        help: if `ndarray` is a crate, add it with `%dep ndarray`
    "#]]);
}

#[test]
fn prefix_of_python_polars() {
    cell(r#"let d = pl::col("x");"#).check(expect![[r#"
        error[E0433]: cannot find module or crate `pl` in this scope
         --> cell [3]:1:9
          |
        1 | let d = pl::col("x");
          |         ^^ use of unresolved module or unlinked crate `pl`
          |
        help: polars' names are in scope without a prefix: `pl.col("x")` is `col("x")`
    "#]]);
}

#[test]
fn suggested_import() {
    Cell { keeps: &["m"], ..cell("let m: HashMap<i32, i32> = HashMap::new();") }.check(expect![[r#"
        error[E0425]: cannot find type `HashMap` in this scope
         --> cell [3]:1:8
          |
        1 | let m: HashMap<i32, i32> = HashMap::new();
          |        ^^^^^^^ not found in this scope
          |
          = help: consider importing this struct: `use std::collections::HashMap;`

        error[E0433]: cannot find type `HashMap` in this scope
         --> cell [3]:1:28
          |
        1 | let m: HashMap<i32, i32> = HashMap::new();
          |                            ^^^^^^^ use of undeclared type `HashMap`
          |
          = help: consider importing this struct: `use std::collections::HashMap;`
    "#]]);
}

#[test]
fn type_not_known() {
    Cell { keeps: &["x"], ..cell("let x = Vec::new();") }.check(expect![[r#"
        error[E0282]: type annotations needed for `Vec<_>`
         --> cell [3]:1:5
          |
        1 | let x = Vec::new();
          |     ^   ---------- type must be known at this point
          |
        help: consider giving `x` an explicit type
          |
        1 | let x: /* Type */ = Vec::new();
          |      ++++++++++++
    "#]]);
}

#[test]
fn type_of_parse_not_known() {
    Cell { keeps: &["x"], ..cell(r#"let y = 1;
let x = "1".parse().unwrap();"#) }.check(expect![[r#"
    error[E0284]: type annotations needed
     --> cell [3]:2:5
      |
    2 | let x = "1".parse().unwrap();
      |     ^       ----- type must be known at this point
      |
      = note: cannot satisfy `<_ as FromStr>::Err == _`
    help: consider giving `x` an explicit type
      |
    2 | let x: /* Type */ = "1".parse().unwrap();
      |      ++++++++++++
"#]]);
}

#[test]
fn unsized_value() {
    Cell { keeps: &["x"], ..cell(r#"let x = *"abc";"#) }.check(expect![[r#"
        error[E0277]: the size for values of type `str` cannot be known at compilation time
         --> cell [3]:1:5
          |
        1 | let x = *"abc";
          |     ^ doesn't have a size known at compile-time
          |
          = help: the trait `Sized` is not implemented for `str`
          = note: all local variables must have a statically known size
        help: references are always `Sized`, even if they point to unsized data; consider not dereferencing the expression
          |
        1 - let x = *"abc";
        1 + let x = "abc";
          |
    "#]]);
}

#[test]
fn wrong_type() {
    Cell { keeps: &["x"], ..cell(r#"let x: i32 = "a";"#) }.check(expect![[r#"
        error[E0308]: mismatched types
         --> cell [3]:1:14
          |
        1 | let x: i32 = "a";
          |        ---   ^^^ expected `i32`, found `&str`
          |        |
          |        expected due to this
    "#]]);
}

#[test]
fn returned_value() {
    cell("return 5;").check(expect![[r#"
        error[E0308]: mismatched types
         --> cell [3]:1:8
          |
        1 | return 5;
          |        ^ expected `()`, found integer
          |
        note: return type inferred to be `()` here
         --> cell [3]:1:8
          |
        1 | return 5;
          |        ^
    "#]]);
}

#[test]
fn break_at_top_level() {
    cell("break;").check(expect![[r#"
        error[E0267]: `break` outside of a loop
         --> cell [3]:1:1
          |
        1 | break;
          | ^^^^^ cannot `break` outside of a loop or labeled block
    "#]]);
}

#[test]
fn await_without_async() {
    cell("async fn f() {}\nf().await;").check(expect![[r#"
        error[E0728]: `await` is only allowed inside `async` functions and blocks
         --> cell [3]:2:5
          |
        2 | f().await;
          |     ^^^^^ only allowed inside `async` functions and blocks
    "#]]);
}

#[test]
fn unknown_method() {
    cell("struct S; S.foo();\nlet v = vec![1]; v.lenn();").check(expect![[r#"
        error[E0599]: no method named `foo` found for struct `S` in the current scope
         --> cell [3]:1:13
          |
        1 | struct S; S.foo();
          | --------    ^^^ method not found in `S`
          | |
          | method `foo` not found for this struct

        error[E0599]: no method named `lenn` found for struct `Vec<{integer}>` in the current scope
         --> cell [3]:2:20
          |
        2 | let v = vec![1]; v.lenn();
          |                    ^^^^
          |
        help: there is a method `len` with a similar name
          |
        2 - let v = vec![1]; v.lenn();
        2 + let v = vec![1]; v.len();
          |
    "#]]);
}

#[test]
fn old_name_of_a_method() {
    cell(r#"struct Df; Df.groupby("a");"#).check(expect![[r#"
        error[E0599]: no method named `groupby` found for struct `Df` in the current scope
         --> cell [3]:1:15
          |
        1 | struct Df; Df.groupby("a");
          | ---------     ^^^^^^^ method not found in `Df`
          | |
          | method `groupby` not found for this struct
          |
        help: instead of `groupby` use `group_by`
    "#]]);
}

#[test]
fn missing_derive() {
    cell(r#"struct P;
println!("{:?}", P);"#).check(expect![[r#"
    error[E0277]: `P` doesn't implement `Debug`
     --> cell [3]:2:18
      |
    2 | println!("{:?}", P);
      |           ----   ^ `P` cannot be formatted using `{:?}` because it doesn't implement `Debug`
      |           |
      |           required by this formatting parameter
      |
      = help: the trait `Debug` is not implemented for `P`
      = note: add `#[derive(Debug)]` to `P` or manually `impl Debug for P`
    help: consider annotating `P` with `#[derive(Debug)]`
      |
    1 + #[derive(Debug)]
    2 | struct P;
      |
"#]]);
}

#[test]
fn missing_derive_of_an_earlier_type() {
    Cell { earlier: r#"pub struct P;"#, ..cell(r#"println!("{:?}", P);"#) }.check(expect![[r#"
        error[E0277]: `P` doesn't implement `Debug`
         --> cell [3]:1:18
          |
        1 | println!("{:?}", P);
          |           ----   ^ `P` cannot be formatted using `{:?}` because it doesn't implement `Debug`
          |           |
          |           required by this formatting parameter
          |
          = help: the trait `Debug` is not implemented for `P`
          = note: add `#[derive(Debug)]` to `P` or manually `impl Debug for P`
        help: consider annotating `P` with `#[derive(Debug)]`
         --> cell [1]:1:1
          |
        1 + #[derive(Debug)]
        2 | pub struct P;
          |
    "#]]);
}

#[test]
fn bound_of_the_standard_library() {
    cell("struct P; let mut v = vec![P, P]; v.sort();").check(expect![[r#"
        error[E0277]: the trait bound `P: Ord` is not satisfied
         --> cell [3]:1:37
          |
        1 | struct P; let mut v = vec![P, P]; v.sort();
          |                                     ^^^^ the trait `Ord` is not implemented for `P`
          |
          = note: required by a bound in `slice::<impl [T]>::sort`
        help: consider annotating `P` with `#[derive(Ord)]`
          |
        1 + #[derive(Ord)]
        2 | struct P; let mut v = vec![P, P]; v.sort();
          |
    "#]]);
}

#[test]
fn call_of_an_earlier_function() {
    Cell { earlier: r#"pub fn add(a: i32, b: i32) -> i32 { a + b }"#, ..cell(r#"let x = add(1, "2");"#) }.check(expect![[r#"
        error[E0308]: mismatched types
         --> cell [3]:1:16
          |
        1 | let x = add(1, "2");
          |         ---    ^^^ expected `i32`, found `&str`
          |         |
          |         arguments to this function are incorrect
          |
        note: function defined here
         --> cell [1]:1:8
          |
        1 | pub fn add(a: i32, b: i32) -> i32 { a + b }
          |        ^^^         ------
    "#]]);
}

#[test]
fn own_macro() {
    cell(r#"macro_rules! two { ($e:expr) => { { let z: i32 = $e; z } } }
let q = two!("str");"#).check(expect![[r#"
    error[E0308]: mismatched types
     --> cell [3]:2:14
      |
    1 | macro_rules! two { ($e:expr) => { { let z: i32 = $e; z } } }
      |                                            --- expected due to this
    2 | let q = two!("str");
      |              ^^^^^ expected `i32`, found `&str`
"#]]);
}

#[test]
fn body_of_an_own_macro() {
    cell(r#"macro_rules! bad { () => { let z: i32 = "a"; } }
bad!();"#).check(expect![[r#"
    error[E0308]: mismatched types
     --> cell [3]:1:41
      |
    1 | macro_rules! bad { () => { let z: i32 = "a"; } }
      |                                   ---   ^^^ expected `i32`, found `&str`
      |                                   |
      |                                   expected due to this
    2 | bad!();
      | ------ in this macro invocation
"#]]);
}

#[test]
fn argument_of_println() {
    cell(r#"println!("{} {}", 1);"#).check(expect![[r#"
        error: 2 positional arguments in format string, but there is 1 argument
         --> cell [3]:1:11
          |
        1 | println!("{} {}", 1);
          |           ^^ ^^   -
    "#]]);
}

#[test]
fn must_use() {
    cell(r#""1".parse::<i32>();"#).check(expect![[r#"
        warning: unused `Result` that must be used
         --> cell [3]:1:1
          |
        1 | "1".parse::<i32>();
          | ^^^^^^^^^^^^^^^^^^
          |
          = note: this `Result` may be an `Err` variant, which should be handled
          = note: `#[warn(unused_must_use)]` (part of `#[warn(unused)]`) on by default
        help: use `let _ = ...` to ignore the resulting value
          |
        1 | let _ = "1".parse::<i32>();
          | +++++++
    "#]]);
}

#[test]
fn unreachable() {
    cell(r#"return; println!("a");"#).check(expect![[r#"
        warning: unreachable statement
         --> cell [3]:1:9
          |
        1 | return; println!("a");
          | ------  ^^^^^^^^^^^^^ unreachable statement
          | |
          | any code following this expression is unreachable
          |
          = note: `#[warn(unreachable_code)]` (part of `#[warn(unused)]`) on by default
    "#]]);
}

#[test]
fn private_field() {
    cell("mod m { pub struct A { x: i32 } impl A { pub fn new() -> A { A { x: 1 } } } }\nm::A::new().x;").check(expect![[r#"
        error[E0616]: field `x` of struct `A` is private
         --> cell [3]:2:13
          |
        2 | m::A::new().x;
          |             ^ private field
    "#]]);
}

#[test]
fn missing_match_arm() {
    cell("match Some(1) { None => {} }").check(expect![[r#"
        error[E0004]: non-exhaustive patterns: `Some(_)` not covered
         --> cell [3]:1:7
          |
        1 | match Some(1) { None => {} }
          |       ^^^^^^^ pattern `Some(_)` not covered
          |
          = note: the matched value is of type `Option<i32>`
        help: ensure that all possible cases are being handled by adding a match arm with a wildcard pattern or an explicit pattern as shown
          |
        1 | match Some(1) { None => {}, Some(_) => todo!() }
          |                           ++++++++++++++++++++
    "#]]);
}

#[test]
fn two_errors() {
    cell(r#"let a: i32 = "x";
let b: &str = 1;"#).check(expect![[r#"
    error[E0308]: mismatched types
     --> cell [3]:1:14
      |
    1 | let a: i32 = "x";
      |        ---   ^^^ expected `i32`, found `&str`
      |        |
      |        expected due to this

    error[E0308]: mismatched types
     --> cell [3]:2:15
      |
    2 | let b: &str = 1;
      |        ----   ^ expected `&str`, found integer
      |        |
      |        expected due to this
"#]]);
}

#[test]
fn lifetime_missing() {
    cell("fn f(a: &str, b: &str) -> &str { a }").check(expect![[r#"
        error[E0106]: missing lifetime specifier
         --> cell [3]:1:27
          |
        1 | fn f(a: &str, b: &str) -> &str { a }
          |         ----     ----     ^ expected named lifetime parameter
          |
          = help: this function's return type contains a borrowed value, but the signature does not say whether it is borrowed from `a` or `b`
        help: consider introducing a named lifetime parameter
          |
        1 | fn f<'a>(a: &'a str, b: &'a str) -> &'a str { a }
          |     ++++     ++          ++          ++
    "#]]);
}

#[test]
fn type_of_the_last_expression_not_known() {
    Cell { tail: r#""1".parse().unwrap()"#, ..cell("let a = 1;") }.check(expect![[r#"
        error[E0284]: type annotations needed
         --> cell [3]:2:5
          |
        2 | "1".parse().unwrap()
          |     ^^^^^ cannot infer type of the type parameter `F` declared on the method `parse`
          |
          = note: cannot satisfy `<_ as FromStr>::Err == _`
        help: consider specifying the generic argument
          |
        2 | "1".parse::<F>().unwrap()
          |          +++++
    "#]]);
}

#[test]
fn last_expression_of_a_wrong_type() {
    Cell { tail: "1 + \"a\"", takes: &[("v", "Vec<i32>")], ..cell("let a = v.len();") }.check(expect![[r#"
        error[E0277]: cannot add `&str` to `{integer}`
         --> cell [3]:2:3
          |
        2 | 1 + "a"
          |   ^ no implementation for `{integer} + &str`
          |
          = help: the trait `Add<&str>` is not implemented for `{integer}`
          = help: the following other types implement trait `Add<Rhs>`:
                    `&f128` implements `Add<f128>`
                    `&f128` implements `Add`
                    `&f16` implements `Add<f16>`
                    `&f16` implements `Add`
                    `&f32` implements `Add<f32>`
                    `&f32` implements `Add`
                    `&f64` implements `Add<f64>`
                    `&f64` implements `Add`
                  and 56 others
    "#]]);
}

#[test]
fn break_in_a_cell_that_waits() {
    Cell { waits: true, ..cell("async {}.await; break;") }.check(expect![[r#"
        error[E0267]: `break` outside of a loop
         --> cell [3]:1:17
          |
        1 | async {}.await; break;
          |                 ^^^^^ cannot `break` outside of a loop or labeled block
    "#]]);
}

#[test]
fn question_mark_in_a_cell_that_waits() {
    Cell { waits: true, ..cell("async {}.await; std::fs::read(\"a\")?;") }.check(expect![[r#"
        error[E0277]: the `?` operator can only be used in a cell that returns `Result` or `Option` (or another type that implements `FromResidual`)
         --> cell [3]:1:35
          |
        1 | async {}.await; std::fs::read("a")?;
          |                                   ^ cannot use the `?` operator in a cell that returns `()`
    "#]]);
}

#[test]
fn error_type_that_is_no_error() {
    Cell { fallible: true, ..cell("struct E; let r: Result<i32, E> = Err(E);\nr?;") }.check(expect![[r#"
        error[E0277]: `?` couldn't convert the error: `E: std::error::Error` is not satisfied
         --> cell [3]:2:2
          |
        2 | r?;
          | -^ the trait `std::error::Error` is not implemented for `E`
          | |
          | this has type `Result<_, E>`
          |
        note: `E` needs to implement `std::error::Error`
         --> cell [3]:1:1
          |
        1 | struct E; let r: Result<i32, E> = Err(E);
          | ^^^^^^^^
        note: the question mark operation (`?`) implicitly performs a conversion on the error value using the `From` trait
        note: required for `Box<dyn std::error::Error>` to implement `From<E>`
    "#]]);
}

#[test]
fn python_in_a_cell() {
    cell("def f(x):\n    return x").check(expect![[r#"
        error: expected one of `!`, `.`, `::`, `;`, `?`, `{`, `}`, or an operator, found `f`
         --> cell [3]:1:5
          |
        1 | def f(x):
          |     ^ expected one of 8 possible tokens
          |
        help: write `fn` instead of `def` to declare a function
          |
        1 - def f(x):
        1 + fn f(x):
          |
        help: you might have meant to write a method call
          |
        1 | def.f(x):
          |    +
    "#]]);
    cell("import polars as pl").check(expect![[r#"
        error: expected one of `!`, `.`, `::`, `;`, `?`, `{`, `}`, or an operator, found `polars`
         --> cell [3]:1:8
          |
        1 | import polars as pl
          |        ^^^^^^ expected one of 8 possible tokens
    "#]]);
    cell("x = 'hello'").check(expect![[r#"
        error: character literal may only contain one codepoint
         --> cell [3]:1:5
          |
        1 | x = 'hello'
          |     ^^^^^^^
          |
        help: if you meant to write a string literal, use double quotes
          |
        1 - x = 'hello'
        1 + x = "hello"
          |

        error[E0425]: cannot find value `x` in this scope
         --> cell [3]:1:1
          |
        1 | x = 'hello'
          | ^
          |
        help: you might have meant to introduce a new binding
          |
        1 | let x = 'hello'
          | +++
    "#]]);
}

#[test]
fn unclosed_brackets_beside_magics() {
    cell("%cd 'ä\nlet x = (1;").check(expect![[r#"
        error: this cell contains an unclosed delimiter: `(`
         --> cell [3]:2:12
          |
        2 | let x = (1;
          |         -  ^ the cell ends here
          |         |
          |         unclosed delimiter
    "#]]);
}

/// As much of a tensor as the compiler's messages need.
const TENSOR: &str = "pub struct Tensor;\nimpl std::ops::Mul<f64> for &Tensor { type Output = Tensor; fn mul(self, _: f64) -> Tensor { Tensor } }\nimpl std::ops::Mul<&Tensor> for f64 { type Output = Tensor; fn mul(self, _: &Tensor) -> Tensor { Tensor } }";

#[test]
fn a_place_of_a_tensor_in_brackets() {
    Cell { earlier: TENSOR, keeps: &["y"], ..cell("let t = Tensor; let y = t[0];") }.check(expect![[r#"
        error[E0608]: cannot index into a value of type `Tensor`
         --> cell [3]:1:26
          |
        1 | let t = Tensor; let y = t[0];
          |                          ^^^
          |
        help: a part of a tensor is `x.select(0, i)` (Python's `x[i]`), `x.narrow(dim, start, len)` or `x.slice(ochre::s![.., 1..3])`
    "#]]);
}

#[test]
fn a_number_on_the_left_of_a_tensor() {
    Cell { earlier: TENSOR, keeps: &["y"], ..cell("let t = Tensor; let y = 0.5f32 * &t;") }.check(expect![[r#"
        error[E0277]: cannot multiply `f32` by `&Tensor`
         --> cell [3]:1:32
          |
        1 | let t = Tensor; let y = 0.5f32 * &t;
          |                                ^ no implementation for `f32 * &Tensor`
          |
          = help: the trait `Mul<&Tensor>` is not implemented for `f32`
        help: a number on the left of a tensor is an f64 or an i64: `f64::from(number) * &x`, or turn it around: `&x * number`
    "#]]);
}
