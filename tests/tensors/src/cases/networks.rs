//! Matrix products, convolutions, pooling, normalisation, attention, losses.
use crate::case::*;
use ochre_tensors::backend::Scaling;
use ochre_tensors::Tensor;
use ochre_tensors::functional::{self, ConvOptions, CrossEntropy, PoolOptions, Reduction};

fn conv() -> ConvOptions {
    ConvOptions::default()
}

fn pool(kernel: usize) -> PoolOptions {
    PoolOptions::new(kernel)
}

/// 0.5, 1, 1.5, …: without a gradient, as PyTorch has none for weights of classes.
fn weights(like: &Tensor, count: usize) -> Tensor {
    Tensor::linspace(0.5, 0.5 * count as f64, count).to_dtype(like.dtype()).to_device(&like.device())
}

/// Layers.
pub fn cases() -> Vec<Case> {
    [products(), convolutions(), pooling(), norms(), others()].concat()
}

fn products() -> Vec<Case> {
    vec![
        smooth("matmul", &[floats(&[3, 5]), floats(&[5, 4])], |x| vec![x[0].matmul(&x[1])], "a @ b").looser(4.0),
        smooth("matmul batched", &[floats(&[2, 3, 4]), floats(&[2, 4, 5])], |x| vec![x[0].matmul(&x[1])], "a @ b").looser(4.0),
        smooth("matmul shared right side", &[floats(&[2, 3, 2, 4]), floats(&[4, 5])], |x| vec![x[0].matmul(&x[1])], "a @ b").looser(8.0),
        smooth("matmul shared left side", &[floats(&[3, 4]), floats(&[2, 4, 2])], |x| vec![x[0].matmul(&x[1])], "a @ b").looser(8.0),
        smooth("matmul broadcast", &[floats(&[2, 1, 3, 4]), floats(&[1, 3, 4, 2])], |x| vec![x[0].matmul(&x[1])], "a @ b").looser(8.0),
        smooth("matmul vectors", &[floats(&[7]), floats(&[7])], |x| vec![x[0].matmul(&x[1])], "a @ b").looser(4.0),
        smooth("matmul vector left", &[floats(&[4]), floats(&[2, 4, 3])], |x| vec![x[0].matmul(&x[1])], "a @ b").looser(4.0),
        smooth("matmul vector right", &[floats(&[2, 3, 4]), floats(&[4])], |x| vec![x[0].matmul(&x[1])], "a @ b").looser(4.0),
        smooth("matmul transposed", &[floats(&[5, 3]), floats(&[4, 5])], |x| vec![x[0].t().matmul(&x[1].t())], "a.t() @ b.t()").looser(4.0),
        smooth("matmul large", &[floats(&[33, 70]), floats(&[70, 37])], |x| vec![x[0].matmul(&x[1])], "a @ b").looser(20.0),
        smooth("matmul nothing to add", &[floats(&[2, 0]), floats(&[0, 3])], |x| vec![x[0].matmul(&x[1])], "a @ b"),
        smooth("matmul no rows", &[floats(&[0, 3]), floats(&[3, 2])], |x| vec![x[0].matmul(&x[1])], "a @ b"),
        smooth("addmm", &[floats(&[4]), floats(&[3, 5]), floats(&[5, 4])], |x| vec![x[0].addmm(&x[1], &x[2])], "torch.addmm(a, b, c)").looser(4.0),
        smooth("dot", &[floats(&[6]), floats(&[6])], |x| vec![x[0].dot(&x[1])], "torch.dot(a, b)").looser(4.0),
        smooth("outer", &[floats(&[3]), floats(&[4])], |x| vec![x[0].outer(&x[1])], "torch.outer(a, b)"),
        smooth("cosine_similarity", &[floats(&[3, 4]), floats(&[3, 4])], |x| vec![functional::cosine_similarity(&x[0], &x[1], 1)], "F.cosine_similarity(a, b)").looser(4.0),
        smooth("cosine_similarity broadcast", &[floats(&[3, 1, 4]), floats(&[2, 4])], |x| vec![functional::cosine_similarity(&x[0], &x[1], -1)], "F.cosine_similarity(a, b, dim=-1)").looser(4.0),
        smooth("linear", &[floats(&[2, 3, 4]), floats(&[5, 4]), floats(&[5])], |x| vec![functional::linear(&x[0], &x[1], Some(&x[2]))], "F.linear(a, b, c)").looser(8.0),
        smooth("linear without bias", &[floats(&[4]), floats(&[5, 4])], |x| vec![functional::linear(&x[0], &x[1], None)], "F.linear(a, b)").looser(4.0),
    ]
}

