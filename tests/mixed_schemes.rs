//! Files that hold more than one naming scheme reads, and modules that cannot be read next to modules that can.

mod common;

use common::checkpoints::Checkpoint;
use common::files::{complaint, container, zeros};
use common::scans::Place;
use lorascope::{Adapter, Error, OpenOptions};

fn open(tensors: &[(&str, &[usize])]) -> Adapter {
    Adapter::from_bytes("x.safetensors", zeros(tensors)).unwrap()
}

fn names(adapter: &Adapter) -> Vec<&str> {
    adapter.modules().iter().map(|module| module.name.as_str()).collect()
}

/// Name, reason and number of tensors of everything that is left out.
fn unread(adapter: &Adapter) -> Vec<(&str, &str, usize)> {
    let parts = adapter.unread_parts().iter();
    parts.map(|part| (part.name.as_str(), part.reason.as_str(), part.n_tensors)).collect()
}

const UNET: &str = "lora_unet_mid_block_attentions_0_proj_in";

#[test]
fn each_tensor_goes_by_its_own_scheme() {
    let adapter = open(&[
        ("lora_unet_mid_block_attentions_0_proj_in.lora_down.weight", &[2, 8]),
        ("lora_unet_mid_block_attentions_0_proj_in.lora_up.weight", &[8, 2]),
        ("lora_unet_mid_block_attentions_0_proj_out.lora_down.weight", &[2, 8]),
        ("lora_unet_mid_block_attentions_0_proj_out.lora_up.weight", &[8, 2]),
        ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight", &[2, 6]),
        ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_B.weight", &[6, 2]),
        ("base_model.model.text_model.encoder.layers.1.self_attn.q_proj.lora_A.weight", &[2, 6]),
        ("base_model.model.text_model.encoder.layers.1.self_attn.q_proj.lora_B.weight", &[6, 2]),
    ]);
    assert_eq!(adapter.naming_scheme().name(), "kohya", "that of most of the factors");
    assert_eq!(adapter.modules().len(), 4);
    assert_eq!((unread(&adapter), adapter.n_other_tensors()), (vec![], 0));
    assert!(names(&adapter).contains(&"mid_block.attentions.0.proj_in"), "{:?}", names(&adapter));
}

#[test]
fn what_goes_with_a_pair_may_have_another_schemes_name() {
    let adapter = open(&[
        ("diffusion_model.blocks.0.q.lora_A.weight", &[2, 8]),
        ("diffusion_model.blocks.0.q.lora_B.weight", &[8, 2]),
        ("diffusion_model.blocks.0.q.alpha", &[]),
        ("diffusion_model.blocks.0.q.dora_scale", &[8, 1]),
        ("diffusion_model.blocks.0.k.lora_A.weight", &[2, 8]),
        ("diffusion_model.blocks.0.k.lora_B.weight", &[8, 2]),
        ("diffusion_model.blocks.0.k.lora_magnitude_vector", &[8]),
    ]);
    assert_eq!((unread(&adapter), adapter.n_other_tensors(), adapter.n_magnitudes()), (vec![], 0, 2));
    // The zeros that all tensors here are made of.
    let q = adapter.modules().iter().find(|module| module.original.ends_with(".q")).unwrap();
    assert_eq!((q.alpha, q.scaling), (Some(0.0), Some(0.0)));
    let k = adapter.modules().iter().find(|module| module.original.ends_with(".k")).unwrap();
    assert_eq!((k.alpha, k.scaling), (None, None));
}

