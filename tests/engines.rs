//! Each behaviour of an engine once, run on the CPU engine and on the GPU engine.

mod common;

use common::engines::{PHI_BOUND_F16, phi_bound};
use common::oracle::Oracle;
use lorascope::engine::{Engine, EngineKind, Pair};
use lorascope::internals::kernels::colormap::{Band, Cells, ColorTable, colormap};
use lorascope::internals::kernels::similarity;
use lorascope::{Basis, Error};

on_every_engine!(
    agrees_with_the_oracle_at_every_shape,
    agrees_with_the_plain_loops_in_every_cell_up_to_rank_512,
    keeps_the_bound_on_directions_that_are_worst_for_f32_sums,
    keeps_the_bound_on_the_same_directions_however_long,
    keeps_the_bound_where_every_rounding_of_a_sum_goes_the_same_way,
    sees_every_column_of_long_rows,
    gives_each_pair_of_a_mixed_batch_its_own_grid,
    returns_no_grid_for_no_pair,
    refuses_bases_of_different_dimensions,
    paints_the_same_bytes_as_the_plain_loops,
    refuses_a_band_outside_its_panel,
    answers_many_threads_at_once,
);

with_f16_bases!(
    agrees_with_the_oracle_at_every_shape,
    agrees_with_the_plain_loops_in_every_cell_up_to_rank_512,
    keeps_the_bound_on_directions_that_are_worst_for_f32_sums,
    sees_every_column_of_long_rows,
    keeps_the_bound_where_all_roundings_of_a_vector_turn_it_one_way,
    keeps_the_bound_for_one_direction_next_to_many,
    mends_what_rounding_does_to_a_vectors_length,
    is_the_same_for_vectors_of_any_size,
    gives_each_pair_of_a_mixed_batch_its_own_grid,
    returns_no_grid_for_no_pair,
    refuses_bases_of_different_dimensions,
);

/// (q₁, q₂, d): rank 1, unequal ranks, ranks at and around the tile of 64, d of 1 and 8191, tiles not filled.
const SHAPES: [(usize, usize, usize); 14] = [
    (1, 1, 1),
    (1, 1, 8191),
    (2, 3, 3),
    (8, 64, 384),
    (64, 8, 130),
    (64, 64, 64),
    (63, 65, 129),
    (65, 64, 127),
    (1, 130, 300),
    (130, 1, 300),
    (128, 128, 128),
    (129, 127, 1000),
    (17, 3, 8191),
    (64, 64, 4096),
];

fn bases(q_a: usize, q_b: usize, d: usize) -> (Basis, Basis) {
    let seed = (q_a * 1_000_003 + q_b * 1_009 + d) as u64;
    (Basis::gaussian(q_a, d, seed).unwrap(), Basis::gaussian(q_b, d, seed + 1).unwrap())
}

fn agrees_with_the_oracle_at_every_shape(engine: &dyn Engine) {
    for (q_a, q_b, d) in SHAPES {
        let (a, b) = bases(q_a, q_b, d);
        let grid = lorascope::similarity(engine, &a, &b).unwrap();
        assert_eq!((grid.n_rows(), grid.n_cols(), grid.d()), (q_a, q_b, d));
        let worst = Oracle::new(a.rows(), b.rows(), d).worst(grid.values());
        assert!(worst <= phi_bound(engine), "{q_a} × {q_b}, d = {d}: {worst:e}");
    }
}

fn agrees_with_the_plain_loops_in_every_cell_up_to_rank_512(engine: &dyn Engine) {
    for (q_a, q_b, d) in [(512, 512, 600), (512, 17, 513), (200, 384, 400)] {
        let (a, b) = bases(q_a, q_b, d);
        let grid = lorascope::similarity(engine, &a, &b).unwrap();
        let plain = similarity::similarity(a.rows(), b.rows(), d);
        let differences = grid.values().iter().zip(&plain).map(|(x, y)| (f64::from(*x) - y).abs());
        let worst = differences.fold(0.0, f64::max);
        assert!(worst <= phi_bound(engine), "{q_a} × {q_b}, d = {d}: {worst:e}");
        println!("{}: worst |Δφ| of random {q_a} × {q_b}, d = {d}: {worst:.1e}", engine.info());
        let oracle = Oracle::new(a.rows(), b.rows(), d).worst(grid.values());
        assert!(oracle <= phi_bound(engine), "{q_a} × {q_b}, d = {d} against the definition: {oracle:e}");
    }
}