fn convolutions() -> Vec<Case> {
    let picture = || floats(&[2, 4, 6, 5]);
    vec![
        smooth("conv2d", &[picture(), floats(&[3, 4, 3, 3]), floats(&[3])], |x| vec![x[0].conv2d(&x[1], Some(&x[2]), conv().padding(1))], "F.conv2d(a, b, c, padding=1)").looser(16.0),
        smooth("conv2d without bias", &[picture(), floats(&[3, 4, 3, 2])], |x| vec![x[0].conv2d(&x[1], None, conv())], "F.conv2d(a, b)").looser(16.0),
        smooth("conv2d stride", &[picture(), floats(&[3, 4, 3, 3])], |x| vec![x[0].conv2d(&x[1], None, conv().stride(2).padding(1))], "F.conv2d(a, b, stride=2, padding=1)").looser(16.0),
        smooth("conv2d dilation", &[floats(&[1, 2, 7, 7]), floats(&[2, 2, 3, 3])], |x| vec![x[0].conv2d(&x[1], None, conv().dilation(2).padding(1))], "F.conv2d(a, b, dilation=2, padding=1)").looser(16.0),
        smooth("conv2d groups", &[picture(), floats(&[6, 2, 3, 3]), floats(&[6])], |x| vec![x[0].conv2d(&x[1], Some(&x[2]), conv().groups(2).padding(1))], "F.conv2d(a, b, c, groups=2, padding=1)").looser(16.0),
        smooth("conv2d depthwise", &[picture(), floats(&[4, 1, 3, 3])], |x| vec![x[0].conv2d(&x[1], None, conv().groups(4).padding(1))], "F.conv2d(a, b, groups=4, padding=1)").looser(16.0),
        smooth("conv2d pointwise", &[picture(), floats(&[3, 4, 1, 1])], |x| vec![x[0].conv2d(&x[1], None, conv())], "F.conv2d(a, b)").looser(8.0),
        smooth("conv2d pointwise stride", &[picture(), floats(&[3, 4, 1, 1])], |x| vec![x[0].conv2d(&x[1], None, conv().stride(2))], "F.conv2d(a, b, stride=2)").looser(8.0),
        smooth("conv2d one picture", &[floats(&[2, 5, 5]), floats(&[3, 2, 3, 3]), floats(&[3])], |x| vec![x[0].conv2d(&x[1], Some(&x[2]), conv())], "F.conv2d(a, b, c)").looser(16.0),
        smooth(
            "conv2d all of it",
            &[floats(&[2, 4, 9, 8]), floats(&[2, 2, 2, 3]), floats(&[2])],
            |x| vec![x[0].conv2d(&x[1], Some(&x[2]), ConvOptions { stride: [2, 3], padding: [1, 2], dilation: [2, 1], groups: 2, ..conv() })],
            "F.conv2d(a, b, c, stride=(2, 3), padding=(1, 2), dilation=(2, 1), groups=2)",
        )
        .looser(16.0),
        smooth("conv2d no pictures", &[floats(&[0, 2, 5, 5]), floats(&[3, 2, 3, 3]), floats(&[3])], |x| vec![x[0].conv2d(&x[1], Some(&x[2]), conv())], "F.conv2d(a, b, c)"),
        smooth("conv1d", &[floats(&[2, 3, 9]), floats(&[4, 3, 3]), floats(&[4])], |x| vec![x[0].conv1d(&x[1], Some(&x[2]), conv().stride(2).padding(1))], "F.conv1d(a, b, c, stride=2, padding=1)").looser(16.0),
        smooth("conv1d groups", &[floats(&[4, 9]), floats(&[4, 2, 2])], |x| vec![x[0].conv1d(&x[1], None, conv().dilation(3).groups(2))], "F.conv1d(a, b, dilation=3, groups=2)").looser(16.0),
        smooth("conv_transpose2d", &[floats(&[2, 3, 4, 3]), floats(&[3, 2, 3, 3]), floats(&[2])], |x| vec![x[0].conv_transpose2d(&x[1], Some(&x[2]), conv())], "F.conv_transpose2d(a, b, c)").looser(16.0),
        smooth(
            "conv_transpose2d all of it",
            &[floats(&[2, 4, 3, 4]), floats(&[4, 3, 3, 2]), floats(&[6])],
            |x| vec![x[0].conv_transpose2d(&x[1], Some(&x[2]), ConvOptions { stride: [2, 3], padding: [1, 0], dilation: [1, 2], groups: 2, output_padding: [1, 2] })],
            "F.conv_transpose2d(a, b, c, stride=(2, 3), padding=(1, 0), dilation=(1, 2), groups=2, output_padding=(1, 2))",
        )
        .looser(16.0),
        smooth("conv_transpose1d output padding", &[floats(&[3, 5]), floats(&[3, 2, 4])], |x| vec![x[0].conv_transpose1d(&x[1], None, conv().stride(3).padding(2).output_padding(2))], "F.conv_transpose1d(a, b, stride=3, padding=2, output_padding=2)").looser(16.0),
        smooth("conv_transpose2d padding beyond", &[floats(&[1, 2, 4, 4]), floats(&[2, 3, 2, 2])], |x| vec![x[0].conv_transpose2d(&x[1], None, conv().padding(2).dilation(2).output_padding(1))], "F.conv_transpose2d(a, b, padding=2, dilation=2, output_padding=1)").looser(16.0),
        smooth("conv_transpose1d", &[floats(&[2, 3, 5]), floats(&[3, 2, 4]), floats(&[2])], |x| vec![x[0].conv_transpose1d(&x[1], Some(&x[2]), conv().stride(2).padding(1))], "F.conv_transpose1d(a, b, c, stride=2, padding=1)").looser(16.0),
    ]
}

