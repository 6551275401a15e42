//! The manifests (ICD files) that name drivers to the Vulkan loader.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One that the loader reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) path: String,
    /// What it names, or why the loader passes over it.
    pub(super) driver: Result<Driver, String>,
}

/// The library that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Driver {
    /// A name that the dynamic loader looks for, or an absolute path.
    pub(super) library: String,
    /// Of Vulkan, as written: `1.3.277`.
    pub(super) api_version: String,
}

/// Which manifests the loader reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Manifests {
    pub(super) found: Vec<Manifest>,
    /// Those of the loader's folders that it does not read for the variable.
    pub(super) passed_over: Vec<Manifest>,
    /// The variable that replaces the loader's own search, and its value.
    pub(super) replaced_by: Option<(&'static str, String)>,
    /// What a variable names and is not there.
    pub(super) absent: Vec<String>,
}

/// Where the loader looks. (NixOS has its own place.)
const FOLDERS: [&str; 6] = [
    "etc/xdg/vulkan/icd.d",
    "usr/local/etc/vulkan/icd.d",
    "etc/vulkan/icd.d",
    "usr/local/share/vulkan/icd.d",
    "usr/share/vulkan/icd.d",
    "run/opengl-driver/share/vulkan/icd.d",
];

/// Variables of folders in which it looks too, and what is added to each.
const FOLDER_VARIABLES: [(&str, &str); 6] = [
    ("XDG_CONFIG_HOME", "vulkan/icd.d"),
    ("XDG_CONFIG_DIRS", "vulkan/icd.d"),
    ("XDG_DATA_HOME", "vulkan/icd.d"),
    ("XDG_DATA_DIRS", "vulkan/icd.d"),
    ("HOME", ".config/vulkan/icd.d"),
    ("HOME", ".local/share/vulkan/icd.d"),
];

/// Real ones have 200 bytes.
const MAX_BYTES: u64 = 1 << 16;

impl Manifests {
    /// Those of the variable that replaces the loader's search, else those of its folders.
    pub(super) fn read(root: &Path, variable: impl Fn(&str) -> Option<String>) -> Self {
        let in_root = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
        let replaced_by = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]
            .into_iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()).map(|value| (name, value)));
        let mut usual: Vec<PathBuf> = FOLDERS.map(|folder| Path::new("/").join(folder)).into();
        for (name, below) in FOLDER_VARIABLES {
            let list = variable(name).unwrap_or_default();
            usual.extend(std::env::split_paths(&list).map(|folder| folder.join(below)));
        }
        let mut named: Vec<PathBuf> = vec![];
        if let Some((_, list)) = &replaced_by {
            named.extend(std::env::split_paths(list));
        }
        named.extend(std::env::split_paths(&variable("VK_ADD_DRIVER_FILES").unwrap_or_default()));
        named.retain(|path| !path.as_os_str().is_empty());
        let (there, absent): (Vec<PathBuf>, Vec<PathBuf>) =
            named.into_iter().partition(|path| in_root(path).exists());
        // A variable may name folders too.
        let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) =
            there.into_iter().partition(|path| in_root(path).is_dir());
        let mut found = read_all(root, files.into_iter().chain(in_folders(root, folders)));
        let usual = read_all(root, in_folders(root, usual));
        let mut passed_over = vec![];
        if replaced_by.is_some() {
            passed_over = usual;
        } else {
            let new = |manifest: &Manifest| !found.iter().any(|known| known.path == manifest.path);
            found.extend(usual.into_iter().filter(new).collect::<Vec<_>>());
        }
        let absent = absent.iter().map(|path| path.display().to_string()).collect();
        Self { found, passed_over, replaced_by, absent }
    }
}

/// Manifests in these folders, sorted within each.
fn in_folders(root: &Path, folders: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut paths = vec![];
    for folder in folders {
        let there = root.join(folder.strip_prefix("/").unwrap_or(&folder));
        let mut here: Vec<PathBuf> = fs::read_dir(there)
            .map(|entries| entries.flatten().map(|entry| folder.join(entry.file_name())).collect())
            .unwrap_or_default();
        here.retain(|path| path.extension() == Some(OsStr::new("json")));
        here.sort();
        paths.extend(here);
    }
    paths
}

/// Each once.
fn read_all(root: &Path, paths: impl IntoIterator<Item = PathBuf>) -> Vec<Manifest> {
    let mut manifests: Vec<Manifest> = vec![];
    for path in paths {
        let shown = path.display().to_string();
        if !manifests.iter().any(|manifest| manifest.path == shown) {
            let there = root.join(path.strip_prefix("/").unwrap_or(&path));
            manifests.push(Manifest { path: shown, driver: driver(&there, &path) });
        }
    }
    manifests
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "ICD")]
    icd: Icd,
}

