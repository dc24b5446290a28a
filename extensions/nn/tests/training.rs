//! Training: a small network reaches its accuracy, a training that is taken up again gives the same numbers, and what ends a training.
use ochre_nn::data::{Dataset, Loader};
use ochre_nn::nn::{self, Module};
use ochre_nn::optim::{AdamW, Schedule, Sgd};
use ochre_nn::{End, Fit, Loss, NnError, evaluate, evaluate_with, fit, predict, safetensors, summary};
use ochre_tensors::{DType, Tensor, manual_seed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The numbers of `manual_seed` are the process's: tests that draw take turns.
fn seeded(seed: u64) -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    manual_seed(seed);
    turn
}

/// Points on three arms of a spiral: no straight line parts them.
fn spiral(count: usize) -> Dataset {
    let (mut points, mut classes) = (Vec::new(), Vec::new());
    for i in 0..count {
        let (arm, along) = (i % 3, 0.1 + 0.9 * (i / 3) as f32 / (count / 3) as f32);
        let angle = arm as f32 * 2.094 + along * 4.0 + 0.1 * ((i * 37 % 17) as f32 / 17.0 - 0.5);
        points.extend([along * angle.cos(), along * angle.sin()]);
        classes.push(arm as i64);
    }
    Dataset::new(&Tensor::from_vec(points, &[count, 2]), &Tensor::from_vec(classes, &[count])).with_classes(&["red", "green", "blue"])
}

fn perceptron() -> nn::Sequential {
    nn::Sequential::new().add(nn::Linear::new(2, 32)).add(nn::Relu).add(nn::Linear::new(32, 32)).add(nn::Relu).add(nn::Linear::new(32, 3))
}

#[test]
fn a_small_network_learns_a_spiral() {
    let _turn = seeded(1);
    let (train, test) = spiral(600).split(0.8, 1);
    let model = perceptron();
    let before = evaluate(&model, &test);
    let history = fit(&model, &train, &test, Fit { epochs: 40, batch: 32, rate: 0.01, schedule: Schedule::one_cycle(), ..Fit::default() });
    let after = evaluate(&model, &test);
    assert!(before.accuracy < Some(0.7) && after.accuracy > Some(0.97), "{before} then {after}\n{history}");
    assert_eq!((history.end, history.epochs.len(), history.steps), (End::Finished, 40, 40 * 15));
    assert_eq!(history.last().and_then(|e| e.validation_accuracy), after.accuracy);
    let confusion = after.confusion();
    assert_eq!(confusion.iter().flatten().sum::<usize>(), 120);
    assert_eq!(confusion.iter().enumerate().map(|(i, row)| row[i]).sum::<usize>(), 120 - after.wrong().len());
    assert_eq!(predict(&model, &test.inputs()).argmax(-1).to_vec::<i64>(), after.predictions.to_vec::<i64>());
    assert_eq!(after.classes, ["red", "green", "blue"]);
}

/// Pictures of stripes, lying or standing.
fn stripes(count: usize) -> Dataset {
    let (mut pixels, mut classes) = (Vec::new(), Vec::new());
    for i in 0..count {
        let class = i % 2;
        for y in 0..8 {
            for x in 0..8 {
                let at = if class == 0 { x } else { y };
                pixels.push(if (at + i / 2) % 4 < 2 { 200u8 } else { 30 } + ((i * 31 + y * 7 + x * 3) % 40) as u8);
            }
        }
        classes.push(class as i64);
    }
    Dataset::new(&Tensor::from_vec(pixels, &[count, 1, 8, 8]), &Tensor::from_vec(classes, &[count]))
}

