//! - "An optimiser's step is done whole or not begun."
//!
//! An interrupt never cuts it in two. Alone in its process: the interrupt is the process's.
use ochre_nn::nn::{self, Module};
use ochre_nn::optim::{AdamW, Optimizer, Sgd};
use ochre_tensors::{Tensor, interrupt};
use std::sync::atomic::{AtomicI64, Ordering};

/// Questions until the user interrupts; afterwards the answer stays yes.
static LEFT: AtomicI64 = AtomicI64::new(i64::MAX);

fn asked() -> bool {
    LEFT.fetch_sub(1, Ordering::SeqCst) <= 0
}

type Make = fn(&nn::Sequential) -> Box<dyn Optimizer>;

#[test]
fn an_interrupted_step_is_whole_or_not_begun() {
    interrupt::set_check(asked);
    let kinds: [Make; 2] = [|m| Box::new(Sgd::new(m, 0.1).momentum(0.9)), |m| Box::new(AdamW::new(m, 0.1))];
    for make in kinds {
        let (mut none, mut all) = (0, 0);
        // The interrupt comes at each question that may be asked.
        for questions in 0..12 {
            let model = nn::Sequential::new().add(nn::Linear::new(3, 4)).add(nn::Linear::new(4, 2));
            let mut optimiser = make(&model);
            model.forward(&Tensor::ones(&[5, 3])).sum().backward();
            let before: Vec<Vec<f32>> = model.parameters().iter().map(|(_, p)| p.to_vec()).collect();
            LEFT.store(questions, Ordering::SeqCst);
            let ended = optimiser.try_step();
            LEFT.store(i64::MAX, Ordering::SeqCst);
            let changed: Vec<bool> = model.parameters().iter().zip(&before).map(|((_, p), before)| p.to_vec::<f32>() != *before).collect();
            let steps: Vec<f64> = optimiser.state().iter().filter(|(name, _)| name.ends_with(".step")).map(|(_, s)| s.item()).collect();
            assert_eq!((changed.len(), steps.len()), (4, 4));
            if changed.iter().any(|c| *c) {
                assert!(changed.iter().all(|c| *c) && steps.iter().all(|s| *s == 1.0), "after {questions} questions: {changed:?} {steps:?}");
                all += 1;
            } else {
                assert!(ended.is_err() && steps.iter().all(|s| *s == 0.0), "after {questions} questions: {steps:?}");
                none += 1;
            }
            // An interrupt that came within the step is heard after it.
            assert_eq!(ended.is_err(), questions < 2, "after {questions} questions");
        }
        assert_eq!((none, all), (1, 11));
    }
}
