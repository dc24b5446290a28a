//! Random shapes, strides, broadcasts and types against a slow reference that knows nothing of strides: elements in row-major order with a shape.
use ochre_tensors::{ConvOptions, DType, PoolOptions, Tensor, manual_seed};
use ochre_tensors_suite::check::different;
use ochre_tensors_suite::random::Random;

/// Rounds of each property; the seed is in the message of a failure.
const ROUNDS: u64 = 300;

/// The reference: elements as f64 and their shape.
#[derive(Clone, Debug)]
struct Slow {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Slow {
    fn new(shape: &[usize], mut value: impl FnMut(&[usize]) -> f64) -> Self {
        let mut values = Vec::new();
        each_place(shape, |place| values.push(value(place)));
        Self { shape: shape.to_vec(), values }
    }

    fn at(&self, place: &[usize]) -> f64 {
        self.values[place.iter().zip(&self.shape).fold(0, |index, (&i, &size)| index * size + i)]
    }

    /// At a place of a broadcast shape.
    fn broadcast_at(&self, place: &[usize]) -> f64 {
        let own = &place[place.len() - self.shape.len()..];
        self.at(&own.iter().zip(&self.shape).map(|(&i, &size)| if size == 1 { 0 } else { i }).collect::<Vec<_>>())
    }

    fn check(&self, tensor: &Tensor, allowed: f64, context: &str) {
        assert_eq!(tensor.shape(), self.shape, "{context}");
        let difference = different(&values(tensor), &self.values, allowed);
        assert!(difference.is_none(), "{context}: {}\nshape {:?}, strides {:?}", difference.unwrap(), tensor.shape(), tensor.strides());
    }
}

fn each_place(shape: &[usize], mut body: impl FnMut(&[usize])) {
    let mut place = vec![0; shape.len()];
    if shape.contains(&0) {
        return;
    }
    loop {
        body(&place);
        let Some(turn) = (0..shape.len()).rev().find(|&i| place[i] + 1 < shape[i]) else { return };
        place[turn] += 1;
        place[turn + 1..].fill(0);
    }
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).to_vec::<f64>()
}

fn shape(random: &mut Random, rank: usize) -> Vec<usize> {
    // Now and then a dimension of nothing, often one of 1.
    (0..rank).map(|_| [0, 1, 1, 2, 3, 4, 5, 7][if random.below(10) == 0 { 0 } else { 1 + random.below(7) }]).collect()
}

/// A tensor of whole numbers whose elements lie anyhow in memory, with its reference.
fn laid_anyhow(random: &mut Random, rank: usize, dtype: DType) -> (Tensor, Slow) {
    let shape = shape(random, rank);
    let (low, high) = if matches!(dtype, DType::U8) { (0, 9) } else if dtype == DType::Bool { (0, 2) } else { (-9, 9) };
    let slow = Slow::new(&shape, |_| random.integer(low, high) as f64);
    let tensor = Tensor::from_vec(slow.values.clone(), &shape).to_dtype(dtype);
    let mut pair = (tensor, slow);
    for _ in 0..random.below(4) {
        pair = viewed(random, pair);
    }
    pair
}

