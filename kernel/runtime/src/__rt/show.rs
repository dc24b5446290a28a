//! How the last expression is shown: the best that its type offers, decided by the compiler.
//!
//! Generated code imports the traits and writes `(&&&&Probe(&value)).ochre_show(cx)`; method lookup tries the
//! most references first, so [`ByShow`] wins over [`ByUnit`], [`ByDebug`] and [`ByNothing`]. The methods are
//! compiled into every cell, so they do nothing but call functions that are not generic.
use super::Cx;
use crate::display::{Show, debug_text};
use crate::text;
use std::fmt::Debug;

/// A value whose type is looked at.
pub struct Probe<'a, T: ?Sized>(pub &'a T);

/// The type implements [`Show`]; `M` tells who implemented it.
pub trait ByShow<M> {
    fn ochre_show(&self, cx: &mut Cx);
}

impl<T: Show<M> + ?Sized, M> ByShow<M> for &&&Probe<'_, T> {
    fn ochre_show(&self, cx: &mut Cx) {
        cx.show(self.0.show());
    }
}

/// The type is `()`: nothing is shown.
pub trait ByUnit {
    fn ochre_show(&self, cx: &mut Cx);
}

impl ByUnit for &&Probe<'_, ()> {
    fn ochre_show(&self, _: &mut Cx) {}
}

/// The type implements `Debug`.
pub trait ByDebug {
    fn ochre_show(&self, cx: &mut Cx);
}

impl<T: Debug + ?Sized> ByDebug for &Probe<'_, T> {
    fn ochre_show(&self, cx: &mut Cx) {
        show_debug(cx, &self.0);
    }
}

/// The type offers nothing.
pub trait ByNothing {
    fn ochre_show(&self, cx: &mut Cx);
}

impl<T: ?Sized> ByNothing for Probe<'_, T> {
    fn ochre_show(&self, cx: &mut Cx) {
        show_nothing(cx, std::any::type_name::<T>());
    }
}

fn show_debug(cx: &mut Cx, value: &dyn Debug) {
    cx.show(text(debug_text(value)));
}

fn show_nothing(cx: &mut Cx, type_name: &str) {
    // The path begins with a generated crate's name.
    let name = type_name.split_once("::").map_or(type_name, |(_, name)| name);
    cx.show(text(format!("<{name}: it implements neither ochre::Show nor Debug; add #[derive(Debug)] to see it>")));
}

thread_local! {
    pub(super) static FELL_BACK: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Takes the place of `evcxr_display` where a type has none: an inherent method of that name wins.
pub trait EvcxrFallback {
    fn evcxr_display(&self) {
        FELL_BACK.set(true);
    }
}

impl<T: ?Sized> EvcxrFallback for T {}

/// Whether a type is `Send`, decided by method lookup: `(&&IsSend(&value)).ochre_is_send()`.
pub struct IsSend<'a, T>(pub &'a T);

pub trait Sendable {
    fn ochre_is_send(&self) -> bool;
}

impl<T: Send> Sendable for &IsSend<'_, T> {
    #[inline(always)]
    fn ochre_is_send(&self) -> bool {
        true
    }
}

pub trait NotSendable {
    fn ochre_is_send(&self) -> bool;
}

impl<T> NotSendable for IsSend<'_, T> {
    #[inline(always)]
    fn ochre_is_send(&self) -> bool {
        false
    }
}
