//! The same module under the names of different trainers, and the rules for what no name says.

mod common;

use std::process::Command;

use common::files::{data, zeros};
use common::update::library;
use lorascope::{Adapter, Matching, Remedy, Selection, Side};

fn open(path: &str) -> Adapter {
    Adapter::open(library(path)).unwrap()
}

/// The canonical names of the modules that both have.
fn common_names(
    first: &Adapter,
    second: &Adapter,
    matching: Matching,
) -> Result<Vec<String>, lorascope::Error> {
    let selected = Selection::new().all().matching(matching).select(first, second, Side::A)?;
    Ok(selected.pairs.iter().map(|pair| pair.name().to_owned()).collect())
}

fn canonical(first: &Adapter, second: &Adapter) -> Vec<String> {
    common_names(first, second, Matching::Canonical).unwrap()
}

#[test]
fn a_llama_module_is_the_same_in_peft_kohya_and_mlx() {
    let q = ["layers.0.self_attn.q_proj", "layers.1.self_attn.q_proj"];
    let (peft, kohya, mlx) = (open("peft-plain"), open("kohya-llm/kohya-llm.safetensors"), open("mlx"));
    assert_eq!(canonical(&peft, &kohya), q);
    assert_eq!(canonical(&kohya, &mlx), q);
    let both = ["q_proj", "v_proj"];
    let expected: Vec<String> =
        (0..2).flat_map(|n| both.map(|end| format!("layers.{n}.self_attn.{end}"))).collect();
    assert_eq!(canonical(&peft, &mlx), expected);
}

#[test]
fn a_gpt2_projection_is_the_same_in_peft_and_loralib() {
    let (peft, loralib) = (open("peft-gpt2"), open("loralib/gpt2_lora.pt"));
    let expected =
        ["0.attn.c_attn.q", "0.attn.c_attn.v", "1.attn.c_attn.k", "1.attn.c_attn.q", "1.attn.c_attn.v"];
    assert_eq!(canonical(&peft, &loralib), expected.map(|end| format!("h.{end}")));
    // Both are chosen as q and v of one block, too.
    let selected = Selection::new().layer(1).select(&peft, &loralib, Side::B).unwrap();
    assert_eq!(selected.pairs.iter().map(|pair| pair.label()).collect::<Vec<_>>(), ["q", "v"]);
}

#[test]
fn a_unet_and_its_text_encoder_are_the_same_in_diffusers_and_kohya() {
    let diffusers = open("diffusers-new/pytorch_lora_weights.safetensors");
    let names = canonical(&diffusers, &open("kohya-sd/kohya-sd.safetensors"));
    for name in [
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0",
        "down_blocks.0.resnets.0.conv1",
        "text_encoder.encoder.layers.1.self_attn.q_proj",
    ] {
        assert!(names.iter().any(|found| found == name), "no {name} in {names:?}");
    }
    assert!(names.iter().all(|name| !name.starts_with("text_encoder_2.")));
}

#[test]
fn real_runs_of_peft_and_mlx_on_one_model_are_compared() {
    let peft = Adapter::open(data("day21-r8/checkpoint-69")).unwrap();
    let mlx = Adapter::open(data("schemes/mlx-qwen.safetensors")).unwrap();
    for side in Side::ALL {
        let selected = Selection::new().all().select(&peft, &mlx, side).unwrap();
        let shapes: Vec<_> = selected.pairs.iter().map(|pair| (pair.name(), side.d(&pair.second))).collect();
        let d_v = if side == Side::A || side == Side::DwRight { 896 } else { 128 };
        assert_eq!(shapes, [("layers.20.self_attn.q_proj", 896), ("layers.20.self_attn.v_proj", d_v)]);
    }
}

