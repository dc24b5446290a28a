//! The programs that use the mount, as `/proc` shows them: which process a thread belongs to, and whether it was killed.

/// Set in a process's flags while it ends (`PF_EXITING` of linux/sched.h).
const EXITING: u64 = 0x4;

/// The process of a thread; the thread itself where `/proc` does not say.
pub(crate) fn process_of(thread: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok()).unwrap_or(thread)
}

/// Whether the process is ending because of a signal: what it wrote is not all that it wanted to write.
pub(crate) fn was_killed(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| killed(&stat))
}

/// Whether the process is there and not about to end.
pub(crate) fn is_alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let flags = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(9 - 3)?.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & EXITING == 0)
}

/// Reads the flags (field 9) and the exit code (field 52) of `/proc/PID/stat`; a signal is in the low seven bits of the code.
fn killed(stat: &str) -> bool {
    // The second field is the program's name in parentheses, which may hold anything.
    let Some((_, rest)) = stat.rsplit_once(") ") else { return false };
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |field: usize| fields.get(field - 3).and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    number(9) & EXITING != 0 && number(52) & 0x7f != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_process_is_told_from_one_that_ended_or_lives() {
        let stat = |flags: u64, code: u64| {
            let mut fields: Vec<String> = (1..=52).map(|_| "0".to_owned()).collect();
            (fields[1], fields[8], fields[51]) = ("(a ) b)".to_owned(), flags.to_string(), code.to_string());
            fields.join(" ")
        };
        assert!(killed(&stat(0x400 | EXITING, 9)));
        assert!(!killed(&stat(0x400 | EXITING, 256)));
        assert!(!killed(&stat(0x400, 9)));
        assert!(!was_killed(std::process::id()));
        assert_eq!(process_of(std::process::id()), std::process::id());
    }
}
