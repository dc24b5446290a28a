//! What is done with a mounted directory, whoever mounted it: plain reads and writes of the standard library, as programs do them.
use crate::plan::MIB;
use anyhow::{bail, ensure};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Runs the same work on threads and gives the seconds until the last is done.
fn together(threads: usize, work: impl Fn() -> anyhow::Result<()> + Sync) -> anyhow::Result<f64> {
    let started = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| bail!("a reader panicked")))
    })?;
    Ok(started.elapsed().as_secs_f64())
}

/// Reads files from beginning to end in pieces of 1 MiB, each on a thread of its own.
pub fn through(files: &[std::path::PathBuf], size: u64) -> anyhow::Result<f64> {
    let next = AtomicUsize::new(0);
    together(files.len(), || {
        let mut file = File::open(&files[next.fetch_add(1, Ordering::Relaxed)])?;
        let (mut buffer, mut have) = (vec![0; MIB as usize], 0);
        loop {
            let read = file.read(&mut buffer)? as u64;
            if read == 0 {
                break;
            }
            have += read;
        }
        ensure!(have == size, "{have} bytes in place of {size}");
        Ok(())
    })
}

/// Reads `length` bytes at each place, on so many threads.
pub fn at(file: &Path, places: &[u64], length: u64, threads: usize) -> anyhow::Result<f64> {
    let file = File::open(file)?;
    let next = AtomicUsize::new(0);
    together(threads, || {
        let mut buffer = vec![0; length as usize];
        while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            file.read_exact_at(&mut buffer, *place)?;
        }
        Ok(())
    })
}

/// Reads all files of a directory on so many threads.
pub fn small(directory: &Path, count: usize, threads: usize) -> anyhow::Result<f64> {
    let started = Instant::now();
    let files: Vec<_> = std::fs::read_dir(directory)?.collect::<Result<_, _>>()?;
    ensure!(files.len() == count, "{} files in place of {count}", files.len());
    let next = AtomicUsize::new(0);
    together(threads, || {
        while let Some(entry) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let bytes = std::fs::read(entry.path())?;
            ensure!(bytes.len() as u64 == crate::server::SMALL_BYTES, "{} bytes in a small file", bytes.len());
        }
        Ok(())
    })?;
    Ok(started.elapsed().as_secs_f64())
}

/// Reads the names of a directory, as `ls` does.
pub fn names(directory: &Path, count: usize) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut found = 0;
    for entry in std::fs::read_dir(directory)? {
        entry?;
        found += 1;
    }
    ensure!(found == count, "{found} names in place of {count}");
    Ok(started.elapsed().as_secs_f64())
}

/// Writes a file of `size` bytes, until the close has returned.
pub fn write(path: &Path, size: u64) -> anyhow::Result<f64> {
    let piece = vec![7; MIB as usize];
    let started = Instant::now();
    let mut file = File::create(path)?;
    for _ in 0..size / MIB {
        file.write_all(&piece)?;
    }
    // What a close reports is lost with the handle; a program that wants to know syncs.
    file.sync_all()?;
    drop(file);
    Ok(started.elapsed().as_secs_f64())
}
