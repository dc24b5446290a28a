//! How polars' frames, series, plans and expressions are shown in a notebook, and tensors; and the way from frames to tensors and back.
//!
//! The prelude links this crate, so that a cell calls compiled code and instantiates nothing of polars.
//! A [`window`] of the frame (head and tail, first and last columns) is cut out first, which costs the
//! same for ten rows and for ten million; [`html`] and [`plain`] then write it.
#![forbid(unsafe_code)]

mod asked;
mod html;
mod limits;
mod plain;
mod plan;
mod tensors;
mod value;
mod window;

pub use asked::{AskedError, asked};
pub use limits::{Limits, columns, rows};
pub use tensors::{FrameTensorError, FrameTensors, Nulls};

use ochre_runtime::{Mime, Show};
use polars::prelude::*;
use window::Window;

/// Marker of this crate's implementations of [`Show`].
pub struct Frames;

/// A frame in HTML and text, within the given limits.
pub fn show_frame(frame: &DataFrame, limits: Limits) -> Mime {
    render(&Window::of_frame(frame, limits))
}

fn render(window: &Window) -> Mime {
    Mime::new().with_text("text/html", html::table(window)).with_text("text/plain", plain::table(window))
}

impl Show<Frames> for DataFrame {
    fn show(&self) -> Mime {
        show_frame(self, Limits::of_session())
    }
}

impl Show<Frames> for Series {
    fn show(&self) -> Mime {
        render(&Window::of_column(&self.clone().into_column(), Limits::of_session()))
    }
}

impl Show<Frames> for Column {
    fn show(&self) -> Mime {
        render(&Window::of_column(self, Limits::of_session()))
    }
}

impl Show<Frames> for Schema {
    fn show(&self) -> Mime {
        render(&Window::of_schema(self))
    }
}

impl Show<Frames> for LazyFrame {
    fn show(&self) -> Mime {
        plan::lazy_frame(self)
    }
}

impl Show<Frames> for Expr {
    fn show(&self) -> Mime {
        ochre_runtime::text(self.to_string())
    }
}
