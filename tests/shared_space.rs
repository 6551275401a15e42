//! `shared_space` and `lorascope shared`: against dense projectors, planted common spaces, and random ones.

mod common;

use std::process::Output;

use common::checkpoints::{Checkpoint, QUERY, VALUE};
use common::command::{self, folder, shown, text};
use common::planted::{Planted, adapter, random};
use faer::Mat;
use lorascope::shared_space::{N_FOLDS, SharedSpace, shared_space};
use lorascope::{Adapter, Basis, Selection, Side};
use serde_json::Value;

/// Bases are kept in f32.
const BOUND: f64 = 1e-6;

fn shared_of(adapters: &[Adapter], side: Side, k: Option<usize>) -> SharedSpace {
    let modules = Selection::new().all().select_in_all(adapters, side).unwrap();
    shared_space(adapters, &modules, side, k, || ()).unwrap()
}

/// V·Vᵀ of a module of an adapter.
fn projector(adapter: &Adapter, module: &str, side: Side) -> Mat<f64> {
    let basis = Basis::of(adapter.module(module).unwrap(), side).unwrap();
    let v = Mat::from_fn(basis.d(), basis.q(), |i, k| f64::from(basis.rows()[k * basis.d() + i]));
    &v * v.transpose()
}

/// Eigenvalues, falling, and the vectors as columns.
fn eigen(matrix: &Mat<f64>) -> (Vec<f64>, Mat<f64>) {
    let found = matrix.self_adjoint_eigen(faer::Side::Lower).unwrap();
    let n = matrix.nrows();
    let values = found.S().column_vector().iter().rev().copied().collect();
    (values, Mat::from_fn(n, n, |i, k| found.U()[(i, n - 1 - k)]))
}

fn mean<'a>(projectors: impl Iterator<Item = &'a Mat<f64>>) -> Mat<f64> {
    let all: Vec<&Mat<f64>> = projectors.collect();
    let sum = all.iter().skip(1).fold(all[0].clone(), |sum, one| sum + *one);
    sum * faer::Scale(1.0 / all.len() as f64)
}

/// The trace of P in the first k columns.
fn inside(vectors: &Mat<f64>, k: usize, p: &Mat<f64>) -> f64 {
    let u = vectors.subcols(0, k);
    let product = u.transpose() * p * u;
    (0..k).map(|at| product[(at, at)]).sum()
}

/// N adapters that are alike in part, of these ranks.
fn family(ranks: &[usize], d_in: usize, d_out: usize) -> Vec<Adapter> {
    let common = Planted::random("", 2, d_in, d_out, 500);
    let one = |(at, &r): (usize, &usize)| {
        let mut own = Planted::random("m.0.q_proj", r, d_in, d_out, 600 + at as u64);
        // Two directions are more or less those of all.
        for k in 0..r.min(2) {
            for j in 0..d_in {
                own.a[(k, j)] = 0.3 * own.a[(k, j)] + common.a[(k, j)];
            }
            for i in 0..d_out {
                own.b[(i, k)] = 0.5 * own.b[(i, k)] + common.b[(i, k)];
            }
        }
        adapter(&format!("x{at}"), &[own])
    };
    ranks.iter().enumerate().map(one).collect()
}

