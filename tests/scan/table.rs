//! Every number of the table against the definition, in f64 from the files themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use faer::Mat;
use half::{bf16, f16};
use lorascope::measure::{Column, Columns, Kind, STATISTICS, Statistic};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use crate::common::checkpoints::MIXED;
#[cfg(feature = "gpu")]
use crate::common::engines;
use crate::common::planted::{self, Planted};
use crate::common::scans::{Place, Row};

/// What an engine may be off by with f32 bases.
const PHI_BOUND: f64 = 1e-5;

/// Four standard deviations of the estimate of a cosine from 512 numbers: 4·√(2/512).
const COSINE_BOUND: f64 = 0.25;

/// A tensor of a file as (rows, cols) in f64.
fn matrix(file: &SafeTensors<'_>, name: &str) -> Option<Mat<f64>> {
    let view = file.tensor(name).ok()?;
    let (rows, cols) = (view.shape()[0], view.shape()[1]);
    let size = view.data().len() / (rows * cols);
    let number = |bytes: &[u8]| match view.dtype() {
        Dtype::F32 => f64::from(f32::from_le_bytes(bytes.try_into().unwrap())),
        Dtype::F16 => f16::from_le_bytes(bytes.try_into().unwrap()).to_f64(),
        Dtype::BF16 => bf16::from_le_bytes(bytes.try_into().unwrap()).to_f64(),
        other => panic!("{other:?}"),
    };
    let values: Vec<f64> = view.data().chunks(size).map(number).collect();
    Some(Mat::from_fn(rows, cols, |i, j| values[i * cols + j]))
}

/// One side of one module: singular values, and singular vectors as rows.
struct Space {
    d: usize,
    sigma: Vec<f64>,
    rows: Vec<Vec<f64>>,
    a: Vec<f64>,
    /// s·B·A, row by row.
    update: Vec<f64>,
}

impl Space {
    fn of(checkpoint: &Path, module: &str, side: &str) -> Option<Self> {
        let file = match checkpoint.is_dir() {
            true => checkpoint.join("adapter_model.safetensors"),
            false => checkpoint.to_owned(),
        };
        let bytes = fs::read(file).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let a = matrix(&file, &format!("base_model.model.{module}.lora_A.weight"))?;
        let b = matrix(&file, &format!("base_model.model.{module}.lora_B.weight"))?;
        let scaling = lorascope::Adapter::open(checkpoint).unwrap().module(module).unwrap().scaling;
        let update = &b * &a;
        let dense = (0..update.nrows()).flat_map(|i| (0..update.ncols()).map(move |j| (i, j)));
        let dense = dense.map(|at| scaling.unwrap_or(1.0) * update[at]).collect();
        let of = match side {
            "a" => a.clone(),
            "b" => b.transpose().to_owned(),
            "dw-right" => update,
            "dw-left" => update.transpose().to_owned(),
            other => panic!("{other}"),
        };
        let svd = of.thin_svd().unwrap();
        let (d, r) = (of.ncols(), a.nrows());
        let row = |k: usize| (0..d).map(|at| svd.V()[(at, k)]).collect();
        Some(Self {
            d,
            sigma: (0..r).map(|k| svd.S()[k]).collect(),
            rows: (0..r).map(row).collect(),
            a: (0..a.nrows()).flat_map(|i| (0..a.ncols()).map(move |j| (i, j))).map(|at| a[at]).collect(),
            update: dense,
        })
    }

