//! Which tensors of a file become modules, and which files are refused for what they hold.

mod common;

use common::files::{complaint, container, data, zeros};
use lorascope::{Adapter, Dtype, Error, Method, Remedy};

const QUERY: &str = "encoder.layer.5.attention.self.query";

#[test]
fn opens_a_peft_folder() {
    let path = data("seed0-r64-layer5");
    let adapter = Adapter::open(&path).unwrap();
    assert_eq!(adapter.path(), path);
    assert_eq!(adapter.base_model(), Some("sentence-transformers/all-MiniLM-L6-v2"));
    let names: Vec<&str> = adapter.modules().iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names, [QUERY, "encoder.layer.5.attention.self.value"]);
    let query = adapter.module(QUERY).unwrap();
    assert_eq!((query.rank(), query.d_in(), query.d_out()), (64, 384, 384));
    assert_eq!((query.alpha, query.scaling), (Some(128.0), Some(2.0)));
    assert_eq!(
        (adapter.naming_scheme().to_string(), adapter.file_format().to_string()),
        ("PEFT".into(), "safetensors".into())
    );
    assert_eq!(query.a.name, format!("base_model.model.{QUERY}.lora_A.weight"));
    assert_eq!(query.a.path(), path.join("adapter_model.safetensors"));
    assert!(adapter.module("encoder.layer.5.attention.self.key").is_none());
}

#[test]
fn reads_the_numbers_that_the_safetensors_crate_reads() {
    let path = data("day21-r8/checkpoint-23");
    let bytes = std::fs::read(path.join("adapter_model.safetensors")).unwrap();
    let theirs = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let adapter = Adapter::open(&path).unwrap();
    assert_eq!(adapter.modules().len(), 4);
    for factor in adapter.modules().iter().flat_map(|module| [&module.a, &module.b]) {
        let ours = factor.read().unwrap();
        let view = theirs.tensor(&factor.name).unwrap();
        assert_eq!([ours.rows, ours.cols], view.shape());
        let raw: Vec<u8> = ours.values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect();
        assert_eq!(raw, view.data());
    }
}

#[test]
fn a_narrow_v_has_its_own_d_out_and_layers_are_in_natural_order() {
    let adapter = Adapter::open(data("day21-r8/checkpoint-69")).unwrap();
    let shapes: Vec<(&str, usize, usize)> = adapter
        .modules()
        .iter()
        .map(|module| (module.name.as_str(), module.d_in(), module.d_out()))
        .collect();
    assert_eq!(
        shapes,
        [
            ("layers.3.self_attn.q_proj", 896, 896),
            ("layers.3.self_attn.v_proj", 896, 128),
            ("layers.20.self_attn.q_proj", 896, 896),
            ("layers.20.self_attn.v_proj", 896, 128),
        ]
    );
}

#[test]
fn classifier_tensors_are_left_alone() {
    let adapter = Adapter::open(data("roberta-mrpc/checkpoint-230")).unwrap();
    assert_eq!(adapter.modules().len(), 4);
    assert!(adapter.modules().iter().all(|module| module.name.starts_with("encoder.layer.")));
}

#[test]
fn older_names_with_the_adapter_in_them_give_the_same_modules() {
    let plain = Adapter::open(data("seed0-r8-layer5")).unwrap();
    let named = Adapter::open(data("bare/seed0-r8-default.safetensors")).unwrap();
    assert_eq!(named.base_model(), None);
    for (x, y) in plain.modules().iter().zip(named.modules()) {
        assert_eq!(x.name, y.name);
        assert_eq!(y.b.name, format!("base_model.model.{}.lora_B.default.weight", x.name));
        assert_eq!(x.b.read().unwrap(), y.b.read().unwrap());
    }
}

