//! Views, indexing, joining.
use crate::case::*;
use ochre_tensors::{Padding, Tensor};

/// All of them. Each result is multiplied with itself somewhere, so that a gradient depends on the place.
pub fn cases() -> Vec<Case> {
    [shapes(), places(), joined()].concat()
}

fn shapes() -> Vec<Case> {
    let cube = || [floats(&[2, 3, 4])];
    vec![
        smooth("reshape", &cube(), |x| vec![x[0].reshape(&[4, -1]).square()], "a.reshape(4, -1).square()"),
        smooth("reshape of a permuted", &cube(), |x| vec![x[0].permute(&[2, 0, 1]).reshape(&[6, 4]).square()], "a.permute(2, 0, 1).reshape(6, 4).square()"),
        smooth("view", &cube(), |x| vec![x[0].contiguous().view(&[6, 4])], "a.view(6, 4)"),
        smooth("reshape_as", &[floats(&[2, 3]), floats(&[6])], |x| vec![x[0].reshape_as(&x[1]) * &x[1]], "a.reshape_as(b) * b"),
        smooth("flatten", &cube(), |x| vec![x[0].flatten(0, -1), x[0].flatten(1, 2)], "a.flatten(), a.flatten(1, 2)"),
        smooth("unflatten", &[floats(&[2, 6])], |x| vec![x[0].unflatten(1, &[3, -1])], "a.unflatten(1, (3, -1))"),
        smooth("squeeze", &[floats(&[2, 1, 3, 1])], |x| vec![x[0].squeeze(1), x[0].squeeze(-1), x[0].squeeze(0)], "a.squeeze(1), a.squeeze(-1), a.squeeze(0)"),
        smooth("squeeze_all", &[floats(&[2, 1, 3, 1])], |x| vec![x[0].squeeze_all()], "a.squeeze()"),
        smooth("unsqueeze", &cube(), |x| vec![x[0].unsqueeze(0), x[0].unsqueeze(-1), x[0].unsqueeze(2)], "a.unsqueeze(0), a.unsqueeze(-1), a.unsqueeze(2)"),
        smooth("permute", &cube(), |x| vec![x[0].permute(&[2, 0, 1]), x[0].permute(&[0, -1, 1])], "a.permute(2, 0, 1), a.permute(0, -1, 1)"),
        smooth("transpose", &cube(), |x| vec![x[0].transpose(0, -1)], "a.transpose(0, -1)"),
        smooth("t", &[floats(&[3, 4])], |x| vec![x[0].t()], "a.t()"),
        smooth("movedim", &cube(), |x| vec![x[0].movedim(0, -1), x[0].movedim(2, 0)], "a.movedim(0, -1), a.movedim(2, 0)"),
        smooth("narrow", &cube(), |x| vec![x[0].narrow(1, 1, 2), x[0].narrow(-1, 0, 3)], "a.narrow(1, 1, 2), a.narrow(-1, 0, 3)"),
        smooth("select", &cube(), |x| vec![x[0].select(1, 2), x[0].select(0, -1)], "a.select(1, 2), a.select(0, -1)"),
        smooth("expand", &[floats(&[3, 1])], |x| vec![x[0].expand(&[2, 3, 4])], "a.expand(2, 3, 4)").looser(4.0),
        smooth("broadcast_to", &[floats(&[3, 1])], |x| vec![x[0].broadcast_to(&[3, 4])], "a.broadcast_to(3, 4)").looser(4.0),
        smooth("expand_as", &[floats(&[1, 4]), floats(&[3, 4])], |x| vec![x[0].expand_as(&x[1]) * &x[1]], "a.expand_as(b) * b").looser(4.0),
        smooth("diagonal", &[floats(&[3, 4])], |x| vec![x[0].diagonal(0), x[0].diagonal(1), x[0].diagonal(-1)], "a.diagonal(), a.diagonal(1), a.diagonal(-1)").looser(2.0),
        smooth("unfold", &[floats(&[2, 7])], |x| vec![x[0].unfold(1, 3, 2), x[0].unfold(-1, 3, 1)], "a.unfold(1, 3, 2), a.unfold(-1, 3, 1)").looser(4.0),
        smooth("contiguous", &[floats(&[3, 4])], |x| vec![x[0].t().contiguous()], "a.t().contiguous()"),
        smooth("copy", &[floats(&[3, 4])], |x| vec![x[0].copy()], "a.clone()"),
        smooth("slice", &[floats(&[4, 5, 3])], |x| vec![x[0].slice(&[(1..3).into(), 2.into()]), x[0].slice(&[(..).into(), (-2..).into()]), x[0].slice(&[(1..).into(), ochre_tensors::Slice::from(..).step(2)])], "a[1:3, 2], a[:, -2:], a[1:, ::2]").looser(2.0),
        smooth("slice_assign", &[floats(&[4, 5]), floats(&[2, 5])], |x| vec![x[0].slice_assign(&[(1..3).into()], &x[1]), x[0].slice_assign(&[(..).into(), 0.into()], 2.0)], "torch.cat([a[:1], b, a[3:]]), torch.cat([torch.full_like(a[:, :1], 2.0), a[:, 1:]], 1)").looser(2.0),
    ]
}

