//! Methods that are not B·A: files of PEFT and LyCORIS, each with the ΔW of its own library, and with their base model where ΔW is
//! made of it.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::files::zeros;
use common::update::{check, expected, library};
use lorascope::range_finder::HowMany;
use lorascope::{Adapter, BaseModel, Basis, Error, Limits, Method, OpenOptions, Remedy, Side};

const BASE: &str = "peft-methods/base.safetensors";

/// Opens an adapter with its base model, of whose change all directions are kept.
fn with_base(file: impl AsRef<Path>, base: &str) -> Result<Adapter, Error> {
    let base = BaseModel::open(library(base)).unwrap();
    OpenOptions::new().base(base, HowMany::Top(64)).open(file)
}

#[test]
fn updates_that_the_file_makes_are_those_of_the_library() {
    for (case, method) in [("vera", Method::Vera), ("vblora", Method::VbLora), ("c3a", Method::C3a)] {
        let adapter = Adapter::open(library("peft-methods").join(case)).unwrap();
        assert_eq!((adapter.naming_scheme().name(), adapter.method()), ("PEFT", method), "{case}");
        assert_eq!((adapter.unread_parts(), adapter.n_other_tensors()), (&[][..], 0), "{case}");
        check(&adapter, &expected(&format!("peft-{case}")));
    }
}

#[test]
fn updates_that_need_the_base_model_are_those_of_the_library() {
    for (case, method) in [
        ("vera", Method::Vera),
        ("vera-kinds", Method::Vera),
        ("randlora", Method::RandLora),
        ("miss", Method::Miss),
        ("miss-bat", Method::Miss),
        ("miss-mini", Method::Miss),
        ("ia3", Method::Ia3),
        ("oft", Method::Oft),
        ("oft-exact", Method::Oft),
        ("oft-bounded", Method::Oft),
        ("oft-shared", Method::Oft),
        ("boft", Method::Boft),
        ("hra", Method::Hra),
        ("hra-orthogonal", Method::Hra),
    ] {
        let adapter = with_base(library("peft-methods").join(case), BASE).unwrap();
        assert_eq!((adapter.method(), adapter.unread_parts()), (method, &[][..]), "{case}");
        check(&adapter, &expected(&format!("peft-{case}")));
    }
    let glora = with_base(library("glora/glora.safetensors"), "glora/base.safetensors").unwrap();
    assert_eq!((glora.naming_scheme().name(), glora.method()), ("GLoRA", Method::GLora));
    assert_eq!((glora.unread_parts(), glora.modules()[0].scaling), (&[][..], Some(0.5)));
    check(&glora, &expected("glora"));
}

#[test]
fn newer_methods_convolutions_and_butterflies_have_the_updates_of_their_library() {
    let base = "peft-newer/base.safetensors";
    for (case, method) in [
        ("glora", Method::GLora),
        ("glora-vector", Method::GLora),
        ("glora-constant", Method::GLora),
        ("hira", Method::HiRa),
        ("delora", Method::DeLora),
        ("shira", Method::Shira),
        ("ia3", Method::Ia3),
        ("boft", Method::Boft),
        ("boft-conv", Method::Boft),
    ] {
        let adapter = with_base(library("peft-newer").join(case), base).unwrap();
        assert_eq!((adapter.method(), adapter.unread_parts()), (method, &[][..]), "{case}");
        assert_eq!((adapter.naming_scheme().name(), adapter.n_other_tensors()), ("PEFT", 0), "{case}");
        check(&adapter, &expected(&format!("peft-newer-{case}")));
    }
    // DeLoRA's file has the norms of the weight.
    let delora = Adapter::open(library("peft-newer/delora")).unwrap();
    assert_eq!(delora.unread_parts(), &[]);
    check(&delora, &expected("peft-newer-delora"));
    let shira = Adapter::open(library("peft-newer/shira")).unwrap_err();
    assert!(shira.to_string().ends_with("SHiRA, whose file lacks the sizes of its layers"), "{shira}");
    assert_eq!(shira.remedy(), Some(&Remedy::GiveBase));
}

