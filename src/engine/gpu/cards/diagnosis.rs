//! Why a card that the system shows has no Vulkan device, and the way out.

use super::drivers::DriverProbe;
use super::finding::{
    Finding, at_last, cannot_load, filtered, is_of, list, loader, manifest_line, no_manifest,
};
use super::manifests::{Driver, Manifest};
use super::nvidia;
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
    /// What the libraries of its Vulkan drivers have in their names.
    libraries: &'static [&'static str],
    /// What to install.
    packages: &'static str,
    nodes: Vec<&'a Node>,
}

/// The makers whose cards the system shows and wgpu does not, each with the first thing that is missing.
pub(in crate::engine::gpu) fn diagnose(
    system: &SystemProbe,
    drivers: &DriverProbe,
    shown: &Shown,
) -> Vec<Unseen> {
    let is_unseen = |vendor: u32| !shown.vendors.contains(&vendor);
    let mut unseen = vec![];
    if is_unseen(NVIDIA) && nvidia::has_cards(system) {
        let finding = hidden(shown, NVIDIA).unwrap_or_else(|| nvidia::find(system, drivers));
        unseen.push(explain(&nvidia::name(system), finding, nvidia::seen(system, drivers)));
    }
    for cards in
        of_mesa(system).into_iter().filter(|cards| !cards.nodes.is_empty() && is_unseen(cards.vendor))
    {
        let finding = hidden(shown, cards.vendor).unwrap_or_else(|| mesa(drivers, &cards));
        let seen = drivers.manifests.found.iter().filter(|manifest| is_of(manifest, cards.libraries));
        let seen = seen.map(|manifest| manifest_line(drivers, manifest)).collect();
        unseen.push(explain(&format!("{} card ({})", cards.name, list(&cards.nodes)), finding, seen));
    }
    if drivers.is_wsl && shown.vendors.is_empty() {
        let hidden = shown.hidden.first().and_then(|(_, vendor)| hidden(shown, *vendor));
        unseen.push(explain("card of Windows (/dev/dxg)", hidden.unwrap_or_else(wsl), vec![]));
    }
    unseen
}

fn explain(card: &str, finding: Finding, seen: Vec<String>) -> Unseen {
    let Finding { cause, way_out, commands } = finding;
    Unseen { card: card.to_owned(), cause, way_out, commands, seen }
}

/// Cards whose Vulkan drivers are Mesa's.
fn of_mesa(system: &SystemProbe) -> [Cards<'_>; 3] {
    let rendering = |vendor: u32| {
        let nodes = system.render_nodes.iter().filter(move |node| node.vendor == vendor);
        nodes.map(|node| &node.node).collect()
    };
    [
        Cards {
            vendor: NVIDIA,
            name: "NVIDIA",
            libraries: &["nouveau"],
            packages: "Mesa's Vulkan driver (mesa-vulkan-drivers) or NVIDIA's own driver",
            // NVIDIA's own driver, which makes such nodes too, is another matter.
            nodes: if nvidia::has_cards(system) { vec![] } else { rendering(NVIDIA) },
        },
        Cards {
            vendor: AMD,
            name: "AMD",
            libraries: &["radeon", "amdvlk"],
            packages: "Mesa's Vulkan driver (mesa-vulkan-drivers; vulkan-radeon on Arch)",
            nodes: rendering(AMD),
        },
        Cards {
            vendor: INTEL,
            name: "Intel",
            libraries: &["intel"],
            packages: "Mesa's Vulkan driver (mesa-vulkan-drivers; vulkan-intel on Arch)",
            nodes: rendering(INTEL),
        },
    ]
}

fn hidden(shown: &Shown, vendor: u32) -> Option<Finding> {
    let hidden = shown.hidden.iter().filter(|(_, of)| *of == vendor);
    let names: Vec<&str> = hidden.map(|(name, _)| &**name).collect();
    (!names.is_empty()).then(|| {
        Finding::new(
            format!(
                "the driver of {} does not claim to conform to Vulkan, so it is hidden",
                names.join(", ")
            ),
            "update the driver, or show it and check with `lorascope devices` that it computes correctly",
        )
        .commands(["export WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER=1".to_owned()])
    })
}

fn wsl() -> Finding {
    Finding::new(
        "Linux under Windows (WSL2) has no Vulkan driver of the card's maker, only Mesa's Dozen, which goes through \
         Direct3D 12 and is not installed",
        "run lorascope in Windows itself, which has the driver; or install a build of Mesa with Dozen (dzn_icd) and set \
         WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER=1",
    )
}

