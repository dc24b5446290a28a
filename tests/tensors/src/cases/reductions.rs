//! Reductions, order, running sums.
use crate::case::*;

/// All of them.
pub fn cases() -> Vec<Case> {
    [sums(), extremes(), order(), integers_alone()].concat()
}

fn sums() -> Vec<Case> {
    let cube = || [floats(&[2, 3, 4])];
    vec![
        smooth("sum", &cube(), |x| vec![x[0].sum()], "a.sum()").looser(8.0),
        smooth("sum_dim", &cube(), |x| vec![x[0].sum_dim(1), x[0].sum_dim(-1)], "a.sum(1), a.sum(-1)").looser(8.0),
        smooth("sum_dims", &cube(), |x| vec![x[0].sum_dims(&[0, 2], true), x[0].sum_dims(&[0, 2], false)], "a.sum((0, 2), True), a.sum((0, 2))").looser(8.0),
        smooth("mean", &cube(), |x| vec![x[0].mean()], "a.mean()").looser(2.0),
        smooth("mean_dim", &cube(), |x| vec![x[0].mean_dim(0)], "a.mean(0)").looser(2.0),
        smooth("mean_dims", &cube(), |x| vec![x[0].mean_dims(&[-1, 0], true)], "a.mean((-1, 0), True)").looser(2.0),
        smooth("prod", &[away(&[5])], |x| vec![x[0].prod()], "a.prod()").looser(16.0),
        smooth("prod_dim", &[away(&[3, 4])], |x| vec![x[0].prod_dim(1)], "a.prod(1)").looser(16.0),
        smooth("var", &cube(), |x| vec![x[0].var()], "a.var()").looser(8.0),
        smooth("var_dim", &cube(), |x| vec![x[0].var_dim(1)], "a.var(1)").looser(8.0),
        smooth("std", &cube(), |x| vec![x[0].std()], "a.std()").looser(8.0),
        smooth("std_dim", &cube(), |x| vec![x[0].std_dim(-1)], "a.std(-1)").looser(8.0),
        smooth("norm", &cube(), |x| vec![x[0].norm()], "a.norm()").looser(8.0),
        smooth("prod_dims", &[away(&[2, 3, 2])], |x| vec![x[0].prod_dims(&[0, 2], true)], "a.prod(0, True).prod(2, True)").looser(16.0),
        smooth("var_dims", &cube(), |x| vec![x[0].var_dims(&[0, 2], 0, true), x[0].var_dims(&[1], 1, false)], "a.var((0, 2), correction=0, keepdim=True), a.var(1)").looser(8.0),
        smooth("std_dims", &cube(), |x| vec![x[0].std_dims(&[0, 2], 1, false)], "a.std((0, 2))").looser(8.0),
        smooth("norm_dims", &[away(&[3, 4])], |x| vec![x[0].norm_dims(2.0, &[1], true), x[0].norm_dims(1.0, &[0], false), x[0].norm_dims(3.0, &[0, 1], false)], "torch.linalg.vector_norm(a, 2, 1, True), torch.linalg.vector_norm(a, 1, 0), torch.linalg.vector_norm(a, 3)").looser(16.0),
        smooth("norm_dims greatest", &[distinct(&[3, 4])], |x| vec![x[0].norm_dims(f64::INFINITY, &[1], false)], "torch.linalg.vector_norm(a, math.inf, 1)").looser(2.0),
        smooth("logsumexp_dims", &cube(), |x| vec![x[0].logsumexp_dims(&[0, 1], true)], "a.logsumexp((0, 1), True)").looser(4.0),
        smooth("logsumexp", &cube(), |x| vec![x[0].logsumexp(-1)], "a.logsumexp(-1)").looser(4.0),
        smooth("cumsum", &cube(), |x| vec![x[0].cumsum(1), x[0].cumsum(-1)], "a.cumsum(1), a.cumsum(-1)").looser(8.0),
        smooth("sum of nothing", &[floats(&[0, 3])], |x| vec![x[0].sum(), x[0].sum_dim(0), x[0].prod()], "a.sum(), a.sum(0), a.prod()"),
        smooth("sum of many", &[floats(&[3000])], |x| vec![x[0].sum(), x[0].mean()], "a.sum(), a.mean()").looser(200.0),
    ]
}

