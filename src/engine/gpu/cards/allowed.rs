//! Which cards a job may use, by the variables that CUDA, ROCm and Slurm set. Vulkan knows none of them: without this
//! four tasks of one machine would all take its first card.
//!
//! CUDA_VISIBLE_DEVICES counts the cards that a process can open, in the order of CUDA_DEVICE_ORDER, or names UUIDs;
//! ROCR_VISIBLE_DEVICES counts AMD's cards or names them; SLURM_STEP_GPUS has the numbers of device files. All are brought
//! to PCI addresses, which wgpu reports too.

use super::probe::{AMD, NvidiaCard, SystemProbe};
use crate::engine::PciAddress;

/// What the environment says of the cards that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine::gpu) enum Allowed {
    /// Nothing.
    All,
    /// These, the first one first.
    Only {
        cards: Vec<PciAddress>,
        /// The variable that says so, with its value.
        by: String,
    },
    /// None at all.
    None { by: String },
    /// Something that cannot be brought to an address, and why.
    Unclear { why: String },
}

/// The cards that may be used, of those that wgpu shows.
pub(in crate::engine::gpu) fn allowed(facts: &SystemProbe, shown: &[PciAddress]) -> Allowed {
    let nvidia = within(cuda(facts, shown), slurm(facts));
    let answers = [nvidia, rocr(facts, shown)];
    let only: Vec<(&Vec<PciAddress>, &String)> = answers
        .iter()
        .filter_map(|answer| match answer {
            Allowed::Only { cards, by } => Some((cards, by)),
            _ => None,
        })
        .collect();
    if !only.is_empty() {
        return Allowed::Only {
            cards: only.iter().flat_map(|(cards, _)| cards.iter().copied()).collect(),
            by: only.iter().map(|(_, by)| by.as_str()).collect::<Vec<_>>().join(" and "),
        };
    }
    let [first, second] = answers;
    match (first, second) {
        (unclear @ Allowed::Unclear { .. }, _) | (_, unclear @ Allowed::Unclear { .. }) => unclear,
        (none @ Allowed::None { .. }, _) | (_, none @ Allowed::None { .. }) => none,
        _ => Allowed::All,
    }
}

/// CUDA's cards within the step's. Slurm numbers CUDA's cards from 0 in every task where it fences cards off, so a
/// card that is not the step's was counted among cards that CUDA cannot open.
fn within(cuda: Allowed, slurm: Allowed) -> Allowed {
    match (cuda, slurm) {
        (Allowed::Only { cards, by }, Allowed::Only { cards: of_step, by: by_step }) => {
            let both: Vec<PciAddress> = cards.iter().copied().filter(|card| of_step.contains(card)).collect();
            if both.is_empty() {
                Allowed::Only { cards: of_step, by: by_step }
            } else {
                Allowed::Only { cards: both, by }
            }
        }
        (Allowed::Unclear { .. }, Allowed::Only { cards, by }) if cards.len() == 1 => {
            Allowed::Only { cards, by }
        }
        (Allowed::All, slurm) => slurm,
        (cuda, _) => cuda,
    }
}

fn cuda(facts: &SystemProbe, shown: &[PciAddress]) -> Allowed {
    let Some(value) = &facts.cuda_visible_devices else { return Allowed::All };
    let by = format!("CUDA_VISIBLE_DEVICES={value}");
    let unclear = |why: &str| Allowed::Unclear { why: format!("{by}, but {why}") };
    let entries: Vec<&str> = value.split(',').map(str::trim).collect();
    if entries[0].is_empty() || entries[0].eq_ignore_ascii_case("NoDevFiles") || is_negative(entries[0]) {
        return Allowed::None { by };
    }
    if facts.nvidia_cards.is_empty() {
        return unclear("/proc/driver/nvidia/gpus lists no card");
    }
    // CUDA counts what the process can open, and so does the Vulkan driver.
    let counted: Vec<&NvidiaCard> =
        facts.nvidia_cards.iter().filter(|card| shown.contains(&card.address)).collect();
    let mut cards = vec![];
    for entry in entries {
        let card = if let Ok(index) = entry.parse::<usize>() {
            if counted.is_empty() {
                return unclear("no Vulkan driver shows an NVIDIA card with its address");
            }
            if !has_known_order(&counted, facts.cuda_device_order.as_deref()) {
                return unclear(
                    "CUDA counts different cards by their speed: set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name a UUID",
                );
            }
            counted.get(index).map(|card| card.address)
        } else if entry.starts_with("GPU-") {
            match &by_uuid(&facts.nvidia_cards, entry)[..] {
                [] if facts.nvidia_cards.iter().any(|card| card.uuid.is_none()) => {
                    return unclear("not every card's UUID is known");
                }
                [] => None,
                [card] => Some(*card),
                _ => return unclear("several cards have this UUID's beginning"),
            }
        } else if entry.starts_with("MIG-") {
            return unclear("a slice of a card (MIG) has no address, and Vulkan does not show it");
        } else {
            None
        };
        // CUDA's list ends at the first entry that it does not know.
        let Some(card) = card else { break };
        cards.push(card);
    }
    if cards.is_empty() { unclear("there is no such card") } else { Allowed::Only { cards, by } }
}

