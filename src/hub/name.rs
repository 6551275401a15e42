//! What a name of the Hub says: `hf://[models/]ORG/NAME[@REVISION][/FOLDER]`, as the Hub's own library reads it.

use std::fmt;
use std::path::{Component, Path};

use super::SCHEME;
use crate::error::{Error, Fault, Result};
use crate::text::quoted;

/// What the Hub's web pages begin with; a path loses one of two slashes.
const WEB: [&str; 2] = ["https://huggingface.co/", "https:/huggingface.co/"];
const COLLECTIONS: &str = "collections";
const MODELS: &str = "models";
/// Kinds of places on the Hub that hold no checkpoints.
const OTHERS: [(&str, &str); 4] =
    [("datasets", "a dataset"), ("spaces", "a space"), ("kernels", "a kernel"), ("buckets", "a bucket")];
/// The longest name of an organisation or of a repository.
const MAX_PART: usize = 96;

/// What a name means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    Repository(Repository),
    Collection(Collection),
}

/// A model's repository at a revision, or a folder or a file in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    /// `ORG/NAME`.
    pub(super) id: String,
    /// A branch, a tag, a commit or the start of one; `None` for the main branch.
    pub(super) revision: Option<String>,
    /// With `/` between its parts, and none at the ends; empty for all of it.
    pub(super) inside: String,
}

/// A list of repositories.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Collection {
    /// `ORG/SLUG`.
    pub(super) slug: String,
}

impl Name {
    /// # Errors
    /// `Invalid` for a name that is not a model's or a collection's.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let invalid =
            |found: String, expected: &str| -> Error { Fault::new(found, expected).at(text).invalid() };
        let body = text.strip_prefix(SCHEME).unwrap_or(text).trim_end_matches('/');
        if let Some((_, what)) = OTHERS.iter().find(|(kind, _)| body.split('/').next() == Some(kind)) {
            return Err(invalid((*what).to_owned(), "a model"));
        }
        if let Some(slug) = body.strip_prefix(COLLECTIONS).and_then(|rest| rest.strip_prefix('/')) {
            let is_slug = slug.split('/').count() == 2 && slug.split('/').all(is_part);
            let slug = is_slug.then(|| slug.to_owned());
            let slug = slug.ok_or_else(|| invalid(quoted(body), "hf://collections/ORG/SLUG"))?;
            return Ok(Self::Collection(Collection { slug }));
        }
        let id = body.strip_prefix(MODELS).and_then(|rest| rest.strip_prefix('/')).unwrap_or(body);
        let Some(repository) = Repository::parse(id) else {
            return Err(invalid(quoted(body), "hf://ORG/NAME, with @REVISION and /FOLDER if need be"));
        };
        Ok(Self::Repository(repository))
    }
}

impl Repository {
    /// Of what stands after the scheme and the kind.
    fn parse(text: &str) -> Option<Self> {
        let (org, rest) = text.split_once('/')?;
        let end = rest.find(['/', '@']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let (revision, inside) = match rest.strip_prefix('@') {
            None => (None, rest.strip_prefix('/').unwrap_or("")),
            Some(rest) => {
                let end = end_of_revision(rest);
                let (revision, rest) = rest.split_at(end);
                (Some(revision.replace("%2F", "/").replace("%2f", "/")), rest.strip_prefix('/').unwrap_or(""))
            }
        };
        let is_inside = inside.is_empty() || is_relative(inside);
        let is_revision = revision.as_ref().is_none_or(|revision| is_relative(revision));
        (is_part(org) && is_part(name) && is_inside && is_revision).then(|| Self {
            id: format!("{org}/{name}"),
            revision,
            inside: inside.to_owned(),
        })
    }

    /// Of an id from a list.
    pub(super) fn of_id(id: &str) -> Option<Self> {
        Self::parse(id).filter(|one| one.id == id)
    }
}

/// As the user names it.
impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.id)?;
        if let Some(revision) = &self.revision {
            write!(
                f,
                "@{}",
                if is_special(revision) { revision.clone() } else { revision.replace('/', "%2F") }
            )?;
        }
        if !self.inside.is_empty() {
            write!(f, "/{}", self.inside)?;
        }
        Ok(())
    }
}

/// Where the revision ends that a text begins with. Of revisions with a slash, pull requests and conversions need no `%2F`.
fn end_of_revision(text: &str) -> usize {
    let n_parts = if is_special(text) { 3 } else { 1 };
    text.match_indices('/').nth(n_parts - 1).map_or(text.len(), |(at, _)| at)
}

fn is_special(revision: &str) -> bool {
    ["refs/pr/", "refs/convert/"].iter().any(|front| revision.starts_with(front))
}

/// Whether a text can name an organisation, a repository or a collection.
fn is_part(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=MAX_PART).contains(&text.len())
        && text.chars().all(is_letter)
        && !text.starts_with(['.', '-'])
        && !text.contains("--")
        && !text.contains("..")
}

