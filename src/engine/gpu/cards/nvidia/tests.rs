use super::super::diagnosis::{Shown, diagnose};
use super::super::drivers::LOADER;
use super::super::libraries::Libraries;
use super::super::manifests::Manifests;
use super::super::probe::NvidiaCard;
use super::*;
use crate::engine::Unseen;

const VERSION: &str = "550.54.14";
const FOLDER: &str = "/usr/lib/x86_64-linux-gnu";
const MANIFEST: &str = "/usr/share/vulkan/icd.d/nvidia_icd.json";

fn node(path: &str) -> Node {
    Node { path: path.to_owned(), may_open: true }
}

fn system() -> SystemProbe {
    SystemProbe { nvidia_nodes: vec![node("/dev/nvidia0"), node("/dev/nvidia1")], ..SystemProbe::default() }
}

fn manifest(path: &str, library: &str) -> Manifest {
    let driver = Driver { library: library.to_owned(), api_version: "1.3.277".to_owned() };
    Manifest { path: path.to_owned(), driver: Ok(driver) }
}

fn found(file_name: &str, needs: &[&str]) -> Library {
    let name = file_name.split(".so").next().unwrap();
    let needs = needs.iter().map(|need| need.replace("VERSION", VERSION)).collect();
    Library::Found { path: format!("{FOLDER}/{name}.so.0"), file_name: file_name.to_owned(), needs }
}

/// A server on which everything is in place, X11's libraries and a display too.
fn drivers() -> DriverProbe {
    let own = ["libnvidia-glsi", "libnvidia-glcore", "libnvidia-glvkspirv"]
        .map(|name| format!("{name}.so.{VERSION}"));
    let mut libraries: Vec<(String, Library)> =
        own.iter().map(|name| (name.clone(), found(name, &[]))).collect();
    for (name, file_name, needs) in [
        (LOADER, "libvulkan.so.1.3.275", &[][..]),
        (EGL_DISPATCH, "libEGL.so.1.1.0", &[]),
        ("libX11.so.6", "libX11.so.6.4.0", &[]),
        ("libXext.so.6", "libXext.so.6.4.0", &["libX11.so.6"]),
        (GLX, "libGLX_nvidia.so.550.54.14", &["libnvidia-glcore.so.VERSION", "libX11.so.6", "libXext.so.6"]),
        (EGL, "libEGL_nvidia.so.550.54.14", &["libnvidia-glsi.so.VERSION"]),
    ] {
        libraries.push((name.to_owned(), found(file_name, needs)));
    }
    DriverProbe {
        manifests: Manifests { found: vec![manifest(MANIFEST, GLX)], ..Manifests::default() },
        libraries: Libraries(libraries.into_iter().collect()),
        kernel_module: Some(VERSION.to_owned()),
        control: Some(node("/dev/nvidiactl")),
        has_uvm: true,
        has_display: true,
        has_apt: true,
        nvidia_package: Some("550-server".to_owned()),
        ..DriverProbe::default()
    }
}

fn without(names: &[&str]) -> DriverProbe {
    let mut drivers = drivers();
    for name in names {
        drivers.libraries.0.insert((*name).to_owned(), Library::Missing);
    }
    drivers
}

fn of(system: &SystemProbe, drivers: &DriverProbe) -> Unseen {
    let mut unseen = diagnose(system, drivers, &Shown::default());
    assert_eq!(unseen.len(), 1, "{unseen:?}");
    unseen.remove(0)
}

#[track_caller]
fn check(drivers: &DriverProbe, cause: &str, way_out: &str) -> Vec<String> {
    let unseen = of(&system(), drivers);
    assert!(unseen.cause.contains(cause), "{unseen:#?}");
    assert!(unseen.way_out.contains(way_out), "{unseen:#?}");
    unseen.commands
}

