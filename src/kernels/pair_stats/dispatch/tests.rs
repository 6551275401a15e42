use super::*;
use crate::kernels::similarity::{CHUNK, SLICE};

const LENGTHS: Lengths = Lengths { rows: 1024, params_rows: 1024, tables: 1 << 16, sums: 1 << 20 };

fn run(ranks: &[usize]) -> BasisRun<'_> {
    BasisRun { ranks, row: 128, params_row: 256 }
}

#[test]
fn groups_name_the_bases_that_reach_into_each_64_rows() {
    // Rows 0–63, 64–163 and 164–166, in tiles of 128 up to row 255.
    let groups = run(&[64, 100, 3]).groups(128);
    assert_eq!(groups, [[0, 1], [1, 2], [1, 3], [0, 0]]);
    assert_eq!(run(&[64, 100, 3]).groups(64).len(), 3);
    assert_eq!(run(&[1]).groups(64), [[0, 1]]);
}

#[test]
fn makes_the_tiles_that_hold_a_pair_and_no_other() {
    let ranks = [100; 3]; // Three tiles of 128, the bases at rows 0, 100 and 200.
    let tiles = |pairs: PairIndex<'_>| super::tiles(128, [run(&ranks), run(&ranks)], pairs);
    assert_eq!(tiles(PairIndex::All).len(), 9);
    assert_eq!(tiles(PairIndex::Upper), [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]]);
    let mut table = [Dispatch::NO_PAIR; 9];
    table[2] = 0;
    assert_eq!(tiles(PairIndex::Table { table: &table, n_pairs: 1 }), [[0, 1], [0, 2]]);
}

#[test]
fn refuses_what_ends_past_a_buffer() {
    let ranks = [64, 70, 3];
    let new = |lengths: Lengths| {
        Dispatch::new(
            128,
            100,
            [run(&ranks), run(&ranks)],
            PairIndex::All,
            Wanted::Statistics(&[(1, 1), (2, 2)]),
            lengths,
        )
    };
    let whole = new(LENGTHS).unwrap();
    assert_eq!((whole.n_sums, whole.params.n_words, whole.params.d4), (9 * 5 * 2, 2, 32));
    // The last of 137 rows is among the four from row 136 on.
    let (rows, params_rows) = (128 + 140, 256 + 2 * 128);
    let (tables, sums) = (whole.tables.len(), whole.n_words());
    let fitting = new(Lengths { rows, params_rows, tables, sums }).unwrap();
    assert_eq!((fitting.params.last_rows, fitting.params.params_a), (128 + 136, 64));
    for (short, message) in [
        (
            Lengths { rows: rows - 1, ..LENGTHS },
            "rows of a stack: found 268, expected at most 267".to_owned(),
        ),
        (
            Lengths { params_rows: params_rows - 1, ..LENGTHS },
            "rows with params: found 512, expected at most 511".to_owned(),
        ),
        (
            Lengths { tables: tables - 1, ..LENGTHS },
            format!("words of tables: found {tables}, expected at most {}", tables - 1),
        ),
        (
            Lengths { sums: sums - 1, ..LENGTHS },
            format!("words of sums: found {sums}, expected at most {}", sums - 1),
        ),
    ] {
        assert_eq!(new(short).unwrap_err().to_string(), message);
    }
}

#[test]
fn refuses_pairs_of_another_shape() {
    let new = |pairs: PairIndex<'_>| {
        Dispatch::new(64, 10, [run(&[3, 4]), run(&[3, 5])], pairs, Wanted::Statistics(&[]), LENGTHS)
            .map(|_| ())
    };
    assert!(new(PairIndex::All).is_ok());
    assert!(new(PairIndex::Upper).is_err());
    assert!(new(PairIndex::Table { table: &[0, 1, 2], n_pairs: 3 }).is_err());
    assert!(new(PairIndex::Table { table: &[0, 1, 2, Dispatch::NO_PAIR], n_pairs: 3 }).is_ok());
    assert!(new(PairIndex::Table { table: &[0, 1, 3, Dispatch::NO_PAIR], n_pairs: 3 }).is_err());
}

#[test]
fn reads_sums_of_one_word_and_of_two() {
    let read = |ranks: [usize; 2], sums: &[u32]| {
        let dispatch = Dispatch::new(
            64,
            10,
            [run(&ranks[..1]), run(&ranks[1..])],
            PairIndex::All,
            Wanted::Statistics(&[(2, 2), (9, 1)]),
            LENGTHS,
        );
        let mut values = [0.0; 5];
        dispatch.unwrap().read(
            sums,
            0,
            (ranks[0], ranks[1]),
            Wanted::Statistics(&[(2, 2), (9, 1)]),
            &mut values,
        );
        values
    };
    let [half, past, square, full, linear_cka] = read([2, 5], &[1 << 25, 7, 1 << 25, 1 << 26, 1 << 30]);
    assert!((half, square, full, linear_cka) == (0.5, 0.5, 1.0, 0.5) && past.is_nan());
    // 2 · 2²⁵ in two parts that carried nothing over, and rank 128.
    let [half, tall, square, full, linear_cka] =
        read([128, 130], &[1 << 17, 510, 0, 512, 0, 64 * 512, 0, 128 * 512, 1 << 16, (1 << 15) - 1]);
    assert_eq!((half, tall, square, full, linear_cka), (0.5, 1.0, 0.5, 1.0, 1.0));
}

