//! Files that the training libraries wrote, against the ΔW that each library says it makes.

mod common;

use common::update::{check, expected, library};
use lorascope::{Adapter, Error, Limits, Method, OpenOptions, Remedy};

/// Opens a file of a case, and compares names, shapes, spaces and singular values.
fn agrees(case: &str, file: &str, naming_scheme: &str) -> Adapter {
    let adapter = Adapter::open(library(file)).unwrap();
    assert_eq!(adapter.naming_scheme().name(), naming_scheme, "{file}");
    check(&adapter, &expected(case));
    adapter
}

fn peft(case: &str) -> Adapter {
    agrees(case, case, "PEFT")
}

#[test]
fn peft_plain() {
    let adapter = peft("peft-plain");
    assert_eq!(adapter.method(), Method::Lora);
    assert!(adapter.training().trainer.as_deref().unwrap().starts_with("PEFT 0."));
    let module = adapter.module("layers.0.mlp.down_proj").unwrap();
    assert_eq!(module.original, "base_model.model.model.layers.0.mlp.down_proj");
    assert_eq!((module.alpha, module.scaling), (Some(6.0), Some(1.5)));
}

#[test]
fn peft_with_the_adapters_name_in_each_tensors() {
    let adapter = agrees("peft-infix", "peft-infix/pytorch_model.safetensors", "PEFT");
    assert_eq!(adapter.adapter_name(), Some("mine"));
    assert_eq!(adapter.modules()[0].scaling, None);
}

#[test]
fn several_adapters_in_one_file_are_chosen_by_name() {
    let file = library("peft-several/two.safetensors");
    for (name, rank) in [("style", 3), ("face", 2)] {
        let adapter = OpenOptions::new().adapter_name(name).open(&file).unwrap();
        assert_eq!(adapter.adapter_name(), Some(name));
        assert_eq!(adapter.modules()[0].rank(), rank);
        check(&adapter, &expected(&format!("peft-several-{name}")));
    }
    let error = Adapter::open(&file).unwrap_err();
    assert!(matches!(error, Error::Invalid(_)));
    assert!(
        error.to_string().ends_with("found 2 adapters (`face`, `style`), expected one adapter in a file")
    );
    assert_eq!(error.remedy(), Some(&Remedy::NameAdapter { first: "face".to_owned() }));
    let error = OpenOptions::new().adapter_name("pose").open(&file).unwrap_err();
    assert!(
        error.to_string().ends_with("found no adapter `pose`, expected one of `face`, `style`"),
        "{error}"
    );
    let all = OpenOptions::new().open_all(&file).unwrap();
    assert_eq!(all.iter().map(|one| one.modules().len()).collect::<Vec<_>>(), [4, 2]);
    // A file without names in it has one adapter, whatever it is called.
    assert!(OpenOptions::new().adapter_name("style").open(library("peft-plain")).is_ok());
}

#[test]
fn rank_and_alpha_patterns_and_rslora_set_the_scaling() {
    let adapter = peft("peft-patterns");
    let scaling = |name: &str| adapter.module(name).unwrap().scaling.unwrap();
    // The regular expression gives v of layer 0 rank 3.
    assert_eq!(scaling("layers.0.self_attn.v_proj"), 5.0 / 3.0);
    assert_eq!(scaling("layers.0.self_attn.q_proj"), 10.0 / 4.0);
    assert_eq!(scaling("layers.1.self_attn.q_proj"), 6.0 / 2.0);
    let adapter = peft("peft-rslora");
    assert_eq!(adapter.module("layers.0.self_attn.q_proj").unwrap().scaling, Some(6.0 / 2.0));
    assert_eq!(adapter.module("layers.1.self_attn.q_proj").unwrap().scaling, Some(6.0 / 2f64.sqrt()));
}

#[test]
fn gpt2s_conv1d_is_cut_into_q_k_and_v() {
    let adapter = peft("peft-gpt2");
    let names: Vec<&str> = adapter.modules().iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names[..4], ["h.0.attn.c_attn.k", "h.0.attn.c_attn.q", "h.0.attn.c_attn.v", "h.0.mlp.c_fc"]);
    let q = adapter.module("h.0.attn.c_attn.q").unwrap();
    assert_eq!(q.original, "base_model.model.transformer.h.0.attn.c_attn.q");
    assert_eq!(q.b.name, "base_model.model.transformer.h.0.attn.c_attn.lora_B.weight");
    assert_eq!((q.d_out(), q.rank(), q.scaling), (24, 3, Some(4.0 / 3.0)));
}

#[test]
fn gpt_neoxs_interleaved_weight_is_never_cut() {
    let adapter = peft("peft-neox");
    assert_eq!(adapter.modules().len(), 1);
    assert_eq!(adapter.modules()[0].d_out(), 3 * adapter.modules()[0].d_in());
}

