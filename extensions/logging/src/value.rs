//! What can be the value of a metric.

/// A number as a metric has it. Integers beyond 2⁵³ are rounded; `None` is NaN, a gap in the chart.
pub trait Value {
    fn value(&self) -> f64;
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Value for $type {
            #[inline]
            fn value(&self) -> f64 {
                *self as f64
            }
        }
    )*};
}
numbers!(f32, f64, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

impl Value for bool {
    fn value(&self) -> f64 {
        f64::from(*self)
    }
}

impl<T: Value + ?Sized> Value for &T {
    #[inline]
    fn value(&self) -> f64 {
        (**self).value()
    }
}

impl<T: Value> Value for Option<T> {
    #[inline]
    fn value(&self) -> f64 {
        self.as_ref().map_or(f64::NAN, Value::value)
    }
}
