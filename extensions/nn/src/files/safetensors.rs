//! `ochre::safetensors::{save, load}`: the format of Hugging Face's models.
//!
//! ```text
//! 8 bytes: length of the header   JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {…}}   the elements
//! ```
//! Their crate would turn on a feature of a crate below polars, which every user's first build would then compile anew; so this is our own. It
//! writes the same bytes as theirs and refuses what theirs refuses (safetensors 0.8): holes, overlaps, offsets that do not fit shape and type.
use crate::bridge::{buffer, bytes, elements, tensor};
use crate::error::{NnError, Result};
use ochre_tensors::{DType, Tensor};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// Theirs refuses longer headers as well.
const LONGEST_HEADER: u64 = 100_000_000;
/// The elements begin at a multiple of this, so that a file can be mapped.
const ALIGNMENT: usize = 8;
/// Where the notes are in the header.
const NOTES: &str = "__metadata__";

/// Saves named tensors, from whatever device they are on.
///
/// # Errors
/// The file cannot be written, or a name appears twice.
pub fn save(path: impl AsRef<Path>, tensors: &[(String, Tensor)]) -> Result<()> {
    save_to(path.as_ref(), tensors, &[])
}

/// Saves named tensors and texts about them (`("epoch", "12")`).
pub fn save_with_notes(path: impl AsRef<Path>, tensors: &[(String, Tensor)], notes: &[(&str, &str)]) -> Result<()> {
    save_to(path.as_ref(), tensors, notes)
}

fn save_to(path: &Path, tensors: &[(String, Tensor)], notes: &[(&str, &str)]) -> Result<()> {
    let mut order: Vec<&(String, Tensor)> = tensors.iter().collect();
    // Theirs: wide types first, so that all elements are aligned.
    order.sort_by(|(a, x), (b, y)| rank(y.dtype()).cmp(&rank(x.dtype())).then_with(|| a.cmp(b)));
    let mut names: Vec<&str> = tensors.iter().map(|(n, _)| n.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
        return Err(NnError::Data(format!("two tensors are called `{}`", twice[0])));
    }
    let header = header(&order, notes);
    let mut failed = None;
    super::write(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        for (_, one) in order {
            match buffer(one) {
                Ok(elements) => file.write_all(&bytes(&elements))?,
                Err(error) => {
                    failed = Some(error);
                    return Err(std::io::ErrorKind::Other.into());
                }
            }
        }
        Ok(())
    })
    .map_err(|error| failed.unwrap_or(error))
}

fn header(order: &[&(String, Tensor)], notes: &[(&str, &str)]) -> String {
    let text = |s: &str| Value::from(s).to_string();
    let mut parts = Vec::new();
    if !notes.is_empty() {
        let notes: Vec<String> = notes.iter().map(|(k, v)| format!("{}:{}", text(k), text(v))).collect();
        parts.push(format!("\"{NOTES}\":{{{}}}", notes.join(",")));
    }
    let mut at = 0;
    for (name, one) in order {
        let end = at + one.len() * one.dtype().size();
        let shape: Vec<String> = one.shape().iter().map(ToString::to_string).collect();
        parts.push(format!("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{at},{end}]}}", text(name), word(one.dtype()), shape.join(",")));
        at = end;
    }
    let mut header = format!("{{{}}}", parts.join(","));
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(ALIGNMENT) - header.len()));
    header
}

