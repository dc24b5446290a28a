//! CIFAR-10's published archives, written by Python from the page's description (peer/cifar.py): the binary version byte for byte; the version for
//! Python is refused with what to take instead.
mod support;

use ochre_nn::data::{Dataset, cifar10};
use std::process::Command;

/// So many pictures are in a batch.
const COUNT: usize = 20;

/// That a part of the data set has the batches in this order.
fn check(part: &Dataset, batches: &[usize]) {
    assert_eq!(part.inputs().shape(), [batches.len() * COUNT, 3, 32, 32]);
    let (pixels, classes) = (part.inputs().to_vec::<u8>(), part.targets().to_vec::<i64>());
    for (at, &b) in batches.iter().enumerate() {
        for i in 0..COUNT {
            let picture = at * COUNT + i;
            assert_eq!(classes[picture], ((7 * i + b) % 10) as i64, "batch {b}, picture {i}");
            let right = (0..3).flat_map(|c| (0..32).flat_map(move |y| (0..32).map(move |x| ((31 * i + 17 * c + 5 * y + 3 * x + 11 * b) % 256) as u8)));
            assert!(right.eq(pixels[picture * 3072..][..3072].iter().copied()), "batch {b}, picture {i}");
        }
    }
}

#[test]
fn the_published_archives_are_read_or_refused_with_what_to_take() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/cifar.py");
    let made = Command::new(support::peer("python-onnx").join("bin/python")).arg(script).arg(folder.path()).output().expect("Python starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let place = |name: &str| folder.path().join(name).display().to_string();
    // In the archive's order, which is not that of the numbers.
    let data = cifar10(&place("cifar-10-binary.tar.gz")).expect("the binary version");
    check(&data.train, &[3, 0, 1, 4, 2]);
    check(&data.test, &[5]);
    assert_eq!(data.classes()[9], "truck");
    // Unpacked, the folder above and the folder itself.
    for name in ["cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"] {
        assert!(Command::new("tar").arg("xzf").arg(place(name)).arg("-C").arg(folder.path()).status().expect("tar").success());
    }
    for name in ["", "cifar-10-batches-bin"] {
        let data = cifar10(&place(name)).expect("the unpacked version");
        check(&data.train, &[0, 1, 2, 3, 4]);
        check(&data.test, &[5]);
    }
    std::fs::remove_dir_all(place("cifar-10-batches-bin")).expect("removed");
    for name in ["cifar-10-python.tar.gz", "cifar-10-batches-py", ""] {
        let error = cifar10(&place(name)).err().expect("the version for Python").to_string();
        assert!(error.contains("version for Python") && error.contains("cifar-10-binary.tar.gz"), "{name}: {error}");
    }
}
