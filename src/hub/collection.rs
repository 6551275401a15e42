//! The repositories of a collection, by the list that the user saved of it: `hf collections info ORG/SLUG --json`.

use std::fs::File;
use std::io::{self, Read};

use serde::Deserialize;

use super::cache::{Cache, NotThere};
use super::name::{Collection, Repository};
use crate::error::{Error, Fault, Result};

/// A collection has some hundred items of some hundred bytes.
const MAX_BYTES: u64 = 16 << 20;

/// What is read of a list. The library and the Hub's own interface spell it in two ways.
#[derive(Deserialize)]
struct List {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(alias = "id", alias = "itemId")]
    item_id: String,
    #[serde(alias = "type", alias = "itemType")]
    item_type: String,
}

/// The models of a collection, or the command that saves its list.
///
/// # Errors
/// `Io` when the system refuses to read the list; `Malformed` and `Limit` for one that is none; `Invalid` for one without a model.
pub(super) fn find(cache: &Cache, collection: &Collection) -> Result<Result<Vec<Repository>, NotThere>> {
    let folder = cache.collections();
    let path = folder.join(format!("{}.json", collection.slug.replace('/', "--")));
    let save = format!("hf collections info {} --json > '{}'", collection.slug, path.display());
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Err(NotThere {
                name: format!("hf://collections/{}", collection.slug),
                fact: "the list of its repositories is not there".to_owned(),
                command: format!("mkdir -p '{}' && {save}", folder.display()),
            }));
        }
        Err(error) => return Err(Error::io("open", path, error)),
    };
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| Error::io("read", &path, error))?;
    if text.len() as u64 > MAX_BYTES {
        let fault = Fault::new("more than 16 MiB", "the list of a collection").at(&path);
        return Err(fault.limit());
    }
    let list: List = serde_json::from_str(&text).map_err(|error| {
        let fault = Fault::new(error.to_string(), "a collection with `items` in JSON");
        fault.at(&path).hint(format!("save it again: {save}")).malformed()
    })?;
    let models = list.items.iter().filter(|item| item.item_type == "model");
    let models: Option<Vec<Repository>> = models.map(|item| Repository::of_id(&item.item_id)).collect();
    match models {
        None => Err(Fault::new("a name that is not ORG/NAME", "names of models").at(&path).malformed()),
        Some(models) if models.is_empty() => {
            Err(Fault::new("a collection without a model", "one of adapters").at(&path).invalid())
        }
        Some(models) => Ok(Ok(models)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::hub::cache::tests::cache;

    fn found(text: Option<&str>) -> Result<Result<Vec<Repository>, NotThere>> {
        let (_folder, cache) = cache();
        if let Some(text) = text {
            fs::create_dir_all(cache.collections()).unwrap();
            fs::write(cache.collections().join("org--loras-1.json"), text).unwrap();
        }
        find(&cache, &Collection { slug: "org/loras-1".to_owned() })
    }

    #[test]
    fn the_models_of_a_list_are_taken_in_both_spellings() {
        for text in [
            r#"{"slug": "org/loras-1", "items": [{"item_id": "org/a", "item_type": "model", "position": 0},
                {"item_id": "org/d", "item_type": "dataset"}, {"item_id": "org/b", "item_type": "model"}]}"#,
            r#"{"items": [{"id": "org/a", "type": "model"}, {"id": "org/d", "type": "dataset"}, {"id": "org/b", "type": "model"}]}"#,
        ] {
            let names: Vec<String> =
                found(Some(text)).unwrap().unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(names, ["hf://org/a", "hf://org/b"]);
        }
    }

    #[test]
    fn a_list_that_is_not_there_is_saved_by_one_command() {
        let missing = found(None).unwrap().unwrap_err();
        assert_eq!(missing.name, "hf://collections/org/loras-1");
        assert!(
            missing.command.contains("hf collections info org/loras-1 --json > '"),
            "{}",
            missing.command
        );
    }

    #[test]
    fn what_is_not_a_list_is_refused() {
        for (text, reason) in [
            ("<html>", "expected a collection with `items`"),
            (r#"{"items": [{"id": "org/d", "type": "dataset"}]}"#, "found a collection without a model"),
            (r#"{"items": [{"id": "../x", "type": "model"}]}"#, "found a name that is not ORG/NAME"),
            (r#"{"items": [{"id": "org/a@v", "type": "model"}]}"#, "found a name that is not ORG/NAME"),
        ] {
            let error = found(Some(text)).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
