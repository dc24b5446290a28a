//! The records of a zip file, as PKWARE's APPNOTE 6.3.10 gives them (sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16, 4.5.3): bytes only, nothing is judged.

pub(super) const LOCAL: u32 = 0x0403_4b50;
pub(super) const CENTRAL: u32 = 0x0201_4b50;
pub(super) const END: u32 = 0x0605_4b50;
pub(super) const END64: u32 = 0x0606_4b50;
pub(super) const LOCATOR64: u32 = 0x0706_4b50;

pub(super) const LOCAL_BYTES: usize = 30;
pub(super) const CENTRAL_BYTES: usize = 46;
pub(super) const END_BYTES: usize = 22;
pub(super) const END64_BYTES: usize = 56;
pub(super) const LOCATOR64_BYTES: usize = 20;

/// Little-endian numbers of a record; `None` behind its end.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn u16(self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.0.get(at..at + 2)?.try_into().ok()?))
    }
    pub(super) fn u32(self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.0.get(at..at + 4)?.try_into().ok()?))
    }
    pub(super) fn u64(self, at: usize) -> Option<u64> {
        Some(u64::from_le_bytes(self.0.get(at..at + 8)?.try_into().ok()?))
    }
    pub(super) fn bytes(self, at: usize, length: usize) -> Option<&'a [u8]> {
        self.0.get(at..at.checked_add(length)?)
    }
}

/// The end record, with the 64-bit one over it where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) disk: u32,
    pub(super) entries: u64,
    pub(super) directory_bytes: u64,
    pub(super) directory_at: u64,
}

impl End {
    pub(super) fn read(fields: Fields<'_>) -> Option<Self> {
        let disk = u32::from(fields.u16(4)?).max(u32::from(fields.u16(6)?));
        Some(Self { disk, entries: fields.u16(10)?.into(), directory_bytes: fields.u32(12)?.into(), directory_at: fields.u32(16)?.into() })
    }

    /// True when a field is full, so that the 64-bit record has the number.
    pub(super) fn overflows(&self) -> bool {
        self.entries == 0xffff || self.directory_bytes == 0xffff_ffff || self.directory_at == 0xffff_ffff || self.disk == 0xffff
    }

    pub(super) fn read64(fields: Fields<'_>) -> Option<Self> {
        let disk = fields.u32(16)?.max(fields.u32(20)?);
        Some(Self { disk, entries: fields.u64(32)?, directory_bytes: fields.u64(40)?, directory_at: fields.u64(48)? })
    }
}

/// One record of the directory.
#[derive(Clone, Debug)]
pub(super) struct Central<'a> {
    pub(super) made_by: u16,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) compressed: u64,
    pub(super) size: u64,
    pub(super) attributes: u32,
    pub(super) header: u64,
    pub(super) name: &'a [u8],
    /// All its bytes, name, extra fields and comment included.
    pub(super) length: usize,
}

impl<'a> Central<'a> {
    pub(super) fn read(fields: Fields<'a>) -> Option<Self> {
        if fields.u32(0)? != CENTRAL {
            return None;
        }
        let (name_bytes, extra_bytes, comment_bytes) = (usize::from(fields.u16(28)?), usize::from(fields.u16(30)?), usize::from(fields.u16(32)?));
        let mut record = Self {
            made_by: fields.u16(4)?,
            flags: fields.u16(8)?,
            method: fields.u16(10)?,
            crc: fields.u32(16)?,
            compressed: fields.u32(20)?.into(),
            size: fields.u32(24)?.into(),
            attributes: fields.u32(38)?,
            header: fields.u32(42)?.into(),
            name: fields.bytes(CENTRAL_BYTES, name_bytes)?,
            length: CENTRAL_BYTES + name_bytes + extra_bytes + comment_bytes,
        };
        fields.bytes(0, record.length)?;
        record.widen(Fields(fields.bytes(CENTRAL_BYTES + name_bytes, extra_bytes)?))?;
        Some(record)
    }

    /// Takes what is too long for 32 bits from the extra field of zip64: only full fields are in it, in this order.
    fn widen(&mut self, extra: Fields<'_>) -> Option<()> {
        const FULL: u64 = 0xffff_ffff;
        let mut at = 0;
        while let (Some(kind), Some(length)) = (extra.u16(at), extra.u16(at + 2)) {
            let body = Fields(extra.bytes(at + 4, usize::from(length))?);
            if kind == 1 {
                let mut next = 0;
                for field in [&mut self.size, &mut self.compressed, &mut self.header] {
                    if *field == FULL {
                        *field = body.u64(next)?;
                        next += 8;
                    }
                }
                return Some(());
            }
            at += 4 + usize::from(length);
        }
        Some(())
    }
}

/// What a local header says: the name, and where the bytes begin.
pub(super) struct Local<'a> {
    pub(super) name: &'a [u8],
    /// From the header's beginning to the entry's bytes.
    pub(super) length: usize,
}

impl<'a> Local<'a> {
    /// The whole length that a header of at least [`LOCAL_BYTES`] announces.
    pub(super) fn announced(fields: Fields<'_>) -> Option<usize> {
        (fields.u32(0)? == LOCAL).then_some(())?;
        Some(LOCAL_BYTES + usize::from(fields.u16(26)?) + usize::from(fields.u16(28)?))
    }

    pub(super) fn read(fields: Fields<'a>) -> Option<Self> {
        let length = Self::announced(fields)?;
        Some(Self { name: fields.bytes(LOCAL_BYTES, usize::from(fields.u16(26)?))?, length })
    }
}