/// One view of it, in both worlds.
fn viewed(random: &mut Random, (tensor, slow): (Tensor, Slow)) -> (Tensor, Slow) {
    let rank = slow.shape.len();
    match random.below(7) {
        0 if rank > 0 => {
            let order = random.permutation(rank);
            let shape: Vec<usize> = order.iter().map(|&i| slow.shape[i]).collect();
            let moved = Slow::new(&shape, |place| {
                let mut old = vec![0; rank];
                order.iter().zip(place).for_each(|(&from, &i)| old[from] = i);
                slow.at(&old)
            });
            (tensor.permute(&order.iter().map(|&i| i as i64).collect::<Vec<_>>()), moved)
        }
        1 if rank > 0 => {
            let dim = random.below(rank);
            let start = random.below(slow.shape[dim] + 1);
            let len = random.below(slow.shape[dim] - start + 1);
            let mut shape = slow.shape.clone();
            shape[dim] = len;
            let part = Slow::new(&shape, |place| {
                let mut old = place.to_vec();
                old[dim] += start;
                slow.at(&old)
            });
            (tensor.narrow(dim as i64, start, len), part)
        }
        2 if rank > 0 => {
            let dim = random.below(rank);
            if slow.shape[dim] == 0 {
                return (tensor, slow);
            }
            let index = random.below(slow.shape[dim]);
            let mut shape = slow.shape.clone();
            shape.remove(dim);
            let part = Slow::new(&shape, |place| {
                let mut old = place.to_vec();
                old.insert(dim, index);
                slow.at(&old)
            });
            (tensor.select(dim as i64, index as i64 - if random.below(2) == 0 { slow.shape[dim] as i64 } else { 0 }), part)
        }
        3 => {
            let dim = random.below(rank + 1);
            let mut shape = slow.shape.clone();
            shape.insert(dim, 1);
            (tensor.unsqueeze(dim as i64), Slow { shape, values: slow.values })
        }
        4 => {
            let shape: Vec<usize> = slow.shape.iter().map(|&size| if size == 1 { 1 + random.below(3) } else { size }).collect();
            let wide = Slow::new(&shape, |place| slow.broadcast_at(place));
            (tensor.expand(&shape), wide)
        }
        5 if rank > 1 => {
            let count = slow.values.len();
            let shape: Vec<usize> = [slow.shape[..1].to_vec(), vec![slow.shape[1..].iter().product()]].concat();
            assert_eq!(count, shape.iter().product::<usize>());
            (tensor.reshape(&shape.iter().map(|&s| s as i64).collect::<Vec<_>>()), Slow { shape, values: slow.values })
        }
        _ if rank > 0 => {
            let dim = random.below(rank);
            let size = slow.shape[dim];
            let turned = Slow::new(&slow.shape, |place| {
                let mut old = place.to_vec();
                old[dim] = size - 1 - old[dim];
                slow.at(&old)
            });
            (tensor.flip(&[dim as i64]), turned)
        }
        _ => (tensor, slow),
    }
}

const TYPES: [DType; 8] = [DType::Bool, DType::U8, DType::I32, DType::I64, DType::F16, DType::BF16, DType::F32, DType::F64];

fn some_type(random: &mut Random) -> DType {
    TYPES[random.below(TYPES.len())]
}

#[test]
fn views_of_views() {
    for seed in 0..ROUNDS * 4 {
        let random = &mut Random::new(seed);
        let (rank, dtype) = (random.below(5), some_type(random));
        let (tensor, slow) = laid_anyhow(random, rank, dtype);
        slow.check(&tensor, 0.0, &format!("seed {seed}, {dtype}"));
        slow.check(&tensor.contiguous(), 0.0, &format!("seed {seed}, {dtype}, contiguous"));
        assert!(tensor.contiguous().is_contiguous());
    }
}

/// The type of a result: a number in a tensor of rank 0 yields to a tensor, unless it is of a higher kind (truths, integers, floats).
fn promoted(a: DType, b: DType, a_is_number: bool, b_is_number: bool) -> DType {
    let kind = |dtype: DType| if dtype == DType::Bool { 0 } else if dtype.is_float() { 2 } else { 1 };
    match (a_is_number, b_is_number) {
        (false, true) if kind(a) >= kind(b) => a,
        (true, false) if kind(b) >= kind(a) => b,
        _ => a.promote(b),
    }
}

