//! How collections of shown things are shown: `Option`, `Result`, lists, maps, tuples, references and boxes.
//!
//! Each implementation has a marker of its own around the marker of what it holds, so that a plain
//! `Option<i32>` has no [`Show`] and falls through to `Debug`. Nothing here knows frames or pictures:
//! it puts the HTML (or the picture, or the text) of the parts under one another.
use crate::{Data, Mime, Show};
use std::collections::{BTreeMap, HashMap};
use std::fmt::{Debug, Display, Write};
use std::marker::PhantomData;

/// Most parts of a collection that are shown; a notebook page holds no more with use.
const PART_LIMIT: usize = 20;

/// Marker: through a reference or a box.
pub struct Through<M>(PhantomData<M>);
/// Marker: an `Option`.
pub struct Maybe<M>(PhantomData<M>);
/// Marker: a `Result`.
pub struct Attempt<M>(PhantomData<M>);
/// Marker: a list.
pub struct Many<M>(PhantomData<M>);
/// Marker: a map.
pub struct Keyed<M>(PhantomData<M>);
/// Marker: a tuple.
pub struct Tuple<M>(PhantomData<M>);

impl<T: Show<M> + ?Sized, M> Show<Through<M>> for &T {
    fn show(&self) -> Mime {
        (**self).show()
    }
}

impl<T: Show<M> + ?Sized, M> Show<Through<M>> for &mut T {
    fn show(&self) -> Mime {
        (**self).show()
    }
}

impl<T: Show<M> + ?Sized, M> Show<Through<M>> for Box<T> {
    fn show(&self) -> Mime {
        (**self).show()
    }
}

impl<T: Show<M> + ?Sized, M> Show<Through<M>> for std::rc::Rc<T> {
    fn show(&self) -> Mime {
        (**self).show()
    }
}

impl<T: Show<M> + ?Sized, M> Show<Through<M>> for std::sync::Arc<T> {
    fn show(&self) -> Mime {
        (**self).show()
    }
}

impl<T: Show<M>, M> Show<Maybe<M>> for Option<T> {
    fn show(&self) -> Mime {
        match self {
            Some(value) => value.show(),
            None => crate::text("None"),
        }
    }
}

/// An error that has no `Display` leaves the whole `Result` to `Debug`.
impl<T: Show<M>, E: Display, M> Show<Attempt<M>> for Result<T, E> {
    fn show(&self) -> Mime {
        match self {
            Ok(value) => value.show(),
            // The alternate form of `anyhow::Error` has its causes too.
            Err(error) => failure(&format!("{error:#}")),
        }
    }
}

impl<T: Show<M>, M> Show<Many<M>> for [T] {
    fn show(&self) -> Mime {
        let parts = self.iter().take(PART_LIMIT).map(|part| (None, part.show())).collect();
        stack(parts, self.len())
    }
}

impl<T: Show<M>, M> Show<Many<M>> for Vec<T> {
    fn show(&self) -> Mime {
        self.as_slice().show()
    }
}

impl<T: Show<M>, M, const N: usize> Show<Many<M>> for [T; N] {
    fn show(&self) -> Mime {
        self.as_slice().show()
    }
}

impl<K: Debug, V: Show<M>, S, M> Show<Keyed<M>> for HashMap<K, V, S> {
    fn show(&self) -> Mime {
        let parts = self.iter().take(PART_LIMIT).map(|(key, part)| (Some(format!("{key:?}")), part.show())).collect();
        stack(parts, self.len())
    }
}

impl<K: Debug, V: Show<M>, M> Show<Keyed<M>> for BTreeMap<K, V> {
    fn show(&self) -> Mime {
        let parts = self.iter().take(PART_LIMIT).map(|(key, part)| (Some(format!("{key:?}")), part.show())).collect();
        stack(parts, self.len())
    }
}

macro_rules! tuple {
    ($($part:ident $marker:ident $index:tt),+) => {
        impl<$($part: Show<$marker>, $marker),+> Show<Tuple<($($marker,)+)>> for ($($part,)+) {
            fn show(&self) -> Mime {
                let parts = vec![$((Some(stringify!($index).to_owned()), self.$index.show())),+];
                let total = parts.len();
                stack(parts, total)
            }
        }
    };
}
tuple!(A MA 0, B MB 1);
tuple!(A MA 0, B MB 1, C MC 2);
tuple!(A MA 0, B MB 1, C MC 2, D MD 3);

/// `Err` of something that would be shown: its text, in red where there is colour.
fn failure(error: &str) -> Mime {
    let plain = format!("Err: {error}");
    let html = format!(
        "<pre style=\"color:var(--jp-error-color1, var(--vscode-errorForeground, #b00020));white-space:pre-wrap\">{}</pre>",
        escape(&plain)
    );
    Mime::new().with_text("text/html", html).with_text("text/plain", plain)
}

/// Puts shown parts under one another; `total` counts those that were left out too.
pub fn stack(parts: Vec<(Option<String>, Mime)>, total: usize) -> Mime {
    let left_out = total - parts.len();
    let note = (left_out > 0).then(|| format!("… and {left_out} more ({total} in all)"));
    let mime = if parts.iter().any(|(_, part)| is_rich(part)) {
        Mime::new().with_text("text/html", stack_html(&parts, note.as_deref()))
    } else {
        Mime::new()
    };
    mime.with_text("text/plain", stack_text(&parts, note.as_deref()))
}

fn stack_text(parts: &[(Option<String>, Mime)], note: Option<&str>) -> String {
    let mut text = String::from("[");
    for (label, part) in parts {
        text.push('\n');
        if let Some(label) = label {
            let _ = write!(text, "{label}: ");
        }
        text.push_str(part.plain());
        text.push(',');
    }
    if let Some(note) = note {
        let _ = write!(text, "\n{note}");
    }
    text.push_str(if parts.is_empty() { "]" } else { "\n]" });
    text
}