fn convolutional() -> nn::Sequential {
    nn::Sequential::new()
        .add(nn::Conv2d::new(1, 8, 3).padding(1).bias(false))
        .add(nn::BatchNorm2d::new(8))
        .add(nn::Relu)
        .add(nn::Residual::new(nn::Sequential::new().add(nn::Conv2d::new(8, 8, 3).padding(1)).add(nn::Silu)))
        .add(nn::MaxPool2d::new(2))
        .add(nn::Dropout::new(0.1))
        .add(nn::Flatten)
        .add(nn::Linear::new(8 * 4 * 4, 2))
}

#[test]
fn a_convolutional_network_learns_stripes_from_pictures() {
    let _turn = seeded(2);
    let data = stripes(256);
    let (train, test) = data.split(0.75, 5);
    let model = convolutional();
    let loader = Loader::new(&train).batch(16).shuffle(3).random_flip().random_crop(1).normalize(&[0.5], &[0.25]);
    let judged = Loader::new(&test).batch(64).normalize(&[0.5], &[0.25]);
    let mut sgd = Sgd::new(&model, 0.05).momentum(0.9).nesterov(true).weight_decay(1e-4);
    let history = fit(&model, &loader, &judged, Fit { epochs: 6, optimizer: Some(&mut sgd), schedule: Schedule::cosine(), clip: Some(5.0), ..Fit::default() });
    assert!(history.last().and_then(|e| e.validation_accuracy) > Some(0.98), "{history}");
    let (plain, changed) = (evaluate(&model, &judged), evaluate(&model, &judged.clone().shuffle(9).random_flip().random_crop(3).drop_last(true)));
    assert_eq!(plain.predictions.to_vec::<i64>(), changed.predictions.to_vec::<i64>(), "what is judged is not changed at random");
    assert_eq!(sgd.rate(), 0.05, "the schedule is over, the rate is as it was");
}

#[test]
fn mixed_precision_learns_as_well() {
    let _turn = seeded(3);
    let (train, test) = spiral(300).split(0.8, 1);
    let model = perceptron();
    fit(&model, &train, &(), Fit { epochs: 40, batch: 32, rate: 0.01, precision: DType::BF16, ..Fit::default() });
    assert!(evaluate(&model, &test).accuracy > Some(0.93), "{}", evaluate(&model, &test));
    assert!(model.parameters().iter().all(|(_, p)| p.dtype() == DType::F32), "the weights stay f32");
    let short = nn::autocast(DType::BF16, || model.forward(&test.inputs()));
    assert_eq!(short.dtype(), DType::BF16);
    assert_eq!(model.forward(&test.inputs()).dtype(), DType::F32);
}

#[test]
fn pictures_are_learnt_in_mixed_precision_too() {
    let _turn = seeded(14);
    let (train, test) = stripes(192).split(0.75, 5);
    let model = convolutional();
    let history = fit(&model, &train, &test, Fit { epochs: 5, batch: 16, rate: 5e-3, precision: DType::BF16, clip: Some(1.0), ..Fit::default() });
    assert!(history.last().and_then(|e| e.validation_accuracy) > Some(0.95), "{history}");
    assert!(model.everything().iter().all(|(_, slot)| matches!(slot.get().dtype(), DType::F32 | DType::I64)), "parameters and running statistics stay f32");
}

fn numbers(model: &dyn Module) -> Vec<(String, Vec<f64>)> {
    model.state().into_iter().map(|(name, t)| (name, t.to_dtype(DType::F64).to_vec::<f64>())).collect()
}

