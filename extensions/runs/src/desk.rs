//! The service `runs`: what cells ask. Which run to log to, that what they logged be kept, runs for the trials of a sweep, tables that magics made.
use crate::active::Active;
use crate::delivery::Delivered;
use crate::runs::Runs;
use crate::stores::Store;
use ochre_api::{Failure, Service, async_trait};
use ochre_spool::wire::{self, Appended, Request};
use ochre_spool::{Batch, Reader, Record};
use ochre_tracking::Status;
use serde::Deserialize;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long a request to end a trial's run waits for the store; then it is told later.
const END_BOUND: Duration = Duration::from_secs(5);
/// Longest wait that is asked for before a batch is sent again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Answers cells.
pub(crate) struct Desk(pub(crate) Arc<Runs>);

/// What magics' cells ask for.
#[derive(Deserialize)]
struct TableRequest {
    table: TableAsked,
}

#[derive(Deserialize)]
struct TableAsked {
    id: u64,
    rows: Option<usize>,
}

#[async_trait]
impl Service for Desk {
    fn topic(&self) -> &'static str {
        wire::TOPIC
    }

    async fn answer(&self, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        if payload.starts_with(b"{\"table\"")
            && let Ok(TableRequest { table }) = serde_json::from_slice(payload)
        {
            return self.0.tables.json(table.id, table.rows).ok_or_else(|| Failure::usage("this table of runs is not kept any more").hint("run `%runs` again"));
        }
        let request = Request::parse(payload).map_err(|error| Failure::bug(format!("a request about runs that is not understood: {error}")))?;
        match request {
            Request::Active { create: false } => Ok(wire::answer(&self.0.active().map(|active| self.told(&active)))),
            Request::Active { create: true } => Ok(wire::answer(&self.told(&*self.begun().await?))),
            Request::Append { run_id, spool, batch } => Ok(wire::answer(&self.append(&run_id, &spool, &batch).await)),
            Request::Artifact { run_id, path, offset, total, bytes } => Ok(wire::answer(&self.part(&run_id, &path, offset, total, &bytes).await?)),
            Request::Child(child) => Ok(wire::answer(&self.0.begin_child(child).await?)),
            Request::End { run_id, status } => self.end(&run_id, status).await.map(|()| wire::answer(&())),
        }
    }
}

impl Desk {
    fn told(&self, active: &Active) -> wire::Active {
        wire::Active {
            run_id: active.id.clone(),
            name: active.name.clone(),
            experiment: active.experiment.clone(),
            tracking_uri: active.store.address.clone(),
            spool_directory: Some(self.0.setup.spools.clone()),
            remote: false,
            steps: active.steps.clone(),
        }
    }

    /// The active run. One that begins for it is known also when nobody waits for the answer any more.
    async fn begun(&self) -> Result<Arc<Active>, Failure> {
        let runs = self.0.clone();
        let beginning = tokio::spawn(async move { runs.active_for_cell().await });
        beginning.await.map_err(|error| Failure::bug(format!("a run could not begin: {error}")))?
    }

    async fn append(&self, run: &str, spool: &str, batch: &Batch) -> Appended {
        let records = batch.records();
        self.0.live.stretch(run, spool, batch.from, batch.end, &records);
        let store = self.0.store_of(run).unwrap_or_else(|| self.named_by(spool));
        match self.0.deliver(&store, run, records).await {
            Delivered::All => Appended { upto: batch.end, wait_ms: 0 },
            Delivered::Later(pause) => later(batch.from, pause),
        }
    }

    /// The store that a spool's head names, for runs that were not begun here (a job's).
    fn named_by(&self, spool: &str) -> Arc<Store> {
        let path = PathBuf::from(spool);
        let path = if path.is_absolute() { path } else { self.0.setup.spools.join(path) };
        let named = Reader::look(&path).ok().map(|reader| reader.header().tracking_uri.clone()).filter(|address| !address.is_empty());
        named.map_or_else(|| self.0.store(), |address| self.0.stores.at(&address))
    }

    /// A part of an artifact of a worker on another machine.
    async fn part(&self, run: &str, path: &str, offset: u64, total: u64, bytes: &[u8]) -> Result<Appended, Failure> {
        let name: String = format!("incoming-{run}-{path}").chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).take(200).collect();
        let file = self.0.setup.spools.join(name);
        let write = || {
            std::fs::create_dir_all(&self.0.setup.spools)?;
            let open = std::fs::OpenOptions::new().create(true).truncate(offset == 0).write(true).open(&file)?;
            open.write_all_at(bytes, offset)
        };
        write().map_err(|error| Failure::io(format!("the artifact {path} cannot be kept in {}", self.0.setup.spools.display()), error).hint("is there room on the disk?"))?;
        let upto = offset + bytes.len() as u64;
        if upto < total {
            return Ok(Appended { upto, wait_ms: 0 });
        }
        let store = self.0.store_of(run).unwrap_or_else(|| self.0.store());
        let record = Record::Artifact { path: path.to_owned(), file: file.clone(), owned: true };
        match self.0.deliver(&store, run, vec![record]).await {
            Delivered::All => {
                std::fs::remove_file(&file).ok();
                Ok(Appended { upto, wait_ms: 0 })
            }
            Delivered::Later(pause) => Ok(later(offset, pause)),
        }
    }

    async fn end(&self, run: &str, status: wire::Status) -> Result<(), Failure> {
        let status = match status {
            wire::Status::Finished => Status::Finished,
            wire::Status::Failed => Status::Failed,
            wire::Status::Killed => Status::Killed,
        };
        let Some(store) = self.0.store_of(run) else { return Err(Failure::bug(format!("a cell ends the run {run}, which was not begun here"))) };
        let telling = self.0.end_child(run, store, status);
        // What takes longer goes on by itself.
        tokio::time::timeout(END_BOUND, telling).await.ok();
        Ok(())
    }
}

/// Nothing more is kept yet: the same again after a pause, of which the last part of a millisecond counts.
fn later(upto: u64, pause: Duration) -> Appended {
    Appended { upto, wait_ms: pause.min(LONGEST_WAIT).as_millis() as u64 + 1 }
}