#[test]
fn parts_of_other_methods_are_named_by_module_and_method() {
    let adapter = open(&[
        ("lora_unet_mid_block_attentions_0_proj_in.lora_down.weight", &[2, 8]),
        ("lora_unet_mid_block_attentions_0_proj_in.lora_up.weight", &[8, 2]),
        ("lora_unet_a.lokr_w1", &[4, 4]),
        ("lora_unet_a.lokr_w2", &[4, 4]),
        ("lora_unet_a.alpha", &[]),
        ("lora_unet_b.hada_w1_a", &[4, 2]),
        ("lora_unet_b.hada_w1_b", &[2, 4]),
        ("lora_unet_c.diff", &[4, 4]),
        ("lora_unet_c.diff_b", &[4]),
        ("d.oft_blocks", &[2, 4, 4]),
        ("e.a1.weight", &[4, 4]),
        ("e.a2.weight", &[4, 4]),
        ("e.b1.weight", &[4, 4]),
        ("e.b2.weight", &[4, 4]),
        ("f.left", &[2, 64]),
        ("f.right", &[64, 2]),
        ("my_lora_thing", &[3]),
        ("lora_te_orphan.alpha", &[]),
        ("classifier.weight", &[4, 4]),
    ]);
    assert_eq!(
        unread(&adapter),
        [
            ("d", "OFT, whose ΔW is made of the base model's weights", 1),
            ("e", "GLoRA, whose ΔW is made of the base model's weights", 4),
            ("f.left", "a pair of low rank under unknown names", 2),
            ("lora_te_orphan.alpha", "a scalar or a vector without factors", 1),
            ("lora_unet_b", "LoHa whose tensors do not fit together", 2),
            ("lora_unet_c", "a difference of biases", 1),
            ("my_lora_thing", "a LoRA tensor under an unknown name", 1),
        ]
    );
    assert_eq!((names(&adapter).len(), adapter.n_other_tensors()), (3, 1));
}

#[test]
fn a_module_that_cannot_be_read_is_left_out_of_the_rest() {
    let adapter = open(&[
        ("ok.lora_A.weight", &[2, 8]),
        ("ok.lora_B.weight", &[8, 2]),
        ("empty.lora_A.weight", &[0]),
        ("empty.lora_B.weight", &[0]),
        ("odd.lora_A.weight", &[2, 8]),
        ("odd.lora_B.weight", &[8, 3]),
        ("pruned.lora_A.weight", &[0, 8]),
        ("pruned.lora_B.weight", &[8, 0]),
        ("twice.lora_A.weight", &[2, 8]),
        ("twice.lora_embedding_A", &[2, 8]),
        ("twice.lora_B.weight", &[8, 2]),
    ]);
    assert_eq!(names(&adapter), ["ok"]);
    assert_eq!(
        unread(&adapter),
        [
            ("empty", "shape [0] (saved under DeepSpeed ZeRO-3 without gathering the parameters)", 2),
            ("odd", "factors of shapes or types that cannot be read", 2),
            ("pruned", "rank 0, which changes nothing", 2),
            ("twice", "a tensor that is there twice", 3),
        ]
    );
    let tucker = open(&[
        (&format!("{UNET}.lora_down.weight"), &[2, 8]),
        (&format!("{UNET}.lora_up.weight"), &[8, 2]),
        ("lora_unet_conv_in.lora_down.weight", &[2, 4, 1, 1]),
        ("lora_unet_conv_in.lora_mid.weight", &[3, 2, 3, 3]),
        ("lora_unet_conv_in.lora_up.weight", &[8, 2, 1, 1]),
    ]);
    let reason = "a Tucker decomposition whose tensors do not fit together";
    assert_eq!(unread(&tucker), [("lora_unet_conv_in", reason, 3)]);
}

#[test]
fn a_type_that_is_not_known_leaves_out_its_module() {
    let header = r#"{"m.lora_A.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},
        "m.lora_B.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]},
        "n.lora_A.weight":{"dtype":"I8","shape":[1,4],"data_offsets":[16,20]},
        "n.lora_B.weight":{"dtype":"I8","shape":[4,1],"data_offsets":[20,24]}}"#;
    let adapter = Adapter::from_bytes("x", container(header, 24)).unwrap();
    assert_eq!(names(&adapter), ["m"]);
    assert_eq!(unread(&adapter), [("n", "factors of shapes or types that cannot be read", 2)]);
    assert!(
        adapter.unread_parts()[0]
            .found
            .as_deref()
            .unwrap()
            .starts_with("found numbers of type `I8`, expected ")
    );
}

#[test]
fn nothing_that_can_be_read_is_an_error_with_the_cause() {
    let message = complaint(zeros(&[("m.lora_A.weight", &[0]), ("m.lora_B.weight", &[0])]));
    assert!(message.starts_with("module `m`: shape [0] (saved under DeepSpeed ZeRO-3"), "{message}");
    let error = Adapter::from_bytes("x", zeros(&[("m.lora_A.weight", &[0]), ("m.lora_B.weight", &[0])]));
    assert!(error.unwrap_err().hint().unwrap().contains("zero_to_fp32.py"));
}