#[test]
fn every_number_is_the_one_of_the_dense_projectors() {
    // Fewer rows than dimensions, and more; other ranks; more adapters than groups.
    for (ranks, d_in, d_out, k) in [
        (vec![4, 4, 4], 40, 30, 4),
        (vec![1, 3, 8, 5], 24, 36, 3),
        (vec![6; 11], 30, 26, 6),
        (vec![4, 12], 50, 50, 12),
    ] {
        let adapters = family(&ranks, d_in, d_out);
        for side in Side::ALL {
            let shared = shared_of(&adapters, side, Some(k));
            let module = &shared.modules[0];
            let projectors: Vec<Mat<f64>> =
                adapters.iter().map(|adapter| projector(adapter, "m.0.q_proj", side)).collect();
            let (values, vectors) = eigen(&mean(projectors.iter()));
            let close = |found: f64, expected: f64, what: &str| {
                assert!((found - expected).abs() < BOUND, "{ranks:?} {side} {what}: {found} for {expected}");
            };
            assert_eq!(module.q, ranks);
            for (&found, &expected) in module.eigenvalues.iter().zip(&values) {
                close(found, expected, "eigenvalue");
            }
            assert!(values[module.eigenvalues.len()..].iter().all(|value| value.abs() < BOUND));
            assert_eq!(module.k, k);
            for (at, coverage) in module.coverage.iter().enumerate() {
                let q = ranks[at] as f64;
                close(coverage.of_all, inside(&vectors, k, &projectors[at]) / q, "coverage");
                let others = (0..ranks.len()).filter(|other| other % N_FOLDS != at % N_FOLDS);
                let (_, vectors) = eigen(&mean(others.map(|other| &projectors[other])));
                let n = coverage.k_held_out;
                close(coverage.held_out, inside(&vectors, n, &projectors[at]) / q, "held out");
                close(
                    coverage.chance,
                    n as f64 / side.d(adapters[0].module("m.0.q_proj").unwrap()) as f64,
                    "chance",
                );
            }
            // The directions are those of the mean projector, and orthonormal.
            let u = Mat::from_fn(module.d, k, |i, j| f64::from(module.directions[j * module.d + i]));
            let gram = u.transpose() * &u;
            let turned = u.transpose() * mean(projectors.iter()) * &u;
            for i in 0..k {
                close(turned[(i, i)], values[i], "direction");
                for j in 0..k {
                    close(gram[(i, j)], f64::from(u8::from(i == j)), "orthonormal");
                }
            }
        }
    }
}

#[test]
fn copies_share_all_of_their_space_and_need_no_more_directions_than_one_of_them() {
    let modules = [Planted::random("m.0.q_proj", 5, 60, 40, 3)];
    let copies: Vec<Adapter> = (0..4).map(|at| adapter(&format!("x{at}"), &modules)).collect();
    let shared = shared_of(&copies, Side::B, None);
    let module = &shared.modules[0];
    assert!(module.eigenvalues.len() == 5 && module.eigenvalues.iter().all(|x| (x - 1.0).abs() < BOUND));
    assert_eq!((module.k, module.n_above_chance), (5, Some(5)));
    assert_eq!([0.5, 0.9, 0.95, 0.99].map(|share| module.directions_for(share)), [3, 5, 5, 5]);
    assert!(module.coverage.iter().all(|one| one.held_out > 1.0 - BOUND && one.z.unwrap() > 20.0));
    // Any two of five equal directions are as good as others, so that all five are taken.
    assert_eq!(shared_of(&copies, Side::B, Some(2)).modules[0].k, 5);
}

#[test]
fn a_planted_common_space_is_found_and_nothing_else() {
    // Six adapters of rank 8: four directions are those of all, four are their own.
    let common = random(4, 200, 1);
    let adapters: Vec<Adapter> = (0..6u64)
        .map(|seed| {
            let mut module = Planted::random("m.0.q_proj", 8, 200, 200, 100 + seed);
            let mix = random(8, 4, 900 + seed);
            module.a = Mat::from_fn(8, 200, |k, j| {
                let shared: f64 = (0..4).map(|l| mix[(k, l)] * common[(l, j)]).sum();
                if k < 4 { shared } else { module.a[(k, j)] }
            });
            adapter("x", &[module])
        })
        .collect();
    let shared = shared_of(&adapters, Side::A, Some(4));
    let module = &shared.modules[0];
    assert!(module.eigenvalues[..4].iter().all(|x| (x - 1.0).abs() < BOUND), "{:?}", module.eigenvalues);
    assert_eq!(module.n_above_chance, Some(4));
    assert!(module.eigenvalues[4] < module.chance.as_ref().unwrap().threshold);
    for one in &module.coverage {
        assert!((one.held_out - 0.5).abs() < BOUND && one.z.unwrap() > 50.0 && !one.shared_init, "{one:?}");
    }
    // The directions span the planted space.
    for row in 0..4 {
        let x: Vec<f64> = (0..200).map(|j| common[(row, j)]).collect();
        let length: f64 = x.iter().map(|x| x * x).sum();
        let inside: f64 = module
            .directions
            .chunks_exact(200)
            .map(|u| u.iter().zip(&x).map(|(u, x)| f64::from(*u) * x).sum::<f64>().powi(2))
            .sum();
        assert!((inside / length - 1.0).abs() < BOUND, "{inside} of {length}");
    }
}

