//! Changes to pictures on their way into a batch. All of them at once, from the stored pixels straight into the batch's memory, on all cores.
use crate::bridge;
use crate::error::{NnError, Result};
use crate::random::Random;
use ochre_tensors::{Buffer, DType, Raw, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

/// A change to a picture `[C, H, W]`, or to a whole batch. Whatever order they were named in, a picture is mirrored, then cut, then normalised; then
/// the batch goes through what `Map` says. Of the first three a loader takes one each.
#[derive(Clone)]
pub enum Transform {
    /// Left and right change places with this probability.
    Flip { probability: f64 },
    /// Zeros are added on all sides, and a window of the old size is cut out somewhere.
    Crop { padding: usize },
    /// `(x - mean) / std` for each channel.
    Normalize { mean: Vec<f32>, std: Vec<f32> },
    /// Anything else: gets the inputs of a batch, `[N, …]`, and gives those that the model is to see. Several are applied in their order; they are
    /// also applied where data are judged.
    Map(Map),
}

/// What [`Transform::Map`] does.
pub type Map = Arc<dyn Fn(&Tensor) -> Tensor + Send + Sync>;

impl Transform {
    /// Its name, as the loader's method has it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Flip { .. } => "random_flip",
            Self::Crop { .. } => "random_crop",
            Self::Normalize { .. } => "normalize",
            Self::Map(_) => "map",
        }
    }
}

/// What happens to one picture of a batch.
struct Change {
    flip: bool,
    /// Where the window's corner lies, relative to the picture's.
    shift: [isize; 2],
}

/// A list of changes in one piece.
#[derive(Clone, Default)]
pub(super) struct Recipe {
    pub flip: f64,
    pub crop: usize,
    pub normal: Option<(Vec<f32>, Vec<f32>)>,
    pub maps: Vec<Map>,
}

impl Recipe {
    pub fn of(list: &[Transform]) -> Self {
        let mut recipe = Self::default();
        for one in list {
            match one {
                Transform::Flip { probability } => recipe.flip = *probability,
                Transform::Crop { padding } => recipe.crop = *padding,
                Transform::Normalize { mean, std } => recipe.normal = Some((mean.clone(), std.clone())),
                Transform::Map(map) => recipe.maps.push(map.clone()),
            }
        }
        recipe
    }

    /// The inputs of a batch as the model sees them: whatever the user does with them, last.
    pub fn mapped(&self, inputs: Tensor) -> Result<Tensor> {
        let count = inputs.shape().first().copied();
        let mapped = self.maps.iter().fold(inputs, |inputs, map| map(&inputs));
        if mapped.shape().first().copied() == count {
            return Ok(mapped);
        }
        Err(NnError::Data(format!("map: of {} samples it makes a tensor of shape {:?}: the first dimension has to stay", count.unwrap_or(0), mapped.shape())))
    }

    /// Whether pictures stay as they are.
    pub fn is_empty(&self) -> bool {
        self.flip == 0.0 && self.crop == 0 && self.normal.is_none()
    }

    /// Rows of pictures `[N, C, H, W]` (u8 or f32, on the CPU, row-major) as an f32 batch.
    pub fn batch(&self, pictures: &Tensor, rows: &[usize], random: &Random) -> Result<Tensor> {
        let &[_, channels, height, width] = pictures.shape() else {
            return Err(NnError::Data(format!("pictures are [N, C, H, W]; these have the shape {:?}: flips, crops and normalising by channel are for pictures", pictures.shape())));
        };
        self.check(channels)?;
        let size = [channels, height, width];
        let changes = self.draw_all(rows.len(), random);
        let raw = pictures.raw();
        let mut out = vec![0f32; rows.len() * channels * height * width];
        match source(&raw) {
            Some(Pixels::Bytes(bytes)) => self.fill(&mut out, size, rows, &changes, |at| f32::from(bytes[at]) / 255.0),
            Some(Pixels::Floats(floats)) => self.fill(&mut out, size, rows, &changes, |at| floats[at]),
            None => return Err(NnError::Data(format!("pictures have to be u8 or f32 on the CPU, these are {} on {}", pictures.dtype(), pictures.device()))),
        }
        bridge::tensor(out.into(), &[rows.len(), channels, height, width])
    }

    fn check(&self, channels: usize) -> Result<()> {
        match &self.normal {
            Some((mean, std)) if mean.len() != channels || std.len() != channels => {
                Err(NnError::Data(format!("normalising: {} means and {} deviations for pictures of {channels} channels", mean.len(), std.len())))
            }
            Some((_, std)) if std.contains(&0.0) => Err(NnError::Data("normalising: a deviation is 0".to_owned())),
            _ => Ok(()),
        }
    }

    /// For each picture of a batch, from its place in it alone.
    fn draw_all(&self, count: usize, random: &Random) -> Vec<Change> {
        let seed = random.clone().next();
        (0..count).map(|i| self.draw(&mut Random::for_purpose(seed, i as u64))).collect()
    }

    fn draw(&self, random: &mut Random) -> Change {
        let flip = self.flip > 0.0 && random.uniform() < self.flip;
        let mut shift = || if self.crop == 0 { 0 } else { random.below(2 * self.crop + 1) as isize - self.crop as isize };
        Change { flip, shift: [shift(), shift()] }
    }

