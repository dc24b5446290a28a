//! One case on two devices: random tensors of any strides, an operation, and how far results may be apart.
use ochre_tensors::backend::Backend;
use ochre_tensors::{Buffer, DType, Device, Layout, Raw, Storage, TensorError, backend};

pub type Results = Result<Vec<Raw>, TensorError>;

pub const FLOATS: [DType; 4] = [DType::F16, DType::BF16, DType::F32, DType::F64];
pub const INTEGERS: [DType; 3] = [DType::U8, DType::I32, DType::I64];
pub const ALL: [DType; 8] = [DType::Bool, DType::U8, DType::I32, DType::I64, DType::F16, DType::BF16, DType::F32, DType::F64];

/// Numbers that repeat.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// In `low..=high`.
    pub fn within(&mut self, low: usize, high: usize) -> usize {
        low + self.next() as usize % (high - low + 1)
    }

    pub fn shape(&mut self, most_rank: usize, most_size: usize) -> Vec<usize> {
        (0..self.within(0, most_rank)).map(|_| if self.next() % 15 == 0 { 0 } else { self.within(1, most_size) }).collect()
    }

    fn value(&mut self, dtype: DType) -> f64 {
        let real = (self.next() % 4_000_000) as f64 / 1e6 - 2.0;
        match dtype {
            DType::Bool => (self.next() % 2) as f64,
            DType::U8 => (self.next() % 9) as f64,
            DType::I32 | DType::I64 => (self.next() % 11) as f64 - 5.0,
            _ => real,
        }
    }

    /// Row-major on the CPU.
    pub fn plain(&mut self, shape: &[usize], dtype: DType) -> Raw {
        let values: Vec<f64> = (0..shape.iter().product()).map(|_| self.value(dtype)).collect();
        of(&values, shape, dtype)
    }

    /// Of any strides, order of dimensions, offset and repetitions, on the CPU.
    pub fn any(&mut self, shape: &[usize], dtype: DType) -> Raw {
        if self.next() % 3 == 0 {
            return self.plain(shape, dtype);
        }
        let mut order: Vec<usize> = (0..shape.len()).collect();
        if self.next() % 2 == 0 {
            (1..order.len()).rev().for_each(|i| order.swap(i, self.within(0, i)));
        }
        let (gap, offset) = (self.within(1, 2), [0, 0, 1, 4, 5][self.within(0, 4)]);
        let (mut strides, mut next) = (vec![0; shape.len()], 1);
        for &d in order.iter().rev() {
            if self.next() % 6 != 0 {
                strides[d] = next;
                next *= shape[d].max(1) + gap - 1;
            }
        }
        let len = offset + next * gap + 8;
        self.plain(&[len], dtype).with_layout(Layout { shape: shape.into(), strides: strides.as_slice().into(), offset })
    }

    /// Indices below `size`.
    pub fn indices(&mut self, shape: &[usize], size: usize) -> Raw {
        let values: Vec<i64> = (0..shape.iter().product()).map(|_| (self.next() % size as u64) as i64).collect();
        Raw::cpu(Buffer::from(values), shape)
    }
}

/// A row-major tensor on the CPU.
pub fn of(values: &[f64], shape: &[usize], dtype: DType) -> Raw {
    let wide = Raw::cpu(values.to_vec().into(), shape);
    cpu().cast(&wide, dtype).expect("a cast")
}

pub fn cpu() -> &'static dyn Backend {
    backend(Device::Cpu).expect("the CPU")
}

pub fn gpu() -> &'static dyn Backend {
    backend(Device::Cuda(0)).expect("a GPU")
}

/// The same tensor, with the same strides, on the GPU.
pub fn moved(x: &Raw) -> Raw {
    let Storage::Cpu(buffer) = &x.storage else { return x.clone() };
    let base = gpu().upload((**buffer).clone(), &[buffer.len()]).expect("an upload");
    base.with_layout(x.layout.clone())
}

/// The elements as f64.
pub fn values(x: &Raw) -> Vec<f64> {
    let home = backend(x.device()).expect("the tensor's device");
    let buffer = home.download(&home.cast(x, DType::F64).expect("a cast")).expect("a download");
    match buffer {
        Buffer::F64(values) => values.to_vec(),
        _ => unreachable!("it was cast to f64"),
    }
}

/// How far results of a type may be apart, relative to 1 or the value: roundings of the type, of sums in another order for the wide ones.
pub fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 2e-3,
        DType::BF16 => 1.6e-2,
        DType::F32 => 2e-5,
        DType::F64 => 1e-11,
        _ => 0.0,
    }
}

/// Compares two tensors, element by element.
pub fn same(name: &str, on_cpu: &Raw, on_gpu: &Raw, factor: f64) {
    assert_eq!((on_cpu.shape(), on_cpu.dtype), (on_gpu.shape(), on_gpu.dtype), "{name}: shape and type");
    assert_eq!(on_gpu.device(), Device::Cuda(0), "{name}");
    let tolerance = tolerance(on_cpu.dtype) * factor;
    for (i, (a, b)) in values(on_cpu).into_iter().zip(values(on_gpu)).enumerate() {
        let equal = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * a.abs().max(1.0);
        assert!(equal, "{name} of {} {:?}: element {i} is {a} on the CPU and {b} on the GPU", on_cpu.dtype, on_cpu.shape());
    }
}

/// Runs `work` on both devices with the same tensors and compares all results; a refusal has to be one on both.
pub fn both(name: &str, factor: f64, inputs: &[&Raw], work: impl Fn(&dyn Backend, &[Raw]) -> Results) {
    let here: Vec<Raw> = inputs.iter().map(|x| (*x).clone()).collect();
    let there: Vec<Raw> = inputs.iter().map(|x| moved(x)).collect();
    let shapes: Vec<_> = inputs.iter().map(|x| format!("{} {:?} by {:?}", x.dtype, x.shape(), &x.layout.strides[..])).collect();
    let name = format!("{name} ({})", shapes.join(", "));
    match (work(cpu(), &here), work(gpu(), &there)) {
        (Ok(a), Ok(b)) => {
            assert_eq!(a.len(), b.len(), "{name}");
            a.iter().zip(&b).for_each(|(a, b)| same(&name, a, b, factor));
        }
        (Err(_), Err(_)) => (),
        (Ok(_), Err(error)) => panic!("{name}: only the GPU refuses: {error}"),
        (Err(error), Ok(_)) => panic!("{name}: only the CPU refuses: {error}"),
    }
}
