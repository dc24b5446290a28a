//! Data sets, loaders, and readers of CIFAR-10's and the digits' real formats, on files that the tests make.
use flate2::Compression;
use flate2::write::GzEncoder;
use ochre_nn::data::{Dataset, Loader, Source, cifar10, digits, pictures};
use ochre_tensors::{DType, Tensor};
use std::io::Write;
use std::path::Path;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// `count` samples whose input and target are their number.
fn counted(count: usize) -> Dataset {
    let x = Tensor::arange(0, count as i64, 1).to_dtype(DType::F32).reshape(&[count as i64, 1]);
    Dataset::new(&x, &Tensor::arange(0, count as i64, 1))
}

fn targets(loader: &Loader, pass: usize) -> Vec<Vec<i64>> {
    loader.pass(pass).map(|(x, y)| {
        assert_eq!(x.to_vec::<f32>(), y.to_vec::<i64>().iter().map(|&v| v as f32).collect::<Vec<_>>(), "inputs stay with their targets");
        y.to_vec::<i64>()
    }).collect()
}

#[test]
fn a_loader_gives_every_sample_once() {
    let data = counted(10);
    assert_eq!(targets(&Loader::new(&data).batch(4), 0), [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
    assert_eq!(targets(&Loader::new(&data).batch(4).drop_last(true), 0), [vec![0, 1, 2, 3], vec![4, 5, 6, 7]]);
    assert_eq!((Loader::new(&data).batch(4).len(), Loader::new(&data).batch(4).drop_last(true).len(), Loader::new(&data).batch(10).len()), (3, 2, 1));
    let mut all: Vec<i64> = targets(&Loader::new(&data).batch(3).shuffle(7), 5).concat();
    all.sort_unstable();
    assert_eq!(all, (0..10).collect::<Vec<_>>());
    assert!(targets(&Loader::new(&counted(0)), 0).is_empty());
}

#[test]
fn the_seed_decides_the_order() {
    let data = counted(50);
    let order = |seed: u64, pass: usize, background: bool| targets(&Loader::new(&data).batch(8).shuffle(seed).background(background), pass);
    assert_eq!(order(1, 0, true), order(1, 0, false), "a thread changes nothing");
    assert_ne!(order(1, 0, true), order(1, 1, true), "each pass has another order");
    assert_ne!(order(1, 0, true), order(2, 0, true));
    // The very numbers: a seed means the same order for ever.
    assert_eq!(order(1, 0, true).concat()[..6], FIRST);
    let loader = Loader::new(&data).batch(8).shuffle(1);
    let passes: Vec<Vec<i64>> = (0..2).map(|_| (&loader).into_iter().flat_map(|(_, y)| y.to_vec::<i64>()).collect()).collect();
    assert_eq!(passes, [order(1, 0, true).concat(), order(1, 1, true).concat()]);
}

/// SplitMix64 and Fisher-Yates in Python.
const FIRST: [i64; 6] = [8, 16, 14, 38, 29, 0];

#[test]
fn a_pass_that_is_left_ends_its_thread() {
    let loader = Loader::new(&counted(10_000)).batch(1);
    for _ in 0..50 {
        assert_eq!(loader.pass(0).take(2).count(), 2);
    }
}

#[test]
fn parts_of_a_data_set() {
    let data = counted(10).with_classes(&["zero", "one"]);
    assert_eq!(data.take(3).targets().to_vec::<i64>(), [0, 1, 2]);
    assert_eq!(data.skip(8).targets().to_vec::<i64>(), [8, 9]);
    assert_eq!(data.subset(&[5, 1, 1]).skip(1).inputs().to_vec::<f32>(), [1.0, 1.0]);
    let (most, rest) = data.split(0.8, 3);
    let mut all = [most.targets().to_vec::<i64>(), rest.targets().to_vec::<i64>()].concat();
    assert_eq!((most.len(), rest.len()), (8, 2));
    assert_ne!(all, (0..10).collect::<Vec<_>>());
    all.sort_unstable();
    assert_eq!(all, (0..10).collect::<Vec<_>>());
    assert_eq!((data.class(1), data.class(7)), ("one".to_owned(), "7".to_owned()));
    assert_eq!(data.subset(&[9]).get(0).1.item(), 9.0);
    assert!(Dataset::try_new(&Tensor::zeros(&[3, 2]), &Tensor::zeros(&[4])).err().expect("an error").to_string().contains("[3, 2]"));
}

/// Pictures of 3 x 4 x 5 whose pixels tell where they are.
fn small_pictures(count: usize) -> Dataset {
    let pixels: Vec<u8> = (0..count * 60).map(|i| (i % 251) as u8).collect();
    Dataset::new(&Tensor::from_vec(pixels, &[count, 3, 4, 5]), &Tensor::zeros_on(&[count], DType::I64, &ochre_tensors::Device::Cpu))
}

fn only_batch(loader: &Loader) -> Tensor {
    loader.pass(0).next().expect("a batch").0
}

#[test]
fn pictures_become_numbers_from_0_to_1() {
    let data = small_pictures(2);
    let plain = only_batch(&Loader::new(&data));
    assert_eq!((plain.shape(), plain.dtype()), ([2, 3, 4, 5].as_slice(), DType::F32));
    assert_eq!(plain.to_vec::<f32>()[7], 7.0 / 255.0);
    let normal = only_batch(&Loader::new(&data).normalize(&[0.0, 0.5, 0.0], &[1.0, 0.25, 1.0])).to_vec::<f32>();
    assert_eq!(normal[3], 3.0 / 255.0);
    assert!((normal[20] - (20.0 / 255.0 - 0.5) / 0.25).abs() < 1e-6);
}

#[test]
fn flips_and_crops_move_pixels() {
    let data = small_pictures(64);
    let plain = only_batch(&Loader::new(&data));
    let flipped = only_batch(&Loader::new(&data).random_flip());
    let mirror = plain.flip(&[-1]);
    let kinds: Vec<bool> = (0..64).map(|i| {
        let picture = flipped.select(0, i).to_vec::<f32>();
        let (is_plain, is_mirror) = (picture == plain.select(0, i).to_vec::<f32>(), picture == mirror.select(0, i).to_vec::<f32>());
        assert!(is_plain != is_mirror, "picture {i} is neither or both");
        is_mirror
    }).collect();
    let mirrored = kinds.iter().filter(|&&k| k).count();
    assert!((16..48).contains(&mirrored), "{mirrored} of 64");
    let cropped = only_batch(&Loader::new(&data).random_crop(1));
    let mut places = std::collections::BTreeSet::new();
    for i in 0..64 {
        let original = plain.select(0, i);
        let padded = padded(&original);
        let picture = cropped.select(0, i).to_vec::<f32>();
        let place = (0..3).flat_map(|y| (0..3).map(move |x| (y, x))).find(|&(y, x)| padded.narrow(1, y, 4).narrow(2, x, 5).to_vec::<f32>() == picture);
        places.insert(place.unwrap_or_else(|| panic!("picture {i} is no window of its padded original")));
    }
    assert!(places.len() >= 7, "{places:?}");
    let again = only_batch(&Loader::new(&data).random_crop(1));
    assert_eq!(cropped.to_vec::<f32>(), again.to_vec::<f32>(), "the same seed and pass give the same pictures");
}

/// One row and column of zeros on each side.
fn padded(picture: &Tensor) -> Tensor {
    let rows = Tensor::zeros(&[3, 1, 5]);
    let tall = Tensor::cat(&[&rows, picture, &rows], 1);
    let columns = Tensor::zeros(&[3, 6, 1]);
    Tensor::cat(&[&columns, &tall, &columns], 2)
}

#[test]
fn changes_for_pictures_are_refused_elsewhere() {
    let error = Loader::new(&counted(4)).random_flip().pass(0).try_next().expect("a batch or an error").err().expect("an error");
    assert!(error.to_string().contains("[4, 1]"), "{error}");
    let error = Loader::new(&small_pictures(4)).normalize(&[0.5], &[0.5]).pass(0).try_next().expect("a batch or an error").err().expect("an error");
    assert!(error.to_string().contains("3 channels"), "{error}");
}

#[test]
fn the_order_in_which_changes_are_named_is_nothing_and_none_is_named_twice() {
    let data = small_pictures(8);
    let one = Loader::new(&data).random_flip().random_crop(1).normalize(&[0.5; 3], &[0.25; 3]);
    let other = Loader::new(&data).normalize(&[0.5; 3], &[0.25; 3]).random_crop(1).random_flip();
    assert_eq!(only_batch(&one).to_vec::<f32>(), only_batch(&other).to_vec::<f32>());
    type Twice = fn(Loader) -> Loader;
    let calls: [(&str, Twice); 3] = [("random_flip", |l| l.random_flip()), ("random_crop", |l| l.random_crop(2)), ("normalize", |l| l.normalize(&[0.0; 3], &[1.0; 3]))];
    for (name, again) in calls {
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(again(one.clone())))).expect_err("it is refused");
        let text = refused.downcast_ref::<String>().cloned().unwrap_or_default();
        assert!(text.contains(name) && text.contains("said before"), "{text}");
    }
}

