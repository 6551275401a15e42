//! The Hub's cache on this machine, laid out as `huggingface_hub` does: for each repository `refs/`, with a commit for each
//! branch, and `snapshots/`, with a folder for each commit.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::name::{Repository, is_commit};
use crate::error::{Error, Fault, Result};
use crate::text::{quoted, some_of};

/// The branch that is meant where no revision is named.
const MAIN: &str = "main";
/// The shortest start of a commit that is looked for.
const MIN_COMMIT: usize = 7;
/// A reference is the hash of a commit.
const MAX_REFERENCE_BYTES: u64 = 1024;

/// Where the cache lies.
#[derive(Debug)]
pub(super) struct Cache {
    /// With a folder for each repository.
    repositories: PathBuf,
    /// With a folder for each library that keeps something of its own.
    assets: PathBuf,
}

/// What a search of the cache came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    There(PathBuf),
    NotThere(NotThere),
}

/// What is not in the cache.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotThere {
    /// As the user names it.
    pub(super) name: String,
    /// What is the matter.
    pub(super) fact: String,
    /// What downloads it.
    pub(super) command: String,
}

impl Cache {
    /// Where the variables of the Hub's own library say, else in the user's home.
    ///
    /// # Errors
    /// `Invalid` when no variable says so and the user has no home.
    pub(super) fn of_user() -> Result<Self> {
        Self::by(|name| std::env::var_os(name).filter(|value| !value.is_empty()), std::env::home_dir())
    }

    fn by(variable: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Result<Self> {
        let of = |name: &str| {
            let path = PathBuf::from(variable(name)?);
            Some(match (path.strip_prefix("~"), &home) {
                (Ok(rest), Some(home)) => home.join(rest),
                _ => path,
            })
        };
        let general = || {
            Some(of("XDG_CACHE_HOME").or_else(|| Some(home.as_ref()?.join(".cache")))?.join("huggingface"))
        };
        let own = of("HF_HOME").or_else(general);
        let within = |name: &str| own.as_ref().map(|own| own.join(name));
        let repositories =
            of("HF_HUB_CACHE").or_else(|| of("HUGGINGFACE_HUB_CACHE")).or_else(|| within("hub"));
        let assets =
            of("HF_ASSETS_CACHE").or_else(|| of("HUGGINGFACE_ASSETS_CACHE")).or_else(|| within("assets"));
        match (repositories, assets) {
            (Some(repositories), Some(assets)) => Ok(Self { repositories, assets }),
            _ => {
                let fault =
                    Fault::stating("the cache of the Hugging Face Hub is not known: the user has no home");
                Err(fault.hint("set HF_HOME to its folder").invalid())
            }
        }
    }

    /// Where this program keeps the lists of collections.
    pub(super) fn collections(&self) -> PathBuf {
        self.assets.join("lorascope").join("collections")
    }

    /// The snapshot of a repository, or what is meant inside it.
    ///
    /// # Errors
    /// `Io` when the system refuses to read; `Malformed` for a reference that is not a commit.
    pub(super) fn find(&self, repository: &Repository) -> Result<Lookup> {
        let folder = self.repositories.join(format!("models--{}", repository.id.replace('/', "--")));
        let missing = |fact: String| {
            let (name, command) = (repository.to_string(), command(repository));
            Ok(Lookup::NotThere(NotThere { name, fact, command }))
        };
        let snapshots = names(&folder.join("snapshots"))?;
        if snapshots.is_empty() {
            return missing(format!("not in the cache of the Hub, {}", self.repositories.display()));
        }
        let revision = repository.revision.as_deref().unwrap_or(MAIN);
        let Some(commit) = commit(&folder, revision, &snapshots)? else {
            let there = some_of(
                snapshots.iter().map(|commit| format!("@{}", &commit[..commit.len().min(MIN_COMMIT)])),
            );
            return missing(format!(
                "revision {} is not in the cache of the Hub, only {there}",
                quoted(revision)
            ));
        };
        let snapshot = folder.join("snapshots").join(&commit);
        let path = if repository.inside.is_empty() { snapshot } else { snapshot.join(&repository.inside) };
        match path.try_exists() {
            Ok(true) => Ok(Lookup::There(path)),
            Ok(false) if repository.inside.is_empty() => {
                missing("its snapshot is not in the cache of the Hub".to_owned())
            }
            Ok(false) => missing(format!("{} is not in the cache of the Hub", quoted(&repository.inside))),
            Err(error) => Err(Error::io("open", path, error)),
        }
    }
}

/// The commit that a revision means: itself, a branch's or a tag's, or the only one that it is the start of.
fn commit(folder: &Path, revision: &str, snapshots: &[String]) -> Result<Option<String>> {
    let reference = folder.join("refs").join(revision);
    let named = |error| Error::io("read", &reference, error);
    if !is_commit(revision) && reference.is_file() {
        if reference.metadata().map_err(named)?.len() > MAX_REFERENCE_BYTES {
            let fault = Fault::new(format!("more than {MAX_REFERENCE_BYTES} bytes"), "a commit");
            return Err(fault.at(&reference).malformed());
        }
        let text = fs::read_to_string(&reference).map_err(named)?;
        let commit = text.trim();
        // One part: a path could lead out of the cache.
        let mut parts = Path::new(commit).components();
        return match (parts.next(), parts.next()) {
            (Some(Component::Normal(_)), None) => Ok(Some(commit.to_owned())),
            _ => Err(Fault::new(quoted(commit), "a commit").at(&reference).malformed()),
        };
    }
    let mut starts = snapshots.iter().filter(|commit| commit.starts_with(revision));
    match (starts.next(), starts.next()) {
        (Some(one), None) if revision.len() >= MIN_COMMIT => Ok(Some(one.clone())),
        _ => Ok(None),
    }
}

/// The names in a folder, sorted; none if it is not there.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(Error::io("list", folder, error)),
    };
    let mut names = vec![];
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("list", folder, error))?;
        names.extend(entry.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}

