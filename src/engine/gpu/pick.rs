//! Which of the adapters that wgpu sees is taken.

use wgpu::{AdapterInfo, DeviceType};

use crate::engine::GpuChoice;
use crate::error::{Fault, Result};

/// The index of the adapter to open. A software adapter is taken only by index or name.
///
/// # Errors
/// `Gpu` when there is none such; the message lists what there is.
pub(super) fn pick(found: &[AdapterInfo], choice: &GpuChoice) -> Result<usize> {
    let picked = match choice {
        GpuChoice::Auto => {
            let real = (0..found.len()).filter(|&index| preference(found[index].device_type).is_some());
            real.min_by_key(|&index| preference(found[index].device_type))
        }
        GpuChoice::Index(index) => (*index < found.len()).then_some(*index),
        GpuChoice::Name(name) => {
            let name = name.to_lowercase();
            found.iter().position(|info| info.name.to_lowercase().contains(&name))
        }
    };
    picked.ok_or_else(|| missing(found, choice))
}

/// Smaller is better; `None` for software.
fn preference(device_type: DeviceType) -> Option<u8> {
    match device_type {
        DeviceType::DiscreteGpu => Some(0),
        DeviceType::IntegratedGpu => Some(1),
        DeviceType::VirtualGpu => Some(2),
        DeviceType::Other => Some(3),
        DeviceType::Cpu => None,
    }
}

fn missing(found: &[AdapterInfo], choice: &GpuChoice) -> crate::error::Error {
    let list: Vec<String> = found
        .iter()
        .enumerate()
        .map(|(index, info)| {
            let software = if info.device_type == DeviceType::Cpu { ", software" } else { "" };
            format!("{index}: {} ({}{software})", info.name, info.backend)
        })
        .collect();
    let expected = match choice {
        GpuChoice::Auto => "a GPU with a Vulkan, Metal or DX12 driver".to_owned(),
        GpuChoice::Index(index) => format!("an adapter of index {index}"),
        GpuChoice::Name(name) => format!("an adapter with `{name}` in its name"),
    };
    let fault = match list.is_empty() {
        true => Fault::new("no adapter at all", expected)
            .hint("install the GPU's Vulkan driver and loader, or take the CPU: --engine cpu"),
        false => Fault::new(format!("only {}", list.join("; ")), expected)
            .hint("name one with --gpu (software ones serve tests only), or take the CPU: --engine cpu"),
    };
    fault.of("GPU").gpu()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, device_type: DeviceType) -> AdapterInfo {
        AdapterInfo { name: name.to_owned(), ..AdapterInfo::new(device_type, wgpu::Backend::Vulkan) }
    }

    #[test]
    fn auto_takes_the_discrete_card_and_never_software() {
        let found = [
            info("llvmpipe", DeviceType::Cpu),
            info("UHD", DeviceType::IntegratedGpu),
            info("RTX", DeviceType::DiscreteGpu),
        ];
        assert_eq!(pick(&found, &GpuChoice::Auto).unwrap(), 2);
        assert_eq!(pick(&found[..2], &GpuChoice::Auto).unwrap(), 1);
        let error = pick(&found[..1], &GpuChoice::Auto).unwrap_err();
        assert_eq!(
            error.to_string(),
            "GPU: found only 0: llvmpipe (vulkan, software), expected a GPU with a Vulkan, Metal or DX12 driver"
        );
        assert!(pick(&[], &GpuChoice::Auto).unwrap_err().hint().unwrap().contains("--engine cpu"));
    }

    #[test]
    fn an_index_or_a_part_of_the_name_takes_software_too() {
        let found = [info("NVIDIA H200", DeviceType::DiscreteGpu), info("llvmpipe (LLVM)", DeviceType::Cpu)];
        assert_eq!(pick(&found, &"1".parse().unwrap()).unwrap(), 1);
        assert_eq!(pick(&found, &"LLVMpipe".parse().unwrap()).unwrap(), 1);
        assert_eq!(pick(&found, &"h200".parse().unwrap()).unwrap(), 0);
        assert!(pick(&found, &"2".parse().unwrap()).is_err());
        assert!(pick(&found, &"Radeon".parse().unwrap()).is_err());
    }
}