#[test]
fn a_module_for_each_of_a_million_rows_is_over_a_limit() {
    use common::files::zeros;
    let open = |config: &str, rows: usize, limits: &Limits| {
        let folder = tempfile::TempDir::new().unwrap();
        let tensors: [(&str, &[usize]); 2] = [
            ("base_model.model.mlp.experts.lora_A.weight", &[rows, 1]),
            ("base_model.model.mlp.experts.lora_B.weight", &[1, rows]),
        ];
        std::fs::write(folder.path().join("adapter_model.safetensors"), zeros(&tensors)).unwrap();
        std::fs::write(folder.path().join("adapter_config.json"), config).unwrap();
        Adapter::open_with(folder.path(), limits)
    };
    let config = r#"{"r": 1, "target_parameters": ["mlp.experts.gate_up_proj"]}"#;
    let error = open(config, 1_000_000, &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::Limit(_)));
    assert!(error.to_string().ends_with("found 1000000 modules or more, expected at most 131072"), "{error}");
    let few = Limits { n_modules: 8, ..Limits::default() };
    assert_eq!(open(config, 8, &few).unwrap().modules().len(), 8);
    assert!(matches!(open(config, 9, &few), Err(Error::Limit(_))));
    // The groups of a fused weight are modules, too, and so are plain pairs.
    let grouped = |n: usize| {
        let tensors: [(&str, &[usize]); 2] = [("m.lora_A", &[n, 2]), ("m.lora_B", &[n, 1])];
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::write(folder.path().join("x"), zeros(&tensors)).unwrap();
        Adapter::open_with(folder.path().join("x"), &few)
    };
    assert_eq!(grouped(8).unwrap().modules().len(), 8);
    assert!(matches!(grouped(9), Err(Error::Limit(_))));
    let names: Vec<String> =
        (0..9).flat_map(|n| ["A", "B"].map(|part| format!("m{n}.lora_{part}.weight"))).collect();
    let pairs: Vec<(&str, &[usize])> = names.iter().map(|name| (name.as_str(), &[1, 1][..])).collect();
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("x"), zeros(&pairs)).unwrap();
    assert!(matches!(Adapter::open_with(folder.path().join("x"), &few), Err(Error::Limit(_))));
}

#[test]
fn embeddings_convolutions_and_experts_have_peft_s_own_layouts() {
    let adapter = peft("peft-embedding");
    let embedding = adapter.module("embed_tokens").unwrap();
    assert_eq!((embedding.d_in(), embedding.d_out()), (20, 24));
    peft("peft-conv");
    let adapter = peft("peft-experts");
    let expert = adapter.module("layers.0.mlp.experts.2.gate_up_proj").unwrap();
    assert_eq!(expert.original, "base_model.model.model.layers.0.mlp.experts.base_layer.2.gate_up_proj");
    assert_eq!((expert.rank(), expert.scaling), (2, Some(1.5)));
}

#[test]
fn modules_to_save_are_left_out_and_counted() {
    assert_eq!(peft("peft-save").n_other_tensors(), 1);
    assert_eq!(peft("peft-plain").n_other_tensors(), 0);
}

#[test]
fn dora_is_read_without_its_magnitudes_and_said() {
    let adapter = peft("peft-dora");
    assert_eq!((adapter.method(), adapter.n_magnitudes(), adapter.n_other_tensors()), (Method::Dora, 2, 0));
}

#[test]
fn adalora_has_its_own_rank_in_each_module_and_a_scaled_a() {
    let adapter = peft("peft-adalora");
    assert_eq!(adapter.method(), Method::AdaLora);
    // The config has init_r 5 and target_r 3.
    assert_eq!(adapter.modules().iter().map(|module| module.rank()).collect::<Vec<_>>(), [3, 2]);
}

#[test]
fn methods_without_an_a_and_a_b_are_refused_by_name() {
    const OF_W: &str = "whose ΔW is made of the base model's weights";
    for (folder, named, lacking) in [
        ("vera", "VeRA", "without its two projections"),
        ("randlora", "RandLoRA", "without its bases"),
        ("vblora", "VB-LoRA", "saved without its logits"),
        ("ia3", "(IA)³", OF_W),
        ("oft", "OFT", OF_W),
        ("boft", "BOFT", OF_W),
        ("hra", "HRA", OF_W),
    ] {
        let error = Adapter::open(library("refused").join(folder)).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{error}");
        let message = error.to_string();
        assert!(message.contains(named) && message.contains(lacking), "{folder}: {message}");
        // Without the config, what it says is lacking too.
        let error =
            Adapter::open(library("refused").join(folder).join("adapter_model.safetensors")).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)) && error.to_string().contains(named), "{error}");
    }
    let folder = library("refused/fourierft");
    let error = Adapter::open(&folder).unwrap_err();
    assert!(error.to_string().contains("peft_type: found `FOURIERFT`, expected"), "{error}");
    let error = Adapter::open(folder.join("adapter_model.safetensors")).unwrap_err();
    assert!(error.to_string().contains("of what seems FourierFT ("), "{error}");
}

