//! What changed of a base model: directions, and what is not compared.

use super::*;

#[test]
fn a_merged_lora_minus_its_base_has_the_loras_own_directions() {
    let dir = tempfile::tempdir().unwrap();
    let (lora, weights) = (Adapter::open(LORA).unwrap(), real());
    for (dtype, rounded) in [
        (Stored::F32, (|x| f64::from(x as f32)) as fn(f64) -> f64),
        (Stored::F16, |x| f16::from_f64(x).to_f64()),
        (Stored::BF16, |x| bf16::from_f64(x).to_f64()),
    ] {
        let [base, model] = ["base", "model"].map(|name| dir.path().join(format!("{name}{dtype:?}")));
        let (mut before, mut after) = (vec![], vec![]);
        let wrapped = [QUERY, VALUE].map(|name| (format!("{name}.weight"), format!("bert.{name}.weight")));
        for (at, name) in [QUERY, VALUE].into_iter().enumerate() {
            let module = lora.module(name).unwrap();
            let [a, b] = factors(module, weights[at].rows);
            let old: Vec<f64> = weights[at].values.iter().map(|&w| rounded(w)).collect();
            let new = merged(&old, &a, &b, module.scaling.unwrap());
            let shape = vec![weights[at].rows, weights[at].cols];
            before.push((wrapped[at].0.as_str(), shape.clone(), old));
            after.push((wrapped[at].1.as_str(), shape, new));
        }
        before.push(("encoder.layer.5.norm.weight", vec![384], vec![1.0; 384]));
        write_split(&base, dtype, &before);
        write_split(&model, dtype, &after);
        let change = trained(&model, &base, 64).unwrap();
        assert_eq!((change.modules().len(), change.path()), (2, model.as_path()));
        assert_eq!(change.unread_parts().iter().filter(|part| part.found.is_none()).count(), 0);
        for (at, name) in [QUERY, VALUE].into_iter().enumerate() {
            let (module, own) = (change.module(name).unwrap(), lora.module(name).unwrap());
            assert_eq!((module.full_rank(), module.rank()), (Some(240), 64));
            let [a, b] = factors(own, 240);
            let stored = |values: &[f64]| Matrix {
                values: values.iter().map(|&value| rounded(value)).collect(),
                dtype: match dtype {
                    Stored::F32 => Dtype::F32,
                    Stored::F16 => Dtype::F16,
                    _ => Dtype::Bf16,
                },
                ..weights[at].clone()
            };
            let dense = Dense::difference(&stored(&after[at].2), &stored(&before[at].2)).unwrap();
            let noise = crate::range_finder::LinearMap::noise(&dense);
            for side in [Side::DwRight, Side::DwLeft] {
                let found = Basis::of(module, side).unwrap();
                let expected = Basis::of_update(&a, &b, own.scaling, side).unwrap();
                // As many as are above the rounding, and these within it.
                let n_above = expected.sigma().iter().filter(|&&sigma| sigma > 3.0 * noise).count();
                assert!(
                    n_above > 0 && (n_above..=8).contains(&found.q()),
                    "{dtype:?}: {} of {n_above}",
                    found.q()
                );
                let least = found.sigma()[found.q() - 1];
                let bound = 2.0 * noise / least + 1e-6;
                let sine = outside(&found, &expected);
                assert!(sine < bound, "{dtype:?} {name} {side}: {sine:e} for {bound:e}");
                for (found, expected) in found.sigma().iter().zip(expected.sigma()) {
                    assert!(
                        (found - expected).abs() < 2.0 * noise,
                        "{found} for {expected}, noise {noise:e}"
                    );
                }
                if dtype == Stored::F32 {
                    assert_eq!((found.q(), found.n_uncertain()), (8, 0));
                    assert!(sine < 1e-5, "{sine:e}");
                } else {
                    let near = found.sigma().iter().filter(|&&sigma| sigma < 20.0 * noise).count();
                    assert!(found.n_uncertain() >= near);
                }
            }
        }
    }
}

