//! Element-wise operations that become one kernel: the same bits as separate kernels, and what putting them off may not change.
//!
//! - "Element-wise operations that become one kernel on a GPU give the bits that they give one by one."
use crate::both::{Dice, cpu, gpu, moved, same, values};
use ochre_tensors::backend::{Backend, Binary, Compare, Unary};
use ochre_tensors::{Buffer, DType, Device, Layout, Raw, Storage, Tensor, cuda};
use std::sync::Arc;

pub const CASES: &[(&str, fn())] = &[
    ("fusion: random chains", random_chains),
    ("fusion: a chain is one kernel", one_kernel),
    ("fusion: what is dropped is not computed", dropped),
    ("fusion: nothing is computed twice", shared),
    ("fusion: changes in place come after", in_place),
    ("fusion: views and broadcasts", views),
    ("fusion: replays come after", replays),
    ("fusion: long chains are cut", long_chains),
    ("fusion: refusals come at once", refusals),
    ("fusion: memory is let go", memory),
    ("fusion: threads", threads),
    ("fusion: numbers and sizes are arguments", arguments),
];

const GPU: Device = Device::Cuda(0);

fn device() -> &'static cuda::Cuda {
    cuda::cuda(0).expect("a GPU")
}

fn raised(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::from_vec((0..count).map(|i| (i as f64 * 0.37).sin() as f32).collect::<Vec<f32>>(), shape).to_device(&GPU)
}

fn fetched(x: &Tensor) -> Vec<f32> {
    x.to_vec::<f32>()
}

/// Without fusion.
fn separately<T>(work: impl FnOnce() -> T) -> T {
    cuda::allow_fusion(false);
    let result = work();
    cuda::allow_fusion(true);
    result
}

/// Kernels that `work` starts, once its plans are compiled.
fn launches(mut work: impl FnMut() -> Vec<Tensor>) -> u64 {
    (0..3).for_each(|_| work().iter().for_each(|t| cuda::finish(t).expect("computed")));
    let before = device().gpu().launches();
    work().iter().for_each(|t| cuda::finish(t).expect("computed"));
    device().gpu().launches() - before
}

fn has_compiler() -> bool {
    device().kernels_compiled().is_some() && std::env::var_os("OCHRE_EMULATED_NVRTC").is_none()
}

/// Whether functions such as `exp` are the same in fused and in separate kernels: those in the binary are NVRTC 12.1's (`tests/gpu/ptx.txt`).
fn is_exact() -> bool {
    std::env::var_os("OCHRE_CUDA_DRIVER").is_some() || !has_compiler() || device().libraries().ends_with("NVRTC 12.1")
}

/// Equal, or where the functions may differ, near.
fn assert_alike(fused: &[f32], separate: &[f32], what: &str) {
    let near = |(a, b): (&f32, &f32)| a == b || (!is_exact() && (a - b).abs() <= 1e-4 * b.abs().max(1.0));
    assert!(fused.len() == separate.len() && fused.iter().zip(separate).all(near), "{what}: {fused:?} fused and {separate:?} separately");
}

// ---- random chains -----------------------------------------------------------------------------------------------------------------

/// One step of a random program; numbers are places of earlier values.
#[derive(Clone, Debug)]
enum Op {
    One(Unary, usize),
    Back(Unary, usize, usize),
    Two(Binary, usize, usize),
    /// Comparison of two inputs (whose bits all devices share), and what it chooses from.
    Choose(Compare, usize, usize, usize, usize),
    Cast(DType, usize),
}

impl Op {
    /// Whether it is computed by a library's function.
    fn is_function(&self) -> bool {
        use Unary::{Elu, Erf, Gelu, GeluTanh, Sigmoid, Silu, Sin, Softplus, Tanh};
        matches!(self, Op::One(Sigmoid | Tanh | Gelu | GeluTanh | Silu | Softplus | Sin | Erf | Elu(_), _) | Op::Back(Unary::Silu, ..))
    }
}

