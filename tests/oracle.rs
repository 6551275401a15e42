//! Real checkpoints against reference grids that numpy made by the definition, in f64.

mod common;

use std::path::Path;

use common::engines::phi_bound;
use common::oracle::Oracle;
use lorascope::engine::{Block, Engine, Pairs, UpdateBlock};
use lorascope::measure::PHI_FULL;
use lorascope::measure::adjusted::adjusted;
use lorascope::{Adapter, Basis, Side, Update, UpdateFactors};

on_every_engine!(
    agrees_with_the_reference_grids_in_every_cell,
    agrees_with_the_oracle_from_the_same_bases,
    at_full_rank_the_right_side_of_the_update_equals_side_a,
    agrees_with_the_reference_cosines_of_updates,
    agrees_with_the_reference_containments,
);

with_f16_bases!(agrees_with_the_reference_grids_in_every_cell, agrees_with_the_oracle_from_the_same_bases,);

/// A gap between neighbouring singular values that is clear, relative to the largest. Over a smaller one the vectors
/// are arbitrary, and so are single cells.
const CLEAR_GAP: f64 = 2e-8;

struct Reference {
    first: String,
    second: String,
    module: String,
    side: Side,
    file: String,
}

fn references() -> Vec<Reference> {
    let mut references = vec![];
    let mut add = |first: &str, second: &str, module: String, side: Side, file: Option<String>| {
        let label = format!("{first}_{second}_{module}_{side}").replace('/', "-");
        let file = file.unwrap_or(format!("phi_{label}.npy"));
        references.push(Reference { first: first.into(), second: second.into(), module, side, file });
    };
    for name in ["query", "value"] {
        let module = |layer: usize| format!("encoder.layer.{layer}.attention.self.{name}");
        // These came with the checkpoints, those of ΔW from the dense product.
        for (side, label) in [(Side::A, "A"), (Side::DwRight, "deltaW-right"), (Side::DwLeft, "deltaW-left")]
        {
            let given =
                |pair: &str, layer: usize| Some(format!("phi_{pair}_layer{layer}_{name}_{label}.npy"));
            for layer in [0, 2, 5] {
                let [first, second] = [0, 1].map(|seed| format!("seed{seed}-r64-layer{layer}"));
                add(&first, &second, module(layer), side, given("seed0-r64_seed1-r64", layer));
            }
            add("seed0-r8-layer5", "seed1-r8-layer5", module(5), side, given("seed0-r8_seed1-r8", 5));
            add("seed0-r8-layer5", "seed0-r64-layer5", module(5), side, given("seed0-r8_seed0-r64", 5));
        }
        add("seed0-r8-layer5", "seed1-r8-layer5", module(5), Side::B, None);
        add("seed0-r64-layer5", "seed1-r64-layer5", module(5), Side::B, None);
    }
    for side in [Side::A, Side::B] {
        for letter in ["q", "v"] {
            for (a, b) in [(2, 4), (4, 6), (6, 8), (8, 16)] {
                let module = format!("image_encoder.blocks.0.attn.{letter}");
                add(&format!("sam-rank{a}"), &format!("sam-rank{b}"), module, side, None);
            }
        }
        for name in ["query", "value"] {
            let module = format!("roberta.encoder.layer.10.attention.self.{name}");
            add("roberta-mrpc/checkpoint-230", "roberta-mrpc/checkpoint-460", module.clone(), side, None);
            add("torch/roberta-mnli.bin", "roberta-mrpc/checkpoint-460", module, side, None);
        }
        for name in ["q_proj", "v_proj"] {
            let module = format!("model.layers.20.self_attn.{name}");
            add("day21-r8/checkpoint-23", "day21-r8/checkpoint-69", module, side, None);
        }
    }
    references
}

/// Seen from the folder that tests run in, so that a test binary can be taken along with its data.
fn data() -> &'static Path {
    Path::new("tests/data")
}

fn basis(adapter: &str, module: &str, side: Side) -> Basis {
    let adapter = Adapter::open(data().join("adapters").join(adapter)).unwrap();
    Basis::of(adapter.module(module).unwrap(), side).unwrap()
}

/// The numbers of an .npy file of little-endian f64 in C order (format version 1: 10 bytes, then a header whose length
/// stands in the last two of them).
fn npy(file: &str) -> Vec<f64> {
    let bytes = std::fs::read(data().join("reference").join(file)).unwrap();
    assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00", "{file}");
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..start]).unwrap();
    assert!(header.contains("'<f8'") && header.contains("'fortran_order': False"), "{file}: {header}");
    bytes[start..].chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect()
}

/// k where the gap below the k-th singular value is clear, and where the values end.
fn is_clear(basis: &Basis, k: usize) -> bool {
    let sigma = basis.sigma();
    k == sigma.len() || (sigma[k - 1] - sigma[k]) / sigma[0] > CLEAR_GAP
}

fn agrees_with_the_reference_grids_in_every_cell(engine: &dyn Engine) {
    let references = references();
    assert_eq!(references.len(), 62);
    let mut overall = 0.0f64;
    for Reference { first, second, module, side, file } in references {
        let (a, b) = (basis(&first, &module, side), basis(&second, &module, side));
        for basis in [&a, &b] {
            let unclear: Vec<usize> = (1..=basis.q()).filter(|&k| !is_clear(basis, k)).collect();
            assert!(unclear.is_empty(), "{file}: unclear gaps at {unclear:?}");
        }
        let grid = lorascope::similarity(engine, &a, &b).unwrap();
        let expected = npy(&file);
        assert_eq!(grid.values().len(), expected.len(), "{file}");
        let differences = grid.values().iter().zip(&expected).map(|(x, y)| (f64::from(*x) - y).abs());
        let worst = differences.fold(0.0, f64::max);
        assert!(worst <= phi_bound(engine), "{file}: {worst:e}");
        overall = overall.max(worst);
    }
    println!("{}: worst |Δφ| of all reference grids: {overall:.1e}", engine.info());
}