/// That a manifest is written which names this library, and that the loader is pointed to it.
#[track_caller]
fn writes(commands: &[String], library: &str) {
    let [write, export] = commands else { panic!("{commands:?}") };
    let json =
        write.strip_prefix("echo '").and_then(|rest| rest.strip_suffix("' > \"$HOME/nvidia_icd.json\""));
    let json: serde_json::Value = serde_json::from_str(json.unwrap()).unwrap();
    assert_eq!(json["ICD"]["library_path"], format!("{FOLDER}/{library}"));
    assert_eq!(json["ICD"]["api_version"], "1.3.277");
    assert_eq!(json["file_format_version"], "1.0.0");
    assert_eq!(export, "export VK_DRIVER_FILES=\"$HOME/nvidia_icd.json\"");
}

#[test]
fn a_server_without_x11_needs_the_library_without_it() {
    let drivers = without(&["libX11.so.6", "libXext.so.6"]);
    let cause = "libGLX_nvidia.so.0, which /usr/share/vulkan/icd.d/nvidia_icd.json names, needs libX11.so.6 and libXext.so.6, \
                 which are missing";
    writes(&check(&drivers, cause, "a server needs no X11: name libEGL_nvidia.so.0"), "libEGL_nvidia.so.0");
    check(&drivers, cause, "or install the libraries (libxext6");
    // Where the other library cannot be loaded either, X11 is what remains.
    let drivers = without(&["libXext.so.6", EGL]);
    assert_eq!(check(&drivers, "needs libXext.so.6", "libxext6"), ["sudo apt-get install -y libxext6"]);
}

#[test]
fn a_server_without_a_display_needs_the_library_without_x11() {
    let headless = DriverProbe { has_display: false, ..drivers() };
    let commands =
        check(&headless, "names libGLX_nvidia.so.0, which gives no device without a display", "without X11");
    writes(&commands, "libEGL_nvidia.so.0");
    // With a display, or with that library already named, it is something else.
    check(&drivers(), "gives no device", "what the loader and the driver print");
    let mut egl = DriverProbe { has_display: false, ..drivers() };
    egl.manifests.found = vec![manifest(MANIFEST, EGL)];
    check(&egl, "gives no device", "what the loader and the driver print");
}

#[test]
fn an_old_loader_is_told_of_a_manifest_by_the_older_variable() {
    let mut headless = DriverProbe { has_display: false, ..drivers() };
    headless.libraries.0.insert(LOADER.to_owned(), found("libvulkan.so.1.3.204", &[]));
    assert!(check(&headless, "without a display", "")[1].starts_with("export VK_ICD_FILENAMES="));
}

#[test]
fn what_the_driver_opens_without_being_linked_to_it() {
    let drivers = without(&[EGL_DISPATCH]);
    assert_eq!(
        check(&drivers, "libEGL.so.1, which libGLX_nvidia.so.0 opens", "libegl1"),
        ["sudo apt-get install -y libegl1"]
    );
    let compiler = compiler(VERSION);
    check(
        &without(&[&compiler]),
        "libnvidia-glvkspirv.so.550.54.14, which NVIDIA's driver opens",
        "libnvidia-gl-550",
    );
}

#[test]
fn a_part_of_the_driver_that_is_missing() {
    let part = format!("libnvidia-glcore.so.{VERSION}");
    let mut drivers = without(&[&part]);
    let commands =
        check(&drivers, "needs libnvidia-glcore.so.550.54.14, which is missing", "of version 550.54.14");
    assert_eq!(commands, ["sudo apt-get install -y libnvidia-gl-550-server"]);
    drivers.container = Some(Container::Docker);
    check(&drivers, "needs libnvidia-glcore", "update nvidia-container-toolkit");
    drivers.container = Some(Container::Apptainer);
    check(&drivers, "needs libnvidia-glcore", "add libnvidia-glcore.so to nvliblist.conf");
}

