//! What files and the environment say of the way from a card to Vulkan: manifests, libraries, kernel module, container. It
//! takes some hundred reads, so it is looked at only where a card has no Vulkan device.

use std::fs;
use std::path::Path;

use super::libraries::{Libraries, Library, Search};
use super::manifests::Manifests;
use super::probe::{Node, entries, node};

/// The Vulkan loader.
pub(super) const LOADER: &str = "libvulkan.so.1";
/// NVIDIA's driver for OpenGL and Vulkan, linked to X11.
pub(super) const GLX: &str = "libGLX_nvidia.so.0";
/// The same without X11.
pub(super) const EGL: &str = "libEGL_nvidia.so.0";
/// What both of them open when they start, without being linked to it.
pub(super) const EGL_DISPATCH: &str = "libEGL.so.1";

const SELECT: &str = "VK_LOADER_DRIVERS_SELECT";
const DISABLE: &str = "VK_LOADER_DRIVERS_DISABLE";

/// Everything that was found. All empty where the system has no such files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::engine::gpu) struct DriverProbe {
    pub(super) manifests: Manifests,
    /// The loader, the drivers of the manifests, NVIDIA's libraries, and all that these are linked to.
    pub(super) libraries: Libraries,
    /// The version of NVIDIA's kernel module that is loaded.
    pub(super) kernel_module: Option<String>,
    /// `/dev/nvidiactl`, through which every NVIDIA card is opened.
    pub(super) control: Option<Node>,
    /// Whether `/dev/nvidia-uvm` is there.
    pub(super) has_uvm: bool,
    /// Numbers of the NVIDIA cards that are divided into MIG slices.
    pub(super) sliced: Vec<u32>,
    /// Whether this is Linux under Windows (WSL2), whose cards are behind `/dev/dxg`.
    pub(super) is_wsl: bool,
    pub(super) container: Option<Container>,
    pub(super) in_slurm_job: bool,
    /// Whether an X11 or Wayland display is named.
    pub(super) has_display: bool,
    /// Whether packages are installed by apt.
    pub(super) has_apt: bool,
    /// `550-server`, of the installed package libnvidia-compute-550-server.
    pub(super) nvidia_package: Option<String>,
    pub(super) nvidia_driver_capabilities: Option<String>,
    pub(super) nvidia_visible_devices: Option<String>,
    /// Globs of manifests: the loader takes only these (`VK_LOADER_DRIVERS_SELECT`), or all but these
    /// (`VK_LOADER_DRIVERS_DISABLE`).
    pub(super) selected_drivers: Option<String>,
    pub(super) disabled_drivers: Option<String>,
}

/// What kind of container this is: each is given cards in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Apptainer,
    Kubernetes,
    Podman,
    /// Pyxis and Enroot, or any other in a job of Slurm.
    Slurm,
    /// Docker, or any other.
    Docker,
}

impl DriverProbe {
    /// Of this machine and process.
    pub(in crate::engine::gpu) fn read() -> Self {
        Self::read_from(Path::new("/"), |name| std::env::var(name).ok())
    }

    /// The same of files under `root` and another environment.
    pub(in crate::engine::gpu) fn read_from(root: &Path, variable: impl Fn(&str) -> Option<String>) -> Self {
        let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let is_there = |path: &str| root.join(path).exists();
        let manifests = Manifests::read(root, &variable);
        let in_slurm_job = is_set("SLURM_JOB_ID");
        let control = Path::new("dev/nvidiactl");
        Self {
            libraries: libraries(root, &variable("LD_LIBRARY_PATH").unwrap_or_default(), &manifests),
            manifests,
            kernel_module: kernel_module(root),
            control: is_there("dev/nvidiactl").then(|| node(root, &root.join(control))),
            has_uvm: is_there("dev/nvidia-uvm"),
            sliced: sliced(root),
            is_wsl: is_there("dev/dxg") && is_wsl(root),
            container: container(&is_there, &is_set, in_slurm_job, has_given_driver(root)),
            in_slurm_job,
            has_display: is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"),
            has_apt: is_there("var/lib/dpkg/status"),
            nvidia_package: nvidia_package(root),
            nvidia_driver_capabilities: variable("NVIDIA_DRIVER_CAPABILITIES"),
            nvidia_visible_devices: variable("NVIDIA_VISIBLE_DEVICES"),
            selected_drivers: variable(SELECT),
            disabled_drivers: variable(DISABLE),
        }
    }

