//! Making tensors: filled, counted, random, of Rust's vectors.
use crate::backend::Draw;
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::{Buffer, DType, Device, Element, Raw, Scalar, Tensor, TensorError, random};

/// Refuses shapes whose number of elements or of bytes no machine can address.
fn checked(operation: &'static str, shape: &[usize], dtype: DType) -> Result<()> {
    let bytes = shape.iter().try_fold(dtype.size(), |bytes, &size| bytes.checked_mul(size));
    if bytes.is_some_and(|bytes| bytes <= isize::MAX as usize) || shape.contains(&0) {
        return Ok(());
    }
    Err(TensorError::Shape { operation, problem: format!("{shape:?} of {dtype} is more memory than can be addressed") })
}

/// The same for what is made in the CPU's memory, which has to have room for it.
fn affordable(operation: &'static str, shape: &[usize], dtype: DType) -> Result<()> {
    checked(operation, shape, dtype)?;
    crate::cpu::room::<u8>(shape.iter().product::<usize>() * dtype.size())
}

/// Filled.
impl Tensor {
    /// Zeros, f32 on the CPU.
    #[track_caller]
    pub fn zeros(shape: &[usize]) -> Tensor {
        Self::try_full_on(shape, 0.0, DType::F32, &Device::Cpu).or_panic()
    }

    /// Ones, f32 on the CPU.
    #[track_caller]
    pub fn ones(shape: &[usize]) -> Tensor {
        Self::try_full_on(shape, 1.0, DType::F32, &Device::Cpu).or_panic()
    }

    /// One value everywhere: f32 of a fraction, i64 of an integer, bool of a truth.
    #[track_caller]
    pub fn full(shape: &[usize], value: impl Into<Scalar>) -> Tensor {
        Self::filled(shape, value.into()).or_panic()
    }

    fn filled(shape: &[usize], value: Scalar) -> Result<Tensor> {
        checked("full", shape, value.dtype())?;
        let one = value.raw(value.dtype(), Device::Cpu)?;
        Ok(Tensor::from_raw(if shape.is_empty() { one } else { one.expand("full", shape)?.contiguous()? }))
    }

    /// Zeros of a type on a device.
    #[track_caller]
    pub fn zeros_on(shape: &[usize], dtype: DType, device: &Device) -> Tensor {
        Self::try_full_on(shape, 0.0, dtype, device).or_panic()
    }

    /// Ones of a type on a device.
    #[track_caller]
    pub fn ones_on(shape: &[usize], dtype: DType, device: &Device) -> Tensor {
        Self::try_full_on(shape, 1.0, dtype, device).or_panic()
    }

    /// One value everywhere, of a type on a device.
    #[track_caller]
    pub fn full_on(shape: &[usize], value: f64, dtype: DType, device: &Device) -> Tensor {
        Self::try_full_on(shape, value, dtype, device).or_panic()
    }

    /// As `full_on`, giving an error (no such device, no memory) instead of panicking.
    pub fn try_full_on(shape: &[usize], value: f64, dtype: DType, device: &Device) -> Result<Tensor> {
        checked("full", shape, dtype)?;
        Ok(Tensor::from_raw(backend(*device)?.full(shape, dtype, value)?))
    }

    /// As `zeros_on`, giving an error instead of panicking.
    pub fn try_zeros_on(shape: &[usize], dtype: DType, device: &Device) -> Result<Tensor> {
        Self::try_full_on(shape, 0.0, dtype, device)
    }

    /// Zeros of this one's shape, type and device.
    #[track_caller]
    pub fn zeros_like(&self) -> Tensor {
        self.full_like(0.0)
    }

    /// Ones of this one's shape, type and device.
    #[track_caller]
    pub fn ones_like(&self) -> Tensor {
        self.full_like(1.0)
    }

    /// One value everywhere, of this one's shape, type and device.
    #[track_caller]
    pub fn full_like(&self, value: f64) -> Tensor {
        Self::try_full_on(self.shape(), value, self.dtype(), &self.device()).or_panic()
    }

    /// One number, of rank 0: f32 of a fraction, i64 of an integer, bool of a truth.
    #[track_caller]
    pub fn scalar(value: impl Into<Scalar>) -> Tensor {
        Self::filled(&[], value.into()).or_panic()
    }
}

/// Counted.
impl Tensor {
    /// The identity matrix `[n, n]`, f32.
    #[track_caller]
    pub fn eye(n: usize) -> Tensor {
        Self::try_eye(n).or_panic()
    }