#[test]
fn sixteen_bit_files_hold_the_same_numbers_within_half_a_unit() {
    let exact = Adapter::open(data("seed0-r8-layer5")).unwrap().module(QUERY).unwrap().a.read().unwrap();
    for (file, dtype, unit) in [
        ("bare/seed0-r8-f16.safetensors", Dtype::F16, 2f64.powi(-11)),
        ("bare/seed0-r8-bf16.safetensors", Dtype::Bf16, 2f64.powi(-8)),
    ] {
        let rounded = Adapter::open(data(file)).unwrap().module(QUERY).unwrap().a.read().unwrap();
        assert_eq!(rounded.dtype, dtype);
        assert_ne!(rounded.values, exact.values);
        for (x, y) in exact.values.iter().zip(&rounded.values) {
            // Below 2^-14 the steps of F16 stop shrinking.
            assert!((x - y).abs() <= unit * x.abs().max(2f64.powi(-14)), "{x} became {y} in {file}");
        }
    }
}

#[test]
fn factors_of_convolutions_are_flattened() {
    let bytes = zeros(&[("conv.lora_A.weight", &[8, 3, 5, 5]), ("conv.lora_B.weight", &[16, 8, 1, 1])]);
    let adapter = Adapter::from_bytes("x", bytes).unwrap();
    let module = adapter.module("conv").unwrap();
    assert_eq!((module.rank(), module.d_in(), module.d_out()), (8, 75, 16));
    assert_eq!(module.a.read().unwrap().values.len(), 8 * 75);
    let wrong = zeros(&[("conv.lora_A.weight", &[8, 3, 5, 5]), ("conv.lora_B.weight", &[16, 8, 3, 3])]);
    assert_eq!(
        complaint(wrong),
        "tensor `conv.lora_B.weight`: found shape [16, 8, 3, 3], expected a B of kernel size 1"
    );
}

#[test]
fn tensors_beside_the_pairs_are_left_out_and_counted() {
    let bytes = zeros(&[
        ("m.lora_A.weight", &[1, 2]),
        ("m.lora_B.weight", &[3, 1]),
        ("m.lora_B.bias", &[3]),
        ("m.lora_magnitude_vector", &[3]),
        ("classifier.weight", &[2, 3]),
    ]);
    let adapter = Adapter::from_bytes("x", bytes).unwrap();
    assert_eq!((adapter.modules().len(), adapter.n_other_tensors(), adapter.method()), (1, 1, Method::Dora));
    // B's bias is a part of the update.
    let left_out: Vec<_> =
        adapter.unread_parts().iter().map(|one| (one.name.as_str(), one.n_tensors)).collect();
    assert_eq!(left_out, [("m.lora_B.bias", 1)]);
}

#[test]
fn rejects_a_factor_without_its_partner() {
    assert_eq!(
        complaint(zeros(&[("base_model.model.m.lora_A.weight", &[1, 2])])),
        "module `base_model.model.m`: found only `base_model.model.m.lora_A.weight`, expected `base_model.model.m.lora_B.weight` next to it"
    );
}

#[test]
fn a_factor_without_its_partner_is_left_out_of_the_rest() {
    let bytes = zeros(&[
        ("k.lora_A.default.weight", &[1, 2]),
        ("k.lora_B.default.weight", &[2, 1]),
        ("m.lora_B.default.weight", &[2, 1]),
    ]);
    let adapter = Adapter::from_bytes("x", bytes).unwrap();
    assert_eq!(adapter.modules().len(), 1);
    let [one] = adapter.unread_parts() else { panic!("{:?}", adapter.unread_parts()) };
    assert_eq!((one.name.as_str(), one.reason.as_str()), ("m", "a factor without its partner"));
    assert_eq!(
        one.found.as_deref(),
        Some("found only `m.lora_B.default.weight`, expected `m.lora_A.default.weight` next to it")
    );
}

#[test]
fn rejects_factors_of_different_ranks() {
    assert_eq!(
        complaint(zeros(&[("m.lora_A.weight", &[8, 384]), ("m.lora_B.weight", &[384, 16])])),
        "module `m`: found `m.lora_A.weight` of shape [8, 384] and `m.lora_B.weight` of shape [384, 16], expected as many \
         rows in A as columns in B"
    );
}

