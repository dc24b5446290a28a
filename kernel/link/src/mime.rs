//! A value as the front end is shown it: the same thing in several media types.
use serde::{Deserialize, Serialize};

/// One representation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Data {
    /// Text as it is (`text/plain`, `text/html`, `image/svg+xml`, …).
    Text(String),
    /// Bytes that Jupyter wants in base64 (`image/png`).
    Bytes(#[serde(with = "crate::raw")] Vec<u8>),
    /// JSON text (`application/json`, `application/vnd.vegalite.v5+json`, …).
    Json(String),
}

impl Data {
    /// Length in bytes before any base64.
    pub fn len(&self) -> usize {
        match self {
            Data::Text(t) | Data::Json(t) => t.len(),
            Data::Bytes(b) => b.len(),
        }
    }

    /// True when there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A value in one or more media types, richest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Media type and data, each media type once.
    pub data: Vec<(String, Data)>,
    /// JSON object text with Jupyter's display metadata, if any.
    pub metadata: Option<String>,
}

impl Bundle {
    /// A bundle of `text/plain` alone.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { data: vec![("text/plain".into(), Data::Text(text.into()))], metadata: None }
    }

    /// Adds or replaces one media type.
    pub fn with(mut self, media_type: &str, data: Data) -> Self {
        self.data.retain(|(m, _)| m != media_type);
        self.data.push((media_type.into(), data));
        self
    }

    /// The data of one media type.
    pub fn get(&self, media_type: &str) -> Option<&Data> {
        self.data.iter().find(|(m, _)| m == media_type).map(|(_, d)| d)
    }

    /// `text/plain`, if it is there.
    pub fn text(&self) -> Option<&str> {
        match self.get("text/plain") {
            Some(Data::Text(t)) => Some(t),
            _ => None,
        }
    }
}
