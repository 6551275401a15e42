//! The `lorascope` binary: parse, run, print the error, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    lorascope::cli::main()
}
