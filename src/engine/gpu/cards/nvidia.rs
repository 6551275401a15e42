//! Why an NVIDIA card has no Vulkan device. The commonest case on servers: the driver's manifest names the library that is
//! linked to X11, which is not installed, or which gives no device without a display; the driver has another one for that.

use super::drivers::{Container, DriverProbe, EGL, EGL_DISPATCH, GLX, compiler};
use super::finding::{
    Finding, apt, at_last, cannot_load, filtered, is_of, lacks, list, loader, manifest_line, no_manifest,
};
use super::libraries::{Lack, Library};
use super::manifests::{Driver, Manifest};
use super::probe::{Node, SystemProbe};

/// What a manifest of this driver names; NVK, the open driver, is libvulkan_nouveau.
const WORDS: [&str; 1] = ["nvidia"];

/// The first Vulkan loader that knows `VK_DRIVER_FILES`; later ones know the older name as well.
const KNOWS_DRIVER_FILES: [u32; 3] = [1, 3, 207];

/// Whether NVIDIA's kernel driver has cards, for this process or not.
pub(super) fn has_cards(system: &SystemProbe) -> bool {
    !(system.nvidia_nodes.is_empty() && system.nvidia_cards.is_empty())
}

pub(super) fn name(system: &SystemProbe) -> String {
    let nodes: Vec<&Node> = system.nvidia_nodes.iter().collect();
    match &system.nvidia_cards[..] {
        _ if !nodes.is_empty() => format!("NVIDIA card ({})", list(&nodes)),
        [] => "NVIDIA card".to_owned(),
        cards => {
            let addresses = cards.iter().map(|card| format!("PCI {}", card.address));
            format!("NVIDIA card ({})", crate::text::some_of(addresses))
        }
    }
}

/// What was found of the driver, for a report to its maker or to a system's keeper.
pub(super) fn seen(system: &SystemProbe, drivers: &DriverProbe) -> Vec<String> {
    let mut lines = vec![];
    let version = |name: &str| drivers.library_version(name);
    let library = version(GLX).or_else(|| version(EGL)).unwrap_or("none".to_owned());
    let module = drivers.kernel_module.as_deref().unwrap_or("not loaded, or not shown");
    lines.push(format!("graphics library {library}, kernel module {module}"));
    let mine = drivers.manifests.found.iter().filter(|manifest| is_of(manifest, &WORDS));
    lines.extend(mine.map(|manifest| manifest_line(drivers, manifest)));
    for name in [GLX, EGL] {
        lines.push(match (drivers.libraries.get(name), drivers.libraries.lacking(name)) {
            (Library::Found { path, .. }, lacking) if lacking.is_empty() => format!("{name}: {path}"),
            (Library::Found { path, .. }, lacking) => {
                format!("{name}: {path}, which needs {}", lacks(&lacking))
            }
            (Library::Unusable(why), _) => format!("{name}: {why}"),
            (Library::Missing, _) => format!("{name}: not found"),
        });
    }
    let nodes = [
        (system.nvidia_nodes.is_empty(), "/dev/nvidia0"),
        (drivers.control.is_none(), "/dev/nvidiactl"),
        (!drivers.has_uvm, "/dev/nvidia-uvm"),
        (system.render_nodes.is_empty(), "/dev/dri"),
    ];
    let missing: Vec<&str> =
        nodes.iter().filter(|(is_missing, _)| *is_missing).map(|(_, node)| *node).collect();
    if !missing.is_empty() {
        lines.push(format!("no {}", missing.join(", ")));
    }
    let display = if drivers.has_display { "a display" } else { "no display" };
    let place = drivers.container.map_or(String::new(), |kind| format!(", in a container ({kind:?})"));
    let job = if drivers.in_slurm_job { ", in a job of Slurm" } else { "" };
    lines.push(format!("{display}{place}{job}"));
    lines
}

/// What is missing first, in the order that it must be mended in.
pub(super) fn find(system: &SystemProbe, drivers: &DriverProbe) -> Finding {
    device_files(system, drivers)
        .or_else(|| slices(system, drivers))
        .or_else(|| no_graphics(drivers))
        .or_else(|| loader(drivers))
        .or_else(|| versions(drivers))
        .or_else(|| manifests(drivers))
        .unwrap_or_else(|| suspects(system, drivers))
}

