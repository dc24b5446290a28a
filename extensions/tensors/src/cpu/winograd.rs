//! Convolutions of 3 x 3 with a quarter of the multiplications: Winograd's F(4 x 4, 3 x 3) (Lavin and Gray, "Fast algorithms for
//! convolutional neural networks", 2015). For f32; the rounding error is some
//! ten times that of the plain sum: a few millionths of the largest result.
//!
//! ```text
//! pictures --tiles of 6 x 6--> V[36][c][tile]      M[i] = U[i] V[i]      M[36][o][tile] --tiles of 4 x 4--> results
//! weights  ------------------> U[36][o][c]
//! ```
use super::gemm::{Multiply, Packed, Place, multiply};
use super::interleave::interleave;
use super::level::{self, Job, Level};
use super::math::Real;
use super::matmul::Matrix;
use super::parallel;
use super::patches::Frame;
use super::recycle::Lent;
use crate::error::Result;

/// Results of a tile along a side, elements it is made of, and all of these.
const OUT: usize = 4;
const IN: usize = 6;
const POINTS: usize = IN * IN;
/// Elements of the squares that are turned in registers.
const SQUARE: usize = 8;
/// Tiles that are transformed together: enough that the compiler keeps the loop over them, and makes vectors of it.
const LANES: usize = 32;
/// Tiles that a thread does at a time: V and M of them stay in the second-level cache for networks of usual width.
const TILES: usize = 96;
/// Below, the transformations cost as much as the multiplications that they save, and the plain sum rounds less.
const LEAST_CHANNELS: usize = 64;
/// Pictures with fewer tiles would leave the kernel's columns half empty.
const LEAST_TILES: usize = 4;

/// Elements of transformed tiles.
type Points<W> = [Lane<W>; POINTS];

/// Whether a convolution is one of those that this is for.
pub fn suits(frame: &Frame, o: usize, groups: usize) -> bool {
    let of_one = frame.out[0].div_ceil(OUT) * frame.out[1].div_ceil(OUT);
    let tiles = frame.n * of_one;
    frame.kernel == [3, 3]
        && frame.stride == [1, 1]
        && frame.dilation == [1, 1]
        && groups == 1
        && frame.c.min(o) >= LEAST_CHANNELS
        && of_one >= LEAST_TILES
        && tiles >= LANES / 2
        // Not more than a quarter of the tiles' results would be thrown away.
        && tiles * OUT * OUT * 3 <= frame.n * frame.plane() * 4
}

/// The forward convolution of `[n, c, …]` with `[o, c, 3, 3]`.
pub fn correlate<W: Multiply>(operation: &'static str, x: &[W], w: &[W], bias: Option<&[W]>, o: usize, frame: &Frame) -> Result<Vec<W>> {
    let (plane, c) = (frame.plane(), frame.c);
    let weights = transformed(w, o, c);
    let grid = [frame.out[0].div_ceil(OUT), frame.out[1].div_ceil(OUT)];
    let mut out = super::access::fresh::<W>(frame.n * o * plane);
    let together = pictures_together(frame.n, grid[0] * grid[1], W::kernel().columns);
    let work = |first: usize, part: &mut [W]| {
        let count = part.len() / (o * plane);
        // Padded up to whole tiles.
        let some = Frame { n: count, out: grid.map(|tiles| tiles * OUT), ..*frame };
        let padded = some.padded(&x[first * frame.picture()..][..count * frame.picture()]);
        let tiles = Tiles::new(&some, frame.out, grid, o);
        let total = tiles.places.len();
        let (mut v, mut m) = (Lent::<W>::new(POINTS * c * total), Lent::<W>::new(POINTS * o * total));
        tiles.gather(&padded, c, &mut v);
        for (i, weights) in weights.iter().enumerate() {
            let right = Matrix { data: &v[i * c * total..][..c * total], strides: [total, 1] };
            multiply([o, total, c], &weights, &right, (&mut m, Place::matrix(i * o * total, total)), false);
        }
        tiles.scatter(&m, bias, o, part);
    };
    parallel::rows(operation, &mut out, together * o * plane, c, |first, parts| {
        parts.chunks_mut(together * o * plane).enumerate().for_each(|(i, part)| work((first + i) * together, part));
    })?;
    Ok(out)
}

/// How many pictures a thread does at a time: enough tiles, in numbers that fill the kernel's columns.
fn pictures_together(n: usize, tiles: usize, columns: usize) -> usize {
    let least = TILES.div_ceil(tiles);
    let waste = |pictures: &usize| {
        let used = pictures * tiles;
        used.next_multiple_of(columns) * 1000 / used
    };
    let best = (least..least + 3).min_by_key(waste).unwrap_or(least);
    best.min(n.div_ceil(parallel::threads())).max(1)
}

