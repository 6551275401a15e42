//! Blocks small enough to have borders: together they are the pairs that were asked for, each once, under names that stay
//! when the folder grows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use lorascope::Remedy;
use lorascope::Side;
use lorascope::engine::Precision;
use lorascope::internals::blocks::{BlockPairs, Blocks, PairLayout};
use lorascope::internals::plan::{FileStamp, Fingerprint, HeaderModule, HeaderSummary, Plan, ScanOptions};
use lorascope::scan::{Keep, PairChoice};
use proptest::prelude::*;

/// Module and the two adapters, smaller number first.
type Pair = (u32, u32, u32);

fn options(pairs: PairChoice, same_base: bool) -> ScanOptions {
    ScanOptions {
        side: Side::A,
        pairs,
        same_base,
        modules: vec![],
        layers: None,
        projections: vec![],
        keep: Keep::Powers,
        angles: false,
        update: false,
        precision: Precision::F32,
        base: None,
    }
}

/// An adapter of a run and step, with one of the sets of modules and maybe a base model.
#[derive(Debug, Clone)]
struct Drawn {
    run: usize,
    step: usize,
    layout: usize,
    base: Option<usize>,
}

const LAYOUTS: [&[(&str, usize)]; 5] =
    [&[("q", 8), ("v", 8)], &[("q", 8)], &[("q", 16), ("v", 8), ("o", 8)], &[("o", 8)], &[]];

fn opened(drawn: &Drawn) -> HeaderSummary {
    let module =
        |&(name, d): &(&str, usize)| HeaderModule { name: name.into(), is_numbered: false, d, r: 2, d_in: d };
    HeaderSummary {
        path: PathBuf::from(format!("run{}/checkpoint-{}", drawn.run, drawn.step)),
        naming_scheme: "PEFT".into(),
        base_model: drawn.base.map(|base| format!("base{base}")),
        modules: LAYOUTS[drawn.layout].iter().map(module).collect(),
        n_bytes: 64,
        unread: None,
        n_turned: 0,
        n_above_size: 0,
        stamp: FileStamp { n_bytes: 64, modified_ns: None },
        files: Box::default(),
        largest: Default::default(),
        svd_work: 0.0,
        fingerprint: Fingerprint::of(format!("{}-{}", drawn.run, drawn.step).as_bytes()),
    }
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let base = prop_oneof![Just(None), Just(Some(0)), Just(Some(1))];
    (0..3usize, 1..30usize, 0..LAYOUTS.len(), base).prop_map(|(run, step, layout, base)| Drawn {
        run,
        step,
        layout,
        base,
    })
}

/// Up to three generations of adapters of different paths, the first with modules to compare.
fn generations() -> impl Strategy<Value = Vec<Vec<Drawn>>> {
    prop::collection::vec(prop::collection::vec(drawn(), 1..9), 1..4).prop_map(|mut generations| {
        generations[0][0].layout = 0;
        let mut seen = BTreeSet::new();
        for generation in &mut generations {
            generation.retain(|drawn| seen.insert((drawn.run, drawn.step)));
        }
        generations
    })
}

/// The pairs of a block as adapters.
fn listed(pairs: &BlockPairs) -> Vec<(u32, u32)> {
    let cols = if pairs.b.is_empty() { &pairs.a } else { &pairs.b };
    match &pairs.which {
        PairLayout::All => pairs.a.iter().flat_map(|&x| pairs.b.iter().map(move |&y| (x, y))).collect(),
        PairLayout::Upper => {
            let later = |place: usize| pairs.a[place + 1..].iter().map(move |&y| (pairs.a[place], y));
            (0..pairs.a.len()).flat_map(later).collect()
        }
        PairLayout::List(list) => {
            list.iter().map(|&(x, y)| (pairs.a[x as usize], cols[y as usize])).collect()
        }
    }
}

/// By block name, the pairs of it.
fn by_name(plan: &Plan) -> BTreeMap<String, Vec<Pair>> {
    let blocks = Blocks::of(plan).unwrap();
    let mut found = BTreeMap::new();
    for block in blocks.iter() {
        let pairs = blocks.pairs(&block);
        assert_eq!(blocks.n_pairs(&block), pairs.n_pairs() as u64);
        assert!(pairs.a.len() <= plan.block.max(2 * plan.block) && pairs.b.len() <= 2 * plan.block);
        let list: Vec<Pair> =
            listed(&pairs).into_iter().map(|(x, y)| (block.module, x.min(y), x.max(y))).collect();
        assert_eq!(list.len(), pairs.n_pairs());
        assert!(found.insert(block.name(), list).is_none(), "two blocks are called {}", block.name());
    }
    found
}

/// Every pair that a plan should have, by looking at each.
fn expected(plan: &Plan, choice: &PairChoice) -> BTreeSet<Pair> {
    let mut expected = BTreeSet::new();
    let path = |id: u32| plan.adapters[id as usize].path.to_str().unwrap().to_owned();
    let is_wanted = |x: u32, y: u32| match choice {
        PairChoice::All => true,
        PairChoice::Against(references) => {
            [x, y].iter().any(|&id| references.contains(&plan.adapters[id as usize].path))
        }
        PairChoice::LeftRight(left, right) => {
            let on = |glob: &str, id: u32| path(id).starts_with(glob.trim_end_matches('*'));
            (on(left, x) && on(right, y)) || (on(left, y) && on(right, x))
        }
        PairChoice::Consecutive => {
            let step = |id: u32| plan.adapters[id as usize].step.unwrap();
            let (low, high) = (step(x).min(step(y)), step(x).max(step(y)));
            let between = |id: u32| plan.run(id) == plan.run(x) && (low + 1..high).contains(&step(id));
            plan.run(x) == plan.run(y) && !(0..plan.adapters.len() as u32).any(between)
        }
        other => panic!("no pairs are expected of {other:?}"),
    };
    for x in 0..plan.adapters.len() as u32 {
        for y in x + 1..plan.adapters.len() as u32 {
            let one_base = plan.adapters[x as usize].base_model == plan.adapters[y as usize].base_model;
            if !is_wanted(x, y) || (plan.options.same_base && !one_base) {
                continue;
            }
            let modules = 0..plan.modules.len() as u32;
            let both = |&module: &u32| plan.rank(x, module).is_some() && plan.rank(y, module).is_some();
            expected.extend(modules.filter(both).map(|module| (module, x, y)));
        }
    }
    expected
}

