//! The GPU against the CPU: every operation of the seam on the same tensors.
//!
//! `cargo xtask gpu` runs this program on a real GPU. On a host without one it builds a driver whose GPU is the CPU (tests/gpu/emulator) from the
//! kernels' own sources, and runs the very same cases in a process that finds that driver.
mod both;
mod elements;
mod emulated;
mod fusion;
mod networks;
mod whole;

#[test]
fn the_gpu_gives_what_the_cpu_gives() {
    // The driver is chosen before its first use, so the emulated one needs a process of its own.
    if std::env::var_os("OCHRE_CUDA_DRIVER").is_some() || ochre_tensors::cuda::device_count() > 0 {
        cases();
    } else {
        emulated::run();
    }
}

#[test]
fn fused_operations_give_what_separate_ones_give() {
    // With a real GPU and NVRTC the cases above are these, too.
    if std::env::var_os("OCHRE_CUDA_DRIVER").is_none() && ochre_tensors::cuda::device_count() == 0 {
        emulated::run_fused();
    }
}

/// Those whose names have what `OCHRE_CUDA_CASE` says, or all.
fn cases() {
    let only = std::env::var("OCHRE_CUDA_CASE").unwrap_or_default();
    let device = ochre_tensors::cuda::cuda(0).expect("a GPU");
    println!("on {} with {}", device.gpu().name, device.libraries());
    // Emulated compilation is slow, and most cases of one operation are more than one with the conversion of what they compare.
    let is_slow = std::env::var_os("OCHRE_CUDA_DRIVER").is_some() && device.kernels_compiled().is_some();
    let single = elements::CASES.iter().chain(networks::CASES).filter(|_| !is_slow);
    let all = single.chain(whole::CASES).chain(fusion::CASES);
    let mut failed = Vec::new();
    for (name, case) in all.filter(|(name, _)| name.contains(&only)) {
        let begun = std::time::Instant::now();
        match std::panic::catch_unwind(case) {
            Ok(()) => println!("ok      {name} ({:.1} s)", begun.elapsed().as_secs_f64()),
            Err(_) => {
                println!("FAILED  {name}");
                failed.push(*name);
            }
        }
    }
    if let Some(count) = device.kernels_compiled() {
        println!("\n{count} kernels were compiled");
    }
    assert!(failed.is_empty(), "{failed:?}");
}
