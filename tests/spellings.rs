//! One module under the names of its authors, of trainers and of diffusers: files of one adapter meet in every module, whatever
//! wrote them, and agree in every number.

mod common;

use std::collections::BTreeMap;

use common::checkpoints::numbers;
use lorascope::{Adapter, Selection, Side};
use safetensors::tensor::{Dtype, TensorView};

const RANK: usize = 2;

/// A file: the ends of its tensors' names, what is before every path, and a line `PATH = PART ...` for each module. A part is a
/// name, or a name with d_in and d_out, `up:4:16`; else both are 6. The parts of a fused weight share A.
struct Spelling {
    label: &'static str,
    ends: [&'static str; 2],
    front: &'static str,
    modules: &'static str,
}

const KOHYA: [&str; 2] = [".lora_down.weight", ".lora_up.weight"];
const PEFT: [&str; 2] = [".lora_A.weight", ".lora_B.weight"];

/// Factors that depend on the part only: A of all parts of one d_in is the same.
fn factor(key: &str, n: usize) -> Vec<f64> {
    let seed = key.bytes().fold(7u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    numbers(seed, n)
}

impl Spelling {
    fn open(&self) -> Adapter {
        let mut tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)> = BTreeMap::new();
        for line in self.modules.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (path, parts) = line.split_once(" = ").unwrap();
            let (mut d_in, mut b, mut d_out) = (0, vec![], 0);
            for part in parts.split(' ') {
                let mut words = part.split(':');
                let key = words.next().unwrap();
                let mut size = || words.next().map_or(6, |size| size.parse().unwrap());
                d_in = size();
                let rows = size();
                b.extend(factor(key, rows * RANK));
                d_out += rows;
            }
            let path = match self.ends == KOHYA && self.front.starts_with("lora_") {
                true => path.replace('.', "_"),
                false => path.to_owned(),
            };
            let name = format!("{}{path}", self.front);
            tensors.insert(format!("{name}{}", self.ends[0]), (vec![RANK, d_in], factor("A", RANK * d_in)));
            tensors.insert(format!("{name}{}", self.ends[1]), (vec![d_out, RANK], b));
        }
        let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
            .into_iter()
            .map(|(name, (shape, numbers))| {
                (name, shape, numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
            })
            .collect();
        let views = bytes
            .iter()
            .map(|(name, shape, data)| (name, TensorView::new(Dtype::F64, shape.clone(), data).unwrap()));
        Adapter::from_bytes(self.label, safetensors::serialize(views, None).unwrap()).unwrap()
    }
}

/// Asserts that all of them have the modules of these names, with the same numbers.
fn all_meet(expected: &[&str], spellings: &[Spelling]) {
    let adapters: Vec<Adapter> = spellings.iter().map(Spelling::open).collect();
    for adapter in &adapters {
        let label = adapter.path().display();
        let names: Vec<&str> = adapter.modules().iter().map(|module| module.name.as_str()).collect();
        let mut sorted = expected.to_vec();
        sorted.sort_unstable();
        let mut found = names.clone();
        found.sort_unstable();
        assert_eq!(found, sorted, "{label}");
        let selected = Selection::new().all().select(&adapters[0], adapter, Side::B).unwrap();
        assert_eq!((selected.pairs.len(), selected.few_meet), (expected.len(), None), "{label}");
        for pair in &selected.pairs {
            for (one, other) in [(&pair.first.a, &pair.second.a), (&pair.first.b, &pair.second.b)] {
                let (one, other) = (one.read().unwrap(), other.read().unwrap());
                assert_eq!(one, other, "{label}: {}", pair.name());
            }
        }
    }
}

fn kohya(modules: &'static str) -> Spelling {
    Spelling { label: "kohya", ends: KOHYA, front: "lora_unet_", modules }
}

fn comfyui(modules: &'static str) -> Spelling {
    Spelling { label: "ComfyUI", ends: PEFT, front: "diffusion_model.", modules }
}

/// As diffusers' training scripts save the adapter of a transformer by itself.
fn diffusers(modules: &'static str) -> Spelling {
    Spelling { label: "diffusers", ends: PEFT, front: "base_model.model.", modules }
}

#[test]
fn wan_has_one_name_from_six_trainers() {
    let original = "
        blocks.0.self_attn.q = q
        blocks.0.self_attn.o = o
        blocks.0.cross_attn.v = v
        blocks.0.cross_attn.k_img = k_img
        blocks.0.ffn.0 = up:6:24
        head.head = head";
    let in_diffusers = "
        blocks.0.attn1.to_q = q
        blocks.0.attn1.to_out.0 = o
        blocks.0.attn2.to_v = v
        blocks.0.attn2.add_k_proj = k_img
        blocks.0.ffn.net.0.proj = up:6:24
        proj_out = head";
    let names = [
        "blocks.0.attn1.to_q",
        "blocks.0.attn1.to_out.0",
        "blocks.0.attn2.to_v",
        "blocks.0.attn2.add_k_proj",
        "blocks.0.ffn.net.0.proj",
        "proj_out",
    ];
    let spelling = |label, ends, front, modules| Spelling { label, ends, front, modules };
    let default = [".lora_A.default.weight", ".lora_B.default.weight"];
    all_meet(
        &names,
        &[
            diffusers(in_diffusers),
            kohya(original),
            comfyui(original),
            spelling("VideoX-Fun", KOHYA, "lora_unet__", original),
            spelling("OneTrainer", KOHYA, "lora_transformer_", in_diffusers),
            spelling("DiffSynth", default, "pipe.dit.", original),
            spelling("lightx2v", KOHYA, "diffusion_model.", original),
            spelling("distilled", PEFT, "generator.model.", original),
            spelling("sharded", PEFT, "_fsdp_wrapped_module.", original),
        ],
    );
}

#[test]
fn fused_attention_meets_split_attention_in_z_image_and_lumina() {
    let names = |attention: &str, w1: &str| {
        let ends = ["to_q", "to_k", "to_v", "to_out.0"].map(|end| format!("layers.0.{attention}.{end}"));
        [&ends[..], &[format!("layers.0.feed_forward.{w1}")]].concat()
    };
    let z_image = names("attention", "w1");
    let fused = "
        layers.0.attention.qkv = q k v
        layers.0.attention.out = o
        layers.0.feed_forward.w1 = gate:6:16";
    all_meet(
        &z_image.iter().map(String::as_str).collect::<Vec<_>>(),
        &[
            diffusers(
                "
                layers.0.attention.to_q = q
                layers.0.attention.to_k = k
                layers.0.attention.to_v = v
                layers.0.attention.to_out.0 = o
                layers.0.feed_forward.w1 = gate:6:16",
            ),
            kohya(fused),
            comfyui(fused),
        ],
    );
    let lumina = names("attn", "linear_1");
    let fused = "
        layers.0.attention.qkv = q k:6:2 v:6:2
        layers.0.attention.out = o
        layers.0.feed_forward.w1 = gate:6:16";
    all_meet(
        &lumina.iter().map(String::as_str).collect::<Vec<_>>(),
        &[
            diffusers(
                "
                layers.0.attn.to_q = q
                layers.0.attn.to_k = k:6:2
                layers.0.attn.to_v = v:6:2
                layers.0.attn.to_out.0 = o
                layers.0.feed_forward.linear_1 = gate:6:16",
            ),
            kohya(fused),
            comfyui(fused),
        ],
    );
}

#[test]
fn the_double_blocks_of_flux_and_hunyuan_video_meet_diffusers() {
    let names = [
        "transformer_blocks.3.attn.to_q",
        "transformer_blocks.3.attn.to_k",
        "transformer_blocks.3.attn.to_v",
        "transformer_blocks.3.attn.add_q_proj",
        "transformer_blocks.3.attn.add_k_proj",
        "transformer_blocks.3.attn.add_v_proj",
        "transformer_blocks.3.attn.to_add_out",
        "transformer_blocks.3.ff.net.0.proj",
        "single_transformer_blocks.5.attn.to_q",
        "single_transformer_blocks.5.attn.to_k",
        "single_transformer_blocks.5.attn.to_v",
        "single_transformer_blocks.5.proj_mlp",
        "single_transformer_blocks.5.proj_out",
    ];
    let in_diffusers = "
        transformer_blocks.3.attn.to_q = q
        transformer_blocks.3.attn.to_k = k
        transformer_blocks.3.attn.to_v = v
        transformer_blocks.3.attn.add_q_proj = tq
        transformer_blocks.3.attn.add_k_proj = tk
        transformer_blocks.3.attn.add_v_proj = tv
        transformer_blocks.3.attn.to_add_out = to
        transformer_blocks.3.ff.net.0.proj = up:6:24
        single_transformer_blocks.5.attn.to_q = sq
        single_transformer_blocks.5.attn.to_k = sk
        single_transformer_blocks.5.attn.to_v = sv
        single_transformer_blocks.5.proj_mlp = mlp:6:24
        single_transformer_blocks.5.proj_out = so:30:6";
    let flux = "
        double_blocks.3.img_attn.qkv = q k v
        double_blocks.3.txt_attn.qkv = tq tk tv
        double_blocks.3.txt_attn.proj = to
        double_blocks.3.img_mlp.0 = up:6:24
        single_blocks.5.linear1 = sq sk sv mlp:6:24
        single_blocks.5.linear2 = so:30:6";
    let hunyuan_video = "
        double_blocks.3.img_attn_qkv = q k v
        double_blocks.3.txt_attn_qkv = tq tk tv
        double_blocks.3.txt_attn_proj = to
        double_blocks.3.img_mlp.fc1 = up:6:24
        single_blocks.5.linear1 = sq sk sv mlp:6:24
        single_blocks.5.linear2 = so:30:6";
    let pipeline = |modules| Spelling { label: "pipeline", ends: PEFT, front: "transformer.", modules };
    all_meet(
        &names,
        &[
            diffusers(in_diffusers),
            kohya(flux),
            comfyui(flux),
            kohya(hunyuan_video),
            comfyui(hunyuan_video),
            pipeline(hunyuan_video),
            pipeline(in_diffusers),
        ],
    );
}

#[test]
fn the_single_blocks_of_flux_2_are_cut_in_both_names() {
    let names = [
        "transformer_blocks.0.ff.linear_in",
        "single_transformer_blocks.0.attn.to_q",
        "single_transformer_blocks.0.attn.to_k",
        "single_transformer_blocks.0.attn.to_v",
        "single_transformer_blocks.0.proj_mlp",
        "single_transformer_blocks.0.attn.to_out",
    ];
    let original = "
        double_blocks.0.img_mlp.0 = up:6:36
        single_blocks.0.linear1 = q k v mlp:6:36
        single_blocks.0.linear2 = o:24:6";
    all_meet(
        &names,
        &[
            diffusers(
                "
                transformer_blocks.0.ff.linear_in = up:6:36
                single_transformer_blocks.0.attn.to_qkv_mlp_proj = q k v mlp:6:36
                single_transformer_blocks.0.attn.to_out = o:24:6",
            ),
            kohya(original),
            comfyui(original),
        ],
    );
}

#[test]
fn other_image_and_video_models_meet_diffusers_too() {
    type Case = (&'static [&'static str], &'static str, &'static str);
    let cases: &[Case] = &[
        (
            &["transformer_blocks.0.attn.to_q", "transformer_blocks.0.img_mlp.net.0.proj", "img_in"],
            "transformer_blocks.0.attn.to_q = q
             transformer_blocks.0.img_mlp.net.0.proj = up:6:24
             img_in = in",
            "transformer_blocks.0.attn.to_q = q
             transformer_blocks.0.img_mlp.net.0.proj = up:6:24
             img_in = in",
        ),
        (
            &[
                "transformer_blocks.2.attn.to_q",
                "transformer_blocks.2.attn.to_k",
                "transformer_blocks.2.attn.to_v",
                "transformer_blocks.2.attn.to_add_out",
                "transformer_blocks.2.ff_context.net.2",
            ],
            "joint_blocks.2.x_block.attn.qkv = q k v
             joint_blocks.2.context_block.attn.proj = o
             joint_blocks.2.context_block.mlp.fc2 = down:24:6",
            "transformer_blocks.2.attn.to_q = q
             transformer_blocks.2.attn.to_k = k
             transformer_blocks.2.attn.to_v = v
             transformer_blocks.2.attn.to_add_out = o
             transformer_blocks.2.ff_context.net.2 = down:24:6",
        ),
        (
            &[
                "joint_transformer_blocks.0.attn.add_q_proj",
                "joint_transformer_blocks.0.attn.to_q",
                "single_transformer_blocks.9.ff.out_projection",
            ],
            "double_layers.0.attn.w1q = aq
             double_layers.0.attn.w2q = q
             single_layers.9.mlp.c_proj = down:24:6",
            "joint_transformer_blocks.0.attn.add_q_proj = aq
             joint_transformer_blocks.0.attn.to_q = q
             single_transformer_blocks.9.ff.out_projection = down:24:6",
        ),
        (
            &[
                "transformer_blocks.0.attn1.to_q",
                "transformer_blocks.0.attn2.to_out.0",
                "transformer_blocks.0.ff.net.2",
                "text_conditioner.blocks.0.cross_attn.o_proj",
            ],
            "blocks.0.self_attn.q_proj = q
             blocks.0.cross_attn.output_proj = o
             blocks.0.mlp.layer2 = down:24:6
             llm_adapter.blocks.0.cross_attn.o_proj = lo",
            "transformer_blocks.0.attn1.to_q = q
             transformer_blocks.0.attn2.to_out.0 = o
             transformer_blocks.0.ff.net.2 = down:24:6
             text_conditioner.blocks.0.cross_attn.o_proj = lo",
        ),
        (
            &[
                "transformer_blocks.0.attn1.to_q",
                "transformer_blocks.0.attn1.to_k",
                "transformer_blocks.0.attn1.to_v",
                "transformer_blocks.0.attn2.to_k",
                "transformer_blocks.0.attn2.to_v",
                "adaln_single.linear",
            ],
            "blocks.0.attn.qkv = q k v
             blocks.0.cross_attn.kv_linear = ck cv
             t_block.1 = ada:6:36",
            "transformer_blocks.0.attn1.to_q = q
             transformer_blocks.0.attn1.to_k = k
             transformer_blocks.0.attn1.to_v = v
             transformer_blocks.0.attn2.to_k = ck
             transformer_blocks.0.attn2.to_v = cv
             adaln_single.linear = ada:6:36",
        ),
        (
            &[
                "blocks.0.attn1.to_q",
                "blocks.0.attn1.to_k",
                "blocks.0.attn1.to_v",
                "blocks.0.attn2.to_k",
                "blocks.0.attn2.to_v",
            ],
            "blocks.0.attn1.Wqkv = q k v
             blocks.0.attn2.kv_proj = ck:4:6 cv:4:6",
            "blocks.0.attn1.to_q = q
             blocks.0.attn1.to_k = k
             blocks.0.attn1.to_v = v
             blocks.0.attn2.to_k = ck:4:6
             blocks.0.attn2.to_v = cv:4:6",
        ),
        (
            &["down_blocks.0.2.attention.to_q", "up_blocks.1.5.attention.to_out.0"],
            "down_blocks.0.2.attention.attn.in_proj.0 = q
             up_blocks.1.5.attention.attn.out_proj = o",
            "down_blocks.0.2.attention.to_q = q
             up_blocks.1.5.attention.to_out.0 = o",
        ),
        (
            &["transformer_blocks.0.audio_attn1.to_q", "proj_in", "adaln_single.linear"],
            "transformer_blocks.0.audio_attn1.to_q = q
             patchify_proj = in
             adaln_single.linear = ada:6:36",
            "transformer_blocks.0.audio_attn1.to_q = q
             proj_in = in
             time_embed.linear = ada:6:36",
        ),
        (
            &["transformer_blocks.0.attn.to_gate", "text_fusion.refiner_blocks.1.ff.up", "img_in"],
            "blocks.0.attn.gate = gate
             txtfusion.refiner_blocks.1.mlp.up = up
             first = in",
            "transformer_blocks.0.attn.to_gate = gate
             text_fusion.refiner_blocks.1.ff.up = up
             img_in = in",
        ),
    ];
    for (names, original, in_diffusers) in cases {
        let spellings = [
            diffusers(in_diffusers),
            kohya(in_diffusers),
            comfyui(in_diffusers),
            kohya(original),
            comfyui(original),
        ];
        all_meet(names, &spellings);
    }
}

