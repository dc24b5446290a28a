//! The limit: requests for ranges over plain sockets, read into a buffer and forgotten. No client that does something with the bytes is faster.
use crate::server::{CONTAINER, Server};
use anyhow::{Context, bail, ensure};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Bytes of one request, as large as the best found for Azure and S3.
const PART: u64 = 8 * 1024 * 1024;
/// A server that is silent for so long is stuck.
const SILENCE: Duration = Duration::from_secs(60);
/// Connections that are tried; the best counts.
pub const CONNECTIONS: [usize; 4] = [4, 8, 16, 32];

/// Seconds for `size` bytes of a blob over this many connections.
pub fn ranges(server: &Server, blob: &str, size: u64, connections: usize) -> anyhow::Result<f64> {
    let next = AtomicU64::new(0);
    let started = Instant::now();
    let work = || -> anyhow::Result<()> {
        let mut stream = connect(server)?;
        let mut buffer = vec![0; 1024 * 1024];
        loop {
            let from = next.fetch_add(PART, Ordering::Relaxed);
            if from >= size {
                return Ok(());
            }
            let to = (from + PART).min(size);
            let request = format!("GET /{CONTAINER}/{blob} HTTP/1.1\r\nHost: x\r\nRange: bytes={from}-{}\r\n\r\n", to - 1);
            stream.write_all(request.as_bytes())?;
            read_answer(&mut stream, &mut buffer, to - from)?;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| bail!("a reader panicked")))
    })?;
    Ok(started.elapsed().as_secs_f64())
}

/// Seconds for the best number of connections, and that number.
pub fn best(server: &Server, blob: &str, size: u64) -> anyhow::Result<(f64, usize)> {
    let mut found: Option<(f64, usize)> = None;
    for connections in CONNECTIONS {
        let seconds = ranges(server, blob, size, connections)?;
        if found.is_none_or(|(best, _)| seconds < best) {
            found = Some((seconds, connections));
        }
    }
    found.context("no number of connections was tried")
}

/// Seconds for `size` bytes sent as blocks over this many connections.
pub fn puts(server: &Server, size: u64, connections: usize) -> anyhow::Result<f64> {
    let next = AtomicU64::new(0);
    let started = Instant::now();
    let work = || -> anyhow::Result<()> {
        let mut stream = connect(server)?;
        let block = vec![7; PART as usize];
        let mut buffer = vec![0; 4096];
        loop {
            let from = next.fetch_add(PART, Ordering::Relaxed);
            if from >= size {
                return Ok(());
            }
            let length = PART.min(size - from);
            let id = from / PART;
            write!(stream, "PUT /ochreblobs/{CONTAINER}/upload/raw?comp=block&blockid=b{id:06} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")?;
            stream.write_all(&block[..length as usize])?;
            read_answer(&mut stream, &mut buffer, 0)?;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| bail!("a writer panicked")))
    })?;
    let ids: String = (0..size.div_ceil(PART)).map(|n| format!("<Latest>b{n:06}</Latest>")).collect();
    let list = format!("<BlockList>{ids}</BlockList>");
    let mut stream = connect(server)?;
    write!(stream, "PUT /ochreblobs/{CONTAINER}/upload/raw?comp=blocklist HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{list}", list.len())?;
    read_answer(&mut stream, &mut [0; 4096], 0)?;
    let seconds = started.elapsed().as_secs_f64();
    remove(server, "upload/raw")?;
    Ok(seconds)
}

/// Deletes a blob, so that the server's memory does not grow with the rounds.
pub fn remove(server: &Server, blob: &str) -> anyhow::Result<()> {
    let mut stream = connect(server)?;
    write!(stream, "DELETE /{CONTAINER}/{blob} HTTP/1.1\r\nHost: x\r\n\r\n")?;
    read_answer(&mut stream, &mut [0; 4096], 0)
}

/// Requests of `length` bytes at these places, over so many connections: what random reads cost at least.
pub fn at(server: &Server, blob: &str, places: &[u64], length: u64, connections: usize) -> anyhow::Result<f64> {
    let next = AtomicU64::new(0);
    let started = Instant::now();
    let work = || -> anyhow::Result<()> {
        let mut stream = connect(server)?;
        let mut buffer = vec![0; 1024 * 1024];
        while let Some(from) = places.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            write!(stream, "GET /{CONTAINER}/{blob} HTTP/1.1\r\nHost: x\r\nRange: bytes={from}-{}\r\n\r\n", from + length - 1)?;
            read_answer(&mut stream, &mut buffer, length)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| bail!("a reader panicked")))
    })?;
    Ok(started.elapsed().as_secs_f64())
}

fn connect(server: &Server) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(server.host())?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    Ok(stream)
}

/// Reads head and body; `length` is what the body must have when it is not 0.
fn read_answer(stream: &mut TcpStream, buffer: &mut [u8], length: u64) -> anyhow::Result<()> {
    let mut have = 0;
    let end = loop {
        let read = stream.read(&mut buffer[have..])?;
        ensure!(read > 0, "the server closed the connection");
        have += read;
        if let Some(end) = buffer[..have].windows(4).take(2048).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    ensure!(head.starts_with("HTTP/1.1 2"), "{}", head.lines().next().unwrap_or_default());
    let announced: u64 = head.lines().find_map(|l| l.strip_prefix("Content-Length: ")).and_then(|l| l.trim().parse().ok()).unwrap_or(0);
    ensure!(length == 0 || announced == length, "{announced} bytes in place of {length}");
    let mut left = announced - (have - end) as u64;
    while left > 0 {
        let most = buffer.len().min(left as usize);
        let read = stream.read(&mut buffer[..most])?;
        ensure!(read > 0, "the body was cut");
        left -= read as u64;
    }
    Ok(())
}

/// A blob's size, or that it is not there.
pub fn size(server: &Server, blob: &str) -> anyhow::Result<Option<u64>> {
    let mut stream = connect(server)?;
    write!(stream, "HEAD /{CONTAINER}/{blob} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut head = String::new();
    stream.read_to_string(&mut head)?;
    let length = head.lines().find_map(|l| l.strip_prefix("Content-Length: ")).and_then(|l| l.trim().parse().ok());
    Ok(length.filter(|_| head.starts_with("HTTP/1.1 200")))
}
