//! Warnings that save a wrong conclusion, in words and for machines.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::console::Console;
use super::left_out::{self, LeftOut};
use super::same_file::Same;
use crate::adapter::unread;
use crate::text::{counted, listed, quoted, some_of};
use crate::{Adapter, Basis, Factorised, FewMeet, Method, Module, ModulePair, Side};

/// One thing to be careful of.
#[derive(Debug, Serialize)]
pub(super) struct Warning {
    /// For machines: `missing-modules`, `updates-unknown`, `same-file`, `same-content`, `same-bases`, `numbered-modules`, `dora`,
    /// `parts-unread`, `transposed`, `rank-above-size`, `alpha-missing`, `shared-init`, `base-models-differ`, `few-modules-meet`, `rank-lost`,
    /// `near-noise`.
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Canonical names of the modules that it is about; empty when it is about the runs.
    pub(super) modules: Vec<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Everything to be careful of, each kind once. `with_updates`: the updates themselves are shown.
pub(super) fn of(
    runs: [&Adapter; 2],
    side: Side,
    factorised: &[Factorised],
    left_out: &[LeftOut],
    with_updates: bool,
    few_meet: Option<&FewMeet>,
) -> Vec<Warning> {
    let n_all = factorised.len() + left_out::n_modules(left_out);
    let mut warnings: Vec<Warning> = modules_left_out(left_out, n_all).into_iter().collect();
    warnings.extend(updates_unknown(runs, factorised, n_all));
    warnings.extend(base_models(runs));
    let few_meet = few_meet.map(|few| few_meet_line(runs.map(Adapter::path), few));
    warnings.extend(few_meet.map(|message| Warning { code: FEW_MEET, message, modules: vec![] }));
    warnings.extend(numbered(runs, factorised));
    warnings.extend(dora(runs));
    warnings.extend(runs.into_iter().filter_map(parts_unread));
    warnings.extend(transposed(&runs));
    warnings.extend(above_size(&runs));
    warnings.extend(with_updates.then(|| alpha_missing(runs, factorised)).flatten());
    // What is one file shares all else too, and on every side.
    match Same::of(runs) {
        Some(same) => warnings.push(one_file(same, runs)),
        None => warnings.extend(shared_init(side, factorised)),
    }
    warnings.extend(same_bases(side, factorised));
    let lost = |basis: &Basis| basis.n_dropped() > 0;
    warnings.extend(of_bases(runs, factorised, "rank-lost", lost, |basis| {
        let full = basis.r().min(basis.d());
        format!(
            "numerical rank {} of {full}: the other directions could be rounding noise, so the grid stops there",
            basis.q()
        )
    }));
    warnings.extend(of_bases(
        runs,
        factorised,
        "near-noise",
        |basis| basis.n_uncertain() > 0,
        |basis| {
            let (n, q) = (basis.n_uncertain(), basis.q());
            format!("the last {n} of {q} directions are close to the rounding noise and uncertain")
        },
    ));
    warnings
}

fn modules_left_out(left_out: &[LeftOut], n_all: usize) -> Option<Warning> {
    let message = left_out::line(left_out, n_all)?;
    Some(Warning { code: "missing-modules", message, modules: distinct(left_out) })
}

/// Modules that the side has a subspace of, and whose updates are not known.
fn updates_unknown(runs: [&Adapter; 2], factorised: &[Factorised], n_all: usize) -> Option<Warning> {
    let of_module = |both: &Factorised| LeftOut::of_flaws(runs, both.pair.name(), &both.update_flaws);
    let unknown: Vec<LeftOut> = factorised.iter().flat_map(of_module).collect();
    let n = left_out::n_modules(&unknown);
    (n > 0).then(|| Warning {
        code: "updates-unknown",
        message: format!(
            "no update ΔW in {n} of {}: {}",
            counted(n_all, "module"),
            left_out::reasons(&unknown)
        ),
        modules: distinct(&unknown),
    })
}

fn distinct(left_out: &[LeftOut]) -> Vec<String> {
    let mut names: Vec<String> = left_out.iter().map(|one| one.module.clone()).collect();
    names.dedup();
    names
}

/// The code of [`few_meet_line`].
pub(super) const FEW_MEET: &str = "few-modules-meet";

/// What is to be said of two checkpoints most of whose modules do not meet, with the way out.
pub(super) fn few_meet_line(paths: [&Path; 2], few: &FewMeet) -> String {
    format!("{}; if they are the same, --match FILE.csv pairs them", few_meet_names(paths, few))
}

/// The same without the way out, for commands that match by canonical names only.
pub(super) fn few_meet_names(paths: [&Path; 2], few: &FewMeet) -> String {
    let ([a, b], [n_a, n_b]) = (paths.map(Path::display), few.n_modules);
    let [here, there] = few.examples.each_ref().map(|name| quoted(name));
    format!(
        "only {} of the {n_a} modules of {a} and the {n_b} of {b} meet by name, the others are left out: {a} has {here}, {b} \
         has {there}",
        few.n_met
    )
}

fn base_models(runs: [&Adapter; 2]) -> Option<Warning> {
    let [Some(a), Some(b)] = runs.map(Adapter::base_model) else { return None };
    (a != b).then(|| Warning {
        code: "base-models-differ",
        message: format!("the configs name different base models: {}", listed([a, b])),
        modules: vec![],
    })
}

fn one_file(same: Same, runs: [&Adapter; 2]) -> Warning {
    let [a, b] = runs.map(|run| run.path().display());
    let (code, message) = match same {
        Same::File => ("same-file", format!("{a} and {b} are one file")),
        Same::Content => ("same-content", format!("{a} and {b} are copies, the same in every byte")),
    };
    Warning { code, message: format!("{message}, so every φ is 1"), modules: vec![] }
}

/// Modules that have one basis in each of the two files, as those that were cut from a fused weight have one A.
fn same_bases(side: Side, factorised: &[Factorised]) -> Option<Warning> {
    let mut groups: Vec<Vec<&Factorised>> = vec![];
    let mut places: HashMap<Vec<u64>, Vec<usize>> = HashMap::new();
    for both in factorised {
        let spectra = both.a.sigma().iter().chain(both.b.sigma()).map(|sigma| sigma.to_bits());
        let places = places.entry(spectra.collect()).or_default();
        let is_same = |&&place: &&usize| {
            let first = groups[place][0];
            first.a.rows() == both.a.rows() && first.b.rows() == both.b.rows()
        };
        match places.iter().find(is_same).copied() {
            Some(place) => groups[place].push(both),
            None => {
                places.push(groups.len());
                groups.push(vec![both]);
            }
        }
    }
    groups.retain(|group| group.len() > 1);
    let first = groups.first()?;
    let shown = listed(first.iter().map(|both| both.pair.name()));
    let (n, more) = (first.len(), same_holds_for(groups.len() - 1, "other group"));
    let (what, way_out) = match side {
        Side::A => ("one A", ": compare --side b, where each has a B of its own"),
        _ => ("one subspace", ""),
    };
    Some(Warning {
        code: "same-bases",
        message: format!(
            "{shown} have {what} in each file, so they are one comparison {n} times on this side{way_out}{more}"
        ),
        modules: names(groups.iter().flatten().map(|both| &both.pair)),
    })
}

fn numbered(runs: [&Adapter; 2], factorised: &[Factorised]) -> Option<Warning> {
    runs.iter().all(|run| run.naming_scheme().is_numbered()).then(|| Warning {
        code: "numbered-modules",
        message: format!(
            "{} modules are numbered, and the same number may mean another module in another file; they were matched \
             because all their shapes agree",
            runs[0].naming_scheme()
        ),
        modules: names(factorised.iter().map(|both| &both.pair)),
    })
}

fn dora(runs: [&Adapter; 2]) -> Option<Warning> {
    let message = runs.into_iter().find_map(dora_line)?;
    Some(Warning { code: "dora", message, modules: vec![] })
}

/// That the magnitudes of a DoRA adapter are left out, in all modules or in some.
pub(super) fn dora_line(run: &Adapter) -> Option<String> {
    let n_left = run.n_magnitudes().saturating_sub(run.n_rescaled());
    let is_said = run.method() == Method::Dora && (n_left > 0 || run.n_rescaled() == 0);
    is_said.then(|| {
        let magnitudes = counted(n_left, "magnitude vector");
        format!(
            "{} is DoRA: {magnitudes} left out, so ΔW is s·B·A before the rows are rescaled",
            run.path().display()
        )
    })
}

/// Numbers are of what is read, which may not be all of the update.
pub(super) fn parts_unread(run: &Adapter) -> Option<Warning> {
    let summary = unread::summary(run.unread_parts())?;
    let message = format!("{}: {summary}", run.path().display());
    Some(Warning { code: "parts-unread", message, modules: vec![] })
}

/// Every part that is not read, for those who want to know.
pub(super) fn list_unread(run: &Adapter, console: &Console) {
    for part in run.unread_parts() {
        let found = part.found.as_ref().map(|found| format!(": {found}")).unwrap_or_default();
        let name = quoted(&part.name);
        console.detail("not read", format!("{}: {name}: {}{found}", run.path().display(), part.reason));
    }
}

pub(super) fn transposed(runs: &[&Adapter]) -> Option<Warning> {
    let of = |run: &&Adapter| {
        let modules = || counted(run.n_turned(), "module");
        (run.n_turned() > 0).then(|| format!("of {} of {}", modules(), run.path().display()))
    };
    let found: Vec<String> = runs.iter().filter_map(of).collect();
    let found = match &found[..] {
        [] => return None,
        [one, other] => format!("{one} and {other}"),
        several => some_of(several.iter().cloned()),
    };
    Some(Warning {
        code: "transposed",
        message: format!("A and B {found} are stored transposed, as their shapes show, and were turned"),
        modules: vec![],
    })
}

pub(super) fn above_size(runs: &[&Adapter]) -> Option<Warning> {
    let is_above = |module: &&Arc<Module>| module.is_above_size();
    let of = |run: &&Adapter| run.modules().iter().filter(is_above).cloned().collect::<Vec<_>>();
    let modules: Vec<Arc<Module>> = runs.iter().flat_map(of).collect();
    let run = runs.iter().find(|run| run.n_above_size() > 0)?;
    let first = &modules[0];
    let more = same_holds_for(modules.len() - 1, "other module");
    Some(Warning {
        code: "rank-above-size",
        message: format!(
            "{}: {}: rank {} for a weight of {} × {}: right for a convolution with few channels, else A and B may be \
             stored the other way round{more}",
            run.path().display(),
            first.name,
            first.rank(),
            first.d_out(),
            first.d_in()
        ),
        modules: modules.iter().map(|module| module.name.clone()).collect(),
    })
}

/// Norms and the whole model's cosine depend on the scaling.
fn alpha_missing(runs: [&Adapter; 2], factorised: &[Factorised]) -> Option<Warning> {
    let unscaled = |side: usize| {
        let modules = factorised.iter().map(move |both| [&both.pair.first, &both.pair.second][side]);
        modules.filter(|module| module.scaling.is_none()).count()
    };
    let counts = [unscaled(0), unscaled(1)];
    let of = |side: usize| {
        let all = counted(factorised.len(), "module");
        (counts[side] > 0).then(|| format!("{} of {all} of {}", counts[side], runs[side].path().display()))
    };
    let found: Vec<String> = [of(0), of(1)].into_iter().flatten().collect();
    let is_without = |both: &&Factorised| both.pair.first.scaling.and(both.pair.second.scaling).is_none();
    (!found.is_empty()).then(|| Warning {
        code: "alpha-missing",
        message: format!("no alpha for {}: ‖ΔW‖ is that of B·A there, s = 1", found.join(" and ")),
        modules: names(factorised.iter().filter(is_without).map(|both| &both.pair)),
    })
}

/// What follows from one start for the φ of a side.
pub(super) fn shared_init_means(side: Side) -> &'static str {
    match side {
        Side::A | Side::DwRight => {
            "so φ on this side says little about what was learnt: compare --side b, since B starts at zero"
        }
        Side::B | Side::DwLeft => "so A's side would say little; this one holds what was learnt",
    }
}