#[test]
fn rejects_shapes_that_are_no_matrices() {
    for shape in [&[8][..], &[0, 384], &[8, 0], &[1, 1, 1, 1, 1, 1]] {
        let message = complaint(zeros(&[("m.lora_A.weight", shape), ("m.lora_B.weight", &[3, 8])]));
        assert!(
            message.starts_with(&format!(
                "tensor `m.lora_A.weight`: found shape {shape:?}, expected two dimensions"
            )),
            "{message}"
        );
    }
}

#[test]
fn two_modules_that_would_share_a_name_keep_their_original_ones() {
    let bytes = zeros(&[
        ("base_model.model.m.lora_A.weight", &[1, 2]),
        ("base_model.model.m.lora_B.weight", &[2, 1]),
        ("m.lora_A.weight", &[1, 2]),
        ("m.lora_B.weight", &[2, 1]),
        ("model.n.lora_A.weight", &[1, 2]),
        ("model.n.lora_B.weight", &[2, 1]),
    ]);
    let adapter = Adapter::from_bytes("x", bytes).unwrap();
    let names: Vec<&str> = adapter.modules().iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names, ["base_model.model.m", "m", "n"]);
}

#[test]
fn rejects_a_factor_that_is_there_twice() {
    assert_eq!(
        complaint(zeros(&[
            ("m.lora_A.weight", &[1, 2]),
            ("m.lora_B.weight", &[2, 1]),
            ("m.lora_embedding_A", &[1, 2]),
        ])),
        "module `m`: found `m.lora_A.weight` and `m.lora_embedding_A`, expected one of the two"
    );
}

#[test]
fn several_adapters_in_one_file_need_a_name() {
    let bytes = zeros(&[
        ("m.lora_A.style.weight", &[1, 2]),
        ("m.lora_A.weight", &[1, 2]),
        ("m.lora_B.default.weight", &[2, 1]),
    ]);
    let error = Adapter::from_bytes("x", bytes).unwrap_err();
    assert!(matches!(error, Error::Invalid(_)));
    assert_eq!(
        error.to_string(),
        "x: found 3 adapters (one without name, `default`, `style`), expected one adapter in a file"
    );
    assert_eq!(error.remedy(), Some(&Remedy::NameAdapter { first: "default".to_owned() }));
}

#[test]
fn rejects_a_full_model_with_a_few_of_its_names() {
    let names: Vec<String> =
        (0..6).map(|n| format!("encoder.layer.{n}.attention.self.query.weight")).collect();
    let tensors: Vec<(&str, &[usize])> = names.iter().map(|name| (name.as_str(), &[2, 2][..])).collect();
    let error = Adapter::from_bytes("x", zeros(&tensors)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "x: found 6 tensors and no LoRA factor among them (`encoder.layer.0.attention.self.query.weight`, \
         `encoder.layer.1.attention.self.query.weight`, `encoder.layer.2.attention.self.query.weight`, \
         `encoder.layer.3.attention.self.query.weight` and 2 more), expected LoRA factors, an A and a B for each module"
    );
    assert_eq!(
        error.hint().as_deref(),
        Some(
            "if this is a full or a merged model, give the adapter's own file, or its base model too, to compare what changed"
        )
    );
}

#[test]
fn rejects_a_file_without_tensors() {
    assert_eq!(
        complaint(container("{}", 0)),
        "found no tensors, expected LoRA factors, an A and a B for each module"
    );
}