#[test]
fn a_training_that_is_taken_up_again_gives_the_same_numbers() {
    let _turn = seeded(4);
    let folder = tempfile::tempdir().expect("a folder");
    let (model_file, optimiser_file) = (folder.path().join("model.safetensors"), folder.path().join("optimiser.safetensors"));
    let data = stripes(96);
    let loader = Loader::new(&data).batch(16).shuffle(3).random_flip();
    let network = || nn::Sequential::new().add(nn::Conv2d::new(1, 4, 3)).add(nn::BatchNorm2d::new(4)).add(nn::Relu).add(nn::Flatten).add(nn::Linear::new(4 * 36, 2));
    fn options<'a>() -> Fit<'a> {
        Fit { schedule: Schedule::cosine().warm_up(0.1), accumulate: 4, ..Fit::default() }
    }
    for sgd in [false, true] {
        let whole = network();
        let first = whole.state();
        let half = network();
        half.load_state(&first).expect("the same layers");
        let rest = network();
        let make = |model: &nn::Sequential| -> Box<dyn ochre_nn::optim::Optimizer> { if sgd { Box::new(Sgd::new(model, 0.05).momentum(0.9)) } else { Box::new(AdamW::new(model, 0.01)) } };
        let (mut one, mut two, mut three) = (make(&whole), make(&half), make(&rest));
        let history = fit(&whole, &loader, &(), Fit { epochs: 4, optimizer: Some(&mut *one), ..options() });
        // 6 batches in groups of 4 and 2: two steps an epoch.
        assert_eq!(history.steps, 8);
        // The first half of the same four epochs.
        let mut stop = |epoch: &ochre_nn::Epoch| epoch.number < 2;
        let part = fit(&half, &loader, &(), Fit { epochs: 4, optimizer: Some(&mut *two), on_epoch: Some(&mut stop), ..options() });
        assert_eq!((part.end, part.epochs.len()), (End::Asked, 2));
        safetensors::save(&model_file, &half.state()).expect("saved");
        safetensors::save(&optimiser_file, &two.state()).expect("saved");
        rest.load_state(&safetensors::load(&model_file).expect("loaded")).expect("the same layers");
        three.load_state(&safetensors::load(&optimiser_file).expect("loaded")).expect("the same optimiser");
        let second = fit(&rest, &loader, &(), Fit { epochs: 4, start: 2, optimizer: Some(&mut *three), ..options() });
        assert_eq!(second.epochs.iter().map(|e| e.number).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(numbers(&whole), numbers(&rest), "bit for bit (sgd: {sgd})");
    }
}

#[test]
fn states_that_do_not_fit_are_told_and_change_nothing() {
    let _turn = seeded(5);
    let model = perceptron();
    let before = numbers(&model);
    let mut state = model.state();
    state.pop();
    state.push(("6.weight".into(), Tensor::zeros(&[1])));
    let error = model.load_state(&state).err().expect("an error").to_string();
    assert!(error.contains("it lacks `4.bias`") && error.contains("the model has no `6.weight`"), "{error}");
    let mut state = model.state();
    state[2].1 = Tensor::zeros(&[32, 31]);
    let error = model.load_state(&state).err().expect("an error").to_string();
    assert!(error.contains("`2.weight`") && error.contains("[32, 32]") && error.contains("[32, 31]"), "{error}");
    assert_eq!(numbers(&model), before);
    let mut optimiser = AdamW::new(&model, 0.01);
    assert!(matches!(optimiser.load_state(&Sgd::new(&convolutional(), 0.1).state()), Err(NnError::State(_))));
}

#[test]
fn patience_ends_a_training_and_takes_the_best_back() {
    let _turn = seeded(6);
    // Targets without rule: what is learnt of them makes validation worse.
    let noise = |n: usize, seed: i64| Dataset::new(&Tensor::randn(&[n, 2]), &Tensor::from_vec((0..n as i64).map(|i| (i * 7919 + seed) * 31 % 11 % 3).collect::<Vec<i64>>(), &[n]));
    let (train, test) = (noise(60, 1), noise(60, 5));
    let model = perceptron();
    let history = fit(&model, &train, &test, Fit { epochs: 500, batch: 8, rate: 0.02, patience: Some(3), ..Fit::default() });
    assert_eq!(history.end, End::Patience, "{history}");
    let best = history.best().expect("a best epoch");
    assert_eq!(history.restored, Some(best.number));
    assert_eq!(history.epochs.len(), best.number + 3);
    let now = evaluate(&model, &test);
    assert!((now.loss - best.validation_loss.expect("validated")).abs() < 1e-6, "{now}\n{history}");
}

#[test]
fn a_loss_that_is_no_number_ends_a_training() {
    let _turn = seeded(7);
    let data = spiral(300);
    let model = perceptron();
    let mut sgd = Sgd::new(&model, 1e30);
    let history = fit(&model, &data, &(), Fit { epochs: 50, optimizer: Some(&mut sgd), ..Fit::default() });
    assert_eq!(history.end, End::Diverged, "{history}");
    assert!(history.epochs.len() <= 3 && history.to_string().contains("no number"), "{history}");
}

#[test]
fn other_losses_are_made_small_too() {
    let _turn = seeded(8);
    let x = Tensor::randn(&[200, 3]);
    let y = x.matmul(&Tensor::from_vec(vec![1.0f32, -2.0, 0.5], &[3, 1])) + 0.25;
    let model = nn::Linear::new(3, 1);
    let data = Dataset::new(&x, &y);
    fit(&model, &data, &(), Fit { epochs: 60, rate: 0.05, loss: Loss::Mse, ..Fit::default() });
    let judged = evaluate(&model, &data);
    assert!(judged.loss < 1e-3 && judged.accuracy.is_none(), "{judged}");
    let absolute = Loss::Custom(Box::new(|a, b| (a - b).abs().mean()));
    let other = nn::Linear::new(3, 1);
    let history = fit(&other, &data, &(), Fit { epochs: 80, rate: 0.03, loss: absolute, ..Fit::default() });
    assert!(history.last().map(|e| e.loss < 0.06) == Some(true), "{history}");
    let above = Dataset::new(&x, &y.gt(0.25).to_dtype(DType::F32));
    let judge = nn::Linear::new(3, 1);
    let history = fit(&judge, &above, &(), Fit { epochs: 60, rate: 0.05, loss: Loss::BinaryCrossEntropy, ..Fit::default() });
    assert!(history.last().and_then(|e| e.accuracy) > Some(0.97), "{history}");
}

#[test]
fn accumulated_gradients_are_those_of_the_whole_batch() {
    let _turn = seeded(9);
    let data = spiral(60);
    let (whole, parts) = (perceptron(), perceptron());
    parts.load_state(&whole.state()).expect("the same layers");
    let (mut one, mut two) = (Sgd::new(&whole, 0.1), Sgd::new(&parts, 0.1));
    fit(&whole, &Loader::new(&data).batch(60), &(), Fit { epochs: 3, optimizer: Some(&mut one), ..Fit::default() });
    let history = fit(&parts, &Loader::new(&data).batch(15), &(), Fit { epochs: 3, accumulate: 4, optimizer: Some(&mut two), ..Fit::default() });
    assert_eq!(history.steps, 3);
    for ((name, a), (_, b)) in numbers(&whole).iter().zip(&numbers(&parts)) {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{name}");
    }
}

#[test]
fn groups_of_parameters_have_rates_of_their_own() {
    let _turn = seeded(10);
    let (slow, fast) = (nn::Linear::new(2, 2), nn::Linear::new(2, 2));
    let (a, b) = (slow.weight(), fast.weight());
    let before = [a.to_vec::<f32>(), b.to_vec::<f32>()];
    let mut sgd = Sgd::new(vec![a.clone()], 0.1).group(vec![b.clone()], 0.3, 0.0);
    for weight in [&a, &b] {
        weight.set_grad(Some(&Tensor::ones(&[2, 2])));
    }
    sgd.step();
    sgd.set_rate(0.2);
    sgd.step();
    for (weight, before, change) in [(a, &before[0], 0.3), (b, &before[1], 0.9)] {
        assert!(weight.to_vec::<f32>().iter().zip(before).all(|(now, was)| (was - now - change).abs() < 1e-5));
    }
    sgd.zero_grad();
    assert!(slow.weight().grad().is_none());
}

#[test]
fn a_summary_tells_shapes_and_parameters() {
    let model = convolutional();
    let before = numbers(&model);
    let table = summary(&model, &[5, 1, 8, 8]);
    assert_eq!((table.parameters, table.output.as_slice()), (8 * 9 + 16 + 8 * 8 * 9 + 8 + 128 * 2 + 2, [5, 2].as_slice()));
    let text = table.to_string();
    for part in ["Sequential", "Conv2d(1, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)", "BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)", "3.body.0", "[5, 8, 4, 4]", "[5, 128]", "Linear(in_features=128, out_features=2, bias=True)", "930 parameters"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(table.rows.iter().all(|row| row.output.is_some()), "{text}");
    assert_eq!(numbers(&model), before, "looking changes nothing");
    assert_eq!(model.training(), Some(true));
}

/// A type of a user's own.
struct Own {
    body: nn::Sequential,
    head: nn::Linear,
    scale: nn::Slot,
}

impl Module for Own {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.head.forward(&self.body.forward(x)) * self.scale.get()
    }
    fn slots(&self) -> Vec<(&'static str, &nn::Slot)> {
        vec![("scale", &self.scale)]
    }
    fn children(&self) -> Vec<(String, &dyn Module)> {
        vec![("body".into(), &self.body), ("head".into(), &self.head)]
    }
}

#[test]
fn a_model_prints_as_in_pytorch() {
    let model = nn::Sequential::new().add(nn::Linear::new(2, 3)).named("inner", nn::Sequential::new().add(nn::Relu).add(nn::LayerNorm::new(&[3])));
    let text = "Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=True)\n  (inner): Sequential(\n    (0): ReLU()\n    (1): LayerNorm((3,), eps=1e-05, elementwise_affine=True)\n  )\n)";
    assert_eq!(model.to_string(), text);
    let names: Vec<String> = model.parameters().into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["0.weight", "0.bias", "inner.1.weight", "inner.1.bias"]);
}