#[test]
fn loralibs_merged_linear_is_cut_into_what_it_enabled() {
    let adapter = agrees("loralib", "loralib/gpt2_lora.safetensors", "loralib");
    agrees("loralib", "loralib/gpt2_lora.pt", "loralib");
    let v = adapter.module("h.0.attn.c_attn.v").unwrap();
    assert_eq!((v.rank(), v.d_in(), v.d_out()), (3, 24, 24));
    assert_eq!(v.original, "transformer.h.0.attn.c_attn.v");
}

#[test]
fn diffusers_of_every_age() {
    let adapter = agrees("diffusers-new", "diffusers-new/pytorch_lora_weights.safetensors", "diffusers");
    let alpha = |name: &str| adapter.module(name).unwrap().alpha;
    // From the config in the file's metadata, one for each part of the pipeline.
    assert_eq!(alpha("text_encoder.encoder.layers.0.self_attn.q_proj"), Some(5.0));
    assert_eq!(alpha("down_blocks.0.resnets.0.conv1"), Some(3.0));
    let peft = "diffusers-peft/pytorch_lora_weights.safetensors";
    assert_eq!(agrees("diffusers-peft", peft, "diffusers").modules()[0].scaling, Some(1.0));
    agrees("diffusers-bin", "diffusers-bin/pytorch_lora_weights.bin", "diffusers");
    agrees("diffusers-oldest", "by-hand/diffusers_oldest.safetensors", "diffusers");
}

#[test]
fn kohya_of_a_stable_diffusion_with_two_text_encoders() {
    let adapter = agrees("kohya-sd", "kohya-sd/kohya-sd.safetensors", "kohya");
    assert_eq!(adapter.base_model(), Some("tiny"));
    let recorded = adapter.training();
    assert_eq!(recorded.trainer.as_deref(), Some("sd-scripts (lycoris.kohya)"));
    assert_eq!((recorded.started_s, recorded.finished_s), (Some(1_700_000_000.5), Some(1_700_003_600.5)));
    let conv = adapter.module("down_blocks.0.resnets.0.conv1").unwrap();
    assert_eq!(conv.original, "lora_unet_down_blocks_0_resnets_0_conv1");
    assert_eq!((conv.alpha, conv.scaling), (Some(1.0), Some(0.5)));
}

#[test]
fn kohya_of_a_language_model_and_of_flux() {
    agrees("kohya-llm", "kohya-llm/kohya-llm.safetensors", "kohya");
    let adapter = agrees("kohya-flux", "kohya-flux/kohya-flux.safetensors", "kohya");
    let mlp = adapter.module("single_transformer_blocks.0.proj_mlp").unwrap();
    assert_eq!(mlp.original, "lora_unet_single_blocks_0_linear1.mlp");
    assert_eq!((mlp.d_in(), mlp.d_out()), (12, 48));
}

#[test]
fn mlx_is_read_transposed_from_safetensors_and_npz() {
    agrees("mlx", "mlx/adapters.safetensors", "MLX");
    let npz = Adapter::open(library("mlx/adapters.npz")).unwrap();
    assert_eq!(
        (npz.naming_scheme().name(), npz.modules()[0].rank(), npz.modules()[0].scaling),
        ("MLX", 3, None)
    );
    let adapter = agrees("mlx", "mlx", "MLX");
    assert_eq!((adapter.modules()[0].alpha, adapter.modules()[0].scaling), (None, Some(7.0)));
    assert_eq!((adapter.base_model(), adapter.training().trainer.as_deref()), (Some("tiny"), Some("MLX")));
}

#[test]
fn cloneofsimos_list_of_tensors_in_both_kinds_of_torch_file() {
    agrees("lora-weight", "by-hand/lora_weight.pt", "cloneofsimo");
    agrees("lora-weight", "by-hand/lora_weight_legacy.pt", "cloneofsimo");
}

#[test]
fn torchtune_and_megatron() {
    agrees("torchtune", "torchtune/adapter_0.safetensors", "TorchTune");
    agrees("torchtune", "torchtune/adapter_0.pt", "TorchTune");
    agrees("megatron", "by-hand/megatron.safetensors", "Megatron");
}