#[test]
fn arithmetic_broadcasts_whatever_lies_anyhow() {
    for seed in 0..ROUNDS * 4 {
        let random = &mut Random::new(1_000_000 + seed);
        let (rank, dtype, other) = (1 + random.below(4), some_type(random), some_type(random));
        let (a, slow_a) = laid_anyhow(random, rank, dtype);
        // Some dimensions of the second are 1, some in front are missing.
        let missing = random.below(slow_a.shape.len() + 1);
        let shape: Vec<usize> = slow_a.shape[missing..].iter().map(|&size| if random.below(3) == 0 { 1 } else { size }).collect();
        let unsigned = |dtype| matches!(dtype, DType::U8 | DType::Bool);
        let low = if unsigned(dtype) || unsigned(other) { 0 } else { -5 };
        let slow_b = Slow::new(&shape, |_| random.integer(low, if other == DType::Bool { 2 } else { 6 }) as f64);
        let b = Tensor::from_vec(slow_b.values.clone(), &shape).to_dtype(other);
        let context = format!("seed {seed}, {dtype} and {other}");
        let wide = promoted(dtype, other, slow_a.shape.is_empty(), shape.is_empty());
        let slow = |f: &dyn Fn(f64, f64) -> f64| Slow::new(&slow_a.shape, |place| f(slow_a.broadcast_at(place), slow_b.broadcast_at(place)));
        if wide != DType::Bool {
            let wrapped = |v: f64| if wide == DType::U8 { v.rem_euclid(256.0) } else { v };
            let sum = &a + &b;
            assert_eq!(sum.dtype(), wide, "{context}");
            slow(&|x, y| wrapped(x + y)).check(&sum, 0.0, &format!("{context}: +"));
            slow(&|x, y| wrapped(x * y)).check(&(&a * &b), 0.0, &format!("{context}: *"));
            slow(&|x, y| wrapped(x - y)).check(&(&a - &b), 0.0, &format!("{context}: -"));
            slow(&f64::max).check(&a.maximum(&b), 0.0, &format!("{context}: maximum"));
        }
        slow(&|x, y| f64::from(x < y)).check(&a.lt(&b), 0.0, &format!("{context}: <"));
        slow(&|x, y| f64::from(x == y)).check(&b.eq(&a), 0.0, &format!("{context}: =="));
    }
}

#[test]
fn reductions_over_any_dimensions() {
    for seed in 0..ROUNDS * 2 {
        let random = &mut Random::new(2_000_000 + seed);
        let (rank, dtype) = (1 + random.below(4), [DType::U8, DType::I32, DType::I64, DType::F32, DType::F64][random.below(5)]);
        let (tensor, slow) = laid_anyhow(random, rank, dtype);
        let rank = slow.shape.len();
        if rank == 0 {
            continue;
        }
        let dims: Vec<usize> = (0..rank).filter(|_| random.below(2) == 0).collect();
        if dims.is_empty() {
            continue;
        }
        let keep = random.below(2) == 0;
        let kept: Vec<usize> = slow.shape.iter().enumerate().map(|(i, &size)| if dims.contains(&i) { 1 } else { size }).collect();
        let mut sums = vec![0.0; kept.iter().product()];
        each_place(&slow.shape, |place| {
            let target = place.iter().zip(&kept).fold(0, |index, (&i, &size)| index * size + if size == 1 { 0 } else { i });
            sums[target] += slow.at(place);
        });
        let shape: Vec<usize> = if keep { kept } else { (0..rank).filter(|i| !dims.contains(i)).map(|i| slow.shape[i]).collect() };
        let signed: Vec<i64> = dims.iter().map(|&d| if random.below(2) == 0 { d as i64 } else { d as i64 - rank as i64 }).collect();
        Slow { shape, values: sums }.check(&tensor.sum_dims(&signed, keep), 0.0, &format!("seed {seed}, {dtype}, dims {signed:?}"));
    }
}

#[test]
fn greatest_sorted_and_running_sums() {
    for seed in 0..ROUNDS * 2 {
        let random = &mut Random::new(3_000_000 + seed);
        let (tensor, slow) = { let rank = 1 + random.below(3); laid_anyhow(random, rank, DType::F32) };
        let rank = slow.shape.len();
        if rank == 0 || slow.values.is_empty() {
            continue;
        }
        let dim = random.below(rank);
        let line = |place: &[usize]| -> Vec<f64> {
            (0..slow.shape[dim]).map(|i| { let mut p = place.to_vec(); p[dim] = i; slow.at(&p) }).collect()
        };
        let context = format!("seed {seed}, dim {dim}");
        let mut order = Vec::new();
        let sorted = Slow::new(&slow.shape, |place| {
            let line = line(place);
            let mut places: Vec<usize> = (0..line.len()).collect();
            places.sort_by(|&a, &b| line[a].total_cmp(&line[b]));
            order.push(places[place[dim]] as f64);
            line[places[place[dim]]]
        });
        let (ours, indices) = tensor.sort(dim as i64, false);
        sorted.check(&ours, 0.0, &context);
        // Equal ones keep their order.
        Slow { shape: slow.shape.clone(), values: order }.check(&indices, 0.0, &format!("{context}: indices"));
        Slow::new(&slow.shape, |place| line(place)[..=place[dim]].iter().sum()).check(&tensor.cumsum(dim as i64), 0.0, &format!("{context}: cumsum"));
        let mut less = slow.shape.clone();
        less.remove(dim);
        let first = Slow::new(&less, |place| {
            let mut place = place.to_vec();
            place.insert(dim, 0);
            let line = line(&place);
            let greatest = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            line.iter().position(|&v| v == greatest).unwrap() as f64
        });
        first.check(&tensor.argmax(dim as i64), 0.0, &format!("{context}: argmax"));
    }
}