/// What downloads a repository, or what is meant of it.
fn command(repository: &Repository) -> String {
    let Repository { id, revision, inside } = repository;
    let revision = revision.as_ref().map_or(String::new(), |revision| format!(" --revision {revision}"));
    let is_file = Path::new(inside).extension().is_some();
    let part = match inside.as_str() {
        "" => String::new(),
        file if is_file => format!(" '{file}'"),
        folder => format!(" --include '{folder}/*'"),
    };
    format!("hf download {id}{revision}{part}")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::hub::name::Name;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    const OTHER: &str = "89abcdef0123456789abcdef0123456789abcdef";

    /// A cache with one repository in two snapshots, as the Hub's own library makes them.
    pub(in crate::hub) fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let repository = folder.path().join("models--org--name");
        for (path, text) in [
            (format!("snapshots/{COMMIT}/adapter_config.json"), "{}"),
            (format!("snapshots/{COMMIT}/sub/x.bin"), ""),
            (format!("snapshots/{OTHER}/adapter_config.json"), "{}"),
            ("refs/main".to_owned(), COMMIT),
            ("refs/refs/pr/3".to_owned(), OTHER),
            ("refs/lost".to_owned(), "ffffffffffffffffffffffffffffffffffffffff"),
            ("refs/evil".to_owned(), "../../.."),
        ] {
            let path = repository.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let cache = Cache { repositories: folder.path().to_owned(), assets: folder.path().join("assets") };
        (folder, cache)
    }

    fn find(cache: &Cache, text: &str) -> Result<Lookup> {
        let Name::Repository(one) = Name::parse(text).unwrap() else { panic!("{text}") };
        cache.find(&one)
    }

    #[test]
    fn revisions_lead_to_their_snapshots() {
        let (folder, cache) = cache();
        let place = |rest: &str| folder.path().join("models--org--name/snapshots").join(rest);
        for (text, expected) in [
            ("hf://org/name", COMMIT.to_owned()),
            ("hf://org/name@main", COMMIT.to_owned()),
            ("hf://org/name/sub", format!("{COMMIT}/sub")),
            ("hf://org/name@refs/pr/3", OTHER.to_owned()),
            ("hf://org/name@refs%2Fpr%2F3", OTHER.to_owned()),
            (&format!("hf://org/name@{OTHER}"), OTHER.to_owned()),
            ("hf://org/name@89abcde", OTHER.to_owned()),
        ] {
            let Lookup::There(path) = find(&cache, text).unwrap() else { panic!("{text}") };
            assert_eq!(path.as_os_str(), place(&expected).as_os_str(), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_names_its_download() {
        let (_folder, cache) = cache();
        for (text, fact, command) in [
            ("hf://org/other", "not in the cache of the Hub, ", "hf download org/other"),
            (
                "hf://org/name@v2",
                "revision `v2` is not in the cache of the Hub, only @0123456, @89abcde",
                "hf download org/name --revision v2",
            ),
            ("hf://org/name@89abc", "revision `89abc` is not", "hf download org/name --revision 89abc"),
            ("hf://org/name@lost", "its snapshot is not in", "hf download org/name --revision lost"),
            ("hf://org/name/none", "`none` is not in", "hf download org/name --include 'none/*'"),
            ("hf://org/name/a.bin", "`a.bin` is not in", "hf download org/name 'a.bin'"),
        ] {
            let Lookup::NotThere(missing) = find(&cache, text).unwrap() else { panic!("{text}") };
            assert!(missing.fact.starts_with(fact), "{text}: {}", missing.fact);
            assert_eq!((missing.name.as_str(), missing.command.as_str()), (text, command));
        }
    }

    #[test]
    fn a_reference_cannot_lead_out_of_the_cache() {
        let (_folder, cache) = cache();
        let error = find(&cache, "hf://org/name@evil").unwrap_err().to_string();
        assert!(error.ends_with("refs/evil: found `../../..`, expected a commit"), "{error}");
    }

    #[test]
    fn the_variables_of_the_hubs_library_say_where_the_cache_lies() {
        let home = || Some(PathBuf::from("/home/me"));
        for (set, expected) in [
            (vec![], "/home/me/.cache/huggingface/hub"),
            (vec![("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (vec![("HF_HOME", "/h"), ("XDG_CACHE_HOME", "/x")], "/h/hub"),
            (vec![("HF_HOME", "~/h")], "/home/me/h/hub"),
            (vec![("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/old"),
            (vec![("HF_HUB_CACHE", "/c"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/c"),
        ] {
            let variable = |name: &str| {
                set.iter().find(|(other, _)| *other == name).map(|(_, value)| OsString::from(value))
            };
            assert_eq!(Cache::by(variable, home()).unwrap().repositories, Path::new(expected), "{set:?}");
        }
        let error = Cache::by(|_| None, None).unwrap_err().to_string();
        assert!(error.contains("the user has no home"), "{error}");
    }
}
