//! `merge_check` and `lorascope merge-check`: against dense ΔW, against reference values of real files, and its words.

mod common;

use std::process::Output;

use common::command::{self, folder, shown, text};
use common::files::data;
use common::planted::{Planted, adapter, random, write};
use faer::Mat;
use lorascope::merge_check::{MergeCheck, Word, merge_check, pairs};
use lorascope::{Adapter, Selection, Side};
use serde_json::Value;

/// How far a cosine, an overlap or an energy ratio may be off: products of orthonormal vectors in f32, summed in slices.
const BOUND: f64 = 1e-6;

/// Pair, layer, projection, cosine, norms, z, adjusted φ of the left and of the right space: dense numpy, f64.
type Reference = ([&'static str; 2], usize, &'static str, f64, [f64; 2], f64, f64, f64);

#[rustfmt::skip]
const REFERENCE: [Reference; 10] = [
    (["seed0-r64", "seed1-r64"], 0, "query", 0.1458988221, [7.250667171, 7.23813384], 56.02514768, 0.1647582581, 0.01923893085),
    (["seed0-r64", "seed1-r64"], 0, "value", 0.2002045416, [5.965088457, 6.155746696], 76.87854397, 0.1756785524, 0.04063626946),
    (["seed0-r64", "seed1-r64"], 2, "query", 0.1225606292, [6.251530918, 7.287423052], 47.06328162, 0.2079906485, 0.01569491927),
    (["seed0-r64", "seed1-r64"], 2, "value", 0.1817256557, [5.524969862, 6.108945613], 69.7826518, 0.1561194298, 0.02880245423),
    (["seed0-r64", "seed1-r64"], 5, "query", 0.4643372202, [14.53715187, 13.90914524], 178.3054925, 0.2009551054, 0.02918251685),
    (["seed0-r64", "seed1-r64"], 5, "value", 0.5890815204, [8.847878846, 8.792777607], 226.2073038, 0.375509427, 0.1175084325),
    (["seed0-r8", "seed1-r8"], 5, "query", 0.7071934857, [10.2343616, 9.852502614], 271.5622985, 0.2339251118, 0.1302808402),
    (["seed0-r8", "seed1-r8"], 5, "value", 0.4436891324, [5.44676307, 5.60126798], 170.3766269, 0.4972504271, 0.2963950041),
    (["seed0-r8", "seed0-r64"], 5, "query", 0.4803855741, [10.2343616, 14.53715187], 184.4680605, 0.5239703443, 0.1495013523),
    (["seed0-r8", "seed0-r64"], 5, "value", 0.4594584091, [5.44676307, 8.847878846], 176.4320291, 0.7524993986, 0.452201108),
];

fn check_with(adapters: &[Adapter], weights: &[f64]) -> MergeCheck {
    let modules = Selection::new().all().select_in_all(adapters, Side::A).unwrap();
    merge_check(adapters, &modules, weights, || ()).unwrap()
}

fn check(adapters: &[Adapter]) -> MergeCheck {
    check_with(adapters, &vec![1.0; adapters.len()])
}

#[test]
fn real_adapters_have_the_reference_values() {
    for (pair, layer, projection, cosine, norms, z, left, right) in REFERENCE {
        let adapters = pair.map(|name| Adapter::open(data(&format!("{name}-layer{layer}"))).unwrap());
        let check = check(&adapters);
        let module = check.modules.iter().find(|module| module.name.ends_with(projection)).unwrap();
        let close = |found: f64, expected: f64, bound: f64| {
            assert!(
                (found - expected).abs() < bound,
                "{pair:?} {layer} {projection}: {found} for {expected}"
            );
        };
        close(module.merge.cosine[0], cosine, BOUND);
        close(module.merge.z[0], z, BOUND * 384.0);
        close(module.overlap_left[0], left, BOUND);
        close(module.overlap_right[0], right, BOUND);
        for at in [0, 1] {
            close(module.merge.norms[at], norms[at], 1e-7 * norms[at]);
        }
    }
}

fn norm(matrix: &Mat<f64>) -> f64 {
    matrix.norm_l2()
}

fn inner(one: &Mat<f64>, other: &Mat<f64>) -> f64 {
    (0..one.ncols()).flat_map(|j| (0..one.nrows()).map(move |i| (i, j))).map(|at| one[at] * other[at]).sum()
}

/// φ at full ranks of the column spaces, by the dense SVD, corrected for chance.
fn overlap(one: &Mat<f64>, other: &Mat<f64>) -> f64 {
    let basis = |matrix: &Mat<f64>| {
        let svd = matrix.thin_svd().unwrap();
        let sigma: Vec<f64> = svd.S().column_vector().iter().copied().collect();
        let q = sigma.iter().filter(|x| **x > 1e-10 * sigma[0]).count();
        svd.U().subcols(0, q).to_owned()
    };
    let (u, v) = (basis(one), basis(other));
    let phi = (u.transpose() * &v).squared_norm_l2() / u.ncols().min(v.ncols()) as f64;
    let baseline = u.ncols().max(v.ncols()) as f64 / one.nrows() as f64;
    (phi - baseline) / (1.0 - baseline)
}

#[test]
fn every_number_is_the_one_of_the_dense_updates() {
    // Ranks 1 to over the tile's 256 columns, other ones in each adapter, and an update of lower rank than its factors.
    for (shape, ranks) in
        [((24, 40), vec![1, 3, 8, 17]), ((300, 280), vec![130, 64, 200, 5]), ((7, 9), vec![2, 2])]
    {
        let (d_in, d_out) = shape;
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut dense: Vec<[Mat<f64>; 2]> = vec![];
        let mut adapters = vec![];
        for (at, &r) in ranks.iter().enumerate() {
            let mut modules =
                [("m.0.q_proj", d_in, d_out), ("m.0.v_proj", d_out, d_in)].map(|(name, d_in, d_out)| {
                    Planted::random(name, r, d_in, d_out, 10 * at as u64 + d_in as u64)
                });
            if at == 2 {
                // The first column of B again, so that ΔW has one direction fewer.
                let b = modules[0].b.clone();
                modules[0].b = Mat::from_fn(d_out, r, |i, k| b[(i, if k == 1 { 0 } else { k })]);
            }
            // Adapters are alike in part.
            let common = Planted::random("", 1, d_in, d_out, 999);
            modules[0].a = Mat::from_fn(r, d_in, |k, j| modules[0].a[(k, j)] + 0.7 * common.a[(0, j)]);
            let alpha = 3.0 * (at + 1) as f64;
            let path = folder.path().join(format!("r{at}"));
            write(&path, &modules, alpha);
            dense.push(modules.map(|module| module.product() * faer::Scale(alpha / r as f64)));
            adapters.push(Adapter::open(path).unwrap());
        }
        let n = adapters.len();
        let weights: Vec<f64> = (0..n).map(|at| [0.5, -1.0, 2.0, 0.25][at]).collect();
        let found = check_with(&adapters, &weights);
        let close = |found: f64, expected: f64, what: &str| {
            let bound = BOUND * expected.abs().max(1.0);
            assert!((found - expected).abs() < bound, "{shape:?} {what}: {found} for {expected}");
        };
        let ratio = |parts: &[Mat<f64>]| {
            let sum = parts.iter().skip(1).fold(parts[0].clone(), |sum, part| sum + part);
            norm(&sum).powi(2) / parts.iter().map(|part| norm(part).powi(2)).sum::<f64>()
        };
        let most = |parts: &[Mat<f64>]| {
            parts.iter().map(norm).sum::<f64>().powi(2)
                / parts.iter().map(|part| norm(part).powi(2)).sum::<f64>()
        };
        for (m, module) in found.modules.iter().enumerate() {
            let updates: Vec<&Mat<f64>> = dense.iter().map(|both| &both[m]).collect();
            for (at, [a, b]) in pairs(n).enumerate() {
                let (one, other) = (updates[a], updates[b]);
                let cosine = inner(one, other) / (norm(one) * norm(other));
                close(module.merge.cosine[at], cosine, "cosine");
                close(module.merge.z[at] / ((d_in * d_out) as f64).sqrt(), cosine, "z");
                close(module.overlap_left[at], overlap(one, other), "left");
                let [one, other] = [one, other].map(|x| x.transpose().to_owned());
                close(module.overlap_right[at], overlap(&one, &other), "right");
            }
            let parts: Vec<Mat<f64>> =
                updates.iter().zip(&weights).map(|(update, &weight)| *update * faer::Scale(weight)).collect();
            close(module.merge.energy_ratio, ratio(&parts), "energy");
            close(module.merge.most, most(&parts), "most");
            for (at, update) in updates.iter().enumerate() {
                close(module.merge.norms[at] / norm(update), 1.0, "norm");
            }
        }
        // The whole model: both updates, one over the other.
        let stacked: Vec<Mat<f64>> = dense
            .iter()
            .map(|[q, v]| {
                let v = v.transpose();
                Mat::from_fn(2 * d_out, d_in, |i, j| if i < d_out { q[(i, j)] } else { v[(i - d_out, j)] })
            })
            .collect();
        for (at, [a, b]) in pairs(n).enumerate() {
            let (one, other) = (&stacked[a], &stacked[b]);
            close(found.whole.cosine[at], inner(one, other) / (norm(one) * norm(other)), "whole cosine");
            let spread: f64 =
                [0, 1].map(|m| (norm(&dense[a][m]) * norm(&dense[b][m])).powi(2)).iter().sum::<f64>();
            let spread = (spread / (d_in * d_out) as f64).sqrt();
            assert!((found.whole.z[at] - inner(one, other) / spread).abs() < 1e-4, "{shape:?} whole z");
        }
        let parts: Vec<Mat<f64>> =
            stacked.iter().zip(&weights).map(|(update, &weight)| update * faer::Scale(weight)).collect();
        close(found.whole.energy_ratio, ratio(&parts), "whole energy");
    }
}

#[test]
fn z_of_independent_updates_has_mean_0_and_variance_1() {
    let adapters: Vec<Adapter> =
        (0..60).map(|seed| adapter("x", &[Planted::random("m.q_proj", 4, 30, 20, 1000 + seed)])).collect();
    let z = &check(&adapters).modules[0].merge.z;
    let mean = z.iter().sum::<f64>() / z.len() as f64;
    let variance = z.iter().map(|z| z * z).sum::<f64>() / z.len() as f64;
    // 1,770 pairs: a standard error of 0.024 of the mean, and 0.034 of the variance of normal numbers.
    assert!(mean.abs() < 0.12 && (variance - 1.0).abs() < 0.2, "{mean} {variance}");
}

fn module(seed: u64) -> Planted {
    Planted::random("m.0.q_proj", 4, 60, 50, seed)
}

fn word_of(modules: &[Planted]) -> (Word, String, f64) {
    let adapters: Vec<Adapter> =
        modules.iter().map(|module| adapter("x", std::slice::from_ref(module))).collect();
    let whole = check(&adapters).whole;
    (whole.verdict.word, whole.verdict.reason.to_string(), whole.energy_ratio)
}

#[test]
fn planted_relations_have_their_words() {
    let one = module(1);
    let refactorised = {
        // B·R and R⁻¹·A.
        let turn = random(4, 4, 77) + Mat::<f64>::identity(4, 4) * faer::Scale(3.0);
        use faer::linalg::solvers::DenseSolveCore as _;
        let inverse = turn.partial_piv_lu().inverse();
        Planted { a: &inverse * &one.a, b: &one.b * &turn, ..one.clone() }
    };
    // Rank 8 with zeros in the other half.
    let wider = Planted {
        a: Mat::from_fn(8, 60, |k, j| if k < 4 { one.a[(k, j)] } else { module(9).a[(k - 4, j)] }),
        b: Mat::from_fn(50, 8, |i, k| if k < 4 { one.b[(i, k)] } else { 0.0 }),
        ..one.clone()
    };
    let near = Planted { b: &one.b + random(50, 4, 5) * faer::Scale(2e-3), ..one.clone() };
    let far = Planted { b: &one.b + random(50, 4, 5) * faer::Scale(5e-2), ..one.clone() };
    let half = {
        let b = random(50, 4, 6);
        Planted { b: &one.b + b * faer::Scale(1.0), ..one.clone() }
    };
    let redundant = |reason: &str, energy: f64| (Word::Redundant, reason.to_owned(), energy);
    let close = |found: (Word, String, f64), expected: (Word, String, f64)| {
        assert_eq!((found.0, &found.1), (expected.0, &expected.1));
        assert!((found.2 - expected.2).abs() < 2e-6, "{found:?} for {expected:?}");
    };
    let of = |other: &Planted| word_of(&[one.clone(), other.clone()]);
    close(of(&one), redundant("2 is 1.000 × 1", 2.0));
    close(of(&refactorised), redundant("2 is 1.000 × 1", 2.0));
    close(of(&wider), redundant("2 is 1.000 × 1", 2.0));
    close(of(&one.times(2.0)), redundant("2 is 2.000 × 1", 9.0 / 5.0));
    close(of(&one.times(-1.0)), (Word::Cancelling, "2 is -1.000 × 1".to_owned(), 0.0));
    close(of(&one.times(-0.5)), (Word::Cancelling, "2 is -0.500 × 1".to_owned(), 0.2));
    assert_eq!(of(&near).0, Word::Redundant);
    assert_eq!(of(&far).0, Word::Reinforcing);
    assert_eq!(of(&half).0, Word::Reinforcing);
    assert_eq!(of(&half.times(-1.0)).0, Word::Cancelling);
    assert_eq!(of(&module(2)).0, Word::Independent);
    assert!((of(&module(2)).2 - 1.0).abs() < 0.1);
    let (word, reason, _) = of(&module(2).times(4.0));
    assert!(word == Word::OneDominates && reason.starts_with("the norm of 2 is "), "{reason}");
    let (word, reason, energy) = of(&one.times(0.0));
    assert_eq!((word, reason.as_str(), energy), (Word::OneDominates, "only 1 changes anything", 1.0));
    let nothing = word_of(&[one.times(0.0), module(2).times(0.0)]);
    assert!(nothing.0 == Word::NoUpdate && nothing.1 == "no adapter changes anything" && nothing.2.is_nan());
    // Among many, the pair that matters is named.
    let (word, reason, _) = word_of(&[module(2), one.clone(), module(3), one.times(-1.0)]);
    assert_eq!((word, reason.as_str()), (Word::Cancelling, "4 is -1.000 × 2"));
    // Opposite weights turn a copy into its negation.
    let both = ["x", "y"].map(|label| adapter(label, std::slice::from_ref(&one)));
    let opposite = check_with(&both, &[1.0, -0.5]).whole;
    assert_eq!((opposite.verdict.word, opposite.cosine[0] > 0.999), (Word::Cancelling, true));
    assert_eq!(opposite.verdict.reason.to_string(), "2 is -0.500 × 1");
}

#[test]
fn weights_that_cannot_be_are_refused() {
    let adapters = [adapter("x", &[module(1)]), adapter("y", &[module(2)])];
    let modules = Selection::new().all().select_in_all(&adapters, Side::A).unwrap();
    for weights in [vec![1.0], vec![1.0, 0.0], vec![1.0, f64::NAN], vec![1.0; 3]] {
        let error = merge_check(&adapters, &modules, &weights, || ()).unwrap_err().to_string();
        assert!(error.starts_with("weights: found "), "{error}");
    }
}

#[test]
fn updates_of_other_shapes_and_lone_adapters_are_refused() {
    let select = |adapters: &[Adapter]| Selection::new().all().select_in_all(adapters, Side::A);
    let adapters = [adapter("x", &[module(1)]), adapter("y", &[Planted::random("m.0.q_proj", 4, 60, 51, 2)])];
    let modules = select(&adapters).unwrap();
    let error = merge_check(&adapters, &modules, &[1.0, 1.0], || ()).unwrap_err().to_string();
    assert_eq!(error, "y: module `m.0.q_proj`: found 51 × 60, expected 50 × 60 as in x");
    let error = select(&adapters[..1]).unwrap_err().to_string();
    assert_eq!(error, "x: found 1 adapter, expected two or more");
}

fn run(args: &[&str]) -> Output {
    command::run("merge-check", args)
}

#[test]
fn a_missing_alpha_modules_of_some_and_bad_files_are_said() {
    let place = folder();
    let path = |name: &str| place.path().join(name);
    let other = Planted::random("m.1.v_proj", 4, 60, 50, 8);
    write(&path("runs/a"), &[module(1), other.clone()], 8.0);
    write(&path("runs/b"), &[module(2)], 8.0);
    std::fs::create_dir_all(path("runs/c")).unwrap();
    std::fs::write(path("runs/c/lone.safetensors"), common::planted::bytes(&[module(3), other])).unwrap();
    std::fs::write(path("runs/cut.safetensors"), b"\x10\0\0\0\0\0\0\0{}").unwrap();
    let output = run(&[shown(&path("runs"))]);
    assert_eq!(output.status.code(), Some(3));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("note: left out: 1 module that is not in all adapters: `m.1.v_proj`"),
        "{stderr}"
    );
    assert!(
        stderr
            .contains("lone.safetensors: the files do not determine the scaling (no alpha), so 1 is assumed"),
        "{stderr}"
    );
    assert!(stderr.contains("error: ") && stderr.contains("cut.safetensors"), "{stderr}");
    let stdout = text(&output.stdout);
    assert!(
        stdout.contains("whole model as one update: independent (")
            && stdout.contains("modules: 1 independent"),
        "{stdout}"
    );

    let output = run(&[shown(&path("runs/a")), shown(&path("runs/b")), "--json", "-q", "--weights", "1,-2"]);
    assert!(output.status.success() && output.stderr.is_empty());
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&document["schema"], &document["weights"][1]), (&1.into(), &(-2.0).into()));
    assert_eq!(document["left_out"][0], "m.1.v_proj");
    let module = &document["modules"][0];
    assert_eq!((&module["word"], &module["cosine"][1][1]), (&"independent".into(), &1.0.into()));
    assert_eq!((&module["cosine"][0][1], &module["z"][0][0]), (&module["cosine"][1][0], &Value::Null));
    assert!(module["reason"].as_str().unwrap().starts_with("1 and 2: cosine "));
    assert!(document["whole_model"]["energy_ratio"].as_f64().unwrap() > 0.8);

    for (weights, code) in [("1", 1), ("1,x", 2), ("1,0", 1)] {
        let output = run(&[shown(&path("runs/a")), shown(&path("runs/b")), "--weights", weights]);
        assert_eq!(output.status.code(), Some(code), "{weights}: {}", text(&output.stderr));
    }
}