/// Of limited slope, so that devices that differ in the last bit differ little in the end.
const GENTLE: &[Unary] = &[
    Unary::Neg, Unary::Abs, Unary::Relu, Unary::Sigmoid, Unary::Tanh, Unary::Gelu, Unary::GeluTanh, Unary::Silu, Unary::Softplus, Unary::Sin, Unary::Erf,
    Unary::Affine(0.5, 0.25), Unary::Clamp(-1.0, 1.5), Unary::LeakyRelu(0.1), Unary::Elu(0.7), Unary::DivBy(3.0),
];
const WHOLE: &[Unary] = &[Unary::Neg, Unary::Abs, Unary::Relu, Unary::Square, Unary::Affine(3.0, -1.0), Unary::Clamp(-2.0, 5.0)];

/// A program over inputs of one type, with excursions to others.
fn program(dice: &mut Dice, inputs: &[Raw]) -> Vec<Op> {
    let mut types: Vec<DType> = inputs.iter().map(|x| x.dtype).collect();
    let mut ops = Vec::new();
    for _ in 0..dice.within(2, 11) {
        let x = dice.within(0, types.len() - 1);
        let alike: Vec<usize> = (0..types.len()).filter(|&i| types[i] == types[x]).collect();
        let y = alike[dice.within(0, alike.len() - 1)];
        let float = types[x].is_float();
        let from = if float { GENTLE } else { WHOLE };
        let op = match dice.within(0, 9) {
            _ if types[x] == DType::Bool => Op::Cast(DType::F32, x),
            0..=2 => Op::One(from[dice.within(0, from.len() - 1)], x),
            3..=5 => Op::Two([Binary::Add, Binary::Sub, Binary::Max, Binary::Min, Binary::Mul][dice.within(0, if float { 3 } else { 4 })], x, y),
            6 if float => Op::Back([Unary::Relu, Unary::Sigmoid, Unary::Tanh, Unary::Silu, Unary::LeakyRelu(0.2)][dice.within(0, 4)], x, y),
            7 => Op::Choose([Compare::Lt, Compare::Ge, Compare::Eq][dice.within(0, 2)], 0, 0, x, y),
            8 if float => Op::Cast([DType::F16, DType::BF16, DType::F32, DType::F64][dice.within(0, 3)], x),
            _ => Op::One(from[dice.within(0, from.len() - 1)], y),
        };
        types.push(if let Op::Cast(to, _) = op { to } else { types[x] });
        ops.push(op);
    }
    ops
}

fn ran(backend: &dyn Backend, inputs: &[Raw], ops: &[Op]) -> Vec<Raw> {
    let mut values = inputs.to_vec();
    for op in ops {
        let new = match op {
            Op::One(op, x) => backend.unary(*op, &values[*x]),
            Op::Back(op, x, y) => backend.unary_backward(*op, &values[*x], &values[*y]).map(|result| result.unwrap_or_else(|| values[*y].clone())),
            Op::Two(op, x, y) => backend.binary(*op, &values[*x], &values[*y]),
            Op::Choose(op, a, b, x, y) => backend.compare(*op, &values[*a], &values[*b]).and_then(|mask| backend.select(&mask, &values[*x], &values[*y])),
            Op::Cast(to, x) => backend.cast(&values[*x], *to),
        };
        values.push(new.unwrap_or_else(|error| panic!("{op:?}: {error}")));
    }
    values.split_off(inputs.len())
}

/// The elements' bits; all NaN are one.
fn bits(x: &Raw) -> Vec<u64> {
    const NAN: u64 = u64::MAX - 1;
    let f32_bits = |v: f32| if v.is_nan() { NAN } else { u64::from(v.to_bits()) };
    match gpu().download(x).expect("a download") {
        Buffer::Bool(values) => values.iter().map(|v| u64::from(*v)).collect(),
        Buffer::U8(values) => values.iter().map(|v| u64::from(*v)).collect(),
        Buffer::I32(values) => values.iter().map(|v| *v as u64).collect(),
        Buffer::I64(values) => values.iter().map(|v| *v as u64).collect(),
        Buffer::F16(values) => values.iter().map(|v| f32_bits(v.to_f32())).collect(),
        Buffer::BF16(values) => values.iter().map(|v| f32_bits(v.to_f32())).collect(),
        Buffer::F32(values) => values.iter().map(|v| f32_bits(*v)).collect(),
        Buffer::F64(values) => values.iter().map(|v| if v.is_nan() { NAN } else { v.to_bits() }).collect(),
    }
}