/// What is missing first, in the order that it must be mended in.
fn mesa(drivers: &DriverProbe, cards: &Cards<'_>) -> Finding {
    if cards.nodes.iter().all(|node| !node.may_open) {
        return Finding::new(
            format!("this process may not open {}", list(&cards.nodes[..1])),
            "add the user to the file's group (render or video), and log in again",
        );
    }
    if let Some(finding) = loader(drivers) {
        return finding;
    }
    let mine: Vec<&Manifest> =
        drivers.manifests.found.iter().filter(|manifest| is_of(manifest, cards.libraries)).collect();
    if mine.is_empty() {
        let passed_over =
            drivers.manifests.passed_over.iter().any(|manifest| is_of(manifest, cards.libraries));
        return no_manifest(drivers, cards.name, passed_over)
            .unwrap_or_else(|cause| Finding::new(cause, format!("install {}", cards.packages)));
    }
    if let Some(finding) = filtered(drivers, &mine) {
        return finding;
    }
    for manifest in &mine {
        let Ok(Driver { library, .. }) = &manifest.driver else { continue };
        let lacking = drivers.libraries.lacking(library);
        if !lacking.is_empty() {
            return Finding::new(
                cannot_load(&manifest.path, library, &lacking),
                format!("install {} again", cards.packages),
            );
        }
    }
    at_last()
}

#[cfg(test)]
mod tests {
    use super::super::drivers::LOADER;
    use super::super::libraries::{Libraries, Library};
    use super::super::manifests::Manifests;
    use super::super::probe::RenderNode;
    use super::*;

    fn found(path: &str, needs: &[&str]) -> Library {
        let file_name = path.rsplit('/').next().unwrap().to_owned();
        Library::Found {
            path: path.to_owned(),
            file_name,
            needs: needs.iter().map(|&need| need.into()).collect(),
        }
    }

    fn amd() -> SystemProbe {
        SystemProbe {
            render_nodes: vec![RenderNode {
                node: Node { path: "/dev/dri/renderD128".to_owned(), may_open: true },
                address: None,
                vendor: AMD,
                driver: "amdgpu".to_owned(),
                unique_id: None,
            }],
            ..SystemProbe::default()
        }
    }

    const RADEON: &str = "/usr/lib/x86_64-linux-gnu/libvulkan_radeon.so";

    /// Mesa, with all in place.
    fn mesa() -> DriverProbe {
        let driver = Driver { library: RADEON.to_owned(), api_version: "1.3.246".to_owned() };
        let manifest = Manifest {
            path: "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json".to_owned(),
            driver: Ok(driver),
        };
        let libraries = [
            (LOADER.to_owned(), found("/usr/lib/libvulkan.so.1.3.275", &[])),
            (RADEON.to_owned(), found(RADEON, &["libLLVM-15.so.1"])),
            ("libLLVM-15.so.1".to_owned(), found("/usr/lib/libLLVM-15.so.1", &[])),
        ];
        DriverProbe {
            manifests: Manifests { found: vec![manifest], ..Manifests::default() },
            libraries: Libraries(libraries.into()),
            has_apt: true,
            ..DriverProbe::default()
        }
    }

    fn of(system: &SystemProbe, drivers: &DriverProbe) -> Unseen {
        let mut unseen = diagnose(system, drivers, &Shown::default());
        assert_eq!(unseen.len(), 1, "{unseen:?}");
        unseen.remove(0)
    }

    #[track_caller]
    fn check(unseen: &Unseen, cause: &str, way_out: &str) {
        assert!(unseen.cause.contains(cause), "{unseen:?}");
        assert!(unseen.way_out.contains(way_out), "{unseen:?}");
    }

    #[test]
    fn a_card_that_wgpu_shows_and_a_machine_without_one_need_no_word() {
        let shown = Shown { vendors: vec![AMD], hidden: vec![] };
        assert_eq!(diagnose(&amd(), &mesa(), &shown), []);
        assert_eq!(diagnose(&SystemProbe::default(), &DriverProbe::default(), &Shown::default()), []);
    }

    #[test]
    fn a_card_is_named_by_its_device_file_and_its_manifest_as_read() {
        let unseen = of(&amd(), &mesa());
        assert_eq!(unseen.card, "AMD card (/dev/dri/renderD128)");
        let line = format!(
            "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json: {RADEON}, Vulkan 1.3.246; found at {RADEON}"
        );
        assert_eq!(unseen.seen, [line]);
    }

    #[test]
    fn a_missing_loader() {
        let mut drivers = mesa();
        drivers.libraries.0.remove(LOADER);
        let unseen = of(&amd(), &drivers);
        check(&unseen, "libvulkan.so.1, is missing", "libvulkan1");
        assert_eq!(unseen.commands, ["sudo apt-get install -y libvulkan1"]);
        drivers.container = Some(super::super::drivers::Container::Docker);
        assert_eq!(of(&amd(), &drivers).commands, ["apt-get install -y libvulkan1"]);
        drivers.has_apt = false;
        assert_eq!(of(&amd(), &drivers).commands, [""; 0]);
    }

