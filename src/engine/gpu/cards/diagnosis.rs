//! Why a card that the system shows has no Vulkan device, and the way out.

use super::probe::{AMD, INTEL, NVIDIA, Node, SystemProbe};
use crate::engine::Unseen;

/// What wgpu shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::engine::gpu) struct Shown {
    /// PCI's numbers of the makers of the real GPUs.
    pub(in crate::engine::gpu) vendors: Vec<u32>,
    /// Names and makers of GPUs that wgpu hides because their driver does not claim to conform to Vulkan.
    pub(in crate::engine::gpu) hidden: Vec<(String, u32)>,
}

/// One maker's cards, none of which Vulkan shows.
struct Cards<'a> {
    vendor: u32,
    name: &'static str,
    /// What its Vulkan drivers' manifests have in their names.
    manifests: &'static [&'static str],
    /// What to install.
    packages: &'static str,
    nodes: Vec<&'a Node>,
}

/// The makers whose cards the system shows and wgpu does not, each with the first thing that is missing.
pub(in crate::engine::gpu) fn diagnose(facts: &SystemProbe, shown: &Shown) -> Vec<Unseen> {
    let cards = makers(facts).into_iter().filter(|cards| !cards.nodes.is_empty());
    let unseen = cards.filter(|cards| !shown.vendors.contains(&cards.vendor));
    unseen.map(|cards| explain(facts, shown, &cards)).collect()
}

fn makers(facts: &SystemProbe) -> [Cards<'_>; 3] {
    let rendering = |vendor: u32| {
        let nodes = facts.render_nodes.iter().filter(move |node| node.vendor == vendor);
        nodes.map(|node| &node.node)
    };
    let open_driver = facts.render_nodes.iter().any(|node| node.driver == "nouveau");
    [
        Cards {
            vendor: NVIDIA,
            name: "NVIDIA",
            manifests: if open_driver { &["nouveau"] } else { &["nvidia"] },
            packages: if open_driver {
                "Mesa's Vulkan driver (mesa-vulkan-drivers) or NVIDIA's own driver"
            } else {
                "the Vulkan part of the same version of NVIDIA's driver (libnvidia-gl on Ubuntu, \
                 nvidia-vulkan-icd on Debian)"
            },
            nodes: if facts.nvidia_nodes.is_empty() {
                rendering(NVIDIA).collect()
            } else {
                facts.nvidia_nodes.iter().collect()
            },
        },
        Cards {
            vendor: AMD,
            name: "AMD",
            manifests: &["radeon", "amd"],
            packages: "Mesa's Vulkan driver (mesa-vulkan-drivers; vulkan-radeon on Arch)",
            nodes: rendering(AMD).collect(),
        },
        Cards {
            vendor: INTEL,
            name: "Intel",
            manifests: &["intel"],
            packages: "Mesa's Vulkan driver (mesa-vulkan-drivers; vulkan-intel on Arch)",
            nodes: rendering(INTEL).collect(),
        },
    ]
}

fn explain(facts: &SystemProbe, shown: &Shown, cards: &Cards<'_>) -> Unseen {
    let (cause, way_out) = cause(facts, shown, cards);
    let nodes: Vec<&str> = cards.nodes.iter().map(|node| node.path.as_str()).collect();
    let nodes = crate::text::some_of(nodes.into_iter().map(str::to_owned));
    Unseen { card: format!("{} card ({nodes})", cards.name), cause, way_out }
}

