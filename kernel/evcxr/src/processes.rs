//! Processes below this one: found to stop a compilation, which evcxr itself cannot.
use std::collections::HashMap;

/// Ends this process when its parent ends: a killed relay takes the cells with it.
#[cfg(target_os = "linux")]
pub fn die_with_parent() {
    // Where it cannot be had, the end of stdin ends evcxr's runtime, once its cell is through.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}

/// Elsewhere the end of stdin ends evcxr's runtime, once its cell is through.
#[cfg(not(target_os = "linux"))]
pub fn die_with_parent() {}

/// Kills all processes below this one, but for `spared` and what is below it.
pub fn kill_below_except(spared: u32) {
    let parents = parents();
    for id in below(std::process::id(), spared, &parents) {
        if let Some(pid) = rustix::process::Pid::from_raw(id as i32) {
            // It may have ended meanwhile.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// The process and its parent, of all processes. Empty where there is no /proc: then a compilation runs to its end.
fn parents() -> HashMap<u32, u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return HashMap::new() };
    let one = |entry: std::fs::DirEntry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((id, parent(&std::fs::read_to_string(entry.path().join("stat")).ok()?)?))
    };
    entries.flatten().filter_map(one).collect()
}

/// The parent in the text of `/proc/<id>/stat`: `id (name) state parent …`, where the name may hold anything.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn below(root: u32, spared: u32, parents: &HashMap<u32, u32>) -> Vec<u32> {
    let mut found = Vec::new();
    let mut look = vec![root];
    while let Some(id) = look.pop() {
        let children = parents.iter().filter(|(child, parent)| **parent == id && **child != spared && **child != id);
        for (child, _) in children {
            found.push(*child);
            look.push(*child);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_read_whatever_the_name() {
        assert_eq!(parent("12 (a) b) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (cargo) R 1"), Some(1));
        assert_eq!(parent("nonsense"), None);
    }

    #[test]
    fn all_below_but_the_spared_branch() {
        let parents = HashMap::from([(2, 1), (3, 2), (4, 1), (5, 4), (6, 9), (1, 0)]);
        let mut found = below(1, 4, &parents);
        found.sort();
        assert_eq!(found, [2, 3]);
    }
}
