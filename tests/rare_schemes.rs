//! Rarer naming schemes: files of the libraries that write them, and one adapter under two spellings.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::files::{complaint, zeros};
use common::planted::random;
use common::update::{check, expected, library};
use faer::Mat;
use lorascope::{Adapter, Basis, Error, Limits, Method, Side};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

/// Opens a file of a case, and compares names, shapes, spaces and singular values with the library's own ΔW.
fn agrees(case: &str, file: &str, naming_scheme: &str) -> Adapter {
    let adapter = Adapter::open(library(file)).unwrap();
    assert_eq!(adapter.naming_scheme().name(), naming_scheme, "{file}");
    check(&adapter, &expected(case));
    adapter
}

fn names(adapter: &Adapter) -> Vec<&str> {
    adapter.modules().iter().map(|module| module.name.as_str()).collect()
}

/// A tensor's name, shape and numbers.
type Stored = (String, Vec<usize>, Vec<f64>);

/// A safetensors file of F32 with these names, shapes and numbers.
fn stored(tensors: &[Stored]) -> Vec<u8> {
    let bytes: Vec<(&str, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, shape, values)| {
            let bytes = values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect();
            (name.as_str(), shape, bytes)
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| (*name, TensorView::new(Dtype::F32, (*shape).clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

fn matrix(name: impl Into<String>, matrix: &Mat<f64>) -> Stored {
    let (rows, cols) = matrix.shape();
    let values = (0..rows).flat_map(|i| (0..cols).map(move |j| matrix[(i, j)])).collect();
    (name.into(), vec![rows, cols], values)
}

fn open(tensors: &[Stored]) -> Adapter {
    Adapter::from_bytes("x.safetensors", stored(tensors)).unwrap()
}

/// A, (r, d_in), and B, (d_out, r), of one module.
fn pair(seed: u64, r: usize, d_in: usize, d_out: usize) -> [Mat<f64>; 2] {
    [random(r, d_in, 2 * seed), random(d_out, r, 2 * seed + 1)]
}

/// Both adapters have the same modules with the same numbers, so that every φ between them is 1.
#[track_caller]
fn assert_same(one: &Adapter, other: &Adapter) {
    assert_eq!(names(one), names(other));
    for (one, other) in one.modules().iter().zip(other.modules()) {
        for (ours, theirs) in [(&one.a, &other.a), (&one.b, &other.b)] {
            let (ours, theirs) = (ours.read().unwrap(), theirs.read().unwrap());
            assert_eq!((ours.rows, ours.cols), (theirs.rows, theirs.cols), "{}", one.name);
            assert!(ours.values == theirs.values, "{}: other numbers", one.name);
        }
    }
}

#[test]
fn litgpts_grouped_queries_have_their_true_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lit_model.pth.lora");
    fs::copy(library("litgpt/grouped.pth.lora"), &file).unwrap();
    // Without their sizes they are left out, and the rest is read.
    let adapter = Adapter::open(&file).unwrap();
    assert_eq!(names(&adapter), ["h.0.mlp.fc", "h.0.mlp.proj"]);
    let [part] = adapter.unread_parts() else { panic!("{:?}", adapter.unread_parts()) };
    assert_eq!((part.name.as_str(), part.n_tensors), ("transformer.h.0.attn.qkv", 2));
    assert!(
        part.reason.starts_with("q, k and v in one weight of LitGPT, whose sizes are in a model_config.yaml"),
        "{part:?}"
    );
    fs::write(folder.path().join("model_config.yaml"), "n_embd: 24\nn_head: 4\nhead_size: 6\n").unwrap();
    let adapter = Adapter::open(&file).unwrap();
    check(&adapter, &expected("litgpt-grouped"));
    let rows = |name: &str| adapter.module(name).unwrap().d_out();
    assert_eq!(["q", "k", "v"].map(|part| rows(&format!("h.0.attn.qkv.{part}"))), [24, 12, 12]);
    // The output of the attention has as many columns as q has rows.
    let adapter = agrees("litgpt-wide", "litgpt/wide.pth.lora", "loralib");
    let rows = |name: &str| adapter.module(name).unwrap().d_out();
    assert_eq!(["q", "v"].map(|part| rows(&format!("h.0.attn.qkv.{part}"))), [32, 16]);
}

#[test]
fn litgpts_yaml_files_have_its_scaling_its_groups_and_their_sizes() {
    // Qwen3 4B in small: q and v have twice as many rows as the model is wide, of which q's are not half.
    let path = "transformer.h.0.attn.qkv.lora_";
    let file = zeros(&[(&format!("{path}A"), &[6, 24][..]), (&format!("{path}B"), &[48, 3])]);
    let folder = tempfile::tempdir().unwrap();
    let open = |hyperparameters: &str, model_config: &str| {
        fs::write(folder.path().join("lit_model.pth.lora"), &file).unwrap();
        fs::write(folder.path().join("hyperparameters.yaml"), hyperparameters).unwrap();
        fs::write(folder.path().join("model_config.yaml"), model_config).unwrap();
        Adapter::open(folder.path().join("lit_model.pth.lora"))
    };
    let opened = |hyperparameters: &str, model_config: &str| {
        let adapter = open(hyperparameters, model_config).unwrap();
        let sizes = adapter.modules().iter().map(|module| (module.name.clone(), module.d_out()));
        (sizes.collect::<Vec<_>>(), adapter.modules()[0].scaling)
    };
    let part = |name: &str, rows| (format!("h.0.attn.qkv.{name}"), rows);
    let model = "head_size: 8\nn_embd: 24\nn_head: 4\nn_query_groups: 2\n";
    assert_eq!(opened("", model), (vec![part("q", 32), part("v", 16)], None));
    let said = "lora_alpha: 6\nlora_key: true\nlora_query: true\nlora_r: 3\nlora_value: false\n";
    assert_eq!(opened(said, model), (vec![part("k", 16), part("q", 32)], Some(2.0)));
    // k and v have one size, whatever q's is.
    let said = "lora_alpha: 6\nlora_key: true\nlora_query: false\nlora_value: true\n";
    assert_eq!(opened(said, ""), (vec![part("k", 24), part("v", 24)], Some(2.0)));
    // Without them, and with sizes that cannot be, nothing is guessed: two halves of 24 rows would not be q and v.
    for model in ["", "n_embd: 24\n", "n_head: 7\nhead_size: 7\n"] {
        let error = open("", model).unwrap_err();
        assert!(matches!(error, Error::Malformed(_)));
        assert!(error.to_string().ends_with(
            "module `transformer.h.0.attn.qkv`: found 2 groups with 48 rows of B for all, expected q, k and v of known sizes"
        ), "{error}");
        assert!(error.hint().unwrap().starts_with("put LitGPT's model_config.yaml next to the file"));
    }
}

#[test]
fn loralibs_fused_weights_of_vision_transformers_have_parts_of_one_size() {
    for (groups, parts) in [(2, &["q", "v"][..]), (3, &["k", "q", "v"])] {
        let file = zeros(&[
            ("blocks.3.attn.qkv.lora_A", &[4 * groups, 24]),
            ("blocks.3.attn.qkv.lora_B", &[24 * groups, 4]),
        ]);
        let adapter = Adapter::from_bytes("x", file).unwrap();
        let expected: Vec<_> = parts.iter().map(|part| format!("blocks.3.attn.qkv.{part}")).collect();
        assert_eq!(names(&adapter), expected);
        assert!(adapter.modules().iter().all(|module| module.d_out() == 24));
    }
}

#[test]
fn a_fused_weight_of_unknown_parts_is_not_cut_at_all() {
    let path = "transformer.h.0.attn.qkv.lora_";
    let tensors = [(format!("{path}A"), [6, 3584]), (format!("{path}B"), [6144, 3])];
    let tensors: Vec<_> = tensors.iter().map(|(name, shape)| (name.as_str(), &shape[..])).collect();
    assert_eq!(
        complaint(zeros(&tensors)),
        "module `transformer.h.0.attn.qkv`: found 2 groups with 6144 rows of B for all, expected q, k and v of known sizes"
    );
    let odd = zeros(&[("h.0.attn.c_attn.lora_A", &[6, 24]), ("h.0.attn.c_attn.lora_B", &[49, 3])]);
    assert_eq!(
        complaint(odd),
        "module `h.0.attn.c_attn`: found 2 groups with 49 rows of B for all, expected the same number for each"
    );
}

#[test]
fn adapterhubs_adapter_has_a_name_and_its_fused_weights_have_groups() {
    let adapter = agrees("adapterhub-bert", "adapterhub/bert/pytorch_adapter.bin", "AdapterHub");
    assert_eq!(adapter.adapter_name(), Some("mrpc"));
    assert_eq!(adapter.modules()[0].original, "encoder.layer.0.attention.self.query");
    let adapter = agrees("adapterhub-gpt2", "adapterhub/gpt2/pytorch_adapter.bin", "AdapterHub");
    assert_eq!(names(&adapter), ["h.0.attn.c_attn.q", "h.0.attn.c_attn.v"]);
}

#[test]
fn pefts_first_versions_adapt_some_of_q_k_and_v() {
    let adapter = agrees("peft02-gpt2", "peft02/gpt2", "PEFT");
    assert_eq!((adapter.modules()[0].alpha, adapter.modules()[0].scaling), (Some(6.0), Some(2.0)));
    // BLOOM interleaves its heads: a third of the rows is not q.
    let adapter = agrees("peft02-bloom", "peft02/bloom", "PEFT");
    assert_eq!(
        names(&adapter),
        ["h.0.self_attention.query_key_value.0", "h.0.self_attention.query_key_value.1"]
    );
}

#[test]
fn loralibs_groups_of_interleaved_heads_are_named_by_place() {
    for weight in ["attention.query_key_value", "self_attention.linear_qkv", "attention.wqkv"] {
        let path = format!("gpt_neox.layers.0.{weight}");
        let [a, b] = pair(1, 6, 24, 48);
        let b = b.subcols(0, 3).to_owned();
        let adapter = open(&[matrix(format!("{path}.lora_A"), &a), matrix(format!("{path}.lora_B"), &b)]);
        assert_eq!(names(&adapter), [format!("layers.0.{weight}.0"), format!("layers.0.{weight}.1")]);
    }
}

#[test]
fn mlxs_experts_are_modules_each_as_other_libraries_have_them() {
    let adapter = agrees("mlx-experts", "mlx-experts", "MLX");
    assert_eq!(adapter.modules().len(), 12);
    let expert = adapter.module("layers.0.mlp.experts.3.down_proj").unwrap();
    assert_eq!(expert.original, "model.layers.0.mlp.switch_mlp.down_proj.3");
    assert_eq!((expert.rank(), expert.d_in(), expert.d_out(), expert.scaling), (3, 16, 24, Some(7.0)));
    assert_eq!(adapter.n_turned(), 0);

    // Older versions keep A as (experts·rank, d_in).
    let stack = |rows: [usize; 2], seed| random(rows[0], rows[1], seed);
    let (a, b) = (stack([4 * 3, 16], 5), stack([4 * 24, 3], 6));
    let name = "model.layers.0.mlp.switch_mlp.down_proj.lora_";
    let old = |shape: Vec<usize>| {
        let (_, _, numbers) = matrix("", &a);
        let (_, _, of_b) = matrix("", &b);
        open(&[(format!("{name}a"), shape, numbers), (format!("{name}b"), vec![4, 24, 3], of_b)])
    };
    assert_same(&old(vec![12, 16]), &old(vec![4, 3, 16]));
    let unfused: Vec<_> = (0..4)
        .flat_map(|n| {
            let path = format!("base_model.model.model.layers.0.mlp.experts.{n}.down_proj.lora_");
            let (a, b) = (a.subrows(3 * n, 3).to_owned(), b.subrows(24 * n, 24).to_owned());
            [matrix(format!("{path}A.weight"), &a), matrix(format!("{path}B.weight"), &b)]
        })
        .collect();
    assert_same(&old(vec![12, 16]), &open(&unfused));
}

#[test]
fn a_file_cannot_make_more_modules_than_the_limit() {
    let limits = Limits { n_modules: 5, ..Limits::default() };
    let stacked = zeros(&[("m.lora_a", &[6, 1, 2]), ("m.lora_b", &[6, 2, 1])]);
    let folder = tempfile::tempdir().unwrap();
    let error = |bytes: Vec<u8>, config: &str| {
        fs::write(folder.path().join("adapter_model.safetensors"), bytes).unwrap();
        fs::write(folder.path().join("adapter_config.json"), config).unwrap();
        Adapter::open_with(folder.path(), &limits).unwrap_err()
    };
    let found = error(stacked, "{}");
    assert!(matches!(found, Error::Limit(_)));
    assert!(found.to_string().ends_with("found 6 modules or more, expected at most 5"), "{found}");
    let path = "base_model.model.mlp.experts.lora_";
    let (a, b) = (format!("{path}A.weight"), format!("{path}B.weight"));
    let experts = zeros(&[(&a, &[40, 2]), (&b, &[2, 40])]);
    let config = r#"{"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_parameters": ["mlp.experts.w"]}"#;
    let found = error(experts, config);
    assert!(matches!(found, Error::Limit(_)), "{found}");
}

#[test]
fn mlxs_dora_has_magnitudes() {
    let adapter = Adapter::open(library("mlx-dora")).unwrap();
    assert_eq!((adapter.method(), adapter.n_magnitudes(), adapter.n_other_tensors()), (Method::Dora, 1, 0));
}

#[test]
fn mlx_vlms_own_layer_is_transposed_and_its_scaling_not_known() {
    let adapter = agrees("mlx-vlm", "mlx-vlm", "A/B");
    assert_eq!(adapter.n_turned(), 2);
    assert_eq!((adapter.modules()[0].alpha, adapter.modules()[0].scaling), (Some(6.0), None));
}

#[test]
fn kasas_diagonal_scales_the_rows_of_a() {
    let adapter = agrees("kasa", "by-hand/kasa", "PEFT");
    assert_eq!((adapter.method(), adapter.method().to_string().as_str()), (Method::Kasa, "KaSA"));
}

#[test]
fn speechbrains_lora_is_read_and_its_bottleneck_adapters_are_not() {
    agrees("speechbrain", "speechbrain/model.ckpt", "SpeechBrain");
    let error = Adapter::open(library("refused/houlsby.ckpt")).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error}");
}

#[test]
fn research_code_has_names_of_its_own() {
    let adapter = agrees("samed", "by-hand/samed.pth", "SAMed");
    assert_eq!(adapter.n_other_tensors(), 2);
    let adapter = agrees("clip-lora", "by-hand/clip_lora.pt", "CLIP-LoRA");
    assert!(adapter.naming_scheme().is_numbered());
    agrees("sat", "by-hand/sat.pt", "SAT");
    agrees("llama-adapter", "by-hand/llama_adapter.pth", "LLaMA-Adapter");
    let adapter = agrees("control-lora", "by-hand/control_lora.safetensors", "Control-LoRA");
    assert_eq!((adapter.n_other_tensors(), adapter.modules()[0].scaling), (2, Some(1.0)));
}

/// What diffusers calls the parts of Flux's fused weights.
const PARTS: [(&str, [&str; 3]); 2] =
    [("img", ["to_q", "to_k", "to_v"]), ("txt", ["add_q_proj", "add_k_proj", "add_v_proj"])];

/// One adapter of Flux, merged as sd-scripts' `split_qkv` stores it, and as it was trained.
fn flux(r: usize, d: usize, zeros: bool) -> [Vec<Stored>; 2] {
    let (mut merged, mut split) = (vec![], vec![]);
    let mut one = |weight: &str, sizes: &[usize], parts: &[String], seed: u64| {
        let (n, d_out) = (sizes.len(), sizes.iter().sum());
        let mut a = Mat::zeros(n * r, d);
        let mut b = Mat::zeros(d_out, n * r);
        let mut at = 0;
        for (place, (&size, part)) in sizes.iter().zip(parts).enumerate() {
            let [part_a, part_b] = pair(seed + place as u64, r, d, size);
            let part_b = if zeros { Mat::zeros(size, r) } else { part_b };
            a.subrows_mut(place * r, r).copy_from(&part_a);
            b.submatrix_mut(at, place * r, size, r).copy_from(&part_b);
            at += size;
            split.push(matrix(format!("transformer.{part}.lora_A.weight"), &part_a));
            split.push(matrix(format!("transformer.{part}.lora_B.weight"), &part_b));
        }
        merged.push(matrix(format!("lora_unet_{weight}.lora_down.weight"), &a));
        merged.push(matrix(format!("lora_unet_{weight}.lora_up.weight"), &b));
        merged.push((format!("lora_unet_{weight}.alpha"), vec![1], vec![r as f64]));
    };
    for (seed, (stream, ends)) in PARTS.iter().enumerate() {
        let parts = ends.map(|end| format!("transformer_blocks.0.attn.{end}"));
        one(&format!("double_blocks_0_{stream}_attn_qkv"), &[d, d, d], &parts, 10 * seed as u64);
    }
    let ends = ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"];
    let parts = ends.map(|end| format!("single_transformer_blocks.0.{end}"));
    one("single_blocks_0_linear1", &[d, d, d, 4 * d], &parts, 40);
    [merged, split]
}

#[test]
fn merged_parts_are_scaled_as_they_were_trained() {
    let adapter = agrees("split-qkv", "by-hand/split_qkv.safetensors", "kohya");
    assert_eq!((adapter.modules()[0].alpha, adapter.modules()[0].scaling), (Some(1.0), Some(0.5)));
}

#[test]
fn adapters_of_q_k_and_v_that_were_merged_for_storage_are_cut_with_their_a() {
    for (r, d) in [(1, 8), (2, 12), (3, 16)] {
        let [merged, split] = flux(r, d, false).map(|tensors| open(&tensors));
        assert_eq!(merged.modules().len(), 10);
        assert_same(&merged, &split);
        // Each part was trained with alpha over its own rank.
        assert!(merged.modules().iter().all(|module| module.scaling == Some(1.0)));
    }
}

#[test]
fn converters_store_the_rank_of_all_parts_as_alpha() {
    let [mut merged, split] = flux(2, 12, false);
    for (name, _, values) in &mut merged {
        if name.ends_with("alpha") {
            values[0] *= if name.contains("linear1") { 4.0 } else { 3.0 };
        }
    }
    let merged = open(&merged);
    assert_same(&merged, &open(&split));
    assert!(merged.modules().iter().all(|module| module.scaling == Some(1.0)));
}

#[test]
fn a_single_number_outside_the_blocks_makes_one_adapter_of_all_parts() {
    // Row 12 is the first of k, and column 0 belongs to q.
    let [mut merged, _] = flux(2, 12, false);
    let up = merged.iter_mut().find(|(name, ..)| name.contains("img_attn_qkv.lora_up")).unwrap();
    up.2[12 * 6] = 0.25;
    let adapter = open(&merged);
    assert_eq!(adapter.module("transformer_blocks.0.attn.to_q").unwrap().rank(), 6);
    assert_eq!(adapter.module("transformer_blocks.0.attn.add_q_proj").unwrap().rank(), 2);
    // Nothing tells what an untrained B is.
    let [untrained, _] = flux(2, 12, true);
    assert_eq!(open(&untrained).module("transformer_blocks.0.attn.to_q").unwrap().rank(), 6);
}

#[test]
fn xlabs_processors_meet_the_names_of_diffusers() {
    let d = 12;
    let (mut xlabs, mut diffusers) = (vec![], vec![]);
    let mut add = |processor: String, parts: &[String], d_in: usize, seed: u64| {
        let [a, b] = pair(seed, 2, d_in, d * parts.len());
        xlabs.push(matrix(format!("{processor}.down.weight"), &a));
        xlabs.push(matrix(format!("{processor}.up.weight"), &b));
        for (place, part) in parts.iter().enumerate() {
            diffusers.push(matrix(format!("transformer.{part}.lora_A.weight"), &a));
            let rows = b.subrows(place * d, d).to_owned();
            diffusers.push(matrix(format!("transformer.{part}.lora_B.weight"), &rows));
        }
    };
    for (n, ((_, ends), out)) in PARTS.iter().zip(["to_out.0", "to_add_out"]).enumerate() {
        let attn = "transformer_blocks.3.attn";
        let front = "double_blocks.3.processor";
        add(format!("{front}.qkv_lora{}", n + 1), &ends.map(|end| format!("{attn}.{end}")), d, n as u64);
        add(format!("{front}.proj_lora{}", n + 1), &[format!("{attn}.{out}")], d, 10 + n as u64);
    }
    let single = "single_transformer_blocks.5";
    let parts = ["to_q", "to_k", "to_v"].map(|end| format!("{single}.attn.{end}"));
    add("single_blocks.5.processor.qkv_lora".to_owned(), &parts, d, 20);
    add("single_blocks.5.processor.proj_lora".to_owned(), &[format!("{single}.proj_out")], 5 * d, 21);
    let adapter = open(&xlabs);
    assert_eq!((adapter.naming_scheme().name(), adapter.n_other_tensors()), ("XLabs", 0));
    assert_same(&adapter, &open(&diffusers));
}

/// Files of one adapter with factors that lie as (d_in, rank) and (rank, d_out), and as PEFT's do.
fn both_ways(modules: &[(&str, usize, usize, usize)], [a_end, b_end]: [&str; 2]) -> [Adapter; 2] {
    let (mut turned, mut peft) = (vec![], vec![]);
    for (seed, &(name, r, d_in, d_out)) in modules.iter().enumerate() {
        let [a, b] = pair(seed as u64, r, d_in, d_out);
        turned.push(matrix(format!("{name}{a_end}"), &a.transpose().to_owned()));
        turned.push(matrix(format!("{name}{b_end}"), &b.transpose().to_owned()));
        peft.push(matrix(format!("base_model.model.{name}.lora_A.weight"), &a));
        peft.push(matrix(format!("base_model.model.{name}.lora_B.weight"), &b));
    }
    [open(&turned), open(&peft)]
}

const ENDS: [[&str; 2]; 7] = [
    [".lora_A", ".lora_B"],
    [".lora.lora_A", ".lora.lora_B"],
    [".parametrizations.weight.0.lora_A", ".parametrizations.weight.0.lora_B"],
    [".lora.A", ".lora.B"],
    [".A", ".B"],
    [".lora_A.default.weight", ".lora_B.default.weight"],
    [".lora_a", ".lora_b"],
];

#[test]
fn factors_that_lie_the_other_way_round_are_seen_by_their_shapes() {
    let square = [("layers.0.q", 3, 16, 16), ("layers.1.q", 3, 16, 16)];
    let mixed = [("layers.0.q", 3, 16, 16), ("layers.0.v", 3, 16, 8), ("layers.0.up", 3, 16, 40)];
    for ends in ENDS {
        for modules in [&square[..], &mixed] {
            let [turned, peft] = both_ways(modules, ends);
            assert_same(&turned, &peft);
            // MLX's own layout needs no note.
            let expected = if ends[0] == ".lora_a" { 0 } else { modules.len() };
            assert_eq!((turned.n_turned(), peft.n_turned()), (expected, 0), "{ends:?}");
            assert_eq!(turned.n_above_size(), 0);
        }
    }
    let [a, b] = pair(1, 3, 16, 16);
    let adapter = open(&[matrix("layers.0.q.lora_a", &a), matrix("layers.0.q.lora_b", &b)]);
    assert_eq!((adapter.modules()[0].rank(), adapter.n_turned()), (3, 1));
}

#[test]
fn modules_whose_shapes_tell_decide_for_those_whose_shapes_do_not() {
    // A rank above d is right in a file whose other modules lie as usual, and is said.
    let adapter = |other: [[usize; 2]; 2]| {
        let tensors: [(&str, &[usize]); 4] =
            [("m.lora_A", &[8, 4]), ("m.lora_B", &[4, 8]), ("n.lora_A", &other[0]), ("n.lora_B", &other[1])];
        Adapter::from_bytes("x", zeros(&tensors)).unwrap()
    };
    let usual = adapter([[8, 20], [30, 8]]);
    assert_eq!((usual.module("m").unwrap().rank(), usual.n_turned(), usual.n_above_size()), (8, 0, 1));
    let turned = adapter([[20, 8], [8, 30]]);
    assert_eq!((turned.module("m").unwrap().rank(), turned.n_turned(), turned.n_above_size()), (4, 2, 0));
    // Without such modules the lower rank is right.
    let square = adapter([[20, 20], [20, 20]]);
    assert_eq!((square.module("m").unwrap().rank(), square.module("n").unwrap().rank()), (4, 20));
    // PEFT's wrapper leaves no doubt.
    let wrapped =
        [("base_model.model.m.lora_A.weight", &[8, 4][..]), ("base_model.model.m.lora_B.weight", &[4, 8])];
    let wrapped = Adapter::from_bytes("x", zeros(&wrapped)).unwrap();
    assert_eq!((wrapped.modules()[0].rank(), wrapped.n_above_size()), (8, 1));
}

#[test]
fn each_module_is_turned_by_its_own_shapes() {
    let wide = [("layers.0.gate", 16, 48, 8), ("score", 8, 24, 2), ("layers.0.down", 3, 40, 16)];
    for ends in ENDS.into_iter().filter(|ends| ends[0] != ".A" && ends[0] != ".lora.A") {
        // By itself, with a rank above one of the two sizes.
        for module in wide {
            let [turned, peft] = both_ways(&[module], ends);
            assert_same(&turned, &peft);
            assert_eq!(turned.n_above_size(), usize::from(module.1 > module.3), "{ends:?}");
        }
    }
    // One among others that lie as usual: one that fits one way, and a square one of far lower rank.
    for (name, r, d_in, d_out) in [wide[0], ("layers.0.q", 3, 20, 20)] {
        let [a, b] = pair(9, r, d_in, d_out);
        let mut tensors = vec![
            matrix(format!("{name}.lora_A"), &a.transpose().to_owned()),
            matrix(format!("{name}.lora_B"), &b.transpose().to_owned()),
        ];
        let mut expected = vec![matrix(format!("{name}.lora_A"), &a), matrix(format!("{name}.lora_B"), &b)];
        for (seed, other) in ["layers.1.up", "layers.2.up", "layers.3.up"].iter().enumerate() {
            let [a, b] = pair(20 + seed as u64, 3, 20, 36);
            let both = [matrix(format!("{other}.lora_A"), &a), matrix(format!("{other}.lora_B"), &b)];
            tensors.extend(both.clone());
            expected.extend(both);
        }
        let adapter = open(&tensors);
        assert_same(&adapter, &open(&expected));
        assert_eq!(adapter.n_turned(), 1, "{name}");
    }
    // A rank above d_in and d_out, known by a module whose other size is above it.
    let high = [("layers.0.up", 80, 64, 256), ("layers.0.down", 80, 256, 64)];
    let [turned, peft] = both_ways(&high, [".lora_A", ".lora_B"]);
    assert_same(&turned, &peft);
    assert_eq!((turned.n_turned(), turned.n_above_size(), turned.unread_parts().len()), (2, 2, 0));
    // Factors of two ranks stay an error.
    assert_eq!(
        complaint(zeros(&[("m.lora_A", &[8, 40]), ("m.lora_B", &[40, 16])])),
        "module `m`: found `m.lora_A` of shape [8, 40] and `m.lora_B` of shape [40, 16], expected as many rows in A as columns in B"
    );
}

#[test]
fn tensors_called_a_and_b_are_lora_only_in_pairs_of_low_rank() {
    let full = [("mixer.A", &[16, 16][..]), ("mixer.B", &[16, 16]), ("mixer.weight", &[16, 16])];
    assert!(complaint(zeros(&full)).contains("no LoRA factor among them"));
    let bare = [("mixer.A", &[16][..]), ("mixer.weight", &[16, 16])];
    assert!(complaint(zeros(&bare)).contains("no LoRA factor among them"));
}

#[test]
fn pefts_copy_of_a_module_that_is_replaced_is_not_read() {
    let path =
        |place: &str, factor: &str| format!("base_model.model.score.{place}.lora_{factor}.default.weight");
    let [a, b] = pair(1, 2, 8, 6);
    let mut tensors = vec![];
    for place in ["original_module", "modules_to_save.default"] {
        tensors.extend([matrix(path(place, "A"), &a), matrix(path(place, "B"), &b)]);
    }
    let adapter = open(&tensors);
    assert_eq!((names(&adapter), adapter.n_other_tensors()), (vec!["score"], 2));
}

fn lorascope(args: &[&str]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lorascope"));
    let output = command.args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

fn write(folder: &Path, name: &str, tensors: &[Stored]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, stored(tensors)).unwrap();
    path
}

#[test]
fn what_was_turned_and_what_is_above_its_size_is_said() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let turned = |seed| {
        let [a, b] = pair(seed, 3, 16, 16);
        let ends = [("A", a.transpose().to_owned()), ("B", b.transpose().to_owned())];
        ends.map(|(end, factor)| matrix(format!("layers.0.q.lora_{end}"), &factor))
    };
    let [one, other] =
        [0, 1].map(|seed| write(folder.path(), &format!("turned{seed}.safetensors"), &turned(seed)));
    let [one, other] = [&one, &other].map(|path| path.to_str().unwrap());
    let (shown, _) = lorascope(&["inspect", one]);
    assert!(shown.contains("\ntransposed: A and B of 1 module, as their shapes show\n"), "{shown}");
    let (shown, said) = lorascope(&["compare", "--engine", "cpu", "--json", one, other]);
    assert!(
        said.contains(&format!(
            "warning: A and B of 1 module of {one} and of 1 module of {other} are stored transposed, as their shapes show, \
             and were turned\n"
        )),
        "{said}"
    );
    let codes = |document: &str| {
        let document: Value = serde_json::from_str(document).unwrap();
        let codes = document["warnings"].as_array().unwrap().iter().map(|one| one["code"].clone());
        codes.map(|code| code.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&shown), ["transposed", "alpha-missing"]);

    let above = |seed| {
        let [a, b] = pair(seed, 5, 4, 12);
        let ends = [("down", a), ("up", b)];
        ends.map(|(end, factor)| matrix(format!("lora_unet_conv_in.lora_{end}.weight"), &factor))
    };
    let [one, other] =
        [0, 1].map(|seed| write(folder.path(), &format!("above{seed}.safetensors"), &above(seed)));
    let [one, other] = [&one, &other].map(|path| path.to_str().unwrap());
    let (shown, _) = lorascope(&["inspect", one]);
    assert!(shown.contains("\nrank above d_in or d_out: 1 module\n"), "{shown}");
    let (shown, said) = lorascope(&["compare", "--engine", "cpu", "--json", one, other]);
    assert_eq!(codes(&shown), ["rank-above-size"]);
    assert!(
        said.contains(": conv_in: rank 5 for a weight of 12 × 4: right for a convolution with few channels, else A and B"),
        "{said}"
    );
}

#[test]
fn lycoris_updates_are_those_of_the_library() {
    for (case, method) in [
        ("loha", Method::LoHa),
        ("loha-tucker", Method::LoHa),
        ("loha-wide", Method::LoHa),
        ("lokr", Method::LoKr),
        ("lokr-both", Method::LoKr),
        ("lokr-whole", Method::LoKr),
        ("lokr-tucker", Method::LoKr),
        ("full", Method::Difference),
    ] {
        let adapter = agrees(&format!("lycoris-{case}"), &format!("lycoris/{case}.safetensors"), "LyCORIS");
        assert_eq!((adapter.method(), adapter.unread_parts()), (method, &[][..]), "{case}");
    }
    let adapter = agrees("lycoris-locon-tucker", "lycoris/locon-tucker.safetensors", "kohya");
    assert_eq!((adapter.method(), adapter.unread_parts()), (Method::Lora, &[][..]));
    for (case, method) in [("peft-loha", Method::LoHa), ("peft-lokr", Method::LoKr)] {
        let adapter = agrees(case, case, "LyCORIS");
        assert_eq!((adapter.method(), adapter.unread_parts()), (method, &[][..]), "{case}");
    }
}

#[test]
fn an_update_that_is_not_a_product_has_no_side_a_or_b() {
    let adapter = Adapter::open(library("lycoris/lokr.safetensors")).unwrap();
    let module = adapter.module("wide").unwrap();
    for side in [Side::A, Side::B] {
        let error = Basis::of(module, side).unwrap_err();
        let expected = format!(
            "{}: module `wide`: found LoKr, whose update is not B·A, expected a factor {}",
            library("lycoris/lokr.safetensors").display(),
            side.symbol()
        );
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.remedy(), Some(&lorascope::Remedy::CompareUpdate));
    }
    assert_eq!((module.rank(), module.full_rank()), (6, Some(6)));
}

