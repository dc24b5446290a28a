//! An interrupt ends a training at the step that it is at; the model keeps what it has learnt. Alone in its process: the interrupt is the process's.
use ochre_nn::data::{Dataset, Loader};
use ochre_nn::nn::{self, Module};
use ochre_nn::optim::AdamW;
use ochre_nn::{End, Fit, Loss, fit};
use ochre_tensors::{Tensor, interrupt};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn asked() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

#[test]
fn an_interrupted_training_keeps_what_was_learnt() {
    interrupt::set_check(asked);
    let x = Tensor::randn(&[640, 4]);
    let y = x.sum_dims(&[1], true);
    let data = Dataset::new(&x, &y);
    for background in [false, true] {
        let model = nn::Sequential::new().add(nn::Linear::new(4, 16)).add(nn::Dropout::new(0.1)).add(nn::Linear::new(16, 1));
        let before = model.state();
        let steps = AtomicUsize::new(0);
        // The interrupt comes while the loss of the 25th batch is computed: 10 were for learning, 10 for validation.
        let loss = Loss::Custom(Box::new(|a, b| {
            if steps.fetch_add(1, Ordering::SeqCst) + 1 == 25 {
                INTERRUPTED.store(true, Ordering::SeqCst);
            }
            (a - b).square().mean()
        }));
        let mut optimiser = AdamW::new(&model, 0.01);
        let loader = Loader::new(&data).batch(64).shuffle(1).background(background);
        let history = fit(&model, &loader, &data, Fit { epochs: 5, optimizer: Some(&mut optimiser), loss, patience: Some(2), ..Fit::default() });
        INTERRUPTED.store(false, Ordering::SeqCst);
        assert_eq!((history.end, history.epochs.len(), history.steps), (End::Interrupted, 2, 14), "{history}");
        assert_eq!(history.epochs.iter().map(|e| e.complete).collect::<Vec<_>>(), [true, false]);
        assert!(history.to_string().contains("interrupted after 14 steps, in epoch 2 of 5: the model keeps what it has learnt"), "{history}");
        assert_eq!(model.training(), Some(false));
        assert!(model.parameters().iter().all(|(_, p)| p.grad().is_none()), "no half of a gradient stays");
        let after = model.state();
        assert!(before.iter().zip(&after).all(|((_, a), (_, b))| a.to_vec::<f32>() != b.to_vec::<f32>()), "it has learnt");
        // And it goes on learning.
        let more = fit(&model, &loader, &(), Fit { epochs: 3, optimizer: Some(&mut optimiser), loss: Loss::Mse, ..Fit::default() });
        assert!(more.end == End::Finished && more.last().map(|e| e.loss) < history.epochs.first().map(|e| e.loss), "{more}");
    }
}
