//! Which of the adapters that wgpu sees is taken.

use wgpu::{AdapterInfo, DeviceType};

use super::cards::{Allowed, SystemProbe, allowed};
use crate::engine::{EngineWarning, GpuChoice, PciAddress, Unseen};
use crate::error::{Error, Fault, Remedy};

/// An adapter to open, and why this one where the user did not name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picked {
    pub(super) index: usize,
    pub(super) why: Option<String>,
    pub(super) warning: Option<EngineWarning>,
}

/// That there is nothing to pick.
#[derive(Debug)]
pub(super) struct Missing {
    found: String,
    expected: String,
    /// Whether wgpu sees no adapter at all, not even a software one.
    sees_none: bool,
    /// Whether it is for want of a real GPU, so that unseen cards matter.
    pub(super) is_for_want_of_a_card: bool,
}

/// The adapter to open. A software adapter is taken only by index or name.
pub(super) fn pick(
    found: &[AdapterInfo],
    choice: &GpuChoice,
    facts: &SystemProbe,
) -> Result<Picked, Missing> {
    let named = |index: Option<usize>, expected: String| match index {
        Some(index) => Ok(Picked { index, why: None, warning: None }),
        None => Err(Missing {
            found: list(found),
            expected,
            sees_none: found.is_empty(),
            is_for_want_of_a_card: false,
        }),
    };
    match choice {
        GpuChoice::Auto => auto(found, facts),
        GpuChoice::Index(index) => {
            named((*index < found.len()).then_some(*index), format!("an adapter of index {index}"))
        }
        GpuChoice::Name(name) => {
            let lower = name.to_lowercase();
            let index = found.iter().position(|info| info.name.to_lowercase().contains(&lower));
            named(index, format!("an adapter with `{name}` in its name"))
        }
        GpuChoice::Pci(wanted) => named(at(found, *wanted), format!("an adapter at PCI address {wanted}")),
    }
}

/// The best real adapter that the environment allows.
fn auto(found: &[AdapterInfo], facts: &SystemProbe) -> Result<Picked, Missing> {
    let is_real = |&index: &usize| preference(found[index].device_type).is_some();
    let real: Vec<usize> = (0..found.len()).filter(is_real).collect();
    let missing = |message: String| Missing {
        found: message,
        sees_none: found.is_empty(),
        expected: "a GPU with a Vulkan, Metal or DX12 driver".to_owned(),
        is_for_want_of_a_card: real.is_empty(),
    };
    let shown: Vec<PciAddress> = real.iter().filter_map(|&index| address(&found[index])).collect();
    let allowed = allowed(facts, &shown);
    if let Allowed::None { by } = &allowed {
        return Err(Missing {
            is_for_want_of_a_card: false,
            ..missing(format!("{by}, which allows no card"))
        });
    }
    let best = real.iter().copied().min_by_key(|&index| preference(found[index].device_type));
    let best = best.ok_or_else(|| missing(list(found)))?;
    match allowed {
        Allowed::Only { cards, by } => {
            let taken = cards.iter().find_map(|&card| Some((at(found, card)?, card)));
            let (index, card) = taken.ok_or_else(|| {
                let cards: Vec<String> = cards.iter().map(PciAddress::to_string).collect();
                missing(format!("{by}, which allows only {}, and {}", cards.join(", "), list(found)))
            })?;
            Ok(Picked { index, why: Some(format!("PCI {card} by {by}")), warning: None })
        }
        // One card is the right one, or none is; that it cannot be told is said all the same.
        Allowed::Unclear { why } => {
            let warning = EngineWarning::UnclearGpu { why, is_only: real.len() == 1 };
            Ok(Picked { index: best, why: None, warning: Some(warning) })
        }
        Allowed::All | Allowed::None { .. } => Ok(Picked { index: best, why: None, warning: None }),
    }
}

/// Every real adapter that the environment allows, best first.
///
/// # Errors
/// As [`pick`] of `auto`.
pub(super) fn all(found: &[AdapterInfo], facts: &SystemProbe) -> Result<Vec<usize>, Missing> {
    let first = auto(found, facts)?.index;
    let is_real = |&index: &usize| preference(found[index].device_type).is_some();
    let mut real: Vec<usize> = (0..found.len()).filter(is_real).collect();
    let shown: Vec<PciAddress> = real.iter().filter_map(|&index| address(&found[index])).collect();
    match allowed(facts, &shown) {
        Allowed::Only { cards, .. } => Ok(cards.into_iter().filter_map(|card| at(found, card)).collect()),
        // What cannot be told apart is not taken from other jobs.
        Allowed::Unclear { .. } => Ok(vec![first]),
        Allowed::All | Allowed::None { .. } => {
            real.sort_by_key(|&index| preference(found[index].device_type));
            Ok(real)
        }
    }
}

