//! Products of matrices: panels that fit the caches, and a kernel in registers for each instruction set (after Goto and van de Geijn,
//! "Anatomy of high-performance matrix multiplication", 2008). `matmul.rs` and `conv.rs` say where rows and columns come from.
//!
//! ```text
//! C[m x n] += A[m x k] B[k x n]      A in blocks of K_BLOCK x R rows, B in panels of K_BLOCK x NR columns, R x NR of C in registers
//! ```
//! The crate `gemm` was not taken: it would switch on features of `bytemuck` and `num-traits`, on which polars stands, and convolutions need
//! panels that are gathered from pictures, which it has no way to ask for.
#![allow(unsafe_code)]
use super::access::Load;
use super::level::{Reach, reach};
use super::math::Real;
use super::parallel;
use crate::error::Result;
use std::cell::RefCell;
use std::marker::PhantomData;

/// Steps of the inner dimension that are done at once: the more, the less often C is read and written; a panel of B stays in the second-level cache.
pub const K_BLOCK: usize = 512;
/// Bytes of packed rows that stay in the second-level cache while panels pass.
const BLOCK_BYTES: usize = 512 * 1024;
/// Up to so many rows columns are read where they lie, and up to so many panels of columns rows are: packing would not pay.
const DIRECT_ROWS: usize = 128;
const LYING_PANELS: usize = 4;
/// Places after a panel, so that whole vectors can be written at its end.
pub const SLACK: usize = 16;
/// Bytes of a line of the cache.
const LINE: usize = 64;
/// The most rows and columns of any kernel, and vectors in each of its rows.
const MOST_ROWS: usize = 8;
const MOST_COLUMNS: usize = 48;
const VECTORS: usize = 3;

/// `c[i][j] (+)= sum over p of a[p * rows + i] * b[p * b_step + j]` for `rows` of its own and `NR` columns.
type Micro<W> = unsafe fn(k: usize, a: (*const W, usize), b: (*const W, usize), c: (*mut W, usize), accumulate: bool);