#[test]
fn batches_go_through_functions_of_ones_own() {
    let data = counted(6);
    let loader = Loader::new(&data).batch(4).map(|x| x * 10.0).map(|x| x + 1.0);
    let seen: Vec<Vec<f32>> = loader.pass(0).map(|(x, _)| x.to_vec::<f32>()).collect();
    assert_eq!(seen, [vec![1.0, 11.0, 21.0, 31.0], vec![41.0, 51.0]]);
    let identity = ochre_nn::nn::Lambda::new("identity", Tensor::clone);
    assert_eq!(ochre_nn::predict(&identity, &loader).to_vec::<f32>(), seen.concat(), "what is judged goes through them, too");
    let pictures = Loader::new(&small_pictures(4)).normalize(&[0.5; 3], &[0.5; 3]).map(|x| x.flatten(1, -1));
    assert_eq!(only_batch(&pictures).shape(), [4, 60]);
    let error = Loader::new(&data).map(|x| x.narrow(0, 0, 1)).pass(0).try_next().expect("a batch or an error").err().expect("an error");
    assert!(error.to_string().contains("map: of 6 samples") && error.to_string().contains("[1, 1]"), "{error}");
}

#[test]
fn nothing_is_a_source_of_nothing() {
    assert!(().loader(4, None).is_none() && None::<Loader>.loader(4, None).is_none());
    assert_eq!(counted(5).loader(2, None).map(|l| l.len()), Some(3));
}