fn pooling() -> Vec<Case> {
    let picture = || distinct(&[1, 2, 6, 5]);
    vec![
        smooth("max_pool2d", &[picture()], |x| vec![x[0].max_pool2d(pool(2))], "F.max_pool2d(a, 2)"),
        smooth("max_pool2d overlapping", &[picture()], |x| vec![x[0].max_pool2d(pool(3).stride(2).padding(1))], "F.max_pool2d(a, 3, 2, 1)").looser(2.0),
        smooth("max_pool2d one picture", &[distinct(&[2, 4, 4])], |x| vec![x[0].max_pool2d(pool(2).stride(1))], "F.max_pool2d(a, 2, 1)").looser(2.0),
        smooth("max_pool2d_with_indices", &[picture()], |x| { let (v, i) = x[0].max_pool2d_with_indices(pool(2)); vec![v, i] }, "F.max_pool2d(a, 2, return_indices=True)"),
        smooth("max_pool2d rounded up", &[distinct(&[1, 2, 6, 5])], |x| vec![x[0].max_pool2d(pool(3).stride(2).ceil_mode(true))], "F.max_pool2d(a, 3, 2, ceil_mode=True)").looser(2.0),
        smooth("max_pool2d rounded up with padding", &[distinct(&[1, 2, 6, 6])], |x| vec![x[0].max_pool2d(pool(2).stride(3).padding(1).ceil_mode(true))], "F.max_pool2d(a, 2, 3, 1, ceil_mode=True)").looser(2.0),
        smooth("max_pool2d_with_indices rounded up", &[distinct(&[2, 5, 4])], |x| { let (v, i) = x[0].max_pool2d_with_indices(pool(2).ceil_mode(true)); vec![v, i] }, "F.max_pool2d(a, 2, ceil_mode=True, return_indices=True)"),
        smooth("max_pool1d rounded up", &[distinct(&[2, 3, 8])], |x| vec![x[0].max_pool1d(pool(3).ceil_mode(true))], "F.max_pool1d(a, 3, ceil_mode=True)"),
        smooth("max_pool1d", &[distinct(&[2, 3, 7])], |x| vec![x[0].max_pool1d(pool(3).stride(2))], "F.max_pool1d(a, 3, 2)"),
        smooth("avg_pool2d", &[floats(&[2, 2, 6, 5])], |x| vec![x[0].avg_pool2d(pool(2))], "F.avg_pool2d(a, 2)"),
        smooth("avg_pool2d padding", &[floats(&[2, 2, 6, 5])], |x| vec![x[0].avg_pool2d(pool(3).stride(2).padding(1))], "F.avg_pool2d(a, 3, 2, 1)").looser(2.0),
        smooth("avg_pool2d padding does not count", &[floats(&[2, 2, 6, 5])], |x| vec![x[0].avg_pool2d(pool(3).stride(2).padding(1).count_padding(false))], "F.avg_pool2d(a, 3, 2, 1, count_include_pad=False)").looser(2.0),
        smooth("avg_pool2d rounded up", &[floats(&[2, 2, 6, 5])], |x| vec![x[0].avg_pool2d(pool(2).stride(3).padding(1).ceil_mode(true))], "F.avg_pool2d(a, 2, 3, 1, ceil_mode=True)").looser(2.0),
        smooth("avg_pool2d rounded up, overlapping", &[floats(&[2, 2, 6, 8])], |x| vec![x[0].avg_pool2d(pool(3).stride(2).padding(1).ceil_mode(true))], "F.avg_pool2d(a, 3, 2, 1, ceil_mode=True)").looser(2.0),
        smooth(
            "avg_pool2d rounded up, padding does not count",
            &[floats(&[2, 2, 6, 8])],
            |x| vec![x[0].avg_pool2d(pool(3).stride(2).padding(1).ceil_mode(true).count_padding(false))],
            "F.avg_pool2d(a, 3, 2, 1, ceil_mode=True, count_include_pad=False)",
        )
        .looser(2.0),
        smooth("avg_pool1d rounded up", &[floats(&[2, 3, 8])], |x| vec![x[0].avg_pool1d(pool(3).ceil_mode(true))], "F.avg_pool1d(a, 3, ceil_mode=True)").looser(2.0),
        smooth("avg_pool1d", &[floats(&[2, 3, 7])], |x| vec![x[0].avg_pool1d(pool(3).stride(2))], "F.avg_pool1d(a, 3, 2)"),
        smooth("adaptive_avg_pool2d", &[floats(&[2, 3, 6, 4])], |x| vec![x[0].adaptive_avg_pool2d([3, 2])], "F.adaptive_avg_pool2d(a, (3, 2))"),
        smooth("adaptive_avg_pool2d to one", &[floats(&[2, 3, 5, 4])], |x| vec![x[0].adaptive_avg_pool2d([1, 1])], "F.adaptive_avg_pool2d(a, 1)"),
        smooth("adaptive_avg_pool2d uneven", &[floats(&[2, 2, 7, 5])], |x| vec![x[0].adaptive_avg_pool2d([3, 4])], "F.adaptive_avg_pool2d(a, (3, 4))").looser(4.0),
        smooth("adaptive_max_pool2d", &[distinct(&[1, 2, 6, 4])], |x| vec![x[0].adaptive_max_pool2d([3, 2])], "F.adaptive_max_pool2d(a, (3, 2))"),
        smooth("adaptive_max_pool2d uneven", &[distinct(&[1, 2, 7, 5])], |x| vec![x[0].adaptive_max_pool2d([3, 4])], "F.adaptive_max_pool2d(a, (3, 4))").looser(4.0),
    ]
}