#[test]
fn only_the_strongest_directions_of_a_high_rank_are_kept() {
    // W₁ ⊗ W₂ of rank 12·12.
    let [w_1, w_2] = [random(12, 12, 1), random(12, 12, 2)];
    let adapter = open(&[matrix("lora_unet_x.lokr_w1", &w_1), matrix("lora_unet_x.lokr_w2", &w_2)]);
    let part = &adapter.unread_parts()[0];
    assert_eq!(part.reason, "all but the 64 strongest directions of LoKr");
    assert_eq!(part.found.as_deref(), Some("a rank of up to 144"));
    let module = &adapter.modules()[0];
    assert_eq!((module.rank(), module.full_rank(), module.scaling), (64, Some(144), Some(1.0)));
    let round = |matrix: &Mat<f64>| Mat::from_fn(12, 12, |i, j| f64::from(matrix[(i, j)] as f32));
    let (w_1, w_2) = (round(&w_1), round(&w_2));
    let update = Mat::from_fn(144, 144, |i, j| w_1[(i / 12, j / 12)] * w_2[(i % 12, j % 12)]);
    let sigma = update.singular_values().unwrap();
    let basis = Basis::of(module, Side::DwRight).unwrap();
    assert_eq!(basis.q(), 64);
    for (ours, theirs) in basis.sigma().iter().zip(&sigma) {
        assert!((ours - theirs).abs() < 1e-9 * sigma[0], "{ours} for {theirs}");
    }
    // Each direction is one of ΔW: ΔWᵀΔW·v = σ²·v.
    for k in 0..64 {
        let v = Mat::from_fn(144, 1, |i, _| f64::from(basis.rows()[144 * k + i]));
        let residual = update.transpose() * (&update * &v) - &v * faer::Scale(sigma[k] * sigma[k]);
        assert!(residual.norm_l2() < 1e-5 * sigma[0] * sigma[0], "{k}: {}", residual.norm_l2());
    }
}

