//! The service `runs`: what cells ask. Which run to log to, that what they logged be kept, runs for the trials of a sweep, tables that magics made.
use crate::active::Active;
use crate::begin::now_ms;
use crate::delivery::Delivered;
use crate::failures::of_tracking;
use crate::live::Facts;
use crate::runs::Runs;
use crate::stores::Store;
use crate::{names, provenance};
use ochre_api::{Failure, Service, async_trait};
use ochre_spool::wire::{self, Appended, Request};
use ochre_spool::{Batch, Reader, Record};
use ochre_tracking::{NewRun, Status, tag};
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
            Request::Active { create: true } => Ok(wire::answer(&self.told(&*self.0.active_for_cell().await?))),
            Request::Append { run_id, spool, batch } => Ok(wire::answer(&self.append(&run_id, &spool, &batch).await)),
            Request::Artifact { run_id, path, offset, total, bytes } => Ok(wire::answer(&self.part(&run_id, &path, offset, total, &bytes).await?)),
            Request::Child(child) => Ok(wire::answer(&self.child(child).await?)),
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

    async fn append(&self, run: &str, spool: &str, batch: &Batch) -> Appended {
        let records = batch.records();
        self.0.live.stretch(run, spool, batch.from, batch.end, &records);
        let store = self.0.store_of(run).unwrap_or_else(|| self.named_by(spool));
        match self.0.deliver(&store, run, records).await {
            Delivered::All => Appended { upto: batch.end, wait_ms: 0 },
            Delivered::Later(pause) => Appended { upto: batch.from, wait_ms: pause.min(LONGEST_WAIT).as_millis() as u64 },
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
            Delivered::Later(pause) => Ok(Appended { upto: offset, wait_ms: pause.min(LONGEST_WAIT).as_millis() as u64 }),
        }
    }

    async fn child(&self, child: wire::Child) -> Result<wire::Active, Failure> {
        let runs = &self.0;
        let parent = if child.parent.is_empty() { runs.active_for_cell().await?.id.clone() } else { child.parent };
        let store = runs.store_of(&parent).unwrap_or_else(|| runs.store());
        let tracking = store.open().await.map_err(of_tracking)?;
        let above = tracking.run(&parent).await.map_err(of_tracking)?;
        let mut tags: Vec<(String, String)> = provenance::tags(&runs.setup).into_iter().filter(|(key, _)| [tag::USER, tag::SOURCE_NAME, tag::SOURCE_TYPE, tag::GIT_COMMIT].contains(&key.as_str())).collect();
        tags.extend(child.tags);
        let name = if child.name.is_empty() { names::pick() } else { child.name };
        let new = NewRun { experiment_id: above.experiment_id, name: Some(name), parent: Some(parent.clone()), tags, start_ms: Some(now_ms()) };
        let run = tracking.create_run(new).await.map_err(of_tracking)?;
        runs.journal.began(&run.id, &store.address);
        runs.know(&run.id, &store);
        let experiment = runs.live.seen(&parent).map_or_else(|| runs.experiment(), |seen| seen.facts.experiment);
        runs.live.begin(Facts { id: run.id.clone(), name: run.name.clone(), experiment: experiment.clone(), start_ms: run.start_ms, page: tracking.page(&run), params: child.params.iter().cloned().collect() });
        if !child.params.is_empty() {
            let params = ochre_tracking::Batch { params: child.params, ..Default::default() };
            let outcome = tracking.log(&run.id, &params).await.map_err(of_tracking)?;
            for problem in outcome.problems {
                runs.warn(&problem.to_string()).await;
            }
        }
        Ok(wire::Active {
            run_id: run.id,
            name: run.name,
            experiment,
            tracking_uri: store.address.clone(),
            spool_directory: Some(runs.setup.spools.clone()),
            ..wire::Active::default()
        })
    }

    async fn end(&self, run: &str, status: wire::Status) -> Result<(), Failure> {
        let status = match status {
            wire::Status::Finished => Status::Finished,
            wire::Status::Failed => Status::Failed,
            wire::Status::Killed => Status::Killed,
        };
        let Some(store) = self.0.store_of(run) else { return Err(Failure::bug(format!("a cell ends the run {run}, which was not begun here"))) };
        let end_ms = now_ms();
        self.0.journal.over(run, status, end_ms);
        self.0.live.status(run, status, Some(end_ms));
        let (runs, run, busy) = (self.0.clone(), run.to_owned(), self.0.ending.clone().try_read_owned());
        let telling = tokio::spawn(async move {
            let _busy = busy;
            runs.tell(&store, &run, status, Some(end_ms)).await
        });
        // What takes longer goes on by itself.
        tokio::time::timeout(END_BOUND, telling).await.ok();
        Ok(())
    }
}
