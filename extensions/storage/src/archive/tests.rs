//! Archives as programs write them, and as attackers do. Raw ones are put together here, byte for byte; honest ones come from the crate `zip`.
use super::*;
use crate::double::noise;
use crate::progress::Gauge;
use crate::target::Target;
use bytes::Bytes;
use ochre_blobs::Mode;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use zip::write::SimpleFileOptions;

/// An entry of a raw archive; everything can be wrong.
#[derive(Clone)]
struct Raw {
    name: Vec<u8>,
    /// The name in the local header.
    local_name: Vec<u8>,
    data: Vec<u8>,
    method: u16,
    flags: u16,
    size: u32,
    crc: u32,
    made_by: u16,
    attributes: u32,
    /// In place of where the local header really is.
    header: Option<u32>,
}

impl Raw {
    fn stored(name: &str, data: &[u8]) -> Self {
        let name = name.as_bytes().to_vec();
        Self { local_name: name.clone(), name, data: data.to_vec(), method: 0, flags: 0, size: data.len() as u32, crc: crc32fast::hash(data), made_by: 0, attributes: 0, header: None }
    }
}

/// The archive of these entries.
fn raw(entries: &[Raw]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let at = entry.header.unwrap_or(out.len() as u32);
        let numbers = |to: &mut Vec<u8>| {
            to.extend(20u16.to_le_bytes());
            to.extend(entry.flags.to_le_bytes());
            to.extend(entry.method.to_le_bytes());
            to.extend([0; 4]);
            to.extend(entry.crc.to_le_bytes());
            to.extend((entry.data.len() as u32).to_le_bytes());
            to.extend(entry.size.to_le_bytes());
        };
        out.extend(b"PK\x03\x04");
        numbers(&mut out);
        out.extend((entry.local_name.len() as u16).to_le_bytes());
        out.extend([0; 2]);
        out.extend(&entry.local_name);
        out.extend(&entry.data);
        directory.extend(b"PK\x01\x02");
        directory.extend(entry.made_by.to_le_bytes());
        numbers(&mut directory);
        directory.extend((entry.name.len() as u16).to_le_bytes());
        directory.extend([0; 8]);
        directory.extend(entry.attributes.to_le_bytes());
        directory.extend(at.to_le_bytes());
        directory.extend(&entry.name);
    }
    let at = out.len() as u32;
    out.extend(&directory);
    end(&mut out, entries.len() as u16, directory.len() as u32, at);
    out
}

fn end(out: &mut Vec<u8>, entries: u16, bytes: u32, at: u32) {
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(entries.to_le_bytes());
    out.extend(entries.to_le_bytes());
    out.extend(bytes.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0; 2]);
}

async fn run(bytes: Vec<u8>, limits: Limits, root: &Path) -> Result<Unpacked, String> {
    let source = Bytes::from(bytes);
    let archive = Archive::open(&source, limits).await.map_err(|f| {
        assert!(f.hint.is_some(), "a failure without a hint: {f}");
        f.message
    })?;
    let target = Target::Directory { root: root.to_owned(), mode: Mode::Create, mounted: false };
    unpack(Arc::new(source), archive, target, Gauge::new("test")).await.map_err(|f| f.message)
}

/// The archive is refused with this text, and nothing is written.
#[track_caller]
fn check_refused(bytes: Vec<u8>, expected: &str) {
    let root = tempfile::tempdir().expect("a directory");
    let inside = root.path().join("inside");
    let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("a runtime");
    let message = runtime.block_on(run(bytes, Limits::default(), &inside)).expect_err(expected);
    assert_eq!(message, expected);
    let left: Vec<_> = std::fs::read_dir(root.path()).expect("lists").flatten().map(|e| e.path()).collect();
    let empty = left.iter().all(|p| p == &inside && std::fs::read_dir(p).expect("lists").next().is_none());
    assert!(empty, "something was written: {left:?}");
}

#[test]
fn names_that_lead_outside_are_refused() {
    // An archive is checked whole before anything is written.
    for (name, why) in [("../evil", "it has `..`"), ("a/../../evil", "it has `..`"), ("/etc/evil", "it is absolute"), ("..\\evil", "it has `..`"), ("C:/evil", "it begins with a drive")] {
        let good = Raw::stored("good", b"good");
        check_refused(raw(&[good, Raw::stored(name, b"x")]), &format!("`{name}` in the archive would be written outside the destination ({why})"));
    }
    check_refused(raw(&[Raw::stored("a\nb", b"x")]), "`a\\nb` in the archive is no usable name (it has control characters)");
}

