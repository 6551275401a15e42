//! Arguments that contradict each other in ways that the grammar cannot say.

use std::fmt;

/// A contradiction between arguments. It ends the process as clap's own errors do: with the usage and exit code 2.
#[derive(Debug)]
pub(super) struct Usage(pub(super) &'static str);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Usage {}
