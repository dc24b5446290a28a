//! One element-wise operation: which kernel it has alone, and what it is called in a kernel of several (`fuse.rs`).
use super::element::by_size;
use super::images::Kernel;
use crate::DType;

/// How many tensors an operation takes, and which file of kernels has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// `one_NAME(x, p, q)` of `operations.cuh`.
    One,
    /// `two_NAME(x, y, p)`.
    Two,
    Cast,
    /// A mask and two tensors.
    Select,
}

/// An operation; its tensors have one shape.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Step {
    pub kind: Kind,
    pub name: &'static str,
    /// Type of the tensors (of `Select`: of those that it chooses from).
    pub from: DType,
    pub to: DType,
    pub p: f64,
    pub q: f64,
}

impl Step {
    pub const fn one(name: &'static str, from: DType, to: DType, p: f64, q: f64) -> Self {
        Self { kind: Kind::One, name, from, to, p, q }
    }

    pub const fn two(name: &'static str, from: DType, to: DType) -> Self {
        Self { kind: Kind::Two, name, from, to, p: 0.0, q: 0.0 }
    }

    pub const fn cast(from: DType, to: DType) -> Self {
        Self { kind: Kind::Cast, name: "cast", from, to, p: 0.0, q: 0.0 }
    }

    pub const fn select(dtype: DType) -> Self {
        Self { kind: Kind::Select, name: "where", from: dtype, to: dtype, p: 0.0, q: 0.0 }
    }

    /// The kernel that does it alone.
    pub fn kernel(&self) -> Kernel {
        match self.kind {
            Kind::One => Kernel::of("unary", self.name, self.from),
            Kind::Two => Kernel::of("binary", self.name, self.from),
            Kind::Cast => Kernel::of_two("cast", "cast", self.from, self.to),
            Kind::Select => Kernel::new("binary", by_size(["select_1", "select_2", "select_4", "select_8"], self.from)),
        }
    }

    /// Elements of a pack: 16 bytes of the wider type.
    pub fn width(&self) -> u64 {
        16 / self.from.size().max(self.to.size()) as u64
    }
}