#[test]
fn a_type_of_ones_own_is_a_module() {
    let _turn = seeded(11);
    let model = Own { body: nn::Sequential::new().add(nn::Linear::new(2, 16)).add(nn::Tanh), head: nn::Linear::new(16, 3), scale: nn::Slot::parameter(&Tensor::ones(&[1])) };
    let names: Vec<String> = model.parameters().into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["scale", "body.0.weight", "body.0.bias", "head.weight", "head.bias"]);
    let data = spiral(150);
    let history = fit(&model, &data, &(), Fit { epochs: 30, rate: 0.02, batch: 25, ..Fit::default() });
    assert!(history.last().map(|e| e.loss) < history.epochs.first().map(|e| e.loss * 0.7), "{history}");
    assert_ne!(model.scale.get().item(), 1.0);
    let table = summary(&model, &[1, 2]);
    assert!(table.to_string().contains("Own") && table.rows.iter().all(|r| r.output.is_some() || r.layer == "Sequential"), "{table}");
}

#[test]
fn initial_weights_are_pytorchs_distribution() {
    let _turn = seeded(12);
    let linear = nn::Linear::new(400, 300).weight();
    let bound = 1.0 / 20.0;
    assert!(linear.max().item() <= bound && linear.max().item() > bound * 0.99 && linear.min().item() >= -bound);
    assert!((linear.std().item() - bound / 3f64.sqrt()).abs() < 1e-3 && linear.mean().item().abs() < 1e-3);
    let conv = nn::Conv2d::new(16, 64, 5).groups(4).weight();
    assert_eq!(conv.shape(), [64, 4, 5, 5]);
    assert!(conv.max().item() <= 0.1 && conv.max().item() > 0.098);
    let embedding = nn::Embedding::new(200, 200).weight();
    assert!((embedding.std().item() - 1.0).abs() < 0.02);
    manual_seed(77);
    let one = nn::Linear::new(5, 5).weight().to_vec::<f32>();
    manual_seed(77);
    assert_eq!(nn::Linear::new(5, 5).weight().to_vec::<f32>(), one);
}

