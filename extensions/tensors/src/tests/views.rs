//! Views, slices, joining: shapes, strides and messages.
use super::{counted, panics};
use crate::{DType, Padding, Slice, Tensor, s};

#[test]
fn reshape_views_where_strides_allow_and_copies_elsewhere() {
    let x = counted(&[2, 3, 4]);
    assert_eq!(x.reshape(&[6, -1]).shape(), [6, 4]);
    assert_eq!(x.reshape(&[-1]).to_vec::<f32>(), (0..24).map(|i| i as f32).collect::<Vec<_>>());
    let turned = x.permute(&[1, 0, 2]);
    assert_eq!(turned.strides(), [4, 12, 1]);
    // The last two sizes still lie row-major, but not the first with them.
    assert_eq!(turned.reshape(&[3, 2, 2, 2]).strides(), [4, 12, 2, 1]);
    assert_eq!(turned.reshape(&[6, 4]).to_vec::<f32>()[..8], [0.0, 1.0, 2.0, 3.0, 12.0, 13.0, 14.0, 15.0]);
    assert_eq!(x.transpose(0, 2).reshape(&[24]).to_vec::<f32>()[..3], [0.0, 12.0, 4.0]);
    assert_eq!(counted(&[0, 3]).reshape(&[3, 0]).shape(), [3, 0]);
    assert_eq!(Tensor::scalar(3.0).reshape(&[1, 1]).shape(), [1, 1]);
    assert_eq!(counted(&[1]).reshape(&[0usize; 0]).rank(), 0);
}

#[test]
fn reshape_says_both_shapes() {
    let x = counted(&[2, 3]);
    assert_eq!(x.try_reshape(&[4, -1]).unwrap_err().to_string(), "reshape: shape [2, 3] to [4, -1]: 6 elements cannot be divided by 4");
    assert_eq!(x.try_reshape(&[7]).unwrap_err().to_string(), "reshape: shape [2, 3] to [7]: 6 elements are not 7");
    assert_eq!(x.try_reshape(&[-1, -1]).unwrap_err().to_string(), "reshape: shape [2, 3] to [-1, -1]: only one size may be -1");
    assert!(counted(&[0, 3]).try_reshape(&[0, -1]).is_err());
}

#[test]
fn dimensions_may_be_negative() {
    let x = counted(&[2, 3, 4]);
    assert_eq!(x.dim(-1), 4);
    assert_eq!(x.transpose(0, -1).shape(), [4, 3, 2]);
    assert_eq!(x.unsqueeze(-1).shape(), [2, 3, 4, 1]);
    assert_eq!(x.unsqueeze(0).squeeze(-4).shape(), [2, 3, 4]);
    assert_eq!(x.select(-2, -1).to_vec::<f32>(), [8.0, 9.0, 10.0, 11.0, 20.0, 21.0, 22.0, 23.0]);
    assert_eq!(x.flatten(-2, -1).shape(), [2, 12]);
    assert_eq!(x.movedim(0, -1).shape(), [3, 4, 2]);
    assert_eq!(panics(|| counted(&[2, 3]).select(2, 0)), "select: dimension 2 of a tensor of shape [2, 3], which has 2");
    assert_eq!(panics(|| counted(&[2, 3]).select(1, 3)), "select: index 3 of dimension 1 of shape [2, 3], which has 3 places");
}

#[test]
fn a_view_keeps_what_its_tensor_held() {
    let x = counted(&[4]);
    let view = x.narrow(0, 1, 2);
    x.assign(&Tensor::scalar(7.0));
    assert_eq!(x.to_vec::<f32>(), [7.0; 4]);
    assert_eq!(view.to_vec::<f32>(), [1.0, 2.0]);
    view.assign(&counted(&[2]));
    assert_eq!(view.to_vec::<f32>(), [0.0, 1.0]);
    assert_eq!(x.to_vec::<f32>(), [7.0; 4]);
}

