//! The greatest element or the average of a window, and pooling to a given size. Called by users and by `ochre-nn`'s layers.
use super::{check_float, misfit};
use crate::autograd::record;
use crate::backend::Pool;
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::Tensor;

/// The window of a pooling operation. One number is for both dimensions; the fields can be set one by one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolOptions {
    /// Height and width of the window; 1-D pooling uses the second.
    pub kernel: [usize; 2],
    /// From one window to the next; `None`: the window's size.
    pub stride: Option<[usize; 2]>,
    /// On each side; at most half of the window. It never wins a maximum.
    pub padding: [usize; 2],
    /// Of averages: whether the padding's zeros count (they do unless said otherwise).
    pub count_padding: bool,
    /// Whether a last window that is not whole is taken too: the number of windows is rounded up. It begins within the input or its padding.
    pub ceil: bool,
}

impl PoolOptions {
    /// A square window, one beside the other.
    pub fn new(kernel: usize) -> Self {
        Self { kernel: [kernel; 2], stride: None, padding: [0; 2], count_padding: true, ceil: false }
    }

    /// From one window to the next, in both dimensions.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride: Some([stride; 2]), ..self }
    }

    /// On each side, in both dimensions.
    pub fn padding(self, padding: usize) -> Self {
        Self { padding: [padding; 2], ..self }
    }

    /// Whether the padding's zeros count in averages.
    pub fn count_padding(self, count: bool) -> Self {
        Self { count_padding: count, ..self }
    }

    /// Whether a last window that is not whole is taken too.
    pub fn ceil_mode(self, ceil: bool) -> Self {
        Self { ceil, ..self }
    }

    /// Only the second of each pair, for one dimension.
    fn flat(self) -> Self {
        Self { kernel: [1, self.kernel[1]], stride: self.stride.map(|stride| [1, stride[1]]), padding: [0, self.padding[1]], ..self }
    }

    /// Rows and columns that the last windows lack.
    fn lacking(self, picture: [usize; 2]) -> [usize; 2] {
        let pool = self.pool();
        [0, 1].map(|d| {
            let (kernel, stride, begin) = (pool.kernel[d], pool.stride[d].max(1), picture[d] + pool.padding[d]);
            let all = begin + pool.padding[d];
            let Some(room) = all.checked_sub(kernel).filter(|_| self.ceil) else { return 0 };
            let last = room.div_ceil(stride) * stride;
            let last = if last >= begin { last.saturating_sub(stride) } else { last };
            (last + kernel).saturating_sub(all)
        })
    }

    fn pool(self) -> Pool {
        Pool { kernel: self.kernel, stride: self.stride.unwrap_or(self.kernel), padding: self.padding, count_padding: self.count_padding }
    }
}

impl Tensor {
    /// The greatest element of each window of `[N, C, H, W]` (or `[C, H, W]`); a gradient goes to the first of equal ones.
    #[track_caller]
    pub fn max_pool2d(&self, options: PoolOptions) -> Tensor {
        pictures("max_pool2d", self, 3, |x| max_pool("max_pool2d", x, options).map(|(values, _)| values)).or_panic()
    }

    /// [`Tensor::max_pool2d`] and, for each value, its place in its H x W plane (i64), as PyTorch's `return_indices`.
    #[track_caller]
    pub fn max_pool2d_with_indices(&self, options: PoolOptions) -> (Tensor, Tensor) {
        let single = self.rank() == 3;
        let batch = if single { self.unsqueeze(0) } else { self.clone() };
        let (values, places) = check_pictures("max_pool2d", self, 3).and_then(|()| max_pool("max_pool2d", &batch, options)).or_panic();
        if single { (values.squeeze(0), places.squeeze(0)) } else { (values, places) }
    }

    /// The greatest element of each window of `[N, C, L]` (or `[C, L]`).
    #[track_caller]
    pub fn max_pool1d(&self, options: PoolOptions) -> Tensor {
        lines("max_pool1d", self, |x| max_pool("max_pool1d", x, options.flat()).map(|(values, _)| values)).or_panic()
    }

    /// The average of each window of `[N, C, H, W]` (or `[C, H, W]`).
    #[track_caller]
    pub fn avg_pool2d(&self, options: PoolOptions) -> Tensor {
        pictures("avg_pool2d", self, 3, |x| avg_pool("avg_pool2d", x, options)).or_panic()
    }

    /// The average of each window of `[N, C, L]` (or `[C, L]`).
    #[track_caller]
    pub fn avg_pool1d(&self, options: PoolOptions) -> Tensor {
        lines("avg_pool1d", self, |x| avg_pool("avg_pool1d", x, options.flat())).or_panic()
    }