/// Rows ±1/√d by the signs of a Hadamard matrix; the first is the constant direction.
fn hadamard(q: usize, d: usize) -> Basis {
    let level = 1.0 / (d as f64).sqrt();
    let sign = |i: usize, k: usize| if (i & k).count_ones().is_multiple_of(2) { level } else { -level };
    let rows = (0..q).flat_map(|i| (0..d).map(move |k| sign(i, k) as f32)).collect();
    Basis::from_rows(d, rows, vec![1.0; q]).unwrap()
}

fn keeps_the_bound_on_directions_that_are_worst_for_f32_sums(engine: &dyn Engine) {
    for d in [3000, 8191, 12_000, 16_381] {
        let basis = hadamard(4, d);
        let grid = lorascope::similarity(engine, &basis, &basis).unwrap();
        let worst = Oracle::new(basis.rows(), basis.rows(), d).worst(grid.values());
        assert!(worst <= phi_bound(engine), "d = {d}: {worst:e}");
        println!("{}: worst |Δφ| of constant and Hadamard directions, d = {d}: {worst:.1e}", engine.info());
    }
}

fn keeps_the_bound_on_the_same_directions_however_long(engine: &dyn Engine) {
    // The lengths that rounding is worst for among some 20,000, one of each power of ten that an engine takes; and the width of
    // a vocabulary. A software driver takes half a minute for four million.
    let most = if engine.info().kind == EngineKind::Cpu { usize::MAX } else { 300_000 };
    let sizes = [(4, 5899), (4, 8422), (4, 16_623), (4, 24_029), (2, 128_256), (1, 270_248), (1, 2_949_255)];
    for (q, d) in sizes.into_iter().filter(|(_, d)| *d <= most) {
        let basis = hadamard(q, d);
        let grid = lorascope::similarity(engine, &basis, &basis).unwrap();
        let worst = Oracle::new(basis.rows(), basis.rows(), d).worst(grid.values());
        assert!(worst <= phi_bound(engine), "d = {d}: {worst:e}");
        println!("{}: worst |Δφ| of constant and Hadamard directions, d = {d}: {worst:.1e}", engine.info());
    }
    assert_eq!(engine.take_warnings(), [""; 0]);
}

fn keeps_the_bound_where_every_rounding_of_a_sum_goes_the_same_way(engine: &dyn Engine) {
    // Sums in slices of 128 columns, as the kernels take them, and of 192, as the CPU engine does.
    for (slice, d) in [(128, 8192), (128, 12_288), (192, 6144)] {
        let level = (1.0 / d as f64).sqrt() as f32;
        let (u, v) = (vec![level; d], rounding_down(level, slice, d));
        let [u, v] = [u, v].map(|row| Basis::from_rows(d, row, vec![1.0]).unwrap());
        let grid = lorascope::similarity(engine, &u, &v).unwrap();
        let worst = Oracle::new(u.rows(), v.rows(), d).worst(grid.values());
        assert!(worst <= phi_bound(engine), "slices of {slice}, d = {d}: {worst:e}");
        println!("{}: worst |Δφ| of roundings of one way, d = {d}: {worst:.1e}", engine.info());
    }
}

/// A vector near the constant one whose product with it, summed in slices of so many columns, loses nearly half a unit at every
/// step, within the slices and over them.
fn rounding_down(level: f32, slice: usize, d: usize) -> Vec<f32> {
    let unit = |x: f64| f64::from((x as f32).next_up()) - f64::from(x as f32);
    let down = |x: f64, unit: f64| ((x / unit).floor() + 0.49) * unit;
    let share = 1.0 / d as f64;
    let (mut row, mut total) = (vec![], 0f32);
    while row.len() < d {
        let mut sum = 0f32;
        for k in 0..slice {
            let mut wanted = share;
            if k + 1 == slice {
                // The slice as a whole, within half a unit of the total.
                let end = f64::from(sum) + share;
                wanted = (down(end, unit(f64::from(total) + end)) - f64::from(sum)).max(share / 2.0);
            }
            let unit = unit(f64::from(sum) + wanted);
            if unit < wanted {
                wanted = down(wanted, unit);
            }
            let x = (wanted / f64::from(level)) as f32;
            sum = (f64::from(sum) + f64::from(level) * f64::from(x)) as f32;
            row.push(x);
        }
        total += sum;
    }
    row.truncate(d);
    row
}