#[test]
fn tensors_of_another_form_that_do_not_fit_are_an_error_with_their_module() {
    let wrong = |tensors: &[(&str, &[usize])]| complaint(zeros(tensors));
    let start = "module `lora_unet_x`: found ";
    let end = ", expected the tensors of one update";
    for (tensors, found) in [
        (&[("lora_unet_x.lokr_w1", &[2, 2][..])][..], "only some of its tensors"),
        (
            &[("lora_unet_x.hada_w1_a", &[4, 2]), ("lora_unet_x.hada_w1_b", &[2, 4])],
            "only some of its tensors",
        ),
        (
            &[
                ("lora_unet_x.hada_w1_a", &[4, 2]),
                ("lora_unet_x.hada_w1_b", &[2, 4]),
                ("lora_unet_x.hada_w2_a", &[4, 2]),
                ("lora_unet_x.hada_w2_b", &[2, 5]),
            ],
            "shapes that do not fit together",
        ),
        (
            &[
                ("lora_unet_x.lokr_w1", &[2, 2]),
                ("lora_unet_x.lokr_w2_a", &[4, 3]),
                ("lora_unet_x.lokr_w2_b", &[2, 4]),
            ],
            "ranks of 3 and 2",
        ),
        (
            &[
                ("lora_unet_x.lora_up.weight", &[8, 2, 1, 1]),
                ("lora_unet_x.lora_mid.weight", &[3, 2, 3, 3]),
                ("lora_unet_x.lora_down.weight", &[2, 4, 1, 1]),
            ],
            "a core of 3 × 18 between ranks of 2 and 2",
        ),
    ] {
        assert_eq!(wrong(tensors), format!("{start}{found}{end}"));
    }
    // A few bytes may stand for any size.
    let huge = wrong(&[("lora_unet_x.lokr_w1", &[30000, 1]), ("lora_unet_x.lokr_w2", &[30000, 1])]);
    assert_eq!(
        huge,
        "module `lora_unet_x`: found 900000000 × 1 numbers to make of its tensors, 7200000000 bytes, expected at most 2147483648"
    );
}
