//! Really trained updates next to the weights that they change, against numpy by the definitions.

use serde_json::Value;

use super::*;
use crate::adapter::{Adapter, Dtype, Side};
use crate::basis::range_finder::{HowMany, RangeFinder, SingularVectors};
use crate::basis::{Numbers, Wanted};

/// Each of eight modules: adapter, projection, the weight, and what numpy found.
fn modules() -> Vec<(String, Matrix, Value)> {
    let bytes = std::fs::read("tests/data/weights/query-value-f16.safetensors").unwrap();
    let weights = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let text = std::fs::read_to_string("tests/data/reference/against_base.json").unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let modules = expected["modules"].as_object().unwrap().iter().map(|(name, expected)| {
        let (adapter, projection) = name.split_once(' ').unwrap();
        let layer = adapter.rsplit_once("layer").unwrap().1;
        let tensor =
            weights.tensor(&format!("encoder.layer.{layer}.attention.self.{projection}.weight")).unwrap();
        let (numbers, _) = tensor.data().as_chunks::<2>();
        let values = numbers.iter().map(|&number| half::f16::from_le_bytes(number).to_f64()).collect();
        let w = Matrix { rows: tensor.shape()[0], cols: tensor.shape()[1], dtype: Dtype::F16, values };
        (name.clone(), w, expected.clone())
    });
    modules.collect()
}

/// Hands the update of such a module over.
fn with_update<T>(name: &str, work: impl FnOnce(Update<'_>) -> T) -> T {
    let (adapter, projection) = name.split_once(' ').unwrap();
    let adapter = Adapter::open(format!("tests/data/adapters/{adapter}")).unwrap();
    let module = adapter.modules().iter().find(|module| module.name.ends_with(projection)).unwrap();
    let numbers = Numbers::read(module, Side::DwRight, Wanted::Both).unwrap();
    work(numbers.update().unwrap_or_else(|_| panic!("{name}")))
}

fn close(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{what}: {found} for {expected}");
}

#[test]
fn all_that_is_measured_of_trained_updates_is_what_numpy_finds() {
    // By PEFT's definition, layers 2 and 5, query and value, of rank 64 and of rank 8. The unrounded weights have the same counts.
    let mut counts = vec![];
    for (name, w, expected) in modules() {
        let own = SingularVectors::of(&w).unwrap();
        with_update(&name, |update| {
            let vectors = SingularVectors::of_update(update).unwrap();

            let table = Table7::of(&w, &own, &vectors, &[1, 4, 8], 0).unwrap();
            close(table.norm_w, &expected["norm_w"], &name);
            close(table.norm_update, &expected["norm_update"], &name);
            for (row, expected) in table.rows.iter().zip(expected["table7"].as_array().unwrap()) {
                close(row.update.unwrap(), &expected[0], &name);
                close(row.own.unwrap(), &expected[1], &name);
                assert_eq!(row.amplification, Some(table.norm_update / row.update.unwrap()));
                assert!(row.is_above_noise);
            }

            let after = SingularVectors::of(&tuned(&w, update).unwrap()).unwrap();
            let intruders = Intruders::of(&own, &after, IntruderOptions::default()).unwrap();
            for (found, expected) in intruders.cosines.iter().zip(expected["cosines"].as_array().unwrap()) {
                close(*found, expected, &name);
            }
            assert_eq!((intruders.cosines.len(), intruders.n_undecided()), (10, 0));
            counts.push((name.clone(), intruders.count()));

            let map = LowRank::new(update).unwrap();
            let alignment = Alignment::of(&own, &map).unwrap();
            for (at, k) in [8, 64].into_iter().enumerate() {
                close(alignment.left[k - 1], &expected["left"][at], &name);
                close(alignment.right[k - 1], &expected["right"][at], &name);
            }
            assert_eq!(alignment.left.len(), 384);
            assert!((alignment.left[383] - 1.0).abs() < 1e-12 && (alignment.right[383] - 1.0).abs() < 1e-12);

            for (at, phi) in WeightPhi::of(&own, &vectors, &[8], 0).unwrap().iter().enumerate() {
                close(phi.top.unwrap(), &expected["phi_top"][at], &name);
                close(phi.bottom.unwrap(), &expected["phi_bottom"][at], &name);
            }

            let facts = UpdateFacts::of(own.norm(), &vectors);
            let k = [facts.k90, facts.k95, facts.k99].map(Option::unwrap);
            assert_eq!(k.map(Value::from).to_vec(), *expected["k"].as_array().unwrap(), "{name}");
            close(facts.stable_rank.unwrap(), &expected["stable_rank"], &name);
            close(facts.effective_rank.unwrap(), &expected["effective_rank"], &name);
        });
    }
    let expected = [
        ("seed0-r64-layer2 query", 0),
        ("seed0-r64-layer2 value", 1),
        ("seed0-r64-layer5 query", 1),
        ("seed0-r64-layer5 value", 7),
        ("seed0-r8-layer2 query", 0),
        ("seed0-r8-layer2 value", 1),
        ("seed0-r8-layer5 query", 1),
        ("seed0-r8-layer5 value", 3),
    ];
    counts.sort();
    assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), count)));
}