// --- CIFAR-10 ---------------------------------------------------------------------------------------------------------------

/// A record: its class, and pixels that follow from class and number.
fn record(class: u8, number: usize) -> Vec<u8> {
    std::iter::once(class).chain((0..3072).map(|i| (i * 7 + number * 13 + usize::from(class)) as u8)).collect()
}

fn batch(first: usize, count: usize) -> Vec<u8> {
    (first..first + count).flat_map(|n| record((n % 10) as u8, n)).collect()
}

const NAMES: &str = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";

fn files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = (1..=5).map(|b| (format!("data_batch_{b}.bin"), batch(b * 20, 20))).collect();
    files.push(("test_batch.bin".into(), batch(7, 15)));
    files.push(("batches.meta.txt".into(), NAMES.as_bytes().to_vec()));
    files.push(("readme.html".into(), b"<html>".to_vec()));
    files
}

fn written(folder: &Path) {
    for (name, bytes) in files() {
        std::fs::write(folder.join(name), bytes).expect("written");
    }
}

#[track_caller]
fn is_ours(place: &Path) {
    let cifar = cifar10(text(place)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((cifar.train.len(), cifar.test.len()), (100, 15));
    assert_eq!((cifar.train.inputs().shape(), cifar.train.inputs().dtype()), ([100, 3, 32, 32].as_slice(), DType::U8));
    assert_eq!(cifar.train.targets().to_vec::<i64>(), (20..120).map(|n| n % 10).collect::<Vec<_>>());
    let (picture, class) = cifar.test.get(3);
    assert_eq!((class.item(), picture.to_vec::<u8>()), (0.0, record(0, 10)[1..].to_vec()));
    assert_eq!((cifar.classes()[3].as_str(), cifar.train.class(9)), ("cat", "truck".to_owned()));
}

#[test]
fn cifar10_from_a_folder() {
    let folder = folder();
    written(folder.path());
    is_ours(folder.path());
    let above = self::folder();
    let inner = above.path().join("cifar-10-batches-bin");
    std::fs::create_dir(&inner).expect("a folder");
    written(&inner);
    is_ours(above.path());
}

/// A tar as GNU tar writes it.
fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut member = |name: &str, kind: u8, bytes: &[u8]| {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = kind;
        header[257..263].copy_from_slice(b"ustar ");
        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend(header);
        out.extend(bytes);
        out.resize(out.len().div_ceil(512) * 512, 0);
    };
    member("cifar-10-batches-bin/", b'5', b"");
    for (name, bytes) in files {
        let full = format!("cifar-10-batches-bin/{name}");
        // One member gets its name the long way.
        if name.contains("batch_3") {
            member("././@LongLink", b'L', format!("{full}\0").as_bytes());
            member("cut", b'0', bytes);
        } else {
            member(&full, b'0', bytes);
        }
    }
    out.extend([0; 1024]);
    out
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(bytes).expect("packed");
    gz.finish().expect("packed")
}

