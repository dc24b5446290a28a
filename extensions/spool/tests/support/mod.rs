//! What the tests of spools share: seeded numbers, records of all kinds, and how records are compared.
#![allow(dead_code)]

use ochre_spool::{Metric, Most, Reader, Record};

/// A batch of everything.
pub const ALL: Most = Most { records: usize::MAX, bytes: usize::MAX };

/// xorshift64*: the same numbers for the same seed, everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    /// A text of up to `most` characters, of any script.
    pub fn text(&mut self, most: u64) -> String {
        let length = self.below(most + 1);
        (0..length)
            .map(|_| match self.below(8) {
                0 => char::from_u32(self.below(0xd800) as u32).unwrap_or('x'),
                1 => '\0',
                2 => '😀',
                _ => char::from(b'a' + self.below(26) as u8),
            })
            .collect()
    }
}

pub fn random_record(random: &mut Random) -> Record {
    match random.below(12) {
        0 => Record::Param { key: random.text(300), value: random.text(6_000) },
        1 => Record::Tag { key: random.text(20), value: random.text(8_000) },
        2 => Record::Text { path: random.text(30), text: random.text(60_000) },
        3 => Record::Artifact { path: random.text(30), file: random.text(60).replace('\0', "0").into(), owned: false },
        _ => Record::Metric(Metric {
            key: random.text(260),
            // Any bits: NaNs with payloads, infinities, subnormals.
            value: f64::from_bits(random.next()),
            timestamp_ms: random.next() as i64,
            step: random.next() as i64,
        }),
    }
}

/// Compares records bit by bit: NaN equals itself.
pub fn same(expected: &[Record], got: &[Record], seed: u64) {
    assert_eq!(expected.len(), got.len(), "seed {seed}");
    for (index, (a, b)) in expected.iter().zip(got).enumerate() {
        let equal = match (a, b) {
            (Record::Metric(a), Record::Metric(b)) => (&a.key, a.value.to_bits(), a.timestamp_ms, a.step) == (&b.key, b.value.to_bits(), b.timestamp_ms, b.step),
            (a, b) => a == b,
        };
        assert!(equal, "seed {seed}, record {index}: {a:?} became {b:?}");
    }
}

/// All records that a reader has.
pub fn all(reader: &Reader) -> Vec<Record> {
    reader.batch(ALL).expect("records").records()
}