/// The kernels of an instruction set: one for each number of rows and of vectors in a row.
pub struct Kernel<W: 'static> {
    /// Rows of a full tile.
    pub rows: usize,
    /// Columns of a full tile.
    pub columns: usize,
    /// Columns of a vector.
    lanes: usize,
    packed: [&'static [Micro<W>]; VECTORS],
    lying: [&'static [Micro<W>]; VECTORS],
}

/// Rows that are packed once for many products.
pub struct Packed<W> {
    data: Vec<W>,
    rows: usize,
}

impl<W: Multiply> Packed<W> {
    /// `m` rows of `k` steps.
    pub fn new(a: &impl Rows<W>, m: usize, k: usize) -> Self {
        let (mut data, mut scratch) = (Vec::with_capacity(m * k), Vec::new());
        for [k0, k1] in blocks(k) {
            data.extend_from_slice(a.block([0, m], [k0, k1], W::kernel().rows, &mut scratch));
        }
        Self { data, rows: m }
    }
}

impl<W> Rows<W> for &Packed<W> {
    fn block<'a>(&'a self, [i0, i1]: [usize; 2], [k0, k1]: [usize; 2], _: usize, _: &'a mut Vec<W>) -> &'a [W] {
        &self.data[k0 * self.rows + i0 * (k1 - k0)..][..(i1 - i0) * (k1 - k0)]
    }
}

/// Steps in blocks of about one size.
fn blocks(k: usize) -> impl Iterator<Item = [usize; 2]> {
    let count = k.div_ceil(K_BLOCK).max(1);
    (0..count).map(move |block| [k * block / count, k * (block + 1) / count])
}

/// Types that have kernels.
pub trait Multiply: Real + Load {
    /// For this machine.
    fn kernel() -> &'static Kernel<Self>;
    /// Calls with this thread's memory for packed rows and columns.
    fn with_scratch<T>(work: impl FnOnce(&mut Vec<Self>, &mut Vec<Self>) -> T) -> T;
}

/// Where rows of A come from.
pub trait Rows<W> {
    /// Steps `k0..k1` of rows `i0..i0 + m`, packed: tiles of `tile` rows (the last one may have fewer), in each step by step.
    fn block<'a>(&'a self, rows: [usize; 2], steps: [usize; 2], tile: usize, scratch: &'a mut Vec<W>) -> &'a [W];

    /// Where row `i0` lies from step `k0` on, neighbouring steps side by side, and how far rows are apart.
    fn lying(&self, _i0: usize, _k0: usize) -> Option<(&[W], usize)> {
        None
    }
}

/// Where columns of B come from.
pub trait Columns<W> {
    /// Writes steps `k0..k1` of columns `j0..j0 + count`, `width` apart. What stands from `count` on does not matter; `to` is longer by `SLACK`.
    fn pack(&self, steps: [usize; 2], j0: usize, count: usize, width: usize, to: &mut [W]);

    /// The same where it lies already, from column `j0`, and how far steps are apart; `width` elements are there in each.
    fn direct(&self, _steps: [usize; 2], _j0: usize, _width: usize) -> Option<(&[W], usize)> {
        None
    }
}

/// Where elements of C are: column `j` is place `j % plane` of plane `j / plane`.
#[derive(Clone, Copy)]
pub struct Place {
    pub offset: usize,
    pub plane: usize,
    pub plane_stride: usize,
    pub row_stride: usize,
}

impl Place {
    /// A row-major matrix of `n` columns.
    pub fn matrix(offset: usize, n: usize) -> Self {
        Self { offset, plane: n.max(1), plane_stride: 0, row_stride: n }
    }

    /// How far after `offset` the last of `m` rows and `n` columns ends.
    fn extent(&self, m: usize, n: usize) -> usize {
        if m == 0 || n == 0 { 0 } else { (n - 1) / self.plane * self.plane_stride + (m - 1) * self.row_stride + self.plane.min(n) }
    }

    #[inline]
    fn of(&self, i: usize, j: usize) -> usize {
        self.offset + j / self.plane * self.plane_stride + i * self.row_stride + j % self.plane
    }
}

/// Results that several threads write, each other tiles.
struct Out<'a, W> {
    pointer: *mut W,
    len: usize,
    owner: PhantomData<&'a mut [W]>,
}

// SAFETY: only `part` writes through it, to places that its caller gives to no other thread.
unsafe impl<W: Send> Sync for Out<'_, W> {}

impl<'a, W> Out<'a, W> {
    fn new(memory: &'a mut [W]) -> Self {
        Self { pointer: memory.as_mut_ptr(), len: memory.len(), owner: PhantomData }
    }
}

/// A product on the calling thread: rows `0..m` and columns `0..n` over `k` steps.
pub fn multiply<W: Multiply>([m, n, k]: [usize; 3], a: &impl Rows<W>, b: &impl Columns<W>, (out, place): (&mut [W], Place), accumulate: bool) {
    let out = Out::new(out);
    // SAFETY: the memory is ours alone.
    unsafe { part([0, m], [0, n], k, a, b, (&out, place), accumulate) }
}

/// Rows and columns of a part of a product that one thread does: large enough that packing does not show, small enough to share out.
const PART_ROWS: usize = 1024;
const PART_COLUMNS: usize = 1536;

