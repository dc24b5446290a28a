//! System metrics under MLflow's names: CPU, memory, disk, network and GPUs of this machine, from /proc and `nvidia-smi`.
use crate::provenance::nvidia;
use std::collections::BTreeMap;
use std::path::PathBuf;

const MEGABYTE: f64 = 1e6;
/// Blocks of statvfs and of MLflow's figures: MLflow divides by 10^6.
const KIBIBYTE: f64 = 1024.0;

/// Takes samples; figures that are rates need the one before.
pub(crate) struct Meter {
    directory: PathBuf,
    cpu: Option<(f64, f64)>,
    network: Option<(f64, f64)>,
    /// There is no `nvidia-smi`, or it has no GPU: it is not asked again.
    no_gpu: bool,
}

impl Meter {
    /// Of the disk that the directory is on.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, cpu: cpu_times(), network: network_bytes(), no_gpu: false }
    }

    /// The figures now, by MLflow's names.
    pub(crate) async fn sample(&mut self) -> BTreeMap<String, f64> {
        let mut figures = BTreeMap::new();
        let mut put = |name: &str, value: f64| {
            figures.insert(format!("system/{name}"), (value * 100.0).round() / 100.0);
        };
        if let (Some((busy0, total0)), Some((busy, total))) = (self.cpu, cpu_times()) {
            if total > total0 {
                put("cpu_utilization_percentage", 100.0 * (busy - busy0) / (total - total0));
            }
            self.cpu = Some((busy, total));
        }
        if let Some((used, total)) = memory() {
            put("system_memory_usage_megabytes", used / MEGABYTE);
            put("system_memory_usage_percentage", 100.0 * used / total);
        }
        if let Ok(disk) = rustix::fs::statvfs(&self.directory) {
            let block = disk.f_frsize as f64;
            let (used, free) = ((disk.f_blocks - disk.f_bfree) as f64 * block, disk.f_bavail as f64 * block);
            put("disk_usage_megabytes", used / MEGABYTE);
            put("disk_available_megabytes", free / MEGABYTE);
            put("disk_usage_percentage", 100.0 * used / (used + free).max(1.0));
        }
        if let (Some((received0, sent0)), Some((received, sent))) = (self.network, network_bytes()) {
            put("network_receive_megabytes", (received - received0).max(0.0) / MEGABYTE);
            put("network_transmit_megabytes", (sent - sent0).max(0.0) / MEGABYTE);
        }
        if !self.no_gpu {
            match nvidia(&["--query-gpu=index,utilization.gpu,memory.used,memory.total,power.draw,power.limit", "--format=csv,noheader,nounits"]).await {
                Some(text) => text.lines().filter_map(gpu).flatten().for_each(|(name, value)| put(&name, value)),
                None => self.no_gpu = true,
            }
        }
        figures
    }
}

/// One line of `nvidia-smi`; `[N/A]` where a GPU does not say.
fn gpu(line: &str) -> Option<Vec<(String, f64)>> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let index: u32 = fields.first()?.parse().ok()?;
    let number = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
    let mut figures = Vec::new();
    let mut put = |name: &str, value: Option<f64>| figures.extend(value.map(|value| (format!("gpu_{index}_{name}"), value)));
    put("utilization_percentage", number(1));
    // MiB, in MLflow's megabytes.
    put("memory_usage_megabytes", number(2).map(|mib| mib * KIBIBYTE * KIBIBYTE / MEGABYTE));
    put("memory_usage_percentage", number(2).zip(number(3)).map(|(used, total)| 100.0 * used / total));
    put("power_usage_watts", number(4));
    put("power_usage_percentage", number(4).zip(number(5)).map(|(used, limit)| 100.0 * used / limit));
    Some(figures)
}

/// Busy and total time of all cores, in ticks.
fn cpu_times() -> Option<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let times: Vec<f64> = text.lines().next()?.split_whitespace().skip(1).take(8).filter_map(|t| t.parse().ok()).collect();
    let total: f64 = times.iter().sum();
    let idle = times.get(3)? + times.get(4).unwrap_or(&0.0);
    Some((total - idle, total))
}

/// Used and total memory, in bytes.
fn memory() -> Option<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().trim_end_matches(" kB").parse::<f64>().ok());
    let (total, available) = (field("MemTotal:")? * KIBIBYTE, field("MemAvailable:")? * KIBIBYTE);
    Some((total - available, total))
}

/// Bytes received and sent by all interfaces but the loopback.
fn network_bytes() -> Option<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/net/dev").ok()?;
    let interfaces = text.lines().skip(2).filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() != "lo");
    let bytes = interfaces.filter_map(|(_, fields)| {
        let fields: Vec<f64> = fields.split_whitespace().filter_map(|f| f.parse().ok()).collect();
        Some((*fields.first()?, *fields.get(8)?))
    });
    Some(bytes.fold((0.0, 0.0), |(received, sent), (r, s)| (received + r, sent + s)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sample_has_mlflows_names() {
        let mut meter = Meter::new(std::env::temp_dir());
        let mut sample = meter.sample().await;
        // The clock of /proc/stat ticks a hundred times a second.
        let started = std::time::Instant::now();
        while !sample.contains_key("system/cpu_utilization_percentage") && started.elapsed().as_secs() < 10 {
            std::hint::black_box((0..100_000u64).sum::<u64>());
            sample = meter.sample().await;
        }
        let names: Vec<&str> = sample.keys().map(String::as_str).filter(|n| !n.contains("gpu")).collect();
        assert_eq!(names, [
            "system/cpu_utilization_percentage", "system/disk_available_megabytes", "system/disk_usage_megabytes", "system/disk_usage_percentage",
            "system/network_receive_megabytes", "system/network_transmit_megabytes", "system/system_memory_usage_megabytes", "system/system_memory_usage_percentage",
        ]);
        assert!(sample.iter().all(|(name, value)| value.is_finite() && (!name.ends_with("percentage") || (0.0..=100.0).contains(value))), "{sample:?}");
    }

    #[test]
    fn a_gpu_says_what_it_can() {
        let figures = gpu("1, 37, 1000, 4000, [N/A], 300.00").expect("a GPU");
        let expected = [("gpu_1_utilization_percentage", 37.0), ("gpu_1_memory_usage_megabytes", 1048.576), ("gpu_1_memory_usage_percentage", 25.0)];
        assert_eq!(figures, expected.map(|(n, v)| (n.to_owned(), v)));
        assert!(gpu("No devices were found").is_none());
    }
}
