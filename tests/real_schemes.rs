//! What real files in other naming schemes taught: names, layouts and what lies beside the factors.

mod common;

use common::files::{complaint, data, zeros};
use lorascope::{Adapter, Basis, Module, Side};
use safetensors::SafeTensors;

fn real(name: &str) -> Adapter {
    Adapter::open(data(&format!("schemes/{name}.safetensors"))).unwrap()
}

fn names(adapter: &Adapter) -> Vec<&str> {
    adapter.modules().iter().map(|module| module.name.as_str()).collect()
}

/// A tensor's shape and numbers, as the safetensors crate reads them.
fn stored(file: &str, tensor: &str) -> (Vec<usize>, Vec<f64>) {
    let bytes = std::fs::read(data(&format!("schemes/{file}.safetensors"))).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let view = tensors.tensor(tensor).unwrap();
    let numbers = view.data().chunks_exact(4).map(|raw| f32::from_le_bytes(raw.try_into().unwrap()).into());
    (view.shape().to_vec(), numbers.collect())
}

#[test]
fn mlx_is_transposed_against_peft() {
    let adapter = real("mlx-qwen");
    assert_eq!((adapter.naming_scheme().name(), adapter.base_model()), ("MLX", None));
    assert_eq!(names(&adapter), ["layers.20.self_attn.q_proj", "layers.20.self_attn.v_proj"]);
    let v = adapter.module("layers.20.self_attn.v_proj").unwrap();
    assert_eq!((v.rank(), v.d_in(), v.d_out(), v.scaling), (8, 896, 128, None));
    let (shape, numbers) = stored("mlx-qwen", "model.layers.20.self_attn.v_proj.lora_a");
    assert_eq!(shape, [896, 8]);
    let ours = v.a.read().unwrap();
    for (row, at) in [(0, 0), (3, 17), (7, 895)] {
        assert_eq!(ours.values[row * 896 + at], numbers[at * 8 + row]);
    }
}