/// `count` products of the same sizes over the threads; product `i` has all places of `places(i)` to itself.
pub fn products<W: Multiply, A: Rows<W>, B: Columns<W>>(
    operation: &'static str,
    count: usize,
    [m, n, k]: [usize; 3],
    a: impl Fn(usize) -> A + Sync,
    b: impl Fn(usize) -> B + Sync,
    (out, plane, stride): (&mut [W], Place, usize),
    accumulate: bool,
) -> Result<()> {
    let kernel = W::kernel();
    let (mut rows, mut columns) = (m.min(PART_ROWS), n.min(PART_COLUMNS));
    // Two parts for each thread, if there is that much work.
    let wanted = (2 * parallel::threads()).min((count * m * n).saturating_mul(k) / (64 * 64 * 64) + 1);
    while count * m.div_ceil(rows.max(1)) * n.div_ceil(columns.max(1)) < wanted && (rows > 64 || columns > 96) {
        if rows > columns { rows = rows.div_ceil(2) } else { columns = columns.div_ceil(2) }
    }
    let (rows, columns) = (rows.max(1).next_multiple_of(kernel.rows), columns.max(1).next_multiple_of(kernel.columns));
    let (down, across) = (m.div_ceil(rows), n.div_ceil(columns));
    assert!(count <= 1 || stride >= plane.extent(m, n), "products do not share places");
    let out = Out::new(out);
    // An element of the result is k multiplications, of which a thread does some 16 in the time of copying one.
    let size = (count * m * n).saturating_mul(k) / 16;
    parallel::tasks(operation, count * down * across, size, |task| {
        let (product, rest) = (task / (down * across), task % (down * across));
        let (i, j) = (rest / across * rows, rest % across * columns);
        let place = Place { offset: plane.offset + product * stride, ..plane };
        // SAFETY: each task has its own product, or its own rows and columns of one; products do not share places (checked above).
        unsafe { part([i, (i + rows).min(m)], [j, (j + columns).min(n)], k, &a(product), &b(product), (&out, place), accumulate) };
        Ok(())
    })
}

/// Part of a product: rows `i0..i1` and columns `j0..j1` over all `k` steps.
///
/// # Safety
/// No other thread uses these places of `out` meanwhile.
unsafe fn part<W: Multiply>(
    [i0, i1]: [usize; 2],
    [j0, j1]: [usize; 2],
    k: usize,
    a: &impl Rows<W>,
    b: &impl Columns<W>,
    (out, place): (&Out<'_, W>, Place),
    accumulate: bool,
) {
    if i0 >= i1 || j0 >= j1 {
        return;
    }
    assert!(place.offset + place.extent(i1, j1) <= out.len, "the product fits its result");
    let kernel = W::kernel();
    // Rows whose packed block stays in the second-level cache.
    let together = (BLOCK_BYTES / size_of::<W>() / k.clamp(1, K_BLOCK)).next_multiple_of(kernel.rows);
    let single = i1 - i0 <= together;
    let panels = if single { 1 } else { (j1 - j0).div_ceil(kernel.columns) };
    W::with_scratch(|rows, panel| {
        let size = K_BLOCK * kernel.columns;
        if panel.len() < panels * size + SLACK + LINE {
            panel.resize(panels * size + SLACK + LINE, W::ZERO);
        }
        // Vectors that begin with a line of the cache are read twice as fast.
        let aligned = panel.as_ptr().align_offset(LINE).min(LINE);
        let panel = &mut panel[aligned..];
        for (block, [k0, k1]) in blocks(k).enumerate() {
            let accumulate = accumulate || block > 0;
            let each_panel = || (j0..j1).step_by(kernel.columns).map(|j| (j, (j1 - j).min(kernel.columns)));
            if single {
                let few = if (j1 - j0) <= LYING_PANELS * kernel.columns { a.lying(i0, k0) } else { None };
                let left = few.map_or_else(|| Left { data: a.block([i0, i1], [k0, k1], kernel.rows, rows), row: None }, |(data, row)| Left { data, row: Some(row) });
                for (j, count) in each_panel() {
                    let width = count.next_multiple_of(kernel.lanes);
                    let direct = if i1 - i0 <= DIRECT_ROWS && count == width { b.direct([k0, k1], j, count) } else { None };
                    let (columns, step) = direct.unwrap_or_else(|| {
                        b.pack([k0, k1], j, count, width, panel);
                        (&*panel, width)
                    });
                    // SAFETY: the caller's promise, for some of its columns.
                    unsafe { tiles(kernel, k1 - k0, &left, (columns, step), ([i0, i1], j, count), (out, place), accumulate) };
                }
                continue;
            }
            for (p, (j, count)) in each_panel().enumerate() {
                b.pack([k0, k1], j, count, count.next_multiple_of(kernel.lanes), &mut panel[p * size..]);
            }
            for i in (i0..i1).step_by(together) {
                let i1 = (i + together).min(i1);
                let left = Left { data: a.block([i, i1], [k0, k1], kernel.rows, rows), row: None };
                for (p, (j, count)) in each_panel().enumerate() {
                    let columns = (&panel[p * size..], count.next_multiple_of(kernel.lanes));
                    // SAFETY: the caller's promise, for some of its rows and columns.
                    unsafe { tiles(kernel, k1 - k0, &left, columns, ([i, i1], j, count), (out, place), accumulate) };
                }
            }
        }
    });
}

/// Rows of A: packed in tiles, or as they lie, so far apart.
struct Left<'a, W> {
    data: &'a [W],
    row: Option<usize>,
}