#[test]
fn an_alpha_that_is_not_a_number_leaves_the_scaling_unknown() {
    let q = format!("{UNET}.lora_down.weight");
    let up = format!("{UNET}.lora_up.weight");
    let alpha = format!("{UNET}.alpha");
    let adapter = open(&[(&q, &[2, 8]), (&up, &[8, 2]), (&alpha, &[2])]);
    let module = &adapter.modules()[0];
    assert_eq!((module.alpha, module.scaling), (None, None));
    assert_eq!(
        unread(&adapter),
        [(alpha.as_str(), "an alpha that cannot be read, so that the scaling is not known", 1)]
    );
}

#[test]
fn a_scheme_without_adapters_names_goes_with_each_adapter_that_another_names() {
    let bytes = zeros(&[
        (&format!("{UNET}.lora_down.weight"), &[2, 8]),
        (&format!("{UNET}.lora_up.weight"), &[8, 2]),
        ("te.q.lora_A.style.weight", &[2, 8]),
        ("te.q.lora_B.style.weight", &[8, 2]),
    ]);
    let adapter = Adapter::from_bytes("x", bytes.clone()).unwrap();
    assert_eq!((adapter.adapter_name(), adapter.modules().len()), (Some("style"), 2));
    let file = tempfile::NamedTempFile::with_suffix(".safetensors").unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let adapter = OpenOptions::new().adapter_name("style").open(file.path()).unwrap();
    assert_eq!(adapter.modules().len(), 2);
}

#[test]
fn a_lora_under_unknown_names_is_not_passed_by_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, tensors: &[(&str, &[usize])]| {
        std::fs::write(folder.path().join(name), zeros(tensors)).unwrap();
    };
    write("named.safetensors", &[("x.my_lora_left", &[4, 64]), ("x.my_lora_right", &[64, 4])]);
    write("paired.safetensors", &[("x.left", &[4, 64]), ("x.right", &[64, 4]), ("norm", &[64])]);
    write("full.safetensors", &[("x.wi.weight", &[256, 64]), ("x.wo.weight", &[64, 256])]);
    let found = lorascope::discover(folder.path(), &lorascope::Limits::default()).unwrap();
    let bad: Vec<_> = found.bad.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(bad, ["named.safetensors", "paired.safetensors"]);
    for (_, error) in &found.bad {
        assert!(matches!(error, Error::Unsupported(_)));
        assert!(error.to_string().contains("of a LoRA whose names are not known"), "{error}");
    }
    assert_eq!(found.ignored.len(), 1);
}