fn device_files(system: &SystemProbe, drivers: &DriverProbe) -> Option<Finding> {
    let given = given_by(drivers);
    if system.nvidia_nodes.is_empty() {
        let finding =
            Finding::new("the kernel's driver has the card, but there is no /dev/nvidia0 here", given);
        let is_given = drivers.container.is_some() || drivers.in_slurm_job;
        return Some(finding.commands((!is_given).then(|| "sudo nvidia-modprobe -c 0 -u".to_owned())));
    }
    if let Some(node) = system.nvidia_nodes.iter().find(|node| !node.may_open)
        && system.nvidia_nodes.iter().all(|node| !node.may_open)
    {
        return Some(Finding::new(format!("this process may not open {}", node.path), given));
    }
    match &drivers.control {
        Some(node) if node.may_open => None,
        Some(node) => Some(Finding::new(format!("this process may not open {}", node.path), given)),
        None => Some(Finding::new("there is no /dev/nvidiactl, through which every card is opened", given)),
    }
}

/// How a process is given a card.
fn given_by(drivers: &DriverProbe) -> String {
    let way = match drivers.container {
        Some(Container::Apptainer) => "start the container with apptainer exec --nv",
        Some(Container::Kubernetes) => {
            "ask for a card: resources.limits nvidia.com/gpu: 1, and runtimeClassName: nvidia"
        }
        Some(Container::Podman) => "start the container with podman run --device nvidia.com/gpu=all",
        Some(Container::Slurm) => "ask for a card: srun --gpus=1",
        Some(Container::Docker) => "start the container with docker run --gpus all",
        None if drivers.in_slurm_job => "ask for a card: srun --gpus=1",
        None => "look at the file's permissions, or let the driver's own program make the files",
    };
    way.to_owned()
}

/// A slice of a card computes with CUDA only.
fn slices(system: &SystemProbe, drivers: &DriverProbe) -> Option<Finding> {
    let is_sliced = |node: &Node| {
        let number = node.path.trim_start_matches("/dev/nvidia").parse::<u32>();
        number.is_ok_and(|number| drivers.sliced.contains(&number))
    };
    let usable = system.nvidia_nodes.iter().filter(|node| node.may_open);
    let is_asked = [&system.cuda_visible_devices, &drivers.nvidia_visible_devices]
        .into_iter()
        .flatten()
        .any(|value| value.starts_with("MIG-"));
    (is_asked || usable.clone().count() > 0 && usable.clone().all(is_sliced)).then(|| {
        Finding::new(
            "the card is divided into MIG slices, which compute with CUDA only: NVIDIA's driver shows them to Vulkan on few \
             cards (RTX PRO Blackwell)",
            "ask for a whole card (Slurm: --gres=gpu:1 in place of a slice such as gpu:1g.10gb), or end the division with \
             nvidia-smi -mig 0",
        )
    })
}

/// Without NVIDIA's graphics libraries: Vulkan is graphics.
fn no_graphics(drivers: &DriverProbe) -> Option<Finding> {
    let named = drivers.manifests.found.iter().filter(|manifest| is_of(manifest, &WORDS));
    let mut named = named.filter_map(|manifest| manifest.driver.as_ref().ok());
    if [GLX, EGL].iter().any(|name| drivers.libraries.has(name))
        || named.any(|driver| drivers.libraries.has(&driver.library))
    {
        return None;
    }
    if let Library::Unusable(why) = drivers.libraries.get(GLX) {
        return Some(packages(drivers, format!("the only {GLX} cannot be loaded: {why}")));
    }
    let capabilities = drivers.nvidia_driver_capabilities.as_deref();
    let has_graphics = |list: &str| list.split(',').any(|word| matches!(word.trim(), "graphics" | "all"));
    if let Some(list) = capabilities.filter(|list| !has_graphics(list)) {
        let cause =
            format!("a container without the graphics capability (NVIDIA_DRIVER_CAPABILITIES={list})");
        return Some(capability(drivers, cause));
    }
    match drivers.container {
        Some(Container::Apptainer) => Some(Finding::new(
            "Apptainer has brought no graphics libraries of NVIDIA's driver into the container",
            "start it with --nv; if it was, the driver on the machine around it lacks them: its keeper must install its \
             graphics part",
        )),
        Some(_) if capabilities.is_none() => Some(capability(
            drivers,
            "a container without the graphics capability (NVIDIA_DRIVER_CAPABILITIES is not set)".to_owned(),
        )),
        Some(_) => Some(Finding::new(
            "the container has the graphics capability, but no graphics libraries of NVIDIA's driver: the machine around it \
             lacks them",
            "the machine's keeper must install the driver's graphics part there",
        )),
        None => Some(packages(
            drivers,
            format!(
                "NVIDIA's driver is installed without its graphics part ({GLX}, {EGL}), which has Vulkan"
            ),
        )),
    }
}

