//! How tensors, their types and devices are shown: what it is in one line, and the elements (of large ones the edges, which is all that leaves the device).
use crate::Frames;
use ochre_runtime::{Mime, Show, shown::escape};
use ochre_tensors::{DType, Device, Tensor, cuda};

const HEAD: &str = "font-size:85%;opacity:.65;margin-bottom:2px";
const BODY: &str = "margin:0;padding:0;background:none;line-height:1.35;overflow-x:auto";

impl Show<Frames> for Tensor {
    fn show(&self) -> Mime {
        let plain = self.to_string();
        let body = self.try_preview().unwrap_or_else(|error| error.to_string());
        let html = format!("<div style=\"{HEAD}\">{}</div><pre style=\"{BODY}\">{}</pre>", escape(&head(self)), escape(&body));
        Mime::new().with_text("text/html", html).with_text("text/plain", plain)
    }
}

/// `Tensor [2, 3] · f32 · cpu · parameter`
fn head(tensor: &Tensor) -> String {
    let mut text = format!("Tensor {:?} · {} · {}", tensor.shape(), tensor.dtype(), tensor.device());
    if tensor.is_parameter() {
        text.push_str(" · wants gradients");
    } else if tensor.tracks_gradients() {
        text.push_str(" · gradients flow through it");
    }
    text
}

impl Show<Frames> for DType {
    fn show(&self) -> Mime {
        ochre_runtime::text(self.to_string())
    }
}

impl Show<Frames> for Device {
    fn show(&self) -> Mime {
        let text = match self {
            Device::Cpu => self.to_string(),
            Device::Cuda(number) => match cuda::cuda(*number) {
                Ok(cuda) => format!("{self} ({}, {:.1} GiB)", cuda.gpu().name, cuda.gpu().total_memory as f64 / f64::from(1 << 30)),
                Err(error) => error.to_string(),
            },
        };
        ochre_runtime::text(text)
    }
}