#[test]
fn links_and_devices_are_refused() {
    let special = |mode: u32| Raw { made_by: 3 << 8, attributes: mode << 16, ..Raw::stored("a", b"/etc/passwd") };
    check_refused(raw(&[special(0o120777)]), "`a` in the archive is a symbolic link, which could lead outside the destination");
    check_refused(raw(&[special(0o060644)]), "`a` in the archive is a device or pipe and no file");
    check_refused(raw(&[special(0o010644)]), "`a` in the archive is a device or pipe and no file");
}

#[test]
fn names_that_collide_are_refused() {
    check_refused(raw(&[Raw::stored("a/b", b"1"), Raw::stored("a//b", b"2")]), "the archive holds `a/b` twice");
    check_refused(raw(&[Raw::stored("a", b"1"), Raw::stored("a/b", b"2")]), "the archive holds `a` both as a file and as a directory");
    check_refused(raw(&[Raw::stored("a/b/c", b"1"), Raw::stored("a/b", b"2")]), "the archive holds `a/b` both as a file and as a directory");
    check_refused(raw(&[Raw::stored("a/", b""), Raw::stored("a", b"2")]), "the archive holds `a` both as a file and as a directory");
}

#[test]
fn entries_that_share_bytes_are_refused() {
    // David Fifield's bomb (2019) names one kernel of data from many entries.
    let first = Raw::stored("a", &[7; 1000]);
    let second = Raw { header: Some(0), ..Raw::stored("b", &[7; 1000]) };
    check_refused(raw(&[first.clone(), second]), "`a` and `b` in the archive share bytes, as decompression bombs do");
    let within = Raw { header: Some(40), ..Raw::stored("b", &[7; 10]) };
    check_refused(raw(&[first, within]), "`a` and `b` in the archive share bytes, as decompression bombs do");
    let behind = Raw { header: Some(5000), ..Raw::stored("b", &[7; 10]) };
    check_refused(raw(&[behind]), "`b` and `the directory` in the archive share bytes, as decompression bombs do");
}

