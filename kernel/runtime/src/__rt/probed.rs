//! What `ochre::display!` needs of a probe outside the end of a cell: the bundle itself.
use super::Cx;
use crate::Mime;

/// The bundle that `show` hands to the context it is given, if any.
pub fn probed(show: &mut dyn FnMut(&mut Cx)) -> Option<Mime> {
    let mut cx = Cx { cell: 0, value: None, end: None };
    show(&mut cx);
    cx.value
}
