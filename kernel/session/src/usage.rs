//! What the session's processes use, read from `/proc`; zeros where there is none.
use crate::front::Usage;
use std::time::Instant;

/// Remembers the last reading, because CPU is a difference.
#[derive(Default)]
pub(crate) struct Meter {
    last: Option<(Instant, u64)>,
    last_host: Option<(u64, u64)>,
}

impl Meter {
    /// Reads this process and the given ones.
    pub(crate) fn read(&mut self, pids: &[u32]) -> Usage {
        let own = std::process::id();
        let processes: Vec<Process> = std::iter::once(own).chain(pids.iter().copied()).filter_map(process).collect();
        let ticks = processes.iter().map(|p| p.ticks).sum();
        let memory_of = |name: &str| host_memory(name).unwrap_or(0);
        let (total, available) = (memory_of("MemTotal:"), memory_of("MemAvailable:"));
        let used = total.saturating_sub(available);
        Usage {
            pid: own,
            host: std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
            cpu: self.cpu(ticks),
            memory: processes.iter().map(|p| p.memory).sum(),
            host_cpu_percent: self.host_cpu(),
            cpu_count: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
            host_memory_total: total,
            host_memory_available: available,
            host_memory_used: used,
            host_memory_percent: if total == 0 { 0.0 } else { used as f64 * 100.0 / total as f64 },
        }
    }

    /// Percent of one core since the last reading; a worker that was restarted counts from zero.
    fn cpu(&mut self, ticks: u64) -> f64 {
        let now = Instant::now();
        let before = self.last.replace((now, ticks));
        let Some((then, ticks_then)) = before else { return 0.0 };
        let seconds = now.duration_since(then).as_secs_f64();
        let used = ticks.saturating_sub(ticks_then) as f64 / rustix::param::clock_ticks_per_second() as f64;
        if seconds > 0.0 { used * 100.0 / seconds } else { 0.0 }
    }

    fn host_cpu(&mut self) -> f64 {
        let Some((busy, total)) = host_ticks() else { return 0.0 };
        let before = self.last_host.replace((busy, total));
        let Some((busy_then, total_then)) = before else { return 0.0 };
        let passed = total.saturating_sub(total_then);
        if passed == 0 { 0.0 } else { busy.saturating_sub(busy_then) as f64 * 100.0 / passed as f64 }
    }
}

struct Process {
    ticks: u64,
    memory: u64,
}

/// proc(5): in `stat`, fields 14 and 15 are user and system ticks, and 24 the resident pages; the name in field 2 may
/// hold blanks, so counting starts behind its closing bracket.
fn process(pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3).and_then(|f| f.parse::<u64>().ok());
    Some(Process { ticks: number(14)? + number(15)?, memory: number(24)? * rustix::param::page_size() as u64 })
}

/// Bytes of one line of `/proc/meminfo`.
fn host_memory(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Busy and all ticks of the machine; idle and iowait (fields 4 and 5) are not busy.
fn host_ticks() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<u64> = text.lines().next()?.split_whitespace().skip(1).take(8).filter_map(|t| t.parse().ok()).collect();
    let total: u64 = ticks.iter().sum();
    Some((total - ticks.get(3)? - ticks.get(4)?, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen() {
        let mut meter = Meter::default();
        let usage = meter.read(&[]);
        assert_eq!(usage.pid, std::process::id());
        assert!(usage.memory > 100_000 && usage.host_memory_total > usage.memory, "{usage:?}");
        assert!(meter.read(&[u32::MAX]).cpu >= 0.0, "a process that is gone counts as nothing");
    }
}
