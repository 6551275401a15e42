//! The names of weights, and which way round they lie.

use super::*;

#[test]
fn weights_have_the_names_of_adapters_modules() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    write(
        &path,
        &[
            counting("model.layers.3.self_attn.q_proj.weight", &[2, 3]),
            counting("model.embed_tokens.weight", &[5, 3]),
            counting("model.norm.weight", &[3]),
        ],
    );
    let base = open(dir.path()).unwrap();
    assert_eq!(base.n_weights(), 2);
    for name in ["", "model.", "base_model.model.model."] {
        let module = format!("{name}layers.3.self_attn.q_proj");
        assert_eq!(read(&base, &module).values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "{module}");
    }
    let weight = base.weight("layers.3.self_attn.q_proj").unwrap().unwrap();
    assert_eq!((weight.d_out(), weight.d_in(), weight.dtype()), (2, 3, Dtype::F32));
    assert_eq!((weight.name(), weight.path()), ("layers.3.self_attn.q_proj", path.as_path()));
    assert_eq!(weight.read_rows(1..9).unwrap().values, [3.0, 4.0, 5.0]);
    // Tokens are the input of an embedding.
    let embedding = read(&base, "embed_tokens");
    assert_eq!((embedding.rows, embedding.cols, embedding.values[1]), (3, 5, 3.0));
    assert!(base.weight("layers.3.self_attn.k_proj").unwrap().is_none());
}

#[test]
fn names_that_several_weights_have_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    write(&path, &[counting("layers.0.q.weight", &[2, 3]), counting("model.layers.0.q.weight", &[3, 2])]);
    let base = open(&path).unwrap();
    let error = base.weight("layers.0.q").unwrap_err();
    assert!(matches!(error, Error::Invalid(_)));
    let found =
        "found several weights of this name: `layers.0.q.weight`, `model.layers.0.q.weight`, expected one";
    assert!(error.to_string().ends_with(found), "{error}");
    // Each has a tensor's name of its own.
    assert_eq!(base.weight("model.layers.0.q").unwrap().unwrap().d_out(), 3);
    assert_eq!(base.weight("layers.0.q.weight").unwrap().unwrap().d_out(), 2);
}

#[test]
fn fused_weights_are_cut_and_gpt_2s_lie_the_other_way_round() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    write(
        &path,
        &[
            counting("transformer.h.0.attn.c_attn.weight", &[2, 6]),
            counting("transformer.h.0.attn.c_proj.weight", &[2, 2]),
            counting("transformer.h.0.mlp.c_proj.weight", &[8, 2]),
        ],
    );
    let gpt2 = open(&path).unwrap();
    assert_eq!(gpt2.n_weights(), 3);
    assert_eq!(read(&gpt2, "h.0.attn.c_attn.k").values, [2.0, 8.0, 3.0, 9.0]);
    assert_eq!(read(&gpt2, "h.0.attn.c_attn").rows, 6);
    assert_eq!(read(&gpt2, "h.0.attn.c_proj").values, [0.0, 2.0, 1.0, 3.0]);
    let nano = dir.path().join("nano.safetensors");
    write(&nano, &[counting("h.0.attn.c_attn.weight", &[6, 2]), counting("h.0.attn.c_proj.weight", &[2, 2])]);
    let nano = open(&nano).unwrap();
    assert_eq!(read(&nano, "h.0.attn.c_proj").values, [0.0, 1.0, 2.0, 3.0]);
    assert!(nano.weight("h.0.attn.c_attn.k").unwrap().is_none());
    let alone = dir.path().join("alone.safetensors");
    write(&alone, &[counting("h.0.attn.c_proj.weight", &[2, 2])]);
    let error = open(&alone).unwrap().weight("h.0.attn.c_proj").unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error}");

    let flux = dir.path().join("flux.safetensors");
    write(
        &flux,
        &[
            counting("double_blocks.0.img_attn.qkv.weight", &[12, 4]),
            counting("double_blocks.0.img_attn.proj.weight", &[4, 4]),
        ],
    );
    let flux = open(&flux).unwrap();
    let key = read(&flux, "transformer_blocks.0.attn.to_k");
    assert_eq!((key.rows, key.cols, key.values[0]), (4, 4, 16.0));
    assert_eq!(read(&flux, "transformer_blocks.0.attn.to_out.0").rows, 4);
}

#[test]
fn a_model_of_llama_cpp_has_the_names_of_transformers() {
    let base = open("tests/data/libraries/gguf/model.gguf".as_ref()).unwrap();
    let names: Vec<&str> = base.places.iter().map(|place| place.name.as_str()).collect();
    assert!(!names.is_empty() && names.iter().all(|name| !name.starts_with("blk.")), "{names:?}");
    for name in names {
        let weight = base.weight(name).unwrap().unwrap();
        assert_eq!(weight.read().unwrap().values.len(), weight.d_in() * weight.d_out());
    }
}

