//! What the tests, the benchmarks and programs that embed a single part of the crate use: the kernels, and the parts of a
//! scan. **None of it is stable**: any version may rename, change or remove what is here.

/// The WGSL kernels: sources, bindings, parameters and dispatch sizes, each with its plain CPU function.
pub mod kernels {
    pub use crate::kernels::*;
}

/// The blocks of a plan: which pairs are computed and written together.
#[cfg(feature = "scan")]
pub mod blocks {
    pub use crate::scan::blocks::*;
}

/// The cache of bases.
#[cfg(feature = "scan")]
pub mod cache {
    pub use crate::scan::cache::*;
}

/// Two adapters of a scan that was made, and their bases from the cache.
#[cfg(feature = "scan")]
pub mod finished {
    pub use crate::scan::finished::*;
}

/// The plan of a scan, and the headers that it is made from.
#[cfg(feature = "scan")]
pub mod plan {
    pub use crate::files::FileStamp;
    pub use crate::scan::digest::*;
    pub use crate::scan::header::*;
    pub use crate::scan::plan::*;
}

/// The files of a scan's tables.
#[cfg(feature = "scan")]
pub mod table {
    pub use crate::scan::table::*;
}
