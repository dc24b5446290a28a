//! A run that this session logs to.
use crate::outbox::Outbox;
use crate::stores::Store;
use ochre_tracking::Status;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Who began it, which decides when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `%start_run`: it ends with `%end_run` or the session.
    User,
    /// It began by itself in this cell and ends with it.
    Cell(u32),
}

/// The run.
pub(crate) struct Active {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) experiment: String,
    pub(crate) store: Arc<Store>,
    pub(crate) page: Option<String>,
    pub(crate) origin: Origin,
    /// The artifact with the cells' text.
    pub(crate) source: String,
    /// The last step of each metric that it had when it was continued.
    pub(crate) steps: BTreeMap<String, i64>,
    /// What the kernel itself logs.
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) now: Now,
}

/// How it stands.
#[derive(Default)]
pub(crate) struct Now {
    /// The running cell has logged to it.
    touched: AtomicBool,
    /// What the store was told last.
    status: Mutex<Status>,
    sampler: Mutex<Option<tokio::task::AbortHandle>>,
}

impl Active {
    /// A cell logs to it.
    pub(crate) fn touch(&self) {
        self.now.touched.store(true, Ordering::SeqCst);
    }

    /// Whether a cell has logged to it since the last call.
    pub(crate) fn take_touched(&self) -> bool {
        self.now.touched.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn status(&self) -> Status {
        *self.now.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a status; false when it was that already.
    pub(crate) fn set_status(&self, status: Status) -> bool {
        let mut told = self.now.status.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *told, status) != status
    }

    pub(crate) fn sampled_by(&self, task: tokio::task::AbortHandle) {
        *self.now.sampler.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Ends the system metrics.
    pub(crate) fn stop_sampling(&self) {
        if let Some(task) = self.now.sampler.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    /// `brave-owl-17 in experiment cats`, with the page where there is one.
    pub(crate) fn described(&self) -> String {
        let page = self.page.as_ref().map(|page| format!(": {page}")).unwrap_or_default();
        format!("{} in experiment {}{page}", self.name, self.experiment)
    }
}