fn extremes() -> Vec<Case> {
    let cube = || [distinct(&[2, 3, 4])];
    vec![
        smooth("max", &cube(), |x| vec![x[0].max()], "a.max()"),
        smooth("min", &cube(), |x| vec![x[0].min()], "a.min()"),
        smooth("max_dim", &cube(), |x| { let (v, i) = x[0].max_dim(1); vec![v, i] }, "a.max(1)"),
        smooth("min_dim", &cube(), |x| { let (v, i) = x[0].min_dim(-1); vec![v, i] }, "a.min(-1)"),
        smooth("amax", &cube(), |x| vec![x[0].amax(&[0, 2], false), x[0].amax(&[1], true)], "a.amax((0, 2)), a.amax(1, True)"),
        smooth("amin", &cube(), |x| vec![x[0].amin(&[0, 2], false), x[0].amin(&[1], true)], "a.amin((0, 2)), a.amin(1, True)"),
        values("argmax", &cube(), |x| vec![x[0].argmax(1), x[0].argmax(-1)], "a.argmax(1), a.argmax(-1)"),
        values("argmin", &cube(), |x| vec![x[0].argmin(0)], "a.argmin(0)"),
    ]
}

fn order() -> Vec<Case> {
    let square = || [distinct(&[3, 7])];
    vec![
        smooth("sort", &square(), |x| { let ((v, i), (w, j)) = (x[0].sort(1, false), x[0].sort(0, true)); vec![v, i, w, j] }, "*a.sort(1), *a.sort(0, descending=True)").looser(2.0),
        values("argsort", &square(), |x| vec![x[0].argsort(-1, true)], "a.argsort(-1, True)"),
        smooth("bottomk", &square(), |x| { let (v, i) = x[0].bottomk(3, 1); vec![v, i] }, "a.topk(3, 1, largest=False)"),
        smooth("median_dim", &square(), |x| { let ((v, i), (w, j)) = (x[0].median_dim(1), x[0].median_dim(0)); vec![v, i, w, j] }, "*a.median(1), *a.median(0)"),
        smooth("quantile", &square(), |x| vec![x[0].quantile(0.3, 1), x[0].quantile(1.0, 0)], "a.quantile(0.3, 1), a.quantile(1.0, 0)").looser(4.0),
        smooth("topk", &square(), |x| { let (v, i) = x[0].topk(3, 1); vec![v, i] }, "a.topk(3, 1)"),
    ]
}

fn integers_alone() -> Vec<Case> {
    let whole = || [integers(&[3, 4], -5, 6)];
    vec![
        exact("sum integers", &whole(), |x| vec![x[0].sum(), x[0].sum_dim(0), x[0].prod_dim(1), x[0].max(), x[0].min(), x[0].cumsum(0)], "a.sum(), a.sum(0), a.prod(1), a.max(), a.min(), a.cumsum(0)"),
        exact("sum of truths", &[mask(&[3, 4])], |x| vec![x[0].sum(), x[0].sum_dim(1)], "a.sum(), a.sum(1)"),
        exact("any", &[mask(&[3, 4]), integers(&[3, 4], 0, 2)], |x| vec![x[0].any(), x[1].any()], "a.any(), b.any()"),
        exact("all", &[mask(&[3, 4]), integers(&[3, 4], 1, 3)], |x| vec![x[0].all(), x[1].all()], "a.all(), b.all()"),
        exact("any_dim", &[mask(&[3, 4])], |x| vec![x[0].any_dim(0), x[0].any_dims(&[0, 1], false)], "a.any(0), a.any()"),
        exact("all_dim", &[mask(&[3, 4])], |x| vec![x[0].all_dim(1), x[0].all_dims(&[0], true)], "a.all(1), a.all(0, True)"),
        exact("any_dims", &[mask(&[2, 3, 2])], |x| vec![x[0].any_dims(&[0, 2], true)], "a.any(0, True).any(2, True)"),
        exact("all_dims", &[mask(&[2, 3, 2])], |x| vec![x[0].all_dims(&[0, 2], true)], "a.all(0, True).all(2, True)"),
        exact("count_nonzero", &whole(), |x| vec![x[0].count_nonzero()], "a.count_nonzero()"),
        exact("unique", &whole(), |x| vec![x[0].unique()], "a.unique()"),
        exact("argmax first of equal", &[integers(&[4, 6], 0, 3)], |x| vec![x[0].argmax(1), x[0].argmin(0)], "torch.tensor([int(r.argmax()) for r in a.numpy()]), torch.tensor(a.numpy().argmin(0))"),
        exact("sort stable", &[integers(&[12], 0, 4)], |x| { let (v, i) = x[0].sort(0, false); vec![v, i] }, "a.sort(stable=True)"),
    ]
}
