//! Values that are shown as what they say they are.

/// One representation of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Text as it is.
    Text(String),
    /// Bytes, which Jupyter gets in base64.
    Bytes(Vec<u8>),
    /// JSON text.
    Json(String),
}

/// A value in one or more media types, richest first; what [`crate::Show`] returns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mime {
    /// Media type and data; each media type once.
    pub parts: Vec<(String, Data)>,
    /// Jupyter's display metadata as JSON object text.
    pub metadata: Option<String>,
}

impl Mime {
    /// An empty bundle.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces one representation.
    pub fn with(mut self, media_type: impl Into<String>, data: Data) -> Self {
        let media_type = media_type.into();
        self.parts.retain(|(m, _)| *m != media_type);
        self.parts.push((media_type, data));
        self
    }

    /// Adds text of a media type.
    pub fn with_text(self, media_type: impl Into<String>, text: impl Into<String>) -> Self {
        self.with(media_type, Data::Text(text.into()))
    }

    /// The representation of one media type.
    pub fn get(&self, media_type: &str) -> Option<&Data> {
        self.parts.iter().find(|(m, _)| m == media_type).map(|(_, d)| d)
    }

    /// `text/plain`, or the empty text.
    pub fn plain(&self) -> &str {
        match self.get("text/plain") {
            Some(Data::Text(t)) => t,
            _ => "",
        }
    }
}

/// Plain text, shown without quotation marks.
pub fn text(s: impl Into<String>) -> Mime {
    Mime::new().with_text("text/plain", s)
}

/// HTML; its text stands beside it for front ends that show none.
pub fn html(s: impl Into<String>) -> Mime {
    let s = s.into();
    let plain = strip_tags(&s);
    Mime::new().with_text("text/html", s).with_text("text/plain", plain)
}

/// Markdown.
pub fn markdown(s: impl Into<String>) -> Mime {
    let s = s.into();
    Mime::new().with_text("text/markdown", s.clone()).with_text("text/plain", s)
}

/// LaTeX; put `$…$` or `$$…$$` around formulas.
pub fn latex(s: impl Into<String>) -> Mime {
    let s = s.into();
    Mime::new().with_text("text/latex", s.clone()).with_text("text/plain", s)
}

/// An SVG picture.
pub fn svg(s: impl Into<String>) -> Mime {
    Mime::new().with_text("image/svg+xml", s).with_text("text/plain", "<SVG picture>")
}

/// A PNG picture from its bytes.
pub fn png(bytes: impl Into<Vec<u8>>) -> Mime {
    let bytes = bytes.into();
    let note = format!("<PNG picture, {} bytes>", bytes.len());
    Mime::new().with("image/png", Data::Bytes(bytes)).with_text("text/plain", note)
}

/// JSON from its text; JupyterLab shows it as a tree.
pub fn json(text: impl ToString) -> Mime {
    let text = text.to_string();
    Mime::new().with("application/json", Data::Json(text.clone())).with_text("text/plain", text)
}

/// Text of any media type.
pub fn mime(media_type: impl Into<String>, data: impl Into<String>) -> Mime {
    let (media_type, data) = (media_type.into(), data.into());
    let is_json = media_type == "application/json" || media_type.ends_with("+json");
    Mime::new().with(media_type, if is_json { Data::Json(data) } else { Data::Text(data) })
}

/// The text of HTML: tags dropped, the common entities resolved.
fn strip_tags(html: &str) -> String {
    let mut out = String::new();
    let mut in_tag = false;
    for c in html.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => in_tag = false,
            _ if !in_tag => out.push(c),
            _ => {}
        }
    }
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