    fn r(&self) -> usize {
        self.sigma.len()
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// ‖V₁[:, :i]ᵀ V₂[:, :j]‖²_F / min(i, j).
fn phi(u: &Space, v: &Space, i: usize, j: usize) -> f64 {
    let squares = u.rows[..i].iter().flat_map(|x| v.rows[..j].iter().map(|y| dot(x, y).powi(2)));
    squares.sum::<f64>() / i.min(j) as f64
}

/// Σᵢⱼ σᵢ²·τⱼ²·P²ᵢⱼ / √(Σσᵢ⁴·Στⱼ⁴).
fn linear_cka(u: &Space, v: &Space) -> f64 {
    let fourth = |space: &Space| space.sigma.iter().map(|sigma| sigma.powi(4)).sum::<f64>();
    let mut sum = 0.0;
    for (x, sigma) in u.rows.iter().zip(&u.sigma) {
        for (y, tau) in v.rows.iter().zip(&v.sigma) {
            sum += (sigma * tau * dot(x, y)).powi(2);
        }
    }
    sum / (fourth(u) * fourth(v)).sqrt()
}

/// Checks a row against the files that it is of.
fn check(row: &Row, u: &Space, v: &Space, what: &str) {
    let near = |found: f64, expected: f64, bound: f64, column: &str| {
        assert!((found - expected).abs() <= bound, "{what}: {column} {found}, expected {expected}");
    };
    let d = u.d as f64;
    assert_eq!([row.int("r_a"), row.int("r_b"), row.int("d")], [u.r(), v.r(), u.d], "{what}");
    assert_eq!([row.int("q_a"), row.int("q_b")], [u.r(), v.r()], "{what}");
    let full = u.r().min(v.r());
    for k in [1, 2, 4, 8] {
        let column = format!("phi_{k}");
        match row.number(&column) {
            Some(found) if k <= full => near(found, phi(u, v, k, k), PHI_BOUND, &column),
            found => assert!(found.is_none() && k > full, "{what}: {column} {found:?}"),
        }
    }
    assert!(row.columns().all(|column| !column.starts_with("phi_1") || column == "phi_1"), "{what}");
    near(row.number("phi_r").unwrap(), phi(u, v, full, full), PHI_BOUND, "phi_r");
    near(row.number("linear_cka").unwrap(), linear_cka(u, v), PHI_BOUND, "linear_cka");
    let phi_full = phi(u, v, u.r(), v.r());
    let chance = u.r().max(v.r()) as f64 / d;
    near(row.number("phi_full").unwrap(), phi_full, PHI_BOUND, "phi_full");
    near(row.number("baseline_full").unwrap(), chance, 1e-7, "baseline_full");
    let adjusted = (phi_full - chance) / (1.0 - chance);
    near(row.number("adjusted").unwrap(), adjusted, PHI_BOUND / (1.0 - chance), "adjusted");
    if u.update.len() == v.update.len() {
        let [norm_a, norm_b] = [u, v].map(|space| dot(&space.update, &space.update).sqrt());
        let cosine = dot(&u.update, &v.update) / (norm_a * norm_b);
        near(row.number("cosine").unwrap(), cosine, PHI_BOUND, "cosine");
        near(row.number("norm_a").unwrap() / norm_a, 1.0, 1e-6, "norm_a");
        near(row.number("norm_b").unwrap() / norm_b, 1.0, 1e-6, "norm_b");
        let z = cosine * (u.update.len() as f64).sqrt();
        near(row.number("cosine_z").unwrap(), z, PHI_BOUND * (u.update.len() as f64).sqrt(), "cosine_z");
    } else {
        assert_eq!(row.number("cosine"), None, "{what}");
    }
    let m = full as f64;
    near(row.number("baseline").unwrap(), m / d, 1e-7, "baseline");
    let cosine = dot(&u.a, &v.a) / (dot(&u.a, &u.a) * dot(&v.a, &v.a)).sqrt();
    let estimate = row.number("init_cosine");
    let shared_init = u.a.len() == v.a.len() && u.r() == v.r() && cosine > 0.5;
    assert_eq!(row.flag("shared_init"), Some(shared_init), "{what}: {cosine} {estimate:?}");
    if u.r() == v.r() {
        near(estimate.unwrap(), cosine, COSINE_BOUND, "init_cosine");
    } else {
        assert_eq!(estimate, None, "{what}");
    }
    let variance = 2.0 * (d - m) * (d - m) / (d * d * (d - 1.0) * (d + 2.0));
    match row.number("z") {
        None => assert!(shared_init, "{what}: no z"),
        Some(z) => {
            assert!(!shared_init, "{what}: z of one start");
            let expected = (phi(u, v, full, full) - m / d) / variance.sqrt();
            near(z, expected, PHI_BOUND / variance.sqrt() + 1e-6 * expected.abs(), "z");
        }
    }
}

/// Scans the mixed folder and checks every row; there is a row for each pair that has a module in one d, and no other.
fn agrees_with_the_definition(engine: &str) {
    for side in ["a", "b", "dw-right", "dw-left"] {
        let place = Place::mixed();
        place.done(&format!("runs -o out --update --side {side} {engine}"));
        let adapters = place.adapters("out");
        let paths: Vec<&str> = adapters.iter().map(|row| row.text("path").unwrap()).collect();
        assert_eq!(paths, MIXED);
        let bases: Vec<Option<&str>> = adapters.iter().map(|row| row.text("base_model")).collect();
        let mut spaces: BTreeMap<(usize, String), Option<Space>> = BTreeMap::new();
        let rows = place.table("out");
        let modules: BTreeSet<String> =
            rows.iter().map(|row| row.text("module").unwrap().to_owned()).collect();
        for (id, path) in paths.iter().enumerate() {
            for module in &modules {
                let space = Space::of(&place.path(path), module, side);
                spaces.insert((id, module.clone()), space);
            }
        }
        let mut expected = BTreeSet::new();
        for module in &modules {
            for a in 0..paths.len() {
                for b in a + 1..paths.len() {
                    let both = [a, b].map(|id| spaces[&(id, module.clone())].as_ref());
                    if let [Some(u), Some(v)] = both
                        && u.d == v.d
                    {
                        expected.insert((module.clone(), a, b));
                    }
                }
            }
        }
        let mut found = BTreeSet::new();
        for row in &rows {
            let (module, a, b) = (row.text("module").unwrap().to_owned(), row.int("a"), row.int("b"));
            let what = format!("side {side}, {module}, {} and {}", paths[a], paths[b]);
            let [u, v] = [a, b].map(|id| spaces[&(id, module.clone())].as_ref().unwrap());
            check(row, u, v, &what);
            let other_base = bases[a].zip(bases[b]).map(|(a, b)| a != b);
            assert_eq!(row.flag("other_base"), other_base, "{what}");
            assert!(found.insert((module, a, b)), "{what}: twice");
        }
        assert_eq!(found, expected, "side {side}");
    }
}

#[test]
fn agrees_with_the_definition_on_every_side_on_the_cpu() {
    agrees_with_the_definition("--engine cpu");
}

#[cfg(feature = "gpu")]
#[test]
fn agrees_with_the_definition_on_every_side_on_the_gpu() {
    if engines::gpu().is_some() {
        agrees_with_the_definition("--engine gpu --gpu 0");
    }
}

#[test]
fn keeps_the_cells_that_are_asked_for_and_null_where_a_pair_has_none() {
    let place = Place::mixed();
    place.done("runs -o cells --keep cells=1:1,2:3,8:4");
    place.done("runs -o diagonal --keep diagonal");
    place.done("runs -o grid --keep grid");
    let grids = place.table("grid");
    let mut n_null = 0;
    for (row, (cells, diagonal)) in
        grids.iter().zip(place.table("cells").iter().zip(&place.table("diagonal")))
    {
        let (q_a, q_b) = (row.int("q_a"), row.int("q_b"));
        let grid = row.list("phi");
        assert_eq!(grid.len(), q_a * q_b);
        let of = |i: usize, j: usize| (i <= q_a && j <= q_b).then(|| grid[(i - 1) * q_b + j - 1]);
        let near = |found: Option<f64>, i: usize, j: usize| match (found, of(i, j)) {
            (Some(found), Some(expected)) => assert!((found - expected).abs() <= PHI_BOUND, "({i}, {j})"),
            (found, expected) => assert_eq!(found, expected, "({i}, {j})"),
        };
        for (column, i, j) in [("phi_1", 1, 1), ("phi_2_3", 2, 3), ("phi_8_4", 8, 4)] {
            near(cells.number(column), i, j);
            n_null += usize::from(cells.number(column).is_none());
        }
        for k in 1..=8 {
            near(diagonal.number(&format!("phi_{k}")), k, k);
        }
        assert_eq!(row.number("phi_r"), cells.number("phi_r"));
    }
    assert!(n_null > 0 && grids.len() > 20);
}

#[test]
fn angles_are_those_between_the_two_spaces_smallest_first() {
    let place = Place::mixed();
    place.done("runs -o out --angles --keep grid");
    for row in place.table("out") {
        let full = row.int("q_a").min(row.int("q_b"));
        let angles: Vec<f64> = (1..=8).filter_map(|k| row.number(&format!("angle_{k}"))).collect();
        assert_eq!(angles.len(), full);
        assert!(angles.is_sorted());
        // The mean of their cos² is φ(q_a, q_b).
        let mean = angles.iter().map(|angle| angle.to_radians().cos().powi(2)).sum::<f64>() / full as f64;
        assert!((mean - row.list("phi").last().unwrap()).abs() <= PHI_BOUND, "{mean}");
    }
}

#[test]
fn the_real_adapters_have_the_numbers_of_compare() {
    let place = Place::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/adapters");
    let [a, b] = ["seed0-r64-layer5", "seed1-r64-layer5"].map(|name| data.join(name).display().to_string());
    place.done(&format!("{a} {b} -o out"));
    let compared = place.lorascope(&format!("compare {a} {b} --json --engine cpu")).output().unwrap();
    let compared: serde_json::Value = serde_json::from_slice(&compared.stdout).unwrap();
    let rows = place.table("out");
    assert_eq!(rows.len(), 2);
    for (row, module) in rows.iter().zip(compared["modules"].as_array().unwrap()) {
        assert_eq!(row.text("module"), module["name"].as_str());
        assert_eq!((row.int("layer"), row.int("r_a"), row.int("d")), (5, 64, 384));
        for (cell, k) in module["diagonal"].as_array().unwrap().iter().zip([1, 2, 4, 8, 16, 32, 64]) {
            let phi = row.number(&format!("phi_{k}")).unwrap();
            assert!((phi - cell["phi"].as_f64().unwrap()).abs() <= PHI_BOUND, "φ({k}, {k}): {phi}, {cell}");
        }
    }
    assert_eq!([rows[0].text("projection"), rows[1].text("projection")], [Some("q"), Some("v")]);
}

#[test]
fn compare_and_figure_have_every_statistic_that_the_table_has() {
    let place = Place::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/adapters");
    // Two seeds, of one rank and of two; then two steps of one run, whose start is one.
    for (first, second) in [
        ("seed0-r64-layer5", "seed1-r64-layer5"),
        ("seed0-r64-layer5", "seed1-r8-layer5"),
        ("trajectory/checkpoint-0", "trajectory/checkpoint-50"),
    ] {
        let [a, b] = [first, second].map(|name| data.join(name).display().to_string());
        let out = format!("out-{}", second.replace('/', "-"));
        place.done(&format!("{a} {b} -o {out} --angles --update"));
        let rows = place.table(&out);
        assert!(!rows.is_empty());
        for (command, list) in [("compare", "modules"), ("figure", "panels")] {
            let args = format!("{command} {a} {b} --json --angles --engine cpu");
            let output = place.lorascope(&args).output().unwrap();
            let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            for (row, pair) in rows.iter().zip(document[list].as_array().unwrap()) {
                STATISTICS.iter().for_each(|statistic| assert_shown(statistic, row, pair, &args));
            }
        }
    }
}

/// That a pair's JSON has what a row of the table has of a statistic.
fn assert_shown(statistic: &Statistic, row: &Row, pair: &serde_json::Value, what: &str) {
    match statistic.columns {
        Columns::Fixed(columns) | Columns::Optional { columns, .. } => {
            for Column { name, kind } in columns {
                let (what, found) = (format!("{what}: {name}"), &pair[name]);
                assert!(pair.as_object().unwrap().contains_key(*name), "{what}");
                match kind {
                    Kind::Bool | Kind::OptionalBool => assert_eq!(found.as_bool(), row.flag(name), "{what}"),
                    _ => {
                        let (found, expected) = (found.as_f64(), row.number(name));
                        assert_eq!(found.is_some(), expected.is_some(), "{what}");
                        let difference = found.zip(expected).map_or(0.0, |(x, y)| (x - y).abs());
                        // A scan estimates the cosine, and stores f32.
                        let bound = match *name {
                            "init_cosine" => COSINE_BOUND,
                            // `compare` has it in f64.
                            "cosine" | "cosine_z" => PHI_BOUND,
                            _ => 1e-6,
                        };
                        let size = expected.unwrap_or(0.0).abs().max(1.0);
                        assert!(difference <= bound * size, "{what}: {found:?} for {expected:?}");
                    }
                }
            }
        }
        Columns::Family { .. } if statistic.key == "angles" => {
            let angles: Vec<f64> =
                pair["angles"].as_array().unwrap().iter().map(|angle| angle.as_f64().unwrap()).collect();
            assert_eq!(angles.len(), row.int("q_a").min(row.int("q_b")), "{what}");
            for (k, angle) in (1..).zip(angles) {
                let expected = row.number(&format!("angle_{k}")).unwrap();
                assert!((angle - expected).abs() < 1e-9, "{what}: {angle} for {expected}");
            }
        }
        // The diagonal and the whole grid have keys of their own.
        Columns::Family { .. } => assert!(["cells", "phi"].contains(&statistic.key), "{what}"),
    }
}

#[test]
fn a_start_is_decided_by_the_exact_cosine_near_the_threshold() {
    let place = Place::new();
    let q = Planted::random("q_proj", 4, 64, 32, 1);
    let noise = |seed: u64| {
        let other = Planted::random("q_proj", 4, 64, 32, seed).a;
        // At right angles to q's A, and as long.
        let dot = |x: &Mat<f64>, y: &Mat<f64>| {
            x.col_iter().zip(y.col_iter()).map(|(x, y)| x.transpose() * y).sum::<f64>()
        };
        let along = dot(&other, &q.a) / dot(&q.a, &q.a);
        let across = &other - &q.a * faer::Scale(along);
        let length = (dot(&q.a, &q.a) / dot(&across, &across)).sqrt();
        across * faer::Scale(length)
    };
    planted::write(&place.path("runs/00"), std::slice::from_ref(&q), 8.0);
    let cosines: [f64; 10] = [0.31, 0.42, 0.47, 0.49, 0.499, 0.501, 0.51, 0.53, 0.58, 0.69];
    for (n, cosine) in cosines.iter().enumerate() {
        let across = noise(n as u64 + 10) * faer::Scale((1.0 - cosine * cosine).sqrt());
        let a = &q.a * faer::Scale(*cosine) + across;
        planted::write(&place.path(&format!("runs/{:02}", n + 1)), &[Planted { a, ..q.clone() }], 8.0);
    }
    for how in ["", "--no-cache"] {
        place.done(&format!("runs -o out{how} --engine cpu {how}"));
        let rows = place.table(&format!("out{how}"));
        let of_q: Vec<_> = rows.iter().filter(|row| row.int("a") == 0).collect();
        assert_eq!(of_q.len(), cosines.len());
        for (row, cosine) in of_q.into_iter().zip(cosines) {
            assert_eq!(row.flag("shared_init"), Some(cosine > 0.5), "{how} {cosine}");
            let found = row.number("init_cosine").unwrap();
            // Farther away it is an estimate.
            let bound = if (cosine - 0.5).abs() < 0.05 { 1e-6 } else { COSINE_BOUND };
            assert!((found - cosine).abs() < bound, "{how} {cosine}: {found}");
        }
    }
}