    /// Averages `[N, C, H, W]` (or `[C, H, W]`) to `[N, C, size…]`: window `i` of `n` over `H` rows is `floor(i H / n) .. ceil((i + 1) H / n)`.
    #[track_caller]
    pub fn adaptive_avg_pool2d(&self, size: [usize; 2]) -> Tensor {
        pictures("adaptive_avg_pool2d", self, 3, |x| adaptive_average(x, size)).or_panic()
    }

    /// The greatest element of each of the windows of [`Tensor::adaptive_avg_pool2d`].
    #[track_caller]
    pub fn adaptive_max_pool2d(&self, size: [usize; 2]) -> Tensor {
        pictures("adaptive_max_pool2d", self, 3, |x| adaptive_greatest(x, size)).or_panic()
    }
}

/// Checks the rank, and adds the batch where there is one picture.
fn pictures(operation: &'static str, x: &Tensor, picture: usize, body: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    check_pictures(operation, x, picture)?;
    if x.rank() == picture { Ok(body(&x.unsqueeze(0))?.squeeze(0)) } else { body(x) }
}

/// `[N, C, L]` or `[C, L]` as pictures of one row.
fn lines(operation: &'static str, x: &Tensor, body: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    check_pictures(operation, x, 2)?;
    Ok(pictures(operation, &x.unsqueeze(-2), 3, body)?.squeeze(-2))
}

fn check_pictures(operation: &'static str, x: &Tensor, picture: usize) -> Result<()> {
    check_float(operation, x)?;
    if x.rank() == picture || x.rank() == picture + 1 {
        return Ok(());
    }
    Err(misfit(operation, format!("{:?} has to have {} dimensions (or {picture}, for one picture)", x.shape(), picture + 1)))
}

fn check_window(operation: &'static str, x: &Tensor, pool: Pool) -> Result<()> {
    for i in 0..2 {
        let size = x.shape()[i + 2];
        if pool.kernel[i] == 0 || pool.stride[i] == 0 || pool.padding[i] * 2 > pool.kernel[i] {
            return Err(misfit(operation, format!("window {:?} and stride {:?} have to be at least 1, and padding {:?} at most half of the window", pool.kernel, pool.stride, pool.padding)));
        }
        if size + 2 * pool.padding[i] < pool.kernel[i] {
            return Err(misfit(operation, format!("window {:?} is larger than input {:?} with padding {:?}", pool.kernel, x.shape(), pool.padding)));
        }
    }
    Ok(())
}

/// With windows that lack rows or columns at the end as if the least number stood there.
fn max_pool(operation: &'static str, x: &Tensor, options: PoolOptions) -> Result<(Tensor, Tensor)> {
    let pool = options.pool();
    check_window(operation, x, pool)?;
    let [rows, columns] = options.lacking([x.shape()[2], x.shape()[3]]);
    if rows + columns == 0 {
        return whole_max_pool(operation, x, pool);
    }
    let (values, places) = whole_max_pool(operation, &x.pad(&[0, columns as i64, 0, rows as i64], f64::NEG_INFINITY), pool)?;
    let (width, wider) = (x.shape()[3] as i64, (x.shape()[3] + columns) as i64);
    let row = places.floor_divide(wider);
    let column = &places - &(&row * wider);
    Ok((values, row * width + column))
}

/// With windows that lack rows or columns at the end as if zeros stood there, which do not count.
fn avg_pool(operation: &'static str, x: &Tensor, options: PoolOptions) -> Result<Tensor> {
    let pool = options.pool();
    check_window(operation, x, pool)?;
    let (picture, lacking) = ([x.shape()[2], x.shape()[3]], options.lacking([x.shape()[2], x.shape()[3]]));
    if lacking == [0, 0] {
        return whole_avg_pool(operation, x, pool);
    }
    let mut y = whole_avg_pool(operation, &x.pad(&[0, lacking[1] as i64, 0, lacking[0] as i64], 0.0), pool)?;
    for d in [0, 1] {
        let count = |begin: usize, size: usize| {
            let (first, end) = if pool.count_padding { (0, size + 2 * pool.padding[d]) } else { (pool.padding[d], size + pool.padding[d]) };
            (begin + pool.kernel[d]).min(end).saturating_sub(begin.max(first)) as f64
        };
        let counted = |place: usize| count(place * pool.stride[d], picture[d] + lacking[d]) / count(place * pool.stride[d], picture[d]).max(1.0);
        let windows = y.shape()[d + 2];
        let mut shape = [1; 4];
        shape[d + 2] = windows as i64;
        let more = Tensor::from_vec((0..windows).map(counted).collect::<Vec<f64>>(), &[windows]);
        y = y * more.to_dtype(x.dtype()).to_device(&x.device()).reshape(&shape);
    }
    Ok(y)
}