fn stack_html(parts: &[(Option<String>, Mime)], note: Option<&str>) -> String {
    let mut html = String::from("<div style=\"display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start\">");
    for (label, part) in parts {
        html.push_str("<div>");
        if let Some(label) = label {
            let _ = write!(html, "<div style=\"opacity:.7;font-size:90%\">{}</div>", escape(label));
        }
        html.push_str(&as_html(part));
        html.push_str("</div>");
    }
    html.push_str("</div>");
    if let Some(note) = note {
        let _ = write!(html, "<div style=\"opacity:.7\">{note}</div>");
    }
    html
}

fn is_rich(part: &Mime) -> bool {
    part.parts.iter().any(|(media_type, _)| media_type != "text/plain")
}

/// One part as HTML: its own, or its picture, or its text.
fn as_html(part: &Mime) -> String {
    if let Some(Data::Text(html)) = part.get("text/html").or_else(|| part.get("image/svg+xml")) {
        return html.clone();
    }
    for media_type in ["image/png", "image/jpeg", "image/gif", "image/webp"] {
        if let Some(Data::Bytes(bytes)) = part.get(media_type) {
            return format!("<img style=\"max-width:100%\" src=\"data:{media_type};base64,{}\">", base64(bytes));
        }
    }
    format!("<pre>{}</pre>", escape(part.plain()))
}

/// Text with HTML's special characters made harmless, also inside attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// RFC 4648 base64 with padding (this crate depends on std only).
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let index = (word >> (18 - 6 * digit)) as usize & 63;
            out.push(if digit <= three.len() { char::from(DIGITS[index]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::__rt::{ByDebug as _, ByNothing as _, ByShow as _, ByUnit as _, Probe};

    #[derive(Debug)]
    struct Own;
    impl Show for Own {
        fn show(&self) -> Mime {
            crate::text("own")
        }
    }
    struct Mute;

    /// What a cell whose last expression is `$value` shows.
    macro_rules! shown {
        ($value:expr) => {
            crate::__rt::probed(&mut |cx| (&&&&Probe(&$value)).ochre_show(cx)).map(|mime| mime.plain().to_owned())
        };
    }

    #[test]
    fn the_compiler_picks_show_then_unit_then_debug_then_nothing() {
        assert_eq!(shown!(Own).as_deref(), Some("own"));
        assert_eq!(shown!(&Own).as_deref(), Some("own"));
        assert_eq!(shown!(()), None);
        assert_eq!(shown!(7).as_deref(), Some("7"));
        assert_eq!(shown!("a\"b").as_deref(), Some("\"a\\\"b\""));
        assert_eq!(shown!(*"unsized").as_deref(), Some("\"unsized\""));
        assert!(shown!(Mute).is_some_and(|text| text.contains("Mute: it implements neither")));
        assert!(shown!(Some(Mute)).is_some_and(|text| text.contains("neither")));
    }

    #[test]
    fn plain_collections_stay_with_debug() {
        assert_eq!(shown!(Some(5)).as_deref(), Some("Some(5)"));
        assert_eq!(shown!(None::<String>).as_deref(), Some("None"));
        assert_eq!(shown!(vec![1, 2]).as_deref(), Some("[1, 2]"));
        assert_eq!(shown!((1, "a")).as_deref(), Some("(1, \"a\")"));
        assert_eq!(shown!(Ok::<i32, String>(1)).as_deref(), Some("Ok(1)"));
        assert_eq!(shown!([1u8; 3][..]).as_deref(), Some("[1, 1, 1]"));
        assert_eq!(shown!(Box::new(1)).as_deref(), Some("1"));
    }

    #[test]
    fn collections_of_shown_things_show_their_parts() {
        assert_eq!(shown!(Some(Own)).as_deref(), Some("own"));
        assert_eq!(shown!(None::<Own>).as_deref(), Some("None"));
        assert_eq!(shown!(Ok::<Own, String>(Own)).as_deref(), Some("own"));
        assert_eq!(shown!(Err::<Own, &str>("no")).as_deref(), Some("Err: no"));
        assert_eq!(shown!(Err::<Own, Vec<i32>>(vec![1])).as_deref(), Some("Err([1])"));
        assert_eq!(shown!(vec![Own, Own]).as_deref(), Some("[\nown,\nown,\n]"));
        assert_eq!(shown!([Own]).as_deref(), Some("[\nown,\n]"));
        assert_eq!(shown!((Own, crate::text("b"))).as_deref(), Some("[\n0: own,\n1: b,\n]"));
        assert_eq!(shown!(std::sync::Arc::new(Own)).as_deref(), Some("own"));
        assert_eq!(shown!(BTreeMap::from([("k", Own)])).as_deref(), Some("[\n\"k\": own,\n]"));
        assert_eq!(shown!(Some(vec![Own])).as_deref(), Some("[\nown,\n]"));
    }

    #[test]
    fn a_long_list_says_what_was_left_out() {
        let many: Vec<Own> = (0..25).map(|_| Own).collect();
        assert!(many.show().plain().ends_with("… and 5 more (25 in all)\n]"), "{}", many.show().plain());
    }

    #[test]
    fn pictures_stand_side_by_side() {
        let html = [crate::png(*b"abcd"), crate::html("<b>x</b>")].show();
        let Some(Data::Text(html)) = html.get("text/html") else { panic!("no HTML in {html:?}") };
        assert!(html.contains("data:image/png;base64,YWJjZA==") && html.contains("<b>x</b>"), "{html}");
    }

    #[test]
    fn base64_matches_the_rfc() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
