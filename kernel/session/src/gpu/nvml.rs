//! The driver's management library, opened for the moment of the question.
use super::{Card, Memory, Part, Process, Refusal, Survey};
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use std::path::Path;

/// Longest name of a process that is asked for.
const NAME_BYTES: usize = 256;

/// Asks the library in this file.
pub(super) fn read(library: &Path) -> Result<Survey, Refusal> {
    let nvml = Nvml::builder().lib_path(library.as_os_str()).init().map_err(|error| match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => Refusal::Missing,
        other => Refusal::Says(other.to_string()),
    })?;
    let count = nvml.device_count().map_err(|error| Refusal::Says(error.to_string()))?;
    let cards = (0..count).map(|number| match nvml.device_by_index(number) {
        Ok(device) => card(&nvml, &device, number),
        // One that is broken or belongs to others is there all the same.
        Err(error) => Card { number, name: format!("cannot be used: {error}"), ..Card::default() },
    });
    let cards = cards.collect();
    let cuda = nvml.sys_cuda_driver_version().ok().map(|version| ((version / 1000) as u32, (version % 1000 / 10) as u32));
    Ok(Survey { driver: nvml.sys_driver_version().ok(), cuda, cards })
}

fn card(nvml: &Nvml, device: &Device<'_>, number: u32) -> Card {
    let divided = device.mig_mode().is_ok_and(|mode| mode.current == 1);
    let parts: Vec<Device<'_>> = match divided {
        true => (0..device.mig_device_count().unwrap_or(0)).filter_map(|part| device.mig_device_by_index(part).ok()).collect(),
        false => Vec::new(),
    };
    // Those of a divided card are told by the card to the administrator, and by its parts to their users.
    let mut processes = processes(nvml, device);
    for more in parts.iter().filter_map(|part| self::processes(nvml, part)) {
        processes.get_or_insert_default().extend(more);
    }
    if let Some(processes) = &mut processes {
        processes.sort_by_key(|process| (process.pid, std::cmp::Reverse(process.memory)));
        processes.dedup_by_key(|process| process.pid);
    }
    Card {
        number,
        name: device.name().unwrap_or_else(|error| format!("has no name: {error}")),
        memory: memory(device),
        busy: device.utilization_rates().ok().map(|rates| rates.gpu),
        temperature: device.temperature(TemperatureSensor::Gpu).ok(),
        divided,
        parts: parts.iter().map(|part| Part { name: part.name().unwrap_or_else(|_| "MIG".to_owned()), memory: memory(part) }).collect(),
        processes,
    }
}

fn memory(device: &Device<'_>) -> Memory {
    let said = device.memory_info().ok();
    Memory { used: said.as_ref().map(|m| m.used), total: said.map(|m| m.total) }
}

/// Those that compute and those that draw; a process may be both.
fn processes(nvml: &Nvml, device: &Device<'_>) -> Option<Vec<Process>> {
    let both = [device.running_compute_processes().ok(), device.running_graphics_processes().ok()];
    if both.iter().all(Option::is_none) {
        return None;
    }
    let found = both.into_iter().flatten().flatten().map(|process| Process {
        pid: process.pid,
        name: nvml.sys_process_name(process.pid, NAME_BYTES).ok().filter(|name| !name.is_empty()),
        memory: match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        },
    });
    Some(found.collect())
}