#[test]
fn a_real_lokr_file_is_its_kronecker_product() {
    let path = data("bare/lycoris-lokr.safetensors");
    let adapter = Adapter::open(&path).unwrap();
    assert_eq!((adapter.naming_scheme().name(), adapter.method()), ("LyCORIS", Method::LoKr));
    let module = adapter.module("text_encoder.text_model.encoder.layers.0.mlp.fc1").unwrap();
    assert_eq!((module.d_out(), module.d_in(), module.rank()), (3072, 768, 16));
    let bytes = std::fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let stored = |end: &str| {
        let name = file.names().into_iter().find(|name| name.ends_with(end)).unwrap();
        let view = file.tensor(name).unwrap();
        let number = |bytes: &[u8]| half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f64();
        let values: Vec<f64> = view.data().chunks(2).map(number).collect();
        let cols = view.shape().get(1).copied().unwrap_or(1);
        move |i: usize, j: usize| values[i * cols + j]
    };
    let [a_1, b_1, a_2, b_2] = ["w1_a", "w1_b", "w2_a", "w2_b"].map(stored);
    // Of rank 4 each.
    let w_1 = |i, j| (0..4).map(|k| a_1(i, k) * b_1(k, j)).sum::<f64>();
    let w_2 = |i, j| (0..4).map(|k| a_2(i, k) * b_2(k, j)).sum::<f64>();
    let (a, b) = (module.a.read().unwrap(), module.b.read().unwrap());
    let mut largest: f64 = 0.0;
    let mut worst: f64 = 0.0;
    for (i, j) in (0..3072).step_by(7).flat_map(|i| (0..768).step_by(5).map(move |j| (i, j))) {
        let expected = w_1(i / 48, j / 24) * w_2(i % 48, j % 24);
        let found: f64 = (0..16).map(|k| b.values[i * 16 + k] * a.values[k * 768 + j]).sum();
        largest = largest.max(expected.abs());
        worst = worst.max((found - expected).abs());
    }
    assert!(worst < 1e-12 * largest, "{worst} {largest}");
}

#[test]
fn names_the_method_of_a_peft_folder_that_is_no_lora() {
    let folder = data("peft-unilora");
    let config = folder.join("adapter_config.json");
    let error = Adapter::open(&folder).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: peft_type: found `UNILORA`, expected LORA, ADALORA, LOHA, LOKR, VERA, VBLORA, C3A, MISS, BONE, RANDLORA, IA3, \
             OFT, BOFT, HRA, GLORA, HIRA, DELORA, SHIRA",
            config.display()
        )
    );
    assert_eq!(
        error.hint().as_deref(),
        Some("the projection of its vector is not in the file: a seed makes it")
    );
    let error = Adapter::open(folder.join("adapter_model.safetensors")).unwrap_err();
    assert!(error.to_string().contains("found 1 tensor of what seems Uni-LoRA"), "{error}");
}

#[test]
fn adaloras_e_must_fit_a() {
    let with_e = |shape: &[usize]| {
        complaint(zeros(&[("m.lora_A", &[2, 3]), ("m.lora_B", &[3, 2]), ("m.lora_E", shape)]))
    };
    assert_eq!(with_e(&[3, 1]), "module `m`: found `m.lora_E` of shape [3, 1], expected shape [2, 1]");
    assert_eq!(with_e(&[2, 2]), "module `m`: found `m.lora_E` of shape [2, 2], expected shape [2, 1]");
    let alone = complaint(zeros(&[("m.lora_E", &[2, 1])]));
    assert_eq!(alone, "module `m`: found only `m.lora_E`, expected `m.lora_A` next to it");
}

#[test]
fn a_number_that_is_not_finite_is_named_when_it_is_read() {
    for (value, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let mut bytes = zeros(&[("m.lora_A.weight", &[2, 3]), ("m.lora_B.weight", &[2, 2])]);
        let at = bytes.len() - (4 + 4) * 4;
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let adapter = Adapter::from_bytes("x", bytes).unwrap();
        let module = adapter.module("m").unwrap();
        let error = module.a.read().unwrap_err();
        assert!(matches!(error, Error::Malformed(_)));
        assert_eq!(
            error.to_string(),
            format!("x: tensor `m.lora_A.weight`: found {shown} at [0, 2], expected finite numbers")
        );
        assert_eq!(module.b.read().unwrap().values, [0.0; 4]);
    }
}
