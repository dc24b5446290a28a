//! The table of cases: each public operation of `Tensor` and of `functional`, and its variants.
mod elementwise;
mod large;
mod networks;
mod reductions;
mod views;

use crate::case::Case;

/// All of them; names are unique (a test sees to it).
pub fn all() -> Vec<Case> {
    [elementwise::cases(), views::cases(), reductions::cases(), networks::cases(), networks::losses(), large::cases()].concat()
}
