//! `lorascope cache`: what the cache of bases holds, and its end.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args as ArgGroup, ValueEnum};
use indicatif::BinaryBytes;
use serde::Serialize;

use super::{write_json, write_stdout};
use crate::scan::cache::{Cache, Cleared, Info};
use crate::text::printable;

pub(super) const CACHE_HELP: &str = "\
A scan factorises each checkpoint once and keeps the bases, so that the next scan of a growing folder factorises only what is \
new. When the cache exceeds its limit, the least recently used entries are removed. Any number of processes and machines may \
share a cache.

Examples:
  lorascope cache info
  lorascope cache clear --cache /scratch/lorascope";

#[derive(Debug, ArgGroup)]
pub(super) struct CacheArgs {
    /// info or clear
    ///
    /// info: show its folder, entries, size and limit. clear: remove all entries, but those of other users in a folder like /tmp.
    #[arg(value_enum, hide_possible_values = true)]
    pub(super) action: CacheAction,
    /// Folder of the cache [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    pub(super) cache: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CacheAction {
    Info,
    Clear,
}

/// What `--json` prints; for `clear`, what was removed.
#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    version: &'static str,
    dir: &'a Path,
    #[serde(flatten)]
    info: Info,
    cleared: bool,
    /// Entries that `clear` could not remove.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
}

pub(super) fn run(args: &CacheArgs) -> Result<()> {
    let dir = args.cache.clone().map_or_else(Cache::default_dir, Ok)?;
    let cache = Cache::open(dir, Cache::DEFAULT_LIMIT_BYTES)?;
    let cleared = args.action == CacheAction::Clear;
    let (info, left) = match args.action {
        CacheAction::Info => (cache.info()?, None),
        CacheAction::Clear => cache.clear().map(|Cleared { removed, left }| (removed, Some(left)))?,
    };
    if args.json {
        let version = env!("CARGO_PKG_VERSION");
        let document = Document { schema: 1, version, dir: cache.dir(), info, cleared, left };
        return write_json(&document);
    }
    let dir = printable(&cache.dir().display().to_string(), 1000);
    let Info { entries, bytes: total, limit_bytes } = info;
    let counted = |n: u64| format!("{n} {}", if n == 1 { "entry" } else { "entries" });
    let holds = format!("{}, {}", counted(entries), BinaryBytes(total));
    write_stdout(|stdout| match left {
        Some(0) => writeln!(stdout, "{dir}: {holds} removed"),
        Some(left) => writeln!(stdout, "{dir}: {holds} removed; {} of other users left", counted(left)),
        None => writeln!(stdout, "{dir}: {holds}, limit {}", BinaryBytes(limit_bytes)),
    })
}
