//! The engines under test: one behaviour, every engine.

use std::sync::OnceLock;

use lorascope::engine::{CpuEngine, Engine, GpuChoice, GpuEngine};

/// Worst case of |φ_engine − φ_oracle| with f32 bases, from sums in slices of at most 256 columns: measured under 1e-5
/// on the directions that are worst for f32 sums, which engines.rs plants.
pub const PHI_BOUND: f64 = 1e-5;

/// The CPU engine.
pub fn cpu() -> &'static dyn Engine {
    static CPU: OnceLock<CpuEngine> = OnceLock::new();
    CPU.get_or_init(CpuEngine::new)
}

/// The GPU engine: a real GPU, else the first software adapter; `None`, said aloud, where there is neither.
/// `LORASCOPE_REQUIRE_GPU=1` turns that into a failure.
pub fn gpu() -> Option<&'static dyn Engine> {
    static GPU: OnceLock<Option<GpuEngine>> = OnceLock::new();
    let engine = GPU.get_or_init(|| {
        let opened = GpuEngine::open(&GpuChoice::Auto).or_else(|_| GpuEngine::open(&GpuChoice::Index(0)));
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
    });
    engine.as_ref().map(|engine| engine as &dyn Engine)
}

/// One test for each engine from one behaviour: a function of `&dyn Engine`.
#[macro_export]
macro_rules! on_every_engine {
    ($($behaviour:ident),+ $(,)?) => {
        mod cpu {
            $(#[test] fn $behaviour() { super::$behaviour($crate::common::engines::cpu()); })+
        }
        mod gpu {
            $(#[test] fn $behaviour() {
                if let Some(engine) = $crate::common::engines::gpu() { super::$behaviour(engine); }
            })+
        }
    };
}