/// Fused is separate, bit by bit, and near to the CPU; with all intermediates held or only the last.
fn random_chains() {
    let count = std::env::var("OCHRE_FUSION_CHAINS").ok().and_then(|n| n.parse().ok()).unwrap_or(25);
    for seed in 0..count {
        let mut dice = Dice::new(1000 + seed);
        let shape = if seed % 3 == 0 { vec![[1, 7, 255, 1027][dice.within(0, 3)]] } else { (0..dice.within(1, 4)).map(|_| dice.within(1, 9)).collect() };
        let dtype = [DType::F32, DType::F16, DType::BF16, DType::F64, DType::F32, DType::I32, DType::U8, DType::I64][seed as usize % 8];
        let inputs: Vec<Raw> = (0..dice.within(1, 4)).map(|_| dice.any(&shape, dtype)).collect();
        let ops = program(&mut dice, &inputs);
        let there: Vec<Raw> = inputs.iter().map(moved).collect();
        let separate = separately(|| ran(gpu(), &there, &ops));
        let name = format!("seed {seed}: {ops:?} on {dtype} {shape:?}");
        // Met, compiled, used; and once more where others hold what is computed on the way.
        for round in 0..4 {
            let mut fused = ran(gpu(), &there, &ops);
            let first = if round == 3 { 0 } else { fused.len() - 1 };
            let fused = fused.split_off(first);
            for (a, b) in fused.iter().zip(&separate[first..]).rev() {
                if !is_exact() && ops.iter().any(Op::is_function) {
                    let (a, b) = (values(a), values(b));
                    assert!(a.iter().zip(&b).all(|(a, b)| a == b || (a - b).abs() <= 0.1 * b.abs().max(1.0)), "{name}, round {round}");
                    continue;
                }
                assert!(bits(a) == bits(b), "{name}, round {round}: {:?} fused and {:?} separately", values(a), values(b));
            }
        }
        let here = ran(cpu(), &inputs, &ops);
        let casts: Vec<DType> = ops.iter().filter_map(|op| if let Op::Cast(to, _) = op { Some(*to) } else { None }).collect();
        let is_narrow = casts.iter().any(|to| matches!(to, DType::F16 | DType::BF16)) || matches!(dtype, DType::F16 | DType::BF16);
        let (Some(a), Some(b)) = (here.last(), separate.last()) else { continue };
        if casts.is_empty() {
            same(&name, a, b, 30.0);
        } else {
            // As exact as the narrowest type on the way.
            let (a, b, allowed) = (values(a), values(b), if is_narrow { 0.1 } else { 1e-3 });
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= allowed * a.abs().max(1.0)), "{name}: {a:?} on the CPU and {b:?} on the GPU");
        }
    }
}

// ---- what putting off may not change -----------------------------------------------------------------------------------------------

fn six(x: &Tensor, y: &Tensor) -> Tensor {
    (((x * 2.0 + 1.0).relu() * y) - x).sigmoid()
}

fn one_kernel() {
    let (x, y, bias) = (raised(&[37, 64]), raised(&[37, 64]), raised(&[64]));
    let expected = separately(|| fetched(&six(&x, &y)));
    assert_alike(&fetched(&six(&x, &y)), &expected, "six operations");
    let (fused, mixed) = (launches(|| vec![six(&x, &y)]), launches(|| vec![((&x + &bias).gelu().to_dtype(DType::BF16) * 0.5).to_dtype(DType::F32)]));
    let separate = separately(|| launches(|| vec![six(&x, &y)]));
    println!("kernels of six operations: {fused} fused, {separate} separately; of bias, gelu and casts: {mixed}");
    if has_compiler() {
        assert_eq!((fused, mixed, separate), (1, 1, 6));
    }
}

fn dropped() {
    let x = raised(&[100]);
    let before = device().gpu().launches();
    drop(six(&x, &x));
    if has_compiler() {
        assert_eq!(device().gpu().launches(), before);
    }
}