/// NaN and equal ones among them: the first of all in order are what sorting gives.
#[test]
fn the_greatest_few_are_where_sorting_begins() {
    for seed in 0..ROUNDS {
        let random = &mut Random::new(8_000_000 + seed);
        let (rows, n, inner) = (1 + random.below(3), 1 + random.below(60), 1 + random.below(3));
        let values: Vec<f32> = (0..rows * n * inner).map(|_| if random.below(9) == 0 { f32::NAN } else { random.integer(-4, 5) as f32 }).collect();
        let x = Tensor::from_vec(values, &[rows, n, inner]);
        let k = random.below(n + 1);
        for (few, all) in [(x.topk(k, 1), x.sort(1, true)), (x.bottomk(k, 1), x.sort(1, false))] {
            let context = format!("seed {seed}: {k} of {n}");
            assert_eq!(few.1.to_vec::<i64>(), all.1.narrow(1, 0, k).to_vec::<i64>(), "{context}");
            assert!(different(&self::values(&few.0), &self::values(&all.0.narrow(1, 0, k)), 0.0).is_none(), "{context}");
            // Memory of their own, not a view of all.
            assert!(few.0.is_contiguous() && few.0.shape() == [rows, k, inner], "{context}");
        }
    }
}

/// Four dimensions that lie anyhow, none of them empty.
fn picture(random: &mut Random, sizes: [usize; 4]) -> (Tensor, Slow) {
    let order = random.permutation(4);
    let stored: Vec<usize> = order.iter().map(|&d| sizes[d]).collect();
    let values: Vec<f64> = (0..stored.iter().product::<usize>()).map(|_| random.integer(-9, 9) as f64).collect();
    let slow = Slow { shape: stored.clone(), values: values.clone() };
    let tensor = Tensor::from_vec(values, &stored).to_dtype(DType::F64);
    let mut back = [0; 4];
    order.iter().enumerate().for_each(|(at, &d)| back[d] = at as i64);
    let moved = Slow::new(&sizes, |place| slow.at(&order.iter().map(|&d| place[d]).collect::<Vec<_>>()));
    (tensor.permute(&back), moved)
}

#[test]
fn convolutions_of_whatever_lies_anyhow() {
    for seed in 0..ROUNDS {
        let random = &mut Random::new(9_000_000 + seed);
        let groups = 1 + random.below(2);
        let (n, c, o) = (random.below(4), groups * (1 + random.below(3)), groups * (1 + random.below(4)));
        let (kernel, stride, dilation, padding) = ([0; 2].map(|_| 1 + random.below(3)), [0; 2].map(|_| 1 + random.below(3)), [0; 2].map(|_| 1 + random.below(2)), [0; 2].map(|_| random.below(3)));
        let size = [0, 1].map(|d| dilation[d] * (kernel[d] - 1) + 1 + random.below(7));
        let (x, slow) = picture(random, [n, c, size[0], size[1]]);
        let (w, slow_w) = picture(random, [o, c / groups, kernel[0], kernel[1]]);
        let out = [0, 1].map(|d| (size[d] + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1) / stride[d] + 1);
        let wanted = Slow::new(&[n, o, out[0], out[1]], |p| {
            let group = p[1] / (o / groups);
            let mut sum = 0.0;
            each_place(&[c / groups, kernel[0], kernel[1]], |k| {
                let at = |d: usize| (p[2 + d] * stride[d] + k[1 + d] * dilation[d]).checked_sub(padding[d]).filter(|&i| i < size[d]);
                if let (Some(y), Some(x)) = (at(0), at(1)) {
                    sum += slow.at(&[p[0], group * (c / groups) + k[0], y, x]) * slow_w.at(&[p[1], k[0], k[1], k[2]]);
                }
            });
            sum
        });
        let options = ConvOptions { stride, padding, dilation, groups, ..ConvOptions::default() };
        // Whole numbers: every type is exact.
        wanted.check(&x.conv2d(&w, None, options), 0.0, &format!("seed {seed}, {options:?}"));
        wanted.check(&x.to_f32().conv2d(&w.to_f32(), None, options), 0.0, &format!("seed {seed}, f32, {options:?}"));
    }
}