/// Whether a path stays in its folder.
fn is_relative(path: &str) -> bool {
    !path.is_empty()
        && !path.contains("//")
        && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Whether a text is the whole hash of a commit.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What people call a place in the cache of the Hub: `org/name@1a2b3c4/folder`. Other paths have no such name.
#[cfg(feature = "scan")]
pub(crate) fn shown(path: &str) -> Option<String> {
    let (before, after) = path.split_once("models--")?;
    let (folder, snapshot) = after.split_once("/snapshots/")?;
    let (commit, inside) = snapshot.split_once('/').unwrap_or((snapshot, ""));
    let is_place = (before.is_empty() || before.ends_with('/')) && !folder.contains('/') && is_commit(commit);
    let inside = if inside.is_empty() { String::new() } else { format!("/{inside}") };
    is_place.then(|| format!("{}@{}{inside}", folder.replacen("--", "/", 1), &commit[..7]))
}

/// The name of the Hub that a web address stands for.
pub(crate) fn of_web(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let id = WEB.iter().find_map(|front| text.strip_prefix(front))?;
    let (org, rest) = id.split_once('/')?;
    let name = rest.split('/').next()?;
    (is_part(org) && is_part(name)).then(|| format!("{SCHEME}{org}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(id: &str, revision: Option<&str>, inside: &str) -> Name {
        let revision = revision.map(str::to_owned);
        Name::Repository(Repository { id: id.to_owned(), revision, inside: inside.to_owned() })
    }

    #[test]
    fn names_are_read_as_the_hubs_own_library_reads_them() {
        for (text, id, revision, inside) in [
            ("hf://org/name", "org/name", None, ""),
            ("hf://models/org/name/", "org/name", None, ""),
            ("hf://org/name@v2", "org/name", Some("v2"), ""),
            ("hf://org/name/sub/file.safetensors", "org/name", None, "sub/file.safetensors"),
            ("hf://org/name@v2/sub", "org/name", Some("v2"), "sub"),
            ("hf://org/name@refs/pr/3/sub", "org/name", Some("refs/pr/3"), "sub"),
            ("hf://org/name@feature%2Fx/sub", "org/name", Some("feature/x"), "sub"),
        ] {
            assert_eq!(Name::parse(text).unwrap(), repository(id, revision, inside), "{text}");
        }
        let collection = Name::parse("hf://collections/org/loras-64f9a55bb3115b4f513ec026").unwrap();
        assert_eq!(
            collection,
            Name::Collection(Collection { slug: "org/loras-64f9a55bb3115b4f513ec026".into() })
        );
    }

    #[test]
    fn a_name_is_shown_as_it_is_read() {
        for text in ["hf://org/name", "hf://o/n@v2/sub", "hf://o/n@refs/pr/3/sub", "hf://o/n@a%2Fb"] {
            let Name::Repository(one) = Name::parse(text).unwrap() else { panic!("{text}") };
            assert_eq!(one.to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_models_name_is_refused() {
        for text in [
            "hf://",
            "hf://name",
            "hf://org/",
            "hf:///name",
            "hf://org/name@",
            "hf://org/name/../x",
            "hf://org/name//x",
            "hf://org/..",
            "hf://org/a--b",
            "hf://org/name@../../x",
            "hf://o rg/name",
            "hf://collections/org",
            "hf://collections/org/slug/more",
            "hf://collections/org/../x",
        ] {
            let error = Name::parse(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{text}: found ")) && error.contains("expected hf://"),
                "{error}"
            );
        }
        let error = Name::parse("hf://datasets/org/name").unwrap_err().to_string();
        assert_eq!(error, "hf://datasets/org/name: found a dataset, expected a model");
    }

    #[test]
    #[cfg(feature = "scan")]
    fn a_place_in_the_cache_has_the_name_that_people_use() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let place = format!("/home/me/.cache/huggingface/hub/models--org--my--lora/snapshots/{commit}");
        assert_eq!(shown(&place).unwrap(), "org/my--lora@0123456");
        assert_eq!(
            shown(&format!("{place}/sub/a.safetensors")).unwrap(),
            "org/my--lora@0123456/sub/a.safetensors"
        );
        for other in [
            "runs/seed0",
            "models--a--b/snapshots/main",
            "my-models--a--b/snapshots/0",
            "models--a/x/snapshots/y",
        ] {
            assert_eq!(shown(other), None, "{other}");
        }
    }

    #[test]
    fn a_web_address_stands_for_a_name() {
        let name = |text: &str| of_web(Path::new(text));
        assert_eq!(name("https://huggingface.co/org/name/tree/main").as_deref(), Some("hf://org/name"));
        assert_eq!(name("https:/huggingface.co/org/name").as_deref(), Some("hf://org/name"));
        assert_eq!(name("runs/org/name"), None);
    }
}