/// A basis of one vector, and one of the same vector and another, each of which agrees with it only where few look: in the last
/// tenth of the columns.
fn agreeing_at_the_end(d: usize) -> [Basis; 2] {
    let end = d - d / 10;
    let level = |n: usize| (1.0 / n as f64).sqrt() as f32;
    let first = (0..d).map(|k| level(d) * [1.0, -1.0][k % 3 % 2]).collect();
    let last: Vec<f32> =
        (0..d).map(|k| if k < end { 0.0 } else { level(d - end) * [1.0, -1.0][k % 3 % 2] }).collect();
    let alone: Vec<f32> = (0..d).map(|k| f32::from(u8::from(k + 1 == end))).collect();
    let basis = |rows: Vec<f32>| Basis::from_rows(d, rows.clone(), vec![1.0; rows.len() / d]).unwrap();
    [basis(first), basis([last, alone].concat())]
}

fn sees_every_column_of_long_rows(engine: &dyn Engine) {
    // Over 65,535 steps of any loop that takes a few columns at once.
    let d = 330_000;
    let [a, b] = agreeing_at_the_end(d);
    let grid = lorascope::similarity(engine, &a, &b).unwrap();
    let worst = Oracle::new(a.rows(), b.rows(), d).worst(grid.values());
    assert!((grid.phi(1, 1).unwrap() - 0.1).abs() < 1e-4, "{:?}", grid.values());
    assert!(worst <= phi_bound(engine), "{worst:e}");
    assert_eq!(engine.take_warnings(), [""; 0]);
}

fn keeps_the_bound_where_all_roundings_of_a_vector_turn_it_one_way(engine: &dyn Engine) {
    // Over 1 f16 has a step of 2⁻¹⁰: every second number falls by half a step, the others rise by as much. The second
    // vector stands at 45° in the plane of the first and its error, where cos² changes fastest; its own numbers are all
    // equal, so that rounding does not turn it.
    let half_step = 2.0f32.powi(-11);
    // So many that the first vector has norm 1.
    let d = (4096.0 / (1.0 + half_step).powi(2)) as usize;
    let first: Vec<f32> = (0..d).map(|k| (1.0 + half_step * [0.999, 1.001][k % 2]) / 64.0).collect();
    let second: Vec<f32> = (0..d).map(|k| [1.0 / (d as f32 / 2.0).sqrt(), 0.0][k % 2]).collect();
    let [first, second] = [first, second].map(|row| Basis::from_rows(d, row, vec![1.0]).unwrap());
    let grid = lorascope::similarity(engine, &first, &second).unwrap();
    let worst = Oracle::new(first.rows(), second.rows(), d).worst(grid.values());
    assert!(worst <= PHI_BOUND_F16, "{worst:e}");
    // The other half of the test: with a power of two for a scale the vectors are as bad as they are meant to be.
    let kept: Vec<f32> = first.rows().iter().map(|&value| half::f16::from_f32(value).to_f32()).collect();
    let phi = |u: &[f32], v: &[f32]| Oracle::new(u, v, d).phi(1, 1);
    let plain = phi(&kept, second.rows()) / phi(&kept, &kept).sqrt();
    assert!((plain - phi(first.rows(), second.rows())).abs() >= 4e-4, "{plain}");
    println!("{}: worst |Δφ| of roundings that turn one way: {worst:.1e}", engine.info());
}

fn keeps_the_bound_for_one_direction_next_to_many(engine: &dyn Engine) {
    // What rounding does to many vectors adds up along one direction, most in few dimensions, where the fewest roundings cancel.
    let mut overall = 0.0f64;
    for (q, d) in [(4, 4), (8, 8), (16, 16), (32, 32), (4, 8), (8, 16), (16, 32), (32, 64), (64, 64)] {
        for seed in 0..40 {
            let many = Basis::gaussian(q, d, 1000 * q as u64 + seed).unwrap();
            let one = Basis::gaussian(1, d, 7_000_000 + seed).unwrap();
            for (a, b) in [(&one, &many), (&many, &one)] {
                let grid = lorascope::similarity(engine, a, b).unwrap();
                let worst = Oracle::new(a.rows(), b.rows(), d).worst(grid.values());
                assert!(worst <= PHI_BOUND_F16, "1 and {q} of {d}: {worst:e}");
                overall = overall.max(worst);
            }
        }
    }
    println!("{}: worst |Δφ| of one direction next to many: {overall:.1e}", engine.info());
}

fn mends_what_rounding_does_to_a_vectors_length(engine: &dyn Engine) {
    // All numbers equal, and each rounded by 4e-4 of itself: without the norm of what is kept φ would be off by 1.6e-3.
    let d = 1009;
    let basis = hadamard(1, d);
    let grid = lorascope::similarity(engine, &basis, &basis).unwrap();
    assert!((f64::from(grid.values()[0]) - 1.0).abs() < 1e-6, "{}", grid.values()[0]);
}

