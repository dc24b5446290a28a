//! Reads .tar, .tar.gz and .zip files: names and bytes, one after the other. For data sets and npz; writes stored zips for npz.
//!
//! The crate `zip` would bring six crates more into every cell; of the format we need the directory at the end, stored and deflated members.
use crate::error::{NnError, Result};
use flate2::read::{DeflateDecoder, GzDecoder};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Largest member that is read: no data set of this crate has one, and a broken header must not ask for all memory.
const LARGEST_MEMBER: u64 = 16 << 30;

/// Called with the name and the bytes of a member; `false` ends the walk.
pub type Visit<'a> = &'a mut dyn FnMut(&str, &mut dyn Read, u64) -> Result<bool>;

/// Whether a name looks like an archive that [`walk`] reads.
pub fn is_archive(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    [".tar", ".tar.gz", ".tgz", ".zip"].iter().any(|end| name.ends_with(end))
}

/// Visits the files of an archive in their order; what it is, its first bytes say and not its name.
pub fn walk(path: &Path, visit: Visit) -> Result<()> {
    let mut file = File::open(path).map_err(|e| NnError::file("opening", path, e))?;
    let mut magic = [0; 4];
    let read = read_up_to(&mut file, &mut magic).map_err(|e| NnError::file("reading", path, e))?;
    file.rewind().map_err(|e| NnError::file("reading", path, e))?;
    let name = path.display().to_string();
    match magic {
        [0x1f, 0x8b, ..] => tar(&name, GzDecoder::new(std::io::BufReader::with_capacity(1 << 16, file)), visit),
        [b'P', b'K', ..] => Zip::open(&name, file)?.walk(visit),
        _ if read == 0 => Err(NnError::format(name, "it is empty")),
        _ => tar(&name, std::io::BufReader::with_capacity(1 << 16, file), visit),
    }
}

fn read_up_to(from: &mut impl Read, into: &mut [u8]) -> std::io::Result<usize> {
    let mut have = 0;
    while have < into.len() {
        match from.read(&mut into[have..])? {
            0 => break,
            n => have += n,
        }
    }
    Ok(have)
}

/// POSIX's ustar blocks, with GNU's and pax' long names.
fn tar(name: &str, mut from: impl Read, visit: Visit) -> Result<()> {
    const BLOCK: usize = 512;
    let bad = |problem: &str| NnError::format(name, problem);
    let broken = |e: std::io::Error| NnError::format(name, format!("it is cut short or damaged ({e})"));
    let mut long: Option<String> = None;
    let mut first = true;
    loop {
        let mut header = [0u8; BLOCK];
        match read_up_to(&mut from, &mut header).map_err(broken)? {
            0 => return Ok(()),
            BLOCK => {}
            _ => return Err(bad("it ends within a header")),
        }
        if header.iter().all(|&b| b == 0) {
            return Ok(());
        }
        if !sum_fits(&header) {
            return Err(bad(if first { "it is neither a .tar, a .tar.gz nor a .zip file" } else { "a header's checksum is wrong" }));
        }
        first = false;
        let size = octal(&header[124..136]).filter(|&s| s <= LARGEST_MEMBER).ok_or_else(|| bad("a member's size is no number"))?;
        let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        let mut member = from.by_ref().take(size);
        match header[156] {
            b'L' | b'x' => {
                let mut text = Vec::new();
                member.read_to_end(&mut text).map_err(broken)?;
                long = if header[156] == b'L' { Some(until_zero(&text)) } else { pax_path(&text).or(long) };
            }
            b'0' | 0 => {
                let own = long.take().unwrap_or_else(|| tar_name(&header));
                let go_on = visit(&own, &mut member, size)?;
                if !go_on {
                    return Ok(());
                }
            }
            _ => long = None,
        }
        let left = member.limit() + padding;
        let skipped = std::io::copy(&mut from.by_ref().take(left), &mut std::io::sink()).map_err(broken)?;
        if skipped < left.saturating_sub(padding) {
            return Err(bad("it is cut short"));
        }
    }
}

fn until_zero(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|&b| b == 0).next().unwrap_or_default()).into_owned()
}

fn tar_name(header: &[u8; 512]) -> String {
    let own = until_zero(&header[..100]);
    let prefix = if &header[257..262] == b"ustar" { until_zero(&header[345..500]) } else { String::new() };
    if prefix.is_empty() { own } else { format!("{prefix}/{own}") }
}