fn places() -> Vec<Case> {
    let rows = || [floats(&[4, 3]), integers(&[5], 0, 4)];
    let each = || [floats(&[4, 3]), integers(&[2, 3], 0, 4)];
    vec![
        smooth("index_select", &rows(), |x| vec![x[0].index_select(0, &x[1])], "a.index_select(0, b)").looser(4.0),
        smooth("index_select last", &[floats(&[2, 4]), integers(&[3], 0, 4)], |x| vec![x[0].index_select(-1, &x[1])], "a.index_select(-1, b)").looser(4.0),
        smooth("gather", &each(), |x| vec![x[0].gather(0, &x[1])], "a.gather(0, b)").looser(4.0),
        smooth("gather last", &[floats(&[2, 4]), integers(&[2, 6], 0, 4)], |x| vec![x[0].gather(1, &x[1])], "a.gather(1, b)").looser(4.0),
        smooth("scatter_add", &[floats(&[4, 3]), integers(&[2, 3], 0, 4), floats(&[2, 3])], |x| vec![x[0].scatter_add(0, &x[1], &x[2])], "a.scatter_add(0, b, c)").looser(4.0),
        smooth("scatter", &[floats(&[4, 3]), integers(&[1, 3], 0, 4), floats(&[1, 3])], |x| vec![x[0].scatter(0, &x[1], &x[2])], "a.scatter(0, b, c)"),
        smooth("index_add", &[floats(&[4, 3]), integers(&[5], 0, 4), floats(&[5, 3])], |x| vec![x[0].index_add(0, &x[1], &x[2])], "a.index_add(0, b, c)").looser(8.0),
        smooth("take", &[floats(&[4, 3]), integers(&[2, 2], 0, 12)], |x| vec![x[0].take(&x[1])], "a.take(b)").looser(4.0),
        smooth("masked_select", &[floats(&[3, 4]), mask(&[3, 4])], |x| vec![x[0].masked_select(&x[1])], "a.masked_select(b)"),
        exact("nonzero", &[mask(&[3, 4])], |x| vec![x[0].nonzero()], "a.nonzero()"),
        exact("bincount", &[integers(&[12], 0, 5)], |x| vec![x[0].bincount(0), x[0].bincount(7)], "torch.bincount(a), torch.bincount(a, minlength=7)"),
    ]
}

fn joined() -> Vec<Case> {
    let two = || [floats(&[2, 3]), floats(&[4, 3])];
    vec![
        smooth("cat", &two(), |x| vec![Tensor::cat(&[&x[0], &x[1], &x[0]], 0)], "torch.cat([a, b, a])").looser(2.0),
        smooth("cat last", &[floats(&[2, 3]), floats(&[2, 1])], |x| vec![Tensor::cat(&[&x[0], &x[1]], -1)], "torch.cat([a, b], -1)"),
        smooth("stack", &[floats(&[2, 3]), floats(&[2, 3])], |x| vec![Tensor::stack(&[&x[0], &x[1]], 0), Tensor::stack(&[&x[0], &x[1]], -1)], "torch.stack([a, b]), torch.stack([a, b], -1)").looser(2.0),
        smooth("chunk", &[floats(&[5, 3])], |x| x[0].chunk(3, 0), "a.chunk(3)"),
        smooth("split", &[floats(&[5, 3])], |x| x[0].split(2, 0), "a.split(2)"),
        smooth("flip", &[floats(&[2, 3])], |x| vec![x[0].flip(&[0]), x[0].flip(&[0, -1])], "a.flip(0), a.flip(0, -1)").looser(2.0),
        smooth("roll", &[floats(&[3, 4])], |x| vec![x[0].roll(1, 0), x[0].roll(-2, 1)], "a.roll(1, 0), a.roll(-2, 1)").looser(2.0),
        smooth("repeat", &[floats(&[2, 3])], |x| vec![x[0].repeat(&[2, 2]), x[0].repeat(&[2, 1, 1])], "a.repeat(2, 2), a.repeat(2, 1, 1)").looser(8.0),
        smooth("split_sizes", &[floats(&[5, 3])], |x| x[0].split_sizes(&[1, 4], 0), "a.split([1, 4])"),
        smooth("unbind", &[floats(&[3, 4])], |x| x[0].unbind(1), "a.unbind(1)"),
        smooth("repeat_interleave", &[floats(&[2, 3])], |x| vec![x[0].repeat_interleave(2, 0), x[0].repeat_interleave(3, -1)], "a.repeat_interleave(2, 0), a.repeat_interleave(3, -1)").looser(8.0),
        smooth("pad", &[floats(&[2, 3])], |x| vec![x[0].pad(&[1, 2], 0.5), x[0].pad(&[0, 1, 2, 0], -1.0), x[0].pad(&[-1, 1], 0.0)], "F.pad(a, (1, 2), value=0.5), F.pad(a, (0, 1, 2, 0), value=-1.0), F.pad(a, (-1, 1))").looser(4.0),
        smooth(
            "pad_with",
            &[floats(&[1, 2, 4, 5])],
            |x| [Padding::Reflect, Padding::Replicate, Padding::Circular, Padding::Constant(2.0)].map(|padding| x[0].pad_with(&[1, 2, 2, 1], padding)).to_vec(),
            "F.pad(a, (1, 2, 2, 1), 'reflect'), F.pad(a, (1, 2, 2, 1), 'replicate'), F.pad(a, (1, 2, 2, 1), 'circular'), F.pad(a, (1, 2, 2, 1), value=2.0)",
        )
        .looser(16.0),
        smooth("diag", &[floats(&[3])], |x| vec![x[0].diag()], "a.diag()"),
        smooth("meshgrid", &[floats(&[3]), floats(&[4])], |x| Tensor::meshgrid(&[&x[0], &x[1]]), "torch.meshgrid(a, b, indexing='ij')").looser(4.0),
        smooth("tril", &[floats(&[3, 4])], |x| vec![x[0].tril(0), x[0].tril(-1)], "a.tril(), a.tril(-1)").looser(2.0),
        smooth("triu", &[floats(&[3, 4])], |x| vec![x[0].triu(0), x[0].triu(1)], "a.triu(), a.triu(1)").looser(2.0),
    ]
}
