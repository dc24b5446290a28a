//! Objects in memory. object_store's own store is used for them, but not for uploads in parts, which it takes in order only.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, ObjectStore, PutMode, PutPayload, PutResult};

use crate::http::CREATE_ONLY;

/// Objects, and uploads that are going on.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    objects: Arc<InMemory>,
    uploads: Mutex<Uploads>,
}

#[derive(Debug, Default)]
struct Uploads {
    begun: u64,
    open: HashMap<MultipartId, BTreeMap<usize, Bytes>>,
}

impl Memory {
    pub(crate) fn objects(&self) -> Arc<InMemory> {
        Arc::clone(&self.objects)
    }

    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        self.objects()
    }

    fn uploads(&self) -> std::sync::MutexGuard<'_, Uploads> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gone(path: &Path) -> object_store::Error {
    object_store::Error::NotFound { path: path.to_string(), source: "NoSuchUpload".into() }
}

#[async_trait]
impl MultipartStore for Memory {
    async fn create_multipart(&self, _: &Path) -> object_store::Result<MultipartId> {
        let mut uploads = self.uploads();
        uploads.begun += 1;
        let id = uploads.begun.to_string();
        uploads.open.insert(id.clone(), BTreeMap::new());
        Ok(id)
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, index: usize, data: PutPayload) -> object_store::Result<PartId> {
        self.uploads().open.get_mut(id).ok_or_else(|| gone(path))?.insert(index, data.into());
        Ok(PartId { content_id: index.to_string() })
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, ids: Vec<PartId>) -> object_store::Result<PutResult> {
        let parts = self.uploads().open.get(id).cloned().ok_or_else(|| gone(path))?;
        let named = |part: &PartId| parts.get(&part.content_id.parse().ok()?).cloned();
        let named: Option<Vec<Bytes>> = ids.iter().map(named).collect();
        let payload: PutPayload = named.ok_or_else(|| gone(path))?.into_iter().collect();
        let mode = if CREATE_ONLY.try_with(|()| ()).is_ok() { PutMode::Create } else { PutMode::Overwrite };
        let done = self.objects.put_opts(path, payload, mode.into()).await?;
        self.uploads().open.remove(id);
        Ok(done)
    }

    async fn abort_multipart(&self, _: &Path, id: &MultipartId) -> object_store::Result<()> {
        self.uploads().open.remove(id);
        Ok(())
    }
}
