//! Which libraries the dynamic loader would find, and what each of them is linked to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::elf::{self, Machine};
use super::ld_cache::LdCache;

/// What the dynamic loader finds under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Library {
    Found {
        /// Where, as the user knows it.
        path: String,
        /// The name of the file that the path leads to: `libGLX_nvidia.so.550.54.14`.
        file_name: String,
        /// Names of the libraries that are loaded with it.
        needs: Vec<String>,
    },
    /// Only a file that this program cannot load: `/usr/lib/i386-linux-gnu/libX.so is 32-bit`.
    Unusable(String),
    /// Nothing.
    Missing,
}

/// Libraries by name (or by path, as a manifest gives it), with all that they are linked to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Libraries(pub(super) BTreeMap<String, Library>);

/// A library that another one needs and that cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lack {
    pub(super) name: String,
    /// Why, where a file is there: `… is 32-bit`.
    pub(super) unusable: Option<String>,
}

/// A driver is linked to some ten, Mesa's to some forty.
const MAX_LIBRARIES: usize = 512;

impl Libraries {
    /// `Missing` for what was never looked for.
    pub(super) fn get(&self, name: &str) -> &Library {
        self.0.get(name).unwrap_or(&Library::Missing)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        matches!(self.get(name), Library::Found { .. })
    }

    /// Where a library is, if it can be loaded with all that it is linked to.
    pub(super) fn loadable(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Library::Found { path, .. } if self.lacking(name).is_empty() => Some(path),
            _ => None,
        }
    }

    /// What cannot be loaded of a library and of all that it is linked to, by name.
    pub(super) fn lacking(&self, name: &str) -> Vec<Lack> {
        let reached = self.reached(name).into_iter();
        let lack = |name: &str| match self.get(name) {
            Library::Found { .. } => None,
            Library::Missing => Some(Lack { name: name.to_owned(), unusable: None }),
            Library::Unusable(why) => Some(Lack { name: name.to_owned(), unusable: Some(why.clone()) }),
        };
        let mut lacks: Vec<Lack> = reached.filter_map(lack).collect();
        lacks.sort_by(|a, b| a.name.cmp(&b.name));
        lacks
    }

    /// A name and those that it needs, directly or not.
    pub(super) fn reached<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        let mut names = vec![name];
        let mut at = 0;
        while let Some(name) = names.get(at) {
            if let Library::Found { needs, .. } = self.get(name) {
                let new: Vec<&str> =
                    needs.iter().map(String::as_str).filter(|need| !names.contains(need)).collect();
                names.extend(new);
            }
            at += 1;
        }
        names
    }
}

/// Where distributions keep libraries, whether the loader's cache has them or not.
const FOLDERS: [&str; 11] = [
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
    // NixOS, whose programs are wrapped to look here, and Apptainer, which sets LD_LIBRARY_PATH to this.
    "/run/opengl-driver/lib",
    "/.singularity.d/libs",
];

/// Where the dynamic loader looks.
pub(super) struct Search<'a> {
    root: &'a Path,
    /// `LD_LIBRARY_PATH`.
    added: Vec<PathBuf>,
    cache: LdCache,
}

impl<'a> Search<'a> {
    pub(super) fn new(root: &'a Path, library_path: &str) -> Self {
        let cache = LdCache::read(&root.join("etc/ld.so.cache"));
        let added = std::env::split_paths(library_path).filter(|folder| !folder.as_os_str().is_empty());
        Self { root, added: added.collect(), cache }
    }

    /// Adds a library, and all that it is linked to.
    pub(super) fn add(&self, libraries: &mut Libraries, name: &str) {
        let mut waiting = vec![(name.to_owned(), vec![])];
        while let Some((name, run_path)) = waiting.pop() {
            if libraries.0.contains_key(&name) || libraries.0.len() >= MAX_LIBRARIES {
                continue;
            }
            let (library, run_path) = self.find(&name, &run_path);
            if let Library::Found { needs, .. } = &library {
                waiting.extend(needs.iter().map(|need| (need.clone(), run_path.clone())));
            }
            libraries.0.insert(name, library);
        }
    }

    /// A library, and the folders in which it asks to look for those that it needs.
    fn find(&self, name: &str, run_path: &[PathBuf]) -> (Library, Vec<PathBuf>) {
        let mut unusable = None;
        for path in self.candidates(name, run_path) {
            let there = self.in_root(&path);
            if !there.exists() {
                continue;
            }
            let why = match elf::read(&there) {
                Ok(elf) if Machine::of_this_program().is_none_or(|machine| machine == elf.machine) => {
                    let folder = path.parent().unwrap_or(Path::new("/")).display().to_string();
                    let origin = |entry: &String| {
                        PathBuf::from(entry.replace("$ORIGIN", &folder).replace("${ORIGIN}", &folder))
                    };
                    let run_path = elf.run_path.iter().map(origin).collect();
                    return (
                        Library::Found {
                            file_name: file_name(&there),
                            path: shown(&path),
                            needs: elf.needed,
                        },
                        run_path,
                    );
                }
                Ok(elf) => format!("is {}", elf.machine.kind()),
                Err(why) => format!("cannot be read: {why}"),
            };
            // The loader goes on where a file is for another machine.
            unusable.get_or_insert(format!("{} {why}", shown(&path)));
        }
        (unusable.map_or(Library::Missing, Library::Unusable), vec![])
    }