#[test]
fn cifar10_from_the_official_archive() {
    let folder = folder();
    let archive = folder.path().join("cifar-10-binary.tar.gz");
    let whole = gzipped(&tar(&files()));
    std::fs::write(&archive, &whole).expect("written");
    is_ours(&archive);
    std::fs::write(&archive, &whole[..whole.len() / 2]).expect("written");
    let error = cifar10(text(&archive)).err().expect("an error").to_string();
    assert!(error.contains("cut short or damaged"), "{error}");
    let unpacked = folder.path().join("cifar.tar");
    std::fs::write(&unpacked, tar(&files())).expect("written");
    is_ours(&unpacked);
    std::fs::write(&unpacked, [b"this is no archive at all".as_slice(), &[7; 1000]].concat()).expect("written");
    let error = cifar10(text(&unpacked)).err().expect("an error").to_string();
    assert!(error.contains("neither a .tar, a .tar.gz nor a .zip"), "{error}");
}

#[test]
fn damaged_cifar10_files_are_told() {
    let folder = folder();
    written(folder.path());
    let file = folder.path().join("data_batch_2.bin");
    std::fs::write(&file, &batch(0, 20)[..5000]).expect("written");
    let error = cifar10(text(folder.path())).err().expect("an error").to_string();
    assert!(error.contains("data_batch_2.bin") && error.contains("5000 bytes") && error.contains("3073"), "{error}");
    let mut wrong = batch(0, 20);
    wrong[3 * 3073] = 57;
    std::fs::write(&file, wrong).expect("written");
    let error = cifar10(text(folder.path())).err().expect("an error").to_string();
    assert!(error.contains("record 3") && error.contains("class 57"), "{error}");
    std::fs::write(&file, batch(0, 20)).expect("written");
    std::fs::write(folder.path().join("batches.meta.txt"), "cat\ndog\n").expect("written");
    assert!(cifar10(text(folder.path())).err().expect("an error").to_string().contains("2 classes instead of 10"));
    assert!(cifar10("/nowhere/at/all").err().expect("an error").to_string().contains("neither a folder nor a file"));
    assert!(cifar10("az://container/cifar").err().expect("an error").to_string().contains("nobody here who knows such addresses"));
}

