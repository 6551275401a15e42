//! Numbers far from one, and factors of other shapes.

use std::collections::BTreeMap;

use crate::common::planted::{self, Planted};
use crate::common::scans::{Place, Row, ended};

/// Every statistic of every pair, the norms of the updates relative to the product of the two scales.
fn statistics(place: &Place, out: &str, scale: f64) -> Vec<BTreeMap<String, Option<f64>>> {
    let of_row = |row: &Row| {
        let columns = row
            .columns()
            .filter(|name| !["module", "projection", "shared_init", "other_base"].contains(name));
        let value = |name: &str| {
            let value = row.number(name);
            if name.starts_with("norm_") { value.map(|norm| norm / scale) } else { value }
        };
        columns.map(|name| (name.to_owned(), value(name))).collect()
    };
    place.table(out).iter().map(of_row).collect()
}

#[test]
fn factors_of_any_size_have_the_statistics_of_factors_near_one() {
    let place = Place::new();
    let scales =
        [(1.0, 1.0), (1e78, 1e78), (1e-78, 1e-78), (1e150, 1e150), (1e-150, 1e-150), (1e200, 1e-250)];
    for (number, (scale_a, scale_b)) in scales.into_iter().enumerate() {
        let base = Planted::random("layers.0.q_proj", 3, 40, 30, 1);
        let other = Planted::random("layers.0.q_proj", 3, 40, 30, 2);
        let mixed = Planted { a: &base.a + &other.a, b: &base.b - &other.b, ..base.clone() };
        for (name, module) in [("base", &base), ("other", &other), ("mixed", &mixed)] {
            let scaled = Planted {
                a: &module.a * faer::Scale(scale_a),
                b: &module.b * faer::Scale(scale_b),
                ..module.clone()
            };
            planted::write(&place.path(&format!("runs{number}/{name}")), &[scaled], 3.0);
        }
        for side in ["a", "b", "dw-right", "dw-left"] {
            let out = format!("out-{number}-{side}");
            place.done(&format!("runs{number} -o {out} --update --angles --side {side}"));
            let scale = scale_a * scale_b;
            let (found, expected) =
                (statistics(&place, &out, scale), statistics(&place, &format!("out-0-{side}"), 1.0));
            assert_eq!(found.len(), 3);
            for (found, expected) in found.iter().zip(&expected) {
                assert!(expected["cosine"].is_some() && expected["linear_cka"].unwrap() > 0.0);
                for (name, expected) in expected {
                    let near = match (found[name], *expected) {
                        (Some(x), Some(y)) => (x - y).abs() <= 1e-6 * y.abs().max(1.0),
                        (x, y) => x == y,
                    };
                    assert!(near, "{scale_a:e}, {side}, {name}: {:?} for {expected:?}", found[name]);
                }
            }
        }
        // The words for the pairs do not depend on it either.
        let place_of = |number: usize| place.path(&format!("out-{number}-a/relations.parquet")).exists();
        assert_eq!(place_of(number), place_of(0));
    }
}

#[test]
fn a_start_is_compared_only_with_one_of_its_shape() {
    let place = Place::new();
    // Widths that are not alike, with the same numbers in the same order as far as they go.
    let wide = Planted::random("layers.0.q_proj", 2, 60, 12, 5);
    let narrow = |seed: u64| {
        let other = Planted::random("layers.0.q_proj", 2, 40, 12, seed);
        let number = |i: usize, j: usize| wide.a[((i * 40 + j) / 60, (i * 40 + j) % 60)];
        Planted { a: faer::Mat::from_fn(2, 40, number), ..other }
    };
    planted::write(&place.path("runs/wide"), std::slice::from_ref(&wide), 2.0);
    planted::write(&place.path("runs/x"), &[narrow(6)], 2.0);
    planted::write(&place.path("runs/y"), &[narrow(7)], 2.0);
    for side in ["b", "dw-left"] {
        for update in ["", " --update"] {
            let out = format!("out-{side}{}", update.trim());
            place.done(&format!("runs -o {out} --side {side}{update}"));
            let adapters = place.adapters(&out);
            let path = |id: usize| adapters[id].text("path").unwrap();
            let mut n_null = 0;
            for row in place.table(&out) {
                let is_of_wide = [row.int("a"), row.int("b")].iter().any(|&id| path(id).ends_with("wide"));
                assert_eq!(row.number("init_cosine").is_none(), is_of_wide);
                assert_eq!(row.flag("shared_init"), Some(!is_of_wide));
                assert_eq!(row.number("z").is_some(), is_of_wide);
                n_null += usize::from(is_of_wide);
            }
            assert_eq!(n_null, 2);
        }
    }
}

