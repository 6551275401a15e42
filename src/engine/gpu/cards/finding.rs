//! What keeps a card from Vulkan whoever made it, in words.

use super::drivers::{DriverProbe, LOADER};
use super::libraries::Lack;
use super::manifests::{Driver, Manifest};
use super::probe::Node;

/// What keeps a card from Vulkan, and the way out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) cause: String,
    pub(super) way_out: String,
    /// What to type for it, where that is known.
    pub(super) commands: Vec<String>,
}

impl Finding {
    pub(super) fn new(cause: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { cause: cause.into(), way_out: way_out.into(), commands: vec![] }
    }

    pub(super) fn commands(self, commands: impl IntoIterator<Item = String>) -> Self {
        Self { commands: commands.into_iter().collect(), ..self }
    }
}

/// Device files by their paths, the first few of them.
pub(super) fn list(nodes: &[&Node]) -> String {
    crate::text::some_of(nodes.iter().map(|node| node.path.clone()))
}

/// That the Vulkan loader is missing.
pub(super) fn loader(drivers: &DriverProbe) -> Option<Finding> {
    if drivers.libraries.has(LOADER) {
        return None;
    }
    let finding = Finding::new(
        "the Vulkan loader, libvulkan.so.1, is missing",
        "install it: libvulkan1 on Debian and Ubuntu, vulkan-loader on Fedora, vulkan-icd-loader on Arch",
    );
    Some(finding.commands(apt(drivers, "libvulkan1")))
}

/// That the loader reads no manifest of a maker's driver: what a variable does, or else the cause, whose way out is the
/// maker's.
pub(super) fn no_manifest(drivers: &DriverProbe, name: &str, passed_over: bool) -> Result<Finding, String> {
    let Some((variable, value)) = &drivers.manifests.replaced_by else {
        return Err(format!(
            "no driver manifest (ICD file) of {name} in /usr/share/vulkan/icd.d or /etc/vulkan/icd.d"
        ));
    };
    let cause = match &drivers.manifests.absent[..] {
        [] => format!("{variable}={value} names no {name} driver"),
        absent => format!("{variable} names {}, which is not there", absent.join(" and ")),
    };
    if !passed_over {
        return Err(cause);
    }
    Ok(Finding::new(cause, format!("unset {variable}, or add the driver's manifest to it"))
        .commands([format!("unset {variable}")]))
}

/// Whether a manifest, readable or not, names a library with such a word in it.
pub(super) fn is_of(manifest: &Manifest, words: &[&str]) -> bool {
    let name = match &manifest.driver {
        Ok(driver) => driver.library.as_str(),
        Err(_) => manifest.path.as_str(),
    };
    let name = name.rsplit('/').next().unwrap_or_default().to_lowercase();
    words.iter().any(|word| name.contains(word))
}

/// That a manifest's library is not found, or is linked to what is not found.
pub(super) fn cannot_load(manifest: &str, library: &str, lacking: &[Lack]) -> String {
    if let Some(own) = lacking.iter().find(|lack| lack.name == library) {
        return match &own.unusable {
            Some(why) => format!("{manifest} names {library}, but {why}"),
            None => format!("{manifest} names {library}, which is not there"),
        };
    }
    format!("{library}, which {manifest} names, needs {}", lacks(lacking))
}

/// `libX11.so.6 and libXext.so.6, which are missing`.
pub(super) fn lacks(lacking: &[Lack]) -> String {
    let (missing, unusable): (Vec<&Lack>, Vec<&Lack>) =
        lacking.iter().partition(|lack| lack.unusable.is_none());
    let mut parts = vec![];
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|lack| lack.name.as_str()).collect();
        let verb = if names.len() == 1 { "which is missing" } else { "which are missing" };
        parts.push(format!("{}, {verb}", names.join(" and ")));
    }
    parts.extend(
        unusable.iter().filter_map(|lack| Some(format!("{}, but {}", lack.name, lack.unusable.as_ref()?))),
    );
    parts.join("; ")
}

/// `sudo apt-get install …`, where there is apt; in a container one is root.
pub(super) fn apt(drivers: &DriverProbe, packages: &str) -> Vec<String> {
    let sudo = if drivers.container.is_some() { "" } else { "sudo " };
    if drivers.has_apt { vec![format!("{sudo}apt-get install -y {packages}")] } else { vec![] }
}

/// That a variable makes the loader pass over all of a maker's manifests.
pub(super) fn filtered(drivers: &DriverProbe, manifests: &[&Manifest]) -> Option<Finding> {
    let (variable, value) = drivers.filter_of(&manifests.first()?.path)?;
    let all = manifests.iter().all(|manifest| drivers.filter_of(&manifest.path).is_some());
    all.then(|| {
        let cause = format!("{variable}={value} makes the Vulkan loader pass over {}", manifests[0].path);
        Finding::new(cause, format!("unset {variable}")).commands([format!("unset {variable}")])
    })
}

/// When nothing is missing.
pub(super) fn at_last() -> Finding {
    Finding::new(
        "loader, manifest and libraries are there, but the driver gives no device",
        "see what the loader and the driver print, and the kernel's log (dmesg)",
    )
    .commands(["VK_LOADER_DEBUG=error,warn,driver lorascope devices".to_owned()])
}

/// One manifest, as it was read.
pub(super) fn manifest_line(drivers: &DriverProbe, manifest: &Manifest) -> String {
    match &manifest.driver {
        Err(why) => format!("{} {why}", manifest.path),
        Ok(Driver { library, api_version }) => {
            let lacking = drivers.libraries.lacking(library);
            let state = match drivers.libraries.loadable(library) {
                Some(path) => format!("found at {path}"),
                None if lacking.iter().any(|lack| lack.name == *library) => "not found".to_owned(),
                None => format!("needs {}", lacks(&lacking)),
            };
            format!("{}: {library}, Vulkan {api_version}; {state}", manifest.path)
        }
    }
}