/// All rows' tiles of one panel.
///
/// # Safety
/// As `part`, which has checked that rows and columns fit `out`.
unsafe fn tiles<W: Multiply>(
    kernel: &Kernel<W>,
    k: usize,
    left: &Left<'_, W>,
    (b, b_step): (&[W], usize),
    ([i0, i1], j, count): ([usize; 2], usize, usize),
    (out, place): (&Out<'_, W>, Place),
    accumulate: bool,
) {
    let width = count.next_multiple_of(kernel.lanes);
    let micro = if left.row.is_some() { kernel.lying } else { kernel.packed }[width / kernel.lanes - 1];
    let whole = count == width && j % place.plane + count <= place.plane;
    let needed = if k == 0 { 0 } else { (k - 1) * b_step + width };
    let rows_needed = left.row.map_or((i1 - i0) * k, |row| (i1 - i0 - 1) * row + k);
    assert!(left.data.len() >= rows_needed && b.len() >= needed && width <= kernel.columns, "packed parts are whole");
    let mut tile = [W::ZERO; MOST_ROWS * MOST_COLUMNS];
    for i in (i0..i1).step_by(kernel.rows) {
        let rows = (i1 - i).min(kernel.rows);
        let a = (left.data[(i - i0) * left.row.unwrap_or(k)..].as_ptr(), left.row.unwrap_or(0));
        let micro = micro[rows - 1];
        if whole {
            // SAFETY: the tile lies in `out` (checked by `part`, and it does not cross planes), nobody else
            // writes it now; `a` holds its rows and `b` the last step's columns (checked above); the kernel is one this machine can run.
            unsafe { micro(k, a, (b.as_ptr(), b_step), (out.pointer.add(place.of(i, j)), place.row_stride), accumulate) };
            continue;
        }
        // SAFETY: as above; the tile has room for every kernel.
        unsafe { micro(k, a, (b.as_ptr(), b_step), (tile.as_mut_ptr(), width), false) };
        let mut done = 0;
        while done < count {
            let run = (place.plane - (j + done) % place.plane).min(count - done);
            let at = place.of(i, j + done);
            for r in 0..rows {
                // SAFETY: `run` places of this part in one plane (checked by `part`), which nobody else writes now.
                let to = unsafe { std::slice::from_raw_parts_mut(out.pointer.add(at + r * place.row_stride), run) };
                let from = &tile[r * width + done..][..run];
                to.iter_mut().zip(from).for_each(|(to, x)| *to = if accumulate { *to + *x } else { *x });
            }
            done += run;
        }
    }
}

/// A number of neighbours in one register.
trait Vector: Copy {
    type Number;
    const LANES: usize;
    /// # Safety
    /// The processor has to know the instructions; pointers point at `LANES` (`splat`: one) numbers.
    unsafe fn zero() -> Self;
    /// # Safety
    /// See `zero`.
    unsafe fn load(from: *const Self::Number) -> Self;
    /// # Safety
    /// See `zero`.
    unsafe fn splat(from: *const Self::Number) -> Self;
    /// # Safety
    /// See `zero`.
    unsafe fn store(self, to: *mut Self::Number);
    /// # Safety
    /// See `zero`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self * b + c`
    /// # Safety
    /// See `zero`.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
}

/// `R` rows of `C` vectors of the product. Rows of A are packed step by step, or `a_row` elements apart as they lie.
///
/// # Safety
/// `a` points at `k * R` numbers (`LIES`: at `k` in each of `R` rows), `b` at `(k - 1) * b_step + C * LANES`, `c` at
/// `(R - 1) * c_step + C * LANES` that nobody else uses.
#[inline(always)]
unsafe fn micro<V: Vector, const R: usize, const C: usize, const LIES: bool>(
    k: usize,
    (a, a_row): (*const V::Number, usize),
    (b, b_step): (*const V::Number, usize),
    (c, c_step): (*mut V::Number, usize),
    accumulate: bool,
) {
    // SAFETY: the caller's promise covers every place that is computed here.
    unsafe {
        let mut sums = [[V::zero(); C]; R];
        let (mut a, mut b) = (a, b);
        for _ in 0..k {
            let mut row = [V::zero(); C];
            for j in 0..C {
                row[j] = V::load(b.add(j * V::LANES));
            }
            for i in 0..R {
                let x = V::splat(if LIES { a.add(i * a_row) } else { a.add(i) });
                for j in 0..C {
                    sums[i][j] = x.fma(row[j], sums[i][j]);
                }
            }
            a = a.wrapping_add(if LIES { 1 } else { R });
            b = b.wrapping_add(b_step);
        }
        // All are read before the first is written: rows a multiple of 4 KiB apart would wait for each other's writing.
        if accumulate {
            for i in 0..R {
                for j in 0..C {
                    sums[i][j] = V::load(c.add(i * c_step + j * V::LANES)).add(sums[i][j]);
                }
            }
        }
        for i in 0..R {
            for j in 0..C {
                sums[i][j].store(c.add(i * c_step + j * V::LANES));
            }
        }
    }
}

/// Kernels of one to three vectors for one to eight (four) rows, packed and as they lie, compiled for some instructions.
macro_rules! kernels {
    ($name:ident, $number:ty, $vector:ty, $rows:literal, #[$feature:meta] $each:tt) => {
        static $name: Kernel<$number> = Kernel {
            rows: $rows,
            columns: VECTORS * <$vector as Vector>::LANES,
            lanes: <$vector as Vector>::LANES,
            packed: [kernels!($number, $vector, 1 false, #[$feature] $each), kernels!($number, $vector, 2 false, #[$feature] $each), kernels!($number, $vector, 3 false, #[$feature] $each)],
            lying: [kernels!($number, $vector, 1 true, #[$feature] $each), kernels!($number, $vector, 2 true, #[$feature] $each), kernels!($number, $vector, 3 true, #[$feature] $each)],
        };
    };
    ($number:ty, $vector:ty, $c:literal $lies:literal, #[$feature:meta] [$($r:literal)*]) => {
        &[$({
            #[$feature]
            unsafe fn rows(k: usize, a: (*const $number, usize), b: (*const $number, usize), c: (*mut $number, usize), accumulate: bool) {
                // SAFETY: the caller's promise is `micro`'s, and that the processor knows these instructions.
                unsafe { micro::<$vector, $r, $c, $lies>(k, a, b, c, accumulate) }
            }
            rows
        }),*]
    };
}

kernels!(BASE_F32, f32, Lanes<f32, 4>, 4, #[inline] [1 2 3 4]);
kernels!(BASE_F64, f64, Lanes<f64, 2>, 4, #[inline] [1 2 3 4]);
#[cfg(target_arch = "x86_64")]
kernels!(AVX2_F32, f32, x86::__m256, 4, #[target_feature(enable = "avx2,fma")] [1 2 3 4]);
#[cfg(target_arch = "x86_64")]
kernels!(AVX2_F64, f64, x86::__m256d, 4, #[target_feature(enable = "avx2,fma")] [1 2 3 4]);
#[cfg(target_arch = "x86_64")]
kernels!(AVX512_F32, f32, x86::__m512, 8, #[target_feature(enable = "avx512f")] [1 2 3 4 5 6 7 8]);
#[cfg(target_arch = "x86_64")]
kernels!(AVX512_F64, f64, x86::__m512d, 8, #[target_feature(enable = "avx512f")] [1 2 3 4 5 6 7 8]);

macro_rules! multiplies {
    ($($number:ty: $base:ident $avx2:ident $avx512:ident),*) => {$(
        impl Multiply for $number {
            fn kernel() -> &'static Kernel<Self> {
                match reach() {
                    #[cfg(target_arch = "x86_64")]
                    Reach::Avx512 => &$avx512,
                    #[cfg(target_arch = "x86_64")]
                    Reach::Avx2 => &$avx2,
                    _ => &$base,
                }
            }
            fn with_scratch<T>(work: impl FnOnce(&mut Vec<Self>, &mut Vec<Self>) -> T) -> T {
                thread_local!(static SCRATCH: RefCell<(Vec<$number>, Vec<$number>)> = const { RefCell::new((Vec::new(), Vec::new())) });
                SCRATCH.with_borrow_mut(|(rows, panel)| work(rows, panel))
            }
        }
    )*};
}
multiplies!(f32: BASE_F32 AVX2_F32 AVX512_F32, f64: BASE_F64 AVX2_F64 AVX512_F64);

/// What every processor can do; the compiler makes NEON of it on aarch64.
#[derive(Clone, Copy)]
struct Lanes<W, const N: usize>([W; N]);

macro_rules! portable {
    ($($number:ty, $n:literal);*) => {$(
        impl Vector for Lanes<$number, $n> {
            type Number = $number;
            const LANES: usize = $n;
            #[inline(always)]
            unsafe fn zero() -> Self {
                Self([0.0; $n])
            }
            #[inline(always)]
            unsafe fn load(from: *const $number) -> Self {
                // SAFETY: the caller's promise.
                unsafe { from.cast::<Self>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn splat(from: *const $number) -> Self {
                // SAFETY: the caller's promise.
                Self([unsafe { *from }; $n])
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $number) {
                // SAFETY: the caller's promise.
                unsafe { to.cast::<Self>().write_unaligned(self) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
            }
            #[inline(always)]
            unsafe fn fma(self, b: Self, c: Self) -> Self {
                Self(std::array::from_fn(|i| {
                    if cfg!(target_arch = "aarch64") { self.0[i].mul_add(b.0[i], c.0[i]) } else { self.0[i] * b.0[i] + c.0[i] }
                }))
            }
        }
    )*};
}
portable!(f32, 4; f64, 2);

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! Intel's registers.
    pub use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};
    use std::arch::x86_64::*;

    macro_rules! registers {
        ($($register:ty, $number:ty, $lanes:literal, $zero:ident $load:ident $splat:ident $store:ident $add:ident $fma:ident);* $(;)?) => {$(
            impl super::Vector for $register {
                type Number = $number;
                const LANES: usize = $lanes;
                #[inline(always)]
                unsafe fn zero() -> Self {
                    // SAFETY: the processor knows the instruction: the caller's promise.
                    unsafe { $zero() }
                }
                #[inline(always)]
                unsafe fn load(from: *const $number) -> Self {
                    // SAFETY: as above, and the pointer: the caller's promise.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn splat(from: *const $number) -> Self {
                    // SAFETY: as above.
                    unsafe { $splat(*from) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $number) {
                    // SAFETY: as above.
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $add(self, other) }
                }
                #[inline(always)]
                unsafe fn fma(self, b: Self, c: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $fma(self, b, c) }
                }
            }
        )*};
    }
    registers! {
        __m256, f32, 8, _mm256_setzero_ps _mm256_loadu_ps _mm256_set1_ps _mm256_storeu_ps _mm256_add_ps _mm256_fmadd_ps;
        __m256d, f64, 4, _mm256_setzero_pd _mm256_loadu_pd _mm256_set1_pd _mm256_storeu_pd _mm256_add_pd _mm256_fmadd_pd;
        __m512, f32, 16, _mm512_setzero_ps _mm512_loadu_ps _mm512_set1_ps _mm512_storeu_ps _mm512_add_ps _mm512_fmadd_ps;
        __m512d, f64, 8, _mm512_setzero_pd _mm512_loadu_pd _mm512_set1_pd _mm512_storeu_pd _mm512_add_pd _mm512_fmadd_pd;
    }
}