#[test]
fn windows_of_whatever_lies_anyhow() {
    for seed in 0..ROUNDS * 2 {
        let random = &mut Random::new(10_000_000 + seed);
        let (kernel, stride) = ([0; 2].map(|_| 1 + random.below(4)), [0; 2].map(|_| 1 + random.below(4)));
        let padding = kernel.map(|k| random.below(k / 2 + 1));
        let (n, c) = (random.below(3), 1 + random.below(3));
        let size = [0, 1].map(|d| kernel[d] + random.below(8));
        let (x, slow) = picture(random, [n, c, size[0], size[1]]);
        let options = PoolOptions { kernel, stride: Some(stride), padding, count_padding: random.below(2) == 0, ceil: random.below(2) == 0 };
        let out = [0, 1].map(|d| {
            let room = size[d] + 2 * padding[d] - kernel[d];
            let count = if options.ceil { room.div_ceil(stride[d]) } else { room / stride[d] } + 1;
            // PyTorch's rule: the last window begins within the input or the padding before it.
            if (count - 1) * stride[d] >= size[d] + padding[d] { count - 1 } else { count }
        });
        let seen = |p: &[usize], d: usize| {
            let begin = p[2 + d] * stride[d];
            let (first, end) = (begin.max(padding[d]) - padding[d], (begin + kernel[d]).min(size[d] + padding[d]) - padding[d]);
            (first..end, (begin + kernel[d]).min(size[d] + 2 * padding[d]) - begin)
        };
        let of = |p: &[usize]| -> Vec<f64> {
            let (rows, columns) = (seen(p, 0).0, seen(p, 1).0);
            rows.flat_map(|y| columns.clone().map(move |x| (y, x))).map(|(y, x)| slow.at(&[p[0], p[1], y, x])).collect()
        };
        let context = format!("seed {seed}, {options:?} of {size:?}");
        let shape = [n, c, out[0], out[1]];
        Slow::new(&shape, |p| of(p).into_iter().fold(f64::NEG_INFINITY, f64::max)).check(&x.max_pool2d(options), 0.0, &context);
        let average = Slow::new(&shape, |p| {
            let seen_values = of(p);
            let count = if options.count_padding { seen(p, 0).1 * seen(p, 1).1 } else { seen_values.len() };
            seen_values.iter().sum::<f64>() / count as f64
        });
        average.check(&x.avg_pool2d(options), 1e-12, &context);
        let (values, places) = x.max_pool2d_with_indices(options);
        let taken = x.reshape(&[n as i64, c as i64, (size[0] * size[1]) as i64]).gather(2, &places.reshape(&[n as i64, c as i64, (out[0] * out[1]) as i64]));
        assert!(n == 0 || taken.reshape_as(&values).equal(&values), "{context}: the places are not those of the values");
    }
}

