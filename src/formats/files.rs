//! The files of one checkpoint: one, or its shards.

use std::path::Path;

use crate::adapter::{FileFormat, Source};
use crate::error::{Error, Fault, Result};
use crate::formats::containers;
use crate::formats::contents::Contents;
use crate::formats::limits::Limits;
use crate::formats::shards::Shards;
use crate::text::quoted;

/// The opened files of one checkpoint.
pub(super) struct Files<'a> {
    /// What messages about all of them name.
    pub(super) label: &'a Path,
    pub(super) sources: Vec<Source>,
    pub(super) file_format: FileFormat,
    pub(super) contents: Contents,
}

/// The tensors of all shards, and the first thing that is wrong with them as a whole.
pub(super) fn join<'a>(
    path: &'a Path,
    shards: &mut Shards,
    limits: &Limits,
) -> Result<(Files<'a>, Option<Error>)> {
    let mut wrong = shards.missing.take();
    let mut joined: Option<Files<'a>> = None;
    for file in &shards.files {
        let source = Source::file(file)?;
        let n_before = joined.as_ref().map_or(0, |files| files.contents.tensors.len());
        let limits = Limits { n_tensors: limits.n_tensors - n_before, ..limits.clone() };
        let (file_format, contents) = containers::open(&source, &limits)?;
        wrong = wrong.or_else(|| contents.tensors.keys().find_map(|name| shards.misplaced(file, name)));
        match &mut joined {
            None => joined = Some(Files { label: path, sources: vec![source], file_format, contents }),
            Some(files) => {
                let twice = contents.tensors.keys().find(|name| files.contents.tensors.contains_key(*name));
                if let Some(name) = twice {
                    let fault = Fault::new("it in another shard, too", "each tensor once").at(file);
                    wrong = wrong.or(Some(fault.of(format!("tensor {}", quoted(name))).malformed()));
                }
                files.sources.push(source);
                for (key, word) in contents.metadata {
                    files.contents.metadata.entry(key).or_insert(word);
                }
                files.contents.tensors.extend(contents.tensors);
            }
        }
    }
    match joined {
        Some(files) => {
            let tensors = &files.contents.tensors;
            let wrong = wrong.or_else(|| shards.absent(|name| tensors.contains_key(name)));
            Ok((files, wrong))
        }
        None => Err(wrong.unwrap_or_else(|| Fault::new("no shards", "an adapter's").at(path).malformed())),
    }
}