fn shared() {
    let x = raised(&[500]);
    let both = || {
        let a = (&x * 3.0).sigmoid();
        let b = (&a + &x).relu();
        vec![b, a]
    };
    let kernels = launches(both);
    if has_compiler() {
        assert_eq!(kernels, 1, "what is held is stored by the kernel that needs it");
    }
    let run = || both().iter().flat_map(fetched).collect::<Vec<f32>>();
    assert_alike(&run(), &separately(run), "shared");
    // A result that is its own operand again and again doubles the paths, not the work.
    let squares = || (0..30).fold(&x * 0.99, |y, _| &y * &y);
    assert_eq!(fetched(&squares()), separately(|| fetched(&squares())));
}

fn in_place() {
    for round in 0..3 {
        let (x, y) = (raised(&[70]), raised(&[70]));
        let old = fetched(&x);
        let a = (&x * 2.0 + 1.0).relu();
        let b = (&a * &y).tanh();
        x.assign(&Tensor::zeros(&[70]).to_device(&GPU));
        y.assign(&(&y * 5.0));
        let expected: Vec<f32> = old.iter().map(|v| (v * 2.0 + 1.0).max(0.0)).collect();
        assert_eq!(fetched(&a), expected, "round {round}");
        let expected: Vec<f32> = expected.iter().zip(&old).map(|(a, y)| (a * y).tanh()).collect();
        assert!(fetched(&b).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "round {round}");
        assert_eq!((fetched(&x), fetched(&y)[1]), (vec![0.0; 70], old[1] * 5.0));
        // What is put off is itself changed.
        let c = (&y + 1.0).abs();
        let d = &c * 2.0;
        let was = fetched(&(&c + 0.0));
        c.assign(&y);
        assert_eq!(fetched(&d), was.iter().map(|v| v * 2.0).collect::<Vec<_>>());
        assert_eq!(fetched(&c), fetched(&y));
    }
}

fn views() {
    for _ in 0..3 {
        let (x, bias) = (raised(&[6, 10]), raised(&[10]));
        let work = || {
            let a = (&x * 2.0).sigmoid();
            let turned = (a.transpose(0, 1) + 1.0).relu();
            let part = (a.narrow(1, 2, 5) - 0.5).abs();
            let spread = (&x + (&bias * 3.0).tanh()).sigmoid();
            let reshaped = a.reshape(&[60]) * 2.0 + raised(&[60]);
            [turned, part, spread, reshaped].iter().flat_map(fetched).collect::<Vec<f32>>()
        };
        assert_alike(&work(), &separately(work), "views");
    }
}

fn replays() {
    let (x, step) = (raised(&[50]), raised(&[50]));
    let outside = (&x * 3.0).sigmoid();
    let expected = separately(|| fetched(&(&x * 3.0).sigmoid()));
    let mut graph = cuda::graph(&GPU, || {
        let moved = (&x + &step * 0.5).tanh();
        x.assign(&moved);
        &moved * 2.0
    })
    .expect("a graph");
    assert_alike(&fetched(&outside), &expected, "put off before the graph changed its operand");
    for _ in 0..3 {
        let before = fetched(&x);
        let pending = (&x - 1.0).abs();
        let result = fetched(graph.replay().expect("a replay"));
        assert_eq!(fetched(&pending), before.iter().map(|v| (v - 1.0).abs()).collect::<Vec<_>>());
        assert_eq!(result, fetched(&x).iter().map(|v| v * 2.0).collect::<Vec<_>>());
        assert!(fetched(&x) != before);
    }
}

fn long_chains() {
    let x = raised(&[40]);
    let chain = || (0..100).fold(x.clone(), |y, i| if i % 3 == 0 { &y * 1.01 - 0.001 } else { y.tanh() + &x });
    let many: Vec<Tensor> = (0..20).map(|i| raised(&[40]) * f64::from(i)).collect();
    let wide = || many.iter().skip(1).fold(&many[0] * 1.0, |sum, x| sum + x * 0.5);
    for _ in 0..3 {
        assert_alike(&fetched(&chain()), &separately(|| fetched(&chain())), "a long chain");
        assert_eq!(fetched(&wide()), separately(|| fetched(&wide())));
    }
    // More results than are put off at a time.
    let held: Vec<Tensor> = (0..200).map(|i| (&x * f64::from(i)).abs() + 1.0).collect();
    let expected: Vec<f32> = fetched(&x).iter().map(|v| (v * 7.0).abs() + 1.0).collect();
    assert_eq!(fetched(&held[7]), expected);
}