/// What is missing first, in the order that it must be mended in, and how.
fn cause(facts: &SystemProbe, shown: &Shown, cards: &Cards<'_>) -> (String, String) {
    let is_nvidias = cards.vendor == NVIDIA && !facts.nvidia_nodes.is_empty();
    let hidden: Vec<&str> =
        shown.hidden.iter().filter(|(_, vendor)| *vendor == cards.vendor).map(|(name, _)| &**name).collect();
    if !hidden.is_empty() {
        return (
            format!("the driver of {} does not claim to conform to Vulkan, so it is hidden", hidden.join(", ")),
            "update the driver, or set WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER=1 and check with `lorascope devices`"
                .to_owned(),
        );
    }
    if cards.nodes.iter().all(|node| !node.may_open) {
        let path = &cards.nodes[0].path;
        let way_out = if is_nvidias {
            "ask for a GPU where a scheduler gives them out (Slurm: --gpus=1), or look at the file's permissions"
        } else {
            "add the user to the file's group (render or video), and log in again"
        };
        return (format!("this process may not open {path}"), way_out.to_owned());
    }
    let capabilities = facts.nvidia_driver_capabilities.as_deref();
    let has_graphics = |list: &str| list.split(',').any(|word| matches!(word.trim(), "graphics" | "all"));
    if is_nvidias && !facts.has_nvidia_graphics {
        // A container's toolkit gives compute and utility unless it is asked for graphics, and Vulkan is graphics.
        match capabilities {
            Some(list) if !has_graphics(list) => {
                return (
                    format!(
                        "a container without the graphics capability (NVIDIA_DRIVER_CAPABILITIES={list})"
                    ),
                    CONTAINER.to_owned(),
                );
            }
            None if facts.in_container => {
                return (
                    "a container without the graphics capability (NVIDIA_DRIVER_CAPABILITIES is not set)"
                        .to_owned(),
                    CONTAINER.to_owned(),
                );
            }
            _ => {}
        }
    }
    if !facts.has_loader {
        return (
            "the Vulkan loader, libvulkan.so.1, is missing".to_owned(),
            "install it: libvulkan1 on Debian and Ubuntu, vulkan-loader on Fedora, vulkan-icd-loader on Arch"
                .to_owned(),
        );
    }
    let file_name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_lowercase();
    let has_manifest = facts
        .manifests
        .iter()
        .any(|path| cards.manifests.iter().any(|maker| file_name(path).contains(maker)));
    if !has_manifest {
        if let Some((name, value)) = &facts.manifest_override {
            return (
                format!("{name}={value} names no {} driver", cards.name),
                format!("unset {name}, or add the driver's manifest to it"),
            );
        }
        let cause = format!(
            "no driver manifest (ICD file) of {} in /usr/share/vulkan/icd.d or /etc/vulkan/icd.d",
            cards.name
        );
        let way_out = if is_nvidias && facts.in_container {
            format!(
                "{CONTAINER}; where the file is still missing, write it into the image (README, GPU and CPU)"
            )
        } else {
            format!("install {}", cards.packages)
        };
        return (cause, way_out);
    }
    if is_nvidias && !facts.has_nvidia_graphics {
        return (
            "the manifest is there, but not NVIDIA's graphics library, libGLX_nvidia.so.0".to_owned(),
            format!("install {}", cards.packages),
        );
    }
    (
        "loader and manifest are there, but the driver gives no device".to_owned(),
        "VK_LOADER_DEBUG=error,warn lorascope devices prints what the loader says; the driver and its kernel module must \
         be of one version"
            .to_owned(),
    )
}

/// The way out of a container that has only CUDA.
const CONTAINER: &str = "start it with --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,graphics,utility";

#[cfg(test)]
mod tests {
    use super::super::probe::RenderNode;
    use super::*;

    fn node(path: &str) -> Node {
        Node { path: path.to_owned(), may_open: true }
    }

    /// A machine with an NVIDIA card where all is in place.
    fn nvidia() -> SystemProbe {
        SystemProbe {
            nvidia_nodes: vec![node("/dev/nvidia0"), node("/dev/nvidia1")],
            has_loader: true,
            has_nvidia_graphics: true,
            manifests: vec!["/usr/share/vulkan/icd.d/nvidia_icd.json".to_owned()],
            ..SystemProbe::default()
        }
    }

    fn amd() -> SystemProbe {
        SystemProbe {
            render_nodes: vec![RenderNode {
                node: node("/dev/dri/renderD128"),
                address: None,
                vendor: AMD,
                driver: "amdgpu".to_owned(),
                unique_id: None,
            }],
            has_loader: true,
            manifests: vec!["/usr/share/vulkan/icd.d/radeon_icd.x86_64.json".to_owned()],
            ..SystemProbe::default()
        }
    }

    fn of(facts: &SystemProbe) -> Unseen {
        let mut unseen = diagnose(facts, &Shown::default());
        assert_eq!(unseen.len(), 1, "{unseen:?}");
        unseen.remove(0)
    }

    #[track_caller]
    fn check(facts: &SystemProbe, cause: &str, way_out: &str) {
        let unseen = of(facts);
        assert!(unseen.cause.contains(cause), "{unseen:?}");
        assert!(unseen.way_out.contains(way_out), "{unseen:?}");
    }

    #[test]
    fn a_card_that_wgpu_shows_and_a_machine_without_one_need_no_word() {
        let shown = Shown { vendors: vec![NVIDIA], hidden: vec![] };
        assert_eq!(diagnose(&nvidia(), &shown), []);
        assert_eq!(
            diagnose(&SystemProbe { has_loader: false, ..SystemProbe::default() }, &Shown::default()),
            []
        );
    }