#[test]
fn assign_converts_and_broadcasts_but_keeps_shape_and_type() {
    let x = counted(&[2, 3]).t();
    x.assign(&Tensor::from_vec(vec![1_i64, 2], &[1, 2]));
    assert_eq!((x.shape(), x.dtype(), x.to_vec::<f32>()), (&[3, 2][..], DType::F32, vec![1.0, 2.0, 1.0, 2.0, 1.0, 2.0]));
    let message = std::panic::catch_unwind(|| counted(&[2]).assign(&counted(&[3]))).unwrap_err();
    assert_eq!(message.downcast_ref::<String>().unwrap(), "assign: shape [3] cannot be broadcast to [2]");
}

#[test]
fn slices_are_pythons() {
    let x = counted(&[4, 5]);
    assert_eq!(x.slice(s![1]).to_vec::<f32>(), [5.0, 6.0, 7.0, 8.0, 9.0]);
    assert_eq!(x.slice(s![.., -1]).to_vec::<f32>(), [4.0, 9.0, 14.0, 19.0]);
    assert_eq!(x.slice(s![1..3, ..2]).to_vec::<f32>(), [5.0, 6.0, 10.0, 11.0]);
    assert_eq!(x.slice(s![-2.., 3..=4]).to_vec::<f32>(), [13.0, 14.0, 18.0, 19.0]);
    assert_eq!(x.slice(s![Slice::from(..).step(2), 0]).to_vec::<f32>(), [0.0, 10.0]);
    assert_eq!(x.slice(s![3..99, Slice::New, 0..1]).shape(), [1, 1, 1]);
    assert_eq!(x.slice(s![3..1]).shape(), [0, 5]);
    assert_eq!(counted(&[2, 3, 4]).slice(s![Slice::Rest, 0]).shape(), [2, 3]);
    assert_eq!(counted(&[2, 3, 4]).slice(s![0, Slice::Rest, Slice::New]).shape(), [3, 4, 1]);
    assert_eq!(x.slice(s![0, 0]).rank(), 0);
    assert_eq!(panics(|| counted(&[2]).slice(s![2])), "slice: index 2 of dimension 0 of shape [2], which has 2 places");
    assert_eq!(panics(|| counted(&[2]).slice(s![0, 0])), "slice: 2 parts of a tensor of shape [2], which has 1 dimensions");
}