    fn try_eye(n: usize) -> Result<Tensor> {
        affordable("eye", &[n, n], DType::F32)?;
        let mut values = vec![0.0_f32; n * n];
        values.iter_mut().step_by(n + 1).for_each(|value| *value = 1.0);
        Ok(Tensor::from_raw(Raw::cpu(values.into(), &[n, n])))
    }

    /// `start, start + step, …` below `end` (above, for a negative step): i64 if all three are integers, else f32.
    #[track_caller]
    pub fn arange(start: impl Into<Scalar>, end: impl Into<Scalar>, step: impl Into<Scalar>) -> Tensor {
        Self::counted(start.into(), end.into(), step.into()).or_panic()
    }

    fn counted(start: Scalar, end: Scalar, step: Scalar) -> Result<Tensor> {
        let refuse = |problem: String| TensorError::Shape { operation: "arange", problem };
        if let (Scalar::Integer(start), Scalar::Integer(end), Scalar::Integer(step)) = (start, end, step) {
            if step == 0 {
                return Err(refuse("a step of 0 never arrives".to_owned()));
            }
            let (distance, width) = (i128::from(end) - i128::from(start), i128::from(step));
            let len = if (distance > 0) == (width > 0) { distance.unsigned_abs().div_ceil(width.unsigned_abs()) } else { 0 };
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            affordable("arange", &[len], DType::I64)?;
            return Ok(of((0..len as i64).map(|i| start + i * step).collect()));
        }
        let (start, end, step) = (start.as_f64(), end.as_f64(), step.as_f64());
        let len = ((end - start) / step).ceil();
        if !len.is_finite() {
            return Err(refuse(format!("from {start} to {end} by {step} never arrives")));
        }
        let len = len.max(0.0) as usize;
        affordable("arange", &[len], DType::F32)?;
        Ok(of((0..len).map(|i| (start + i as f64 * step) as f32).collect()))
    }

    /// `n` numbers from `start` to `end`, both included, f32.
    #[track_caller]
    pub fn linspace(start: f64, end: f64, n: usize) -> Tensor {
        affordable("linspace", &[n], DType::F32).or_panic();
        let step = (end - start) / (n.max(2) - 1) as f64;
        // The second half counts from the end, so that the last is exactly `end`.
        of((0..n).map(|i| if i < n.div_ceil(2) { start + i as f64 * step } else { end - (n - 1 - i) as f64 * step } as f32).collect())
    }

    /// `base^x` of `linspace`'s numbers, f32.
    #[track_caller]
    pub fn logspace(start: f64, end: f64, n: usize, base: f64) -> Tensor {
        affordable("logspace", &[n], DType::F32).or_panic();
        let step = (end - start) / (n.max(2) - 1) as f64;
        of((0..n).map(|i| base.powf(start + i as f64 * step) as f32).collect())
    }
}

/// Of Rust's values.
impl Tensor {
    /// The vector's elements in row-major order, without a copy; the type is the vector's (`vec![1.0]` is f64, `vec![1.0_f32]` f32).
    #[track_caller]
    pub fn from_vec<T: Element>(values: Vec<T>, shape: &[usize]) -> Tensor {
        Self::try_from_buffer(values.into(), shape).or_panic()
    }

    /// As `from_vec`, giving an error instead of panicking.
    pub fn try_from_vec<T: Element>(values: Vec<T>, shape: &[usize]) -> Result<Tensor> {
        Self::try_from_buffer(values.into(), shape)
    }

    /// A copy of a slice as a tensor of one dimension.
    #[track_caller]
    pub fn from_slice<T: Element>(values: &[T]) -> Tensor {
        Self::from_vec(values.to_vec(), &[values.len()])
    }

    /// A buffer (of our own memory or somebody else's) in row-major order, without a copy.
    pub fn try_from_buffer(buffer: Buffer, shape: &[usize]) -> Result<Tensor> {
        if shape.iter().try_fold(1_usize, |len, &size| len.checked_mul(size)) != Some(buffer.len()) {
            let problem = format!("{} elements do not fill shape {shape:?}, which takes {}", buffer.len(), product(shape));
            return Err(TensorError::Shape { operation: "from_vec", problem });
        }
        Ok(Tensor::from_raw(Raw::cpu(buffer, shape)))
    }
}

fn product(shape: &[usize]) -> u128 {
    shape.iter().map(|&size| size as u128).product()
}

