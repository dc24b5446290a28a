//! Sizes beyond 2^31 elements, and many steps: what overflows or leaks only there.
use ochre_tensors::functional::cross_entropy;
use ochre_tensors::{DType, Device, Tensor, no_grad};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Memory is the process's: who measures it has it to himself.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn places_beyond_two_to_the_31_are_computed_right() {
    let _alone = alone();
    // One byte seen as 2^33 places, and cut down again: no memory is needed.
    let many = Tensor::full_on(&[1, 1], 3.0, DType::U8, &Device::Cpu).expand(&[1 << 17, 1 << 16]);
    assert_eq!(many.len(), 1 << 33);
    let end = many.narrow(0, (1 << 17) - 2, 2).narrow(1, (1 << 16) - 3, 3);
    assert_eq!(end.to_vec::<u8>(), [3; 6]);
    let flat = many.reshape(&[-1]);
    assert_eq!(flat.shape(), [1 << 33]);
    assert_eq!(flat.narrow(0, (1 << 33) - 1, 1).item(), 3.0);
    assert_eq!(ochre_tensors::Layout::contiguous(&[1 << 20, 1 << 20, 4]).strides.as_slice(), [1 << 22, 4, 1]);
}

#[test]
#[ignore = "slow: 4 GB of memory and half a minute"]
fn two_to_the_31_elements_are_worked_on() {
    let _alone = alone();
    let rows = (1usize << 31) / 1024 + 3;
    let x = Tensor::full_on(&[rows, 1024], 1.0, DType::U8, &Device::Cpu);
    assert_eq!(x.sum().item(), (rows * 1024) as f64);
    let last = x.narrow(0, rows - 1, 1);
    assert_eq!(last.sum().item(), 1024.0);
    let doubled = &x + &x;
    drop(x);
    assert_eq!(doubled.select(0, -1).select(0, -1).item(), 2.0);
    assert_eq!(doubled.sum_dim(1).max().item(), 2048.0);
    let picked = doubled.index_select(0, &Tensor::from_slice(&[rows as i64 - 1, 0]));
    assert_eq!(picked.to_vec::<u8>(), [2; 2048]);
    assert_eq!(doubled.reshape(&[-1]).narrow(0, rows * 1024 - 5, 5).to_vec::<u8>(), [2; 5]);
}

/// Resident memory in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<usize>().unwrap() * 1024
}

#[test]
fn ten_thousand_steps_leak_nothing() {
    let _alone = alone();
    let weights = [Tensor::rand(&[16, 32]).requires_grad(), Tensor::rand(&[32, 10]).requires_grad()];
    let (x, classes) = (Tensor::rand(&[8, 16]), Tensor::randint(0, 10, &[8]));
    let step = || {
        let hidden = x.matmul(&weights[0]).layer_norm(&[32], None, None, 1e-5).relu().dropout(0.1, true);
        cross_entropy(&hidden.matmul(&weights[1]), &classes).backward();
        for weight in &weights {
            let gradient = weight.grad().unwrap();
            no_grad(|| weight.assign(&(weight - &(&gradient * 0.01))));
            weight.zero_grad();
        }
    };
    (0..1000).for_each(|_| step());
    let before = resident();
    (0..10_000).for_each(|_| step());
    let grown = resident().saturating_sub(before);
    // One forgotten tensor of 8 x 16 f32 per step would be 5 MB.
    assert!(grown < 2 << 20, "{grown} bytes more after 10,000 steps");
}

#[test]
fn a_graph_that_is_never_run_backward_is_freed() {
    let _alone = alone();
    let x = Tensor::rand(&[1000]).requires_grad();
    let build = || {
        // A long chain: freeing it must not need stack for each link.
        let mut y = x.clone();
        for _ in 0..200 {
            y = y.sin();
        }
        y.sum().item()
    };
    (0..20).for_each(|_| { build(); });
    let before = resident();
    (0..200).for_each(|_| { build(); });
    assert!(resident().saturating_sub(before) < 8 << 20);
    let mut long = x.narrow(0, 0, 1);
    for _ in 0..100_000 {
        long = long.neg();
    }
    drop(long);
}
