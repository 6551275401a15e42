//! The checkpoints of a run in the order of their training steps.

use crate::Adapter;
use crate::error::{Fault, Result};
use crate::formats::run_and_step;

/// The checkpoints by the steps in their names.
///
/// # Errors
/// `Invalid` for a name without a step, and for two of one step.
pub(super) fn in_order(adapters: &[Adapter]) -> Result<Vec<(u64, &Adapter)>> {
    let mut run = vec![];
    for adapter in adapters {
        let Some(step) = run_and_step(adapter.path()).1 else {
            let fault = Fault::new("no training step in its name", "a name such as checkpoint-500");
            return Err(fault.at(adapter.path()).invalid());
        };
        run.push((step, adapter));
    }
    run.sort_by_key(|(step, _)| *step);
    if let Some(two) = run.windows(2).find(|two| two[0].0 == two[1].0) {
        let found = format!("step {} twice, also {}", two[0].0, two[0].1.path().display());
        return Err(Fault::new(found, "checkpoints of one run").at(two[1].1.path()).invalid());
    }
    Ok(run)
}
