//! One line of all modules of zeros, NaN or infinities.

use super::facts::Checkpoint;
use crate::cli::left_out::{self, LeftOut};
use crate::names::natural_cmp;
use crate::text::counted;

/// `4 of 20 modules cannot be compared on every side: B is all zeros in a.safetensors (`x`, `y`)`, one line for all checkpoints.
pub(super) fn line(checkpoints: &[Checkpoint]) -> Option<String> {
    let n_flawed = |checkpoint: &&Checkpoint| left_out::n_modules(&checkpoint.flawed);
    let with: Vec<&Checkpoint> = checkpoints.iter().filter(|checkpoint| n_flawed(checkpoint) > 0).collect();
    let n: usize = with.iter().map(n_flawed).sum();
    let of = match checkpoints {
        [one] => format!("{n} of {}", counted(one.n_modules, "module")),
        several => {
            let all = counted(several.len(), "checkpoint");
            format!("{} of {} of {all}", counted(n, "module"), with.len())
        }
    };
    let mut flawed: Vec<LeftOut> = with.iter().flat_map(|checkpoint| checkpoint.flawed.clone()).collect();
    // The reasons of one module stand together.
    flawed.sort_by(|x, y| natural_cmp(&x.module, &y.module));
    (n > 0).then(|| format!("{of} cannot be compared on every side: {}", left_out::reasons(&flawed)))
}