#[test]
fn slice_assign_replaces_a_part_of_a_copy() {
    let x = counted(&[2, 3]);
    let y = x.slice_assign(s![.., 1..], -1.0);
    assert_eq!(y.to_vec::<f32>(), [0.0, -1.0, -1.0, 3.0, -1.0, -1.0]);
    assert_eq!(x.slice_assign(s![1], &counted(&[3])).to_vec::<f32>(), [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
    assert_eq!(x.to_vec::<f32>()[1], 1.0);
}

#[test]
fn tensors_are_joined_and_taken_apart() {
    let (a, b) = (counted(&[2, 2]), counted(&[2, 1]).to_dtype(DType::F64));
    let both = Tensor::cat(&[&a, &b], -1);
    assert_eq!((both.dtype(), both.to_vec::<f64>()), (DType::F64, vec![0.0, 1.0, 0.0, 2.0, 3.0, 1.0]));
    assert_eq!(Tensor::stack(&[&a, &a], -1).to_vec::<f32>(), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    let sizes = |parts: Vec<Tensor>| parts.iter().map(Tensor::len).collect::<Vec<_>>();
    assert_eq!(sizes(counted(&[7]).chunk(3, 0)), [3, 3, 1]);
    assert_eq!(sizes(counted(&[7]).split(4, 0)), [4, 3]);
    assert_eq!(sizes(counted(&[7]).split_sizes(&[1, 6], 0)), [1, 6]);
    assert_eq!(sizes(counted(&[0]).split(4, 0)), [0]);
    assert_eq!(Tensor::cat(&[&counted(&[0, 2]), &a], 0).shape(), [2, 2]);
    let message = panics(|| Tensor::cat(&[&counted(&[2, 2]), &counted(&[3, 3])], 0));
    assert_eq!(message, "cat: shapes [[2, 2], [3, 3]] along dimension 0: all other dimensions have to be equal");
}

#[test]
fn borders_repeats_and_turns() {
    let x = counted(&[2, 2]);
    assert_eq!(x.pad(&[1, 0], 9.0).to_vec::<f32>(), [9.0, 0.0, 1.0, 9.0, 2.0, 3.0]);
    assert_eq!(x.pad(&[0, 0, 0, 1], -1.0).to_vec::<f32>(), [0.0, 1.0, 2.0, 3.0, -1.0, -1.0]);
    assert_eq!(x.pad(&[-1, 1], 5.0).to_vec::<f32>(), [1.0, 5.0, 3.0, 5.0]);
    let line = counted(&[4]);
    assert_eq!(line.pad_with(&[2, 1], Padding::Reflect).to_vec::<f32>(), [2.0, 1.0, 0.0, 1.0, 2.0, 3.0, 2.0]);
    assert_eq!(line.pad_with(&[2, 1], Padding::Replicate).to_vec::<f32>(), [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 3.0]);
    assert_eq!(line.pad_with(&[2, 1], Padding::Circular).to_vec::<f32>(), [2.0, 3.0, 0.0, 1.0, 2.0, 3.0, 0.0]);
    assert_eq!(x.repeat(&[2, 1, 2]).shape(), [2, 2, 4]);
    assert_eq!(counted(&[2]).repeat(&[2]).to_vec::<f32>(), [0.0, 1.0, 0.0, 1.0]);
    assert_eq!(counted(&[2]).repeat_interleave(2, 0).to_vec::<f32>(), [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(x.flip(&[0, 1]).to_vec::<f32>(), [3.0, 2.0, 1.0, 0.0]);
    assert_eq!(line.roll(1, 0).to_vec::<f32>(), [3.0, 0.0, 1.0, 2.0]);
    assert_eq!(counted(&[3, 3]).tril(0).to_vec::<f32>(), [0.0, 0.0, 0.0, 3.0, 4.0, 0.0, 6.0, 7.0, 8.0]);
    assert_eq!(counted(&[2, 2]).triu(1).to_vec::<f32>(), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!(counted(&[3, 4]).diagonal(1).to_vec::<f32>(), [1.0, 6.0, 11.0]);
    assert_eq!(counted(&[3]).diag().diagonal(0).to_vec::<f32>(), [0.0, 1.0, 2.0]);
    assert_eq!(counted(&[5]).unfold(0, 3, 2).to_vec::<f32>(), [0.0, 1.0, 2.0, 2.0, 3.0, 4.0]);
}

#[test]
fn sizes_are_what_one_has_at_hand() {
    let (x, n) = (counted(&[2, 4]), 4_usize);
    assert_eq!(x.reshape(&[n, 2]).shape(), [4, 2]);
    assert_eq!(x.reshape(&[2, -1]).shape(), [2, 4]);
    assert_eq!(x.reshape([n as i64, -1]).shape(), [4, 2]);
    assert_eq!(x.reshape(counted(&[4, 2]).shape()).shape(), [4, 2]);
    assert_eq!(x.view(&vec![8_usize]).unflatten(0, &[n, 2]).shape(), [4, 2]);
    assert_eq!(x.unsqueeze(0).expand(&[3, -1, -1]).shape(), [3, 2, 4]);
    assert_eq!(x.select(0, 0).expand(x.shape()).shape(), [2, 4]);
    assert_eq!(x.select(0, 0).broadcast_to(&[n, 4]).to_vec::<i64>().len(), 16);
    assert!(x.try_reshape(&[usize::MAX]).is_err());
}