/// Grows a plan generation by generation and checks it after each.
fn check(generations: &[Vec<Drawn>], choice: PairChoice, same_base: bool, block: usize) {
    let mut all: Vec<HeaderSummary> = generations[0].iter().map(opened).collect();
    let mut plan = Plan::new(options(choice.clone(), same_base), &all).unwrap();
    plan.block = block;
    let mut before: BTreeMap<String, Vec<Pair>> = BTreeMap::new();
    for (number, generation) in generations.iter().enumerate() {
        if number > 0 {
            all.extend(generation.iter().map(opened));
            // The order in which they are named again does not matter.
            all.reverse();
            plan.extend(all.clone()).unwrap();
        }
        if Blocks::of(&plan).is_err() {
            // A step between two that were compared, or nothing to compare yet: said, and tested elsewhere.
            return;
        }
        let now = by_name(&plan);
        let found: Vec<Pair> = now.values().flatten().copied().collect();
        let once: BTreeSet<Pair> = found.iter().copied().collect();
        assert_eq!(found.len(), once.len(), "a pair is there twice: {now:?}");
        assert_eq!(once, expected(&plan, &choice));
        let pairs: BTreeSet<(u32, u32)> = once.iter().map(|&(_, x, y)| (x, y)).collect();
        assert_eq!(plan.n_pairs().unwrap(), pairs.len() as u64);
        for (name, pairs) in &before {
            assert_eq!(now.get(name), Some(pairs), "{name} changed when the folder grew");
        }
        before = now;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn all_pairs_are_there_once(
        generations in generations(), same_base in any::<bool>(), block in 1usize..5,
    ) {
        check(&generations, PairChoice::All, same_base, block);
    }

    #[test]
    fn pairs_of_references_are_there_once(
        generations in generations(), same_base in any::<bool>(), block in 1usize..5, n in 1usize..4,
    ) {
        let references = generations[0].iter().take(n).map(|drawn| opened(drawn).path).collect();
        check(&generations, PairChoice::Against(references), same_base, block);
    }

    #[test]
    fn pairs_of_two_sides_are_there_once_even_where_they_overlap(
        generations in generations(), same_base in any::<bool>(), block in 1usize..5, linear_cka in any::<bool>(),
    ) {
        let left = if linear_cka { "run*" } else { "run0*" };
        let on_both = |glob: &str| {
            generations[0].iter().any(|drawn| opened(drawn).path.to_str().unwrap().starts_with(glob))
        };
        prop_assume!(on_both("run0") && on_both("run1"));
        // `*` of a glob matches slashes too.
        check(&generations, PairChoice::LeftRight(left.into(), "run1*".into()), same_base, block);
    }

    #[test]
    fn consecutive_steps_are_there_once(
        generations in generations(), same_base in any::<bool>(), block in 1usize..5, ordered in any::<bool>(),
    ) {
        let mut generations = generations;
        if ordered {
            // As training leaves them: later generations have later steps.
            for (number, generation) in (0..).zip(&mut generations) {
                generation.iter_mut().for_each(|drawn| drawn.step += 100 * number);
            }
        }
        check(&generations, PairChoice::Consecutive, same_base, block);
    }
}

#[test]
fn a_new_step_between_two_that_are_compared_is_refused_with_the_way_out() {
    let of = |step: usize| opened(&Drawn { run: 0, step, layout: 0, base: None });
    let mut plan = Plan::new(options(PairChoice::Consecutive, false), &[of(1), of(5)]).unwrap();
    plan.extend(vec![of(1), of(5), of(9)]).unwrap();
    assert!(Blocks::of(&plan).is_ok());
    plan.extend(vec![of(1), of(3), of(5), of(9)]).unwrap();
    let error = Blocks::of(&plan).unwrap_err();
    assert!(error.to_string().contains("found a new step between two that are compared"), "{error}");
    assert_eq!(error.remedy(), Some(&Remedy::StartOver));
}

#[test]
fn modules_that_are_new_in_a_later_generation_get_numbers_of_their_own() {
    let of = |step: usize, layout: usize| opened(&Drawn { run: 0, step, layout, base: None });
    let mut plan = Plan::new(options(PairChoice::All, false), &[of(1, 1), of(2, 1)]).unwrap();
    let before = by_name(&plan);
    plan.extend(vec![of(1, 1), of(2, 1), of(3, 2), of(4, 2)]).unwrap();
    let now = by_name(&plan);
    assert_eq!(before.values().flatten().count(), 1);
    assert!(before.iter().all(|(name, pairs)| now[name] == *pairs));
    // q of d = 16, v and o, each of the two new ones.
    assert_eq!(now.values().flatten().count(), 4);
}
