//! Pictures in folders or archives, one folder for each class: read into one tensor. Decoding is the crate `image`'s.
use super::cifar::Cifar10;
use super::dataset::Dataset;
use super::fetch::local;
use crate::error::{NnError, Result};
use std::path::Path;

#[cfg(not(feature = "pictures"))]
const NO_PICTURES: &str = "this build reads no picture files";

/// Pictures laid out by class (`cat/1.png`, `dog/7.jpg`, at any depth: the folder that a picture is in is its class) from a folder, a .zip, a
/// .tar.gz, or an address of one: inputs `[N, 3, H, W]` (u8), classes in alphabetical order.
///
/// # Errors
/// There are no pictures, one cannot be decoded, or they differ in size (the file is told).
pub fn pictures(dir_or_url: &str) -> Result<Dataset> {
    read(&local(dir_or_url)?)
}

#[cfg(not(feature = "pictures"))]
fn read(path: &Path) -> Result<Dataset> {
    Err(NnError::format(path.display(), NO_PICTURES))
}

#[cfg(not(feature = "pictures"))]
pub(super) fn cifar_of_pictures(path: &Path) -> Result<Cifar10> {
    Err(NnError::format(path.display(), format!("it has neither data_batch_1.bin … nor test_batch.bin, and {NO_PICTURES}")))
}

#[cfg(feature = "pictures")]
pub use decoded::{from_image, picture, to_image};
#[cfg(feature = "pictures")]
use decoded::read;
#[cfg(feature = "pictures")]
pub(super) use decoded::cifar_of_pictures;

#[cfg(feature = "pictures")]
mod decoded {
    use super::super::archive::walk;
    use super::super::cifar::CIFAR10_CLASSES;
    use super::{Cifar10, Dataset, NnError, Path, Result, local};
    use crate::bridge::{buffer, tensor};
    use image::{DynamicImage, RgbImage};
    use ochre_tensors::{Buffer, DType, Tensor};
    use rayon::prelude::*;
    use std::collections::BTreeSet;

    /// Every sixth picture of a class is for testing where the layout has no two parts: CIFAR-10's own proportion.
    const TEST_EVERY: usize = 6;

    /// A file of a picture and where it was.
    struct Found {
        name: String,
        bytes: Vec<u8>,
    }

    impl Found {
        /// The folder that it is in.
        fn class(&self) -> &str {
            self.name.rsplit('/').nth(1).unwrap_or("")
        }

        fn is_test(&self) -> Option<bool> {
            self.name.split('/').rev().skip(1).find_map(|part| match part {
                "train" | "training" => Some(false),
                "test" | "val" | "valid" | "validation" => Some(true),
                _ => None,
            })
        }
    }

    fn is_picture(name: &str) -> bool {
        let lower = name.to_lowercase();
        let file = lower.rsplit('/').next().unwrap_or_default();
        !file.starts_with('.') && !lower.contains("__macosx/") && [".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"].iter().any(|end| file.ends_with(end))
    }

