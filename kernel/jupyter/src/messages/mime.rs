//! Bundles as the `data` and `metadata` of displays.
use base64::Engine as _;
use jupyter_protocol::{Media, MediaType};
use ochre_link::{Bundle, Data};
use serde_json::{Map, Value};

/// `data` and `metadata`. Any media type may come from a cell, also one that the crate has no variant for;
/// `Other` writes them all alike (and the variant for tables would leave fields out).
pub(crate) fn parts(bundle: &Bundle) -> (Media, Map<String, Value>) {
    let data = bundle.data.iter().map(|(media, data)| MediaType::Other((media.clone(), value(data))));
    (Media::new(data.collect()), bundle.metadata.as_deref().map(object).unwrap_or_default())
}

fn value(data: &Data) -> Value {
    match data {
        Data::Text(text) => Value::String(text.clone()),
        Data::Bytes(bytes) => Value::String(base64::engine::general_purpose::STANDARD.encode(bytes)),
        // What is no JSON after all is shown as it is, rather than not at all.
        Data::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
    }
}

/// JSON text as an object; empty when it is none.
pub(crate) fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_kind_of_data() {
        let bundle = Bundle::plain("é")
            .with("image/png", Data::Bytes(vec![0, 255]))
            .with("application/json", Data::Json("{\"a\":[1]}".into()))
            .with("application/x+json", Data::Json("{broken".into()));
        let (data, metadata) = parts(&Bundle { metadata: Some("{\"isolated\":true}".into()), ..bundle });
        let expected = json!({"text/plain":"é","image/png":"AP8=","application/json":{"a":[1]},"application/x+json":"{broken"});
        assert_eq!(serde_json::to_value(data).unwrap(), expected);
        assert_eq!(Value::Object(metadata), json!({"isolated":true}));
    }
}
