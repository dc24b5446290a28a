//! Sizes at which threads, panels of matrices, tiles of pictures and vectors with a rest come in. Values and gradients against PyTorch alone:
//! difference quotients would take an hour.
use crate::case::*;
use ochre_tensors::functional::{self, ConvOptions, PoolOptions};

/// All of them.
pub fn cases() -> Vec<Case> {
    [arithmetic(), networks()].concat()
}

fn large(name: &'static str, inputs: &[Input], ours: fn(&[ochre_tensors::Tensor]) -> Vec<ochre_tensors::Tensor>, torch: &'static str) -> Case {
    Case { kind: Kind::Large, ..smooth(name, inputs, ours, torch) }
}

fn arithmetic() -> Vec<Case> {
    let wide = || floats(&[131, 251]);
    vec![
        large("add large", &[wide(), wide()], |x| vec![&x[0] + &x[1]], "a + b"),
        large("add large row", &[wide(), floats(&[251])], |x| vec![&x[0] + &x[1]], "a + b").looser(100.0),
        large("add large column", &[wide(), floats(&[131, 1])], |x| vec![&x[0] * &x[1]], "a * b").looser(100.0),
        large("add large transposed", &[wide(), floats(&[251, 131])], |x| vec![&x[0] + &x[1].t()], "a + b.t()"),
        large("exp large", &[wide()], |x| vec![x[0].exp(), x[0].tanh(), x[0].sigmoid()], "a.exp(), a.tanh(), a.sigmoid()").looser(4.0),
        large("gelu large", &[wide()], |x| vec![x[0].gelu(), x[0].silu(), x[0].relu()], "F.gelu(a), F.silu(a), a.relu()").looser(4.0),
        large("sum large", &[wide()], |x| vec![x[0].sum(), x[0].sum_dim(0), x[0].sum_dim(1), x[0].mean_dims(&[0, 1], true)], "a.sum(), a.sum(0), a.sum(1), a.mean((0, 1), True)").looser(400.0),
        large("amax large", &[wide()], |x| vec![x[0].amax(&[0], false), x[0].amax(&[1], false)], "a.amax(0), a.amax(1)"),
        large("var large", &[wide()], |x| vec![x[0].var_dim(0), x[0].std_dim(1)], "a.var(0), a.std(1)").looser(100.0),
        large("cumsum large", &[floats(&[40, 500])], |x| vec![x[0].cumsum(0)], "a.cumsum(0)").looser(200.0),
        large("sort large", &[floats(&[3, 2000])], |x| vec![x[0].sort(1, false).0], "a.sort(stable=True, dim=1)[0]").looser(4.0),
        large("index_select large", &[floats(&[500, 33]), integers(&[3000], 0, 500)], |x| vec![x[0].index_select(0, &x[1])], "a.index_select(0, b)").looser(50.0),
        large("cat large", &[wide(), wide()], |x| vec![ochre_tensors::Tensor::cat(&[&x[0], &x[1]], 1)], "torch.cat([a, b], 1)"),
        large("permute large", &[floats(&[30, 40, 50])], |x| vec![x[0].permute(&[2, 0, 1]).contiguous()], "a.permute(2, 0, 1).contiguous()"),
        large("softmax large", &[floats(&[70, 1003])], |x| vec![x[0].softmax(-1), x[0].log_softmax(0)], "a.softmax(-1), a.log_softmax(0)").looser(100.0),
        large("layer_norm large", &[floats(&[300, 129]), floats(&[129]), floats(&[129])], |x| vec![x[0].layer_norm(&[129], Some(&x[1]), Some(&x[2]), 1e-5)], "F.layer_norm(a, (129,), b, c)").looser(200.0),
        large("cross_entropy large", &[floats(&[500, 100]), integers(&[500], 0, 100)], |x| vec![functional::cross_entropy(&x[0], &x[1])], "F.cross_entropy(wide(a), b)").looser(8.0),
    ]
}

