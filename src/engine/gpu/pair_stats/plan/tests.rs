use super::*;

fn budget(max_words: usize, max_flop: f64) -> Budget {
    Budget { max_words, max_stack_words: max_words, max_flop, precision: Precision::F32 }
}

#[test]
fn every_pair_of_a_block_is_in_one_dispatch_once_within_the_budget() {
    let bases: Vec<Basis> = (0..70)
        .map(|k| Basis::from_rows(100, vec![0.1; (1 + k % 13) * 100], vec![1.0; 1 + k % 13]).unwrap())
        .collect();
    let bases: Vec<&Basis> = bases.iter().collect();
    let list: Vec<(u32, u32)> = (0..500).map(|k| (k * 7 % 70, k * k % 31)).collect();
    for pairs in [Pairs::All, Pairs::Upper, Pairs::List(&list), Pairs::List(&[])] {
        let b = if matches!(pairs, Pairs::Upper) { &bases[..] } else { &bases[..31] };
        let block = Block { a: &bases, b, pairs, cells: &[(1, 1)] };
        for budget in [budget(1 << 25, 1e12), budget(1 << 16, 4e6), budget(1 << 15, 1.0)] {
            let plan = Plan::new(&block, Wanted::Statistics(block.cells), budget).unwrap();
            let mut seen = vec![0; block.n_pairs()];
            let places: Vec<(usize, usize)> = block.places().collect();
            for dispatch in &plan.dispatches {
                let runs = dispatch.runs.map(|run| &plan.runs[run]);
                dispatch.which.for_each(&block, runs.map(Vec::len), |index, [a, b], _| {
                    let expected = [block.a[places[index].0], block.b[places[index].1]];
                    assert!(std::ptr::eq(runs[0][a], expected[0]));
                    assert!(std::ptr::eq(runs[1][b], expected[1]));
                    seen[index] += 1;
                });
            }
            assert!(seen.iter().all(|&count| count == 1), "{pairs:?}: {seen:?}");
            assert!(2 * plan.stack_rows * plan.row_words <= budget.max_words);
        }
    }
}

#[test]
fn a_basis_over_the_budget_is_an_error_that_names_both_sizes() {
    let basis = Basis::from_rows(1000, vec![0.1; 130_000], vec![1.0; 130]).unwrap();
    let block = Block { a: &[&basis], b: &[&basis], pairs: Pairs::All, cells: &[] };
    let error = Plan::new(&block, Wanted::Statistics(block.cells), budget(2 * 200 * 1024, 1e12)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "block: found a basis of 130 vectors, expected at most 128 of d = 1000 in one dispatch"
    );
}

/// What two buffers of WebGPU's default limits hold: bases of 64 MiB everywhere, of 128 MiB where bindings are as large as buffers.
#[test]
fn two_bases_fit_as_long_as_they_fit_the_buffer() {
    for (d, rank, precision, fits_everywhere) in [
        (151_936, 108, Precision::F32, true),
        (151_936, 128, Precision::F32, false),
        (256_000, 64, Precision::F32, true),
        (256_000, 128, Precision::F32, false),
        (256_000, 128, Precision::F16, true),
        (4_194_304, 4, Precision::F32, true),
        (4_194_304, 8, Precision::F32, false),
    ] {
        let basis = Basis::from_rows(d, vec![0.0; rank * d], vec![1.0; rank]).unwrap();
        let block = Block { a: &[&basis], b: &[&basis], pairs: Pairs::All, cells: &[] };
        let plan = |max_stack_words: usize| {
            let budget = Budget { max_words: 1 << 25, max_stack_words, max_flop: 4e10, precision };
            Plan::new(&block, Wanted::Statistics(block.cells), budget)
        };
        assert_eq!(plan(1 << 25).is_ok(), fits_everywhere, "{rank} of {d}, {precision}");
        let plan = plan(1 << 26).unwrap();
        assert!(2 * plan.stack_rows * plan.row_words <= plan.max_stack_words, "{rank} of {d}, {precision}");
    }
}

#[test]
fn over_many_pairs_over_nine_tenths_of_the_product_are_of_use() {
    for ranks in [&[8][..], &[12], &[16], &[32], &[1], &[3, 8, 17, 64, 5], &[130]] {
        let ranks = ranks.iter().cycle().take(512);
        let bases: Vec<Basis> =
            ranks.map(|&q| Basis::from_rows(768, vec![0.0; q * 768], vec![1.0; q]).unwrap()).collect();
        let bases: Vec<&Basis> = bases.iter().collect();
        for pairs in [Pairs::All, Pairs::Upper] {
            let block = Block { a: &bases, b: &bases, pairs, cells: &[(1, 1); 6] };
            let plan = Plan::new(&block, Wanted::Statistics(block.cells), budget(1 << 25, 4e10)).unwrap();
            let made: usize = plan.dispatches.iter().map(|dispatch| n_tiles(&plan, dispatch)).sum();
            let used: usize = block.places().map(|(a, b)| bases[a].q() * bases[b].q()).sum();
            let share = used as f64 / (made * 128 * 128) as f64;
            // 512 vectors make 4 tiles a side: half of the diagonal ones is not asked for.
            let expected = if bases[0].q() == 1 && matches!(pairs, Pairs::Upper) { 0.79 } else { 0.9 };
            assert!(share > expected, "rank {}, {pairs:?}: {share}", bases[0].q());
        }
    }
}

fn n_tiles(plan: &Plan<'_>, planned: &PlannedDispatch) -> usize {
    let ranks: [Vec<usize>; 2] =
        planned.runs.map(|run| plan.runs[run].iter().map(|basis| basis.q()).collect());
    let runs = [0, 1].map(|k| pair_stats::BasisRun { ranks: &ranks[k], row: 0, params_row: 0 });
    let lengths = pair_stats::Lengths {
        rows: plan.stack_rows,
        params_rows: plan.run_rows,
        tables: 1 << 25,
        sums: 1 << 25,
    };
    let dispatch = Dispatch::new(128, 768, runs, planned.which.index(), plan.wanted, lengths).unwrap();
    dispatch.params.n_tiles as usize
}