#[test]
fn dropout_drops_in_training_only() {
    let _turn = seeded(13);
    let layer = nn::Dropout::new(0.25);
    let x = Tensor::ones(&[100, 100]);
    let y = layer.forward(&x);
    let zeros = y.to_vec::<f32>().iter().filter(|&&v| v == 0.0).count();
    assert!((2_200..2_800).contains(&zeros) && (y.mean().item() - 1.0).abs() < 0.05, "{zeros}");
    layer.eval();
    assert_eq!(layer.forward(&x).to_vec::<f32>(), x.to_vec::<f32>());
}

/// `y = x w + 0.25` and samples of it.
fn line(count: usize) -> Dataset {
    let x = Tensor::randn(&[count, 3]);
    let y = x.matmul(&Tensor::from_vec(vec![1.0f32, -2.0, 0.5], &[3, 1])) + 0.25;
    Dataset::new(&x, &y)
}

/// "`fit` and `evaluate` take the loss from the targets' type: cross-entropy of integers, binary cross-entropy of truths, the mean squared difference of floats."
#[test]
fn the_loss_follows_the_targets() {
    let _turn = seeded(20);
    let data = line(200);
    let model = nn::Linear::new(3, 1);
    let history = fit(&model, &data, &data, Fit { epochs: 60, rate: 0.05, ..Fit::default() });
    assert!(history.epochs[0].loss > 0.5 && history.last().is_some_and(|e| e.loss < 1e-2), "{history}");
    assert!(evaluate(&model, &data).loss < 1e-2);
    let above = Dataset::new(&data.inputs(), &data.targets().gt(0.25));
    let judge = nn::Linear::new(3, 1);
    let history = fit(&judge, &above, &above, Fit { epochs: 60, rate: 0.05, ..Fit::default() });
    assert!(history.last().and_then(|e| e.accuracy) > Some(0.97), "truths are learnt by their cross-entropy: {history}");
    assert_eq!(evaluate(&judge, &above).accuracy, history.last().and_then(|e| e.validation_accuracy));
}