#[test]
fn a_weight_that_is_in_memory_is_not_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let [base, model] = ["base", "model"].map(|name| dir.path().join(format!("{name}.safetensors")));
    write(&base, &[counting("l.0.q.weight", &[900, 1300]), counting("l.0.k.weight", &[900, 1300])]);
    let squares = (0..900 * 1300).map(|n| f64::from(n % 997).powi(2)).collect();
    write(&model, &[("l.0.q.weight", vec![900, 1300], squares)]);
    let weight = |path: &Path, name: &str| open(path).unwrap().weight(name).unwrap().unwrap();
    let opened = open(&base).unwrap();
    let [q, again, k] = ["l.0.q", "l.0.q", "l.0.k"].map(|name| opened.weight(name).unwrap().unwrap());
    let numbers = q.read().unwrap();
    let before = again.into_factor();
    assert!(q.is_of(&before) && !k.is_of(&before));
    // The same path, opened again, may be another file by now.
    assert!(!weight(&base, "l.0.q").is_of(&before));
    let after = weight(&model, "l.0.q").into_factor();
    let [stored, read] = [difference(&after, &before), difference_from(&after, &numbers)].map(Result::unwrap);
    assert!(stored.values() == read.values() && stored.values()[1300 * 899] != 0.0);
    let noise = |dense: &Dense<'_>| crate::range_finder::LinearMap::noise(dense);
    assert_eq!(noise(&stored), noise(&read));
}

#[test]
fn a_fine_tune_has_the_sides_of_its_update_only() {
    let dir = tempfile::tempdir().unwrap();
    let [base, model] = ["base", "model"].map(|name| dir.path().join(format!("{name}.safetensors")));
    write(&base, &[counting("l.0.q.weight", &[6, 5]), counting("l.0.k.weight", &[6, 5])]);
    let changed = ("l.0.q.weight", vec![6, 5], (0..30).map(|n| f64::from(n * n)).collect());
    write(&model, &[changed, counting("l.0.k.weight", &[6, 5])]);
    let change = trained(&model, &base, 3).unwrap();
    let module = change.module("l.0.q").unwrap();
    let error = Basis::of(module, Side::A).unwrap_err();
    assert!(
        error.to_string().ends_with("found a full fine-tune, whose update is not B·A, expected a factor A"),
        "{error}"
    );
    assert_eq!(error.remedy(), Some(&Remedy::CompareUpdate));
    assert_eq!(Basis::of(module, Side::DwLeft).unwrap().q(), 3);
    assert_eq!(change.method().to_string(), "full fine-tune");
    // What was not trained has no direction, and is said to be the base's.
    let same = change.module("l.0.k").unwrap();
    let flaw = |side| -> Flaw { Numbers::read(same, side, Wanted::Both).unwrap().basis(side).unwrap_err() };
    assert_eq!(flaw(Side::DwRight).reason(), "the weight is the base model's");
    assert!(flaw(Side::DwRight).is_without_direction());
}

#[test]
fn reading_one_factor_leaves_the_other_one_for_its_own_read() {
    let dir = tempfile::tempdir().unwrap();
    let [base, model] = ["base", "model"].map(|name| dir.path().join(format!("{name}.safetensors")));
    write(&base, &[("q.weight", vec![6, 5], vec![0.0; 30])]);
    write(&model, &[("q.weight", vec![6, 5], (0..30).map(|n| f64::from(n % 7)).collect())]);
    let module = Arc::clone(&trained(&model, &base, 2).unwrap().modules()[0]);
    let (a, b) = (module.a.read().unwrap(), module.b.read().unwrap());
    // Each took what the other one had left, and a second time both are made anew.
    fs::remove_file(&model).unwrap();
    assert!(module.b.read().is_err());
    write(&model, &[("q.weight", vec![6, 5], vec![0.0; 30])]);
    assert_eq!((a.rows, a.cols, b.rows, b.cols, a.dtype), (2, 5, 6, 2, Dtype::F32));
}