#[test]
fn underscores_that_no_table_knows_match_dots_where_only_one_module_fits() {
    let kohya = zeros(&[
        ("lora_unet_my_blocks_0_thing.lora_down.weight", &[1, 4]),
        ("lora_unet_my_blocks_0_thing.lora_up.weight", &[4, 1]),
    ]);
    let kohya = Adapter::from_bytes("kohya", kohya).unwrap();
    assert_eq!(kohya.modules()[0].name, "my_blocks_0_thing");
    let dotted = common::files::adapter("dotted", &[("my_blocks.0.thing", 4, 4)]);
    assert_eq!(canonical(&dotted, &kohya), ["my_blocks.0.thing"]);
    let unclear =
        common::files::adapter("unclear", &[("my_blocks.0.thing", 4, 4), ("my.blocks.0.thing", 4, 4)]);
    assert!(common_names(&unclear, &kohya, Matching::Canonical).is_err());
    // Between two files with dots an underscore is a part of the name.
    let other = common::files::adapter("other", &[("my.blocks.0.thing", 4, 4)]);
    assert!(common_names(&dotted, &other, Matching::Canonical).is_err());
}

#[test]
fn exact_names_are_those_of_the_files() {
    let (plain, infix) = (open("peft-plain"), open("peft-infix/pytorch_model.safetensors"));
    assert_eq!(common_names(&plain, &infix, Matching::Exact).unwrap().len(), 2);
    let error = common_names(&plain, &open("mlx"), Matching::Exact).unwrap_err();
    assert!(error.to_string().contains("found no module in common"), "{error}");
    assert!(matches!(error.remedy(), Some(Remedy::ListModulePairs { .. })), "{error:?}");
}

