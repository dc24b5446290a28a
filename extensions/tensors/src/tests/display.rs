//! How tensors print.
use super::counted;
use crate::{DType, Tensor};

#[test]
fn tensors_print_as_in_pytorch() {
    for (tensor, text) in [
        (counted(&[2, 2]), "tensor([[0., 1.],\n        [2., 3.]])"),
        (Tensor::from_slice(&[0.5_f32, -1.25]), "tensor([ 0.5000, -1.2500])"),
        (Tensor::scalar(2.5), "tensor(2.5000)"),
        (Tensor::scalar(3), "tensor(3)"),
        (Tensor::from_slice(&[true, false]), "tensor([ true, false])"),
        (Tensor::from_slice(&[1_u8, 20]), "tensor([ 1, 20], dtype=u8)"),
        (Tensor::from_slice(&[1e-5_f32, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
        (Tensor::from_slice(&[f32::NAN, 1.0, f32::NEG_INFINITY]), "tensor([ nan,   1., -inf])"),
        (counted(&[2]).to_dtype(DType::BF16), "tensor([0., 1.], dtype=bf16)"),
        (counted(&[0]), "tensor([])"),
        (counted(&[2, 0]), "tensor([], shape=[2, 0])"),
        (counted(&[2]).requires_grad(), "tensor([0., 1.], requires_grad)"),
        (counted(&[2]).requires_grad() * 2.0, "tensor([0., 2.], grad_of=affine)"),
        (counted(&[2, 1, 2]), "tensor([[[0., 1.]],\n\n        [[2., 3.]]])"),
    ] {
        assert_eq!(tensor.to_string(), text);
    }
}

#[test]
fn large_tensors_show_their_edges() {
    assert_eq!(Tensor::arange(0, 2000, 1).to_string(), "tensor([   0,    1,    2, ..., 1997, 1998, 1999], shape=[2000])");
    let text = counted(&[100, 100]).to_string();
    assert_eq!(
        text.lines().collect::<Vec<_>>()[2..4],
        ["        [ 200.,  201.,  202., ...,  297.,  298.,  299.],", "        ...,"]
    );
    assert!(text.ends_with("[9900., 9901., 9902., ..., 9997., 9998., 9999.]], shape=[100, 100])"), "{text}");
}