#[test]
fn rows_of_whatever_lies_anyhow() {
    for seed in 0..ROUNDS {
        let random = &mut Random::new(11_000_000 + seed);
        let (tensor, slow) = { let rank = 1 + random.below(4); laid_anyhow(random, rank, DType::F64) };
        let rank = slow.shape.len();
        if rank == 0 {
            continue;
        }
        let (dim, context) = (random.below(rank), format!("seed {seed}"));
        let line = |place: &[usize], dim: usize| -> Vec<f64> { (0..slow.shape[dim]).map(|i| { let mut p = place.to_vec(); p[dim] = i; slow.at(&p) }).collect() };
        let softmax = Slow::new(&slow.shape, |p| slow.at(p).exp() / line(p, dim).iter().map(|v| v.exp()).sum::<f64>());
        softmax.check(&tensor.softmax(dim as i64), 1e-12, &format!("{context}: softmax"));
        let logs = Slow::new(&slow.shape, |p| slow.at(p) - line(p, dim).iter().map(|v| v.exp()).sum::<f64>().ln());
        logs.check(&tensor.log_softmax(dim as i64), 1e-12, &format!("{context}: log_softmax"));
        let norm = Slow::new(&slow.shape, |p| {
            let row = line(p, rank - 1);
            let mean = row.iter().sum::<f64>() / row.len() as f64;
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / row.len() as f64;
            (slow.at(p) - mean) / (variance + 1e-5).sqrt()
        });
        norm.check(&tensor.layer_norm(&slow.shape[rank - 1..], None, None, 1e-5), 1e-9, &format!("{context}: layer_norm"));
        let widths = [random.below(3), random.below(3)];
        let mut wider = slow.shape.clone();
        wider[rank - 1] += widths[0] + widths[1];
        let padded = Slow::new(&wider, |p| {
            let mut p = p.to_vec();
            match p[rank - 1].checked_sub(widths[0]).filter(|&i| i < slow.shape[rank - 1]) {
                Some(i) => { p[rank - 1] = i; slow.at(&p) }
                None => 0.5,
            }
        });
        padded.check(&tensor.pad(&widths.map(|w| w as i64), 0.5), 0.0, &format!("{context}: pad"));
        let mut twice = slow.shape.clone();
        twice[dim] *= 2;
        let size = slow.shape[dim];
        let joined = Slow::new(&twice, |p| { let mut p = p.to_vec(); p[dim] %= size; slow.at(&p) });
        joined.check(&Tensor::cat(&[&tensor, &tensor], dim as i64), 0.0, &format!("{context}: cat"));
    }
}

#[test]
fn products_of_whatever_lies_anyhow() {
    for seed in 0..ROUNDS {
        let random = &mut Random::new(4_000_000 + seed);
        let (m, k, n) = (random.below(40), random.below(40), random.below(40));
        let lead: Vec<usize> = (0..random.below(3)).map(|_| 1 + random.below(3)).collect();
        let dtype = [DType::F32, DType::F64, DType::F16, DType::BF16][random.below(4)];
        let mut operand = |rows: usize, columns: usize, lead: &[usize]| {
            let turned = random.below(2) == 0;
            let last = if turned { [columns, rows] } else { [rows, columns] };
            let shape = [lead, &last].concat();
            let count: usize = shape.iter().product();
            // Small whole numbers: every sum is exact in every type.
            let values: Vec<f64> = (0..count).map(|_| random.integer(-1, 2) as f64).collect();
            let tensor = Tensor::from_vec(values, &shape).to_dtype(dtype);
            if turned { tensor.transpose(-1, -2) } else { tensor }
        };
        let (a, b) = (operand(m, k, &lead), operand(k, n, if seed % 3 == 0 { &[] } else { &lead }));
        let (slow_a, slow_b) = (Slow { shape: a.shape().to_vec(), values: values(&a) }, Slow { shape: b.shape().to_vec(), values: values(&b) });
        let shape = [lead.as_slice(), &[m, n]].concat();
        let product = Slow::new(&shape, |place| {
            let (front, last) = place.split_at(lead.len());
            (0..k).map(|i| slow_a.at(&[front, &[last[0], i]].concat()) * slow_b.broadcast_at(&[&front[front.len() + 2 - slow_b.shape.len()..], &[i, last[1]]].concat())).sum()
        });
        product.check(&a.matmul(&b), 0.0, &format!("seed {seed}, {dtype}"));
    }
}