fn shared_init(side: Side, factorised: &[Factorised]) -> Option<Warning> {
    let marked: Vec<&Factorised> = factorised.iter().filter(|both| both.has_shared_init()).collect();
    let lowest = marked.iter().filter_map(|both| both.init_cosine).fold(1.0, f64::min);
    let (n, all) = (marked.len(), counted(factorised.len(), "module"));
    let meaning = shared_init_means(side);
    let share = if n == 1 { "shares" } else { "share" };
    (n > 0).then(|| Warning {
        code: "shared-init",
        message: format!(
            "{n} of {all} {share} the random start of A (cosine {lowest:.2} and more), {meaning}"
        ),
        modules: names(marked.iter().map(|both| &both.pair)),
    })
}

/// The end of a message that describes the first of several.
pub(super) fn same_holds_for(n: usize, other: &str) -> String {
    if n == 0 { String::new() } else { format!("; the same holds for {}", counted(n, other)) }
}

/// One warning for all bases of a kind; the first is described, the others counted.
fn of_bases(
    runs: [&Adapter; 2],
    factorised: &[Factorised],
    code: &'static str,
    applies: impl Fn(&Basis) -> bool,
    describe: impl Fn(&Basis) -> String,
) -> Option<Warning> {
    let bases =
        factorised.iter().flat_map(|both| [(runs[0], &both.pair, &both.a), (runs[1], &both.pair, &both.b)]);
    let found: Vec<_> = bases.filter(|(_, _, basis)| applies(basis)).collect();
    let (run, pair, basis) = found.first()?;
    let more = match found.len() {
        1 => String::new(),
        2 => "; the same holds for 1 other basis".to_owned(),
        n => format!("; the same holds for {} other bases", n - 1),
    };
    let message = format!("{}: {}: {}{more}", run.path().display(), pair.name(), describe(basis));
    Some(Warning { code, message, modules: names(found.iter().map(|(_, pair, _)| *pair)) })
}

fn names<'a>(pairs: impl Iterator<Item = &'a ModulePair>) -> Vec<String> {
    let mut names: Vec<String> = pairs.map(|pair| pair.name().to_owned()).collect();
    names.dedup();
    names
}