/// The colours down a column of pixels with the numbers of pixels that they go on for.
fn runs_down(picture: &image::RgbImage, x: u32) -> Vec<([u8; 3], u32)> {
    let mut runs: Vec<([u8; 3], u32)> = vec![];
    for y in 0..picture.height() {
        let color = picture.get_pixel(x, y).0;
        match runs.last_mut() {
            Some((last, n)) if *last == color => *n += 1,
            _ => runs.push((color, 1)),
        }
    }
    runs
}

/// cosine 1 and −1 at the ends of the colours.
const RED: [u8; 3] = [180, 4, 38];
const BLUE: [u8; 3] = [59, 76, 192];

#[test]
fn the_picture_has_a_row_for_each_module_and_one_for_the_whole_model() {
    let place = folder();
    let other = Planted::random("m.1.q_proj", 2, 60, 50, 40);
    write(&place.path().join("a"), &[module(1), other.clone()], 4.0);
    write(&place.path().join("b"), &[module(1), other.times(-1.0)], 4.0);
    let png = place.path().join("x.png");
    let output = run(&[shown(place.path()), "-q", "-o", shown(&png), "--dpi", "72"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let picture = image::open(&png).unwrap().to_rgb8();
    // The first column of pixels that has a red cell: the one of the matrix, which the bar stands to the right of.
    let x = (0..picture.width())
        .find(|&x| runs_down(&picture, x).iter().any(|(color, n)| *color == RED && *n > 5))
        .unwrap();
    let runs = runs_down(&picture, x + 2);
    let cells: Vec<&([u8; 3], u32)> = runs.iter().filter(|(color, n)| *n > 5 && *color != [255; 3]).collect();
    assert_eq!((cells.len(), cells[0].0, cells[1].0), (3, RED, BLUE), "{runs:?}");
    assert!(cells.iter().all(|(_, n)| *n == cells[0].1), "{cells:?}");
    let [red, _, blue] = cells[2].0;
    assert!(red.abs_diff(blue) < 100, "the whole model's cosine is between: {cells:?}");
}

#[test]
fn many_pairs_are_drawn_as_a_matrix_of_adapters() {
    let place = folder();
    for at in 0..12 {
        write(&place.path().join(format!("run{at}")), &[module(at)], 4.0);
    }
    let png = place.path().join("x.png");
    let output = run(&[shown(place.path()), "-q", "-o", shown(&png), "--dpi", "72"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("and 46 more pairs with smaller cosines (--json has all)"));
    let picture = image::open(&png).unwrap().to_rgb8();
    // Only the diagonal is 1: one red cell in each of 12 columns, each further down.
    let tops: Vec<u32> = (0..picture.width())
        .filter_map(|x| {
            let mut y = 0;
            runs_down(&picture, x).into_iter().find_map(|(color, n)| {
                y += n;
                (color == RED && n > 20).then_some(y)
            })
        })
        .collect();
    let mut distinct = tops.clone();
    distinct.dedup();
    assert_eq!(distinct.len(), 12, "{tops:?}");
    assert!(distinct.is_sorted());
}

#[test]
#[cfg(unix)]
fn an_adapter_counts_once_by_all_of_its_names_and_as_often_as_one_is_repeated() {
    let dir = folder();
    for seed in 0..2 {
        write(&dir.path().join(format!("x{seed}")), &[Planted::random("q", 2, 8, 8, seed)], 2.0);
    }
    let at = |name: &str| dir.path().join(name);
    std::fs::hard_link(at("x0/adapter_model.safetensors"), at("hard.safetensors")).unwrap();
    std::os::unix::fs::symlink("x0", at("soft")).unwrap();
    let n_adapters = |command: &str, names: &[&str]| {
        let paths: Vec<std::path::PathBuf> = names.iter().map(|name| at(name)).collect();
        let args: Vec<&str> = paths.iter().map(|path| shown(path)).chain(["--json"]).collect();
        let output = command::run(command, &args);
        let json: Value =
            serde_json::from_str(text(&output.stdout)).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        json["adapters"].as_array().unwrap().len()
    };
    for command in ["merge-check", "shared"] {
        for other in ["x0/adapter_model.safetensors", "hard.safetensors", "soft", "./x0"] {
            assert_eq!(n_adapters(command, &[other, "x0", "x1"]), 2, "{command} {other}");
            assert_eq!(n_adapters(command, &["x0", "x1", other]), 2, "{command} {other}");
        }
        assert_eq!(n_adapters(command, &["x0", "x0", "x1"]), 3, "{command}");
    }
}
