//! Shapes as users write them: `x.reshape(&[2, -1])`, `x.reshape(&[n, 8])`, `x.reshape(y.shape())`. Thin, at the edge: what is generic here is a
//! call, and the work is done by functions that are not.
use crate::Dims;
use smallvec::SmallVec;

/// An integer that a size can be: of i64 and i32 one may be -1.
pub trait Size: Copy {
    /// These sizes as they are worked with.
    fn list(sizes: &[Self]) -> SmallVec<[i64; 6]>;
}

macro_rules! sizes {
    ($($type:ty),*) => {
        $(impl Size for $type {
            fn list(sizes: &[Self]) -> SmallVec<[i64; 6]> {
                // A size beyond i64 cannot be; it is refused as one that does not fit.
                sizes.iter().map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect()
            }
        })*
    };
}
sizes!(i64, i32, usize);

/// A list of sizes: an array, a slice or a `Vec` of them, by reference.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no list of sizes",
    label = "sizes are usize, i64 or i32: `&[2, -1]`, `&[n, 8]`, `x.shape()`",
    note = "write `&[…]`; where sizes of both kinds meet, `n as i64` makes them one"
)]
pub trait Sizes {
    /// The sizes as they are worked with.
    fn sizes(&self) -> SmallVec<[i64; 6]>;
}

impl<T: Size> Sizes for [T] {
    fn sizes(&self) -> SmallVec<[i64; 6]> {
        T::list(self)
    }
}

impl<T: Size, const N: usize> Sizes for [T; N] {
    fn sizes(&self) -> SmallVec<[i64; 6]> {
        T::list(self)
    }
}

impl<T: Size> Sizes for Vec<T> {
    fn sizes(&self) -> SmallVec<[i64; 6]> {
        T::list(self)
    }
}

impl Sizes for Dims {
    fn sizes(&self) -> SmallVec<[i64; 6]> {
        usize::list(self)
    }
}

impl<S: Sizes + ?Sized> Sizes for &S {
    fn sizes(&self) -> SmallVec<[i64; 6]> {
        (**self).sizes()
    }
}