fn capability(drivers: &DriverProbe, cause: String) -> Finding {
    const VALUE: &str = "NVIDIA_DRIVER_CAPABILITIES=compute,graphics,utility";
    let way_out = match drivers.container {
        Some(Container::Kubernetes) => {
            format!("set {VALUE} in the container's env, and runtimeClassName: nvidia in the pod")
        }
        Some(Container::Slurm) => format!(
            "{VALUE} srun --gpus=1 --container-env=NVIDIA_DRIVER_CAPABILITIES ... (Pyxis), or set it in the image (ENV)"
        ),
        Some(Container::Podman) => format!("start it with --device nvidia.com/gpu=all -e {VALUE}"),
        _ => format!("start it with --gpus all -e {VALUE}"),
    };
    Finding::new(cause, way_out)
}

/// What brings the driver's graphics part.
fn packages(drivers: &DriverProbe, cause: String) -> Finding {
    let module = drivers.kernel_module.as_deref();
    let version =
        module.map_or(String::new(), |module| format!(" of version {module}, as the kernel module"));
    let major = module.and_then(|module| module.split('.').next()).unwrap_or("NNN");
    let way_out = format!(
        "install the driver's graphics part{version}: libnvidia-gl-{major} or libnvidia-gl-{major}-server on Ubuntu (as the \
         other packages of the driver), nvidia-vulkan-icd on Debian, nvidia-driver-libs on Fedora and RHEL; NVIDIA's \
         installer brings it unless it is told --no-opengl-files"
    );
    let package = drivers.nvidia_package.as_ref().map(|name| format!("libnvidia-gl-{name}"));
    Finding::new(cause, way_out).commands(package.map(|package| apt(drivers, &package)).unwrap_or_default())
}

/// Kernel module and libraries of different versions work together in nothing.
fn versions(drivers: &DriverProbe) -> Option<Finding> {
    let module = drivers.kernel_module.as_deref()?;
    let library = drivers.library_version(GLX).or_else(|| drivers.library_version(EGL))?;
    if library == module {
        return None;
    }
    let cause = format!(
        "NVIDIA's libraries are of version {library}, the kernel module that is loaded of {module} (nvidia-smi says \
         Driver/library version mismatch)"
    );
    if drivers.container.is_some() {
        return Some(Finding::new(
            cause,
            "take NVIDIA's driver packages (libnvidia-*) out of the image: the container tools bring the machine's own libraries",
        ));
    }
    let way_out = "the driver was updated while it was in use: restart the machine, or load its modules anew when nothing uses them";
    let reload = "sudo rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia && sudo modprobe nvidia";
    Some(Finding::new(cause, way_out).commands([reload.to_owned()]))
}