    #[test]
    fn names_the_card_by_its_device_files() {
        assert_eq!(of(&nvidia()).card, "NVIDIA card (/dev/nvidia0, /dev/nvidia1)");
        assert_eq!(of(&amd()).card, "AMD card (/dev/dri/renderD128)");
    }

    #[test]
    fn a_missing_loader() {
        for facts in [nvidia(), amd()] {
            check(&SystemProbe { has_loader: false, ..facts }, "libvulkan.so.1, is missing", "libvulkan1");
        }
    }

    #[test]
    fn no_manifest() {
        let software = vec!["/usr/share/vulkan/icd.d/lvp_icd.x86_64.json".to_owned()];
        check(
            &SystemProbe { manifests: software.clone(), ..nvidia() },
            "no driver manifest (ICD file) of NVIDIA",
            "libnvidia-gl",
        );
        check(
            &SystemProbe { manifests: software, ..amd() },
            "no driver manifest (ICD file) of AMD",
            "mesa-vulkan-drivers",
        );
    }

    #[test]
    fn a_manifest_that_a_variable_hides() {
        let facts = SystemProbe {
            manifests: vec!["/opt/lvp_icd.json".to_owned()],
            manifest_override: Some(("VK_ICD_FILENAMES", "/opt/lvp_icd.json".to_owned())),
            ..nvidia()
        };
        check(&facts, "VK_ICD_FILENAMES=/opt/lvp_icd.json names no NVIDIA driver", "unset VK_ICD_FILENAMES");
    }

    #[test]
    fn a_container_without_the_graphics_capability() {
        let bare = SystemProbe { has_nvidia_graphics: false, manifests: vec![], ..nvidia() };
        let asked =
            SystemProbe { nvidia_driver_capabilities: Some("compute,utility".to_owned()), ..bare.clone() };
        check(&asked, "NVIDIA_DRIVER_CAPABILITIES=compute,utility", "compute,graphics,utility");
        // That comes before the loader: a container is started once more either way.
        check(&SystemProbe { has_loader: false, ..asked }, "graphics capability", "graphics");
        check(&SystemProbe { in_container: true, ..bare.clone() }, "is not set", "compute,graphics,utility");
        // With the capability the library is there, and only the image lacks something.
        let given = SystemProbe {
            in_container: true,
            has_nvidia_graphics: true,
            nvidia_driver_capabilities: Some("all".to_owned()),
            ..bare.clone()
        };
        check(&given, "no driver manifest", "write it into the image");
        check(&SystemProbe { has_loader: false, ..given }, "libvulkan.so.1", "libvulkan1");
        check(&bare, "no driver manifest", "libnvidia-gl");
    }

    #[test]
    fn a_manifest_without_its_library() {
        check(&SystemProbe { has_nvidia_graphics: false, ..nvidia() }, "libGLX_nvidia.so.0", "libnvidia-gl");
    }

    #[test]
    fn a_device_file_that_may_not_be_opened() {
        let mut facts = nvidia();
        facts.nvidia_nodes[0].may_open = false;
        check(&facts, "gives no device", "VK_LOADER_DEBUG");
        facts.nvidia_nodes[1].may_open = false;
        check(&facts, "may not open /dev/nvidia0", "--gpus=1");
        let mut facts = amd();
        facts.render_nodes[0].node.may_open = false;
        check(&facts, "may not open /dev/dri/renderD128", "group (render or video)");
    }

    #[test]
    fn a_driver_that_does_not_claim_to_conform_is_hidden() {
        let shown = Shown { vendors: vec![], hidden: vec![("AMD RADV".to_owned(), AMD)] };
        let unseen = &diagnose(&amd(), &shown)[0];
        assert!(unseen.cause.contains("AMD RADV does not claim to conform"), "{unseen:?}");
        assert!(unseen.way_out.contains("WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER=1"), "{unseen:?}");
        let other = Shown { hidden: vec![("NVK".to_owned(), NVIDIA)], ..shown };
        assert!(!diagnose(&amd(), &other)[0].cause.contains("conform"));
    }

    #[test]
    fn the_open_driver_of_an_nvidia_card_needs_mesa() {
        let mut facts = amd();
        facts.render_nodes[0].vendor = NVIDIA;
        facts.render_nodes[0].driver = "nouveau".to_owned();
        check(&facts, "no driver manifest (ICD file) of NVIDIA", "mesa-vulkan-drivers");
    }

    #[test]
    fn all_in_place_and_still_no_device() {
        check(&nvidia(), "gives no device", "VK_LOADER_DEBUG");
    }
}
