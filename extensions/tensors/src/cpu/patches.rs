//! Pictures as columns of matrices: what `conv.rs` hands to `gemm.rs`.
use super::gemm::{Columns, Rows};
use super::interleave::interleave;
use super::level::{self, Job, Level};
use super::matmul::sized;
use super::number::Wide;
use super::recycle::Lent;
use crate::Element;
use smallvec::SmallVec;

/// Elements that are copied at once: a vector, or several.
const CHUNK: usize = 16;

/// Sizes of a convolution of `[n, c, size…]` to `out`.
#[derive(Clone, Copy)]
pub struct Frame {
    pub n: usize,
    pub c: usize,
    pub size: [usize; 2],
    pub kernel: [usize; 2],
    pub out: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Above and left; negative where the picture is cut.
    pub padding: [isize; 2],
}

impl Frame {
    /// Places of a channel of the result.
    pub fn plane(&self) -> usize {
        self.out[0] * self.out[1]
    }

    /// Elements of a picture.
    pub fn picture(&self) -> usize {
        self.c * self.size[0] * self.size[1]
    }

    /// Elements of a patch: what a place of the result is computed from.
    pub fn steps(&self, groups: usize) -> usize {
        self.c / groups * self.kernel[0] * self.kernel[1]
    }

    /// Height and width of the padded picture, as far as patches reach.
    pub fn reach(&self) -> [usize; 2] {
        [0, 1].map(|d| (self.out[d].max(1) - 1) * self.stride[d] + (self.kernel[d] - 1) * self.dilation[d] + 1)
    }

    /// The pictures with their padding, `[n, c, reach…]`; as they are where nothing is padded or cut.
    pub fn padded<'a, W: Wide>(&self, x: &'a [W]) -> Padded<'a, W> {
        let [height, width] = self.reach();
        if self.padding == [0, 0] && [height, width] == self.size {
            return Padded::AsIs(x);
        }
        let mut out = Lent::new(self.n * self.c * height * width);
        self.pad(x, &mut out);
        Padded::Made(out)
    }

    /// Writes the pictures with their padding.
    pub fn pad<W: Wide>(&self, x: &[W], out: &mut [W]) {
        let [height, width] = self.reach();
        let [columns, from_column, to_column] = self.overlap(1, width);
        let [rows, from_row, to_row] = self.overlap(0, height);
        let area = self.size[0] * self.size[1];
        for (channel, to) in out.chunks_exact_mut(height * width).enumerate() {
            let from = &x[channel * area..][..area];
            to[..to_row * width].fill(W::ZERO);
            to[(to_row + rows) * width..].fill(W::ZERO);
            for (y, line) in to.chunks_exact_mut(width).skip(to_row).take(rows).enumerate() {
                line[..to_column].fill(W::ZERO);
                line[to_column + columns..].fill(W::ZERO);
                line[to_column..to_column + columns].copy_from_slice(&from[(from_row + y) * self.size[1] + from_column..][..columns]);
            }
        }
    }

    /// How much of a dimension of the picture is seen, from where, and where in the padded picture it begins.
    fn overlap(&self, d: usize, reach: usize) -> [usize; 3] {
        let (from, to) = ((-self.padding[d]).max(0) as usize, (self.padding[d].max(0) as usize).min(reach));
        [self.size[d].saturating_sub(from).min(reach - to), from.min(self.size[d]), to]
    }

    /// The padded pictures with channels last, `[n, reach…, c]`.
    pub fn pixels<W: Wide>(&self, x: &[W]) -> Lent<W> {
        let [height, width] = self.reach();
        let mut out = Lent::new(self.n * height * width * self.c);
        let [columns, from_column, to_column] = self.overlap(1, width);
        let [rows, from_row, to_row] = self.overlap(0, height);
        for (to, from) in out.chunks_exact_mut(height * width * self.c).zip(x.chunks_exact(self.picture())) {
            for (y, line) in to.chunks_exact_mut(width * self.c).enumerate() {
                if y < to_row || y >= to_row + rows {
                    line.fill(W::ZERO);
                    continue;
                }
                line[..to_column * self.c].fill(W::ZERO);
                line[(to_column + columns) * self.c..].fill(W::ZERO);
                let begin = (from_row + y - to_row) * self.size[1] + from_column;
                self.turn(&from[begin..], &mut line[to_column * self.c..][..columns * self.c]);
            }
        }
        out
    }

    /// `to[x][c] = from[c][x]`
    fn turn<W: Wide>(&self, from: &[W], to: &mut [W]) {
        interleave(from, self.size[0] * self.size[1], [self.c, to.len() / self.c], to, self.c);
    }

    /// Adds columns `[(c, ky, kx)][place]` of a group to a picture, each element to where it came from.
    pub fn add_patches<W: Wide>(&self, columns: &[W], picture: &mut [W], group: usize, groups: usize) {
        let (cg, [kh, kw], [oh, ow]) = (self.c / groups, self.kernel, self.out);
        let [height, width] = self.size;
        for (row, from) in columns.chunks_exact(oh * ow).enumerate() {
            let (c, ky, kx) = (row / (kh * kw), row / kw % kh, row % kw);
            let channel = &mut picture[(group * cg + c) * height * width..][..height * width];
            let x0 = (kx * self.dilation[1]) as isize - self.padding[1];
            for (oy, line) in from.chunks_exact(ow).enumerate() {
                let y = (oy * self.stride[0] + ky * self.dilation[0]) as isize - self.padding[0];
                if y < 0 || y >= height as isize {
                    continue;
                }
                let to = &mut channel[y as usize * width..][..width];
                for (ox, value) in line.iter().enumerate() {
                    let x = x0 + (ox * self.stride[1]) as isize;
                    if x >= 0 && x < width as isize {
                        to[x as usize] = to[x as usize].plus(*value);
                    }
                }
            }
        }
    }
}