/// A manifest that is missing, broken, or names what cannot be loaded.
fn manifests(drivers: &DriverProbe) -> Option<Finding> {
    let mine: Vec<&Manifest> =
        drivers.manifests.found.iter().filter(|manifest| is_of(manifest, &WORDS)).collect();
    if mine.is_empty() {
        let passed_over = drivers.manifests.passed_over.iter().any(|manifest| is_of(manifest, &WORDS));
        return Some(
            no_manifest(drivers, "NVIDIA", passed_over)
                .unwrap_or_else(|cause| write_manifest(drivers, cause, "write one that names the library")),
        );
    }
    if let Some(finding) = filtered(drivers, &mine) {
        return Some(finding);
    }
    let loads = |manifest: &&Manifest| {
        manifest.driver.as_ref().is_ok_and(|driver| drivers.libraries.loadable(&driver.library).is_some())
    };
    if mine.iter().any(loads) {
        return None;
    }
    let manifest = mine.iter().find(|manifest| manifest.driver.is_ok()).or(mine.first())?;
    let Driver { library, .. } = match &manifest.driver {
        Ok(driver) => driver,
        Err(why) => {
            let cause = format!("the Vulkan loader passes over {}: it {why}", manifest.path);
            return Some(write_manifest(drivers, cause, "write it anew"));
        }
    };
    let lacking = drivers.libraries.lacking(library);
    let cause = cannot_load(&manifest.path, library, &lacking);
    if lacking.iter().any(|lack| lack.name == *library) {
        return Some(write_manifest(drivers, cause, "name the library that is there"));
    }
    Some(lack(drivers, cause, &lacking))
}

/// A driver that is linked to what is not there.
fn lack(drivers: &DriverProbe, cause: String, lacking: &[Lack]) -> Finding {
    let of_driver: Vec<&str> =
        lacking.iter().map(|lack| lack.name.as_str()).filter(|name| name.starts_with("libnvidia-")).collect();
    if let [first, ..] = of_driver[..] {
        return match drivers.container {
            Some(Container::Apptainer) => Finding::new(
                cause,
                format!(
                    "Apptainer's list of NVIDIA's libraries is older than the driver: add {} to nvliblist.conf on the machine, \
                     or bind the file to /.singularity.d/libs",
                    first.split(".so").next().unwrap_or_default().to_owned() + ".so"
                ),
            ),
            Some(_) => Finding::new(
                cause,
                "the container tools bring only a part of this driver: update nvidia-container-toolkit on the machine, or bind \
                 the files",
            ),
            None => packages(drivers, cause),
        };
    }
    let install =
        "install the libraries (libxext6 on Debian and Ubuntu, libXext on Fedora and RHEL, libxext on Arch)";
    let is_x11 = |lack: &Lack| ["libX", "libxcb"].iter().any(|start| lack.name.starts_with(start));
    if !lacking.iter().all(is_x11) {
        let names: Vec<&str> = lacking.iter().map(|lack| lack.name.as_str()).collect();
        return Finding::new(cause, format!("install what has {}", names.join(" and ")));
    }
    if drivers.libraries.loadable(EGL).is_some() {
        let way = format!(
            "a server needs no X11: name {EGL} to Vulkan, which is the same driver without it; or {install}"
        );
        return write_manifest(drivers, cause, &way);
    }
    Finding::new(cause, install).commands(apt(drivers, "libxext6"))
}