fn norms() -> Vec<Case> {
    let pictures = || floats(&[3, 4, 2, 3]);
    let weights = || [floats(&[3, 4, 2, 3]), floats(&[4]), floats(&[4])];
    vec![
        smooth("layer_norm", &[floats(&[3, 5]), floats(&[5]), floats(&[5])], |x| vec![x[0].layer_norm(&[5], Some(&x[1]), Some(&x[2]), 1e-5)], "F.layer_norm(a, (5,), b, c, 1e-5)").looser(8.0),
        smooth("layer_norm two dimensions", &[floats(&[3, 4, 5]), floats(&[4, 5])], |x| vec![x[0].layer_norm(&[4, 5], Some(&x[1]), None, 1e-5)], "F.layer_norm(a, (4, 5), b, None, 1e-5)").looser(8.0),
        smooth("layer_norm bias alone", &[floats(&[3, 5]), floats(&[5])], |x| vec![x[0].layer_norm(&[5], None, Some(&x[1]), 1e-5)], "F.layer_norm(a, (5,), None, b, 1e-5)").looser(8.0),
        smooth("layer_norm plain", &[floats(&[3, 5])], |x| vec![x[0].layer_norm(&[5], None, None, 1e-3)], "F.layer_norm(a, (5,), None, None, 1e-3)").looser(8.0),
        smooth("rms_norm", &[floats(&[3, 5]), floats(&[5])], |x| vec![x[0].rms_norm(&[5], Some(&x[1]), 1e-5)], "F.rms_norm(a, (5,), b, 1e-5)").looser(8.0),
        smooth("batch_norm", &weights(), |x| vec![x[0].batch_norm(Some(&x[1]), Some(&x[2]), None, 1e-5)], "F.batch_norm(a, None, None, b, c, True, 0.1, 1e-5)").looser(16.0),
        smooth("batch_norm plain", &[floats(&[6, 3])], |x| vec![x[0].batch_norm(None, None, None, 1e-5)], "F.batch_norm(a, None, None, None, None, True, 0.1, 1e-5)").looser(16.0),
        smooth(
            "batch_norm evaluated",
            &[pictures(), floats(&[4]), floats(&[4])],
            |x| {
                let running = Tensor::linspace(0.5, 2.0, 4).to_device(&x[0].device());
                vec![x[0].batch_norm(Some(&x[1]), Some(&x[2]), Some((&running, &running)), 1e-5)]
            },
            "F.batch_norm(a, torch.linspace(0.5, 2.0, 4).to(a.dtype), torch.linspace(0.5, 2.0, 4).to(a.dtype), b, c, False, 0.1, 1e-5)",
        )
        .looser(16.0),
        values(
            "batch_norm_with_statistics",
            &weights(),
            |x| {
                let (y, mean, variance) = x[0].batch_norm_with_statistics(Some(&x[1]), Some(&x[2]), 1e-5);
                vec![y, mean.to_dtype(x[0].dtype()), variance.to_dtype(x[0].dtype())]
            },
            "F.batch_norm(a, None, None, b, c, True, 0.1, 1e-5), a.mean((0, 2, 3)), a.var((0, 2, 3), unbiased=False)",
        )
        .looser(16.0),
        smooth("group_norm", &[pictures(), floats(&[4]), floats(&[4])], |x| vec![x[0].group_norm(2, Some(&x[1]), Some(&x[2]), 1e-5)], "F.group_norm(a, 2, b, c, 1e-5)").looser(16.0),
        smooth("instance_norm", &[pictures(), floats(&[4])], |x| vec![x[0].instance_norm(Some(&x[1]), None, 1e-5)], "F.instance_norm(a, None, None, b, None, True, 0.1, 1e-5)").looser(32.0),
        smooth("normalize", &[floats(&[3, 4])], |x| vec![x[0].normalize(2.0, -1, 1e-12)], "F.normalize(a, 2.0, -1)").looser(2.0),
        smooth("normalize third norm", &[away(&[3, 4])], |x| vec![x[0].normalize(3.0, 0, 1e-12)], "F.normalize(a, 3.0, 0)").looser(4.0),
        smooth("softmax", &[floats(&[3, 5])], |x| vec![x[0].softmax(-1)], "a.softmax(-1)"),
        smooth("softmax middle", &[floats(&[2, 4, 3])], |x| vec![x[0].softmax(1)], "a.softmax(1)"),
        smooth("softmax far apart", &[between(&[2, 5], -300.0, 300.0)], |x| vec![x[0].softmax(0)], "a.softmax(0)").looser(4.0),
        smooth("softmax scalar", &[floats(&[])], |x| vec![x[0].softmax(0)], "a.softmax(0)"),
        smooth("log_softmax", &[floats(&[3, 5])], |x| vec![x[0].log_softmax(-1)], "a.log_softmax(-1)").looser(2.0),
        smooth("log_softmax first", &[floats(&[4, 3])], |x| vec![x[0].log_softmax(0)], "a.log_softmax(0)").looser(2.0),
    ]
}