    fn find(path: &Path) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        if path.is_dir() {
            descend(path, path, &mut found)?;
        } else {
            walk(path, &mut |name, from, size| {
                if is_picture(name) {
                    let mut bytes = Vec::with_capacity(size.min(1 << 24) as usize);
                    from.read_to_end(&mut bytes).map_err(|e| NnError::format(name, format!("it is cut short or damaged ({e})")))?;
                    found.push(Found { name: name.to_owned(), bytes });
                }
                Ok(true)
            })?;
        }
        if found.is_empty() {
            return Err(NnError::format(path.display(), "there are neither CIFAR-10's binary files (data_batch_1.bin …, test_batch.bin) nor pictures in folders by class in it"));
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn descend(root: &Path, folder: &Path, found: &mut Vec<Found>) -> Result<()> {
        let entries = std::fs::read_dir(folder).map_err(|e| NnError::file("reading", folder, e))?;
        for path in entries.flatten().map(|e| e.path()) {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            if path.is_dir() {
                descend(root, &path, found)?;
            } else if is_picture(&name) {
                let bytes = std::fs::read(&path).map_err(|e| NnError::file("reading", &path, e))?;
                // The root's own name is the class of pictures that lie in it.
                let above = root.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                let name = if name.contains('/') { name } else { format!("{above}/{name}") };
                found.push(Found { name, bytes });
            }
        }
        Ok(())
    }

    fn decode(found: &[Found]) -> Result<(Vec<u8>, [usize; 2])> {
        let pictures: Vec<RgbImage> = found
            .par_iter()
            .map(|f| image::load_from_memory(&f.bytes).map(|p| p.into_rgb8()).map_err(|e| NnError::format(&f.name, format!("it is no picture that can be decoded ({e})"))))
            .collect::<Result<_>>()?;
        let (width, height) = pictures.first().map_or((0, 0), RgbImage::dimensions);
        if let Some((other, one)) = pictures.iter().zip(found).find(|(p, _)| p.dimensions() != (width, height)) {
            let (w, h) = other.dimensions();
            return Err(NnError::format(&one.name, format!("it is {w} x {h} pixels, the first one ({}) {width} x {height}: bring them to one size first", found[0].name)));
        }
        let plane = (width * height) as usize;
        let mut pixels = vec![0u8; found.len() * 3 * plane];
        pixels.par_chunks_mut((3 * plane).max(1)).zip(&pictures).for_each(|(into, picture)| planes(picture.as_raw(), into, plane));
        Ok((pixels, [height as usize, width as usize]))
    }

    /// From pixels of three bytes to three planes.
    fn planes(interleaved: &[u8], into: &mut [u8], plane: usize) {
        for (i, pixel) in interleaved.as_chunks::<3>().0.iter().enumerate() {
            for (channel, &value) in pixel.iter().enumerate() {
                into[channel * plane + i] = value;
            }
        }
    }

    fn classes(found: &[Found]) -> Vec<String> {
        let names: BTreeSet<&str> = found.iter().map(Found::class).collect();
        let cifar: BTreeSet<&str> = CIFAR10_CLASSES.into();
        if names.is_subset(&cifar) { CIFAR10_CLASSES.map(str::to_owned).to_vec() } else { names.into_iter().map(str::to_owned).collect() }
    }

    fn dataset(found: &[Found], names: &[String]) -> Result<Dataset> {
        let (pixels, [height, width]) = decode(found)?;
        let classes: Vec<i64> = found.iter().map(|f| names.iter().position(|n| n == f.class()).unwrap_or(0) as i64).collect();
        let count = classes.len();
        Ok(Dataset::try_new(&tensor(pixels.into(), &[count, 3, height, width])?, &tensor(classes.into(), &[count])?)?.with_classes(names))
    }

    pub fn read(path: &Path) -> Result<Dataset> {
        let found = find(path)?;
        dataset(&found, &classes(&found))
    }

    pub fn cifar_of_pictures(path: &Path) -> Result<Cifar10> {
        let found = find(path)?;
        let names = classes(&found);
        let parted = found.iter().any(|f| f.is_test().is_some());
        let mut seen = vec![0usize; names.len()];
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for one in found {
            let class = names.iter().position(|n| n == one.class()).unwrap_or(0);
            seen[class] += 1;
            let for_test = if parted { one.is_test() == Some(true) } else { seen[class] % TEST_EVERY == 0 };
            if for_test { test.push(one) } else { train.push(one) }
        }
        Ok(Cifar10 { train: dataset(&train, &names)?, test: dataset(&test, &names)? })
    }

    /// A picture file (PNG, JPEG, BMP, GIF, WebP) as a tensor `[3, H, W]` of u8, from a path or an address.
    ///
    /// # Errors
    /// It cannot be found, or is no picture that can be decoded.
    pub fn picture(path_or_url: &str) -> Result<Tensor> {
        let path = local(path_or_url)?;
        let bytes = std::fs::read(&path).map_err(|e| NnError::file("reading", &path, e))?;
        let decoded = image::load_from_memory(&bytes).map_err(|e| NnError::format(path.display(), format!("it is no picture that can be decoded ({e})")))?;
        Ok(from_image(&decoded))
    }

    /// A picture as a tensor `[3, H, W]` of u8 (transparency is left out).
    pub fn from_image(picture: &DynamicImage) -> Tensor {
        let rgb = picture.to_rgb8();
        let (width, height) = rgb.dimensions();
        let plane = (width * height) as usize;
        let mut pixels = vec![0u8; 3 * plane];
        planes(rgb.as_raw(), &mut pixels, plane);
        Tensor::from_vec(pixels, &[3, height as usize, width as usize])
    }

    /// A tensor `[H, W]`, `[1, H, W]` or `[3, H, W]` as a picture: u8 as it is, floats from 0 to 1.
    ///
    /// # Errors
    /// The shape or the type is another one.
    pub fn to_image(picture: &Tensor) -> Result<DynamicImage> {
        let bad = || NnError::Data(format!("a picture is [H, W], [1, H, W] or [3, H, W] of u8 or floats; this is {} {:?}", picture.dtype(), picture.shape()));
        let (channels, height, width) = match *picture.shape() {
            [h, w] => (1, h, w),
            [c @ (1 | 3), h, w] => (c, h, w),
            _ => return Err(bad()),
        };
        let bytes: Vec<u8> = match buffer(&if picture.dtype().is_float() { picture.to_dtype(DType::F32) } else { picture.clone() })? {
            Buffer::U8(bytes) => bytes.to_vec(),
            Buffer::F32(floats) => floats.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8).collect(),
            _ => return Err(bad()),
        };
        let plane = width * height;
        let pixels: Vec<u8> = (0..plane).flat_map(|i| (0..3).map(move |c| (i, c))).map(|(i, c)| bytes[(c % channels) * plane + i]).collect();
        RgbImage::from_raw(width as u32, height as u32, pixels).map(DynamicImage::ImageRgb8).ok_or_else(bad)
    }
}