/// All that is linked is there, and still no device: what else is known to do that.
fn suspects(system: &SystemProbe, drivers: &DriverProbe) -> Finding {
    let mine: Vec<(&Manifest, &Driver)> = drivers
        .manifests
        .found
        .iter()
        .filter(|manifest| is_of(manifest, &WORDS))
        .filter_map(|manifest| Some((manifest, manifest.driver.as_ref().ok()?)))
        .collect();
    let version = drivers.library_version(GLX).or_else(|| drivers.library_version(EGL));
    if let Some(compiler) = version.as_deref().map(compiler).filter(|name| !drivers.libraries.has(name)) {
        let cause = format!("{compiler}, which NVIDIA's driver opens when it starts, is missing");
        return lack(drivers, cause, &[Lack { name: compiler, unusable: None }]);
    }
    let names_egl = mine.iter().any(|(_, driver)| driver.library.contains("EGL"));
    let no_dispatch = !drivers.libraries.has(EGL_DISPATCH);
    if no_dispatch && !names_egl {
        let install =
            "install it (libegl1 on Debian and Ubuntu, libglvnd-egl on Fedora and RHEL, libglvnd on Arch)";
        let cause = format!("{EGL_DISPATCH}, which {GLX} opens when it starts, is missing");
        return Finding::new(cause, install).commands(apt(drivers, "libegl1"));
    }
    if let Some((manifest, driver)) = mine.first()
        && !names_egl
        && !drivers.has_display
        && drivers.libraries.loadable(EGL).is_some()
    {
        let cause =
            format!("{} names {}, which gives no device without a display", manifest.path, driver.library);
        return write_manifest(
            drivers,
            cause,
            &format!("name {EGL} to Vulkan, which is the same driver without X11"),
        );
    }
    if !drivers.has_uvm {
        return Finding::new(
            "there is no /dev/nvidia-uvm, which newer drivers need",
            if drivers.container.is_some() { "pass the file into the container" } else { "load its module" },
        )
        .commands(drivers.container.is_none().then(|| "sudo nvidia-modprobe -c 0 -u".to_owned()));
    }
    let usable = system.nvidia_nodes.iter().filter(|node| node.may_open).count();
    if usable < system.nvidia_cards.len() {
        let cause = format!(
            "libraries and manifest are there, but the driver gives no device; it shows {} cards of which this process has \
             {usable}, which some older drivers do not bear",
            system.nvidia_cards.len()
        );
        return Finding { cause, ..at_last() };
    }
    let api = mine.iter().filter_map(|(_, driver)| numbers(&driver.api_version)).max();
    let loader = drivers.loader_version().and_then(numbers);
    if let (Some(api), Some(loader)) = (api, loader)
        && loader[..2] < api[..2]
    {
        return Finding::new(
            format!(
                "libraries and manifest are there, but the driver gives no device: it speaks Vulkan {}.{}, and the Vulkan loader \
                 is of version {}.{}.{}",
                api[0], api[1], loader[0], loader[1], loader[2]
            ),
            "install a newer Vulkan loader (libvulkan1, vulkan-loader)",
        );
    }
    at_last()
}

/// The way out with a manifest of one's own: its text is ready to be pasted.
fn write_manifest(drivers: &DriverProbe, cause: String, way_out: &str) -> Finding {
    let names = if drivers.has_display { [GLX, EGL] } else { [EGL, GLX] };
    let Some(library) = names.iter().find_map(|name| drivers.libraries.loadable(name)) else {
        // Neither can be loaded: what the first one found lacks comes before the manifest.
        let there = names.iter().find(|name| drivers.libraries.has(name));
        return match there.map(|name| drivers.libraries.lacking(name)) {
            Some(lacking) => lack(
                drivers,
                format!("{cause}; {} needs {}", there.unwrap_or(&GLX), lacks(&lacking)),
                &lacking,
            ),
            None => packages(drivers, cause),
        };
    };
    let known = drivers.manifests.found.iter().chain(&drivers.manifests.passed_over);
    let known =
        known.filter(|manifest| is_of(manifest, &WORDS)).filter_map(|manifest| manifest.driver.as_ref().ok());
    let api = known.map(|driver| driver.api_version.as_str()).find(|version| numbers(version).is_some());
    let json = serde_json::json!({
        "file_format_version": "1.0.0",
        "ICD": { "library_path": library, "api_version": api.unwrap_or("1.3.0") },
    });
    let is_new =
        drivers.loader_version().and_then(numbers).is_some_and(|version| version >= KNOWS_DRIVER_FILES);
    let variable = if is_new { "VK_DRIVER_FILES" } else { "VK_ICD_FILENAMES" };
    let file = "\"$HOME/nvidia_icd.json\"";
    let place = if drivers.container.is_some() {
        "; to keep it, put the file into the image as /etc/vulkan/icd.d/nvidia_icd.json"
    } else {
        "; for all users, put the file at /etc/vulkan/icd.d/nvidia_icd.json"
    };
    Finding::new(cause, format!("{way_out}{place}"))
        .commands([format!("echo '{json}' > {file}"), format!("export {variable}={file}")])
}

fn numbers(version: &str) -> Option<[u32; 3]> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?])
}

#[cfg(test)]
mod tests;
