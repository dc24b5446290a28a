//! `+ - * / %` on tensors and numbers, by value and by reference, on either side; `&`, `|`, `^` and `!` on masks.
use crate::backend::{Binary, Unary};
use crate::elementwise::{binary, logic, unary, with_scalar};
use crate::interrupt::OrPanic;
use crate::{Scalar, Tensor};
use std::ops::{Add, AddAssign, BitAnd, BitOr, BitXor, Div, DivAssign, Mul, MulAssign, Neg, Not, Rem, Sub, SubAssign};

macro_rules! between_tensors {
    ($($trait:ident $method:ident $body:ident $op:expr;)*) => {
        $(between_tensors!(@ $trait $method $body $op, Tensor, Tensor);
        between_tensors!(@ $trait $method $body $op, Tensor, &Tensor);
        between_tensors!(@ $trait $method $body $op, &Tensor, Tensor);
        between_tensors!(@ $trait $method $body $op, &Tensor, &Tensor);)*
    };
    (@ $trait:ident $method:ident $body:ident $op:expr, $left:ty, $right:ty) => {
        impl $trait<$right> for $left {
            type Output = Tensor;
            #[track_caller]
            #[allow(clippy::needless_borrow, reason = "one body for values and references")]
            fn $method(self, other: $right) -> Tensor {
                $body($op, &self, &other).or_panic()
            }
        }
    };
}
between_tensors! {
    Add add binary Binary::Add;
    Sub sub binary Binary::Sub;
    Mul mul binary Binary::Mul;
    Div div binary Binary::Div;
    Rem rem binary Binary::Remainder;
    BitAnd bitand logic Binary::And;
    BitOr bitor logic Binary::Or;
    BitXor bitxor logic Binary::Xor;
}

/// A number beside a tensor: f64, f32, i64, i32, u8, and what Rust counts with: usize, u64, u32.
///
/// One implementation for all of them lets the compiler know at once that `&x * 2.0` is a tensor. On the left of an operator Rust has no such way:
/// there only f64 and i64 stand, for with f32 or i32 beside them the type of `(1.0 - &x).log()` would be unknown.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand beside a tensor in arithmetic",
    label = "neither a tensor nor a number",
    note = "beside a tensor stand tensors (`&x + &y`) and numbers (f64, f32, i64, i32, u8, usize, u64, u32); `Tensor::from_vec` makes a tensor of a `Vec`"
)]
pub trait Number: Into<Scalar> {}
impl Number for f64 {}
impl Number for f32 {}
impl Number for i64 {}
impl Number for i32 {}
impl Number for u8 {}
impl Number for usize {}
impl Number for u64 {}
impl Number for u32 {}

macro_rules! with_numbers {
    ($($trait:ident $method:ident $op:expr;)*) => {
        $(with_numbers!(@right $trait $method $op, Tensor);
        with_numbers!(@right $trait $method $op, &Tensor);
        with_numbers!(@left $trait $method $op, f64);
        with_numbers!(@left $trait $method $op, i64);)*
    };
    (@right $trait:ident $method:ident $op:expr, $tensor:ty) => {
        impl<N: Number> $trait<N> for $tensor {
            type Output = Tensor;
            #[track_caller]
            #[allow(clippy::needless_borrow, reason = "one body for values and references")]
            fn $method(self, other: N) -> Tensor {
                scaled($op, &self, other.into(), false)
            }
        }
    };
    (@left $trait:ident $method:ident $op:expr, $number:ty) => {
        impl $trait<Tensor> for $number {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                scaled($op, &other, self.into(), true)
            }
        }
        impl $trait<&Tensor> for $number {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                scaled($op, other, self.into(), true)
            }
        }
    };
}
with_numbers! {
    Add add Binary::Add;
    Sub sub Binary::Sub;
    Mul mul Binary::Mul;
    Div div Binary::Div;
    Rem rem Binary::Remainder;
}

/// Not generic, so that a cell gets a call and no body.
#[track_caller]
fn scaled(op: Binary, x: &Tensor, number: Scalar, reversed: bool) -> Tensor {
    with_scalar(op, x, number, reversed).or_panic()
}

macro_rules! assigning {
    ($($trait:ident $method:ident $op:expr;)*) => {
        $(impl $trait<Tensor> for Tensor {
            /// A new tensor takes the place of the old one, which others may still hold.
            #[track_caller]
            fn $method(&mut self, other: Tensor) {
                *self = binary($op, self, &other).or_panic();
            }
        }
        impl $trait<&Tensor> for Tensor {
            #[track_caller]
            fn $method(&mut self, other: &Tensor) {
                *self = binary($op, self, other).or_panic();
            }
        }
        impl<N: Number> $trait<N> for Tensor {
            #[track_caller]
            fn $method(&mut self, other: N) {
                *self = scaled($op, self, other.into(), false);
            }
        })*
    };
}
assigning! {
    AddAssign add_assign Binary::Add;
    SubAssign sub_assign Binary::Sub;
    MulAssign mul_assign Binary::Mul;
    DivAssign div_assign Binary::Div;
}

macro_rules! prefixes {
    ($($trait:ident $method:ident $op:expr;)*) => {
        $(impl $trait for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self) -> Tensor {
                unary(&self, $op).or_panic()
            }
        }
        impl $trait for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self) -> Tensor {
                unary(self, $op).or_panic()
            }
        })*
    };
}
prefixes! {
    Neg neg Unary::Neg;
    Not not Unary::Not;
}
