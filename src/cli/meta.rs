//! What a result was made of and by, for `--json` and `--save`.

use anyhow::Result;
use serde::Serialize;

use super::job::Done;
use super::npz::{self, Entry};
use super::sink::Sink;
use crate::engine::EngineInfo;
use crate::{Adapter, Error, Side};

/// What a result was made of and by.
#[derive(Debug, Serialize)]
pub(super) struct Meta {
    version: &'static str,
    file_a: File,
    file_b: File,
    side: String,
    engine: String,
    /// The GPU's name, or the processor's.
    device: String,
    driver: String,
    precision: String,
    /// Of the Gaussian control, if there is a control.
    seed: Option<u64>,
}

#[derive(Debug, Serialize)]
struct File {
    path: String,
    sha256: String,
    base_model: Option<String>,
}

impl File {
    fn new(adapter: &Adapter) -> Result<Self, Error> {
        Ok(Self {
            path: adapter.path().display().to_string(),
            sha256: adapter.digest()?,
            base_model: adapter.base_model().map(str::to_owned),
        })
    }
}

impl Meta {
    /// Reads both files whole, for their digests.
    pub(super) fn new(
        runs: [&Adapter; 2],
        side: Side,
        seed: Option<u64>,
        engine: &EngineInfo,
    ) -> Result<Self> {
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            file_a: File::new(runs[0])?,
            file_b: File::new(runs[1])?,
            side: side.to_string(),
            engine: engine.kind.to_string(),
            device: engine.device.clone(),
            driver: engine.driver.clone(),
            precision: engine.precision.to_string(),
            seed,
        })
    }
}

/// Writes every grid of a job as an .npz.
pub(super) fn save(sink: Sink, done: &Done, meta: &Meta) -> Result<()> {
    let modules = done.comparisons.iter().map(|one| Entry {
        key: one.factorised.pair.name(),
        a: &one.factorised.a,
        b: &one.factorised.b,
        grid: &one.grid,
    });
    let control = done.control.iter().map(|control| Entry {
        key: "control",
        a: &control.a,
        b: &control.b,
        grid: &control.grid,
    });
    let entries: Vec<Entry<'_>> = modules.chain(control).collect();
    let bytes = npz::npz(&entries, &serde_json::to_string(meta)?)?;
    sink.fill(|writer| writer.write_all(&bytes).map_err(|error| Error::io("write", "npz", error)))?;
    Ok(())
}