fn is_the_same_for_vectors_of_any_size(engine: &dyn Engine) {
    // f16 ends at 65504 and at 6e-8; the scale of each row keeps far from both, and drops out of φ.
    let basis = Basis::gaussian(3, 77, 9).unwrap();
    let plain = lorascope::similarity(engine, &basis, &basis).unwrap();
    let sizes = [2.0f32.powi(30), 1.0, 2.0f32.powi(-40)];
    let rows = basis.rows().chunks(77).zip(sizes).flat_map(|(row, size)| row.iter().map(move |x| x * size));
    let scaled = Basis::from_rows(77, rows.collect(), vec![1.0; 3]).unwrap();
    let scaled = lorascope::similarity(engine, &scaled, &basis).unwrap();
    assert_eq!(plain.values(), scaled.values());
}

fn gives_each_pair_of_a_mixed_batch_its_own_grid(engine: &dyn Engine) {
    let bases: Vec<Basis> = [(1, 50), (64, 90), (65, 90), (8, 90), (70, 90), (3, 50)]
        .map(|(q, d)| Basis::gaussian(q, d, q as u64).unwrap())
        .into();
    let mut pairs = vec![];
    for a in &bases {
        pairs.extend(bases.iter().filter(|b| b.d() == a.d()).map(|b| Pair { a, b }));
    }
    let grids = engine.grids(&pairs).unwrap();
    assert_eq!(grids.len(), pairs.len());
    for (pair, grid) in pairs.iter().zip(&grids) {
        assert_eq!((grid.n_rows(), grid.n_cols()), (pair.a.q(), pair.b.q()));
        let worst = Oracle::new(pair.a.rows(), pair.b.rows(), pair.a.d()).worst(grid.values());
        assert!(worst <= phi_bound(engine), "{worst:e}");
    }
}

fn returns_no_grid_for_no_pair(engine: &dyn Engine) {
    assert!(engine.grids(&[]).unwrap().is_empty());
}

fn refuses_bases_of_different_dimensions(engine: &dyn Engine) {
    let (a, b) = (Basis::gaussian(2, 10, 0).unwrap(), Basis::gaussian(2, 11, 0).unwrap());
    let error = lorascope::similarity(engine, &a, &b).unwrap_err();
    assert!(matches!(error, Error::Invalid(_)));
    assert_eq!(error.to_string(), "pair: found bases in 10 and 11 dimensions, expected the same d for both");
}

fn paints_the_same_bytes_as_the_plain_loops(engine: &dyn Engine) {
    let palette = std::array::from_fn(|k| [k as u8, 255 - k as u8, (k as u8).wrapping_mul(7)]);
    let table = ColorTable::new(&palette, 0.0, 0.5).unwrap();
    for (n_rows, n_cols, width_px, height_px) in
        [(1, 1, 1, 1), (64, 64, 960, 960), (8, 64, 333, 41), (512, 512, 300, 300), (3, 7, 50, 20)]
    {
        // Every edge itself, its neighbours, and values past both ends.
        let values: Vec<f32> = (0..n_rows * n_cols)
            .map(|at| match at % 4 {
                0 => table.edges[at % 255],
                1 => table.edges[at % 255].next_down(),
                2 => table.edges[at % 255].next_up(),
                _ => at as f32 / (n_rows * n_cols) as f32 - 0.2,
            })
            .collect();
        let cells = Cells { n_rows, n_cols, values: &values };
        let third = height_px / 3;
        let bands = [
            Band::whole(width_px, height_px),
            Band { width_px, height_px, y_px: third, n_rows_px: height_px - third },
        ];
        for band in bands {
            let painted = engine.colormap(&cells, &table, &band).unwrap();
            assert!(painted == colormap(&cells, &table, &band), "{n_rows} × {n_cols}, {band:?}");
        }
    }
}

fn refuses_a_band_outside_its_panel(engine: &dyn Engine) {
    let table = ColorTable::new(&[[0; 3]; 256], 0.0, 1.0).unwrap();
    let cells = Cells { n_rows: 1, n_cols: 1, values: &[0.5] };
    let band = Band { width_px: 4, height_px: 4, y_px: 3, n_rows_px: 2 };
    assert!(matches!(engine.colormap(&cells, &table, &band), Err(Error::Invalid(_))));
}

fn answers_many_threads_at_once(engine: &dyn Engine) {
    let (a, b) = bases(8, 70, 100);
    let expected = lorascope::similarity(engine, &a, &b).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert_eq!(lorascope::similarity(engine, &a, &b).unwrap(), expected);
                }
            });
        }
    });
}
