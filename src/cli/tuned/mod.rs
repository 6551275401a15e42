//! Checkpoints next to the weights of their base model.

pub(super) mod against;
mod against_csv;
mod against_text;
pub(super) mod args;
mod rows;
pub(super) mod table7;
pub(super) mod weight_sides;
mod weight_sides_rows;
mod weight_sides_text;

use super::adapters::{Adapters, Caution};
use super::console::Console;
use super::left_out::{self, LeftOut};
use super::options::ModuleArgs;
use super::progress;
use crate::changes::{Change, Changes, Each, WithoutWeight};
use crate::text::counted;
use crate::{Adapter, BaseModel, Selection};

/// The modules whose weights could not be had, and those of `more`.
pub(super) fn without_weights(
    changes: &[Changes],
    more: &[WithoutWeight],
    console: &Console,
) -> Vec<LeftOut> {
    let all = changes.iter().flat_map(|of| &of.left_out).chain(more);
    let left_out: Vec<LeftOut> = all.map(LeftOut::of_weight).collect();
    left_out::details(&left_out, console);
    left_out
}

/// What to be careful of with some checkpoints and their changes.
pub(super) fn cautions(
    adapters: &Adapters,
    changes: &[Changes],
    left_out: &[LeftOut],
    console: &Console,
) -> Vec<Caution> {
    let n_all = changes.iter().map(|of| of.changes.len() + of.left_out.len()).sum();
    let mut cautions: Vec<Caution> = Caution::left_out(left_out, n_all).into_iter().collect();
    cautions.extend(adapters.own_cautions(console));
    cautions.extend(adapters.all.iter().zip(changes).filter_map(|(one, changes)| assumed(one, changes)));
    cautions.iter().for_each(|caution| console.warning(&caution.message));
    cautions
}

fn assumed(adapter: &Adapter, changes: &Changes) -> Option<Caution> {
    let n = changes.changes.iter().filter(|change| change.assumed_scaling()).count();
    let all = counted(changes.changes.len(), "module");
    (n > 0).then(|| Caution {
        code: "scaling-assumed",
        message: format!(
            "{}: the files do not determine the scaling of {n} of {all} (no alpha), so 1 is assumed; ‖ΔW‖ and all that depends on \
             it are off by the true one",
            adapter.path().display()
        ),
    })
}

/// What each checkpoint changes of the weights of all chosen modules, after its notes.
///
/// # Errors
/// As [`Changes::of`].
fn changes_of(
    base: &BaseModel,
    adapters: &[Adapter],
    modules: &ModuleArgs,
    console: &Console,
) -> anyhow::Result<Vec<Changes>> {
    let selection = modules.of(Selection::new().all())?;
    adapters.iter().map(|adapter| noted_changes(base, adapter, &selection, console)).collect()
}

/// What a checkpoint changes of the selected weights, after its note.
///
/// # Errors
/// As [`Changes::of`].
pub(super) fn noted_changes(
    base: &BaseModel,
    adapter: &Adapter,
    selection: &Selection,
    console: &Console,
) -> anyhow::Result<Changes> {
    let changes = Changes::of(base, adapter, selection)?;
    if let Some(note) = &changes.note {
        console.note("note", note);
    }
    Ok(changes)
}

/// [`Changes::each`] with its progress, which counts the work of the weights' singular vectors.
///
/// # Errors
/// As [`Changes::each`].
pub(super) fn each<T: Send>(
    changes: &Changes,
    console: &Console,
    work: impl Fn(&Change) -> crate::Result<T> + Sync,
) -> crate::Result<Each<T>> {
    let flop = changes.changes.iter().map(|change| {
        let (d_out, d_in) = (change.weight().d_out() as f64, change.weight().d_in() as f64);
        20.0 * d_out * d_in * d_out.min(d_in)
    });
    let bar = progress::bar(console, "modules", changes.changes.len(), flop.sum());
    let done = changes.each(|change| {
        let done = work(change);
        bar.inc(1);
        done
    });
    bar.finish_and_clear();
    done
}