#[test]
fn the_driver_of_a_data_centre_without_its_graphics_part() {
    let mut bare = without(&[GLX, EGL]);
    bare.manifests.found.clear();
    let commands = check(&bare, "without its graphics part", "libnvidia-gl-550-server on Ubuntu");
    assert_eq!(commands, ["sudo apt-get install -y libnvidia-gl-550-server"]);
    // A manifest alone does not help.
    bare.manifests.found.push(manifest(MANIFEST, GLX));
    check(&bare, "without its graphics part", "nvidia-driver-libs on Fedora");
}

#[test]
fn a_library_for_32_bits_only() {
    let mut drivers = without(&[EGL]);
    let why = "/usr/lib/i386-linux-gnu/libGLX_nvidia.so.0 is 32-bit".to_owned();
    drivers.libraries.0.insert(GLX.to_owned(), Library::Unusable(why));
    check(&drivers, "libGLX_nvidia.so.0 cannot be loaded: /usr/lib/i386-linux-gnu", "libnvidia-gl-550");
}

#[test]
fn a_container_without_the_graphics_capability() {
    let mut bare = without(&[GLX, EGL]);
    bare.manifests.found.clear();
    bare.nvidia_driver_capabilities = Some("compute,utility".to_owned());
    check(
        &bare,
        "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
        "--gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,graphics,utility",
    );
    // That comes before the loader: a container is started once more either way.
    bare.libraries.0.remove(LOADER);
    check(&bare, "graphics capability", "graphics");
    bare.nvidia_driver_capabilities = None;
    for (container, way_out) in [
        (Container::Docker, "--gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,graphics,utility"),
        (Container::Podman, "--device nvidia.com/gpu=all"),
        (Container::Kubernetes, "runtimeClassName: nvidia"),
        (Container::Slurm, "--container-env=NVIDIA_DRIVER_CAPABILITIES"),
    ] {
        bare.container = Some(container);
        check(&bare, "NVIDIA_DRIVER_CAPABILITIES is not set", way_out);
    }
    bare.container = Some(Container::Apptainer);
    check(&bare, "Apptainer has brought no graphics libraries", "--nv");
    bare.container = Some(Container::Docker);
    bare.nvidia_driver_capabilities = Some("all".to_owned());
    check(&bare, "the machine around it lacks them", "install the driver's graphics part there");
}

#[test]
fn a_missing_loader() {
    let drivers = without(&[LOADER]);
    assert_eq!(
        check(&drivers, "libvulkan.so.1, is missing", "libvulkan1"),
        ["sudo apt-get install -y libvulkan1"]
    );
}

#[test]
fn no_manifest_of_the_driver() {
    let mut drivers = DriverProbe { has_display: false, ..drivers() };
    drivers.manifests.found = vec![Manifest {
        path: "/usr/share/vulkan/icd.d/lvp_icd.json".to_owned(),
        ..manifest("", "libvulkan_lvp.so")
    }];
    let commands =
        check(&drivers, "no driver manifest (ICD file) of NVIDIA", "write one that names the library");
    assert!(
        commands[0].contains("libEGL_nvidia.so.0\"") && commands[0].contains("\"api_version\":\"1.3.0\""),
        "{commands:?}"
    );
    drivers.container = Some(Container::Docker);
    check(&drivers, "no driver manifest", "put the file into the image");
    // With a display the library for it is named.
    drivers.has_display = true;
    assert!(check(&drivers, "no driver manifest", "")[0].contains("libGLX_nvidia.so.0"));
}

#[test]
fn no_manifest_and_a_library_that_lacks_something() {
    let mut drivers = without(&["libXext.so.6", EGL]);
    drivers.manifests.found.clear();
    let cause = "no driver manifest (ICD file) of NVIDIA in /usr/share/vulkan/icd.d or /etc/vulkan/icd.d; libGLX_nvidia.so.0 needs \
                 libXext.so.6, which is missing";
    assert_eq!(check(&drivers, cause, "libxext6"), ["sudo apt-get install -y libxext6"]);
}