#[test]
fn mlx_s_layout_is_believed_only_where_all_shapes_agree() {
    let pair = |a: &[usize], b: &[usize]| zeros(&[("m.lora_a", a), ("m.lora_b", b)]);
    let open = |a: &[usize], b: &[usize]| Adapter::from_bytes("x.safetensors", pair(a, b)).unwrap();
    let read = |a: &[usize], b: &[usize]| {
        let adapter = open(a, b);
        let module = &adapter.modules()[0];
        (module.rank(), module.d_in(), module.d_out(), adapter.n_turned())
    };
    assert_eq!(read(&[896, 8], &[8, 128]), (8, 896, 128, 0));
    // Square: both readings agree in shape, and the rank is the lower number.
    assert_eq!(read(&[896, 8], &[8, 896]), (8, 896, 896, 0));
    assert_eq!(read(&[8, 896], &[896, 8]), (8, 896, 896, 1));
    // As others than MLX lay them out.
    assert_eq!(read(&[8, 896], &[128, 8]), (8, 896, 128, 1));
    let message = complaint(pair(&[896, 8], &[16, 896]));
    assert!(message.ends_with("expected (d_in, rank) and (rank, d_out), MLX's layout"), "{message}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("adapters.safetensors"), pair(&[896, 8], &[8, 128])).unwrap();
    let config = |rank: usize| {
        let config =
            format!(r#"{{"fine_tune_type": "lora", "lora_parameters": {{"rank": {rank}, "scale": 10.0}}}}"#);
        std::fs::write(folder.path().join("adapter_config.json"), config).unwrap();
        Adapter::open(folder.path())
    };
    assert_eq!(config(8).unwrap().modules()[0].scaling, Some(10.0));
    let message = config(16).unwrap_err().to_string();
    assert!(
        message.ends_with(
            "found rank 8 by the shapes of lora_a and lora_b, expected 16 as in adapter_config.json"
        )
    );
}

#[test]
fn old_diffusers_names_lack_unet_and_say_processor() {
    let adapter = real("diffusers-processor");
    assert_eq!(adapter.naming_scheme().name(), "diffusers");
    let block = "down_blocks.0.attentions.0.transformer_blocks.0.attn1";
    assert_eq!(names(&adapter), [format!("{block}.to_out.0"), format!("{block}.to_q")]);
    let out = &adapter.modules()[0];
    assert_eq!(out.original, format!("{block}.processor.to_out_lora"));
    assert_eq!((out.rank(), out.d_in(), out.d_out(), out.scaling), (4, 320, 320, Some(1.0)));
}

#[test]
fn cloneofsimos_token_vectors_lie_beside_numbered_pairs() {
    let adapter = real("cloneofsimo-disney");
    assert_eq!((adapter.naming_scheme().name(), adapter.n_other_tensors()), ("cloneofsimo", 1));
    assert!(adapter.naming_scheme().is_numbered());
    assert_eq!(names(&adapter), ["text_encoder.0", "unet.0", "unet.1", "unet.2", "unet.3"]);
    assert_eq!(adapter.modules()[1].original, "unet:0");
    let rank_4 = real("cloneofsimo-analog");
    assert_eq!(rank_4.modules()[0].rank(), 4);
}

#[test]
fn a_list_of_tensors_that_are_no_factors_is_not_taken_for_one() {
    for tensors in [&[("0", &[5][..]), ("1", &[5])][..], &[("0", &[2, 2]), ("1", &[2, 2]), ("2", &[2, 2])]] {
        let message = complaint(zeros(tensors));
        assert!(message.contains("no LoRA factor among them"), "{message}");
    }
}

#[test]
fn sam_lora_has_its_own_numbered_names() {
    let adapter = real("sam");
    assert_eq!((adapter.naming_scheme().name(), names(&adapter)), ("Sam_LoRA", vec!["000", "001"]));
    let (shape, numbers) = stored("sam", "w_b_001");
    assert_eq!(shape, [768, 2]);
    assert_eq!(adapter.modules()[1].b.read().unwrap().values, numbers);
}

#[test]
fn every_side_of_every_real_file_has_a_basis() {
    for name in ["mlx-qwen", "diffusers-processor", "cloneofsimo-disney", "cloneofsimo-analog", "sam"] {
        for module in real(name).modules() {
            for side in Side::ALL {
                let basis = Basis::of(module, side).unwrap();
                assert_eq!((basis.q(), basis.d()), (module.rank(), side.d(module)), "{name} {}", module.name);
            }
        }
    }
}

#[test]
fn modules_are_in_natural_order_whatever_the_order_in_the_file() {
    let bytes = zeros(&[
        ("model.layers.10.q.lora_B.weight", &[2, 1]),
        ("model.layers.2.q.lora_A.weight", &[1, 2]),
        ("model.layers.10.q.lora_A.weight", &[1, 2]),
        ("model.layers.2.q.lora_B.weight", &[2, 1]),
    ]);
    let adapter = Adapter::from_bytes("x", bytes).unwrap();
    assert_eq!(names(&adapter), ["layers.2.q", "layers.10.q"]);
}

#[test]
fn every_path_of_the_known_models_gets_its_dots_back() {
    let listed = std::fs::read_to_string(common::update::library("module_paths.txt")).unwrap();
    let paths: Vec<(&str, &str)> = listed.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert!(paths.len() > 60);
    for (joined, path) in paths {
        let tensors = ["down", "up"].map(|end| format!("{joined}.lora_{end}.weight"));
        let bytes = zeros(&[(&tensors[0], &[1, 2]), (&tensors[1], &[2, 1])]);
        let adapter = Adapter::from_bytes("x", bytes).unwrap();
        let component = [("lora_te1", "text_encoder."), ("lora_te3", "text_encoder_3."), ("lora_unet", "")];
        let (_, front) = component.into_iter().find(|(front, _)| joined.starts_with(front)).unwrap();
        assert_eq!(names(&adapter), [format!("{front}{}", path.trim_start_matches("text_model."))]);
    }
}

#[test]
fn an_exporter_doubles_the_prefix_and_joins_with_underscores() {
    let name = "lora_unet_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_processor_to_out";
    let tensors = ["down", "up"].map(|end| format!("{name}_lora_{end}.weight"));
    let bytes = zeros(&[(&tensors[0], &[2, 8]), (&tensors[1], &[8, 2])]);
    let adapter = Adapter::from_bytes("x", bytes).unwrap();
    assert_eq!(names(&adapter), ["down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"]);
    assert_eq!(adapter.modules()[0].original, name);
}

#[test]
fn the_rank_is_what_the_tensor_has() {
    let folder = tempfile::tempdir().unwrap();
    let model = zeros(&[
        ("base_model.model.m.lora_A", &[12, 20]),
        ("base_model.model.m.lora_B", &[20, 12]),
        ("base_model.model.m.lora_E", &[12, 1]),
    ]);
    std::fs::write(folder.path().join("adapter_model.safetensors"), model).unwrap();
    let config = r#"{"peft_type": "ADALORA", "r": 32, "init_r": 12, "lora_alpha": 24}"#;
    std::fs::write(folder.path().join("adapter_config.json"), config).unwrap();
    let adapter = Adapter::open(folder.path()).unwrap();
    let module: &Module = &adapter.modules()[0];
    assert_eq!((module.rank(), module.scaling), (12, Some(24.0 / (12.0 + 1e-5))));
}

#[test]
fn a_merged_linear_with_parts_that_do_not_fit_is_refused() {
    let message = complaint(zeros(&[("m.lora_A", &[6, 24]), ("m.lora_B", &[49, 3])]));
    assert!(
        message.ends_with("found 2 groups with 49 rows of B for all, expected the same number for each"),
        "{message}"
    );
}