/// What a call says when it panics.
fn said(call: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).expect_err("it is refused");
    panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}

/// "`fit` refuses an optimiser that has none of the model's parameters, and cross-entropy over a single class."
#[test]
fn a_training_that_would_learn_nothing_is_refused() {
    let _turn = seeded(21);
    let data = line(40);
    let model = nn::Linear::new(3, 1);
    let text = said(|| drop(fit(&model, &data, &(), Fit { loss: Loss::CrossEntropy { smoothing: 0.0 }, ..Fit::default() })));
    assert!(text.contains("Loss::Mse") && text.contains("Loss::BinaryCrossEntropy") && text.contains("[40, 1]"), "{text}");
    let mut before = AdamW::new(&model, 0.1);
    model.to_dtype(DType::F64);
    let doubled = Dataset::new(&data.inputs().to_dtype(DType::F64), &data.targets().to_dtype(DType::F64));
    let text = said(|| drop(fit(&model, &doubled, &(), Fit { optimizer: Some(&mut before), ..Fit::default() })));
    assert!(text.contains("none of the model's parameters") && text.contains("make it after `.to_device"), "{text}");
    let text = said(|| drop(fit(&nn::Relu, &data, &(), Fit::default())));
    assert!(text.contains("the model has no parameters"), "{text}");
    let mut after = AdamW::new(&model, 0.1);
    let history = fit(&model, &doubled, &(), Fit { epochs: 20, optimizer: Some(&mut after), ..Fit::default() });
    assert!(history.last().is_some_and(|e| e.loss < history.epochs[0].loss / 4.0), "{history}");
}