/// The `path` of a pax header: lines of `LENGTH KEY=VALUE`.
fn pax_path(text: &[u8]) -> Option<String> {
    String::from_utf8_lossy(text).lines().find_map(|line| line.split_once(' ')?.1.strip_prefix("path=").map(str::to_owned))
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = until_zero(field);
    u64::from_str_radix(text.trim(), 8).ok()
}

fn sum_fits(header: &[u8; 512]) -> bool {
    let sum: u64 = header.iter().enumerate().map(|(i, &b)| if (148..156).contains(&i) { 32 } else { u64::from(b) }).sum();
    octal(&header[148..156]) == Some(sum)
}

/// A member of a zip, as its directory says.
pub struct Member {
    pub name: String,
    method: u16,
    packed: u64,
    pub size: u64,
    sum: u32,
    at: u64,
}

/// A zip file whose directory was read.
pub struct Zip {
    name: String,
    file: File,
    pub members: Vec<Member>,
}

fn le16(bytes: &[u8], at: usize) -> u64 {
    u64::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn le32(bytes: &[u8], at: usize) -> u64 {
    le16(bytes, at) | le16(bytes, at + 2) << 16
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    le32(bytes, at) | le32(bytes, at + 4) << 32
}

impl Zip {
    /// Reads the directory (APPNOTE.TXT 4.3, also its 64-bit form).
    pub fn open(name: &str, mut file: File) -> Result<Self> {
        let broken = |e: std::io::Error| NnError::format(name, format!("it is cut short or damaged ({e})"));
        let bad = |problem: &str| NnError::format(name, problem);
        let length = file.seek(SeekFrom::End(0)).map_err(broken)?;
        // The record is 22 bytes and a comment of up to 64 KiB; before it the 64-bit form's 20 bytes.
        let tail_at = length.saturating_sub(22 + 65_535 + 20);
        let tail = bytes_at(&mut file, tail_at, length - tail_at).map_err(broken)?;
        let end = (0..tail.len().saturating_sub(21)).rev().find(|&i| tail[i..].starts_with(b"PK\x05\x06")).ok_or_else(|| bad("the directory at its end is missing: it is cut short or no zip file"))?;
        let (mut count, mut size, mut at) = (le16(&tail, end + 10), le32(&tail, end + 12), le32(&tail, end + 16));
        if (at == 0xffff_ffff || count == 0xffff || size == 0xffff_ffff) && end >= 20 && tail[end - 20..].starts_with(b"PK\x06\x07") {
            let record = bytes_at(&mut file, le64(&tail, end - 12), 56).map_err(broken)?;
            if !record.starts_with(b"PK\x06\x06") {
                return Err(bad("its 64-bit directory is not where it should be"));
            }
            (count, size, at) = (le64(&record, 32), le64(&record, 40), le64(&record, 48));
        }
        if at.checked_add(size).is_none_or(|e| e > length) {
            return Err(bad("its directory points behind its end"));
        }
        let directory = bytes_at(&mut file, at, size).map_err(broken)?;
        let members = directory_members(name, &directory, count)?;
        Ok(Self { name: name.to_owned(), file, members })
    }

    /// The bytes of a member, checked against its checksum.
    pub fn read(&mut self, index: usize) -> Result<Vec<u8>> {
        let name = self.name.clone();
        let member = &self.members[index];
        let bad = |problem: String| NnError::format(format!("{name} ({})", member.name), problem);
        if member.size > LARGEST_MEMBER || member.packed > LARGEST_MEMBER {
            return Err(bad("it is larger than this reader takes".into()));
        }
        let header = bytes_at(&mut self.file, member.at, 30).map_err(|e| bad(e.to_string()))?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(bad("its header is not where the directory says".into()));
        }
        let data = member.at + 30 + le16(&header, 26) + le16(&header, 28);
        self.file.seek(SeekFrom::Start(data)).map_err(|e| bad(e.to_string()))?;
        let packed = (&mut self.file).take(member.packed);
        let mut bytes = Vec::with_capacity(usize::try_from(member.size.min(1 << 26)).unwrap_or(0));
        let read = match member.method {
            0 => { packed }.read_to_end(&mut bytes),
            8 => DeflateDecoder::new(packed).take(member.size + 1).read_to_end(&mut bytes),
            other => return Err(bad(format!("it is packed by method {other}; stored and deflated members are read"))),
        };
        read.map_err(|e| bad(format!("it is damaged ({e})")))?;
        let mut sum = flate2::Crc::new();
        sum.update(&bytes);
        if bytes.len() as u64 != member.size || sum.sum() != member.sum {
            return Err(bad("its checksum or its length is wrong: the file is damaged".into()));
        }
        Ok(bytes)
    }

    fn walk(mut self, visit: Visit) -> Result<()> {
        for index in 0..self.members.len() {
            if self.members[index].name.ends_with('/') {
                continue;
            }
            let bytes = self.read(index)?;
            if !visit(&self.members[index].name, &mut bytes.as_slice(), bytes.len() as u64)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn bytes_at(file: &mut File, at: u64, length: u64) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}

fn directory_members(name: &str, mut rest: &[u8], count: u64) -> Result<Vec<Member>> {
    let bad = || NnError::format(name, "its directory is damaged");
    let mut members = Vec::new();
    for _ in 0..count {
        if rest.len() < 46 || !rest.starts_with(b"PK\x01\x02") {
            return Err(bad());
        }
        let (name_length, extra, comment) = (le16(rest, 28) as usize, le16(rest, 30) as usize, le16(rest, 32) as usize);
        let total = 46 + name_length + extra + comment;
        if rest.len() < total {
            return Err(bad());
        }
        let own = String::from_utf8_lossy(&rest[46..46 + name_length]).into_owned();
        let mut member = Member { name: own, method: le16(rest, 10) as u16, sum: le32(rest, 16) as u32, packed: le32(rest, 20), size: le32(rest, 24), at: le32(rest, 42) };
        widen(&mut member, &rest[46 + name_length..46 + name_length + extra]).ok_or_else(bad)?;
        members.push(member);
        rest = &rest[total..];
    }
    Ok(members)
}

/// Takes what did not fit in 32 bits from the extra field 1; `None` if it is not there.
fn widen(member: &mut Member, mut extra: &[u8]) -> Option<()> {
    const WIDE: u64 = 0xffff_ffff;
    if member.size != WIDE && member.packed != WIDE && member.at != WIDE {
        return Some(());
    }
    while extra.len() >= 4 {
        let (kind, length) = (le16(extra, 0), le16(extra, 2) as usize);
        let mut body = extra.get(4..4 + length)?;
        if kind == 1 {
            for field in [&mut member.size, &mut member.packed, &mut member.at].into_iter().filter(|f| **f == WIDE) {
                *field = le64(body.get(..8)?, 0);
                body = &body[8..];
            }
            return Some(());
        }
        extra = &extra[4 + length..];
    }
    None
}

/// Writes a zip of stored members, as `numpy.savez` does. Up to 4 GiB in all: larger ones are refused.
pub fn write_zip(path: &Path, members: &[(String, Vec<u8>)]) -> Result<()> {
    let mut out: Vec<u8> = Vec::new();
    let mut directory: Vec<u8> = Vec::new();
    let total: u64 = members.iter().map(|(n, b)| (n.len() * 2 + b.len() + 100) as u64).sum();
    if total >= u64::from(u32::MAX) || members.len() >= 65_535 {
        return Err(NnError::Data(format!("{}: an npz of more than 4 GiB or 65,534 arrays is not written; save as safetensors", path.display())));
    }
    for (name, bytes) in members {
        let mut sum = flate2::Crc::new();
        sum.update(bytes);
        let at = out.len() as u32;
        // Version 2.0, UTF-8 names, stored, 1980-01-01 (zips know no earlier day): the same tensors give the same bytes.
        let mut common = Vec::new();
        common.extend_from_slice(&[20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0]);
        common.extend_from_slice(&sum.sum().to_le_bytes());
        common.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        common.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        common.extend_from_slice(&(name.len() as u16).to_le_bytes());
        common.extend_from_slice(&[0, 0]);
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&common);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(bytes);
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&at.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let (count, at, size) = ((members.len() as u16).to_le_bytes(), (out.len() as u32).to_le_bytes(), (directory.len() as u32).to_le_bytes());
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&[count, count].concat());
    out.extend_from_slice(&[size, at].concat());
    out.extend_from_slice(&[0, 0]);
    crate::files::write(path, |file| file.write_all(&out))
}
