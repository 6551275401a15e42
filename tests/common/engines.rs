//! The engines under test: one behaviour, every engine.

use std::sync::OnceLock;

use lorascope::engine::{CpuEngine, Engine, GpuChoice, GpuEngine, Precision};
use lorascope::internals::kernels::pair_stats::{VARIANTS, Variant};

/// Worst case of |φ_engine − φ_oracle| with f32 bases, from sums in slices of at most 256 columns: measured under 1e-5
/// on the directions that are worst for f32 sums, which engines.rs plants.
pub const PHI_BOUND: f64 = 1e-5;

/// The same with f16 bases. Rounding turns a vector by at most 2⁻¹² = 2.4e-4, the norm being mended, and φ of a pair of
/// vectors moves by as much as both of them turn.
pub const PHI_BOUND_F16: f64 = 5e-4;

/// The bound of an engine.
pub fn phi_bound(engine: &dyn Engine) -> f64 {
    match engine.info().precision {
        Precision::F32 => PHI_BOUND,
        Precision::F16 => PHI_BOUND_F16,
    }
}

/// The CPU engine.
pub fn cpu() -> &'static dyn Engine {
    static CPU: OnceLock<CpuEngine> = OnceLock::new();
    CPU.get_or_init(CpuEngine::new)
}

/// The CPU engine with f16 bases.
pub fn cpu_f16() -> &'static dyn Engine {
    static CPU: OnceLock<CpuEngine> = OnceLock::new();
    CPU.get_or_init(|| CpuEngine::with_precision(Precision::F16))
}

/// The GPU engine: a real GPU, else the first software adapter; `None`, said aloud, where there is neither.
/// `LORASCOPE_REQUIRE_GPU=1` turns that into a failure.
pub fn gpu() -> Option<&'static dyn Engine> {
    static GPU: OnceLock<Option<GpuEngine>> = OnceLock::new();
    GPU.get_or_init(|| open_gpu(Precision::F32)).as_ref().map(|engine| engine as &dyn Engine)
}

/// The GPU engine with f16 bases.
pub fn gpu_f16() -> Option<&'static dyn Engine> {
    static GPU: OnceLock<Option<GpuEngine>> = OnceLock::new();
    GPU.get_or_init(|| open_gpu(Precision::F16)).as_ref().map(|engine| engine as &dyn Engine)
}

/// The GPU engine with one kernel for all blocks: one for each kernel that the GPU runs.
pub fn gpus_by_kernel() -> &'static [GpuEngine] {
    static GPUS: OnceLock<Vec<GpuEngine>> = OnceLock::new();
    let open_any = |variant: &Variant| {
        let open = |choice| GpuEngine::open_with_kernel(&choice, variant.precision, variant.kernel.name);
        match open(GpuChoice::Auto).or_else(|_| open(GpuChoice::Index(0))) {
            Ok(engine) => Some(engine),
            Err(error) if std::env::var_os("LORASCOPE_REQUIRE_GPU").is_some() => {
                panic!("LORASCOPE_REQUIRE_GPU is set, but: {error}")
            }
            Err(error) => {
                println!("skipped: {}: {error}", variant.kernel.name);
                None
            }
        }
    };
    GPUS.get_or_init(|| VARIANTS.iter().filter_map(open_any).collect())
}

fn open_gpu(precision: Precision) -> Option<GpuEngine> {
    let open = |choice| GpuEngine::open(&choice, precision);
    match open(GpuChoice::Auto).or_else(|_| open(GpuChoice::Index(0))) {
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

/// One test for each engine from one behaviour: a function of `&dyn Engine`.
#[macro_export]
macro_rules! on_every_engine {
    ($($behaviour:ident),+ $(,)?) => {
        $crate::on_engines!(cpu, gpu: $($behaviour),+);
    };
}

/// The same for the engines with f16 bases.
#[macro_export]
macro_rules! with_f16_bases {
    ($($behaviour:ident),+ $(,)?) => {
        $crate::on_engines!(cpu_f16, gpu_f16: $($behaviour),+);
    };
}

/// What both of them do.
#[macro_export]
macro_rules! on_engines {
    ($cpu:ident, $gpu:ident: $($behaviour:ident),+) => {
        mod $cpu {
            $(#[test] fn $behaviour() { super::$behaviour($crate::common::engines::$cpu()); })+
        }
        mod $gpu {
            $(#[test] fn $behaviour() {
                if let Some(engine) = $crate::common::engines::$gpu() { super::$behaviour(engine); }
            })+
        }
    };
}