#[test]
fn places_by_index() {
    for seed in 0..ROUNDS {
        let random = &mut Random::new(5_000_000 + seed);
        let (tensor, slow) = { let rank = 1 + random.below(3); laid_anyhow(random, rank, DType::I64) };
        let rank = slow.shape.len();
        if rank == 0 || slow.values.is_empty() {
            continue;
        }
        let dim = random.below(rank);
        let count = random.below(6);
        let index: Vec<i64> = (0..count).map(|_| random.below(slow.shape[dim]) as i64).collect();
        let mut shape = slow.shape.clone();
        shape[dim] = count;
        let picked = Slow::new(&shape, |place| { let mut p = place.to_vec(); p[dim] = index[p[dim]] as usize; slow.at(&p) });
        picked.check(&tensor.index_select(dim as i64, &Tensor::from_vec(index.clone(), &[count])), 0.0, &format!("seed {seed}, index_select {dim}"));
        let total: usize = shape.iter().product();
        let each = Slow::new(&shape, |_| random.below(slow.shape[dim]) as f64);
        let index = Tensor::from_vec(each.values.iter().map(|&v| v as i64).collect(), &shape);
        assert_eq!(index.len(), total);
        let gathered = Slow::new(&shape, |place| { let mut p = place.to_vec(); p[dim] = each.at(place) as usize; slow.at(&p) });
        gathered.check(&tensor.gather(dim as i64, &index), 0.0, &format!("seed {seed}, gather {dim}"));
        // What scatter_add adds is what gather would take.
        let source = Slow::new(&shape, |_| random.integer(-9, 9) as f64);
        let mut sums = slow.clone();
        each_place(&shape, |place| {
            let mut target = place.to_vec();
            target[dim] = each.at(place) as usize;
            let flat = target.iter().zip(&slow.shape).fold(0, |index, (&i, &size)| index * size + i);
            sums.values[flat] += source.at(place);
        });
        let source = Tensor::from_vec(source.values, &shape).to_dtype(DType::I64);
        sums.check(&tensor.scatter_add(dim as i64, &index, &source), 0.0, &format!("seed {seed}, scatter_add {dim}"));
    }
}

#[test]
fn every_type_becomes_every_other_as_rust_does() {
    let whole = [0.0, 1.0, -1.0, 2.0, 100.0, -100.0, 200.0, 255.0];
    let broken = [0.5, -0.5, 1.5, -2.75, 0.0, 3.25, -7.0, 60000.0];
    for from in TYPES {
        let values = if from.is_float() { broken } else { whole };
        let given = Tensor::from_vec(values.to_vec(), &[2, 4]).to_dtype(from);
        let exact = self::values(&given);
        for to in TYPES {
            let wanted: Vec<f64> = exact.iter().map(|&v| match to {
                DType::Bool => f64::from(v != 0.0),
                DType::U8 if from.is_float() => f64::from(v as u8),
                DType::U8 => f64::from(v as i64 as u8),
                DType::I32 => f64::from(v as i32),
                DType::I64 => v as i64 as f64,
                DType::F16 => half::f16::from_f64(v).to_f64(),
                DType::BF16 => half::bf16::from_f64(v).to_f64(),
                DType::F32 => f64::from(v as f32),
                DType::F64 => v,
            }).collect();
            for laid in [given.clone(), given.t().contiguous().t()] {
                assert_eq!(self::values(&laid.to_dtype(to)), wanted, "{from} to {to}");
                assert_eq!(laid.to_dtype(to).dtype(), to);
            }
        }
    }
}

#[test]
fn nothing_is_a_legal_input() {
    for dtype in TYPES {
        let empty = Tensor::zeros_on(&[2, 0, 3], dtype, &ochre_tensors::Device::Cpu);
        assert_eq!((&empty + &empty).shape(), [2, 0, 3]);
        assert_eq!(empty.sum_dim(1).shape(), [2, 3]);
        assert_eq!(values(&empty.sum_dim(1)), [0.0; 6]);
        assert_eq!(empty.sum().item(), 0.0);
        assert_eq!(empty.permute(&[2, 1, 0]).shape(), [3, 0, 2]);
        assert_eq!(empty.reshape(&[0, 5]).shape(), [0, 5]);
        assert_eq!(Tensor::cat(&[&empty, &empty], 2).shape(), [2, 0, 6]);
        assert_eq!(empty.sort(1, false).0.shape(), [2, 0, 3]);
        assert_eq!(empty.cumsum(1).shape(), [2, 0, 3]);
        assert_eq!(empty.lt(1).dtype(), DType::Bool);
        assert!(empty.all().item() == 1.0 && empty.any().item() == 0.0);
    }
    let empty = Tensor::zeros(&[0, 4]).requires_grad();
    assert_eq!(empty.softmax(-1).shape(), [0, 4]);
    assert_eq!(empty.layer_norm(&[4], None, None, 1e-5).shape(), [0, 4]);
    empty.matmul(&Tensor::ones(&[4, 2])).sum().backward();
    assert_eq!(empty.grad().unwrap().shape(), [0, 4]);
    assert_eq!(Tensor::zeros(&[2, 0]).matmul(&Tensor::zeros(&[0, 3])).to_vec::<f32>(), [0.0; 6]);
}