    fn fill(&self, out: &mut [f32], [channels, height, width]: [usize; 3], rows: &[usize], changes: &[Change], pixel: impl Fn(usize) -> f32 + Sync) {
        let size = channels * height * width;
        out.par_chunks_mut(size.max(1)).zip(rows.par_iter().zip(changes)).for_each(|(picture, (&row, change))| {
            for (index, line) in picture.chunks_mut(width).enumerate() {
                let (channel, y) = (index / height, index % height);
                let (mean, scale) = self.normal.as_ref().map_or((0.0, 1.0), |(m, s)| (m[channel], 1.0 / s[channel]));
                let from = y as isize + change.shift[0];
                if from < 0 || from >= height as isize {
                    line.fill(-mean * scale);
                    continue;
                }
                let begin = row * size + (channel * height + from as usize) * width;
                for (x, value) in line.iter_mut().enumerate() {
                    let x = if change.flip { width - 1 - x } else { x } as isize + change.shift[1];
                    let seen = if x < 0 || x >= width as isize { 0.0 } else { pixel(begin + x as usize) };
                    *value = (seen - mean) * scale;
                }
            }
        });
    }

    /// The same for pictures `[N, C, H, W]` on any device (f32, from 0 to 1), with the operations of tensors: for data sets that lie on a GPU.
    pub fn on_device(&self, batch: &Tensor, random: &Random) -> Result<Tensor> {
        if self.is_empty() {
            return Ok(batch.clone());
        }
        let &[count, channels, height, width] = batch.shape() else {
            return Err(NnError::Data(format!("pictures are [N, C, H, W]; these have the shape {:?}: flips, crops and normalising by channel are for pictures", batch.shape())));
        };
        self.check(channels)?;
        let mut moved = batch.clone();
        if self.flip > 0.0 || self.crop > 0 {
            let changes = self.draw_all(count, random);
            let border = self.crop as i64;
            let padded = batch.pad(&[border; 4], 0.0);
            // Which row and which column of the padded picture each one of the window comes from.
            let place = |change: &Change, i: usize, axis: usize, size: usize| {
                let i = if axis == 1 && change.flip { size - 1 - i } else { i };
                i as i64 + change.shift[axis] as i64 + border
            };
            let places = |axis: usize, size: usize| changes.iter().flat_map(|c| (0..size).map(move |i| place(c, i, axis, size))).collect::<Vec<i64>>();
            let rows = Tensor::from_vec(places(0, height), &[count, 1, height, 1]).to_device(&batch.device());
            let columns = Tensor::from_vec(places(1, width), &[count, 1, 1, width]).to_device(&batch.device());
            let tall = padded.gather(2, &rows.expand(&[count, channels, height, padded.shape()[3]]));
            moved = tall.gather(3, &columns.expand(&[count, channels, height, width]));
        }
        let Some((mean, std)) = &self.normal else { return Ok(moved) };
        let channelwise = |values: &[f32]| Tensor::from_vec(values.to_vec(), &[1, values.len(), 1, 1]).to_device(&batch.device());
        Ok((moved - channelwise(mean)) / channelwise(std))
    }
}

/// Stored pixels.
enum Pixels<'a> {
    Bytes(&'a [u8]),
    Floats(&'a [f32]),
}

fn source(raw: &Raw) -> Option<Pixels<'_>> {
    if !raw.layout.is_contiguous() {
        return None;
    }
    let ochre_tensors::Storage::Cpu(buffer) = &raw.storage else { return None };
    match (&**buffer, raw.dtype) {
        (Buffer::U8(bytes), DType::U8) => Some(Pixels::Bytes(bytes.get(raw.layout.range())?)),
        (Buffer::F32(floats), DType::F32) => Some(Pixels::Floats(floats.get(raw.layout.range())?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_makes_the_same_pictures() {
        let pixels: Vec<u8> = (0..20 * 3 * 5 * 7).map(|i| (i * 31 % 256) as u8).collect();
        let pictures = Tensor::from_vec(pixels, &[20, 3, 5, 7]);
        let normal = Transform::Normalize { mean: vec![0.5, 0.4, 0.3], std: vec![0.25, 0.2, 0.3] };
        let all = [Transform::Flip { probability: 0.5 }, Transform::Crop { padding: 2 }, normal];
        let rows: Vec<usize> = (0..20).rev().collect();
        for list in [&all[..], &all[..1], &all[1..2], &all[2..], &[]] {
            let recipe = Recipe::of(list);
            let on_cores = recipe.batch(&pictures, &rows, &Random::new(7)).expect("a batch").to_vec::<f32>();
            let stored = pictures.flip(&[0]).to_dtype(DType::F32) / 255.0;
            let by_operations = recipe.on_device(&stored, &Random::new(7)).expect("a batch").to_vec::<f32>();
            assert!(on_cores.iter().zip(&by_operations).all(|(a, b)| (a - b).abs() < 1e-5), "{:?}", list.iter().map(Transform::name).collect::<Vec<_>>());
        }
    }
}