#[test]
fn an_sdxl_unet_meets_diffusers_with_its_convolutions() {
    let attention = "transformer_blocks.1.attn2.to_k";
    let names =
        ["down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k", "up_blocks.0.resnets.2.conv_shortcut"];
    assert!(names[0].ends_with(attention));
    let original = "
        input_blocks.4.1.transformer_blocks.1.attn2.to_k = k
        output_blocks.2.0.skip_connection = short";
    let unet = Spelling {
        label: "diffusers",
        ends: PEFT,
        front: "unet.",
        modules: "
            down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k = k
            up_blocks.0.resnets.2.conv_shortcut = short",
    };
    all_meet(&names, &[unet, kohya(original), comfyui(original)]);
}

#[test]
fn a_vision_language_model_meets_itself_across_transformers_4_52() {
    let names = ["layers.3.self_attn.q_proj", "visual.blocks.0.attn.proj", "lm_head"];
    let spelling = |label, modules| Spelling { label, ends: PEFT, front: "base_model.model.", modules };
    all_meet(
        &names,
        &[
            spelling(
                "Qwen2-VL of 2024",
                "model.layers.3.self_attn.q_proj = q
                 visual.blocks.0.attn.proj = o
                 lm_head = head",
            ),
            spelling(
                "Qwen2-VL since 4.52",
                "model.language_model.layers.3.self_attn.q_proj = q
                 model.visual.blocks.0.attn.proj = o
                 lm_head = head",
            ),
            spelling(
                "LLaVA of 2024",
                "language_model.model.layers.3.self_attn.q_proj = q
                 visual.blocks.0.attn.proj = o
                 language_model.lm_head = head",
            ),
            Spelling {
                label: "compiled and checkpointed",
                ends: PEFT,
                front: "_orig_mod.",
                modules: "
                    model.language_model.layers.3._checkpoint_wrapped_module.self_attn.q_proj = q
                    model.visual.blocks.0.module.attn.proj = o
                    lm_head = head",
            },
        ],
    );
}

/// q, v of a layer are found by `--layer` and `--projections` in names that had no dots.
#[test]
fn layers_and_projections_are_found_in_names_with_underscores() {
    let [first, second] = [0, 1].map(|_| {
        kohya(
            "transformer_blocks.7.attn.to_q = q
             transformer_blocks.7.attn.to_v = v
             transformer_blocks.7.img_mlp.net.2 = down:24:6
             transformer_blocks.8.attn.to_q = q8
             transformer_blocks.8.attn.to_v = v8",
        )
        .open()
    });
    let names = |selection: Selection| -> Vec<String> {
        let selected = selection.select(&first, &second, Side::A).unwrap();
        selected.pairs.iter().map(|pair| pair.name().to_owned()).collect()
    };
    assert_eq!(names(Selection::new().layer(7).projections(["q"])), ["transformer_blocks.7.attn.to_q"]);
    assert_eq!(names(Selection::new()), ["transformer_blocks.8.attn.to_q", "transformer_blocks.8.attn.to_v"]);
}