#[test]
fn lycoris_scales_and_rotates_as_its_own_library_does() {
    for (case, method) in [
        ("ia3", Method::Ia3),
        ("ia3-input", Method::Ia3),
        ("oft", Method::Oft),
        ("oft-bounded", Method::Oft),
        ("boft", Method::Boft),
        ("boft-bounded", Method::Boft),
    ] {
        let file = library("lycoris-methods").join(format!("{case}.safetensors"));
        let adapter = with_base(&file, "lycoris-methods/base.safetensors").unwrap();
        assert_eq!((adapter.method(), adapter.unread_parts()), (method, &[][..]), "{case}");
        assert_eq!(adapter.naming_scheme().name(), "LyCORIS (IA)³ and OFT", "{case}");
        assert!(adapter.modules().iter().all(|module| module.scaling == Some(1.0)), "{case}");
        check(&adapter, &expected(&format!("lycoris-{case}")));
        let error = Adapter::open(&file).unwrap_err();
        assert_eq!(error.remedy(), Some(&Remedy::GiveBase), "{case}: {error}");
    }
}

#[test]
fn which_side_of_a_convolution_ia3_scales_is_said_by_its_sizes_or_by_the_config() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("adapter_model.safetensors");
    fs::copy(library("peft-newer/ia3/adapter_model.safetensors"), &file).unwrap();
    let open = |config: &str| {
        fs::write(folder.path().join("adapter_config.json"), config).unwrap();
        with_base(folder.path(), "peft-newer/base.safetensors").unwrap()
    };
    let expected = expected("peft-newer-ia3");
    // A regular expression is not understood, and only the convolution with as many inputs as outputs needs it.
    let adapter = open(r#"{"peft_type": "IA3", "feedforward_modules": "ev.n"}"#);
    let names: Vec<&str> = adapter.modules().iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names, ["conv", "wide"]);
    let reason = &adapter.unread_parts()[0].reason;
    assert!(reason.starts_with("(IA)³ of a convolution, whose feedforward_modules are in an"), "{reason}");
    let change = |adapter: &Adapter| {
        let module = adapter.module("even").unwrap();
        let (a, b) = (module.a.read().unwrap(), module.b.read().unwrap());
        (0..a.rows).map(|k| b.values[k] * a.values[k * a.cols]).sum::<f64>()
    };
    let known = expected["even"][(0, 0)];
    let inputs = open(r#"{"peft_type": "IA3", "feedforward_modules": ["even"]}"#);
    let outputs = open(r#"{"peft_type": "IA3", "feedforward_modules": ["conv"]}"#);
    assert!((change(&inputs) - known).abs() < 1e-6);
    // The first number of the first output is scaled by the same number, any other by another one.
    assert!((change(&outputs) - known).abs() < 1e-6);
    let norm =
        |adapter: &Adapter| Basis::of(adapter.module("even").unwrap(), Side::DwLeft).unwrap().sigma()[0];
    assert!((norm(&inputs) - norm(&outputs)).abs() > 1e-3);
}

#[test]
fn places_outside_of_the_weight_make_an_update_unknown() {
    use safetensors::tensor::{Dtype, TensorView};
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("adapter_config.json"), r#"{"peft_type": "SHIRA"}"#).unwrap();
    let values: Vec<u8> = [0.5f32, -1.0].into_iter().flat_map(f32::to_le_bytes).collect();
    for (dtype, place, is_known) in [
        (Dtype::I32, 15i64, true),
        (Dtype::I64, 15, true),
        (Dtype::F32, 15, true),
        (Dtype::I32, 16, false),
        (Dtype::I64, -1, false),
    ] {
        let places = [3, place, 31, 0];
        let bytes: Vec<u8> = match dtype {
            Dtype::I32 => places.iter().flat_map(|&place| (place as i32).to_le_bytes()).collect(),
            Dtype::F32 => places.iter().flat_map(|&place| (place as f32).to_le_bytes()).collect(),
            _ => places.iter().flat_map(|place| place.to_le_bytes()).collect(),
        };
        let of = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes).unwrap();
        let tensors = [
            ("base_model.model.wide.shira_weight", of(Dtype::F32, vec![2], &values)),
            ("base_model.model.wide.shira_indices", of(dtype, vec![2, 2], &bytes)),
        ];
        let file = folder.path().join("adapter_model.safetensors");
        fs::write(file, safetensors::serialize(tensors, None).unwrap()).unwrap();
        let adapter = with_base(folder.path(), "peft-newer/base.safetensors").unwrap();
        match (Basis::of(&adapter.modules()[0], Side::DwLeft), is_known) {
            // −1 in row 15, column 0, and 0.5 in row 3, column 31.
            (Ok(basis), true) => {
                assert_eq!(
                    basis.sigma().iter().map(|x| (x * 1e6).round() / 1e6).collect::<Vec<_>>(),
                    [1.0, 0.5]
                );
                assert!(basis.rows()[15].abs() > 0.999_999);
            }
            (Err(error), false) => {
                let found = format!(
                    "a number in row {place} and column 0, counted from 0, expected places in 16 × 32"
                );
                assert!(error.to_string().contains(&found), "{error}");
            }
            (found, _) => panic!("{dtype:?} {place}: {found:?}"),
        }
    }
}