    #[test]
    fn no_manifest_of_the_maker() {
        let drivers = DriverProbe { manifests: Manifests::default(), ..mesa() };
        check(&of(&amd(), &drivers), "no driver manifest (ICD file) of AMD", "mesa-vulkan-drivers");
    }

    #[test]
    fn a_manifest_that_a_variable_hides() {
        let list = "/opt/lvp_icd.json".to_owned();
        let mut drivers = mesa();
        drivers.manifests.passed_over = std::mem::take(&mut drivers.manifests.found);
        drivers.manifests.replaced_by = Some(("VK_ICD_FILENAMES", list.clone()));
        let unseen = of(&amd(), &drivers);
        check(&unseen, "VK_ICD_FILENAMES=/opt/lvp_icd.json names no AMD driver", "unset VK_ICD_FILENAMES");
        assert_eq!(unseen.commands, ["unset VK_ICD_FILENAMES"]);
        drivers.manifests.absent = vec![list];
        check(&of(&amd(), &drivers), "names /opt/lvp_icd.json, which is not there", "unset VK_ICD_FILENAMES");
    }

    #[test]
    fn a_driver_that_lacks_what_it_is_linked_to() {
        let mut drivers = mesa();
        drivers.libraries.0.insert("libLLVM-15.so.1".to_owned(), Library::Missing);
        check(&of(&amd(), &drivers), "needs libLLVM-15.so.1, which is missing", "mesa-vulkan-drivers");
        drivers.libraries.0.insert(RADEON.to_owned(), Library::Unusable(format!("{RADEON} is 32-bit")));
        check(&of(&amd(), &drivers), "libvulkan_radeon.so is 32-bit", "mesa-vulkan-drivers");
    }

    #[test]
    fn a_device_file_that_may_not_be_opened() {
        let mut system = amd();
        system.render_nodes[0].node.may_open = false;
        check(&of(&system, &mesa()), "may not open /dev/dri/renderD128", "group (render or video)");
    }

    #[test]
    fn a_driver_that_does_not_claim_to_conform_is_hidden() {
        let shown = Shown { vendors: vec![], hidden: vec![("AMD RADV".to_owned(), AMD)] };
        let unseen = &diagnose(&amd(), &mesa(), &shown)[0];
        assert!(unseen.cause.contains("AMD RADV does not claim to conform"), "{unseen:?}");
        assert_eq!(unseen.commands, ["export WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER=1"]);
        let other = Shown { hidden: vec![("NVK".to_owned(), NVIDIA)], ..shown };
        assert!(!diagnose(&amd(), &mesa(), &other)[0].cause.contains("conform"));
    }

    #[test]
    fn the_open_driver_of_an_nvidia_card_needs_mesa() {
        let mut system = amd();
        system.render_nodes[0].vendor = NVIDIA;
        system.render_nodes[0].driver = "nouveau".to_owned();
        check(&of(&system, &mesa()), "no driver manifest (ICD file) of NVIDIA", "mesa-vulkan-drivers");
    }

    #[test]
    fn linux_under_windows_has_no_driver_of_the_maker() {
        let drivers = DriverProbe { is_wsl: true, ..DriverProbe::default() };
        let unseen = of(&SystemProbe::default(), &drivers);
        assert_eq!(unseen.card, "card of Windows (/dev/dxg)");
        check(&unseen, "only Mesa's Dozen", "run lorascope in Windows itself");
        let dozen = Shown { vendors: vec![], hidden: vec![("Direct3D12 (RTX)".to_owned(), NVIDIA)] };
        check(
            &diagnose(&SystemProbe::default(), &drivers, &dozen)[0],
            "does not claim to conform",
            "update the driver",
        );
    }

    #[test]
    fn drivers_that_a_variable_takes_away() {
        let unseen = of(&amd(), &DriverProbe { disabled_drivers: Some("*radeon*".to_owned()), ..mesa() });
        check(&unseen, "VK_LOADER_DRIVERS_DISABLE=*radeon* makes the Vulkan loader pass over", "unset");
        let unseen = of(&amd(), &DriverProbe { disabled_drivers: Some("*lvp*".to_owned()), ..mesa() });
        check(&unseen, "gives no device", "what the loader");
    }

    #[test]
    fn all_in_place_and_still_no_device() {
        let unseen = of(&amd(), &mesa());
        check(&unseen, "gives no device", "what the loader and the driver print");
        assert_eq!(unseen.commands, ["VK_LOADER_DEBUG=error,warn,driver lorascope devices"]);
    }
}