#[test]
fn an_update_that_f64_does_not_hold_is_named_and_never_counted() {
    let place = Place::new();
    for (name, scale) in [("large", 1e200), ("small", 1e-200)] {
        for (n, seed) in [(1, 1), (2, 2)] {
            let module = |name: &'static str, seed: u64, scale: f64| {
                let planted = Planted::random(name, 3, 40, 30, seed);
                Planted { a: &planted.a * faer::Scale(scale), b: &planted.b * faer::Scale(scale), ..planted }
            };
            let beyond = module("layers.0.q_proj", seed, scale);
            let fine = module("layers.1.q_proj", seed + 10, 1.0);
            planted::write(&place.path(&format!("{name}/{n}")), &[beyond.clone(), fine], 3.0);
            planted::write(&place.path(&format!("only-{name}/{n}")), &[beyond], 3.0);
        }
        let run = |args: String| ended(&place.lorascope(&args).output().unwrap());
        for args in [
            format!("merge-check only-{name}/1 only-{name}/2"),
            format!("compare only-{name}/1 only-{name}/2 --side dw-left"),
        ] {
            let refused = run(args.clone());
            assert_eq!(refused.code, Some(1), "{args}: {}{}", refused.stdout, refused.stderr);
            let sign = if name == "large" { "" } else { "-" };
            let found = format!(": module `layers.0.q_proj`: found an update of numbers about 1e{sign}");
            assert!(refused.stderr.contains(&found), "{args}: {}", refused.stderr);
        }
        let flaw = format!("ΔW is too {name} for f64 in ");
        let merged = run(format!("merge-check {name}/1 {name}/2"));
        assert_eq!(merged.code, Some(0), "{}", merged.stderr);
        assert!(merged.stderr.contains(&flaw), "{}", merged.stderr);
        assert!(!merged.stdout.contains("layers.0") && !merged.stdout.contains("inf"), "{}", merged.stdout);
        let compared = run(format!("compare {name}/1 {name}/2 --engine cpu"));
        assert!(compared.code == Some(0) && compared.stderr.contains(&flaw), "{}", compared.stderr);
        assert!(!compared.stdout.contains("inf") && !compared.stdout.contains("NaN"), "{}", compared.stdout);
        let scanned = place.run(&format!("{name} -o out-{name} --side dw-right"));
        assert_eq!(scanned.code, Some(3), "{}", scanned.stderr);
        assert!(scanned.stderr.contains(&format!("ΔW is too {name} for f64")), "{}", scanned.stderr);
        assert_eq!(place.table(&format!("out-{name}")).len(), 1);
        let scanned = place.done(&format!("{name} -o out-{name}-a --update"));
        assert!(scanned.stderr.contains("no cosine"), "{}", scanned.stderr);
    }
}

#[test]
fn updates_of_other_shapes_are_said_to_be_of_other_shapes() {
    let place = Place::new();
    for (name, d_in) in [("a", 40), ("b", 50)] {
        let module = Planted::random("layers.0.q_proj", 3, d_in, 30, 1);
        planted::write(&place.path(name), &[module], 3.0);
    }
    let compared = ended(&place.lorascope("compare a b --side b --engine cpu").output().unwrap());
    assert_eq!(compared.code, Some(0), "{}", compared.stderr);
    assert!(compared.stdout.contains("unknown: the updates have different shapes"), "{}", compared.stdout);
}