#[test]
fn directions_from_a_search_give_the_same_within_its_tolerance() {
    let (name, w, expected) =
        modules().into_iter().find(|(name, ..)| name == "seed0-r8-layer5 value").unwrap();
    let search =
        |map: &dyn LinearMap, n| SingularVectors::from(&RangeFinder::new(HowMany::Top(n)).find(map).unwrap());
    with_update(&name, |update| {
        let (own, vectors) = (search(&w, 128), search(&LowRank::new(update).unwrap(), 8));
        let after = search(&tuned(&w, update).unwrap(), 10);
        let table = Table7::of(&w, &own, &vectors, &[8, 200], 0).unwrap();
        let found = table.rows[0].update.unwrap() / expected["table7"][2][0].as_f64().unwrap();
        assert!((found - 1.0).abs() < 1e-3, "{found}");
        assert_eq!((table.rows[1].own, table.rows[1].update), (None, None));
        assert!(table.rows[1].random.is_some());
        // What a third of W's directions leaves open is said to be open.
        let intruders = Intruders::of(&own, &after, IntruderOptions::default()).unwrap();
        assert_eq!(intruders.count() + intruders.n_undecided(), 3);
        for (at, expected) in expected["cosines"].as_array().unwrap().iter().enumerate() {
            let (from, to) = (intruders.cosines[at] - 1e-3, intruders.at_most[at] + 1e-3);
            assert!((from..to).contains(&expected.as_f64().unwrap()), "{at}: {intruders:?}");
        }
        // φ with the weak directions needs them all.
        let phi = WeightPhi::of(&own, &vectors, &[8], 0).unwrap();
        assert!(phi.iter().all(|phi| phi.bottom.is_none() && phi.top.is_some()));
    });
}

#[test]
fn an_update_of_another_shape_is_refused() {
    let of = |rows, cols| Matrix { rows, cols, dtype: Dtype::F32, values: vec![1.0; rows * cols] };
    let (w, a, b) = (of(3, 4), of(1, 3), of(4, 1));
    let update = Update { a: &a, b: &b, scaling: 1.0 };
    let message = tuned(&w, update).unwrap_err().to_string();
    assert_eq!(message, "update of a weight: found 4 × 3, expected 3 × 4");
    let (own, vectors) = (SingularVectors::of(&w).unwrap(), SingularVectors::of_update(update).unwrap());
    for error in [
        Table7::of(&w, &own, &vectors, &[1], 0).unwrap_err(),
        WeightPhi::of(&own, &vectors, &[1], 0).unwrap_err(),
        Alignment::of(&own, &LowRank::new(update).unwrap()).unwrap_err(),
    ] {
        assert_eq!(error.to_string(), message);
    }
}
