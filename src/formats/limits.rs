//! How much a file may ask for, because a header of a few bytes can name any size.

/// What a file may ask for; more is an [`Error::Limit`](crate::Error::Limit).
///
/// ```
/// use lorascope::{Adapter, Limits};
///
/// let strict = Limits { header_bytes: 1 << 20, ..Limits::default() };
/// let adapter = Adapter::open_with("assets/demo/seed0.safetensors", &strict)?;
/// assert_eq!(adapter.modules().len(), 2);
/// # Ok::<(), lorascope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a header: the JSON of a safetensors file, the pickle of a torch file, all tensor names; 100 MiB.
    pub header_bytes: u64,
    /// Tensors in one file, or members of one archive; 1,000,000.
    pub n_tensors: usize,
    /// Steps of the pickle in a torch file, about forty for each tensor. Each takes a few dozen bytes while the file is
    /// opened; 4,194,304.
    pub pickle_steps: usize,
    /// Bytes of one factor, and of a compressed member of an archive after unpacking; 2 GiB. A view of a tensor counts
    /// from its first number to its last.
    pub factor_bytes: u64,
    /// Bytes of an `adapter_config.json`, or of a config in the metadata of a file; 16 MiB.
    pub config_bytes: u64,
    /// Modules of one adapter, of which a tensor may hold thousands (experts, groups of a fused weight). Each takes about a
    /// kilobyte; 262,144.
    pub n_modules: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 100 << 20,
            n_tensors: 1_000_000,
            pickle_steps: 4 << 20,
            factor_bytes: 2 << 30,
            config_bytes: 16 << 20,
            n_modules: 1 << 18,
        }
    }
}