fn networks() -> Vec<Case> {
    let conv = || vec![floats(&[4, 20, 17, 18]), between(&[24, 20, 3, 3], -0.5, 0.5), floats(&[24])];
    vec![
        large("matmul larger", &[floats(&[201, 305]), floats(&[305, 157])], |x| vec![x[0].matmul(&x[1])], "a @ b").looser(200.0),
        large("matmul turned", &[floats(&[305, 201]), floats(&[157, 305])], |x| vec![x[0].t().matmul(&x[1].t())], "a.t() @ b.t()").looser(200.0),
        large("matmul many", &[floats(&[30, 33, 40]), floats(&[30, 40, 35])], |x| vec![x[0].matmul(&x[1])], "a @ b").looser(60.0),
        large("matmul column", &[floats(&[500, 301]), floats(&[301])], |x| vec![x[0].matmul(&x[1])], "a @ b").looser(200.0),
        large("linear large", &[floats(&[130, 257]), floats(&[99, 257]), floats(&[99])], |x| vec![functional::linear(&x[0], &x[1], Some(&x[2]))], "F.linear(a, b, c)").looser(200.0),
        large("conv2d tiles", &conv(), |x| vec![x[0].conv2d(&x[1], Some(&x[2]), ConvOptions::default().padding(1))], "F.conv2d(a, b, c, padding=1)").looser(400.0),
        large("conv2d tiles without padding", &conv(), |x| vec![x[0].conv2d(&x[1], None, ConvOptions::default())], "F.conv2d(a, b)").looser(400.0),
        large("conv2d one large picture", &[floats(&[1, 16, 40, 36]), between(&[16, 16, 3, 3], -0.5, 0.5)], |x| vec![x[0].conv2d(&x[1], None, ConvOptions::default().padding(1))], "F.conv2d(a, b, padding=1)").looser(400.0),
        large("conv2d large stride", &conv(), |x| vec![x[0].conv2d(&x[1], Some(&x[2]), ConvOptions::default().padding(1).stride(2))], "F.conv2d(a, b, c, padding=1, stride=2)").looser(400.0),
        large("conv2d large groups", &[floats(&[6, 16, 17, 18]), floats(&[24, 4, 3, 3])], |x| vec![x[0].conv2d(&x[1], None, ConvOptions::default().padding(1).groups(4))], "F.conv2d(a, b, padding=1, groups=4)").looser(400.0),
        large("conv2d large depthwise", &[floats(&[6, 32, 17, 18]), floats(&[32, 1, 3, 3])], |x| vec![x[0].conv2d(&x[1], None, ConvOptions::default().padding(1).groups(32))], "F.conv2d(a, b, padding=1, groups=32)").looser(400.0),
        large("conv2d large pointwise", &[floats(&[4, 40, 13, 11]), between(&[30, 40, 1, 1], -0.5, 0.5)], |x| vec![x[0].conv2d(&x[1], None, ConvOptions::default())], "F.conv2d(a, b)").looser(400.0),
        large("conv2d pictures", &[floats(&[5, 3, 32, 32]), floats(&[20, 3, 5, 5])], |x| vec![x[0].conv2d(&x[1], None, ConvOptions::default().padding(2))], "F.conv2d(a, b, padding=2)").looser(400.0),
        large("conv_transpose2d large", &[floats(&[3, 16, 9, 10]), between(&[16, 12, 4, 4], -0.5, 0.5)], |x| vec![x[0].conv_transpose2d(&x[1], None, ConvOptions::default().stride(2).padding(1))], "F.conv_transpose2d(a, b, stride=2, padding=1)").looser(400.0),
        large("batch_norm large", &[floats(&[8, 17, 23, 9]), floats(&[17]), floats(&[17])], |x| vec![x[0].batch_norm(Some(&x[1]), Some(&x[2]), None, 1e-5)], "F.batch_norm(a, None, None, b, c, True)").looser(400.0),
        large("max_pool2d large", &[floats(&[4, 16, 33, 34])], |x| vec![x[0].max_pool2d(PoolOptions::new(2)), x[0].max_pool2d(PoolOptions::new(3).stride(2).padding(1))], "F.max_pool2d(a, 2), F.max_pool2d(a, 3, 2, 1)").looser(2.0),
        large("avg_pool2d large", &[floats(&[4, 16, 33, 34])], |x| vec![x[0].avg_pool2d(PoolOptions::new(2)), x[0].adaptive_avg_pool2d([1, 1])], "F.avg_pool2d(a, 2), F.adaptive_avg_pool2d(a, 1)").looser(8.0),
        large("scaled_dot_product_attention large", &[floats(&[2, 4, 65, 32]), floats(&[2, 4, 65, 32]), floats(&[2, 4, 65, 32])], |x| vec![functional::scaled_dot_product_attention(&x[0], &x[1], &x[2], None, true)], "F.scaled_dot_product_attention(a, b, c, is_causal=True)").looser(100.0),
    ]
}