    /// The version of NVIDIA's libraries: of those that this one is linked to, or of its own file.
    pub(super) fn library_version(&self, name: &str) -> Option<String> {
        let Library::Found { file_name, .. } = self.libraries.get(name) else { return None };
        let own = self.libraries.reached(name).into_iter().filter(|name| name.starts_with("libnvidia-"));
        own.chain([file_name.as_str()]).find_map(version).map(str::to_owned)
    }

    /// The variable that makes the loader pass over a manifest, and its value.
    pub(super) fn filter_of(&self, manifest: &str) -> Option<(&'static str, &str)> {
        let name = manifest.rsplit('/').next().unwrap_or_default().to_lowercase();
        let matches = |globs: &str| {
            let mut globs = globs.split(',').map(|glob| glob.trim().to_lowercase());
            globs.any(|glob| glob::Pattern::new(&glob).is_ok_and(|glob| glob.matches(&name)))
        };
        match (&self.selected_drivers, &self.disabled_drivers) {
            (Some(globs), _) => (!matches(globs)).then_some((SELECT, globs)),
            (None, Some(globs)) => matches(globs).then_some((DISABLE, globs)),
            (None, None) => None,
        }
    }

    /// Of the Vulkan loader, by the name of its file.
    pub(super) fn loader_version(&self) -> Option<&str> {
        let Library::Found { file_name, .. } = self.libraries.get(LOADER) else { return None };
        version(file_name)
    }
}

/// `550.54.14` of `libnvidia-glcore.so.550.54.14`; nothing of `libX11.so.6`.
fn version(file_name: &str) -> Option<&str> {
    let (_, version) = file_name.split_once(".so.")?;
    is_version(version).then_some(version)
}

fn is_version(text: &str) -> bool {
    text.contains('.') && text.split('.').all(|part| part.parse::<u32>().is_ok())
}

fn libraries(root: &Path, library_path: &str, manifests: &Manifests) -> Libraries {
    let search = Search::new(root, library_path);
    let mut libraries = Libraries::default();
    let named =
        manifests.found.iter().filter_map(|manifest| Some(manifest.driver.as_ref().ok()?.library.as_str()));
    for name in named.chain([LOADER, GLX, EGL, EGL_DISPATCH]) {
        search.add(&mut libraries, name);
    }
    // Opened when a pipeline is made, without being linked to.
    let probe = DriverProbe { libraries, ..DriverProbe::default() };
    let compilers: Vec<String> =
        [GLX, EGL].into_iter().filter_map(|name| Some(compiler(&probe.library_version(name)?))).collect();
    let mut libraries = probe.libraries;
    for name in compilers {
        search.add(&mut libraries, &name);
    }
    libraries
}

/// The library with which NVIDIA's driver compiles shaders.
pub(super) fn compiler(version: &str) -> String {
    format!("libnvidia-glvkspirv.so.{version}")
}

/// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 …`.
fn kernel_module(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join("proc/driver/nvidia/version"))
        .or_else(|_| fs::read_to_string(root.join("sys/module/nvidia/version")))
        .ok()?;
    text.lines().next()?.split_whitespace().find(|word| is_version(word)).map(str::to_owned)
}

/// Cards with folders such as `gpu0/mig/gi7`, one for each slice.
fn sliced(root: &Path) -> Vec<u32> {
    let is_slice = |path: &std::path::PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("gi"))
    };
    let number = |card: std::path::PathBuf| {
        let number = card.file_name()?.to_str()?.strip_prefix("gpu")?.parse().ok()?;
        entries(&card.join("mig")).iter().any(is_slice).then_some(number)
    };
    entries(&root.join("proc/driver/nvidia/capabilities")).into_iter().filter_map(number).collect()
}

