//! Protocol buffers as far as ONNX files need them: fields one after the other. Called by `file.rs`, which knows what the numbers mean.
//!
//! The format: <https://protobuf.dev/programming-guides/encoding>. Nothing here trusts a length that the file states.

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    Number(u64),
    Double(f64),
    Float(f32),
    Bytes(&'a [u8]),
}

/// A damaged file.
#[derive(Debug, PartialEq)]
pub struct Damaged;

/// The fields of a message with their numbers.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            // Nothing after it can be understood.
            self.0 = &[];
        }
        Some(field.ok_or(Damaged))
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let key = varint(&mut self.0)?;
        let value = match key & 7 {
            0 => Field::Number(varint(&mut self.0)?),
            1 => Field::Double(f64::from_le_bytes(*take(&mut self.0, 8)?.first_chunk()?)),
            2 => {
                let length = usize::try_from(varint(&mut self.0)?).ok()?;
                Field::Bytes(take(&mut self.0, length)?)
            }
            5 => Field::Float(f32::from_le_bytes(*take(&mut self.0, 4)?.first_chunk()?)),
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

impl<'a> Field<'a> {
    /// A whole number (negative ones are in two's complement).
    pub fn int(self) -> Result<i64, Damaged> {
        match self {
            Self::Number(value) => Ok(value as i64),
            _ => Err(Damaged),
        }
    }

    /// A message or bytes.
    pub fn bytes(self) -> Result<&'a [u8], Damaged> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Damaged),
        }
    }

    /// A text.
    pub fn text(self) -> Result<String, Damaged> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Damaged)
    }

    /// Adds one whole number, or a packed list of them.
    pub fn ints(self, list: &mut Vec<i64>) -> Result<(), Damaged> {
        match self {
            Self::Bytes(mut packed) => {
                while !packed.is_empty() {
                    list.push(varint(&mut packed).ok_or(Damaged)? as i64);
                }
            }
            other => list.push(other.int()?),
        }
        Ok(())
    }

    /// Adds one float, or a packed list of them.
    pub fn floats(self, list: &mut Vec<f32>) -> Result<(), Damaged> {
        match self {
            Self::Bytes(packed) => list.extend(packed.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c))),
            Self::Float(value) => list.push(value),
            _ => return Err(Damaged),
        }
        Ok(())
    }

    /// Adds one double, or a packed list of them.
    pub fn doubles(self, list: &mut Vec<f64>) -> Result<(), Damaged> {
        match self {
            Self::Bytes(packed) => list.extend(packed.as_chunks::<8>().0.iter().map(|c| f64::from_le_bytes(*c))),
            Self::Double(value) => list.push(value),
            _ => return Err(Damaged),
        }
        Ok(())
    }
}

/// Seven bits in a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encodings_own_examples_are_read() {
        // From the guide: field 1 is 150; field 2 is "testing"; field 6 is packed [3, 270, 86942].
        let bytes = [0x08, 0x96, 0x01, 0x12, 0x07, b't', b'e', b's', b't', b'i', b'n', b'g', 0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05];
        let fields: Vec<_> = Fields(&bytes).collect::<Result<_, _>>().unwrap();
        assert_eq!((fields[0], fields[1].0, fields[1].1.text()), ((1, Field::Number(150)), 2, Ok("testing".to_owned())));
        let mut list = Vec::new();
        fields[2].1.ints(&mut list).unwrap();
        assert_eq!(list, [3, 270, 86942]);
    }

    #[test]
    fn what_is_cut_or_too_long_is_damaged() {
        for bytes in [&[0x08][..], &[0x12, 0x07, b't'], &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], &[0x0b], &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]] {
            assert!(Fields(bytes).any(|f| f.is_err()), "{bytes:?}");
        }
    }
}