#[test]
fn an_output_layer_that_is_tied_is_the_embedding() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let embedding = counting("model.embed_tokens.weight", &[3, 2]);
    write(&path, &[embedding.clone(), counting("model.embed_positions.weight", &[4, 2])]);
    let tied = open(&path).unwrap();
    let output = read(&tied, "base_model.model.lm_head");
    assert_eq!((output.rows, output.cols, output.values), (3, 2, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
    assert_eq!((read(&tied, "embed_tokens").rows, tied.n_weights()), (2, 2));
    let weight = tied.weight("lm_head").unwrap().unwrap();
    assert_eq!((weight.name(), weight.tensor()), ("lm_head", "model.embed_tokens.weight"));
    // One that is stored is itself, and of two embeddings neither is meant.
    write(&path, &[embedding.clone(), ("lm_head.weight", vec![3, 2], vec![7.0; 6])]);
    assert_eq!(read(&open(&path).unwrap(), "lm_head").values, [7.0; 6]);
    write(&path, &[embedding, counting("other.embed_tokens.weight", &[3, 2])]);
    assert!(open(&path).unwrap().weight("lm_head").unwrap().is_none());
}

#[test]
fn experts_in_one_tensor_have_a_weight_each() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let (up, down) = ("model.layers.0.mlp.experts.gate_up_proj", "model.layers.0.mlp.experts.down_proj");
    let module = |expert: u64, projection| format!("layers.0.mlp.experts.{expert}.{projection}");
    // Three experts of a model of width 2 and 5 inner numbers, as Mixtral keeps them and as GPT-OSS does.
    write(&path, &[counting(up, &[3, 10, 2]), counting(down, &[3, 2, 5])]);
    let usual = open(&path).unwrap();
    assert_eq!(usual.n_weights(), 6);
    let (second, last) = (read(&usual, &module(1, "gate_up_proj")), read(&usual, &module(2, "down_proj")));
    assert_eq!((second.rows, second.cols, &second.values[..3]), (10, 2, &[20.0, 21.0, 22.0][..]));
    assert_eq!((last.rows, last.cols, last.values[0]), (2, 5, 20.0));
    write(&path, &[counting(up, &[3, 2, 10]), counting(down, &[3, 5, 2])]);
    let turned = open(&path).unwrap();
    let (second, last) = (read(&turned, &module(1, "gate_up_proj")), read(&turned, &module(2, "down_proj")));
    assert_eq!((second.rows, second.cols, &second.values[..3]), (10, 2, &[20.0, 30.0, 21.0][..]));
    assert_eq!((last.rows, last.cols, &last.values[..2]), (2, 5, &[20.0, 22.0][..]));
    // By itself a projection does not show how it lies.
    write(&path, &[counting(up, &[3, 10, 2])]);
    let error = open(&path).unwrap().weight(&module(0, "gate_up_proj")).unwrap_err();
    assert!(error.to_string().contains("experts without their other projection"), "{error}");
    assert!(open(&path).unwrap().weight(&module(3, "gate_up_proj")).unwrap().is_none());
    let limits = Limits { n_modules: 2, ..Limits::default() };
    let error = BaseModel::open_with(&path, &limits).unwrap_err();
    assert!(error.to_string().ends_with("found 3 experts, expected at most 2"), "{error}");
}

#[test]
fn an_adapters_experts_are_those_of_the_stack() {
    let adapter = Adapter::open("tests/data/libraries/peft-experts").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    write(
        &path,
        &[
            counting("model.layers.0.mlp.experts.gate_up_proj", &[3, 40, 16]),
            counting("model.layers.0.mlp.experts.down_proj", &[3, 16, 20]),
            counting("model.layers.0.self_attn.q_proj.weight", &[16, 16]),
        ],
    );
    let base = open(&path).unwrap();
    for module in adapter.modules() {
        let weight = base.weight(&module.name).unwrap().expect(&module.name);
        assert_eq!((weight.d_out(), weight.d_in()), (module.d_out(), module.d_in()), "{}", module.name);
    }
}

#[test]
fn the_weight_of_a_multihead_attention_is_cut_and_is_that_of_the_module_around_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    write(
        &path,
        &[
            counting("visual.resblocks.0.attn.in_proj_weight", &[6, 2]),
            counting("visual.resblocks.0.attn.out_proj.weight", &[2, 2]),
            // A layer of this name is a layer, as in Mamba.
            counting("layers.0.mixer.in_proj.weight", &[6, 2]),
        ],
    );
    let base = open(&path).unwrap();
    assert_eq!(read(&base, "visual.resblocks.0.attn.in_proj.k").values, [4.0, 5.0, 6.0, 7.0]);
    assert_eq!(read(&base, "visual.resblocks.0.attn").rows, 6);
    assert_eq!(read(&base, "layers.0.mixer.in_proj").rows, 6);
    assert!(base.weight("layers.0.mixer.in_proj.k").unwrap().is_none());
    assert!(base.weight("layers.0.mixer").unwrap().is_none());
}