fn others() -> Vec<Case> {
    let qkv = || [floats(&[2, 3, 4]), floats(&[2, 5, 4]), floats(&[2, 5, 3])];
    let with = |extra: Input| [qkv().to_vec(), vec![extra]].concat();
    vec![
        smooth("scaled_dot_product_attention", &qkv(), |x| vec![functional::scaled_dot_product_attention(&x[0], &x[1], &x[2], None, false)], "F.scaled_dot_product_attention(a, b, c)").looser(8.0),
        smooth("scaled_dot_product_attention causal", &qkv(), |x| vec![functional::scaled_dot_product_attention(&x[0], &x[1], &x[2], None, true)], "F.scaled_dot_product_attention(a, b, c, is_causal=True)").looser(8.0),
        smooth("scaled_dot_product_attention mask", &with(mask(&[3, 5])), |x| vec![functional::scaled_dot_product_attention(&x[0], &x[1], &x[2], Some(&x[3]), false)], "F.scaled_dot_product_attention(a, b, c, attn_mask=d)").looser(8.0),
        smooth("scaled_dot_product_attention bias", &with(floats(&[1, 3, 5])), |x| vec![functional::scaled_dot_product_attention(&x[0], &x[1], &x[2], Some(&x[3]), false)], "F.scaled_dot_product_attention(a, b, c, attn_mask=d)").looser(8.0),
        smooth(
            "scaled_dot_product_attention nowhere",
            &with(integers(&[3, 5], 0, 1)),
            |x| vec![functional::scaled_dot_product_attention(&x[0], &x[1], &x[2], Some(&x[3].gt(1.0)), false)],
            "a.sum() * 0 + torch.zeros(2, 3, 3, dtype=a.dtype) + b.sum() * 0 + c.sum() * 0",
        ),
        smooth("embedding", &[floats(&[5, 3]), integers(&[2, 4], 0, 5)], |x| vec![x[1].embedding(&x[0])], "F.embedding(b, a)"),
        exact("one_hot", &[integers(&[2, 3], 0, 4)], |x| vec![x[0].one_hot(4)], "F.one_hot(a, 4)"),
        values("dropout when evaluated", &[floats(&[3])], |x| vec![x[0].dropout(0.5, false)], "F.dropout(a, 0.5, False)"),
        smooth("dropout all", &[floats(&[3])], |x| vec![x[0].dropout(1.0, true)], "F.dropout(a, 1.0, True)"),
        smooth("dropout none", &[floats(&[3])], |x| vec![x[0].dropout(0.0, true) * 2.0], "a * 2.0"),
        smooth("dropout2d all", &[floats(&[1, 2, 2, 2])], |x| vec![x[0].dropout2d(1.0, true)], "a * 0"),
        smooth("interpolate", &[floats(&[1, 2, 3, 4])], |x| vec![x[0].interpolate([5, 6], Scaling::Nearest)], "F.interpolate(a, (5, 6))"),
        smooth("interpolate smaller", &[floats(&[2, 5, 4])], |x| vec![x[0].interpolate([2, 3], Scaling::Nearest)], "F.interpolate(a[None], (2, 3))[0]"),
        smooth("interpolate linear", &[floats(&[1, 2, 3, 4])], |x| vec![x[0].interpolate([5, 7], Scaling::Bilinear { align_corners: false })], "F.interpolate(a, (5, 7), mode='bilinear')").looser(4.0),
        smooth("interpolate linear smaller", &[floats(&[1, 2, 6, 5])], |x| vec![x[0].interpolate([3, 2], Scaling::Bilinear { align_corners: false })], "F.interpolate(a, (3, 2), mode='bilinear')").looser(4.0),
        smooth("interpolate corners", &[floats(&[1, 2, 3, 4])], |x| vec![x[0].interpolate([5, 7], Scaling::Bilinear { align_corners: true })], "F.interpolate(a, (5, 7), mode='bilinear', align_corners=True)").looser(4.0),
    ]
}