#[test]
fn random_adapters_share_what_chance_says() {
    let adapters: Vec<Adapter> = (0..12)
        .map(|seed| {
            let module = |name| Planted::random(name, 6, 120, 90, 3000 + seed);
            adapter("x", &[module("m.0.q_proj"), Planted { name: "m.0.v_proj", ..module("") }])
        })
        .collect();
    let shared = shared_of(&adapters, Side::A, None);
    let module = &shared.modules[0];
    let chance = module.chance.as_ref().unwrap();
    assert!(
        (module.eigenvalues[0] - chance.largest).abs() < 0.05,
        "{} {}",
        module.eigenvalues[0],
        chance.largest
    );
    assert_eq!(module.n_above_chance, Some(0));
    assert!(module.directions_for(0.9).abs_diff(chance.directions_for(0.9)) <= 1);
    let mean = module.coverage.iter().map(|one| one.held_out).sum::<f64>() / 12.0;
    assert!((mean - 0.05).abs() < 0.02, "{mean} for 6/120");
    assert!(module.coverage.iter().all(|one| one.z.unwrap().abs() < 4.0 && one.of_all > 2.0 * one.held_out));
    // Modules of one shape are compared with the same random spaces.
    assert_eq!(shared.modules[1].chance, module.chance);
}

#[test]
fn a_shared_start_is_marked_on_the_sides_that_it_decides() {
    let place = folder();
    let paths = [(1, 1), (2, 1), (3, 3)].map(|(seed, start)| {
        let path = place.path().join(format!("x{seed}"));
        Checkpoint::new(seed).start(start).write(&path);
        path
    });
    let adapters = paths.map(|path| Adapter::open(path).unwrap());
    for (side, marks) in
        [(Side::A, [true, true, false]), (Side::DwRight, [true, true, false]), (Side::B, [false; 3])]
    {
        let shared = shared_of(&adapters, side, None);
        for module in &shared.modules {
            let found: Vec<bool> = module.coverage.iter().map(|one| one.shared_init).collect();
            assert_eq!(found, marks, "{side}");
            assert!(module.coverage.iter().all(|one| one.z.is_none() == one.shared_init));
        }
    }
}

fn run(args: &[&str]) -> Output {
    command::run("shared", args)
}

