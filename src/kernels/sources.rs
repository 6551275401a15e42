//! Which files of `shaders/` each kernel is made of: the one list of what is joined to what.

/// The WGSL of a kernel.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// Files in `shaders/` in the order in which they are joined, without `.wgsl`. Fragments lie in `shared/`; the other
    /// file has the entry point, and the kernel's name.
    pub files: &'static [&'static str],
    /// Their texts, joined.
    pub wgsl: &'static str,
}

macro_rules! joined {
    ($($file:literal),+) => {
        Source {
            files: &[$($file),+],
            wgsl: concat!($(include_str!(concat!("../../shaders/", $file, ".wgsl"))),+),
        }
    };
}

pub(super) const SIMILARITY: Source = joined!("shared/tile", "shared/common", "similarity");
pub(super) const SIMILARITY_F16: Source = joined!("shared/tile", "shared/common", "similarity_f16");
pub(super) const PREFIX_CARRY: Source = joined!("shared/tile", "prefix_carry");
pub(super) const COLORMAP: Source = joined!("colormap");
pub(super) const PAIR_STATS_128: Source = joined!(
    "shared/stack",
    "shared/statistics",
    "shared/product",
    "shared/tile_128",
    "shared/statistics_128",
    "shared/bases_f32",
    "pair_stats_128"
);
pub(super) const PAIR_STATS_128_F16: Source = joined!(
    "shared/stack",
    "shared/statistics",
    "shared/product",
    "shared/tile_128",
    "shared/statistics_128",
    "shared/bases_f16",
    "pair_stats_128_f16"
);
pub(super) const PAIR_STATS_64: Source = joined!(
    "shared/stack",
    "shared/statistics",
    "shared/product",
    "shared/tile_64",
    "shared/bases_f32",
    "pair_stats_64"
);
pub(super) const PAIR_STATS_64_F16: Source = joined!(
    "shared/stack",
    "shared/statistics",
    "shared/product",
    "shared/tile_64",
    "shared/bases_f16",
    "pair_stats_64_f16"
);
pub(super) const UPDATE_COSINE: Source =
    joined!("shared/stack", "shared/product", "shared/tile_128", "shared/bases_f32", "update_cosine");
pub(super) const FMA_RATE: Source = joined!("fma_rate");
pub(super) const COPY_RATE: Source = joined!("copy_rate");
pub(super) const TOP_KEYS: Source = joined!("shared/top_pairs", "top_keys");
pub(super) const TOP_THRESHOLDS: Source = joined!("shared/top_pairs", "top_thresholds");
pub(super) const TOP_GATHER: Source = joined!("shared/top_pairs", "top_gather");
