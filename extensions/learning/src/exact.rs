//! Floating point numbers in JSON that come back bit by bit, NaN and infinities too.
//!
//! serde_json reads numbers to within one unit in the last place unless a feature is set that would rebuild all that stands on it, and has no NaN.
//! So a list of numbers is one text with the shortest decimal of each, which Rust reads exactly. For `#[serde(with = "exact")]`.
use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Writes a list of numbers as one text.
pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(values))
}

/// Reads what [`serialize`] wrote.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.split_ascii_whitespace().map(|word| word.parse().map_err(|_| D::Error::custom(format!("`{word}` is not a number")))).collect()
}

fn text(values: &[f64]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(values.len() * 12);
    for (index, value) in values.iter().enumerate() {
        let space = if index == 0 { "" } else { " " };
        let _ = write!(text, "{space}{value:?}");
    }
    text
}

/// The same for one number.
pub mod one {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes one number as text.
    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{value:?}"))
    }

    /// Reads one number from text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a number")))
    }
}

#[cfg(test)]
mod tests {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Numbers {
        #[serde(with = "super")]
        values: Vec<f64>,
    }

    #[test]
    fn every_number_comes_back_bit_by_bit() {
        let values = vec![0.1 + 0.2, -0.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE / 3.0, 1e300, 2.0_f64.sqrt()];
        let json = serde_json::to_string(&Numbers { values: values.clone() }).unwrap();
        let back: Numbers = serde_json::from_str(&json).unwrap();
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&values), bits(&back.values), "{json}");
    }
}
