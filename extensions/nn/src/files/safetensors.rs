//! `ochre::safetensors::{save, load}`: the format of Hugging Face's models, read and written by their own crate.
use crate::bridge::{elements, tensor};
use crate::error::{NnError, Result};
use ochre_tensors::{Buffer, DType, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, View};
use std::borrow::Cow;
use std::path::Path;

/// Saves named tensors, from whatever device they are on. Names come back sorted by size of element and name, as the format has them.
///
/// # Errors
/// The file cannot be written, or a name appears twice.
pub fn save(path: impl AsRef<Path>, tensors: &[(String, Tensor)]) -> Result<()> {
    save_with(path.as_ref(), tensors, &[])
}

/// Saves named tensors and texts about them (`("epoch", "12")`).
pub fn save_with_notes(path: impl AsRef<Path>, tensors: &[(String, Tensor)], notes: &[(&str, &str)]) -> Result<()> {
    save_with(path.as_ref(), tensors, notes)
}

fn save_with(path: &Path, tensors: &[(String, Tensor)], notes: &[(&str, &str)]) -> Result<()> {
    let mut names: Vec<&str> = tensors.iter().map(|(n, _)| n.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
        return Err(NnError::Data(format!("two tensors are called `{}`", twice[0])));
    }
    let views = tensors.iter().map(|(name, t)| Ok((name.clone(), Piece::of(t)?))).collect::<Result<Vec<_>>>()?;
    let notes = (!notes.is_empty()).then(|| notes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    let beside = super::beside(path);
    let written = ::safetensors::serialize_to_file(views, notes, &beside).map_err(|e| NnError::format(path.display(), e));
    let renamed = written.and_then(|()| std::fs::rename(&beside, path).map_err(|e| NnError::file("writing", path, e)));
    if renamed.is_err() {
        // The error to tell is the first one.
        let _ = std::fs::remove_file(&beside);
    }
    renamed
}

/// All tensors of a file, on the CPU, in the order of their names.
///
/// # Errors
/// The file cannot be read or is no safetensors file, or has elements of a type that tensors do not have.
pub fn load(path: impl AsRef<Path>) -> Result<Vec<(String, Tensor)>> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|e| NnError::file("reading", path, e))?;
    from_bytes(&path.display().to_string(), &bytes)
}

/// The texts that were saved with the tensors.
pub fn notes(path: impl AsRef<Path>) -> Result<Vec<(String, String)>> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|e| NnError::file("reading", path, e))?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(&path.display().to_string(), &e))?;
    let mut notes: Vec<_> = metadata.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    notes.sort();
    Ok(notes)
}

fn bad(name: &str, error: &::safetensors::SafeTensorError) -> NnError {
    NnError::format(name, format!("it is damaged or no safetensors file ({error})"))
}

fn from_bytes(name: &str, bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| bad(name, &e))?;
    let mut found = Vec::with_capacity(file.len());
    for (own, view) in file.iter() {
        let dtype = dtype_of(view.dtype()).ok_or_else(|| NnError::format(name, format!("`{own}` has elements of type {:?}, which tensors do not have", view.dtype())))?;
        found.push((own.to_owned(), tensor(elements(dtype, view.data()), view.shape())?));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// One tensor on its way into a file.
struct Piece {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Piece {
    fn of(t: &Tensor) -> Result<Self> {
        let buffer: Buffer = crate::bridge::buffer(t)?;
        Ok(Self { dtype: name_of(t.dtype()), shape: t.shape().to_vec(), bytes: crate::bridge::bytes(&buffer) })
    }
}

impl View for Piece {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

const TYPES: [(DType, Dtype); 8] = [
    (DType::Bool, Dtype::BOOL),
    (DType::U8, Dtype::U8),
    (DType::I32, Dtype::I32),
    (DType::I64, Dtype::I64),
    (DType::F16, Dtype::F16),
    (DType::BF16, Dtype::BF16),
    (DType::F32, Dtype::F32),
    (DType::F64, Dtype::F64),
];

fn dtype_of(theirs: Dtype) -> Option<DType> {
    TYPES.iter().find(|(_, t)| *t == theirs).map(|(d, _)| *d)
}

fn name_of(ours: DType) -> Dtype {
    TYPES.iter().find(|(d, _)| *d == ours).map_or(Dtype::F32, |(_, t)| *t)
}