/// `U = G w G^T` for each pair of channels, in f64, packed for the kernel.
fn transformed<W: Multiply>(w: &[W], o: usize, c: usize) -> Vec<Packed<W>> {
    const G: [[f64; 3]; IN] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    let mut all = Lent::<W>::new(POINTS * o * c);
    for (pair, w) in w.chunks_exact(9).enumerate() {
        let mut half = [[0.0; 3]; IN];
        for (half, g) in half.iter_mut().zip(&G) {
            for (x, to) in half.iter_mut().enumerate() {
                *to = (0..3).map(|y| g[y] * w[y * 3 + x].to_f64()).sum();
            }
        }
        for i in 0..IN {
            for j in 0..IN {
                let u: f64 = (0..3).map(|x| half[i][x] * G[j][x]).sum();
                all[(i * IN + j) * o * c + pair] = W::from_f64(u);
            }
        }
    }
    all.chunks_exact(o * c).map(|w| Packed::new(&Matrix { data: w, strides: [c, 1] }, o, c)).collect()
}

/// The tiles of some pictures.
struct Tiles {
    /// Of each: where its first element is in the padded pictures (of the first channel), and its first result (likewise).
    places: Vec<[usize; 2]>,
    /// Of each: rows and columns of results that are wanted.
    wanted: Vec<[usize; 2]>,
    /// Width and area of padded channels, and of results'.
    line: usize,
    area: usize,
    out: [usize; 2],
    /// Tiles in a line of them.
    across: usize,
}

impl Tiles {
    fn new(some: &Frame, out: [usize; 2], grid: [usize; 2], o: usize) -> Self {
        let (line, height) = (grid[1] * OUT + IN - OUT, grid[0] * OUT + IN - OUT);
        let (mut places, mut wanted) = (Vec::new(), Vec::new());
        for n in 0..some.n {
            for y in 0..grid[0] {
                for x in 0..grid[1] {
                    places.push([n * some.c * height * line + y * OUT * line + x * OUT, n * o * out[0] * out[1] + y * OUT * out[1] + x * OUT]);
                    wanted.push([OUT.min(out[0] - y * OUT), OUT.min(out[1] - x * OUT)]);
                }
            }
        }
        Self { places, wanted, line, area: height * line, out, across: grid[1] }
    }

    /// Tiles `begin..begin + count` in stretches of neighbours in one line of tiles: from where, how many.
    fn stretches(&self, begin: usize, count: usize) -> impl Iterator<Item = [usize; 2]> {
        let across = self.across;
        let mut next = begin;
        std::iter::from_fn(move || {
            let (from, end) = (next, begin + count);
            (from < end).then(|| {
                next = ((from / across + 1) * across).min(end);
                [from, next - from]
            })
        })
    }

    /// `V = B^T d B` of all tiles and channels.
    fn gather<W: Real>(&self, padded: &[W], c: usize, v: &mut [W]) {
        let total = self.places.len();
        // Lines are read as whole squares: what is beyond a tile's six elements is written over, or lies in the last rows.
        let mut points = [[W::ZERO; LANES]; POINTS + SQUARE - IN];
        for channel in 0..c {
            let data = &padded[channel * self.area..];
            for begin in (0..total).step_by(LANES) {
                let count = LANES.min(total - begin);
                for [tile, tiles] in self.stretches(begin, count) {
                    for i in 0..IN {
                        let line = &data[self.places[tile][0] + i * self.line..];
                        let long = if line.len() >= (tiles - 1) * OUT + SQUARE { SQUARE } else { IN };
                        interleave(line, OUT, [tiles, long], &mut points[i * IN..].as_flattened_mut()[tile - begin..], LANES);
                    }
                }
                let points: &mut Points<W> = points.first_chunk_mut().expect("there are more");
                level::run(Input { points });
                for (i, point) in points.iter().enumerate() {
                    copy_lanes(point, &mut v[(i * c + channel) * total + begin..], count);
                }
            }
        }
    }

    /// Results `A^T m A` of all tiles and channels, with the bias.
    fn scatter<W: Real>(&self, m: &[W], bias: Option<&[W]>, o: usize, to: &mut [W]) {
        let total = self.places.len();
        let mut points: Points<W> = [[W::ZERO; LANES]; POINTS];
        let mut results = [[W::ZERO; LANES]; OUT * OUT];
        for channel in 0..o {
            let bias = bias.map_or(W::ZERO, |bias| bias[channel]);
            let to = &mut to[channel * self.out[0] * self.out[1]..];
            for begin in (0..total).step_by(LANES) {
                let count = LANES.min(total - begin);
                for (i, point) in points.iter_mut().enumerate() {
                    copy_lanes(&m[(i * o + channel) * total + begin..], point, count);
                }
                level::run(Output { points: &points, results: &mut results, bias });
                for [tile, tiles] in self.stretches(begin, count) {
                    self.write(&results, tile - begin, [tile, tiles], to);
                }
            }
        }
    }

