//! `%gpu`: the cards of this machine, who holds their memory, and what this session's tensors hold.
use crate::gpu::{self, Around, Survey, Tools};
use ochre_api::*;
use ochre_nvidia::{Library, Search};

/// The magic.
pub(crate) struct Gpu;

const SPEC: Spec = Spec {
    name: "gpu",
    aliases: &[],
    area: "session",
    form: Form::Line,
    arguments: &[],
    summary: "shows NVIDIA's cards, who holds their memory, and what this session's tensors hold",
    help: "For each card its name, memory, how busy it was a moment ago and its temperature, as the driver says them; below that the processes \
           that hold memory, with this session's worker by that name, and the largest holders among this session's tensors. Nothing is started \
           on a card, and none is opened. Without a GPU it says so, how many threads tensors use instead, and what to install. `Device::best()` is \
           the first GPU, or the CPU; `%env CUDA_VISIBLE_DEVICES=1`, before the first use, chooses among several; \
           `ochre doctor` says where the libraries are that make tensors fast.",
    examples: &[Example { text: "%gpu", does: "cards, processes, tensors" }],
};

/// What the session's cells answer, where the prelude has tensors.
const HELD: &str = "ochre::cuda::held()";

#[async_trait]
impl Magic for Gpu {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let looked = tokio::task::spawn_blocking(|| {
            let survey = Tools::find().survey();
            let missing = survey.as_ref().map(missing).unwrap_or_default();
            (survey, missing)
        });
        let (survey, missing) = tokio::select! {
            looked = looked => looked.map_err(|error| Failure::bug("looking at the GPUs failed").because(error))?,
            () = session.interrupted() => return Err(Failure::interrupted()),
        };
        let survey = match survey {
            Ok(survey) => survey,
            Err(absence) => return Ok(MagicOutcome::text(gpu::absence(&absence, threads(session)))),
        };
        let workers = session.workers();
        let tensors = if survey.cards.is_empty() || workers.is_empty() { None } else { tensors(call.place, session).await? };
        let notes = missing.into_iter().chain(visible(session)).collect();
        let around = Around { workers, same_numbers: same_numbers(), tensors, notes };
        Ok(MagicOutcome::value(gpu::bundle(&survey, &around)))
    }
}

/// What this session's tensors hold; nothing where cells have no tensors.
async fn tensors(place: Place, session: &mut dyn SessionAccess) -> Result<Option<String>, Failure> {
    if session.engine() != "ochre" {
        return Ok(None);
    }
    match session.run_rust(HELD, place).await {
        Ok(bundle) => Ok(bundle.and_then(|bundle| bundle.text().map(str::to_owned))),
        Err(failure) if failure.fault == Fault::Interrupted => Err(failure),
        // A compiler's error: this prelude was built without tensors.
        Err(failure) if failure.name.starts_with("E0") => Ok(None),
        Err(failure) => Ok(Some(format!("they did not answer: {}", failure.one_line()))),
    }
}

/// The libraries that are not here, in one line.
fn missing(survey: &Survey) -> Option<String> {
    let (major, _) = survey.cuda?;
    let search = Search::of_process();
    let absent = [Library::Blas, Library::Dnn].into_iter().filter(|library| search.library(*library, major).is_none());
    let (names, packages): (Vec<&str>, Vec<String>) = absent.map(|library| (library.name(), library.package(major.clamp(12, 13)))).unzip();
    (!names.is_empty()).then(|| format!("tensors are slower here than they could be, for want of {}: `pip install {}`, then restart the kernel", names.join(" and "), packages.join(" ")))
}

/// A variable that hides cards from cells.
fn visible(session: &dyn SessionAccess) -> Option<String> {
    const NAME: &str = "CUDA_VISIBLE_DEVICES";
    let value = variable(NAME, session)?;
    Some(format!("{NAME} is `{value}`: cells see only those cards, and count them from cuda:0 on"))
}

/// A variable as cells have it.
fn variable(name: &str, session: &dyn SessionAccess) -> Option<String> {
    match session.environment().into_iter().rev().find(|(n, _)| n == name) {
        Some((_, set)) => set,
        None => std::env::var(name).ok(),
    }
}

/// Threads of tensors' arithmetic on the CPU.
fn threads(session: &dyn SessionAccess) -> usize {
    let set = variable("RAYON_NUM_THREADS", session).and_then(|n| n.parse().ok()).filter(|&n| n > 0);
    set.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}

/// Whether process ids here are those of the machine: then this is the first process namespace, which has this number in all of Linux.
fn same_numbers() -> bool {
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() == "pid:[4026531836]")
}