#[test]
fn a_manifest_that_names_what_is_not_there() {
    let mut drivers = drivers();
    let path = "/opt/nvidia/libGLX_nvidia.so.535.54";
    drivers.manifests.found = vec![manifest(MANIFEST, path)];
    let commands = check(
        &drivers,
        &format!("{MANIFEST} names {path}, which is not there"),
        "name the library that is there",
    );
    writes(&commands, "libGLX_nvidia.so.0");
    // Another manifest of the driver that is right is enough.
    drivers.manifests.found.push(manifest("/etc/vulkan/icd.d/nvidia_icd.json", GLX));
    check(&drivers, "gives no device", "what the loader and the driver print");
}

#[test]
fn a_broken_manifest() {
    let mut drivers = drivers();
    let why = "is not a driver manifest: EOF while parsing a value at line 1 column 0".to_owned();
    drivers.manifests.found = vec![Manifest { path: MANIFEST.to_owned(), driver: Err(why) }];
    let commands = check(
        &drivers,
        "passes over /usr/share/vulkan/icd.d/nvidia_icd.json: it is not a driver manifest: EOF",
        "write it anew",
    );
    assert!(commands[0].contains("libGLX_nvidia.so.0"), "{commands:?}");
}

#[test]
fn a_variable_that_names_another_driver_or_what_is_not_there() {
    let mut drivers = drivers();
    let usual = std::mem::take(&mut drivers.manifests.found);
    drivers.manifests.replaced_by = Some(("VK_ICD_FILENAMES", "/opt/nvidia_icd.json".to_owned()));
    drivers.manifests.absent = vec!["/opt/nvidia_icd.json".to_owned()];
    drivers.manifests.passed_over = usual;
    let cause = "VK_ICD_FILENAMES names /opt/nvidia_icd.json, which is not there";
    assert_eq!(check(&drivers, cause, "unset VK_ICD_FILENAMES"), ["unset VK_ICD_FILENAMES"]);
    drivers.manifests.passed_over.clear();
    assert!(
        check(&drivers, cause, "write one that names the library")[1].starts_with("export VK_DRIVER_FILES=")
    );
    drivers.manifests.absent.clear();
    check(&drivers, "VK_ICD_FILENAMES=/opt/nvidia_icd.json names no NVIDIA driver", "write one");
}

#[test]
fn a_variable_that_disables_the_driver() {
    let drivers = DriverProbe { disabled_drivers: Some("*nvidia*".to_owned()), ..drivers() };
    assert_eq!(
        check(&drivers, "VK_LOADER_DRIVERS_DISABLE=*nvidia* makes", "unset"),
        ["unset VK_LOADER_DRIVERS_DISABLE"]
    );
}

#[test]
fn a_driver_that_was_updated_while_in_use() {
    let mut drivers = DriverProbe { kernel_module: Some("550.90.07".to_owned()), ..drivers() };
    let commands = check(
        &drivers,
        "libraries are of version 550.54.14, the kernel module that is loaded of 550.90.07",
        "restart",
    );
    assert!(commands[0].starts_with("sudo rmmod nvidia_uvm"), "{commands:?}");
    drivers.container = Some(Container::Docker);
    assert_eq!(check(&drivers, "Driver/library version mismatch", "out of the image"), [""; 0]);
}

#[test]
fn a_card_that_this_process_is_not_given() {
    let card = NvidiaCard {
        address: "65:00.0".parse().unwrap(),
        model: "NVIDIA H100".to_owned(),
        uuid: None,
        minor: Some(0),
    };
    let listed = SystemProbe { nvidia_cards: vec![card], ..SystemProbe::default() };
    let unseen = of(&listed, &drivers());
    assert_eq!(unseen.card, "NVIDIA card (PCI 0000:65:00.0)");
    assert!(unseen.cause.contains("no /dev/nvidia0"), "{unseen:?}");
    assert_eq!(unseen.commands, ["sudo nvidia-modprobe -c 0 -u"]);
    let job = DriverProbe { in_slurm_job: true, ..drivers() };
    assert_eq!(of(&listed, &job).way_out, "ask for a card: srun --gpus=1");
    for (container, way_out) in [
        (Container::Docker, "docker run --gpus all"),
        (Container::Podman, "--device nvidia.com/gpu=all"),
        (Container::Apptainer, "apptainer exec --nv"),
        (Container::Kubernetes, "nvidia.com/gpu: 1"),
        (Container::Slurm, "srun --gpus=1"),
    ] {
        let unseen = of(&listed, &DriverProbe { container: Some(container), ..drivers() });
        assert!(unseen.way_out.contains(way_out) && unseen.commands.is_empty(), "{unseen:?}");
    }
}