#[test]
fn listed_pairs_are_matched_and_the_rest_by_name() {
    let (peft, tune) = (open("peft-plain"), open("torchtune/adapter_0.pt"));
    assert!(common_names(&peft, &tune, Matching::Canonical).is_err());
    let pair = |first: &str, second: &str| [first.to_owned(), second.to_owned()];
    let listed = vec![
        pair("layers.0.self_attn.v_proj", "layers.0.attn.v_proj"),
        pair("base_model.model.model.layers.1.self_attn.v_proj", "layers.1.attn.v_proj"),
    ];
    let names = common_names(&peft, &tune, Matching::Pairs(listed)).unwrap();
    assert_eq!(names, ["layers.0.self_attn.v_proj", "layers.1.self_attn.v_proj"]);
    let with_rest = Matching::Pairs(vec![pair("layers.0.self_attn.q_proj", "layers.1.self_attn.q_proj")]);
    assert_eq!(common_names(&peft, &open("mlx"), with_rest).unwrap().len(), 3);
    for (listed, expected) in [
        (
            vec![pair("nothing", "layers.0.attn.v_proj")],
            "match: found no module `nothing`, expected one of the file's",
        ),
        (
            vec![pair("layers.0.self_attn.v_proj", "layers.0.attn.v_proj"); 2],
            "match: found module `layers.0.self_attn.v_proj` twice, expected each module once",
        ),
    ] {
        let error = common_names(&peft, &tune, Matching::Pairs(listed)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn numbered_modules_match_only_where_every_shape_agrees() {
    let real = ["disney", "analog"]
        .map(|name| Adapter::open(data(&format!("schemes/cloneofsimo-{name}.safetensors"))).unwrap());
    let names = canonical(&real[0], &real[1]);
    assert_eq!(names, ["text_encoder.0", "unet.0", "unet.1", "unet.2", "unet.3"]);
    let numbered = |shapes: [usize; 2]| {
        let [d0, d1] = shapes;
        let bytes = zeros(&[
            ("unet:0:down", &[1, d0]),
            ("unet:0:up", &[4, 1]),
            ("unet:1:down", &[1, d1]),
            ("unet:1:up", &[4, 1]),
        ]);
        Adapter::from_bytes("numbered", bytes).unwrap()
    };
    assert_eq!(canonical(&numbered([4, 5]), &numbered([4, 5])), ["unet.0", "unet.1"]);
    // Number 0 has the same shapes in both, which is not enough.
    let error = common_names(&numbered([4, 5]), &numbered([4, 6]), Matching::Canonical).unwrap_err();
    let because = "numbered modules are matched only where the shapes of all agree".to_owned();
    assert_eq!(error.remedy(), Some(&Remedy::ListModulePairs { because }));
}

/// A file of one module of rank 1 with kohya's names.
fn kohya(module: &str) -> Adapter {
    let names = [format!("{module}.lora_down.weight"), format!("{module}.lora_up.weight")];
    Adapter::from_bytes("kohya", zeros(&[(&names[0], &[1, 4]), (&names[1], &[4, 1])])).unwrap()
}

#[test]
fn underscores_in_a_text_encoder_match_dots_behind_its_name() {
    let joined = kohya("lora_te2_my_blocks_0_thing");
    assert_eq!(joined.modules()[0].name, "text_encoder_2.my_blocks_0_thing");
    let dotted = common::files::adapter("dotted", &[("text_encoder_2.my_blocks.0.thing", 4, 4)]);
    assert_eq!(canonical(&dotted, &joined), ["text_encoder_2.my_blocks.0.thing"]);
}

#[test]
fn a_path_of_kohya_that_has_its_dots_back_matches_no_other_dots() {
    for (module, name, other) in [
        (
            "lora_unet_mid_block_resnets_0_time_emb_proj",
            "mid_block.resnets.0.time_emb_proj",
            "mid.block.resnets.0.time_emb_proj",
        ),
        ("lora_unet_time_embedding_linear_1", "time_embedding.linear_1", "time.embedding.linear_1"),
        (
            "lora_te2_text_model_encoder_layers_0_mlp_fc1",
            "text_encoder_2.encoder.layers.0.mlp.fc1",
            "text_encoder_2.encoder.layers.0_mlp.fc1",
        ),
    ] {
        let kohya = kohya(module);
        let one = |name: &str| common::files::adapter("dotted", &[(name, 4, 4)]);
        assert_eq!(canonical(&kohya, &one(name)), [name]);
        assert!(common_names(&kohya, &one(other), Matching::Canonical).is_err(), "{other}");
    }
}

#[test]
fn a_name_without_dots_matches_no_dots_where_neither_file_joins_its_paths() {
    let one = |name: &str| common::files::adapter("dotted", &[(name, 4, 4)]);
    assert!(common_names(&one("lm_head"), &one("lm.head"), Matching::Canonical).is_err());
}

#[test]
fn a_number_is_no_name_for_a_file_with_names() {
    let numbered = zeros(&[("w_a_000", &[1, 4]), ("w_b_000", &[4, 1])]);
    let named = zeros(&[("000.lora_A.weight", &[1, 4]), ("000.lora_B.weight", &[4, 1])]);
    let [numbered, named] = [numbered, named].map(|bytes| Adapter::from_bytes("x", bytes).unwrap());
    assert_eq!(numbered.modules()[0].name, named.modules()[0].name);
    assert!(common_names(&numbered, &named, Matching::Canonical).is_err());
    assert!(common_names(&named, &numbered, Matching::Canonical).is_err());
    assert_eq!(canonical(&numbered, &numbered), ["000"]);
}

#[test]
fn numbered_modules_with_another_d_out_do_not_match() {
    let numbered = |d_out: usize| {
        let bytes = zeros(&[("w_a_000", &[1, 4]), ("w_b_000", &[d_out, 1])]);
        Adapter::from_bytes("numbered", bytes).unwrap()
    };
    assert_eq!(canonical(&numbered(4), &numbered(4)), ["000"]);
    assert!(common_names(&numbered(4), &numbered(5), Matching::Canonical).is_err());
}

fn lorascope(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lorascope"));
    let output = command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn numbered_modules_are_compared_with_a_warning() {
    let run = |name: &str| format!("tests/data/adapters/schemes/cloneofsimo-{name}.safetensors");
    let (code, table, notes) = lorascope(&["compare", &run("disney"), &run("analog")]);
    assert_eq!((code, table.lines().count()), (Some(0), 8), "{notes}");
    assert!(notes.contains("warning: cloneofsimo modules are numbered"), "{notes}");
}

#[test]
fn compare_takes_pairs_from_a_file_and_adapters_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = folder.path().join("pairs.csv");
    std::fs::write(&pairs, "# PEFT, TorchTune\nlayers.0.self_attn.v_proj, layers.0.attn.v_proj\n").unwrap();
    let pairs = pairs.to_str().unwrap();
    let compare = |matching: &str| {
        lorascope(&[
            "compare",
            "tests/data/libraries/peft-plain",
            "tests/data/libraries/torchtune/adapter_0.pt",
            "--match",
            matching,
        ])
    };
    let (code, table, _) = compare(pairs);
    assert_eq!((code, table.lines().count()), (Some(0), 4));
    assert!(table.lines().nth(1).unwrap().starts_with("layers.0.self_attn.v_proj "), "{table}");
    std::fs::write(pairs, "layers.0.self_attn.v_proj\n").unwrap();
    let (code, _, errors) = compare(pairs);
    assert_eq!(code, Some(1));
    assert!(errors.contains("pairs.csv: line 1: found 1 fields, expected two"), "{errors}");
    assert_eq!(compare("nearly").0, Some(2));

    let two = "tests/data/libraries/peft-several/two.safetensors";
    let (code, table, _) =
        lorascope(&["compare", two, "tests/data/libraries/peft-plain", "--adapter-name", "face"]);
    assert_eq!((code, table.lines().count()), (Some(0), 7), "{table}");
    let (code, _, errors) = lorascope(&["compare", two, "tests/data/libraries/peft-plain"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("hint: choose one, for example with --adapter-name face"), "{errors}");
}

#[test]
fn a_dora_is_compared_without_its_magnitudes_and_a_warning_says_so() {
    let (code, table, notes) =
        lorascope(&["compare", "tests/data/libraries/peft-dora", "tests/data/libraries/peft-plain"]);
    assert_eq!((code, table.lines().count()), (Some(0), 5), "{notes}");
    assert!(notes.contains("peft-dora is DoRA: 2 magnitude vectors left out"), "{notes}");
}

#[test]
fn a_part_of_a_fused_weight_is_drawn_by_its_letter() {
    let picture = tempfile::tempdir().unwrap().path().with_extension("png");
    let gpt2 = "tests/data/libraries/peft-gpt2";
    let output = picture.to_str().unwrap();
    let (code, table, notes) = lorascope(&[
        "figure",
        gpt2,
        gpt2,
        "--layer",
        "1",
        "--projections",
        "k,v",
        "--dpi",
        "30",
        "-o",
        output,
    ]);
    assert_eq!(code, Some(0), "{notes}");
    for name in ["ΔW_k: h.1.attn.c_attn.k", "ΔW_v: h.1.attn.c_attn.v"] {
        assert!(table.contains(name), "{table}");
    }
    std::fs::remove_file(picture).unwrap();
}

/// Two spellings of one model that no table has: a file with underscores for dots meets nothing.
#[test]
fn files_that_hardly_meet_show_both_spellings() {
    let here =
        common::files::adapter("x", &[("tower.0.mix", 4, 4), ("tower.1.mix", 4, 4), ("lm_head", 4, 4)]);
    let there =
        common::files::adapter("y", &[("tower_0_mix", 4, 4), ("tower_1_mix", 4, 4), ("lm_head", 4, 4)]);
    for selection in [Selection::new().all(), Selection::new().all().modules(["lm_head"]).unwrap()] {
        let few = selection.select(&here, &there, Side::A).unwrap().few_meet.unwrap();
        assert_eq!((few.n_met, few.n_modules), (1, [3, 3]));
        assert_eq!(few.examples, ["base_model.model.tower.0.mix", "base_model.model.tower_0_mix"]);
    }
    let pairs = Matching::Pairs(vec![["tower.0.mix".into(), "tower_0_mix".into()]]);
    let by_hand = Selection::new().all().matching(pairs).select(&here, &there, Side::A).unwrap();
    assert_eq!((by_hand.pairs.len(), by_hand.few_meet), (2, None));
    let in_all = Selection::new().all().select_in_all(&[here, there.clone(), there], Side::A).unwrap();
    let places: Vec<usize> = in_all.few_meet.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [1, 2]);
}