#[derive(Deserialize)]
struct Icd {
    library_path: String,
    #[serde(default)]
    api_version: String,
}

/// What the file at `there`, which the user knows as `path`, names.
fn driver(there: &Path, path: &Path) -> Result<Driver, String> {
    let metadata = there.metadata().map_err(|error| format!("cannot be read: {error}"))?;
    if !metadata.is_file() {
        return Err("is not a file".to_owned());
    }
    let mut text = String::new();
    File::open(there)
        .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
        .map_err(|error| format!("cannot be read: {error}"))?;
    let document: Document =
        serde_json::from_str(&text).map_err(|error| format!("is not a driver manifest: {error}"))?;
    let library = document.icd.library_path;
    if library.is_empty() {
        return Err("names no library".to_owned());
    }
    // A path counts from the manifest's folder, a bare name is searched for.
    let library = match path.parent() {
        Some(folder) if library.contains('/') => folder.join(&library).display().to_string(),
        _ => library,
    };
    Ok(Driver { library, api_version: document.icd.api_version })
}

#[cfg(test)]
mod tests {
    use super::super::samples::write;
    use super::*;

    const NVIDIA: &str = r#"{"file_format_version": "1.0.0", "ICD": {"library_path": "libGLX_nvidia.so.0", "api_version": "1.3.277"}}"#;

    #[test]
    fn reads_what_each_manifest_names() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "usr/share/vulkan/icd.d/nvidia_icd.json", NVIDIA);
        write(root, "usr/share/vulkan/icd.d/README", "");
        write(root, "etc/vulkan/icd.d/near.json", r#"{"ICD": {"library_path": "../libvulkan_x.so"}}"#);
        write(root, "home/me/.local/share/vulkan/icd.d/broken.json", &NVIDIA[..60]);
        write(root, "opt/share/vulkan/icd.d/empty.json", "");
        let manifests = Manifests::read(root, |name| match name {
            "HOME" => Some("/home/me".to_owned()),
            "XDG_DATA_DIRS" => Some("/opt/share:/usr/share".to_owned()),
            _ => None,
        });
        let of = |end: &str| {
            let mut found = manifests.found.iter().filter(|manifest| manifest.path.ends_with(end));
            let manifest = found.next().unwrap();
            assert!(found.next().is_none(), "{end} twice");
            manifest.driver.clone()
        };
        assert_eq!(manifests.found.len(), 4, "{manifests:?}");
        let expected = Driver { library: "libGLX_nvidia.so.0".to_owned(), api_version: "1.3.277".to_owned() };
        assert_eq!(of("/usr/share/vulkan/icd.d/nvidia_icd.json").unwrap(), expected);
        assert_eq!(of("near.json").unwrap().library, "/etc/vulkan/icd.d/../libvulkan_x.so");
        for end in ["broken.json", "empty.json"] {
            assert!(of(end).unwrap_err().contains("is not a driver manifest: EOF"), "{:?}", of(end));
        }
        assert_eq!((manifests.replaced_by, manifests.absent.len()), (None, 0));
    }

    #[test]
    fn a_variable_replaces_the_search_and_may_name_what_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "usr/share/vulkan/icd.d/nvidia_icd.json", NVIDIA);
        write(root, "opt/mine.json", NVIDIA);
        write(root, "opt/more/other.json", NVIDIA);
        let paths = |manifests: &Manifests| -> Vec<String> {
            manifests.found.iter().map(|manifest| manifest.path.clone()).collect()
        };
        for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
            let list = "/opt/mine.json:/nowhere/lvp.json:/opt/more";
            let manifests = Manifests::read(root, |asked| (asked == name).then(|| list.to_owned()));
            assert_eq!(paths(&manifests), ["/opt/mine.json", "/opt/more/other.json"]);
            assert_eq!(manifests.replaced_by, Some((name, list.to_owned())));
            assert_eq!(manifests.absent, ["/nowhere/lvp.json"]);
            assert_eq!(manifests.passed_over.len(), 1);
        }
        let added = Manifests::read(root, |asked| {
            (asked == "VK_ADD_DRIVER_FILES").then(|| "/opt/mine.json".to_owned())
        });
        assert_eq!(paths(&added), ["/opt/mine.json", "/usr/share/vulkan/icd.d/nvidia_icd.json"]);
        let empty = Manifests::read(root, |asked| (asked == "VK_DRIVER_FILES").then(String::new));
        assert_eq!(empty.replaced_by, None, "an empty variable is none");
    }
}