fn of<T: Element>(values: Vec<T>) -> Tensor {
    let len = values.len();
    Tensor::from_raw(Raw::cpu(values.into(), &[len]))
}

/// Random: the numbers follow `manual_seed` and are the same on all devices.
impl Tensor {
    /// Uniform in `[0, 1)`, f32 on the CPU.
    #[track_caller]
    pub fn rand(shape: &[usize]) -> Tensor {
        Self::rand_on(shape, DType::F32, &Device::Cpu)
    }

    /// Normal with mean 0 and deviation 1, f32 on the CPU.
    #[track_caller]
    pub fn randn(shape: &[usize]) -> Tensor {
        Self::randn_on(shape, DType::F32, &Device::Cpu)
    }

    /// Integers in `[low, high)`, i64 on the CPU.
    #[track_caller]
    pub fn randint(low: i64, high: i64, shape: &[usize]) -> Tensor {
        Self::randint_on(low, high, shape, DType::I64, &Device::Cpu)
    }

    /// Uniform in `[0, 1)`.
    #[track_caller]
    pub fn rand_on(shape: &[usize], dtype: DType, device: &Device) -> Tensor {
        Self::uniform_on(shape, 0.0, 1.0, dtype, device)
    }

    /// Normal with mean 0 and deviation 1.
    #[track_caller]
    pub fn randn_on(shape: &[usize], dtype: DType, device: &Device) -> Tensor {
        Self::normal_on(shape, 0.0, 1.0, dtype, device)
    }

    /// Integers in `[low, high)`.
    #[track_caller]
    pub fn randint_on(low: i64, high: i64, shape: &[usize], dtype: DType, device: &Device) -> Tensor {
        if low >= high {
            Err(TensorError::Shape { operation: "randint", problem: format!("no integer lies in {low}..{high}") }).or_panic()
        }
        if dtype.is_float() || dtype == DType::Bool {
            Err(TensorError::DType { operation: "randint", dtype, hint: "; take an integer type" }).or_panic()
        }
        draw("randint", shape, dtype, device, Draw::Integers { low, high }).or_panic()
    }

    /// Uniform in `[low, high)`.
    #[track_caller]
    pub fn uniform_on(shape: &[usize], low: f64, high: f64, dtype: DType, device: &Device) -> Tensor {
        fraction("rand", shape, dtype, device, Draw::Uniform { low, high }).or_panic()
    }

    /// Normal with a mean and a deviation.
    #[track_caller]
    pub fn normal_on(shape: &[usize], mean: f64, std: f64, dtype: DType, device: &Device) -> Tensor {
        fraction("randn", shape, dtype, device, Draw::Normal { mean, std }).or_panic()
    }

    /// True with probability `p`, bool on the CPU.
    #[track_caller]
    pub fn bernoulli(p: f64, shape: &[usize]) -> Tensor {
        draw("bernoulli", shape, DType::Bool, &Device::Cpu, Draw::Bernoulli { p }).or_panic()
    }

    /// Uniform in `[0, 1)`, of this one's shape, type and device.
    #[track_caller]
    pub fn rand_like(&self) -> Tensor {
        Self::rand_on(self.shape(), self.dtype(), &self.device())
    }

    /// Normal with mean 0 and deviation 1, of this one's shape, type and device.
    #[track_caller]
    pub fn randn_like(&self) -> Tensor {
        Self::randn_on(self.shape(), self.dtype(), &self.device())
    }

    /// The numbers `0..n` in random order, i64 on the CPU.
    #[track_caller]
    pub fn randperm(n: usize) -> Tensor {
        // Two equal draws of 62 bits would keep their order: of a million that happens once in ten million times.
        let keys = Self::randint(0, 1 << 62, &[n]);
        keys.argsort(0, false)
    }
}

fn fraction(operation: &'static str, shape: &[usize], dtype: DType, device: &Device, how: Draw) -> Result<Tensor> {
    if !dtype.is_float() {
        return Err(TensorError::DType { operation, dtype, hint: "; take a float type, or `randint`" });
    }
    draw(operation, shape, dtype, device, how)
}

fn draw(operation: &'static str, shape: &[usize], dtype: DType, device: &Device, how: Draw) -> Result<Tensor> {
    checked(operation, shape, dtype)?;
    let (key, counter) = random::reserve(shape.iter().product());
    Ok(Tensor::from_raw(backend(*device)?.random(shape, dtype, how, key, counter)?))
}