/// What a type does not have is refused by the line that asks for it.
fn refusals() {
    let x = moved(&crate::both::of(&[1.0, 0.0], &[2], DType::Bool));
    let error = gpu().unary(Unary::Exp, &x).map(|_| ()).expect_err("of Bool").to_string();
    assert!(error.contains("exp"), "{error}");
    assert!(gpu().binary(Binary::Atan2, &x, &x).is_err());
}

/// Operands that only pending results hold are freed before memory is refused.
fn memory() {
    let (free, _) = device().gpu().memory();
    if std::env::var_os("OCHRE_CUDA_DRIVER").is_none() {
        return;
    }
    device().gpu().empty_cache().expect("given back");
    let count = free / 4 / 16;
    let held: Vec<Tensor> = (0..4)
        .map(|i| {
            // Four operands that nobody else holds, each a sixteenth of the memory, for one result.
            let operands: Vec<Tensor> = (0..3).map(|_| Tensor::full_on(&[count], f64::from(i), DType::F32, &GPU)).collect();
            &operands[0] + &operands[1] + &operands[2]
        })
        .collect();
    let more: Vec<Tensor> = (0..7).map(|_| Tensor::full_on(&[count], 1.0, DType::F32, &GPU)).collect();
    let first = |x: &Tensor| x.narrow(0, 0, 1).item();
    assert_eq!(held.iter().map(first).collect::<Vec<_>>(), [0.0, 3.0, 6.0, 9.0]);
    drop((held, more));
    device().gpu().empty_cache().expect("given back");
}

fn threads() {
    let x = Arc::new(raised(&[300]));
    let expected = separately(|| fetched(&six(&x, &x)));
    for _ in 0..5 {
        let pending = Arc::new((&*x * 2.0).sigmoid());
        let found: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|i| {
                    let (x, pending) = (x.clone(), pending.clone());
                    scope.spawn(move || (fetched(&six(&x, &x)), fetched(&(&*pending + f64::from(i)))))
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().expect("no panic")).collect()
        });
        for (i, (six, sum)) in found.into_iter().enumerate() {
            assert_alike(&six, &expected, "in a thread");
            assert_eq!(sum, fetched(&pending).iter().map(|v| v + i as f32).collect::<Vec<_>>());
        }
    }
}

/// Another number, another size, another view: no other kernel.
fn arguments() {
    let run = |n: usize, a: f64| fetched(&(raised(&[n]) * a).exp().relu());
    (0..3).for_each(|_| drop(run(100, 0.5)));
    let compiled = device().kernels_compiled();
    for (n, a) in [(1, 0.1), (333, -2.0), (4096, 3.5)] {
        assert_alike(&run(n, a), &separately(|| run(n, a)), "other numbers");
    }
    let base = moved(&Dice::new(3).plain(&[200], DType::F32));
    let (strided, offset) = (Layout { shape: (&[10, 5]).as_slice().into(), strides: (&[20, 3]).as_slice().into(), offset: 2 }, 7);
    for layout in [strided.clone(), Layout { offset, ..strided }] {
        let view = base.with_layout(layout);
        let work = || gpu().unary(Unary::Abs, &gpu().unary(Unary::Affine(0.5, 0.1), &view).expect("put off")).expect("put off");
        (0..3).for_each(|_| assert!(bits(&work()) == separately(|| bits(&work()))));
    }
    if has_compiler() {
        let difference = device().kernels_compiled().zip(compiled).map(|(after, before)| after - before);
        assert!(difference <= Some(1), "strided operands are one other kernel: {difference:?}");
    }
    assert!(matches!(base.storage, Storage::Cuda(_)));
}
