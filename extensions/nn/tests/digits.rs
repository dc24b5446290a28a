//! The 1,797 real digits of scikit-learn (the file lies beside the notebook that uses it): a small network gets more than 97% of those right that it
//! has not seen.
use ochre_nn::data::{Loader, digits};
use ochre_nn::optim::Schedule;
use ochre_nn::{Fit, evaluate, fit, nn};
use ochre_tensors::manual_seed;
use std::path::Path;

#[test]
fn real_digits_are_read() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../notebooks/data/digits.csv.gz");
    let data = digits(place.to_str().expect("a path in UTF-8")).expect("the digits");
    assert_eq!((data.len(), data.inputs().shape()), (1797, [1797, 1, 8, 8].as_slice()));
    manual_seed(1);
    let (train, test) = data.split(0.8, 42);
    let model = nn::Sequential::new()
        .add(nn::Conv2d::new(1, 16, 3).padding(1).bias(false))
        .add(nn::BatchNorm2d::new(16))
        .add(nn::Relu)
        .add(nn::Conv2d::new(16, 32, 3).padding(1).bias(false))
        .add(nn::BatchNorm2d::new(32))
        .add(nn::Relu)
        .add(nn::MaxPool2d::new(2))
        .add(nn::Flatten)
        .add(nn::Dropout::new(0.25))
        .add(nn::Linear::new(32 * 16, 10));
    let loader = Loader::new(&train).batch(32).shuffle(7);
    let history = fit(&model, &loader, &test, Fit { epochs: 12, rate: 4e-3, schedule: Schedule::one_cycle(), ..Fit::default() });
    let judged = evaluate(&model, &test);
    assert!(judged.accuracy > Some(0.97), "{judged}\n{history}");
    println!("{judged}\n{history}");
}