#[test]
fn directions_of_one_singular_value_are_uncertain() {
    let dir = tempfile::tempdir().unwrap();
    let [base, model] = ["base", "model"].map(|name| dir.path().join(format!("{name}.safetensors")));
    let n = 64;
    let diagonal = |value: &dyn Fn(usize) -> f64| -> Vec<f64> {
        (0..n * n).map(|at| if at / n == at % n { value(at / n) } else { 0.0 }).collect()
    };
    write(
        &base,
        &[("flat.weight", vec![n, n], vec![0.0; n * n]), ("steep.weight", vec![n, n], vec![0.0; n * n])],
    );
    write(
        &model,
        &[
            ("flat.weight", vec![n, n], diagonal(&|_| 1.0)),
            ("steep.weight", vec![n, n], diagonal(&|k| 0.5f64.powi(k as i32))),
        ],
    );
    let change = trained(&model, &base, 4).unwrap();
    for (name, n_uncertain) in [("flat", 4), ("steep", 0)] {
        let basis = Basis::of(change.module(name).unwrap(), Side::DwRight).unwrap();
        assert_eq!((basis.q(), basis.n_uncertain()), (4, n_uncertain), "{name}");
    }
}

#[test]
fn what_two_models_do_not_share_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let [base, model] = ["base", "model"].map(|name| dir.path().join(format!("{name}.safetensors")));
    write(
        &base,
        &[counting("a.weight", &[4, 4]), counting("b.weight", &[4, 4]), counting("c.weight", &[4, 4])],
    );
    write(
        &model,
        &[counting("a.weight", &[4, 4]), counting("b.weight", &[5, 4]), counting("d.weight", &[4, 4])],
    );
    let change = trained(&model, &base, 2).unwrap();
    let unread: Vec<(&str, &str)> =
        change.unread_parts().iter().map(|part| (part.name.as_str(), part.reason.as_str())).collect();
    assert_eq!(
        unread,
        [
            ("a", "all but the 2 strongest directions of a full fine-tune"),
            ("b", "a weight of another shape than the base model's"),
            ("c", "a weight that only the base model has"),
            ("d", "a weight that the base model does not have"),
        ]
    );
    let error = trained(&base, &base, 2).unwrap_err();
    assert!(error.to_string().contains("the base model itself"), "{error}");
    write(&model, &[counting("x.weight", &[4, 4])]);
    let error = trained(&model, &base, 2).unwrap_err();
    assert!(error.to_string().contains("no weight of the base model"), "{error}");
    // An adapter is one whatever the base is, and is not a base.
    assert_eq!(trained(LORA.as_ref(), &base, 2).unwrap().modules()[0].full_rank(), None);
    let file = format!("{LORA}/adapter_model.safetensors");
    assert!(message(file.as_ref()).ends_with("found an adapter, expected a full model"));
}

#[test]
fn a_large_difference_is_searched_for_its_strongest_directions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let (rows, cols) = (600, 520);
    let (b, a) = (crate::basis::gaussian_matrix(rows, 5, 1), crate::basis::gaussian_matrix(5, cols, 2));
    let change = merged(&vec![0.0; rows * cols], &a, &b, 1.0);
    write(&path, &[("lora_unet_down_blocks_0_attentions_0_proj_in.diff", vec![rows, cols], change)]);
    let adapter = Adapter::open(&path).unwrap();
    let module = &adapter.modules()[0];
    for side in [Side::DwRight, Side::DwLeft] {
        let (found, expected) =
            (Basis::of(module, side).unwrap(), Basis::of_update(&a, &b, None, side).unwrap());
        assert_eq!((found.q(), found.n_uncertain()), (5, 0));
        assert!(outside(&found, &expected) < 1e-5);
    }
    let made = module.a.made.as_ref().unwrap();
    assert_eq!(made.update.doubts().unwrap().n_determined, 5);
}