#[test]
fn every_command_says_what_is_left_out() {
    let place = Place::new();
    for seed in [1, 2] {
        let checkpoint = Checkpoint::new(seed).start(seed).beside(&[
            "x.waveft_spectrum",
            "x.waveft_scale",
            "y.waveft_spectrum",
        ]);
        checkpoint.write(&place.path(&format!("runs/seed{seed}")));
    }
    Checkpoint::new(3).start(3).write(&place.path("runs/seed3"));
    let line = "2 parts of the update are not read: 2 × WaveFT (`x`, `y`)";
    let warnings = |args: &str| {
        let output = place.lorascope(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{args}: {stderr}");
        let lines = stderr.lines().filter(|line| line.contains("WaveFT"));
        (lines.map(str::to_owned).collect::<Vec<_>>(), String::from_utf8(output.stdout).unwrap())
    };
    let of_each = [1, 2].map(|seed| format!("warning: runs/seed{seed}: {line}"));
    for command in ["compare runs/seed1 runs/seed2", "figure runs/seed1 runs/seed2 -o f.png", "inspect runs"]
    {
        assert_eq!(
            warnings(&format!("{command} --engine cpu").replace("runs --engine cpu", "runs")).0,
            of_each,
            "{command}"
        );
    }
    let of_all = "warning: runs/seed1 and 1 more: 4 parts of the update are not read: 4 × WaveFT (`x`, `y`)";
    for command in ["merge-check runs", "shared runs"] {
        assert_eq!(warnings(command).0, [of_all], "{command}");
    }
    assert_eq!(
        warnings("scan runs -o out --engine cpu --cache cache").0,
        [format!(
            "warning: in 2 of 3 checkpoints, {}; in runs/seed1, 2 × WaveFT (`x`, `y`) (column unread)",
            "4 parts of the update are not read: 4 × WaveFT"
        )]
    );
    assert_eq!(warnings("search runs/seed1 --in out --cache cache").0, [of_each[0].clone()]);
    let report = warnings("report out");
    let of_all = "in 2 of 3 checkpoints, 4 parts of the update are not read: 4 × WaveFT; in runs/seed1, 2 × WaveFT (`x`, `y`)";
    assert!(format!("{:?}", report).contains(of_all), "{report:?}");
    let parts: Vec<_> =
        place.adapters("out").iter().map(|row| row.text("unread").map(str::to_owned)).collect();
    assert_eq!(parts, [Some(line.to_owned()), Some(line.to_owned()), None]);
    let (verbose, _) = warnings("inspect -v runs/seed1");
    assert_eq!(verbose[0], "not read: runs/seed1: `x`: WaveFT");
    let json: serde_json::Value = serde_json::from_str(&warnings("inspect --json runs/seed1").1).unwrap();
    assert_eq!(json["checkpoints"][0]["unread"][0]["n_tensors"], 2);
}

#[test]
fn a_scan_says_what_headers_show_of_all_its_checkpoints() {
    let place = Place::new();
    for (seed, name) in [(1, "runs/a"), (2, "runs/b"), (3, "runs/c")] {
        let beside: &[&str] = if seed == 3 {
            &["x.waveft_spectrum"]
        } else {
            &[
                "base_model.model.layers.0.self_attn.q_proj.lora_magnitude_vector",
                "base_model.model.layers.0.self_attn.v_proj.lora_magnitude_vector",
                "x.waveft_spectrum",
            ]
        };
        Checkpoint::new(seed).start(seed).beside(beside).write(&place.path(name));
    }
    let warnings = |args: &str| {
        let output = place.lorascope(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{args}: {stderr}");
        let lines = stderr.lines().filter(|line| line.contains("WaveFT")).map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    let dora = "2 × a magnitude vector of DoRA (ΔW is s·B·A before the rows are rescaled)";
    let expected = format!(
        "warning: in 3 of 3 checkpoints, 7 parts of the update are not read: {}, 3 × WaveFT; in runs/a, 1 × WaveFT (`x`), {dora} (column \
         unread)",
        dora.replace("2 ×", "4 ×")
    );
    let scan = |args: &str| warnings(&format!("scan {args} --engine cpu --cache cache"));
    assert_eq!(scan("runs -o out --update"), [expected.as_str()]);
    // Again when it goes on, and of one checkpoint by name.
    assert_eq!(scan("runs -o out --update"), [expected]);
    let one = format!("3 parts of the update are not read: 1 × WaveFT (`x`), {dora}");
    assert_eq!(place.adapters("out")[0].text("unread"), Some(one.as_str()));
    let found = warnings("search runs/a --in out --cache cache");
    assert_eq!(found, [format!("warning: runs/a: {one}")]);

    // Factors that were turned, and a rank above a size.
    let write = |name: &str, file: &[u8]| std::fs::write(place.path(name), file).unwrap();
    std::fs::create_dir(place.path("turned")).unwrap();
    let file = zeros(&[
        ("gate.lora_A", &[40, 16]),
        ("gate.lora_B", &[16, 8]),
        ("q.lora_A", &[40, 3]),
        ("q.lora_B", &[3, 30]),
    ]);
    write("turned/a.safetensors", &file);
    write("turned/b.safetensors", &[&file[..file.len() - 4], &[0, 0, 128, 63]].concat());
    let output = place.lorascope("scan turned -o other --engine cpu --cache cache").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    for line in [
        "warning: A and B of 4 modules of 2 checkpoints (turned/a.safetensors, ...) are stored transposed, as their shapes show, and \
         were turned\n",
        "warning: the rank of 2 modules of 2 checkpoints (turned/a.safetensors, ...) is above d_in or d_out: right for a convolution \
         with few channels, else A and B may be stored the other way round\n",
    ] {
        assert!(stderr.contains(line), "{stderr}");
    }
}

#[test]
fn a_report_says_what_is_not_read_of_an_adapter_without_pairs_too() {
    let place = Place::new();
    for seed in [1, 2] {
        Checkpoint::new(seed).start(seed).write(&place.path(&format!("runs/seed{seed}")));
    }
    let alone =
        Checkpoint::new(3).modules(&[("layers.9.mlp.up_proj", 24, 40)]).beside(&["x.waveft_spectrum"]);
    alone.write(&place.path("runs/alone"));
    place.done("runs -o out");
    let output = place.lorascope("report out").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("warning: runs/alone: 1 part of the update is not read: 1 × WaveFT (`x`)"),
        "{text}"
    );
}
