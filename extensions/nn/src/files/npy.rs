//! `ochre::npy`: numpy's files of one array (.npy) and of several by name (.npz).
//!
//! The format is NEP 1's: `\x93NUMPY`, a version, a Python dictionary as text, the elements. Read: all numbers and booleans of either byte order
//! and either order of dimensions; types that tensors do not have become the next wider one that they have. Objects and texts are refused.
use crate::bridge::{buffer, bytes, elements, tensor};
use crate::data::archive::{Zip, write_zip};
use crate::error::{NnError, Result};
use ochre_tensors::{Buffer, DType, Tensor};
use std::fs::File;
use std::io::Write;
use std::path::Path;

const MAGIC: &[u8] = b"\x93NUMPY";
/// numpy aligns the elements to this, so that a file can be mapped.
const ALIGNMENT: usize = 64;

/// The array of an .npy file, on the CPU.
///
/// # Errors
/// The file cannot be read, is damaged, or holds objects or texts.
pub fn load(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    let all = std::fs::read(path).map_err(|e| NnError::file("reading", path, e))?;
    parse(&path.display().to_string(), &all)
}

/// Saves an array; `numpy.load` reads it. bf16, which numpy does not have, is written as f32.
pub fn save(path: impl AsRef<Path>, array: &Tensor) -> Result<()> {
    let all = encode(array)?;
    super::write(path.as_ref(), |file| file.write_all(&all))
}

/// The arrays of an .npz file with their names, in the file's order, on the CPU.
pub fn load_npz(path: impl AsRef<Path>) -> Result<Vec<(String, Tensor)>> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|e| NnError::file("opening", path, e))?;
    let name = path.display().to_string();
    let mut zip = Zip::open(&name, file)?;
    let mut arrays = Vec::new();
    for index in 0..zip.members.len() {
        let member = zip.members[index].name.clone();
        if let Some(own) = member.strip_suffix(".npy") {
            let all = zip.read(index)?;
            arrays.push((own.to_owned(), parse(&format!("{name} ({member})"), &all)?));
        }
    }
    Ok(arrays)
}

/// Saves arrays with names; `numpy.load` reads them.
pub fn save_npz(path: impl AsRef<Path>, arrays: &[(String, Tensor)]) -> Result<()> {
    let members = arrays.iter().map(|(name, array)| Ok((format!("{name}.npy"), encode(array)?))).collect::<Result<Vec<_>>>()?;
    write_zip(path.as_ref(), &members)
}

fn encode(array: &Tensor) -> Result<Vec<u8>> {
    let array = if array.dtype() == DType::BF16 { array.to_dtype(DType::F32) } else { array.clone() };
    let kind = match array.dtype() {
        DType::Bool => "|b1",
        DType::U8 => "|u1",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::F16 => "<f2",
        DType::BF16 | DType::F32 => "<f4",
        DType::F64 => "<f8",
    };
    let shape: String = array.shape().iter().map(|n| format!("{n}, ")).collect();
    let shape = if array.rank() == 1 { shape.trim_end().to_owned() } else { shape.trim_end_matches(", ").to_owned() };
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
    let before = MAGIC.len() + 4;
    let fill = (ALIGNMENT - (before + header.len() + 1) % ALIGNMENT) % ALIGNMENT;
    header.extend(std::iter::repeat_n(' ', fill));
    header.push('\n');
    let mut all = MAGIC.to_vec();
    all.extend([1, 0]);
    all.extend((header.len() as u16).to_le_bytes());
    all.extend(header.as_bytes());
    all.extend(bytes(&buffer(&array)?));
    Ok(all)
}

/// What the dictionary says.
struct Header {
    kind: String,
    columns_first: bool,
    shape: Vec<usize>,
}

