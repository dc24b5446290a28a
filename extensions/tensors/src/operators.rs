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

macro_rules! with_numbers {
    ($($trait:ident $method:ident $op:expr;)*) => {
        $(with_numbers!(@ $trait $method $op, Tensor, f64, f32, i64, i32);
        with_numbers!(@ $trait $method $op, &Tensor, f64, f32, i64, i32);)*
    };
    (@ $trait:ident $method:ident $op:expr, $tensor:ty, $($number:ty),*) => {
        $(impl $trait<$number> for $tensor {
            type Output = Tensor;
            #[track_caller]
            #[allow(clippy::needless_borrow, reason = "one body for values and references")]
            fn $method(self, other: $number) -> Tensor {
                with_scalar($op, &self, Scalar::from(other), false).or_panic()
            }
        }
        impl $trait<$tensor> for $number {
            type Output = Tensor;
            #[track_caller]
            #[allow(clippy::needless_borrow, reason = "one body for values and references")]
            fn $method(self, other: $tensor) -> Tensor {
                with_scalar($op, &other, Scalar::from(self), true).or_panic()
            }
        })*
    };
}
with_numbers! {
    Add add Binary::Add;
    Sub sub Binary::Sub;
    Mul mul Binary::Mul;
    Div div Binary::Div;
    Rem rem Binary::Remainder;
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
        impl $trait<f64> for Tensor {
            #[track_caller]
            fn $method(&mut self, other: f64) {
                *self = with_scalar($op, self, Scalar::from(other), false).or_panic();
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