/// As llama.cpp's converter writes them, in each type that it has.
#[test]
fn gguf_in_every_type_of_the_converter() {
    for (case, dtypes) in [
        ("f32", ["F32"; 2]),
        ("f16", ["F16"; 2]),
        ("bf16", ["BF16"; 2]),
        ("q8_0", ["Q8_0"; 2]),
        ("q4_k", ["Q4_K", "F16"]),
    ] {
        let adapter = agrees(&format!("gguf-{case}"), &format!("gguf/{case}.gguf"), "llama.cpp");
        assert_eq!((adapter.file_format().name(), adapter.n_turned()), ("GGUF", 0));
        let module = &adapter.modules()[0];
        assert_eq!([&module.a, &module.b].map(|factor| factor.dtype.to_string()), dtypes, "{case}");
        assert!(adapter.unread_parts().is_empty());
    }
    let adapter = Adapter::open(library("gguf/f32.gguf")).unwrap();
    assert_eq!(adapter.base_model(), Some("Qwen/Qwen2.5-0.5B"));
    let embeddings = adapter.module("embed_tokens").unwrap();
    assert_eq!((embeddings.rank(), embeddings.d_in(), embeddings.d_out()), (4, 24, 16));
    assert_eq!((embeddings.alpha, embeddings.scaling), (Some(8.0), Some(2.0)));
    assert_eq!(embeddings.original, "token_embd");
}

#[test]
fn each_expert_of_a_gguf_file_is_a_module() {
    let adapter = agrees("gguf-experts", "gguf/experts.gguf", "llama.cpp");
    assert_eq!(adapter.modules()[2].original, "blk.1.ffn_up_exps.2");
}

#[test]
fn the_rows_of_llama_are_put_back_where_the_file_has_the_head_counts() {
    let with = agrees("gguf-llama", "gguf/llama.gguf", "llama.cpp");
    assert!(with.unread_parts().is_empty());
    let without = Adapter::open(library("gguf/llama-without-heads.gguf")).unwrap();
    let unread: Vec<&str> = without.unread_parts().iter().map(|part| part.name.as_str()).collect();
    assert_eq!(unread, ["blk.0.attn_k", "blk.0.attn_q"]);
    assert!(without.unread_parts()[0].reason.starts_with("the order of B's rows"));
    for (one, other) in with.modules().iter().zip(without.modules()) {
        let [b, permuted] = [one, other].map(|module| module.b.read().unwrap().values);
        assert_eq!((&one.name, one.a.read().unwrap()), (&other.name, other.a.read().unwrap()));
        assert_eq!(b == permuted, one.name.ends_with("v_proj"), "{}", one.name);
        // The same rows, each once.
        let sorted = |values: &[f64]| {
            let mut rows: Vec<Vec<u64>> =
                values.chunks(2).map(|row| row.iter().map(|value| value.to_bits()).collect()).collect();
            rows.sort_unstable();
            rows
        };
        assert_eq!(sorted(&b), sorted(&permuted));
    }
}

/// Bit for bit, in f32.
#[test]
fn quantised_numbers_are_those_of_gguf_py() {
    let adapter = Adapter::open(library("gguf/types.gguf")).unwrap();
    let bytes = std::fs::read(library("expected/gguf-types.safetensors")).unwrap();
    let expected = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!((adapter.modules().len(), expected.len()), (12, 12));
    for module in adapter.modules() {
        let view = expected.tensor(&module.a.dtype.to_string()).unwrap();
        let expected: Vec<u32> =
            view.data().as_chunks().0.iter().map(|raw| u32::from_le_bytes(*raw)).collect();
        let found: Vec<u32> =
            module.a.read().unwrap().values.iter().map(|value| (*value as f32).to_bits()).collect();
        assert_eq!(found, expected, "{}", module.a.dtype);
        // Without an alpha, as llama.cpp scales.
        assert_eq!((module.alpha, module.scaling), (None, Some(1.0)));
    }
}

#[test]
fn a_model_in_gguf_is_refused_as_one_in_safetensors_is() {
    let error = Adapter::open(library("gguf/model.gguf")).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)));
    assert!(error.to_string().contains("found 4 tensors and no LoRA factor among them"), "{error}");
}

/// A type of GGUF in another container is not one.
#[test]
fn quantised_types_are_those_of_gguf_files_only() {
    let header = r#"{"m.lora_A.weight":{"dtype":"Q8_0","shape":[2,32],"data_offsets":[0,256]},"m.lora_B.weight":{"dtype":"F32","shape":[4,2],"data_offsets":[256,288]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 288]].concat();
    let error = Adapter::from_bytes("x", bytes).unwrap_err().to_string();
    assert!(
        error.contains("found numbers of type `Q8_0`, expected F64, F32, F16, BF16 or one of F8"),
        "{error}"
    );
}