/// Losses.
pub fn losses() -> Vec<Case> {
    let logits = || floats(&[4, 5]);
    let classes = || integers(&[4], 0, 5);
    let pair = || [floats(&[3, 4]), floats(&[3, 4])];
    let binary = || [floats(&[3, 4]), between(&[3, 4], 0.0, 1.0)];
    vec![
        smooth("cross_entropy", &[logits(), classes()], |x| vec![functional::cross_entropy(&x[0], &x[1])], "F.cross_entropy(wide(a), b)").looser(4.0),
        smooth("cross_entropy one", &[floats(&[5]), integers(&[], 0, 5)], |x| vec![functional::cross_entropy(&x[0], &x[1])], "F.cross_entropy(wide(a), b)").looser(4.0),
        smooth("cross_entropy pictures", &[floats(&[2, 3, 2, 2]), integers(&[2, 2, 2], 0, 3)], |x| vec![functional::cross_entropy(&x[0], &x[1])], "F.cross_entropy(wide(a), b)").looser(4.0),
        smooth("cross_entropy shares", &[logits(), shares(&[4, 5])], |x| vec![functional::cross_entropy(&x[0], &x[1])], "F.cross_entropy(wide(a), b)").looser(4.0),
        smooth(
            "cross_entropy_with smoothing",
            &[logits(), classes()],
            |x| vec![functional::cross_entropy_with(&x[0], &x[1], &CrossEntropy { smoothing: 0.1, reduction: Reduction::Sum, ..Default::default() })],
            "F.cross_entropy(wide(a), b, label_smoothing=0.1, reduction='sum')",
        )
        .looser(8.0),
        smooth(
            "cross_entropy_with weights",
            &[logits(), classes()],
            |x| vec![functional::cross_entropy_with(&x[0], &x[1], &CrossEntropy { weight: Some(weights(&x[0], 5)), smoothing: 0.2, ..Default::default() })],
            "F.cross_entropy(wide(a), b, torch.linspace(0.5, 2.5, 5, dtype=wide(a).dtype), label_smoothing=0.2)",
        )
        .looser(8.0),
        smooth(
            "cross_entropy_with ignored",
            &[floats(&[6, 3]), integers(&[6], 0, 3)],
            |x| vec![functional::cross_entropy_with(&x[0], &x[1], &CrossEntropy { ignore: Some(1), ..Default::default() })],
            "F.cross_entropy(wide(a), b, ignore_index=1)",
        )
        .looser(4.0),
        smooth(
            "cross_entropy_with each",
            &[logits(), classes()],
            |x| vec![functional::cross_entropy_with(&x[0], &x[1], &CrossEntropy { reduction: Reduction::None, ..Default::default() })],
            "F.cross_entropy(wide(a), b, reduction='none')",
        )
        .looser(4.0),
        smooth(
            "cross_entropy_with smoothed shares",
            &[logits(), shares(&[4, 5])],
            |x| vec![functional::cross_entropy_with(&x[0], &x[1], &CrossEntropy { weight: Some(weights(&x[0], 5)), smoothing: 0.1, ..Default::default() })],
            "F.cross_entropy(wide(a), b, torch.linspace(0.5, 2.5, 5, dtype=wide(a).dtype), label_smoothing=0.1)",
        )
        .looser(8.0),
        smooth("nll_loss", &[floats(&[4, 5]), classes()], |x| vec![functional::nll_loss(&x[0], &x[1])], "F.nll_loss(a, b)").looser(2.0),
        smooth("nll_loss pictures", &[floats(&[2, 3, 2, 2]), integers(&[2, 2, 2], 0, 3)], |x| vec![functional::nll_loss(&x[0], &x[1])], "F.nll_loss(a, b)").looser(2.0),
        smooth("mse", &pair(), |x| vec![functional::mse(&x[0], &x[1])], "F.mse_loss(a, b)").looser(4.0),
        smooth("mse_with each", &pair(), |x| vec![functional::mse_with(&x[0], &x[1], Reduction::None)], "F.mse_loss(a, b, reduction='none')").looser(4.0),
        smooth("mse_with of batches", &pair(), |x| vec![functional::mse_with(&x[0], &x[1], Reduction::BatchMean)], "F.mse_loss(a, b, reduction='sum') / 3").looser(4.0),
        smooth("l1", &pair(), |x| vec![functional::l1(&x[0], &x[1])], "F.l1_loss(a, b)").looser(4.0),
        smooth("l1_with sum", &pair(), |x| vec![functional::l1_with(&x[0], &x[1], Reduction::Sum)], "F.l1_loss(a, b, reduction='sum')").looser(4.0),
        smooth("smooth_l1", &pair(), |x| vec![functional::smooth_l1(&x[0], &x[1])], "F.smooth_l1_loss(a, b)").looser(4.0),
        smooth("smooth_l1_with beta", &pair(), |x| vec![functional::smooth_l1_with(&x[0], &x[1], 0.4, Reduction::Mean)], "F.smooth_l1_loss(a, b, beta=0.4)").looser(4.0),
        smooth("huber", &pair(), |x| vec![functional::huber(&x[0], &x[1], 0.7)], "F.huber_loss(a, b, delta=0.7)").looser(4.0),
        smooth("bce_with_logits", &binary(), |x| vec![functional::bce_with_logits(&x[0], &x[1])], "F.binary_cross_entropy_with_logits(a, b)").looser(4.0),
        smooth("bce_with_logits large", &[between(&[3, 4], -60.0, 60.0), between(&[3, 4], 0.0, 1.0)], |x| vec![functional::bce_with_logits(&x[0], &x[1])], "F.binary_cross_entropy_with_logits(a, b)").looser(30.0),
        smooth(
            "bce_with_logits_with weights",
            &binary(),
            |x| vec![functional::bce_with_logits_with(&x[0], &x[1], Some(&weights(&x[0], 4)), Reduction::Sum)],
            "F.binary_cross_entropy_with_logits(a, b, pos_weight=torch.linspace(0.5, 2.0, 4, dtype=a.dtype), reduction='sum')",
        )
        .looser(8.0),
        smooth("binary_cross_entropy", &[between(&[3, 4], 0.1, 0.9), between(&[3, 4], 0.0, 1.0)], |x| vec![functional::binary_cross_entropy(&x[0], &x[1])], "F.binary_cross_entropy(a, b)").looser(8.0),
        smooth("kl_div", &[floats(&[3, 4]), shares(&[3, 4])], |x| vec![functional::kl_div(&x[0], &x[1])], "F.kl_div(a, b)").looser(4.0),
        smooth("kl_div_with of batches", &[floats(&[3, 4]), shares(&[3, 4])], |x| vec![functional::kl_div_with(&x[0], &x[1], Reduction::BatchMean)], "F.kl_div(a, b, reduction='batchmean')").looser(4.0),
    ]
}
