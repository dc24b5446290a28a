//! What the kernel itself logs to a run (`%log`, system metrics, the cells' text): a spool of its own, so that it outlives the kernel too.
use crate::delivery::Delivered;
use crate::runs::Runs;
use crate::stores::Store;
use ochre_api::Failure;
use ochre_spool::{Batch, Header, Most, Record, Spool};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// What may wait, in bytes: system metrics of weeks.
const LIMIT: u64 = 32 << 20;
/// What is sent at a time.
const MOST: Most = Most { records: 1000, bytes: 900_000 };
/// Records of this pace are sent together.
const GATHER: Duration = Duration::from_millis(50);

/// The kernel's end of a run. When it is dropped, its spool is removed, or left for a sweep if something waits in it.
pub(crate) struct Outbox {
    /// There until the drop.
    spool: Option<Spool>,
    added: Arc<Notify>,
    /// Whether something waits.
    waiting: watch::Sender<bool>,
}

impl Outbox {
    /// Makes the spool and the task that empties it.
    pub(crate) fn new(runs: &Arc<Runs>, store: &Arc<Store>, header: Header) -> Result<Arc<Self>, Failure> {
        let run = header.run_id.clone();
        let spool = Spool::create(&runs.setup.spools, &header, LIMIT).map_err(|error| {
            let failure = Failure::configuration("the queue of the run cannot be made").because(error);
            failure.hint("is there room and permission in the directory? OCHRE_SPOOL names another")
        })?;
        let outbox = Arc::new(Self { spool: Some(spool), added: Arc::default(), waiting: watch::Sender::new(false) });
        tokio::spawn(empty(Arc::downgrade(runs), store.clone(), run, Arc::downgrade(&outbox), outbox.added.clone()));
        Ok(outbox)
    }

    /// Keeps a record; it is on the disk when this returns, and goes to the store by and by.
    pub(crate) fn add(&self, record: Record) {
        self.waiting.send_replace(true);
        if let Some(spool) = &self.spool {
            // Room is missing only when the store was away for very long; what the kernel logs is then left out.
            spool.append(&record).ok();
        }
        self.added.notify_one();
    }

    /// Waits until everything is in the store; false when it is not within the bound.
    pub(crate) async fn flushed(&self, bound: Duration) -> bool {
        let mut waiting = self.waiting.subscribe();
        matches!(tokio::time::timeout(bound, waiting.wait_for(|waiting| !waiting)).await, Ok(Ok(_)))
    }

    /// What is to be sent next; `None` when nothing waits.
    fn next(&self) -> Option<Batch> {
        let next = || self.spool.as_ref().map(|spool| spool.batch(MOST)).filter(|batch| !batch.is_empty());
        next().or_else(|| {
            self.waiting.send_replace(false);
            // Something may have been added between the two lines above.
            let more = next();
            if more.is_some() {
                self.waiting.send_replace(true);
            }
            more
        })
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        if let Some(spool) = self.spool.take() {
            spool.finish();
        }
        self.added.notify_one();
    }
}

async fn empty(runs: Weak<Runs>, store: Arc<Store>, run: String, outbox: Weak<Outbox>, added: Arc<Notify>) {
    loop {
        // Held by the run alone while nothing is to be done.
        let Some((runs, outbox)) = runs.upgrade().zip(outbox.upgrade()) else { return };
        let pause = match outbox.next() {
            Some(batch) => match runs.deliver(&store, &run, batch.records()).await {
                Delivered::All => {
                    if let Some(spool) = &outbox.spool {
                        spool.delivered(&batch);
                    }
                    continue;
                }
                Delivered::Later(pause) => Some(pause),
            },
            None => None,
        };
        drop((runs, outbox));
        match pause {
            Some(pause) => tokio::time::sleep(pause).await,
            None => {
                added.notified().await;
                tokio::time::sleep(GATHER).await;
            }
        }
    }
}
