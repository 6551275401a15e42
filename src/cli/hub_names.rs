//! Names of the Hugging Face Hub on the command line.

use std::path::Path;

use clap::ArgMatches;

use crate::Result;
use crate::hub;

/// Checks that all that are named are in the cache, so that one command downloads what is not.
///
/// # Errors
/// As [`hub::check`].
pub(super) fn check(matches: &ArgMatches) -> Result<()> {
    let Some((_, given)) = matches.subcommand() else { return Ok(()) };
    let values = given.ids().filter_map(|id| given.try_get_raw(id.as_str()).ok().flatten()).flatten();
    hub::check(values.map(Path::new))
}