#[test]
fn digits_as_scikit_learn_has_them() {
    let folder = folder();
    let line = |digit: usize| (0..64).map(|i| format!("{}.0", (i + digit) % 17)).chain([digit.to_string()]).collect::<Vec<_>>().join(",");
    let lines: Vec<String> = (0..20).map(|i| line(i % 10)).collect();
    let file = folder.path().join("digits.csv.gz");
    std::fs::write(&file, gzipped(lines.join("\n").as_bytes())).expect("written");
    for place in [file.as_path(), folder.path()] {
        let data = digits(text(place)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((data.len(), data.inputs().shape()), (20, [20, 1, 8, 8].as_slice()));
        assert_eq!(data.get(13).0.to_vec::<f32>()[..2], [3.0 / 16.0, 4.0 / 16.0]);
        assert_eq!((data.get(13).1.item(), data.class(3)), (3.0, "3".to_owned()));
    }
    let plain = folder.path().join("optdigits.tes");
    for (bad, problem) in [("1,2,3".to_owned(), "has 3 numbers"), (lines[0].replace(",0", ",x"), "no number"), (line(3).replace(",3", ",33"), "from 0 to")] {
        std::fs::write(&plain, format!("{}\n{bad}\n", lines[1])).expect("written");
        let error = digits(text(&plain)).err().expect("an error").to_string();
        assert!(error.contains("line 2") && error.contains(problem), "{error}");
    }
}

#[cfg(not(feature = "pictures"))]
#[test]
fn without_the_feature_pictures_are_refused_with_a_reason() {
    let folder = folder();
    assert!(pictures(text(folder.path())).err().expect("an error").to_string().contains("reads no picture files"));
    assert!(cifar10(text(folder.path())).err().expect("an error").to_string().contains("data_batch_1.bin"));
}

#[cfg(feature = "pictures")]
mod of_pictures {
    use super::*;
    use image::{ImageFormat, Rgb, RgbImage};

    fn png(class: u8, number: u8) -> Vec<u8> {
        let picture = RgbImage::from_fn(6, 4, |x, y| Rgb([class * 20, number, (x * 10 + y) as u8]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).expect("a PNG");
        bytes.into_inner()
    }

    fn by_class(folder: &Path) {
        for (class, name) in [(0, "airplane"), (3, "cat")] {
            std::fs::create_dir_all(folder.join(name)).expect("a folder");
            for number in 0..12 {
                std::fs::write(folder.join(name).join(format!("{number:02}.png")), png(class, number)).expect("written");
            }
        }
    }

    #[test]
    fn pngs_by_class_from_a_folder() {
        let folder = folder();
        by_class(folder.path());
        let data = pictures(text(folder.path())).expect("read");
        assert_eq!((data.len(), data.inputs().shape(), data.classes()[3].as_str()), (24, [24, 3, 4, 6].as_slice(), "cat"));
        let (picture, class) = data.get(14);
        assert_eq!(class.item(), 3.0);
        let pixels = picture.to_vec::<u8>();
        assert_eq!((pixels[0], pixels[24], pixels[48..54].to_vec()), (60, 2, vec![0, 10, 20, 30, 40, 50]), "planes of red, green and blue");
        let cifar = cifar10(text(folder.path())).expect("read");
        assert_eq!((cifar.train.len(), cifar.test.len(), cifar.test.targets().to_vec::<i64>()), (20, 4, vec![0, 0, 3, 3]));
    }

    /// A zip of deflated members, as `zip -r` makes one.
    fn zip(members: &[(String, Vec<u8>)]) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (name, bytes) in members {
            let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), Compression::best());
            packer.write_all(bytes).expect("packed");
            let packed = packer.finish().expect("packed");
            let mut sum = flate2::Crc::new();
            sum.update(bytes);
            let at = out.len() as u32;
            let mut common = [20u8, 0, 0, 0, 8, 0, 0, 0, 0x21, 0].to_vec();
            for number in [sum.sum(), packed.len() as u32, bytes.len() as u32] {
                common.extend(number.to_le_bytes());
            }
            common.extend((name.len() as u16).to_le_bytes());
            // The extra field of a file's header differs from that in the directory, as Info-ZIP has it.
            out.extend([b"PK\x03\x04".as_slice(), &common, &[4, 0], name.as_bytes(), &[9, 9, 0, 0], &packed].concat());
            directory.extend([b"PK\x01\x02\x1e\x03".as_slice(), &common, &[0; 12], &at.to_le_bytes(), name.as_bytes()].concat());
        }
        let (count, size, at) = ((members.len() as u16).to_le_bytes(), (directory.len() as u32).to_le_bytes(), (out.len() as u32).to_le_bytes());
        let note = b"a comment";
        let end = [b"PK\x05\x06\0\0\0\0".as_slice(), &count, &count, &size, &at, &(note.len() as u16).to_le_bytes(), note].concat();
        [out, directory, end].concat()
    }

    #[test]
    fn pngs_by_class_from_a_zip_with_two_parts() {
        let folder = folder();
        let mut members: Vec<(String, Vec<u8>)> = vec![("cifar/".into(), Vec::new()), ("__MACOSX/cifar/train/dog/._0.png".into(), vec![1])];
        members.extend((0..6).map(|n| (format!("cifar/{}/dog/{n}.png", if n < 4 { "train" } else { "test" }), png(5, n))));
        for (file, bytes) in [("pictures.zip", zip(&members)), ("pictures.tar.gz", gzipped(&tar(&members)))] {
            let file = folder.path().join(file);
            std::fs::write(&file, bytes).expect("written");
            let cifar = cifar10(text(&file)).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!((cifar.train.len(), cifar.test.len(), cifar.train.targets().to_vec::<i64>()), (4, 2, vec![5; 4]));
        }
    }

    #[test]
    fn odd_pictures_are_told() {
        let folder = folder();
        by_class(folder.path());
        let odd = folder.path().join("cat/zz.png");
        std::fs::write(&odd, b"not a picture").expect("written");
        assert!(pictures(text(folder.path())).err().expect("an error").to_string().contains("zz.png"));
        let mut bytes = std::io::Cursor::new(Vec::new());
        RgbImage::new(9, 9).write_to(&mut bytes, ImageFormat::Png).expect("a PNG");
        std::fs::write(&odd, bytes.into_inner()).expect("written");
        let error = pictures(text(folder.path())).err().expect("an error").to_string();
        assert!(error.contains("9 x 9") && error.contains("6 x 4"), "{error}");
    }

    #[test]
    fn pictures_to_tensors_and_back() {
        let picture = image::DynamicImage::ImageRgb8(RgbImage::from_fn(3, 2, |x, y| Rgb([x as u8, y as u8, 200])));
        let tensor = ochre_nn::data::from_image(&picture);
        assert_eq!(tensor.shape(), [3, 2, 3]);
        assert_eq!(ochre_nn::data::to_image(&tensor).expect("a picture"), picture);
        let floats = tensor.to_dtype(DType::F32) / 255.0;
        assert_eq!(ochre_nn::data::to_image(&floats).expect("a picture"), picture);
        assert!(ochre_nn::data::to_image(&Tensor::zeros(&[2, 3, 3])).err().expect("an error").to_string().contains("[2, 3, 3]"));
    }
}