    /// The results of neighbouring tiles, of which the last one may not be wanted whole.
    fn write<W: Real>(&self, results: &[Lane<W>; OUT * OUT], lane: usize, [tile, tiles]: [usize; 2], to: &mut [W]) {
        let (place, [rows, columns]) = (self.places[tile][1], self.wanted[tile + tiles - 1]);
        let whole = if columns == OUT { tiles } else { tiles - 1 };
        for i in 0..rows {
            let to = &mut to[place + i * self.out[1]..];
            let results = &results[i * OUT..(i + 1) * OUT];
            interleave(&results.as_flattened()[lane..], LANES, [OUT, whole], to, OUT);
            for (j, results) in results[..columns].iter().enumerate().filter(|_| whole < tiles) {
                to[whole * OUT + j] = results[lane + whole];
            }
        }
    }
}

/// Copies `count` lanes, of which there mostly are all.
fn copy_lanes<W: Copy>(from: &[W], to: &mut [W], count: usize) {
    match (from.first_chunk::<LANES>(), to.first_chunk_mut::<LANES>()) {
        (Some(from), Some(to)) if count == LANES => *to = *from,
        _ => to[..count].copy_from_slice(&from[..count]),
    }
}

/// Lanes of an element of each tile.
type Lane<W> = [W; LANES];

/// `B^T d` for six elements. Copies in and out, so that the compiler sees that nothing overlaps.
#[inline(always)]
fn six<W: Real>(d: [Lane<W>; IN]) -> [Lane<W>; IN] {
    let (two, four, five) = (W::from_f64(2.0), W::from_f64(4.0), W::from_f64(5.0));
    let mut y = [[W::ZERO; LANES]; IN];
    for lane in 0..LANES {
        let (d0, d1, d2, d3, d4, d5) = (d[0][lane], d[1][lane], d[2][lane], d[3][lane], d[4][lane], d[5][lane]);
        let (a, b) = (d4 - four * d2, d3 - four * d1);
        let (e, f) = (d4 - d2, two * (d3 - d1));
        y[0][lane] = four * d0 - five * d2 + d4;
        y[1][lane] = a + b;
        y[2][lane] = a - b;
        y[3][lane] = e + f;
        y[4][lane] = e - f;
        y[5][lane] = four * d1 - five * d3 + d5;
    }
    y
}

/// `A^T m` for six elements.
#[inline(always)]
fn four<W: Real>(m: [Lane<W>; IN]) -> [Lane<W>; OUT] {
    let (two, four, eight) = (W::from_f64(2.0), W::from_f64(4.0), W::from_f64(8.0));
    let mut y = [[W::ZERO; LANES]; OUT];
    for lane in 0..LANES {
        let (a, b) = (m[1][lane] + m[2][lane], m[1][lane] - m[2][lane]);
        let (c, d) = (m[3][lane] + m[4][lane], m[3][lane] - m[4][lane]);
        y[0][lane] = m[0][lane] + a + c;
        y[1][lane] = b + two * d;
        y[2][lane] = a + four * c;
        y[3][lane] = b + eight * d + m[5][lane];
    }
    y
}

struct Input<'a, W> {
    points: &'a mut Points<W>,
}

impl<W: Real> Job for Input<'_, W> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let p = self.points;
        for x in 0..IN {
            let y = six([p[x], p[IN + x], p[2 * IN + x], p[3 * IN + x], p[4 * IN + x], p[5 * IN + x]]);
            (0..IN).for_each(|k| p[k * IN + x] = y[k]);
        }
        for row in p.chunks_exact_mut(IN) {
            let y = six([row[0], row[1], row[2], row[3], row[4], row[5]]);
            row.copy_from_slice(&y);
        }
    }
}

struct Output<'a, W> {
    points: &'a Points<W>,
    results: &'a mut [Lane<W>; OUT * OUT],
    bias: W,
}

impl<W: Real> Job for Output<'_, W> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { points: p, results, bias } = self;
        let mut half = [[W::ZERO; LANES]; OUT * IN];
        for x in 0..IN {
            let y = four([p[x], p[IN + x], p[2 * IN + x], p[3 * IN + x], p[4 * IN + x], p[5 * IN + x]]);
            (0..OUT).for_each(|k| half[k * IN + x] = y[k]);
        }
        for (row, results) in half.chunks_exact(IN).zip(results.chunks_exact_mut(OUT)) {
            let y = four([row[0], row[1], row[2], row[3], row[4], row[5]]);
            for (results, y) in results.iter_mut().zip(&y) {
                results.iter_mut().zip(y).for_each(|(to, y)| *to = *y + bias);
            }
        }
    }
}