/// CUDA's default order begins with the fastest card; equal cards stand by address.
fn has_known_order(cards: &[&NvidiaCard], order: Option<&str>) -> bool {
    order == Some("PCI_BUS_ID") || cards.windows(2).all(|pair| pair[0].model == pair[1].model)
}

fn by_uuid(cards: &[NvidiaCard], beginning: &str) -> Vec<PciAddress> {
    let beginning = beginning.to_lowercase();
    let matches = |card: &&NvidiaCard| {
        card.uuid.as_ref().is_some_and(|uuid| uuid.to_lowercase().starts_with(&beginning))
    };
    cards.iter().filter(matches).map(|card| card.address).collect()
}

/// Slurm's numbers of NVIDIA's device files. (For AMD's cards Slurm sets ROCR_VISIBLE_DEVICES as well.)
fn slurm(facts: &SystemProbe) -> Allowed {
    let Some(value) = facts.slurm_step_gpus.as_ref().filter(|_| !facts.nvidia_cards.is_empty()) else {
        return Allowed::All;
    };
    let by = format!("SLURM_STEP_GPUS={value}");
    let unclear = || Allowed::Unclear { why: format!("{by}, but not every one is a card's device file") };
    let Some(minors) = numbers(value) else { return unclear() };
    let card = |minor| facts.nvidia_cards.iter().find(|card| card.minor == Some(minor));
    let cards: Option<Vec<PciAddress>> =
        minors.into_iter().map(|minor| card(minor).map(|card| card.address)).collect();
    match cards {
        Some(cards) if !cards.is_empty() => Allowed::Only { cards, by },
        _ => unclear(),
    }
}