fn is_wsl(root: &Path) -> bool {
    fs::read_to_string(root.join("proc/sys/kernel/osrelease"))
        .is_ok_and(|release| release.to_lowercase().contains("microsoft"))
}

fn container(
    is_there: &impl Fn(&str) -> bool,
    is_set: &impl Fn(&str) -> bool,
    in_slurm_job: bool,
    has_given_driver: bool,
) -> Option<Container> {
    let is_apptainer =
        is_set("APPTAINER_CONTAINER") || is_set("SINGULARITY_CONTAINER") || is_there(".singularity.d");
    let is_other = is_there(".dockerenv") || is_set("container") || has_given_driver;
    if is_apptainer {
        Some(Container::Apptainer)
    } else if is_set("KUBERNETES_SERVICE_HOST") {
        Some(Container::Kubernetes)
    } else if is_there("run/.containerenv") {
        Some(Container::Podman)
    } else if is_other {
        Some(if in_slurm_job { Container::Slurm } else { Container::Docker })
    } else {
        None
    }
}

/// Whether NVIDIA's container tools have mounted the driver of the machine around this file system, file by file. Enroot leaves
/// no other mark.
fn has_given_driver(root: &Path) -> bool {
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
    mounts.lines().any(|line| line.contains("/libcuda.so.") || line.contains("/libnvidia-ml.so."))
}