fn at(found: &[AdapterInfo], wanted: PciAddress) -> Option<usize> {
    found.iter().position(|info| address(info) == Some(wanted))
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

fn list(found: &[AdapterInfo]) -> String {
    if found.is_empty() {
        return "no adapter at all".to_owned();
    }
    let entries = found.iter().enumerate().map(|(index, info)| {
        let software = if info.device_type == DeviceType::Cpu { ", software" } else { "" };
        let slot = if info.device_pci_bus_id.is_empty() { "" } else { ", PCI:" };
        format!("{index}: {} ({}{software}{slot}{})", info.name, info.backend, info.device_pci_bus_id)
    });
    format!("only {}", entries.collect::<Vec<_>>().join("; "))
}

impl Missing {
    /// The error, with what is known of cards that wgpu does not see.
    pub(super) fn into_error(self, unseen: &[Unseen]) -> Error {
        let cards: Vec<String> = unseen
            .iter()
            .map(|unseen| format!("; {} without a device: {}", unseen.card, unseen.cause))
            .collect();
        let remedy = match unseen.first() {
            Some(unseen) => {
                let commands = unseen.commands.join(" && ");
                let colon = if commands.is_empty() { "" } else { ": " };
                Remedy::Text(format!("{}{colon}{commands}", unseen.way_out))
            }
            None if self.is_for_want_of_a_card && self.sees_none => Remedy::InstallGpuDriver,
            None => Remedy::NameGpu,
        };
        Fault::new(format!("{}{}", self.found, cards.concat()), self.expected).of("GPU").remedy(remedy).gpu()
    }
}

/// Where an adapter's card sits, if its driver says so.
pub(super) fn address(info: &AdapterInfo) -> Option<PciAddress> {
    info.device_pci_bus_id.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, device_type: DeviceType) -> AdapterInfo {
        AdapterInfo { name: name.to_owned(), ..AdapterInfo::new(device_type, wgpu::Backend::Vulkan) }
    }

    fn card(name: &str, address: &str) -> AdapterInfo {
        AdapterInfo { device_pci_bus_id: address.to_owned(), ..info(name, DeviceType::DiscreteGpu) }
    }

    fn index(found: &[AdapterInfo], choice: &str) -> Option<usize> {
        pick(found, &choice.parse().unwrap(), &SystemProbe::default()).ok().map(|picked| picked.index)
    }

    fn error(found: &[AdapterInfo], facts: &SystemProbe) -> Error {
        pick(found, &GpuChoice::Auto, facts).unwrap_err().into_error(&[])
    }

    #[test]
    fn all_are_the_real_ones_that_the_environment_allows() {
        let cards = [
            info("llvmpipe", DeviceType::Cpu),
            card("first", "0000:01:00.0"),
            card("second", "0000:02:00.0"),
        ];
        let facts = |variables: &'static [(&'static str, &'static str)]| {
            SystemProbe::read_from(std::path::Path::new("/nowhere"), |name| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(all(&cards, &facts(&[])).unwrap(), [1, 2]);
        assert!(all(&cards[..1], &facts(&[])).is_err(), "software is no GPU to compute on");
        assert!(all(&cards, &facts(&[("CUDA_VISIBLE_DEVICES", "")])).is_err());
    }

    #[test]
    fn auto_takes_the_discrete_card_and_never_software() {
        let found = [
            info("llvmpipe", DeviceType::Cpu),
            info("UHD", DeviceType::IntegratedGpu),
            info("RTX", DeviceType::DiscreteGpu),
        ];
        assert_eq!(index(&found, "auto"), Some(2));
        assert_eq!(index(&found[..2], "auto"), Some(1));
        assert_eq!(
            error(&found[..1], &SystemProbe::default()).to_string(),
            "GPU: found only 0: llvmpipe (vulkan, software), expected a GPU with a Vulkan, Metal or DX12 driver"
        );
        assert_eq!(error(&found[..1], &SystemProbe::default()).remedy(), Some(&Remedy::NameGpu));
        assert_eq!(error(&[], &SystemProbe::default()).remedy(), Some(&Remedy::InstallGpuDriver));
    }

    #[test]
    fn an_index_or_a_part_of_the_name_takes_software_too() {
        let found = [info("NVIDIA H200", DeviceType::DiscreteGpu), info("llvmpipe (LLVM)", DeviceType::Cpu)];
        for (choice, expected) in
            [("1", Some(1)), ("LLVMpipe", Some(1)), ("h200", Some(0)), ("2", None), ("Radeon", None)]
        {
            assert_eq!(index(&found, choice), expected, "{choice}");
        }
    }

    #[test]
    fn an_address_takes_the_card_in_that_slot() {
        let found = [card("A", "0000:17:00.0"), card("B", "0000:65:00.0"), info("llvmpipe", DeviceType::Cpu)];
        assert_eq!(index(&found, "PCI:65:00.0"), Some(1));
        assert_eq!(index(&found, "PCI:0001:65:00.0"), None);
    }

    /// `CUDA_VISIBLE_DEVICES` with this value, over two listed cards.
    fn facts(cuda_visible_devices: &str) -> SystemProbe {
        let folder = tempfile::tempdir().unwrap();
        for (slot, minor) in [("0000:17:00.0", 0), ("0000:65:00.0", 1)] {
            let card = folder.path().join("proc/driver/nvidia/gpus").join(slot);
            std::fs::create_dir_all(&card).unwrap();
            let text =
                format!("Model: H200\nGPU UUID: GPU-{minor}\nBus Location: {slot}\nDevice Minor: {minor}\n");
            std::fs::write(card.join("information"), text).unwrap();
        }
        SystemProbe::read_from(folder.path(), |name| {
            (name == "CUDA_VISIBLE_DEVICES").then(|| cuda_visible_devices.to_owned())
        })
    }

    #[test]
    fn auto_takes_the_card_that_the_environment_allows_and_says_so() {
        let found = [card("A", "0000:17:00.0"), card("B", "0000:65:00.0")];
        let picked = pick(&found, &GpuChoice::Auto, &facts("1")).unwrap();
        assert_eq!(picked.index, 1);
        assert_eq!(picked.why.unwrap(), "PCI 0000:65:00.0 by CUDA_VISIBLE_DEVICES=1");
        // Naming a card is stronger than the environment.
        let picked = pick(&found, &GpuChoice::Index(0), &facts("1")).unwrap();
        assert_eq!(picked, Picked { index: 0, why: None, warning: None });
    }

    #[test]
    fn auto_takes_no_card_that_the_environment_forbids() {
        let found = [card("A", "0000:17:00.0")];
        let none = error(&found, &facts(""));
        assert!(none.to_string().contains("CUDA_VISIBLE_DEVICES=, which allows no card"), "{none}");
        let other = error(&found, &facts("GPU-1"));
        assert!(other.to_string().contains("allows only 0000:65:00.0"), "{other}");
    }

    #[test]
    fn what_cannot_be_decided_takes_the_first_card_with_a_warning() {
        let found = [card("A", "0000:17:00.0"), card("B", "0000:65:00.0")];
        let picked = pick(&found, &GpuChoice::Auto, &facts("MIG-0")).unwrap();
        assert_eq!(picked.index, 0);
        assert_eq!(picked.why, None);
        let Some(EngineWarning::UnclearGpu { why, is_only: false }) = picked.warning else { panic!() };
        assert!(why.starts_with("CUDA_VISIBLE_DEVICES=MIG-0, but"), "{why}");
        let picked = pick(&found[..1], &GpuChoice::Auto, &facts("MIG-0")).unwrap();
        assert!(matches!(picked.warning, Some(EngineWarning::UnclearGpu { is_only: true, .. })));
        // Cards without an address, as some drivers show them.
        let blind = [info("A", DeviceType::DiscreteGpu), info("B", DeviceType::DiscreteGpu)];
        let picked = pick(&blind, &GpuChoice::Auto, &facts("1")).unwrap();
        assert!(picked.index == 0 && picked.warning.unwrap().to_string().contains("no Vulkan driver shows"));
    }

    #[test]
    fn an_error_names_the_cards_that_have_no_device_and_their_way_out() {
        let unseen = Unseen {
            card: "NVIDIA card (/dev/nvidia0)".to_owned(),
            cause: "no loader".to_owned(),
            way_out: "install it".to_owned(),
            commands: vec!["apt-get install -y libvulkan1".to_owned()],
            seen: vec![],
        };
        let missing = pick(&[], &GpuChoice::Auto, &SystemProbe::default()).unwrap_err();
        assert!(missing.is_for_want_of_a_card);
        let error = missing.into_error(&[unseen]);
        let found =
            "found no adapter at all; NVIDIA card (/dev/nvidia0) without a device: no loader, expected";
        assert!(error.to_string().contains(found), "{error}");
        assert_eq!(
            error.remedy(),
            Some(&Remedy::Text("install it: apt-get install -y libvulkan1".to_owned()))
        );
    }
}
