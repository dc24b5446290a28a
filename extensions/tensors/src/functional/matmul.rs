//! Products of matrices and vectors, and the linear layer on them. Called by users and by `ochre-nn`.
use super::{check_float, misfit, same_device};
use crate::autograd::record;
use crate::backend::Backend;
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::layout::broadcast;
use crate::{Layout, Raw, Tensor, TensorError};

impl Tensor {
    /// The matrix product, as PyTorch's `matmul`: vectors stand as a row on the left and as a column on the right, leading dimensions broadcast.
    ///
    /// `[…, m, k] x […, k, n]` gives `[…, m, n]`; two vectors give a number. The wider element type wins.
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        self.try_matmul(other).or_panic()
    }

    /// [`Tensor::matmul`], with the error as a value.
    pub fn try_matmul(&self, other: &Tensor) -> Result<Tensor> {
        check_float("matmul", self)?;
        check_float("matmul", other)?;
        same_device("matmul", self, &[Some(other)])?;
        let wide = self.dtype().promote(other.dtype());
        let (a, b) = (self.to_dtype(wide), other.to_dtype(wide));
        match (a.rank(), b.rank()) {
            (0, _) | (_, 0) => Err(unfit(self, other)),
            (1, 1) => Ok(product(&a.unsqueeze(0), &b.unsqueeze(1), (self, other))?.squeeze_all()),
            (1, _) => Ok(product(&a.unsqueeze(0), &b, (self, other))?.squeeze(-2)),
            (_, 1) => Ok(product(&a, &b.unsqueeze(1), (self, other))?.squeeze(-1)),
            _ => product(&a, &b, (self, other)),
        }
    }

    /// `self + rows x columns`, as PyTorch's `addmm`.
    #[track_caller]
    pub fn addmm(&self, rows: &Tensor, columns: &Tensor) -> Tensor {
        self + &rows.matmul(columns)
    }

    /// The product of two vectors of one length, as a tensor of rank 0.
    #[track_caller]
    pub fn dot(&self, other: &Tensor) -> Tensor {
        if self.rank() != 1 || other.rank() != 1 {
            let refused: Result<()> = Err(misfit("dot", format!("{:?} and {:?} are not both vectors; `.matmul` multiplies matrices", self.shape(), other.shape())));
            refused.or_panic();
        }
        self.matmul(other)
    }

    /// Every product of an element of one vector and one of the other: `[n]` and `[m]` give `[n, m]`.
    #[track_caller]
    pub fn outer(&self, other: &Tensor) -> Tensor {
        if self.rank() != 1 || other.rank() != 1 {
            let refused: Result<()> = Err(misfit("outer", format!("{:?} and {:?} are not both vectors", self.shape(), other.shape())));
            refused.or_panic();
        }
        &self.unsqueeze(1) * &other.unsqueeze(0)
    }
}

/// `x wᵀ + bias`: `x […, in]`, `weight [out, in]`, `bias [out]` give `[…, out]`.
#[track_caller]
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let y = x.matmul(&weight.t());
    match bias {
        Some(bias) => &y + bias,
        None => y,
    }
}

/// Of two tensors of rank 2 or more and one element type. `named` are the user's, for the message.
fn product(a: &Tensor, b: &Tensor, named: (&Tensor, &Tensor)) -> Result<Tensor> {
    let (shape_a, shape_b) = (a.shape(), b.shape());
    let (m, k) = (shape_a[shape_a.len() - 2], shape_a[shape_a.len() - 1]);
    let n = shape_b[shape_b.len() - 1];
    if shape_b[shape_b.len() - 2] != k {
        return Err(unfit(named.0, named.1));
    }
    let (lead_a, lead_b) = (&shape_a[..shape_a.len() - 2], &shape_b[..shape_b.len() - 2]);
    if lead_a == lead_b {
        return multiply(a, b);
    }
    if lead_b.is_empty() {
        // One large product instead of many small ones with the same right side, and no sum over the batch in the gradient.
        let rows = lead_a.iter().product::<usize>() * m;
        let folded = multiply(&a.reshape(&[rows as i64, k as i64]), b)?;
        return Ok(folded.reshape(&signed(lead_a, &[m, n])));
    }
    let lead = broadcast("matmul", lead_a, lead_b).map_err(|_| unfit(named.0, named.1))?;
    let expanded = |x: &Tensor, rows: usize, columns: usize| x.expand(&[lead.as_slice(), &[rows, columns]].concat());
    multiply(&expanded(a, m, k), &expanded(b, k, n))
}

/// The device's product: leading dimensions are equal.
fn multiply(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let device = backend(a.device())?;
    let (left, right) = (a.raw(), b.raw());
    let y = device.matmul(&left, &right)?;
    Ok(record("matmul", &[a, b], y, || {
        move |dy, wanted| {
            let dleft = wanted[0].then(|| product_like(device, dy, &transposed(&right), &left)).transpose()?;
            let dright = wanted[1].then(|| product_like(device, &transposed(&left), dy, &right)).transpose()?;
            Ok(vec![dleft, dright])
        }
    }))
}

/// The product, column by column in memory if `like` is: the gradient of `w` in `x wᵀ` is then row-major, as `w` is.
fn product_like(device: &dyn Backend, a: &Raw, b: &Raw, like: &Raw) -> Result<Raw> {
    let strides = &like.layout.strides;
    let by_columns = strides[strides.len() - 2] == 1 && strides[strides.len() - 1] > 1;
    if by_columns { Ok(transposed(&device.matmul(&transposed(b), &transposed(a))?)) } else { device.matmul(a, b) }
}

/// The last two dimensions swapped, as a view.
pub(super) fn transposed(x: &Raw) -> Raw {
    let rank = x.layout.rank();
    let mut layout: Layout = x.layout.clone();
    layout.shape.swap(rank - 1, rank - 2);
    layout.strides.swap(rank - 1, rank - 2);
    x.with_layout(layout)
}

fn signed(lead: &[usize], last: &[usize]) -> Vec<i64> {
    lead.iter().chain(last).map(|&size| size as i64).collect()
}

fn unfit(a: &Tensor, b: &Tensor) -> TensorError {
    let hint = match (a.rank(), b.rank()) {
        (0, _) | (_, 0) => "; a number is multiplied with `*`".to_string(),
        (2, 2) if a.shape()[1] == b.shape()[1] => "; `.t()` on the right makes them fit".to_string(),
        _ => String::new(),
    };
    misfit("matmul", format!("{:?} and {:?} do not fit: the last dimension on the left and the last but one on the right have to be equal, and leading ones equal or 1{hint}", a.shape(), b.shape()))
}

/// The cosine of the angle between vectors along `dim`, which is gone: `a b / (|a| |b|)`, each length at least 1e-8; shapes broadcast.
#[track_caller]
pub fn cosine_similarity(a: &Tensor, b: &Tensor, dim: i64) -> Tensor {
    check_float("cosine_similarity", a).and_then(|()| check_float("cosine_similarity", b)).or_panic();
    let length = |x: &Tensor| x.norm_dims(2.0, &[dim], false).clamp_min(1e-8);
    (a * b).sum_dim(dim) / (length(a) * length(b))
}
