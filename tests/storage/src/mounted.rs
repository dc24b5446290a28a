//! A directory that some program mounts: started, waited for, unmounted and ended with the handle.
use crate::contender::Contender;
use crate::plan::Plan;
use crate::server::Server;
use crate::store;
use anyhow::{Context, bail};
use ochre_mount::{FromMount, MountConfig, WayName};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A mount that is not there after this long has failed.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// A process that does not end after its directory is unmounted is killed after this long.
const END_LIMIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A live mount.
pub struct Mounted {
    pub directory: PathBuf,
    child: Child,
    /// The budget that the process was given, where it has one.
    pub budget: Option<u64>,
}

impl Mounted {
    /// Mounts the server's container by a contender at a fresh directory.
    pub fn start(plan: &Plan, server: &Server, contender: Contender) -> anyhow::Result<Self> {
        let directory = plan.scratch.join(format!("mount-{}-{}", std::process::id(), contender.short()));
        std::fs::create_dir_all(&directory)?;
        let log = std::fs::File::create(plan.scratch.join(format!("{}.log", contender.short())))?;
        match contender {
            Contender::Mount => ours(plan, server, directory, log),
            _ => {
                let mut command = contender.mount_command(plan, server, &directory)?;
                let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn().context("the program cannot be started")?;
                let mut mounted = Self { directory, child, budget: None };
                mounted.wait()?;
                Ok(mounted)
            }
        }
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        while !is_mounted(&self.directory)? {
            if let Some(status) = self.child.try_wait()? {
                bail!("the mount ended with {status}");
            }
            if started.elapsed() > READY_LIMIT {
                bail!("no mount after {} s", READY_LIMIT.as_secs());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Seconds of processor time that the process has had.
    pub fn cpu(&self) -> Option<f64> {
        cpu(&self.child.id().to_string())
    }

    /// The most memory that the process had, in bytes.
    pub fn peak(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let kib: u64 = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kib * 1024)
    }
}

/// Seconds of processor time of a process (`self` is this one), in user and kernel.
pub fn cpu(process: &str) -> Option<f64> {
    /// Linux counts them in hundredths for every program.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name, which is in brackets and may hold spaces: the 12th and 13th fields from there.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11).map(|f| f.parse::<f64>().ok());
    Some((fields.next()?? + fields.next()??) / TICKS)
}

/// Our mount process, as the kernel starts it.
fn ours(plan: &Plan, server: &Server, directory: PathBuf, log: std::fs::File) -> anyhow::Result<Mounted> {
    let grant = serde_json::from_slice(&store::grant(server).to_wire())?;
    let config = MountConfig { grant: Some(grant), overwrite: true, way: Some(WayName::Fuse), ..MountConfig::new(store::location(), &directory) };
    let mut child = Command::new(&plan.ochre).arg("mount").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().with_context(|| format!("cannot start {} mount", plan.ochre.display()))?;
    child.stdin.as_mut().context("the mount process has no input")?.write_all(config.to_wire().as_bytes())?;
    let out = child.stdout.take().context("the mount process has no output")?;
    let mounted = Mounted { directory, child, budget: Some(config.budget) };
    let mut lines = BufReader::new(out).lines();
    loop {
        let Some(line) = lines.next() else { bail!("`ochre mount` ended without a word") };
        match FromMount::from_line(&line?) {
            Some(FromMount::Ready { .. }) => break,
            Some(FromMount::Failed { error, hint }) => bail!("`ochre mount`: {error}; {hint}"),
            _ => {}
        }
    }
    // It goes on talking; nobody may stop listening.
    std::thread::spawn(move || lines.for_each(drop));
    Ok(mounted)
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Each step may have happened already; what matters is that nothing is left at the end.
        drop(self.child.stdin.take());
        let unmount = |flags: &str| Command::new("fusermount3").arg(flags).arg(&self.directory).stderr(Stdio::null()).status();
        let _ = unmount("-u");
        let started = Instant::now();
        while started.elapsed() < END_LIMIT && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK_AGAIN);
        }
        let _ = unmount("-uz");
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir(&self.directory);
    }
}

fn is_mounted(directory: &Path) -> anyhow::Result<bool> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let wanted = directory.to_string_lossy();
    Ok(mounts.lines().any(|l| l.split(' ').nth(1) == Some(wanted.as_ref())))
}
