//! `ochre::store` without a mount: the functions of ochre-blobs that cells, magics and mounts are made of.
use crate::plan::MIB;
use crate::server::{CONTAINER, Server};
use anyhow::{Context, ensure};
use bytes::Bytes;
use futures::StreamExt;
use ochre_blobs::{Container, Credential, FixedGrant, Grant, Location, Mode, Progress, ReadOptions, WriteOptions};
use ochre_servers::BlobServer;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A container of the server over Azure's protocol, and the runtime to use it with.
pub struct Store {
    runtime: tokio::runtime::Runtime,
    container: Container,
}

/// The grant with which everything of ours opens the server.
pub fn grant(server: &Server) -> Grant {
    let endpoint = format!("{}/{}", server.url, BlobServer::ACCOUNT);
    let credential = Credential::AzureKey(BlobServer::KEY.to_string().into());
    Grant { account: Some(BlobServer::ACCOUNT.into()), endpoint: Some(endpoint), ..Grant::new(credential) }
}

/// The location that is mounted and opened.
pub fn location() -> String {
    format!("az://{CONTAINER}@{}", BlobServer::ACCOUNT)
}

impl Store {
    /// Opens it.
    pub fn open(server: &Server) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let location = Location::parse(&location())?;
        let container = runtime.block_on(Container::open(&location, Arc::new(FixedGrant(grant(server)))))?;
        Ok(Self { runtime, container })
    }

    /// Seconds to have a whole object in memory.
    pub fn read(&self, path: &str, size: u64) -> anyhow::Result<f64> {
        let started = Instant::now();
        let bytes = self.runtime.block_on(self.container.read(path))?;
        let seconds = started.elapsed().as_secs_f64();
        ensure!(bytes.len() as u64 == size, "{} bytes in place of {size}", bytes.len());
        Ok(seconds)
    }

    /// Seconds to read through an object, 1 MiB after the other.
    pub fn read_through(&self, path: &str, size: u64) -> anyhow::Result<f64> {
        let started = Instant::now();
        self.runtime.block_on(async {
            let reader = self.container.reader(path, ReadOptions::default()).await?;
            let mut at = 0;
            while at < size {
                let bytes = reader.read_at(at, MIB as usize).await?;
                ensure!(!bytes.is_empty(), "the object ended at {at}");
                at += bytes.len() as u64;
            }
            Ok(started.elapsed().as_secs_f64())
        })
    }

    /// Seconds for reads of `length` at these places, `together` at once.
    pub fn read_at(&self, path: &str, places: &[u64], length: u64, together: usize) -> anyhow::Result<f64> {
        self.runtime.block_on(async {
            let reader = self.container.reader(path, ReadOptions::default()).await?;
            let started = Instant::now();
            let reads = futures::stream::iter(places).map(|place| {
                let reader = &reader;
                async move { reader.read_at(*place, length as usize).await }
            });
            let mut reads = std::pin::pin!(reads.buffer_unordered(together));
            while let Some(bytes) = reads.next().await {
                ensure!(bytes?.len() as u64 == length, "a read was short");
            }
            Ok(started.elapsed().as_secs_f64())
        })
    }

    /// Seconds to read all objects below a prefix, `together` at once.
    pub fn read_all(&self, prefix: &str, count: usize, together: usize) -> anyhow::Result<f64> {
        let started = Instant::now();
        let read = self.runtime.block_on(async {
            let found = self.container.list(prefix).map(|meta| async move { self.container.read(&meta?.path).await });
            let mut reads = std::pin::pin!(found.buffer_unordered(together));
            let mut read = 0;
            while let Some(bytes) = reads.next().await {
                bytes?;
                read += 1;
            }
            anyhow::Ok(read)
        })?;
        ensure!(read == count, "{read} objects in place of {count}");
        Ok(started.elapsed().as_secs_f64())
    }

    /// Seconds to list the names below a prefix.
    pub fn list(&self, prefix: &str, count: usize) -> anyhow::Result<f64> {
        let started = Instant::now();
        let found = self.runtime.block_on(async {
            let mut list = self.container.list(prefix);
            let mut found = 0;
            while let Some(meta) = list.next().await {
                meta?;
                found += 1;
            }
            anyhow::Ok(found)
        })?;
        ensure!(found == count, "{found} names in place of {count}");
        Ok(started.elapsed().as_secs_f64())
    }

    /// Seconds to send a file.
    pub fn upload(&self, file: &Path, path: &str) -> anyhow::Result<f64> {
        let started = Instant::now();
        self.runtime.block_on(self.container.upload(file, path, Progress::none(), Mode::Overwrite))?;
        let seconds = started.elapsed().as_secs_f64();
        self.runtime.block_on(self.container.delete(path))?;
        Ok(seconds)
    }

    /// Seconds to write an object, 1 MiB after the other.
    pub fn write(&self, path: &str, size: u64) -> anyhow::Result<f64> {
        let piece = Bytes::from(vec![7; MIB as usize]);
        let started = Instant::now();
        self.runtime.block_on(async {
            let mut writer = self.container.writer(path, WriteOptions { mode: Mode::Overwrite, ..WriteOptions::default() }).await?;
            for _ in 0..size / MIB {
                writer.write(piece.clone()).await?;
            }
            writer.finish().await.context("the object was not finished")
        })?;
        let seconds = started.elapsed().as_secs_f64();
        self.runtime.block_on(self.container.delete(path))?;
        Ok(seconds)
    }
}