#[test]
fn without_the_base_model_they_are_refused_with_the_way_out() {
    let refused = |file: &Path| {
        let error = Adapter::open(file).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{error}");
        (error.to_string(), error.remedy().cloned())
    };
    for (case, found) in [
        ("ia3", "(IA)³, whose ΔW is made of the base model's weights"),
        ("oft", "OFT, whose ΔW is made of the base model's weights"),
        ("boft", "BOFT, whose ΔW is made of the base model's weights"),
        ("hra", "HRA, whose ΔW is made of the base model's weights"),
        ("miss", "MiSS, whose file lacks the input sizes of its layers"),
        ("miss-bat", "MiSS, whose file lacks the input sizes of its layers"),
        ("vera-kinds", "VeRA of several kinds of layers, whose file lacks their input sizes"),
    ] {
        let (message, remedy) = refused(&library("peft-methods").join(case));
        assert!(message.ends_with(found), "{case}: {message}");
        assert_eq!(remedy, Some(Remedy::GiveBase), "{case}");
    }
    let (message, remedy) = refused(&library("glora/glora.safetensors"));
    assert!(message.ends_with("GLoRA, whose ΔW is made of the base model's weights"), "{message}");
    assert_eq!(remedy, Some(Remedy::GiveBase));
    // Square layers are as large as RandLoRA's bases, and the others are listed.
    let randlora = Adapter::open(library("peft-methods/randlora")).unwrap();
    assert_eq!(randlora.modules().len(), 2);
    assert!(randlora.modules().iter().all(|module| module.name.ends_with("q_proj")));
    let reasons: Vec<&str> = randlora.unread_parts().iter().map(|part| part.reason.as_str()).collect();
    assert_eq!(reasons, ["RandLoRA, whose file lacks the sizes of layers that are not square"; 2]);
    let expected = expected("peft-randlora");
    for module in randlora.modules() {
        let basis = Basis::of(module, Side::DwLeft).unwrap();
        let sigma = expected[&module.name].singular_values().unwrap();
        assert!((basis.sigma()[0] - sigma[0]).abs() < 1e-6 * sigma[0], "{}", module.name);
    }
    let output = Command::new(env!("CARGO_BIN_EXE_lorascope"))
        .args(["inspect", library("peft-methods/ia3").to_str().unwrap()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("hint: add the base model that it was trained from, with --base BASE"), "{text}");
}

#[test]
fn files_without_what_makes_the_update_are_refused_by_what_they_lack() {
    for (case, lacking) in [
        ("vera", "VeRA without its two projections, which a seed makes"),
        ("randlora", "RandLoRA without its bases, which a seed makes"),
        ("vblora", "VB-LoRA saved without its logits, with places as integers, which are not read"),
    ] {
        for base in [false, true] {
            let folder = library("refused").join(case);
            let opened = if base { with_base(folder, BASE) } else { Adapter::open(folder) };
            let error = opened.unwrap_err();
            assert!(matches!(error, Error::Unsupported(_)) && error.to_string().contains(lacking), "{error}");
            assert_eq!(error.remedy().filter(|remedy| **remedy == Remedy::GiveBase), None);
        }
    }
    let error = Adapter::open(library("refused/fourierft")).unwrap_err();
    assert!(error.to_string().contains("peft_type: found `FOURIERFT`, expected LORA, ADALORA, "), "{error}");
    assert_eq!(
        error.hint().as_deref(),
        Some("the places of its frequencies are not in the file: a seed makes them")
    );
    // Next to modules that are read, they are listed.
    let mixed = zeros(&[
        ("base_model.model.q.lora_A.weight", &[2, 4]),
        ("base_model.model.q.lora_B.weight", &[4, 2]),
        ("base_model.model.v.vera_lambda_b", &[4]),
        ("base_model.model.v.vera_lambda_d", &[2]),
        ("base_model.model.o.ia3_l", &[4, 1]),
    ]);
    let adapter = Adapter::from_bytes("x.safetensors", mixed).unwrap();
    let unread: Vec<(&str, &str)> =
        adapter.unread_parts().iter().map(|part| (part.name.as_str(), part.reason.as_str())).collect();
    assert_eq!(
        unread,
        [
            ("base_model.model.o", "(IA)³, whose ΔW is made of the base model's weights"),
            (
                "base_model.model.v",
                "VeRA without its two projections, which a seed makes: PEFT's save_projection keeps them"
            ),
        ]
    );
    assert_eq!(adapter.method(), Method::Lora);
}

#[test]
fn vera_has_all_sides_and_the_others_those_of_the_update() {
    let vera = Adapter::open(library("peft-methods/vera")).unwrap();
    for side in [Side::A, Side::B, Side::DwRight, Side::DwLeft] {
        assert_eq!(Basis::of(&vera.modules()[0], side).unwrap().q(), 3, "{side}");
    }
    let c3a = Adapter::open(library("peft-methods/c3a")).unwrap();
    let error = Basis::of(&c3a.modules()[0], Side::A).unwrap_err();
    assert!(
        error.to_string().ends_with("found C3A, whose update is not B·A, expected a factor A"),
        "{error}"
    );
    assert_eq!(error.remedy(), Some(&Remedy::CompareUpdate));
}

#[test]
fn bone_is_miss_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let miss = fs::read(library("peft-methods/miss/adapter_model.safetensors")).unwrap();
    let (header, data) = miss.split_at(8 + u64::from_le_bytes(miss[..8].try_into().unwrap()) as usize);
    let header = std::str::from_utf8(&header[8..]).unwrap().replace("miss_block", "bone_block");
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat();
    fs::write(folder.path().join("adapter_model.safetensors"), bytes).unwrap();
    fs::write(folder.path().join("adapter_config.json"), r#"{"peft_type": "BONE", "r": 5}"#).unwrap();
    let adapter = with_base(folder.path(), BASE).unwrap();
    assert_eq!(adapter.method(), Method::Miss);
    check(&adapter, &expected("peft-miss"));
}

/// The message for a file with these tensors and config, with the tiny base model.
fn wrong(config: &str, tensors: &[(&str, &[usize])], limits: Limits) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("adapter_config.json"), config).unwrap();
    fs::write(folder.path().join("adapter_model.safetensors"), zeros(tensors)).unwrap();
    let base = BaseModel::open(library(BASE)).unwrap();
    let error = OpenOptions::new().limits(limits).base(base, HowMany::Top(64)).open(folder.path());
    let message = error.unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message.split_once("found ").or_else(|| message.split_once("q_proj`: ")).unwrap().1.to_owned()
}

