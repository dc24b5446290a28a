//! What a host without a GPU does with what is made for one, and what is off unless it is asked for.
//!
//! - "Products and convolutions of f32 keep f32's digits unless `cuda::allow_tf32(true)` lets tensor cores round their inputs to TF32."
//! - "`cuda::graph` takes its step twice, and a replay is the same step again; on the CPU a replay calls it."
//! - "Memory that is not there is an error with what was asked for and what helps, and the session lives on." (`errors.rs` has the cases.)
use ochre_tensors::{Device, Tensor, cuda};

#[test]
fn tf32_is_off_until_it_is_asked_for_and_changes_nothing_on_the_cpu() {
    assert!(!cuda::tf32_is_allowed());
    // 1 + 2^-12 needs more than the 10 bits that TF32 keeps.
    let x = Tensor::full(&[16, 16], 1.0 + 1.0 / 4096.0);
    let before = x.matmul(&x).to_vec::<f32>();
    cuda::allow_tf32(true);
    let after = x.matmul(&x).to_vec::<f32>();
    let allowed = cuda::tf32_is_allowed();
    cuda::allow_tf32(false);
    assert!(allowed && before == after && before[0] > 16.007, "{}", before[0]);
}

#[test]
fn a_step_of_training_is_taken_again_by_a_replay() -> Result<(), ochre_tensors::TensorError> {
    let (x, y) = (Tensor::linspace(-1.0, 1.0, 32).reshape(&[32, 1]), Tensor::linspace(-3.0, 3.0, 32).reshape(&[32, 1]));
    let learnt = |steps: &mut dyn FnMut(&mut dyn FnMut() -> Tensor) -> Result<(), ochre_tensors::TensorError>| {
        let w = Tensor::zeros(&[1, 1]).requires_grad();
        let mut step = || {
            w.zero_grad();
            let loss = (x.matmul(&w) - &y).square().mean();
            loss.backward();
            w.assign(&(w.detach() - w.grad().unwrap_or_else(|| Tensor::zeros(&[1, 1])) * 0.5));
            loss.detach()
        };
        steps(&mut step)?;
        Ok::<f64, ochre_tensors::TensorError>(w.item())
    };
    let by_hand = learnt(&mut |step| {
        (0..12).for_each(|_| drop(step()));
        Ok(())
    })?;
    let replayed = learnt(&mut |step| {
        let mut graph = cuda::graph(&Device::Cpu, step)?;
        let mut losses = Vec::new();
        for _ in 0..10 {
            losses.push(graph.replay()?.item());
        }
        assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "{losses:?}");
        Ok(())
    })?;
    assert!((by_hand - replayed).abs() < 1e-6 && (by_hand - 3.0).abs() < 0.2, "two steps before ten replays: {by_hand} and {replayed}");
    Ok(())
}