#[test]
fn a_device_file_that_may_not_be_opened() {
    let mut closed = system();
    closed.nvidia_nodes[0].may_open = false;
    assert!(of(&closed, &drivers()).cause.contains("gives no device"), "one card is enough");
    closed.nvidia_nodes[1].may_open = false;
    let unseen = of(&closed, &DriverProbe { in_slurm_job: true, ..drivers() });
    assert_eq!(
        (unseen.cause.as_str(), unseen.way_out.as_str()),
        ("this process may not open /dev/nvidia0", "ask for a card: srun --gpus=1")
    );
    check(&DriverProbe { control: None, ..drivers() }, "no /dev/nvidiactl", "permissions");
    let control = Node { may_open: false, ..node("/dev/nvidiactl") };
    check(&DriverProbe { control: Some(control), ..drivers() }, "may not open /dev/nvidiactl", "permissions");
    check(&DriverProbe { has_uvm: false, ..drivers() }, "no /dev/nvidia-uvm", "load its module");
}

#[test]
fn a_card_in_slices() {
    let whole = DriverProbe { sliced: vec![0], ..drivers() };
    check(&whole, "gives no device", "");
    let sliced = DriverProbe { sliced: vec![0, 1], ..drivers() };
    check(&sliced, "MIG slices, which compute with CUDA only", "--gres=gpu:1");
    let asked = DriverProbe { nvidia_visible_devices: Some("MIG-5a6b".to_owned()), ..drivers() };
    check(&asked, "MIG slices", "nvidia-smi -mig 0");
    let system = SystemProbe { cuda_visible_devices: Some("MIG-5a6b".to_owned()), ..system() };
    assert!(of(&system, &drivers()).cause.contains("MIG slices"));
}

#[test]
fn what_may_be_meant_when_all_is_in_place() {
    let mut old = drivers();
    old.libraries.0.insert(LOADER.to_owned(), found("libvulkan.so.1.1.70", &[]));
    check(&old, "speaks Vulkan 1.3, and the Vulkan loader is of version 1.1.70", "newer Vulkan loader");
    let card = |bus: &str| NvidiaCard {
        address: bus.parse().unwrap(),
        model: String::new(),
        uuid: None,
        minor: None,
    };
    let cards = ["17:00.0", "65:00.0", "a1:00.0"].map(card).into();
    let fenced = SystemProbe { nvidia_cards: cards, ..system() };
    assert!(of(&fenced, &drivers()).cause.contains("3 cards of which this process has 2"));
}

#[test]
fn the_card_and_what_was_found_of_its_driver() {
    let unseen = of(&system(), &DriverProbe { has_uvm: false, ..without(&["libX11.so.6"]) });
    assert_eq!(unseen.card, "NVIDIA card (/dev/nvidia0, /dev/nvidia1)");
    assert_eq!(
        unseen.seen,
        [
            "graphics library 550.54.14, kernel module 550.54.14",
            "/usr/share/vulkan/icd.d/nvidia_icd.json: libGLX_nvidia.so.0, Vulkan 1.3.277; needs libX11.so.6, which is missing",
            "libGLX_nvidia.so.0: /usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.0, which needs libX11.so.6, which is missing",
            "libEGL_nvidia.so.0: /usr/lib/x86_64-linux-gnu/libEGL_nvidia.so.0",
            "no /dev/nvidia-uvm, /dev/dri",
            "a display",
        ]
    );
}