#[test]
fn reads_a_cosine_as_a_signed_number() {
    let ranks = [100];
    let wanted = Wanted::Cosine { split: 32 };
    let dispatch =
        Dispatch::new(128, 70, [run(&ranks), run(&ranks)], PairIndex::All, wanted, LENGTHS).unwrap();
    assert_eq!((dispatch.n_sums, dispatch.params.d4, dispatch.params.split4), (1, 24, 8));
    for (sum, expected) in [(1 << 30, 1.0), (1 << 28, 0.25), (0, 0.0), (1 << 31 | 1 << 30, -1.0)] {
        let mut values = [f32::NAN];
        dispatch.read(&[sum], 0, (100, 100), wanted, &mut values);
        assert_eq!(values, [expected]);
    }
}

/// What llvmpipe lets an invocation run through.
const MOST_STEPS: usize = 65_535;

#[test]
fn passes_take_every_column_and_every_value_once_and_stay_under_the_steps_of_a_driver() {
    let (ones, few) = ([1; 300], [3, 4]);
    let cells: Vec<(usize, usize)> = (1..=1100).map(|k| (k, k)).collect();
    for (tile, ranks, d, n_cells, n_passes) in [
        (128, &few[..], CHUNK, 2, 1),
        (128, &few, CHUNK + 1, 2, 2),
        (64, &few, 3 * CHUNK, 1100, 3),
        (128, &ones, 100, 1100, 1 + 1103usize.div_ceil(256)),
        (64, &ones, 2 * CHUNK + 5, 1100, 3 + 1103usize.div_ceil(1024)),
    ] {
        let wanted = Wanted::Statistics(&cells[..n_cells]);
        let lengths = Lengths { rows: 1024, params_rows: 1024, tables: 1 << 25, sums: 1 << 30 };
        let dispatch =
            Dispatch::new(tile, d, [run(ranks), run(ranks)], PairIndex::All, wanted, lengths).unwrap();
        let passes = dispatch.passes();
        assert_eq!(passes.len(), n_passes, "{tile}, {d}, {n_cells}");
        let chunks: Vec<u32> = passes.iter().map(|pass| pass.chunk).collect();
        let n_chunks = d.div_ceil(CHUNK) as u32;
        // Each chunk once; those that only sum up values have none.
        assert!((0..n_chunks).all(|chunk| chunks.iter().filter(|&&other| other == chunk).count() == 1));
        assert!(chunks.iter().all(|&chunk| chunk <= n_chunks));
        let values: Vec<u32> = passes.iter().flat_map(|pass| pass.first_value..pass.end_value).collect();
        assert!(values.into_iter().eq(0..n_cells as u32 + 3));
        assert!(passes.iter().all(|pass| (pass.is_last == 1) == (pass.end_value > 0)));
        // Two parts of a chunk, staged 16 columns at a time and not unrolled; and jobs of 256 invocations.
        let of_columns = 2 * (CHUNK / 16 * 21 + CHUNK / SLICE);
        let most_jobs = passes.iter().map(|pass| (pass.end_value - pass.first_value) as usize).max().unwrap();
        let pairs = ranks.len().min(64).pow(2);
        let of_jobs = (tile / 64usize).pow(2) * (pairs * most_jobs).div_ceil(256);
        assert!(of_columns + of_jobs + 1000 < MOST_STEPS, "{of_columns} and {of_jobs}");
    }
    let updates = |d: [usize; 2]| {
        let wanted = Wanted::Cosine { split: d[0] };
        let both = [run(&few), run(&few)];
        Dispatch::new(128, d[0] + d[1], both, PairIndex::All, wanted, LENGTHS).unwrap().passes().len()
    };
    assert_eq!([updates([CHUNK, CHUNK]), updates([32, CHUNK + 1]), updates([3 * CHUNK, 5])], [1, 2, 3]);
}

#[test]
fn sums_that_are_not_what_the_tiles_added_are_not_whole() {
    let dispatch =
        Dispatch::new(64, 10, [run(&[3]), run(&[3])], PairIndex::All, Wanted::Statistics(&[(1, 1)]), LENGTHS)
            .unwrap();
    let mut words = vec![9, 8, 7, 6, 0, 0, 9 + 3 * 8 + 5 * 7 + 7 * 6];
    assert_eq!(dispatch.n_words(), words.len());
    assert!(dispatch.is_whole(&words));
    for at in [0, 1, 2, 3, 6] {
        words[at] ^= 1 << 20;
        assert!(!dispatch.is_whole(&words), "{at}");
        words[at] ^= 1 << 20;
    }
    words.swap(1, 2);
    assert!(!dispatch.is_whole(&words));
}