#[test]
fn what_is_judged_is_what_was_learnt() {
    let _turn = seeded(22);
    let data = line(200);
    let above = Dataset::new(&data.inputs(), &data.targets().gt(0.25).to_dtype(DType::F32));
    let judge = nn::Linear::new(3, 1);
    let history = fit(&judge, &above, &above, Fit { epochs: 40, rate: 0.05, loss: Loss::BinaryCrossEntropy, ..Fit::default() });
    let judged = evaluate_with(&judge, &above, &Loss::BinaryCrossEntropy);
    let last = history.last().expect("an epoch");
    assert_eq!((Some(judged.loss), judged.accuracy), (last.validation_loss, last.validation_accuracy));
    assert_eq!(judged.wrong().len(), judged.predictions.len() - (judged.accuracy.expect("right and wrong") * 200.0).round() as usize);
    let absolute = evaluate_with(&judge, &above, &Loss::L1);
    let own = evaluate_with(&judge, &above, &Loss::Custom(Box::new(|a, b| (a - b).abs().mean())));
    assert!((absolute.loss - own.loss).abs() < 1e-6 && absolute.loss != judged.loss && own.accuracy.is_none());
}

#[test]
fn classes_are_judged_one_by_one() {
    let judged = ochre_nn::Evaluation { loss: 0.5, accuracy: Some(0.75), predictions: Tensor::from_slice(&[0i64, 1, 1, 0]), targets: Tensor::from_slice(&[0i64, 1, 0, 0]), classes: vec!["no".into(), "yes".into(), "unseen".into()] };
    assert_eq!(judged.accuracies(), [Some(2.0 / 3.0), Some(1.0), None]);
    assert_eq!((judged.class(1), judged.class(7), judged.wrong()), ("yes".into(), "7".into(), vec![2]));
}

#[test]
fn layers_are_made_of_tensors_and_schedules_of_shares() {
    let weight = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], &[2, 2]);
    let linear = nn::Linear::from_tensors(&weight, Some(&Tensor::from_slice(&[10.0f32, 20.0])));
    assert_eq!(linear.forward(&Tensor::ones(&[1, 2])).to_vec::<f32>(), [13.0, 27.0]);
    let table = nn::Embedding::from_tensor(&weight);
    assert_eq!(table.forward(&Tensor::from_slice(&[1i64, 0])).to_vec::<f32>(), [3.0, 4.0, 1.0, 2.0]);
    let twice = nn::Residual::new(nn::Linear::from_tensors(&weight, None)).shortcut(nn::Linear::from_tensors(&weight, None));
    assert_eq!(twice.forward(&Tensor::ones(&[1, 2])).to_vec::<f32>(), [6.0, 14.0]);
    let table = ochre_nn::summary_with(&nn::Embedding::new(5, 3), &Tensor::from_slice(&[0i64, 4]));
    assert_eq!((table.output.as_slice(), table.parameters), ([2, 3].as_slice(), 15));
    let (usual, early) = (Schedule::one_cycle(), Schedule::one_cycle_with(0.1));
    let top = |schedule: &Schedule| (0..100).max_by(|&a, &b| schedule.factor(a, 100, 10).total_cmp(&schedule.factor(b, 100, 10)));
    assert!(top(&early) < top(&usual) && top(&early) <= Some(11), "{:?} {:?}", top(&early), top(&usual));
    let x = Tensor::from_slice(&[3.0f32, -4.0]).requires_grad();
    (&x * &x).sum().backward();
    ochre_tensors::clip_grad_value(&[&x], 7.0);
    assert_eq!(x.grad().map(|g| g.to_vec::<f32>()), Some(vec![6.0, -7.0]));
    let outside = ochre_tensors::no_grad(|| ((&x * 2.0).tracks_gradients(), ochre_tensors::enable_grad(|| (&x * 2.0).tracks_gradients())));
    assert_eq!(outside, (false, true));
}
