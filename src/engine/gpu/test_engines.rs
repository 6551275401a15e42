//! The GPUs that tests run on. Without any they are skipped, and say so, unless `LORASCOPE_REQUIRE_GPU` asks for one.

use super::GpuEngine;
use crate::engine::{GpuChoice, Precision};
use crate::error::Result;

/// A real GPU, or else a software adapter.
pub(super) fn open_any(precision: Precision) -> Option<GpuEngine> {
    let open = |choice| GpuEngine::open(&choice, precision);
    demanded(open(GpuChoice::Auto).or_else(|_| open(GpuChoice::Index(0))))
}

/// A software adapter, if there is any: what a test breaks or times must not be a real GPU's other work.
pub(super) fn open_software() -> Option<GpuEngine> {
    demanded(GpuEngine::open(&GpuChoice::Index(0), Precision::F32))
}

fn demanded(opened: Result<GpuEngine>) -> Option<GpuEngine> {
    match opened {
        Ok(engine) => Some(engine),
        Err(error) if std::env::var_os("LORASCOPE_REQUIRE_GPU").is_some() => {
            panic!("LORASCOPE_REQUIRE_GPU is set, but: {error}")
        }
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}