#[test]
fn what_is_left_out_is_said_and_the_exit_code_is_3_for_a_bad_file() {
    let place = folder();
    let path = |name: &str| place.path().join(name);
    Checkpoint::new(1).write(&path("runs/a"));
    Checkpoint { untrained: vec!["v_proj"], ..Checkpoint::new(2) }.write(&path("runs/b"));
    Checkpoint::new(3).modules(&[QUERY, VALUE, ("layers.1.self_attn.q_proj", 24, 40)]).write(&path("runs/c"));
    let output = run(&[shown(&path("runs")), "--side", "b"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("note: left out: 1 module that is not in all adapters: `layers.1.self_attn.q_proj`"),
        "{stderr}"
    );
    let warning = format!(
        "warning: 1 of 2 modules left out: B is all zeros in {} (`layers.0.self_attn.v_proj`)",
        shown(&path("runs/b"))
    );
    assert!(stderr.lines().any(|line| line == warning), "{stderr}");
    let stdout = text(&output.stdout);
    assert!(stdout.contains("layers.0.self_attn.q_proj") && !stdout.contains("layers.1"), "{stdout}");

    let json = run(&[shown(&path("runs")), "--side", "b", "--json", "-q"]);
    let document: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&document["side"], document["adapters"].as_array().unwrap().len()), (&"b".into(), 3));
    assert_eq!(document["without_basis"][0]["module"], "layers.0.self_attn.v_proj");
    assert_eq!(document["left_out"][0], "layers.1.self_attn.q_proj");
    let module = &document["modules"][0];
    assert_eq!((&module["k"], &module["q"][0], &module["d"]), (&4.into(), &4.into(), &40.into()));
    assert_eq!(module["directions_for"][1]["share"], 0.9);
    assert!(module["chance"]["threshold"].as_f64() > module["chance"]["largest"].as_f64());
    assert!(module["directions"].is_null());

    std::fs::write(path("runs/cut.safetensors"), b"\x10\0\0\0\0\0\0\0{}").unwrap();
    let output = run(&[shown(&path("runs")), "-q"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("cut.safetensors"));
    // A module that no adapter can be compared in.
    let output = run(&[shown(&path("runs/a")), shown(&path("runs/b")), "--side", "b", "--module", "*v_proj"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("hint: "), "{}", text(&output.stderr));
}

#[test]
fn saved_directions_are_safetensors_with_orthonormal_rows_under_the_modules_names() {
    let place = folder();
    let file = place.path().join("shared.safetensors");
    let png = place.path().join("scree.png");
    let runs = ["seed0-r8-layer5", "seed1-r8-layer5", "seed0-r64-layer5"];
    let paths = runs.map(|run| format!("tests/data/adapters/{run}"));
    let args = [
        &paths[0],
        &paths[1],
        &paths[2],
        "--side",
        "b",
        "-k",
        "8",
        "--save",
        shown(&file),
        "-o",
        shown(&png),
    ];
    let output = run(&args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let bytes = std::fs::read(&file).unwrap();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let facts = metadata.metadata().as_ref().unwrap();
    assert_eq!((facts["side"].as_str(), facts["n_adapters"].as_str()), ("b", "3"));
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let names = ["query", "value"].map(|name| format!("encoder.layer.5.attention.self.{name}"));
    assert_eq!(tensors.len(), 2);
    for name in names {
        let tensor = tensors.tensor(&name).unwrap();
        assert_eq!((tensor.dtype(), tensor.shape()), (safetensors::Dtype::F32, &[8, 384][..]));
        let numbers: Vec<f64> = tensor
            .data()
            .chunks_exact(4)
            .map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap())))
            .collect();
        for (i, u) in numbers.chunks_exact(384).enumerate() {
            for (j, v) in numbers.chunks_exact(384).enumerate() {
                let dot: f64 = u.iter().zip(v).map(|(u, v)| u * v).sum();
                assert!((dot - f64::from(u8::from(i == j))).abs() < BOUND, "{name} {i} {j}: {dot}");
            }
        }
    }
    assert!(image::open(&png).unwrap().width() > 1000);
    let output = run(&[&paths[0], &paths[1], "--save", "x.npz"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("directions cannot be written as .npz; use .safetensors"));
}

#[test]
fn one_checkpoint_is_refused_and_no_common_module_too() {
    let run_of = |args: &[&str]| {
        let output = run(args);
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr).to_owned()
    };
    let error = run_of(&["tests/data/adapters/seed0-r8-layer5"]);
    assert_eq!(error, "error: tests/data/adapters/seed0-r8-layer5: found 1 adapter, expected two or more\n");
    let error = run_of(&["tests/data/adapters/seed0-r64-layer0", "tests/data/adapters/seed0-r64-layer5"]);
    assert!(error.contains("no module in common"), "{error}");
    assert!(run_of(&["tests/data/adapters/no-such"]).contains("no such file or directory"));
}