fn agrees_with_the_oracle_from_the_same_bases(engine: &dyn Engine) {
    for Reference { first, second, module, side, file } in references() {
        let (a, b) = (basis(&first, &module, side), basis(&second, &module, side));
        let grid = lorascope::similarity(engine, &a, &b).unwrap();
        let worst = Oracle::new(a.rows(), b.rows(), a.d()).worst(grid.values());
        assert!(worst <= phi_bound(engine), "{file}: {worst:e}");
    }
}

fn at_full_rank_the_right_side_of_the_update_equals_side_a(engine: &dyn Engine) {
    for name in ["query", "value"] {
        let module = format!("encoder.layer.5.attention.self.{name}");
        let full = |side: Side| {
            let [a, b] = ["seed0-r8-layer5", "seed1-r8-layer5"].map(|run| basis(run, &module, side));
            lorascope::similarity(engine, &a, &b).unwrap().phi(8, 8).unwrap()
        };
        let (a, dw) = (full(Side::A), full(Side::DwRight));
        assert!((a - dw).abs() <= phi_bound(engine), "{name}: {a} against {dw}");
    }
}

/// A module of two checkpoints whose factors are here, and what numpy made of them by the definition.
struct UpdateReference {
    adapters: [Adapter; 2],
    module: String,
    expected: serde_json::Value,
}

impl UpdateReference {
    fn all() -> Vec<Self> {
        let text = std::fs::read_to_string(data().join("reference/update.json")).unwrap();
        let pairs: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let mut found = vec![];
        for pair in &pairs {
            for expected in pair["modules"].as_array().unwrap() {
                let module = expected["name"].as_str().unwrap().replace("encoder_layer_", "encoder.layer.");
                let module = module.replace("_attention_self_", ".attention.self.");
                let layer = module.split('.').nth(2).unwrap();
                let here = |key: &str| {
                    let name = format!("{}-layer{layer}", pair[key].as_str().unwrap());
                    let path = data().join("adapters").join(name);
                    path.exists().then(|| Adapter::open(path).unwrap())
                };
                if let (Some(a), Some(b)) = (here("a"), here("b")) {
                    found.push(Self { adapters: [a, b], module, expected: expected.clone() });
                }
            }
        }
        // Layers 0, 2 and 5 of r = 64, layer 5 of the two with r = 8, and layers 2 and 5 of r = 8 with 64.
        assert_eq!(found.len(), 6 + 2 + 4);
        found
    }

    fn number(&self, key: &str) -> f64 {
        self.expected[key].as_f64().unwrap()
    }
}

fn agrees_with_the_reference_cosines_of_updates(engine: &dyn Engine) {
    for reference in UpdateReference::all() {
        let factors = reference.adapters.each_ref().map(|adapter| {
            let module = adapter.module(&reference.module).unwrap();
            (module.a.read().unwrap(), module.b.read().unwrap(), module.scaling.unwrap())
        });
        let updates = factors.each_ref().map(|(a, b, scaling)| Update { a, b, scaling: *scaling });
        let exact = updates[0].pair(updates[1]);
        let [x, y] = updates.map(|update| UpdateFactors::of(update).unwrap());
        let block = UpdateBlock { a: &[&x], b: &[&y], pairs: Pairs::All };
        let cosine = f64::from(engine.update_cosines(&block).unwrap().values[0]);
        let near = |found: f64, key: &str, bound: f64| {
            let expected = reference.number(key);
            assert!((found - expected).abs() <= bound, "{}: {key} {found}, {expected}", reference.module);
        };
        near(cosine, "cosine", 1e-5);
        near(exact.cosine.unwrap(), "cosine", 1e-9);
        for (norm, key) in [(x.norm(), "norm_a"), (y.norm(), "norm_b")] {
            near(norm, key, 1e-7);
        }
        exact.norms.iter().zip(["norm_a", "norm_b"]).for_each(|(&norm, key)| near(norm, key, 1e-7));
        near(exact.cosine.unwrap() * (exact.n_weights as f64).sqrt(), "z", 1e-6);
    }
}

fn agrees_with_the_reference_containments(engine: &dyn Engine) {
    for reference in UpdateReference::all() {
        for (side, name) in [(Side::A, "a"), (Side::DwLeft, "dw-left")] {
            let [a, b] = reference
                .adapters
                .each_ref()
                .map(|adapter| Basis::of(adapter.module(&reference.module).unwrap(), side).unwrap());
            let block = Block { a: &[&a], b: &[&b], pairs: Pairs::All, cells: &[] };
            let stats = engine.pair_stats(&block).unwrap();
            let phi_full = f64::from(stats.pairs().next().unwrap().sum(PHI_FULL));
            let baseline = a.q().max(b.q()) as f64 / a.d() as f64;
            let found = [phi_full, adjusted(phi_full, baseline).unwrap()];
            for (found, key) in found.into_iter().zip(["phi_full", "adjusted"]) {
                let expected = reference.number(&format!("{key}_{name}"));
                let what = (&reference.module, key, side);
                assert!((found - expected).abs() <= 1e-5, "{what:?}: {found} for {expected}");
            }
        }
    }
}