/// Padded pictures.
pub enum Padded<'a, W: Element> {
    AsIs(&'a [W]),
    Made(Lent<W>),
}

impl<W: Element> std::ops::Deref for Padded<'_, W> {
    type Target = [W];
    fn deref(&self) -> &[W] {
        match self {
            Self::AsIs(x) => x,
            Self::Made(x) => x,
        }
    }
}

/// Columns `[(c, ky, kx)][(n, oy, ox)]` of padded pictures.
pub struct Patches<'a, W> {
    data: &'a [W],
    frame: &'a Frame,
    reach: [usize; 2],
    /// The group's first.
    channel: usize,
    /// How far each step is from a patch's first element.
    offsets: Vec<usize>,
}

impl<'a, W> Patches<'a, W> {
    /// Of one group's channels.
    pub fn new(frame: &'a Frame, padded: &'a [W], group: usize, groups: usize) -> Self {
        let (count, [height, line], [kh, kw]) = (frame.c / groups, frame.reach(), frame.kernel);
        let mut offsets = Vec::with_capacity(frame.steps(groups));
        for c in 0..count {
            for ky in 0..kh {
                offsets.extend((0..kw).map(|kx| (c * height + ky * frame.dilation[0]) * line + kx * frame.dilation[1]));
            }
        }
        Self { data: padded, frame, reach: [height, line], channel: group * count, offsets }
    }
}

/// Neighbouring places in one line of the result: where in the panel, where in the padded pictures (of the first step), how many.
type Runs = SmallVec<[[usize; 3]; 64]>;

impl<W: Wide> Columns<W> for Patches<'_, W> {
    fn pack(&self, [k0, k1]: [usize; 2], j0: usize, count: usize, width: usize, to: &mut [W]) {
        let (frame, [height, line]) = (self.frame, self.reach);
        let [oh, ow] = frame.out;
        let mut runs = Runs::new();
        let mut done = 0;
        while done < count {
            let j = j0 + done;
            let (n, y, x) = (j / (oh * ow), j / ow % oh, j % ow);
            let len = (ow - x).min(count - done);
            let base = ((n * frame.c + self.channel) * height + y * frame.stride[0]) * line + x * frame.stride[1];
            runs.push([done, base, len]);
            done += len;
        }
        level::run(PackRuns { data: self.data, runs: &runs, offsets: &self.offsets[k0..k1], stride: frame.stride[1], width, to });
    }
}

struct PackRuns<'a, W> {
    data: &'a [W],
    runs: &'a [[usize; 3]],
    offsets: &'a [usize],
    stride: usize,
    width: usize,
    to: &'a mut [W],
}