#[test]
fn a_mean_of_nothing_is_nan_and_a_maximum_is_refused() {
    let empty = Tensor::zeros(&[0]);
    assert!(empty.mean().item().is_nan());
    let refused = std::panic::catch_unwind(|| Tensor::zeros(&[0]).max()).unwrap_err();
    assert!(refused.downcast_ref::<String>().unwrap().starts_with("max"));
}

#[test]
fn nan_and_infinities_go_where_they_should() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    for width in [3, 64, 1000] {
        // Far enough in that vectors and threads meet it.
        let mut values = vec![0.5f32; width];
        values[width - 2] = nan;
        let x = Tensor::from_vec(values.clone(), &[width]);
        assert!(x.max().item().is_nan() && x.min().item().is_nan() && x.sum().item().is_nan(), "{width}");
        assert_eq!(x.argmax(0).item(), (width - 2) as f64);
        assert!(x.softmax(0).is_nan().all().item() == 1.0);
        assert_eq!(x.sort(0, false).1.to_vec::<i64>().last(), Some(&((width - 2) as i64)), "NaN is last");
        values[width - 2] = inf;
        let x = Tensor::from_vec(values, &[width]);
        assert_eq!(x.max().item(), f64::INFINITY);
        assert_eq!(x.logsumexp(0).item(), f64::INFINITY);
        assert_eq!((-&x).softmax(0).to_vec::<f32>()[width - 2], 0.0);
        assert_eq!(x.clamp(0.0, 1.0).max().item(), 1.0);
    }
    let x = Tensor::from_slice(&[-inf, -1.0, -0.0, 0.0, 1.0, inf, nan]);
    assert_eq!(x.relu().to_vec::<f32>()[..6], [0.0, 0.0, 0.0, 0.0, 1.0, inf]);
    assert!(x.relu().to_vec::<f32>()[6].is_nan());
    assert_eq!(x.is_finite().to_vec::<bool>(), [false, true, true, true, true, false, false]);
    assert_eq!(x.eq(&x).to_vec::<bool>(), [true, true, true, true, true, true, false]);
    assert!(x.maximum(0.0).to_vec::<f32>()[6].is_nan());
}

#[test]
fn dropout_keeps_its_share_and_its_gradient_follows() {
    manual_seed(7);
    let x = Tensor::ones(&[100, 100]).requires_grad();
    let y = x.dropout(0.3, true);
    let values = y.to_vec::<f32>();
    let kept = values.iter().filter(|v| **v != 0.0).count() as f64 / 1e4;
    // Five standard deviations.
    assert!((kept - 0.7).abs() < 0.023, "{kept}");
    assert!(values.iter().all(|v| *v == 0.0 || (*v - 1.0 / 0.7).abs() < 1e-6));
    y.sum().backward();
    assert_eq!(x.grad().unwrap().to_vec::<f32>(), values, "what was dropped has no gradient, the rest the same factor");
    manual_seed(7);
    assert_eq!(Tensor::ones(&[100, 100]).dropout(0.3, true).to_vec::<f32>(), values, "the seed decides");
    let channels = Tensor::ones(&[4, 50, 3, 3]).dropout2d(0.5, true).sum_dims(&[2, 3], false).to_vec::<f32>();
    assert!(channels.iter().all(|v| *v == 0.0 || *v == 18.0) && channels.contains(&0.0) && channels.contains(&18.0));
}
