//! Tensors as pictures: `ochre::image(&x)`, `ochre::images(&[x, y], …)`.
use crate::{PlotError, ToPicture};
use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};
use ochre_tensors::{DType, Tensor};

/// `[H, W]`, or channels first as PyTorch has them: `[1, H, W]` grey, `[3, H, W]` RGB, `[4, H, W]` RGBA. Integers from 0 to 255, floats from 0 to 1,
/// booleans black and white; what lies outside is cut off.
impl ToPicture for Tensor {
    fn to_picture(&self) -> Result<DynamicImage, PlotError> {
        let (channels, height, width) = match *self.shape() {
            [height, width] => (1, height, width),
            [channels @ (1 | 3 | 4), height, width] => (channels, height, width),
            _ => return Err(wrong_shape(self)),
        };
        if self.is_empty() {
            return Err(PlotError::Empty(format!("the tensor's shape is {:?}", self.shape())));
        }
        let unreadable = |error: ochre_tensors::TensorError| PlotError::Drawing(error.to_string());
        let planes = levels(self).map_err(unreadable)?;
        let area = height * width;
        let pixels: Vec<u8> = (0..area).flat_map(|at| (0..channels).map(move |channel| channel * area + at)).map(|at| planes[at]).collect();
        let (width, height) = (width as u32, height as u32);
        let picture = match channels {
            1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
            3 => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
            _ => RgbaImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgba8),
        };
        picture.ok_or_else(|| wrong_shape(self))
    }
}

fn wrong_shape(tensor: &Tensor) -> PlotError {
    let hint = match *tensor.shape() {
        [_, _, 1 | 3 | 4] => "put the channels first with `.permute(&[2, 0, 1])`",
        [_, 1 | 3 | 4, _, _] | [_, _, _] => "of a batch take one picture (`x.select(0, 0)`), or show all: `ochre::images(&x.unbind(0), …)`",
        _ => "pictures are [H, W], or [C, H, W] with 1, 3 or 4 channels",
    };
    PlotError::NotAPictureTensor { shape: format!("{:?}", tensor.shape()), hint }
}

/// The elements from 0 to 255, row by row and plane by plane.
fn levels(tensor: &Tensor) -> Result<Vec<u8>, ochre_tensors::TensorError> {
    // Turned into what is read on the device, so that one byte or word for each element comes over.
    let tensor = tensor.detach();
    Ok(match tensor.dtype() {
        DType::U8 => tensor.to_vec::<u8>(),
        DType::Bool => tensor.to_vec::<bool>().into_iter().map(|on| if on { 255 } else { 0 }).collect(),
        DType::I32 | DType::I64 => tensor.to_vec::<i64>().into_iter().map(|level| level.clamp(0, 255) as u8).collect(),
        _ => tensor.try_to_dtype(DType::F32)?.to_vec::<f32>().into_iter().map(|level| (level.clamp(0.0, 1.0) * 255.0).round() as u8).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_pixels() {
        let x = Tensor::from_vec(vec![255u8, 0, 0, 128, 7, 9], &[3, 1, 2]);
        let picture = x.to_picture().expect("a picture").to_rgb8();
        assert_eq!((picture.get_pixel(0, 0).0, picture.get_pixel(1, 0).0), ([255, 0, 7], [0, 128, 9]));
    }

    #[test]
    fn floats_go_from_0_to_1() {
        let x = Tensor::from_vec(vec![-1.0f32, 0.0, 0.5, 1.0, 2.0, f32::NAN], &[2, 3]);
        assert_eq!(x.to_picture().expect("a picture").to_luma8().into_raw(), [0, 0, 128, 255, 255, 0]);
        let half = x.to_dtype(DType::BF16);
        assert_eq!(half.to_picture().expect("a picture").to_luma8().into_raw(), [0, 0, 128, 255, 255, 0]);
    }

    #[test]
    fn a_batch_says_how_to_show_one() {
        let error = Tensor::zeros(&[16, 3, 8, 8]).to_picture().map(drop).map_err(|e| e.to_string());
        assert_eq!(error, Err("a tensor of shape [16, 3, 8, 8] is no picture: of a batch take one picture (`x.select(0, 0)`), or show all: `ochre::images(&x.unbind(0), …)`".to_owned()));
        let error = Tensor::zeros(&[8, 8, 3]).to_picture().map(drop).map_err(|e| e.to_string());
        assert_eq!(error, Err("a tensor of shape [8, 8, 3] is no picture: put the channels first with `.permute(&[2, 0, 1])`".to_owned()));
    }
}