    /// Where it may be, in the loader's order.
    fn candidates(&self, name: &str, run_path: &[PathBuf]) -> Vec<PathBuf> {
        if name.contains('/') {
            return vec![PathBuf::from(name)];
        }
        let listed = self.cache.paths(name).map(PathBuf::from);
        let folders = self.added.iter().chain(run_path).map(|folder| folder.join(name));
        folders.chain(listed).chain(FOLDERS.iter().map(|folder| Path::new(folder).join(name))).collect()
    }

    fn in_root(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// Of the file that a path leads to through its links.
fn file_name(path: &Path) -> String {
    let real = path.canonicalize().unwrap_or(path.to_owned());
    real.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::elf::tests::{library, library_of_32_bits};
    use super::super::ld_cache::tests::cache;
    use super::super::samples::write;
    use super::*;

    fn found(root: &Path, library_path: &str, name: &str) -> Libraries {
        let mut libraries = Libraries::default();
        Search::new(root, library_path).add(&mut libraries, name);
        libraries
    }

    #[test]
    fn follows_what_a_library_needs_and_names_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "usr/lib64/libGLX_nvidia.so.0", library(&["libglcore.so.550.1", "libXext.so.6"], ""));
        write(
            root,
            "usr/lib64/libglcore.so.550.1",
            library(&["libX11.so.6", "libc.so.6", "libGLX_nvidia.so.0"], ""),
        );
        write(root, "lib/libc.so.6", library(&[], ""));
        let libraries = found(root, "", "libGLX_nvidia.so.0");
        let lacking: Vec<String> =
            libraries.lacking("libGLX_nvidia.so.0").into_iter().map(|lack| lack.name).collect();
        assert_eq!(lacking, ["libX11.so.6", "libXext.so.6"]);
        assert_eq!(libraries.loadable("libGLX_nvidia.so.0"), None);
        assert_eq!(libraries.loadable("libc.so.6"), Some("/lib/libc.so.6"));
        assert_eq!(libraries.get("libnever.so"), &Library::Missing);
    }

    #[test]
    fn looks_where_the_dynamic_loader_looks_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "etc/ld.so.cache", cache(&[("liba.so.1", "/opt/listed/liba.so.1")]));
        for place in ["usr/lib", "opt/listed", "opt/run", "home/me/lib"] {
            write(root, &format!("{place}/liba.so.1"), library(&[], ""));
        }
        write(root, "usr/lib/libb.so.1", library(&["liba.so.1"], "$ORIGIN/../../opt/run"));
        let path = |library_path: &str, first: &str| match found(root, library_path, first).get("liba.so.1") {
            Library::Found { path, .. } => path.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(path("/nowhere:/home/me/lib", "libb.so.1"), "/home/me/lib/liba.so.1");
        assert_eq!(path("", "libb.so.1"), "/usr/lib/../../opt/run/liba.so.1");
        assert_eq!(path("", "liba.so.1"), "/opt/listed/liba.so.1");
        std::fs::remove_file(root.join("opt/listed/liba.so.1")).unwrap();
        assert_eq!(path("", "liba.so.1"), "/usr/lib/liba.so.1");
    }

    #[test]
    fn a_library_for_32_bits_is_passed_over_and_named_where_it_is_the_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "etc/ld.so.cache", cache(&[("liba.so.1", "/usr/lib/i386-linux-gnu/liba.so.1")]));
        write(root, "usr/lib/i386-linux-gnu/liba.so.1", library_of_32_bits());
        let Library::Unusable(why) = found(root, "", "liba.so.1").get("liba.so.1").clone() else { panic!() };
        assert_eq!(why, "/usr/lib/i386-linux-gnu/liba.so.1 is 32-bit");
        write(root, "usr/lib/liba.so.1", library(&[], ""));
        assert!(found(root, "", "liba.so.1").has("liba.so.1"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_shows_the_version_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "usr/lib/liba.so.1.2.3", library(&[], ""));
        std::os::unix::fs::symlink("liba.so.1.2.3", folder.path().join("usr/lib/liba.so.1")).unwrap();
        let libraries = found(folder.path(), "", "liba.so.1");
        let Library::Found { path, file_name, .. } = libraries.get("liba.so.1") else { panic!() };
        assert_eq!((path.as_str(), file_name.as_str()), ("/usr/lib/liba.so.1", "liba.so.1.2.3"));
    }

    #[test]
    fn a_path_is_taken_as_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "opt/liba.so", library(&[], ""));
        let libraries = found(folder.path(), "", "/opt/liba.so");
        assert_eq!(libraries.loadable("/opt/liba.so"), Some("/opt/liba.so"));
        assert_eq!(found(folder.path(), "", "/usr/lib/liba.so").get("/usr/lib/liba.so"), &Library::Missing);
    }
}