fn whole_max_pool(operation: &'static str, x: &Tensor, pool: Pool) -> Result<(Tensor, Tensor)> {
    check_window(operation, x, pool)?;
    let device = backend(x.device())?;
    let (values, places) = device.max_pool(&x.raw(), pool)?;
    let (kept, shape) = (places.clone(), x.shape().to_vec());
    let values = record(operation, &[x], values, || move |dy, _| Ok(vec![Some(device.max_pool_backward(dy, &kept, &shape)?)]));
    Ok((values, Tensor::from_raw(places)))
}

fn whole_avg_pool(operation: &'static str, x: &Tensor, pool: Pool) -> Result<Tensor> {
    check_window(operation, x, pool)?;
    let device = backend(x.device())?;
    let y = device.avg_pool(&x.raw(), pool)?;
    let shape = x.shape().to_vec();
    Ok(record(operation, &[x], y, || move |dy, _| Ok(vec![Some(device.avg_pool_backward(dy, &shape, pool)?)])))
}

/// Rows or columns of a window of adaptive pooling.
fn window(place: usize, windows: usize, size: usize) -> std::ops::Range<usize> {
    place * size / windows..((place + 1) * size).div_ceil(windows)
}

/// Windows of one size where they divide the picture, which the device knows; else two matrix products with the windows' shares.
fn adaptive_average(x: &Tensor, size: [usize; 2]) -> Result<Tensor> {
    let picture = check_adaptive("adaptive_avg_pool2d", x, size)?;
    if picture[0] % size[0] == 0 && picture[1] % size[1] == 0 {
        let kernel = [picture[0] / size[0], picture[1] / size[1]];
        return whole_avg_pool("adaptive_avg_pool2d", x, Pool { kernel, stride: kernel, padding: [0; 2], count_padding: true });
    }
    let shares = |windows: usize, size: usize| -> Tensor {
        let mut values = vec![0f64; windows * size];
        for place in 0..windows {
            let covered = window(place, windows, size);
            let share = 1.0 / covered.len() as f64;
            covered.for_each(|i| values[place * size + i] = share);
        }
        Tensor::from_vec(values, &[windows, size]).to_dtype(x.dtype()).to_device(&x.device())
    };
    shares(size[0], picture[0]).try_matmul(&x.try_matmul(&shares(size[1], picture[1]).t())?)
}

fn adaptive_greatest(x: &Tensor, size: [usize; 2]) -> Result<Tensor> {
    let picture = check_adaptive("adaptive_max_pool2d", x, size)?;
    if picture[0] % size[0] == 0 && picture[1] % size[1] == 0 {
        let kernel = [picture[0] / size[0], picture[1] / size[1]];
        let pool = Pool { kernel, stride: kernel, padding: [0; 2], count_padding: true };
        return whole_max_pool("adaptive_max_pool2d", x, pool).map(|(values, _)| values);
    }
    let mut rows = Vec::with_capacity(size[0]);
    for i in 0..size[0] {
        let band = window(i, size[0], picture[0]);
        let row = x.narrow(2, band.start, band.len());
        let mut cells = Vec::with_capacity(size[1]);
        for j in 0..size[1] {
            let covered = window(j, size[1], picture[1]);
            let kernel = [band.len(), covered.len()];
            let cell = row.narrow(3, covered.start, covered.len());
            cells.push(whole_max_pool("adaptive_max_pool2d", &cell, Pool { kernel, stride: kernel, padding: [0; 2], count_padding: true })?.0);
        }
        rows.push(Tensor::cat(&cells.iter().collect::<Vec<_>>(), 3));
    }
    Ok(Tensor::cat(&rows.iter().collect::<Vec<_>>(), 2))
}

/// The picture's height and width.
fn check_adaptive(operation: &'static str, x: &Tensor, size: [usize; 2]) -> Result<[usize; 2]> {
    let picture = [x.shape()[2], x.shape()[3]];
    if size.contains(&0) || picture.contains(&0) {
        return Err(misfit(operation, format!("neither the input {:?} nor the result {size:?} may be empty in height and width", x.shape())));
    }
    Ok(picture)
}