/// All tensors of a file, on the CPU, in the order of their names.
///
/// # Errors
/// The file cannot be read or is no safetensors file, or has elements of a type that tensors do not have.
pub fn load(path: impl AsRef<Path>) -> Result<Vec<(String, Tensor)>> {
    let path = path.as_ref();
    let (header, mut file, size) = open(path)?;
    let mut data = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.read_to_end(&mut data).map_err(|e| NnError::file("reading", path, e))?;
    let mut entries = header.iter().filter(|(name, _)| *name != NOTES).map(|(name, value)| entry(path, name, value)).collect::<Result<Vec<_>>>()?;
    covered(path, &mut entries, data.len())?;
    let mut found = entries.into_iter().map(|e| Ok((e.name, tensor(elements(e.dtype, &data[e.begin..e.end]), &e.shape)?))).collect::<Result<Vec<_>>>()?;
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// The texts that were saved with the tensors.
pub fn notes(path: impl AsRef<Path>) -> Result<Vec<(String, String)>> {
    let (header, ..) = open(path.as_ref())?;
    let notes = header.get(NOTES).and_then(Value::as_object).into_iter().flatten();
    let mut notes: Vec<(String, String)> = notes.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect();
    notes.sort();
    Ok(notes)
}

fn damaged(path: &Path, problem: impl std::fmt::Display) -> NnError {
    NnError::format(path.display(), format!("it is damaged or no safetensors file ({problem})"))
}

/// The header, the file behind it, and how many bytes are left.
fn open(path: &Path) -> Result<(Map<String, Value>, File, u64)> {
    let failed = |e| NnError::file("reading", path, e);
    let mut file = File::open(path).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| damaged(path, "its header is missing"))?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER || length > total - 8 {
        return Err(damaged(path, "its header is longer than the file"));
    }
    let mut text = vec![0; length as usize];
    file.read_exact(&mut text).map_err(failed)?;
    let header: Map<String, Value> = serde_json::from_slice(&text).map_err(|e| damaged(path, format!("its header: {e}")))?;
    Ok((header, file, total - 8 - length))
}

/// Where a tensor's elements lie.
struct Entry {
    name: String,
    dtype: DType,
    shape: Vec<usize>,
    begin: usize,
    end: usize,
}

fn entry(path: &Path, name: &str, value: &Value) -> Result<Entry> {
    let bad = || damaged(path, format!("the header's entry of `{name}`"));
    let kind = value.get("dtype").and_then(Value::as_str).ok_or_else(bad)?;
    let numbers = |key: &str| value.get(key)?.as_array()?.iter().map(|n| usize::try_from(n.as_u64()?).ok()).collect::<Option<Vec<usize>>>();
    let (shape, offsets) = (numbers("shape").ok_or_else(bad)?, numbers("data_offsets").ok_or_else(bad)?);
    let Some((_, dtype)) = TYPES.iter().find(|(word, _)| *word == kind).copied() else {
        return Err(NnError::format(path.display(), format!("`{name}` has elements of type {kind}, which tensors do not have")));
    };
    let size = shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d));
    match offsets[..] {
        [begin, end] if end.checked_sub(begin).is_some_and(|bytes| Some(bytes) == size) => Ok(Entry { name: name.to_owned(), dtype, shape, begin, end }),
        _ => Err(bad()),
    }
}

/// That the tensors lie one behind the other, from the beginning of the data to its end.
fn covered(path: &Path, entries: &mut [Entry], length: usize) -> Result<()> {
    entries.sort_by_key(|e| (e.begin, e.end));
    let mut at = 0;
    for one in entries.iter() {
        if one.begin != at {
            return Err(damaged(path, format!("the elements of `{}` do not follow the ones before", one.name)));
        }
        at = one.end;
    }
    if at == length { Ok(()) } else { Err(damaged(path, format!("it has {length} bytes of elements where the header says {at}"))) }
}

/// Names in the format.
const TYPES: [(&str, DType); 8] =
    [("BOOL", DType::Bool), ("U8", DType::U8), ("F16", DType::F16), ("BF16", DType::BF16), ("I32", DType::I32), ("F32", DType::F32), ("F64", DType::F64), ("I64", DType::I64)];

fn word(dtype: DType) -> &'static str {
    TYPES[rank(dtype)].0
}

/// Their order of types.
fn rank(dtype: DType) -> usize {
    TYPES.iter().position(|(_, d)| *d == dtype).unwrap_or(0)
}