/// A config, tensors by the ends of their names, and what is wrong.
type Case<'a> = (&'a str, &'a [(&'a str, &'a [usize])], &'a str);

const Q: &str = "base_model.model.model.layers.0.self_attn.q_proj";

#[test]
fn tensors_that_do_not_fit_are_an_error_with_their_module() {
    let of = |end: &str| format!("{Q}.{end}");
    let bank = "base_model.vblora_vector_bank";
    let cases: &[Case<'_>] = &[
        (
            r#"{"peft_type": "VBLORA", "topk": 9}"#,
            &[("vblora_logits_A", &[2, 6, 5]), ("vblora_logits_B", &[6, 2, 5]), (bank, &[5, 4])],
            "the top 9 of 5 vectors, expected the tensors of one update",
        ),
        (
            r#"{"peft_type": "VBLORA", "topk": 1e300}"#,
            &[("vblora_logits_A", &[2, 6, 5]), ("vblora_logits_B", &[6, 2, 5]), (bank, &[5, 4])],
            "the top 1000000000",
        ),
        (
            r#"{"peft_type": "VBLORA", "topk": 2}"#,
            &[("vblora_logits_A", &[2, 6, 5]), ("vblora_logits_B", &[6, 3, 5]), (bank, &[5, 4])],
            "logits of 2 × 30 and 6 × 15 for 5 vectors",
        ),
        (
            r#"{"peft_type": "VBLORA"}"#,
            &[("vblora_logits_A", &[2, 6, 5]), ("vblora_logits_B", &[6, 2, 5]), (bank, &[5, 4])],
            "VB-LoRA, whose topk is in an adapter_config.json that is not there",
        ),
        (r#"{"peft_type": "C3A"}"#, &[("c3a_kernel", &[6, 4])], "a kernel of shape [6, 4]"),
        (
            r#"{"peft_type": "IA3"}"#,
            &[("ia3_l", &[25, 1])],
            "25 × 1 for a weight of 24 × 24, expected the sizes of the base model's weight",
        ),
        (r#"{"peft_type": "HRA"}"#, &[("hra_u", &[23, 2])], "23 × 2 for a weight of 24 × 24"),
        (
            r#"{"peft_type": "OFT", "use_cayley_neumann": true}"#,
            &[("oft_R.weight", &[6, 7])],
            "6 × 7 for a weight of 24 × 24",
        ),
        (
            r#"{"peft_type": "OFT", "use_cayley_neumann": true, "num_cayley_neumann_terms": 1e9}"#,
            &[("oft_R.weight", &[6, 6])],
            "OFT, whose kind of rotation is in an adapter_config.json that is not there or not understood",
        ),
        (
            r#"{"peft_type": "OFT"}"#,
            &[("oft_R.weight", &[6, 6])],
            "OFT, whose kind of rotation is in an adapter_config.json",
        ),
        (
            r#"{"peft_type": "BOFT"}"#,
            &[("boft_R", &[3, 6, 4, 4]), ("boft_s", &[24, 1])],
            "3 factors of 6 blocks of 4 × 4",
        ),
        (
            r#"{"peft_type": "BOFT"}"#,
            &[("boft_R", &[2, 8, 3, 3]), ("boft_s", &[24, 1])],
            "2 factors of 8 blocks of 3 × 3",
        ),
        (
            r#"{"peft_type": "SHIRA"}"#,
            &[("shira_weight", &[5]), ("shira_indices", &[2, 4])],
            "2 × 4 places for 5 numbers",
        ),
        (
            r#"{"peft_type": "DELORA"}"#,
            &[
                ("delora_A", &[2, 24]),
                ("delora_B", &[24, 2]),
                ("delora_lambda", &[1]),
                ("delora_w_norm", &[9]),
            ],
            "A of 2 × 24, B of 24 × 2 and 9 norms",
        ),
        (
            r#"{"peft_type": "HIRA"}"#,
            &[("hira_A", &[2, 23]), ("hira_B", &[24, 2])],
            "24 × 23 for a weight of 24 × 24",
        ),
        (
            r#"{"peft_type": "HIRA"}"#,
            &[("hira_A", &[2, 4, 3, 3]), ("hira_B", &[24, 2, 1, 1])],
            "HiRA of a convolution, which is not read",
        ),
        (
            r#"{"peft_type": "GLORA"}"#,
            &[("glora_A.Xd", &[24, 2]), ("glora_B.X", &[24, 1])],
            "only some of its tensors",
        ),
        (
            r#"{"peft_type": "GLORA"}"#,
            &[("glora_A.X", &[23, 1]), ("glora_B.X", &[1])],
            "23 × 1 for a weight of 24 × 24",
        ),
        (r#"{"peft_type": "BOFT"}"#, &[("boft_R", &[1, 6, 4, 4])], "only some of its tensors"),
        (r#"{"peft_type": "MISS"}"#, &[("miss_block", &[4, 7])], "7 × 4 for a weight of 24 × 24"),
        (r#"{"peft_type": "MISS"}"#, &[("miss_block", &[5, 4, 4])], "5 × 4 for a weight of 24 × 24"),
        (
            r#"{"peft_type": "VERA"}"#,
            &[
                ("vera_lambda_b", &[24]),
                ("vera_lambda_d", &[3]),
                ("base_model.vera_A", &[2, 24]),
                ("base_model.vera_B", &[24, 2]),
            ],
            "24 × 24 of rank 3 in projections of 2 × 24 and 24 × 2",
        ),
        (
            r#"{"peft_type": "RANDLORA"}"#,
            &[
                ("randlora_lambda", &[5, 5]),
                ("randlora_gamma", &[4, 24]),
                ("base_model.randlora_A", &[5, 1, 24]),
                ("base_model.randlora_B", &[24, 5, 5]),
            ],
            "24 × 24 of 5 bases of rank 5 in 5 × 24 and 24 × 25",
        ),
    ];
    for (config, tensors, found) in cases {
        let named: Vec<(String, &[usize])> =
            tensors
                .iter()
                .map(|(end, shape)| {
                    if end.starts_with("base_model") {
                        ((*end).to_owned(), *shape)
                    } else {
                        (of(end), *shape)
                    }
                })
                .collect();
        let tensors: Vec<(&str, &[usize])> =
            named.iter().map(|(name, shape)| (name.as_str(), *shape)).collect();
        let message = wrong(config, &tensors, Limits::default());
        assert!(message.starts_with(found), "{config} {tensors:?}: {message}");
    }
}

#[test]
fn what_a_few_numbers_would_make_is_bounded_before_it_is_made() {
    // A block of 65,536 numbers stands for a matrix of 32 GiB, and a vector of a bank for every piece.
    let kernel = format!("{Q}.c3a_kernel");
    let found = wrong(r#"{"peft_type": "C3A"}"#, &[(&kernel, &[1, 1, 65_536])], Limits::default());
    let expected =
        "65536 × 65536 numbers to make of its tensors, 34359738368 bytes, expected at most 2147483648";
    assert_eq!(found, expected);
    let limits = Limits { factor_bytes: 100_000, ..Limits::default() };
    let (a, b) = (format!("{Q}.vblora_logits_A"), format!("{Q}.vblora_logits_B"));
    let bank = ("base_model.vblora_vector_bank", &[1, 1000][..]);
    let found =
        wrong(r#"{"peft_type": "VBLORA", "topk": 1}"#, &[(&a, &[2, 9, 1]), (&b, &[9, 2, 1]), bank], limits);
    assert!(found.starts_with("9000 × 9000 numbers to make of its tensors"), "{found}");
    let limits = Limits { factor_bytes: 4_000, ..Limits::default() };
    let found = wrong(r#"{"peft_type": "MISS"}"#, &[(&format!("{Q}.miss_block"), &[1, 1])], limits);
    assert!(found.starts_with("24 × 24 numbers to make of its tensors"), "{found}");
}

/// A folder with an (IA)³ adapter of F32, and its base model.
fn ia3(folder: &Path, weight: [usize; 2], scale: &[f32]) -> (String, String) {
    use safetensors::tensor::{Dtype, TensorView};
    let write = |path: &Path, name: &str, shape: Vec<usize>, values: &[f32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, shape, &bytes).unwrap();
        fs::write(path, safetensors::serialize([(name, view)], None).unwrap()).unwrap();
    };
    let [base, adapter] = ["base.safetensors", "adapter"].map(|name| folder.join(name));
    let n = weight[0] * weight[1];
    let values: Vec<f32> =
        (0..n).map(|at| ((at * 7919 + at / 3 * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect();
    write(&base, "model.layers.0.self_attn.q_proj.weight", weight.to_vec(), &values);
    fs::create_dir(&adapter).unwrap();
    fs::write(adapter.join("adapter_config.json"), r#"{"peft_type": "IA3"}"#).unwrap();
    let file = adapter.join("adapter_model.safetensors");
    write(&file, &format!("{Q}.ia3_l"), vec![scale.len(), 1], scale);
    (base.to_str().unwrap().to_owned(), adapter.to_str().unwrap().to_owned())
}

#[test]
fn the_rows_that_a_large_ia3_scales_are_its_directions() {
    let folder = tempfile::tempdir().unwrap();
    let mut scale = vec![1.0; 600];
    let rows = [3, 100, 250, 411, 599];
    rows.iter().zip([1.5, 0.25, 1.25, 0.9, 1.1]).for_each(|(row, value)| scale[*row] = value);
    let (base, adapter) = ia3(folder.path(), [600, 520], &scale);
    let options =
        OpenOptions::new().base(BaseModel::open(&base).unwrap(), HowMany::AboveNoise { at_most: 64 });
    let opened = options.open(&adapter).unwrap();
    let module = &opened.modules()[0];
    assert_eq!((module.full_rank(), module.rank()), (Some(520), 64));
    let basis = Basis::of(module, Side::DwLeft).unwrap();
    assert_eq!((basis.q(), basis.n_uncertain()), (5, 0));
    for row in basis.rows().chunks(600) {
        let inside: f32 = rows.iter().map(|at| row[*at] * row[*at]).sum();
        assert!((inside - 1.0).abs() < 1e-5, "{inside}");
    }
    // In the commands: with the base model as an option, and as the first argument.
    for args in [
        &[
            "compare", "--base", &base, &adapter, &adapter, "--side", "dw-left", "--engine", "cpu", "--json",
            "-q",
        ][..],
        &["compare", &base, &adapter, "--json", "-q"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_lorascope")).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["modules"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn one_that_was_not_trained_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (base, adapter) = ia3(folder.path(), [6, 5], &[1.0; 6]);
    let options =
        OpenOptions::new().base(BaseModel::open(&base).unwrap(), HowMany::AboveNoise { at_most: 64 });
    let adapter = options.open(&adapter).unwrap();
    let error = Basis::of(&adapter.modules()[0], Side::DwRight).unwrap_err();
    assert!(error.to_string().contains("nothing but zeros"), "{error}");
    assert_eq!(error.remedy(), None);
}
