//! Whether the system's memory killer has struck: it counts its victims.
use std::fs;

/// The counters at one moment.
pub struct MemoryKills {
    count: Option<u64>,
}

impl MemoryKills {
    /// Reads the counters of this process's control group, or the machine's where that has none.
    pub fn now() -> Self {
        Self { count: group_count().or_else(machine_count) }
    }

    /// True when somebody was killed for want of memory since then.
    pub fn more_since(&self) -> bool {
        match (self.count, Self::now().count) {
            (Some(before), Some(now)) => now > before,
            _ => false,
        }
    }
}

/// `oom_kill` of the control group (version 2).
fn group_count() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let events = fs::read_to_string(format!("/sys/fs/cgroup{}/memory.events", path.trim_end_matches('/'))).ok()?;
    value_of(&events, "oom_kill")
}

/// `oom_kill` of the whole machine.
fn machine_count() -> Option<u64> {
    value_of(&fs::read_to_string("/proc/vmstat").ok()?, "oom_kill")
}

fn value_of(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::value_of;

    #[test]
    fn finds_the_counter_and_no_longer_name() {
        let text = "oom 2\noom_kill 7\noom_kill_group 9\n";
        assert_eq!(value_of(text, "oom_kill"), Some(7));
        assert_eq!(value_of("nothing 1\n", "oom_kill"), None);
    }
}