impl<W: Wide> Job for PackRuns<'_, W> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { data, runs, offsets, stride, width, to } = self;
        for (p, offset) in offsets.iter().enumerate() {
            let from = &data[*offset..];
            let row = &mut to[p * width..];
            for [at, base, len] in runs {
                if stride == 1 {
                    copy_run(&from[*base..], &mut row[*at..], *len);
                } else {
                    let line = from[*base..].iter().step_by(stride);
                    row[*at..*at + *len].iter_mut().zip(line).for_each(|(to, from)| *to = *from);
                }
            }
        }
    }
}

/// Copies `len` elements, and what follows them up to whole chunks where there is that much: later runs write over it.
#[inline(always)]
fn copy_run<W: Copy>(from: &[W], to: &mut [W], len: usize) {
    let mut done = 0;
    while done < len {
        match (from.get(done..done + CHUNK), to.get_mut(done..done + CHUNK)) {
            (Some(from), Some(to)) => to.copy_from_slice(from),
            _ => to[done..len].copy_from_slice(&from[done..len]),
        }
        done += CHUNK;
    }
}

/// Columns `[(n, oy, ox)][(ky, kx, c)]` of pictures with channels last.
pub struct Pixels<'a, W> {
    data: &'a [W],
    frame: &'a Frame,
    /// Pixels in a line of the padded picture.
    line: usize,
    channels: [usize; 2],
    /// Where the patch of each place begins.
    offsets: Vec<usize>,
}

impl<'a, W> Pixels<'a, W> {
    /// Of one group's channels.
    pub fn new(frame: &'a Frame, pixels: &'a [W], group: usize, groups: usize) -> Self {
        let (count, [height, line], [oh, ow]) = (frame.c / groups, frame.reach(), frame.out);
        let mut offsets = Vec::with_capacity(frame.n * oh * ow);
        for n in 0..frame.n {
            for y in 0..oh {
                offsets.extend((0..ow).map(|x| ((n * height + y * frame.stride[0]) * line + x * frame.stride[1]) * frame.c));
            }
        }
        Self { data: pixels, frame, line, channels: [group * count, (group + 1) * count], offsets }
    }
}

impl<W: Wide> Columns<W> for Pixels<'_, W> {
    fn pack(&self, [k0, k1]: [usize; 2], j0: usize, count: usize, width: usize, to: &mut [W]) {
        let frame = self.frame;
        let cg = self.channels[1] - self.channels[0];
        let mut runs = Runs::new();
        let mut done = 0;
        while done < count {
            let j = j0 + done;
            let (k, c) = (j / cg, j % cg);
            let len = (cg - c).min(count - done);
            let (ky, kx) = (k / frame.kernel[1], k % frame.kernel[1]);
            let base = (ky * frame.dilation[0] * self.line + kx * frame.dilation[1]) * frame.c + self.channels[0] + c;
            // Neighbouring pixels' channels are neighbours where there is one group.
            match runs.last_mut() {
                Some([_, before, len_before]) if *before + *len_before == base => *len_before += len,
                _ => runs.push([done, base, len]),
            }
            done += len;
        }
        level::run(PackRuns { data: self.data, runs: &runs, offsets: &self.offsets[k0..k1], stride: 1, width, to });
    }
}

/// Rows `[o][(n, p)]` of the result's gradient.
pub struct Gradients<'a, W> {
    pub dy: &'a [W],
    /// Elements of a channel, and of all channels of a picture.
    pub plane: usize,
    pub picture: usize,
}

impl<W: Copy + Default> Rows<W> for Gradients<'_, W> {
    fn block<'a>(&'a self, [i0, i1]: [usize; 2], [k0, k1]: [usize; 2], tile: usize, scratch: &'a mut Vec<W>) -> &'a [W] {
        let steps = k1 - k0;
        let to = sized(scratch, (i1 - i0) * steps);
        for i in (i0..i1).step_by(tile) {
            let rows = (i1 - i).min(tile);
            let to = &mut to[(i - i0) * steps..][..rows * steps];
            let mut k = k0;
            while k < k1 {
                let (n, p) = (k / self.plane, k % self.plane);
                let len = (self.plane - p).min(k1 - k);
                let from = &self.dy[n * self.picture + i * self.plane + p..];
                interleave(from, self.plane, [rows, len], &mut to[(k - k0) * rows..], rows);
                k += len;
            }
        }
        to
    }
}
