//! Contents that are computed from a name, a version and an offset, so that a blob of a terabyte costs nothing and every wrong byte shows.
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::OnceLock;

/// A prime just above 4 MiB: a part that lands at the wrong multiple of any usual part size has other bytes.
const TABLE: u64 = 4_194_319;

/// Random bytes, the same on every machine.
fn table() -> &'static Bytes {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    BYTES.get_or_init(|| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let words = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        words.flatten().take(TABLE as usize).collect()
    })
}

/// FNV-1a: small, and never to change.
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|p| p.iter().chain(&[0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// The bytes of a blob's version in a range, as pieces of one table (nothing is copied).
pub fn pieces(name: &str, version: u64, range: Range<u64>) -> VecDeque<Bytes> {
    let start = hash(&[name.as_bytes(), &version.to_le_bytes()]) % TABLE;
    let (mut at, mut pieces) = (range.start, VecDeque::new());
    while at < range.end {
        let inside = (start + at) % TABLE;
        let length = (TABLE - inside).min(range.end - at);
        pieces.push_back(table().slice(inside as usize..(inside + length) as usize));
        at += length;
    }
    pieces
}

/// The same in one piece, to compare with.
pub fn contents(name: &str, version: u64, range: Range<u64>) -> Bytes {
    let pieces = pieces(name, version, range);
    if let [one] = pieces.iter().collect::<Vec<_>>()[..] {
        return one.clone();
    }
    pieces.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_of_the_whole_and_names_and_versions_differ() {
        let whole = contents("a", 1, 0..9_000_000);
        assert_eq!(contents("a", 1, 4_194_000..8_500_000), whole.slice(4_194_000..8_500_000));
        assert_ne!(contents("b", 1, 0..100), whole.slice(0..100));
        assert_ne!(contents("a", 2, 0..100), whole.slice(0..100));
        assert_ne!(whole.slice(0..1000), whole.slice(8_388_608..8_389_608), "a part at the wrong place shows");
    }
}