/// `0,2-3` as numbers.
fn numbers(list: &str) -> Option<Vec<u32>> {
    let mut numbers = vec![];
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        // No machine has more, and a long range from a broken variable would only cost time.
        if last.checked_sub(first)? > 1024 {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

fn rocr(facts: &SystemProbe, shown: &[PciAddress]) -> Allowed {
    let Some(value) = &facts.rocr_visible_devices else { return Allowed::All };
    let by = format!("ROCR_VISIBLE_DEVICES={value}");
    let unclear = |why: &str| Allowed::Unclear { why: format!("{by}, but {why}") };
    let entries: Vec<&str> = value.split(',').map(str::trim).collect();
    if entries[0].is_empty() || is_negative(entries[0]) {
        return Allowed::None { by };
    }
    let nodes: Vec<_> =
        facts.render_nodes.iter().filter(|node| node.vendor == AMD && node.node.may_open).collect();
    if nodes.is_empty() {
        return unclear("/dev/dri has no AMD card that may be opened");
    }
    let mut cards = vec![];
    for entry in entries {
        let node = if let Ok(index) = entry.parse::<usize>() {
            nodes.get(index)
        } else {
            let id = entry.strip_prefix("GPU-").unwrap_or_default().to_lowercase();
            nodes.iter().find(|node| node.unique_id.as_ref().is_some_and(|unique| *unique == id))
        };
        let Some(node) = node else { break };
        match node.address {
            Some(address) if shown.contains(&address) => cards.push(address),
            _ => return unclear("no Vulkan driver shows a card with this address"),
        }
    }
    if cards.is_empty() { unclear("there is no such card") } else { Allowed::Only { cards, by } }
}

fn is_negative(entry: &str) -> bool {
    entry.strip_prefix('-').is_some_and(|digits| digits.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Node, RenderNode};
    use super::*;

    fn address(bus: u8) -> PciAddress {
        PciAddress { domain: 0, bus, device: 0, function: 0 }
    }

    const ALL: [u8; 4] = [0x17, 0x65, 0xa1, 0xc7];

    /// Four equal cards whose device files are numbered backwards.
    fn four_cards() -> SystemProbe {
        let card = |(k, bus): (usize, u8)| NvidiaCard {
            address: address(bus),
            model: "NVIDIA H100".to_owned(),
            uuid: Some(format!("GPU-{k}{k}aa-beef")),
            minor: Some(3 - k as u32),
        };
        SystemProbe {
            nvidia_cards: ALL.into_iter().enumerate().map(card).collect(),
            ..SystemProbe::default()
        }
    }

    fn cuda(value: &str, facts: SystemProbe) -> SystemProbe {
        SystemProbe { cuda_visible_devices: Some(value.to_owned()), ..facts }
    }

    fn slurm(value: &str, facts: SystemProbe) -> SystemProbe {
        SystemProbe { slurm_step_gpus: Some(value.to_owned()), ..facts }
    }

    /// The buses that are allowed where wgpu shows these, and by what.
    fn only(facts: &SystemProbe, shown: &[u8]) -> (Vec<u8>, String) {
        let shown: Vec<PciAddress> = shown.iter().copied().map(address).collect();
        match allowed(facts, &shown) {
            Allowed::Only { cards, by } => (cards.iter().map(|card| card.bus).collect(), by),
            other => panic!("{other:?}"),
        }
    }

    fn unclear(facts: &SystemProbe) -> String {
        match allowed(facts, &ALL.map(address)) {
            Allowed::Unclear { why } => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_variables_every_card_is_allowed() {
        assert_eq!(allowed(&four_cards(), &ALL.map(address)), Allowed::All);
    }

    #[test]
    fn cuda_counts_equal_cards_by_address() {
        let by = |value: &str| format!("CUDA_VISIBLE_DEVICES={value}");
        assert_eq!(only(&cuda("2", four_cards()), &ALL), (vec![0xa1], by("2")));
        assert_eq!(only(&cuda(" 3, 0 ", four_cards()), &ALL), (vec![0xc7, 0x17], by(" 3, 0 ")));
        // The list ends at what CUDA does not know.
        assert_eq!(only(&cuda("1,-1,2", four_cards()), &ALL).0, [0x65]);
        assert_eq!(only(&cuda("1,9,2", four_cards()), &ALL).0, [0x65]);
    }

    #[test]
    fn cuda_counts_only_the_cards_that_can_be_opened() {
        assert_eq!(only(&cuda("0", four_cards()), &[0xa1, 0xc7]).0, [0xa1]);
    }

    #[test]
    fn cuda_names_a_card_by_the_beginning_of_its_uuid() {
        assert_eq!(only(&cuda("GPU-22AA", four_cards()), &ALL).0, [0xa1]);
        assert_eq!(only(&cuda("GPU-33aa-beef,GPU-0", four_cards()), &ALL).0, [0xc7, 0x17]);
        // Also one that Vulkan does not show: it is the only one allowed, and no other may be taken.
        assert_eq!(only(&cuda("GPU-1", four_cards()), &[0x17]).0, [0x65]);
        assert!(unclear(&cuda("GPU-", four_cards())).contains("several cards"));
        assert!(unclear(&cuda("GPU-9", four_cards())).contains("no such card"));
        let mut facts = cuda("GPU-9", four_cards());
        facts.nvidia_cards[2].uuid = None;
        assert!(unclear(&facts).contains("not every card's UUID"));
    }

    #[test]
    fn cuda_may_allow_no_card_at_all() {
        for value in ["", " ", "-1", "-1,0", "NoDevFiles", "nodevfiles"] {
            let by = format!("CUDA_VISIBLE_DEVICES={value}");
            assert_eq!(allowed(&cuda(value, four_cards()), &ALL.map(address)), Allowed::None { by });
            // Also where there is no NVIDIA card: the user says no GPU.
            assert!(matches!(allowed(&cuda(value, SystemProbe::default()), &[]), Allowed::None { .. }));
        }
    }

    #[test]
    fn different_cards_are_counted_only_in_a_known_order() {
        let mut facts = cuda("1", four_cards());
        facts.nvidia_cards[0].model = "NVIDIA T4".to_owned();
        assert!(unclear(&facts).contains("CUDA_DEVICE_ORDER=PCI_BUS_ID"));
        facts.cuda_device_order = Some("FASTEST_FIRST".to_owned());
        assert!(unclear(&facts).contains("CUDA_DEVICE_ORDER=PCI_BUS_ID"));
        facts.cuda_device_order = Some("PCI_BUS_ID".to_owned());
        assert_eq!(only(&facts, &ALL).0, [0x65]);
        facts.cuda_device_order = None;
        assert_eq!(
            only(&SystemProbe { cuda_visible_devices: Some("0".into()), ..facts }, &[0xc7]).0,
            [0xc7],
            "one card"
        );
    }

    #[test]
    fn what_has_no_address_is_unclear() {
        assert!(unclear(&cuda("MIG-5a6b", four_cards())).contains("MIG"));
        assert!(unclear(&cuda("banana", four_cards())).contains("no such card"));
        assert!(unclear(&cuda("7", four_cards())).contains("no such card"));
        assert!(unclear(&cuda("0", SystemProbe::default())).contains("lists no card"));
        assert!(matches!(allowed(&cuda("0", four_cards()), &[]), Allowed::Unclear { .. }));
    }

    #[test]
    fn slurm_names_device_files() {
        assert_eq!(only(&slurm("0", four_cards()), &ALL), (vec![0xc7], "SLURM_STEP_GPUS=0".to_owned()));
        assert_eq!(only(&slurm("1-2", four_cards()), &ALL).0, [0xa1, 0x65]);
        assert!(unclear(&slurm("8", four_cards())).contains("device file"));
        assert!(unclear(&slurm("x", four_cards())).contains("device file"));
        assert!(unclear(&slurm("0-4000000000", four_cards())).contains("device file"));
        // No NVIDIA cards: the numbers are of other device files.
        assert_eq!(allowed(&slurm("0", SystemProbe::default()), &[]), Allowed::All);
    }

    #[test]
    fn every_task_of_a_step_takes_its_own_card() {
        for (k, bus) in [0x17, 0x65, 0xa1, 0xc7].into_iter().enumerate() {
            let minor = (3 - k).to_string();
            // Fenced off: CUDA counts from 0 and Vulkan shows only the task's card.
            assert_eq!(only(&slurm(&minor, cuda("0", four_cards())), &[bus]).0, [bus]);
            // Fenced off for CUDA, while Vulkan shows every card.
            assert_eq!(only(&slurm(&minor, cuda("0", four_cards())), &ALL).0, [bus]);
            // Not fenced: CUDA counts all.
            assert_eq!(only(&slurm(&minor, cuda(&k.to_string(), four_cards())), &ALL).0, [bus]);
        }
        // A user's narrower choice within the step's cards.
        assert_eq!(only(&slurm("0-3", cuda("2", four_cards())), &ALL).0, [0xa1]);
        // What CUDA's variable leaves open, a step of one card decides; one of two does not.
        assert_eq!(only(&slurm("1", cuda("MIG-1", four_cards())), &ALL).0, [0xa1]);
        assert!(unclear(&slurm("1,2", cuda("MIG-1", four_cards()))).contains("MIG"));
        let none = allowed(&slurm("1", cuda("", four_cards())), &ALL.map(address));
        assert!(matches!(none, Allowed::None { .. }));
    }

    fn amd() -> SystemProbe {
        let node = |(bus, vendor, may_open): (u8, u32, bool)| RenderNode {
            node: Node { path: format!("/dev/dri/renderD{bus}"), may_open },
            address: Some(address(bus)),
            vendor,
            driver: String::new(),
            unique_id: Some(format!("00{bus:x}")),
        };
        let nodes = [(2, 0x8086, true), (3, AMD, true), (5, AMD, false), (0x43, AMD, true)];
        SystemProbe { render_nodes: nodes.map(node).into(), ..SystemProbe::default() }
    }

    #[test]
    fn rocm_counts_or_names_amds_cards_that_may_be_opened() {
        let rocr = |value: &str| SystemProbe { rocr_visible_devices: Some(value.to_owned()), ..amd() };
        let shown = [2, 3, 0x43];
        assert_eq!(only(&rocr("1"), &shown), (vec![0x43], "ROCR_VISIBLE_DEVICES=1".to_owned()));
        assert_eq!(only(&rocr("1,0"), &shown).0, [0x43, 3]);
        assert_eq!(only(&rocr("GPU-0043"), &shown).0, [0x43]);
        assert!(matches!(allowed(&rocr(""), &[]), Allowed::None { .. }));
        assert!(unclear(&rocr("5")).contains("no such card"));
        assert!(unclear(&rocr("0")).contains("no Vulkan driver"));
        let other = SystemProbe { rocr_visible_devices: Some("0".into()), ..four_cards() };
        assert!(unclear(&other).contains("no AMD card"));
    }

    #[test]
    fn cards_of_two_makers_are_allowed_together() {
        let facts = SystemProbe {
            render_nodes: amd().render_nodes,
            rocr_visible_devices: Some("0".to_owned()),
            ..cuda("1", four_cards())
        };
        let (cards, by) = only(&facts, &[0x17, 0x65, 3]);
        assert_eq!(
            (cards, by.as_str()),
            (vec![0x65, 3], "CUDA_VISIBLE_DEVICES=1 and ROCR_VISIBLE_DEVICES=0")
        );
    }
}