fn parse(name: &str, all: &[u8]) -> Result<Tensor> {
    let bad = |problem: &str| NnError::format(name, problem);
    let version = *all.strip_prefix(MAGIC).and_then(|rest| rest.first()).ok_or_else(|| bad("it is no .npy file"))?;
    let (length, begin): (usize, usize) = match (version, all.get(8..12)) {
        (1, Some(l)) => (usize::from(u16::from_le_bytes([l[0], l[1]])), 10),
        (2 | 3, Some(l)) => (u32::from_le_bytes([l[0], l[1], l[2], l[3]]) as usize, 12),
        (1..=3, None) => return Err(bad("it is cut short")),
        _ => return Err(bad("its version is newer than 3")),
    };
    let text = all.get(begin..begin.saturating_add(length)).ok_or_else(|| bad("it is cut short"))?;
    let header = header(&String::from_utf8_lossy(text)).ok_or_else(|| bad("its header is none of numpy's"))?;
    let (width, dtype) = element(&header.kind).ok_or_else(|| bad(&format!("its elements are of numpy's type {}, which tensors do not have", header.kind)))?;
    let count = header.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let needed = count.and_then(|n| n.checked_mul(width)).ok_or_else(|| bad("its shape is too large"))?;
    let body = all.get(begin + length..).filter(|b| b.len() >= needed).ok_or_else(|| bad(&format!("it is cut short: {needed} bytes of elements are needed")))?;
    let values = decode(&header.kind, width, dtype, &body[..needed]);
    if header.columns_first && header.shape.len() > 1 {
        let backwards: Vec<usize> = header.shape.iter().rev().copied().collect();
        let order: Vec<i64> = (0..header.shape.len() as i64).rev().collect();
        return crate::bridge::copy(&tensor(values, &backwards)?.permute(&order));
    }
    tensor(values, &header.shape)
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
fn header(text: &str) -> Option<Header> {
    let after = |key: &str| text.split_once(&format!("'{key}'")).and_then(|(_, rest)| rest.trim_start().strip_prefix(':')).map(str::trim_start);
    let kind = after("descr")?.strip_prefix('\'')?.split_once('\'')?.0.to_owned();
    let columns_first = after("fortran_order")?.starts_with("True");
    let inside = after("shape")?.strip_prefix('(')?.split_once(')')?.0;
    let shape = inside.split(',').map(str::trim).filter(|n| !n.is_empty()).map(|n| n.parse().ok()).collect::<Option<Vec<usize>>>()?;
    Some(Header { kind, columns_first, shape })
}

/// Bytes of an element in the file, and the tensor's type for it.
fn element(kind: &str) -> Option<(usize, DType)> {
    Some(match kind.get(1..)? {
        "b1" => (1, DType::Bool),
        "u1" => (1, DType::U8),
        "i1" => (1, DType::I32),
        "i2" | "u2" => (2, DType::I32),
        "i4" => (4, DType::I32),
        "u4" => (4, DType::I64),
        "i8" | "u8" => (8, DType::I64),
        "f2" => (2, DType::F16),
        "f4" => (4, DType::F32),
        "f8" => (8, DType::F64),
        _ => return None,
    })
}

fn decode(kind: &str, width: usize, dtype: DType, body: &[u8]) -> Buffer {
    let mut little = body.to_vec();
    if kind.starts_with('>') {
        little.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    let pairs = || little.as_chunks::<2>().0.iter();
    match kind.get(1..) {
        Some("i1") => little.iter().map(|&b| i32::from(b as i8)).collect::<Vec<_>>().into(),
        Some("i2") => pairs().map(|b| i32::from(i16::from_le_bytes(*b))).collect::<Vec<_>>().into(),
        Some("u2") => pairs().map(|b| i32::from(u16::from_le_bytes(*b))).collect::<Vec<_>>().into(),
        Some("u4") => little.as_chunks::<4>().0.iter().map(|b| i64::from(u32::from_le_bytes(*b))).collect::<Vec<_>>().into(),
        _ => elements(dtype, &little),
    }
}
