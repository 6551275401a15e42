//! What files and the environment say of the cards. Read here, judged in `allowed` and `diagnosis`; the drivers are in
//! `drivers`.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::engine::PciAddress;

/// PCI's number for NVIDIA.
pub(in crate::engine::gpu) const NVIDIA: u32 = 0x10de;
/// PCI's number for AMD.
pub(in crate::engine::gpu) const AMD: u32 = 0x1002;
/// PCI's number for Intel.
pub(in crate::engine::gpu) const INTEL: u32 = 0x8086;

/// Everything that was found. All empty where the system has no such files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::engine::gpu) struct SystemProbe {
    /// Cards that NVIDIA's kernel driver lists, by address.
    pub(super) nvidia_cards: Vec<NvidiaCard>,
    /// `/dev/nvidia0` and so on.
    pub(super) nvidia_nodes: Vec<Node>,
    /// `/dev/dri/renderD128` and so on, by address.
    pub(super) render_nodes: Vec<RenderNode>,
    pub(super) cuda_visible_devices: Option<String>,
    pub(super) cuda_device_order: Option<String>,
    pub(super) rocr_visible_devices: Option<String>,
    pub(super) slurm_step_gpus: Option<String>,
}

/// A card in `/proc/driver/nvidia/gpus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NvidiaCard {
    pub(super) address: PciAddress,
    pub(super) model: String,
    /// `GPU-` and hexadecimal digits; not known before the card's first use.
    pub(super) uuid: Option<String>,
    /// The number in `/dev/nvidia0`.
    pub(super) minor: Option<u32>,
}

/// A device file, and whether this process may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) path: String,
    pub(super) may_open: bool,
}

/// A device file of the kernel's graphics drivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RenderNode {
    pub(super) node: Node,
    pub(super) address: Option<PciAddress>,
    /// PCI's number of the maker.
    pub(super) vendor: u32,
    /// The kernel driver: amdgpu, i915, nouveau, ...
    pub(super) driver: String,
    /// AMD's 16 hexadecimal digits, where the card has them.
    pub(super) unique_id: Option<String>,
}

impl SystemProbe {
    /// Of this machine and process.
    pub(in crate::engine::gpu) fn read() -> Self {
        Self::read_from(Path::new("/"), |name| std::env::var(name).ok())
    }

    /// The same of files under `root` and another environment.
    pub(in crate::engine::gpu) fn read_from(root: &Path, variable: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            nvidia_cards: nvidia_cards(root),
            nvidia_nodes: nvidia_nodes(root),
            render_nodes: render_nodes(root),
            cuda_visible_devices: variable("CUDA_VISIBLE_DEVICES"),
            cuda_device_order: variable("CUDA_DEVICE_ORDER"),
            rocr_visible_devices: variable("ROCR_VISIBLE_DEVICES"),
            slurm_step_gpus: variable("SLURM_STEP_GPUS"),
        }
    }
}

fn nvidia_cards(root: &Path) -> Vec<NvidiaCard> {
    let card = |folder: PathBuf| {
        let text = fs::read_to_string(folder.join("information")).ok()?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(|value| value.trim().to_owned())
        };
        if field("GPU Excluded").is_some_and(|value| value == "Yes") {
            return None;
        }
        Some(NvidiaCard {
            address: field("Bus Location")?.parse().ok()?,
            model: field("Model").unwrap_or_default(),
            uuid: field("GPU UUID").filter(|uuid| !uuid.contains('?')),
            minor: field("Device Minor").and_then(|minor| minor.parse().ok()),
        })
    };
    let mut cards: Vec<NvidiaCard> =
        entries(&root.join("proc/driver/nvidia/gpus")).into_iter().filter_map(card).collect();
    cards.sort_by_key(|card| card.address);
    cards
}

