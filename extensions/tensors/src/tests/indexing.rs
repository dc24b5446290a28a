//! Elements by index.
use super::{counted, panics};
use crate::Tensor;

fn index(values: &[i64], shape: &[usize]) -> Tensor {
    Tensor::from_vec(values.to_vec(), shape)
}

#[test]
fn elements_by_index() {
    let x = counted(&[3, 2]);
    assert_eq!(x.index_select(0, &index(&[2, 0, -1], &[3])).to_vec::<f32>(), [4.0, 5.0, 0.0, 1.0, 4.0, 5.0]);
    assert_eq!(x.gather(1, &index(&[0, 1, 1], &[3, 1])).to_vec::<f32>(), [0.0, 3.0, 5.0]);
    // An index that is smaller than the tensor reads its beginning.
    assert_eq!(x.gather(0, &index(&[2], &[1, 1])).to_vec::<f32>(), [4.0]);
    assert_eq!(x.take(&index(&[5, 0], &[2])).to_vec::<f32>(), [5.0, 0.0]);
    assert_eq!(x.masked_select(&x.gt(3)).to_vec::<f32>(), [4.0, 5.0]);
    assert_eq!(x.gt(3).nonzero().to_vec2::<i64>(), [[2, 0], [2, 1]]);
    assert_eq!(index(&[1, 3, 1], &[3]).bincount(5).to_vec::<i64>(), [0, 2, 0, 1, 0]);
    assert_eq!(x.index_select(0, &index(&[], &[0])).shape(), [0, 2]);
    assert_eq!(panics(|| counted(&[3, 2]).index_select(0, &index(&[3], &[1]))), "index_select: index 3 of a dimension of 3 places");
    assert_eq!(panics(|| counted(&[3, 2]).index_select(0, &counted(&[1]))), "index_select is not defined for f32 as an index; take i64");
}

#[test]
fn elements_added_and_set_by_index() {
    let x = Tensor::zeros(&[3]);
    assert_eq!(x.scatter_add(0, &index(&[1, 1, 2], &[3]), &counted(&[3])).to_vec::<f32>(), [0.0, 1.0, 2.0]);
    assert_eq!(x.scatter(0, &index(&[1, 1], &[2]), &(counted(&[2]) + 5.0)).to_vec::<f32>(), [0.0, 6.0, 0.0]);
    assert_eq!(x.index_add(0, &index(&[2, 2], &[2]), &Tensor::ones(&[2])).to_vec::<f32>(), [0.0, 0.0, 2.0]);
    let wide = Tensor::zeros(&[2, 3]).scatter_add(1, &index(&[2], &[1, 1]), &Tensor::ones(&[1, 1]));
    assert_eq!(wide.to_vec::<f32>(), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
}