fn nvidia_package(root: &Path) -> Option<String> {
    entries(&root.join("var/lib/dpkg/info")).into_iter().rev().find_map(|path| {
        let name = path.file_name()?.to_str()?.strip_prefix("libnvidia-compute-")?.strip_suffix(".list")?;
        let name = name.split(':').next()?;
        name.starts_with(|c: char| c.is_ascii_digit()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::super::elf::tests::library;
    use super::super::samples::write;
    use super::*;

    #[test]
    fn an_empty_system_gives_an_empty_description() {
        let folder = tempfile::tempdir().unwrap();
        let probe = DriverProbe::read_from(folder.path(), |_| None);
        assert!(probe.libraries.0.values().all(|library| *library == Library::Missing));
        assert_eq!(DriverProbe { libraries: Libraries::default(), ..probe }, DriverProbe::default());
    }

    #[test]
    fn reads_a_headless_server() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let manifest = r#"{"ICD": {"library_path": "libGLX_nvidia.so.0", "api_version": "1.3.277"}}"#;
        write(root, "usr/share/vulkan/icd.d/nvidia_icd.json", manifest);
        write(root, "usr/lib64/libvulkan.so.1", library(&[], ""));
        write(
            root,
            "usr/lib64/libGLX_nvidia.so.0",
            library(&["libnvidia-glsi.so.550.54.14", "libX11.so.6"], ""),
        );
        write(root, "usr/lib64/libEGL_nvidia.so.0", library(&["libnvidia-glsi.so.550.54.14"], ""));
        write(root, "usr/lib64/libnvidia-glsi.so.550.54.14", library(&[], ""));
        write(root, "usr/lib64/libnvidia-glvkspirv.so.550.54.14", library(&[], ""));
        let module = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Thu Feb 22 01:44:30 UTC 2024\nGCC version: 12.3.0\n";
        write(root, "proc/driver/nvidia/version", module);
        write(root, "proc/driver/nvidia/capabilities/gpu0/mig/gi7/access", "");
        write(root, "proc/driver/nvidia/capabilities/gpu1/mig/config", "");
        write(root, "proc/driver/nvidia/capabilities/mig/monitor", "");
        write(root, "dev/nvidiactl", "");
        write(root, "var/lib/dpkg/status", "");
        write(root, "var/lib/dpkg/info/libnvidia-compute-550-server:amd64.list", "");
        write(root, "var/lib/dpkg/info/libnvidia-compute-550-server:amd64.md5sums", "");
        let probe = DriverProbe::read_from(root, |name| (name == "SLURM_JOB_ID").then(|| "17".to_owned()));

        assert_eq!(probe.kernel_module.as_deref(), Some("550.54.15"));
        assert_eq!(probe.library_version(GLX).as_deref(), Some("550.54.14"));
        assert!(probe.libraries.has(&compiler("550.54.14")));
        assert_eq!(probe.libraries.lacking(GLX).len(), 1);
        assert_eq!(probe.libraries.loadable(EGL), Some("/usr/lib64/libEGL_nvidia.so.0"));
        assert_eq!(probe.sliced, [0], "folders of slices, not of what manages them");
        assert!(probe.control.is_some_and(|node| node.path == "/dev/nvidiactl"));
        assert_eq!(probe.nvidia_package.as_deref(), Some("550-server"));
        assert!(probe.has_apt && probe.in_slurm_job && !probe.has_uvm && !probe.has_display && !probe.is_wsl);
        assert_eq!(probe.container, None);
    }

    #[test]
    fn reads_the_version_of_an_open_kernel_module() {
        let folder = tempfile::tempdir().unwrap();
        let module =
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  Release Build  (dvs)\n";
        write(folder.path(), "proc/driver/nvidia/version", module);
        assert_eq!(kernel_module(folder.path()).as_deref(), Some("560.35.03"));
    }

    #[test]
    fn tells_containers_apart() {
        let kind = |file: &str, variables: &'static [&'static str]| {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), file, "");
            DriverProbe::read_from(folder.path(), |name| variables.contains(&name).then(|| "x".to_owned()))
                .container
        };
        assert_eq!(kind("x", &[]), None);
        assert_eq!(kind("x", &["SLURM_JOB_ID"]), None, "a job without a container");
        assert_eq!(kind(".dockerenv", &[]), Some(Container::Docker));
        assert_eq!(kind("run/.containerenv", &["container"]), Some(Container::Podman));
        assert_eq!(kind(".singularity.d/env", &["SLURM_JOB_ID"]), Some(Container::Apptainer));
        assert_eq!(kind("x", &["KUBERNETES_SERVICE_HOST"]), Some(Container::Kubernetes));
        assert_eq!(
            kind("x", &["NVIDIA_VISIBLE_DEVICES", "SLURM_JOB_ID"]),
            None,
            "a job's prolog sets it on the host too"
        );
        let mounts =
            "731 702 8:2 /usr/lib/libcuda.so.550.54.14 /usr/lib/libcuda.so.550.54.14 ro,nosuid - ext4\n";
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "proc/self/mountinfo", mounts);
        let kind = |variable: &str| {
            DriverProbe::read_from(folder.path(), |name| (name == variable).then(|| "x".to_owned())).container
        };
        assert_eq!(kind("SLURM_JOB_ID"), Some(Container::Slurm));
        assert_eq!(kind("PATH"), Some(Container::Docker));
    }

    #[test]
    fn a_variable_selects_or_disables_manifests_by_their_names() {
        let probe = |select: Option<&str>, disable: Option<&str>| DriverProbe {
            selected_drivers: select.map(str::to_owned),
            disabled_drivers: disable.map(str::to_owned),
            ..DriverProbe::default()
        };
        let manifest = "/usr/share/vulkan/icd.d/NVIDIA_icd.json";
        assert_eq!(probe(None, None).filter_of(manifest), None);
        assert_eq!(probe(None, Some("*lvp*")).filter_of(manifest), None);
        assert_eq!(
            probe(None, Some("*lvp*, nvidia*")).filter_of(manifest),
            Some((DISABLE, "*lvp*, nvidia*"))
        );
        assert_eq!(probe(Some("*lvp*"), None).filter_of(manifest), Some((SELECT, "*lvp*")));
        assert_eq!(probe(Some("*nvidia*"), Some("*")).filter_of(manifest), None, "what is selected is taken");
    }

    #[test]
    fn knows_linux_under_windows() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "dev/dxg", "");
        assert!(!DriverProbe::read_from(folder.path(), |_| None).is_wsl);
        write(folder.path(), "proc/sys/kernel/osrelease", "5.15.167.4-microsoft-standard-WSL2\n");
        assert!(DriverProbe::read_from(folder.path(), |_| None).is_wsl);
    }
}