fn nvidia_nodes(root: &Path) -> Vec<Node> {
    let numbered = |path: &PathBuf| {
        let number = path.file_name().and_then(OsStr::to_str).and_then(|name| name.strip_prefix("nvidia"));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    entries(&root.join("dev")).into_iter().filter(numbered).map(|path| node(root, &path)).collect()
}

fn render_nodes(root: &Path) -> Vec<RenderNode> {
    let render_node = |path: PathBuf| {
        let name = path.file_name()?.to_str().filter(|name| name.starts_with("renderD"))?.to_owned();
        let device = root.join("sys/class/drm").join(name).join("device");
        let line = |file: &str| fs::read_to_string(device.join(file)).ok().map(|text| text.trim().to_owned());
        let uevent = line("uevent").unwrap_or_default();
        let event = |name: &str| uevent.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        Some(RenderNode {
            node: node(root, &path),
            address: event("PCI_SLOT_NAME").and_then(|address| address.parse().ok()),
            vendor: line("vendor")
                .and_then(|id| u32::from_str_radix(id.trim_start_matches("0x"), 16).ok())?,
            driver: event("DRIVER").unwrap_or_default().to_owned(),
            unique_id: line("unique_id"),
        })
    };
    let mut nodes: Vec<RenderNode> =
        entries(&root.join("dev/dri")).into_iter().filter_map(render_node).collect();
    nodes.sort_by_key(|node| node.address);
    nodes
}

/// As the user knows it, under any root.
pub(super) fn node(root: &Path, path: &Path) -> Node {
    let shown = path.strip_prefix(root).map(|path| Path::new("/").join(path)).unwrap_or(path.to_owned());
    let opened: Result<File, _> = OpenOptions::new().read(true).write(true).open(path);
    Node { path: shown.display().to_string(), may_open: opened.is_ok() }
}

/// Paths in a folder, sorted; none where it cannot be read.
pub(super) fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else { return vec![] };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::super::samples::write;
    use super::*;

    const INFORMATION: &str = "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 345\n\
        GPU UUID: \t GPU-5a6b7c8d-0000-1111-2222-333344445555\nBus Type: \t PCIe\n\
        Bus Location: \t 0000:65:00.0\nDevice Minor: \t 1\nGPU Excluded:\t No\n";

    #[test]
    fn reads_cards_nodes_and_variables() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "proc/driver/nvidia/gpus/0000:65:00.0/information", INFORMATION);
        let other = INFORMATION.replace("0000:65", "0000:17").replace("GPU-5a6b7c8d", "GPU-????????");
        write(root, "proc/driver/nvidia/gpus/0000:17:00.0/information", &other);
        let excluded = INFORMATION.replace("0000:65", "0000:c7").replace("No", "Yes");
        write(root, "proc/driver/nvidia/gpus/0000:c7:00.0/information", &excluded);
        for node in ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "dri/renderD128", "dri/card0"] {
            write(root, &format!("dev/{node}"), "");
        }
        write(root, "sys/class/drm/renderD128/device/vendor", "0x1002\n");
        write(root, "sys/class/drm/renderD128/device/unique_id", "a1b2c3d4e5f60718\n");
        write(
            root,
            "sys/class/drm/renderD128/device/uevent",
            "DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_SLOT_NAME=0000:03:00.0\n",
        );
        let facts = SystemProbe::read_from(root, |name| (name == "SLURM_STEP_GPUS").then(|| "3".to_owned()));

        let addresses: Vec<String> = facts.nvidia_cards.iter().map(|card| card.address.to_string()).collect();
        assert_eq!(addresses, ["0000:17:00.0", "0000:65:00.0"], "sorted, without the excluded one");
        assert_eq!(facts.nvidia_cards[0].uuid, None);
        assert_eq!(facts.nvidia_cards[1].uuid.as_deref(), Some("GPU-5a6b7c8d-0000-1111-2222-333344445555"));
        assert_eq!(
            (facts.nvidia_cards[1].model.as_str(), facts.nvidia_cards[1].minor),
            ("NVIDIA H100 80GB HBM3", Some(1))
        );
        let nodes: Vec<&str> = facts.nvidia_nodes.iter().map(|node| node.path.as_str()).collect();
        assert_eq!(nodes, ["/dev/nvidia0", "/dev/nvidia1"]);
        assert!(facts.nvidia_nodes[0].may_open);
        let [render] = &facts.render_nodes[..] else { panic!("{:?}", facts.render_nodes) };
        assert_eq!((render.vendor, render.driver.as_str()), (AMD, "amdgpu"));
        assert_eq!(render.address.unwrap().to_string(), "0000:03:00.0");
        assert_eq!(render.unique_id.as_deref(), Some("a1b2c3d4e5f60718"));
        assert_eq!(facts.slurm_step_gpus.as_deref(), Some("3"));
        assert_eq!(facts.cuda_visible_devices, None);
    }

    #[test]
    fn an_empty_system_gives_empty_facts() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(SystemProbe::read_from(folder.path(), |_| None), SystemProbe::default());
    }
}
