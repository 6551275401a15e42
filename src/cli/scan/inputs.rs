//! What the command line names: checkpoints, and what to pair.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::args::ScanArgs;
use crate::cli::limits::limits;
use crate::error::{Error, Fault};
use crate::scan::plan::PairChoice;
use crate::text::quoted;

/// The paths and globs that are named, and what to pair.
pub(super) fn named(args: &ScanArgs) -> Result<(Vec<PathBuf>, PairChoice)> {
    let (mut named, pairs) = pair_choice(args)?;
    if let Some(list) = &args.list {
        named.extend(of_list(&read_list(list)?));
    }
    if named.is_empty() {
        return Err(Fault::new("no RUN", "checkpoints, folders of them, or globs")
            .of("scan")
            .invalid()
            .into());
    }
    Ok((named, pairs))
}

/// What to pair, and the inputs: words after `--pairs all` are inputs.
fn pair_choice(args: &ScanArgs) -> Result<(Vec<PathBuf>, PairChoice)> {
    let mut named = args.runs.clone();
    if let (Some(left), Some(right)) = (&args.which.left, &args.which.right) {
        return Ok((named, PairChoice::LeftRight(left.clone(), right.clone())));
    }
    let Some((first, rest)) = args.which.pairs.split_first() else { return Ok((named, PairChoice::All)) };
    let rest: Vec<PathBuf> = rest.iter().map(PathBuf::from).collect();
    let choice = match first.as_str() {
        "all" => PairChoice::All,
        "consecutive" => PairChoice::Consecutive,
        "against" if rest.is_empty() => {
            let hint = "lorascope scan RUNS... --pairs against REF... -o OUT";
            return Err(Fault::new("no REF", "one after `against`")
                .of("--pairs")
                .hint(hint)
                .invalid()
                .into());
        }
        "against" => return Ok((named, PairChoice::Against(rest))),
        other => {
            return Err(Fault::new(quoted(other), "`all`, `consecutive` or `against REF...`")
                .of("--pairs")
                .invalid()
                .into());
        }
    };
    named.extend(rest);
    Ok((named, choice))
}

fn read_list(path: &Path) -> Result<String> {
    let bytes = match path == Path::new("-") {
        true => limits().read_text(Path::new("stdin"), std::io::stdin().lock())?,
        false => {
            let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
            limits().read_text(path, file)?
        }
    };
    String::from_utf8(bytes).with_context(|| format!("{}: the list is not UTF-8 text", path.display()))
}

/// The paths of a list, one a line; empty lines and those that begin with `#` are left out.
fn of_list(text: &str) -> Vec<PathBuf> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_path_a_line() {
        let found = of_list("# runs\na/b\n\n  c d \r\n");
        assert_eq!(found, [PathBuf::from("a/b"), PathBuf::from("c d")]);
    }
}