#[test]
fn what_unpacks_to_too_much_is_refused_by_what_it_says_and_by_what_it_does() {
    let zeros = |claims: u32| {
        let mut packer = flate2::Compress::new(flate2::Compression::best(), false);
        let mut data = Vec::with_capacity(1 << 20);
        packer.compress_vec(&vec![0; 64 << 20], &mut data, flate2::FlushCompress::Finish).expect("packs");
        Raw { method: 8, size: claims, ..Raw::stored("zeros", &data) }
    };
    let many: Vec<Raw> = (0..20).map(|n| Raw { name: vec![b'a' + n], local_name: vec![b'a' + n], ..zeros(64 << 20) }).collect();
    check_refused(raw(&many), "the archive of 1.3 MB would unpack to 1.3 GB, more than the limit of 1.1 GB");
    check_refused(raw(&[zeros(1000)]), "`zeros` in the archive is damaged: it unpacks to more than the 1000 bytes that it says");
    check_refused(raw(&[zeros((64 << 20) + 1)]), "`zeros` in the archive is damaged: it unpacks to 67108864 bytes and says 67108865");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_can_be_set() {
    let root = tempfile::tempdir().expect("a directory");
    let archive = raw(&[Raw::stored("a", &[1; 5000])]);
    let refused = run(archive.clone(), Limits { total: Some(4999) }, root.path()).await.expect_err("too much");
    assert_eq!(refused, "the archive of 5.1 kB would unpack to 5.0 kB, more than the limit of 5.0 kB");
    assert_eq!(run(archive, Limits { total: Some(5000) }, root.path()).await, Ok(Unpacked { files: 1, bytes: 5000 }));
}

#[test]
fn encrypted_and_unknown_entries_are_named() {
    check_refused(raw(&[Raw { flags: 1, ..Raw::stored("a", b"x") }]), "`a` in the archive is encrypted");
    check_refused(raw(&[Raw { method: 99, ..Raw::stored("a", b"x") }]), "`a` in the archive is encrypted");
    check_refused(raw(&[Raw { method: 93, ..Raw::stored("a", b"x") }]), "`a` in the archive is compressed with zstd, which is not read here (stored and deflate are)");
    check_refused(raw(&[Raw { method: 77, ..Raw::stored("a", b"x") }]), "`a` in the archive is compressed with method 77, which is not read here (stored and deflate are)");
}

#[test]
fn damaged_archives_are_told_from_others() {
    check_refused(b"no archive at all, but long enough to hold an end record".to_vec(), "this is no zip archive: it has no end record");
    check_refused(Vec::new(), "this is no zip archive: it has no end record");
    let good = raw(&[Raw::stored("a", b"content")]);
    check_refused(good[..good.len() - 1].to_vec(), "this is no zip archive: it has no end record");
    check_refused(raw(&[Raw { crc: 1, ..Raw::stored("a", b"content") }]), "`a` in the archive is damaged: its CRC-32 differs");
    check_refused(raw(&[Raw { local_name: b"b".to_vec(), ..Raw::stored("a", b"content") }]), "`a` in the archive is damaged: its own header gives it another name");
    check_refused(raw(&[Raw { method: 8, size: 9, ..Raw::stored("a", b"\xffnonsense") }]), "`a` in the archive is damaged: its packed bytes are no deflate stream");
    let mut split = good.clone();
    let end_at = split.len() - 22;
    split[end_at + 4] = 3;
    check_refused(split, "the archive is one part of several (disk 3); only whole archives are read");
    let mut counts = good.clone();
    counts[end_at + 10] = 2;
    check_refused(counts, "the archive is damaged: its directory has 1 entries and says 2");
    let mut longer = good;
    longer[end_at + 12..end_at + 16].copy_from_slice(&u32::to_le_bytes(0x00ff_ffff));
    check_refused(longer, "the archive is damaged: its directory is longer than the file");
}

/// No change of one byte may write outside, hang, or panic.
#[tokio::test(flavor = "multi_thread")]
async fn any_changed_byte_is_survived() {
    let good = raw(&[Raw::stored("a/b", b"some content"), Raw::stored("c/", b""), Raw::stored("d", &noise(1, 100))]);
    for at in 0..good.len() {
        for value in [0, 0x2e, 0x2f, 0x7f, 0xff] {
            let root = tempfile::tempdir().expect("a directory");
            let mut bytes = good.clone();
            bytes[at] = value;
            let _ = run(bytes, Limits::default(), &root.path().join("in")).await;
            let outside = std::fs::read_dir(root.path()).expect("lists").flatten().any(|e| e.file_name() != "in");
            assert!(!outside, "byte {at} as {value}");
        }
    }
}

/// What a usual program writes: files of all sizes, packed and stored, with directories, an extra field and a comment.
fn honest() -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let mut files: Vec<(String, Vec<u8>)> = (0..300).map(|n| (format!("many/{}/{n}.txt", n % 7), format!("{n} ").repeat(n * 10).into_bytes())).collect();
    files.push(("Größe/日本.bin".into(), noise(5, 9_000_000)));
    files.push(("zeros.bin".into(), vec![0; 30_000_000]));
    files.push(("empty".into(), Vec::new()));
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.set_comment("PK\x05\x06 a comment that looks like an end").expect("is short");
    writer.add_directory("folder", SimpleFileOptions::default()).expect("a directory");
    for (at, (name, bytes)) in files.iter().enumerate() {
        let method = if at % 3 == 0 { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        let options = SimpleFileOptions::default().compression_method(method).large_file(at % 5 == 0).unix_permissions(0o644);
        writer.start_file(name.as_str(), options).expect("a file");
        writer.write_all(bytes).expect("writes");
    }
    (writer.finish().expect("an archive").into_inner(), files)
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_archives_are_unpacked_to_the_byte() {
    let (archive, files) = honest();
    let root = tempfile::tempdir().expect("a directory");
    let done = run(archive.clone(), Limits::default(), root.path()).await.expect("unpacks");
    assert_eq!(done, Unpacked { files: files.len() as u64, bytes: files.iter().map(|f| f.1.len() as u64).sum() });
    for (name, bytes) in &files {
        assert!(&std::fs::read(root.path().join(name)).expect(name) == bytes, "{name}");
    }
    assert!(root.path().join("folder").is_dir());
    // A program before the archive, as in self-extracting ones.
    let prefixed = [noise(2, 70_000), archive].concat();
    let root = tempfile::tempdir().expect("a directory");
    assert_eq!(run(prefixed, Limits::default(), root.path()).await, Ok(done));
}

#[tokio::test(flavor = "multi_thread")]
async fn zip64_records_are_read() {
    // More entries than 16 bits count, so that the end record overflows.
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for n in 0..70_000 {
        writer.start_file(format!("{n}"), SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored)).expect("a file");
    }
    let bytes = Bytes::from(writer.finish().expect("an archive").into_inner());
    let archive = Archive::open(&bytes, Limits::default()).await.expect("opens");
    assert_eq!(archive.entries.len(), 70_000);
}

#[tokio::test]
async fn old_code_pages_are_read() {
    let archive = Bytes::from(raw(&[Raw { name: b"\x8epfel".to_vec(), local_name: b"\x8epfel".to_vec(), ..Raw::stored("", b"x") }]));
    assert_eq!(Archive::open(&archive, Limits::default()).await.expect("opens").entries[0].name, "Äpfel");
}
