//! Which modules of two adapters become panels, and what is said when there are none.

mod common;

use common::files::{adapter, data};
use lorascope::engine::CpuEngine;
use lorascope::{Adapter, Error, Layers, Matching, ModulePair, Remedy, Selected, Selection, Side, compare};

/// A BERT with query, key and value in these layers.
fn bert(label: &str, layers: &[usize]) -> Adapter {
    let names: Vec<String> = layers
        .iter()
        .flat_map(|n| {
            ["query", "key", "value"].map(|part| format!("encoder.layer.{n}.attention.self.{part}"))
        })
        .collect();
    let modules: Vec<(&str, usize, usize)> = names.iter().map(|name| (name.as_str(), 4, 3)).collect();
    adapter(label, &modules)
}

fn square(label: &str, names: &[&str]) -> Adapter {
    let modules: Vec<(&str, usize, usize)> = names.iter().map(|name| (*name, 4, 4)).collect();
    adapter(label, &modules)
}

fn names(selected: &Selected) -> Vec<&str> {
    selected.pairs.iter().map(|pair| pair.name()).collect()
}

fn refused(selection: &Selection, first: &Adapter, second: &Adapter) -> String {
    let error = selection.select(first, second, Side::A).expect_err("it must be refused");
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    error.to_string()
}

#[test]
fn takes_q_and_v_of_the_middle_block_that_both_have() {
    let (x, y) = (bert("x", &[1, 2, 9, 10, 11]), bert("y", &[2, 9, 10, 11, 12]));
    let selected = Selection::new().select(&x, &y, Side::A).unwrap();
    // Both have blocks 2, 9, 10 and 11; number ⌊4/2⌋ = 2, counted from 0, is 10.
    assert_eq!(
        names(&selected),
        ["encoder.layer.10.attention.self.query", "encoder.layer.10.attention.self.value"]
    );
    assert_eq!(selected.pairs.iter().map(|pair| pair.label()).collect::<Vec<_>>(), ["q", "v"]);
    assert_eq!(selected.pairs[0].layer(), Some(10));
    assert_eq!(
        selected.note.unwrap(),
        "no layer or module was named: took q and v of `encoder.layer.10.attention.self`, the middle one of 4 blocks \
         that have them in both files"
    );
}

#[test]
fn the_block_is_the_nearest_to_the_middle_that_can_be_used() {
    let x = bert("x", &[0, 1, 2, 3, 4]);
    let taken = |is_usable: &dyn Fn(&ModulePair) -> bool| {
        let selected = Selection::new().select_usable(&x, &x, Side::A, is_usable).unwrap();
        assert_eq!(selected.pairs.len(), 2);
        (
            selected.pairs[0].layer().unwrap(),
            selected.note.unwrap().split_once("self`, ").unwrap().1.to_owned(),
        )
    };
    let middle = "the middle one of 5 blocks that have them in both files".to_owned();
    assert_eq!(taken(&|_| true), (2, middle.clone()));
    let nearest = |what: &str| {
        format!(
            "of 5 blocks that have them in both files the nearest to the middle that has a subspace of {what} of them"
        )
    };
    assert_eq!(taken(&|pair| pair.layer() != Some(2)), (1, nearest("all")));
    assert_eq!(taken(&|pair| pair.layer() == Some(4)), (4, nearest("all")));
    // One whole block is better than a nearer one of which only q can be used.
    assert_eq!(taken(&|pair| pair.layer() == Some(0) || pair.label() == "q"), (0, nearest("all")));
    assert_eq!(taken(&|pair| pair.layer() == Some(3) && pair.label() == "q"), (3, nearest("some")));
    assert_eq!(taken(&|_| false), (2, middle));
    // What was named is taken whether it can be used or not.
    let selected = Selection::new().layer(2).select_usable(&x, &x, Side::A, &|_| false).unwrap();
    assert_eq!(selected.pairs[0].layer(), Some(2));
    // Without blocks, the first modules that can be used.
    let bare = square("y", &["a", "b", "c", "d"]);
    let is_usable = |pair: &ModulePair| ["b", "d"].contains(&pair.name());
    let selected = Selection::new().select_usable(&bare, &bare, Side::A, &is_usable).unwrap();
    assert_eq!(names(&selected), ["b", "d"]);
}

#[test]
fn a_block_whose_d_differs_is_not_taken() {
    let of = |label: &str, d: usize| {
        let modules: Vec<(String, usize)> = (0..3)
            .flat_map(|layer| {
                ["q_proj", "v_proj"]
                    .map(|end| (format!("h.{layer}.attn.{end}"), if layer == 1 { d } else { 8 }))
            })
            .collect();
        let modules: Vec<_> = modules.iter().map(|(name, d)| (name.as_str(), *d, 8)).collect();
        adapter(label, &modules)
    };
    let selected = Selection::new().select(&of("x", 8), &of("y", 12), Side::A).unwrap();
    assert_eq!(names(&selected), ["h.0.attn.q_proj", "h.0.attn.v_proj"]);
    let selected = Selection::new().select(&of("x", 8), &of("y", 12), Side::B).unwrap();
    assert_eq!(names(&selected), ["h.1.attn.q_proj", "h.1.attn.v_proj"]);
}

#[test]
fn all_modules_of_a_layer_are_more_than_q_and_v() {
    let x = bert("x", &[0, 1]);
    let parts = ["query", "key", "value"].map(|part| format!("encoder.layer.1.attention.self.{part}"));
    let whole = Selection::new().all().layer(1).select(&x, &x, Side::A).unwrap();
    let mut sorted = parts.clone();
    sorted.sort();
    assert_eq!(names(&whole), sorted);
    let named = Selection::new().all().layer(1).projections(["k"]).select(&x, &x, Side::A).unwrap();
    assert_eq!(names(&named), [parts[1].as_str()]);
}

#[test]
fn takes_named_projections_of_the_middle_block() {
    let x = bert("x", &[0, 1, 2]);
    let selected = Selection::new().projections(["k"]).select(&x, &x, Side::A).unwrap();
    assert_eq!(names(&selected), ["encoder.layer.1.attention.self.key"]);
}

#[test]
fn projections_in_different_parts_of_a_layer_are_found_by_layer() {
    let x = square("x", &["h.0.attn.q_proj", "h.0.mlp.up_proj", "h.1.attn.q_proj", "h.1.mlp.up_proj"]);
    let selected = Selection::new().projections(["q", "up"]).select(&x, &x, Side::A).unwrap();
    assert_eq!(names(&selected), ["h.1.attn.q_proj", "h.1.mlp.up_proj"]);
    assert!(selected.note.unwrap().contains("took q and up of `h.1`, the middle one of 2 blocks"));
}

#[test]
fn without_q_and_v_takes_the_first_modules_in_common_and_says_so() {
    let (x, y) = (square("x", &["h.0.a", "h.1.a", "h.2.a"]), square("y", &["h.1.a", "h.2.a", "h.10.a"]));
    let selected = Selection::new().select(&x, &y, Side::A).unwrap();
    assert_eq!(names(&selected), ["h.1.a", "h.2.a"]);
    assert_eq!(
        selected.note.unwrap(),
        "no block has q and v in both files: took the first 2 of 2 modules in common"
    );
}

#[test]
fn a_layer_alone_means_its_q_and_v() {
    let x = bert("x", &[0, 5]);
    let selected = Selection::new().layer(5).select(&x, &x, Side::A).unwrap();
    assert_eq!(
        names(&selected),
        ["encoder.layer.5.attention.self.query", "encoder.layer.5.attention.self.value"]
    );
    assert_eq!(selected.note, None);
}

fn layers(text: &str) -> Layers {
    text.parse().unwrap()
}

#[test]
fn layers_are_taken_by_range_by_list_and_all() {
    let x = bert("x", &[0, 1, 2, 3, 10]);
    let of = |text: &str| {
        let selected = Selection::new().layers(layers(text)).select(&x, &x, Side::A).unwrap();
        let layers = selected.pairs.iter().map(|pair| pair.layer().unwrap());
        (layers.collect::<Vec<_>>(), selected.note)
    };
    // q and v of each.
    assert_eq!(of("1-3"), (vec![1, 1, 2, 2, 3, 3], None));
    assert_eq!(of("10,0,2"), (vec![0, 0, 2, 2, 10, 10], None));
    assert_eq!(of("all"), (vec![0, 0, 1, 1, 2, 2, 3, 3, 10, 10], None));
    // A range may be longer than the model; what it named in vain is said.
    assert_eq!(of("2-5"), (vec![2, 2, 3, 3], Some("not in both files: layers 4 to 5".to_owned())));
    let whole = Selection::new().all().layers(layers("0,10")).select(&x, &x, Side::A).unwrap();
    assert_eq!(whole.pairs.len(), 6);
}

#[test]
fn each_layer_that_is_named_by_itself_must_be_there() {
    let x = bert("x", &[0, 1, 2]);
    assert_eq!(
        refused(&Selection::new().layers(layers("0,7")), &x, &x),
        "layer 7: neither x nor x has it; both have layers 0 to 2"
    );
    assert_eq!(
        refused(&Selection::new().layers(layers("5-7")), &x, &x),
        "layers 5 to 7: neither x nor x has it; both have layers 0 to 2"
    );
    let y = square("y", &["lm_head"]);
    assert_eq!(
        refused(&Selection::new().all().layers(Layers::all()), &y, &y),
        "layers: neither y nor y has it; both have modules without layer number, `lm_head`"
    );
}

#[test]
fn named_projections_come_in_the_order_given_layer_by_layer() {
    let x = bert("x", &[0, 1, 10]);
    let ends = |selected: &Selected| {
        let end = |name: &&str| name.rsplit(".layer.").next().unwrap().replace(".attention.self", "");
        names(selected).iter().map(end).collect::<Vec<_>>()
    };
    let selection = Selection::new().layers(layers("0,10")).projections(["v", "key", "q"]);
    assert_eq!(
        ends(&selection.select(&x, &x, Side::A).unwrap()),
        ["0.value", "0.key", "0.query", "10.value", "10.key", "10.query"]
    );
    // Of the middle block too.
    let middle = Selection::new().projections(["v", "q"]);
    assert_eq!(ends(&middle.select(&x, &x, Side::A).unwrap()), ["1.value", "1.query"]);
    let compared = Selection::new().all().projections(["v", "q"]);
    assert_eq!(
        ends(&compared.select(&x, &x, Side::A).unwrap()),
        ["0.value", "0.query", "1.value", "1.query", "10.value", "10.query"]
    );
}

#[test]
fn what_is_misspelt_is_answered_with_the_nearest_names() {
    let x = bert("x", &[0, 1, 2, 3, 4, 5]);
    assert_eq!(
        refused(&Selection::new().modules(["*layer.4.*.vallue"]).unwrap(), &x, &x),
        "module `*layer.4.*.vallue`: neither x nor x has it; both have `encoder.layer.4.attention.self.value`, \
         `encoder.layer.4.attention.self.key`, `encoder.layer.4.attention.self.query`, \
         `encoder.layer.0.attention.self.value` and 14 more"
    );
    assert_eq!(
        refused(&Selection::new().layer(0).projections(["vv"]), &x, &x),
        "projection `vv`: neither x nor x has it; both have `v`, `k`, `q`"
    );
}

#[test]
fn a_layer_with_q_but_no_v_gives_q_and_says_so() {
    let (x, y) = (square("x", &["h.0.attn.q_proj", "h.0.attn.v_proj"]), square("y", &["h.0.attn.q_proj"]));
    let selected = Selection::new().layer(0).select(&x, &y, Side::A).unwrap();
    assert_eq!(names(&selected), ["h.0.attn.q_proj"]);
    assert_eq!(selected.note.unwrap(), "no v in both files; only in x: `h.0.attn.v_proj`");
}

#[test]
fn projections_are_found_across_naming_habits() {
    for [q, v, o] in [
        ["attention.self.query", "attention.self.value", "attention.output.dense"],
        ["self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj"],
        ["attention.q_lin", "attention.v_lin", "attention.out_lin"],
        ["attn1.to_q", "attn1.to_v", "attn1.to_out.0"],
        ["attention.wq", "attention.wv", "attention.wo"],
        ["SelfAttention.q", "SelfAttention.v", "SelfAttention.o"],
    ] {
        let modules = [q, v, o].map(|end| format!("layers.7.{end}"));
        let x = square("x", &modules.each_ref().map(String::as_str));
        for asked in [["q", "v", "o"], ["query", "v_proj", "to_out.0"]] {
            let selected = Selection::new().layer(7).projections(asked).select(&x, &x, Side::A).unwrap();
            assert_eq!(names(&selected), modules);
        }
    }
}

#[test]
fn every_module_of_a_layer_and_projection_is_taken() {
    let x = square("x", &["b.0.attn1.to_q", "b.0.attn2.to_q", "b.1.attn1.to_q"]);
    let selected = Selection::new().layer(0).projections(["q"]).select(&x, &x, Side::A).unwrap();
    assert_eq!(names(&selected), ["b.0.attn1.to_q", "b.0.attn2.to_q"]);
}

#[test]
fn a_router_called_gate_does_not_stand_for_the_gate_projection() {
    let x = square("x", &["layers.0.moe.gate", "layers.0.moe.experts.0.w1"]);
    let take = |x: &Adapter| {
        let selection = Selection::new().layer(0).projections(["gate"]);
        names(&selection.select(x, x, Side::A).unwrap()).join(" ")
    };
    assert_eq!(take(&x), "layers.0.moe.experts.0.w1");
    assert_eq!(take(&square("x", &["layers.0.moe.gate"])), "layers.0.moe.gate");
}

#[test]
fn globs_match_canonical_and_original_names() {
    let x = bert("x", &[0, 1]);
    for glob in [
        "encoder.layer.1.attention.self.query",
        "*1*query",
        "base_model.model.encoder.layer.1.attention.self.query",
        "base_model.*.layer.1.*.query.lora_A.weight",
    ] {
        let selected = Selection::new().modules([glob]).unwrap().select(&x, &x, Side::A).unwrap();
        assert_eq!(names(&selected), ["encoder.layer.1.attention.self.query"], "{glob}");
    }
    let [plain, named] = ["seed0-r8-layer5", "bare/seed0-r8-default.safetensors"]
        .map(|name| Adapter::open(data(name)).unwrap());
    let by_name = Selection::new().modules(["*query.lora_A.default.weight"]).unwrap();
    for (first, second) in [(&plain, &named), (&named, &plain)] {
        let selected = by_name.select(first, second, Side::A).unwrap();
        assert_eq!(names(&selected), ["encoder.layer.5.attention.self.query"]);
    }
    let two = Selection::new().modules(["*.0.*key", "*.1.*value"]).unwrap();
    assert_eq!(
        names(&two.select(&x, &x, Side::A).unwrap()),
        ["encoder.layer.0.attention.self.key", "encoder.layer.1.attention.self.value"]
    );
}

#[test]
fn globs_layer_and_projections_narrow_together() {
    let x = bert("x", &[0, 1]);
    let selection = Selection::new().modules(["*self*"]).unwrap().layer(1);
    assert_eq!(selection.select(&x, &x, Side::A).unwrap().pairs.len(), 3);
    let selected = selection.projections(["k"]).select(&x, &x, Side::A).unwrap();
    assert_eq!(names(&selected), ["encoder.layer.1.attention.self.key"]);
}

#[test]
fn says_which_matching_modules_are_in_one_file_only() {
    let (x, y) = (bert("x", &[0, 1]), bert("y", &[1]));
    let selected = Selection::new().modules(["*query"]).unwrap().select(&x, &y, Side::A).unwrap();
    assert_eq!(names(&selected), ["encoder.layer.1.attention.self.query"]);
    assert_eq!(selected.note.unwrap(), "only in x: `encoder.layer.0.attention.self.query`");
}

#[test]
fn a_layer_that_is_not_there_is_answered_with_those_that_are() {
    let (x, y) = (bert("x", &[0, 1, 2, 5, 6]), bert("y", &[0, 1, 2, 5]));
    assert_eq!(
        refused(&Selection::new().layer(9), &x, &y),
        "layer 9: neither x nor y has it; both have layers 0 to 2, 5"
    );
    assert_eq!(
        refused(&Selection::new().layer(6), &x, &y),
        "layer 6: only x has it; both have layers 0 to 2, 5"
    );
    let z = square("z", &["lm_head"]);
    assert_eq!(
        refused(&Selection::new().layer(0), &z, &z),
        "layer 0: neither z nor z has it; both have modules without layer number, `lm_head`"
    );
}

#[test]
fn a_projection_that_is_not_there_is_answered_with_those_that_are() {
    let x = square("x", &["h.0.attn.c_attn", "h.0.attn.c_proj"]);
    let message = "neither x nor x has it; both have `o`, `c_attn`";
    let asked = Selection::new().projections(["k"]);
    assert_eq!(refused(&asked, &x, &x), format!("projection `k`: {message}"));
    assert_eq!(refused(&asked.layer(0), &x, &x), format!("projection `k`: {message}"));
    assert_eq!(refused(&Selection::new().layer(0), &x, &x), format!("projection `q`: {message}"));
}

#[test]
fn a_glob_that_matches_nothing_is_answered_with_names() {
    let x = square("x", &["h.0.q", "h.1.q", "h.2.q", "h.3.q", "h.4.q"]);
    let selection = Selection::new().modules(["h.0.q", "H.*"]).unwrap();
    assert_eq!(
        refused(&selection, &x, &x),
        "module `H.*`: neither x nor x has it; both have `h.0.q`, `h.1.q`, `h.2.q`, `h.3.q` and 1 more"
    );
}

#[test]
fn a_broken_glob_is_refused_where_it_breaks() {
    let error = Selection::new().modules(["a[b"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "module: found `a[b` (invalid range pattern at position 1), expected a glob such as `*.layer.5.*.query`"
    );
}

#[test]
fn adapters_without_a_module_in_common_are_refused_with_names_of_each() {
    let mrpc = Adapter::open(data("roberta-mrpc/checkpoint-230")).unwrap();
    let (x, y) = (Adapter::open(data("seed0-r8-layer5")).unwrap(), square("y", &["h.0.q"]));
    let error = Selection::new().select(&y, &x, Side::A).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "y: found no module in common (`h.0.q` here, `encoder.layer.5.attention.self.query`, \
             `encoder.layer.5.attention.self.value` there), expected modules of {}",
            x.path().display()
        )
    );
    // With the two spellings that are the nearest, as the files have them.
    let because = "both adapters must be of one base model; the first has `base_model.model.h.0.q`, the second has \
                   `base_model.model.encoder.layer.5.attention.self.query`";
    assert_eq!(error.remedy(), Some(&Remedy::ListModulePairs { because: because.to_owned() }));
    let error = Selection::new().select(&x, &mrpc, Side::A).unwrap_err();
    let because = "their base models differ: `sentence-transformers/all-MiniLM-L6-v2`, `roberta-base`; the first has \
                   `base_model.model.encoder.layer.5.attention.self.query`, the second has \
                   `base_model.model.roberta.encoder.layer.2.attention.self.query`";
    assert_eq!(error.remedy(), Some(&Remedy::ListModulePairs { because: because.to_owned() }));
}

#[test]
fn d_must_agree_on_the_side_in_question_only() {
    let (x, y) = (adapter("x", &[("h.0.q", 4, 6)]), adapter("y", &[("h.0.q", 5, 6)]));
    let selection = Selection::new().modules(["h.0.q"]).unwrap();
    let error = selection.select(&x, &y, Side::A).unwrap_err();
    assert_eq!(error.to_string(), "x: module `h.0.q`: found d_in = 4, expected 5 as in y");
    let remedy = Remedy::CompareSide { side: "b".to_owned(), dimension: "d_out", d: 6 };
    assert_eq!(error.remedy(), Some(&remedy));
    assert_eq!(selection.select(&x, &y, Side::B).unwrap().pairs.len(), 1);
    let z = adapter("z", &[("h.0.q", 5, 7)]);
    let error = selection.select(&x, &z, Side::B).unwrap_err();
    assert_eq!(error.to_string(), "x: module `h.0.q`: found d_out = 6, expected 7 as in z");
    assert_eq!(error.hint().as_deref(), Some("both adapters must be of one base model"));
}

#[test]
fn a_comparison_outlives_its_adapters() {
    let compared = {
        let [x, y] = ["seed0-r8-layer5", "seed1-r8-layer5"].map(|name| Adapter::open(data(name)).unwrap());
        let selected = Selection::new().all().select(&x, &y, Side::A).unwrap();
        compare(&CpuEngine::new(), &selected.pairs, Side::A).unwrap()
    };
    let names: Vec<&str> = compared.iter().map(|one| one.factorised.pair.name()).collect();
    assert_eq!(names, ["query", "value"].map(|end| format!("encoder.layer.5.attention.self.{end}")));
    // The file can still be read through what is left of it.
    let module = &compared[0].factorised.pair.first;
    assert_eq!(module.a.read().unwrap().values.len(), 8 * 384);
}

#[test]
fn two_checkpoints_of_one_real_run_are_compared_by_default() {
    let [x, y] =
        ["day21-r8/checkpoint-23", "day21-r8/checkpoint-69"].map(|name| Adapter::open(data(name)).unwrap());
    let selected = Selection::new().select(&x, &y, Side::B).unwrap();
    assert_eq!(names(&selected), ["layers.20.self_attn.q_proj", "layers.20.self_attn.v_proj"]);
    assert_eq!(selected.pairs.iter().map(|pair| Side::B.d(&pair.second)).collect::<Vec<_>>(), [896, 128]);
}

#[test]
fn the_only_block_is_taken_and_called_so() {
    let x = bert("x", &[3]);
    let selected = Selection::new().select(&x, &x, Side::A).unwrap();
    assert_eq!(
        names(&selected),
        ["encoder.layer.3.attention.self.query", "encoder.layer.3.attention.self.value"]
    );
    assert_eq!(
        selected.note.unwrap(),
        "no layer or module was named: took q and v of `encoder.layer.3.attention.self`, the only block that has them in \
         both files"
    );
}

#[test]
fn without_q_and_v_two_of_many_modules_are_taken() {
    let x = square("x", &["h.0.a", "h.1.a", "h.2.a"]);
    let selected = Selection::new().select(&x, &x, Side::A).unwrap();
    assert_eq!(names(&selected), ["h.0.a", "h.1.a"]);
    assert_eq!(
        selected.note.unwrap(),
        "no block has q and v in both files: took the first 2 of 3 modules in common"
    );
}

#[test]
fn a_layer_with_q_and_k_but_no_v_gives_q() {
    let x = square("x", &["h.0.attn.k_proj", "h.0.attn.q_proj"]);
    let selected = Selection::new().layer(0).select(&x, &x, Side::A).unwrap();
    assert_eq!(names(&selected), ["h.0.attn.q_proj"]);
    assert_eq!(selected.note.unwrap(), "no v in both files");
}

#[test]
fn a_name_that_modules_have_counts_before_what_it_means_elsewhere() {
    let t5 = square("t5", &["block.0.SelfAttention.o", "block.0.DenseReluDense.wo"]);
    let take = |name: &str| {
        let selection = Selection::new().layer(0).projections([name]);
        names(&selection.select(&t5, &t5, Side::A).unwrap()).join(" ")
    };
    assert_eq!(
        (take("wo"), take("o")),
        ("block.0.DenseReluDense.wo".into(), "block.0.SelfAttention.o".into())
    );
}

#[test]
fn what_one_file_lacks_is_named_for_a_layer_and_only_returned_for_all_modules() {
    let (x, y) = (square("x", &["h.0.a", "h.1.a", "h.1.b"]), square("y", &["h.0.a", "h.1.a"]));
    let layer = Selection::new().all().layer(1).select(&x, &y, Side::A).unwrap();
    assert_eq!((names(&layer), layer.note.as_deref()), (vec!["h.1.a"], Some("only in x: `h.1.b`")));
    let all = Selection::new().all().select(&x, &y, Side::A).unwrap();
    assert_eq!((all.pairs.len(), all.note, all.only[0].len(), all.only[1].len()), (2, None, 1, 0));
}

#[test]
fn a_glob_may_have_the_path_in_the_model_without_pefts_wrapper() {
    let x = square("x", &["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"]);
    let selection = Selection::new().modules(["model.layers.1.self_attn.q_proj"]).unwrap();
    assert_eq!(names(&selection.select(&x, &x, Side::A).unwrap()), ["layers.1.self_attn.q_proj"]);
}

#[test]
fn a_pair_of_two_names_goes_by_the_first_ones() {
    let x = square("x", &["h.3.attn.q_proj", "h.3.attn.v_proj"]);
    let y = square("y", &["g.7.one", "g.7.two"]);
    let listed = [["h.3.attn.q_proj", "g.7.two"], ["h.3.attn.v_proj", "g.7.one"]];
    let matching = Matching::Pairs(listed.map(|pair| pair.map(String::from)).into());
    let selection = Selection::new().matching(matching);
    let middle = selection.clone().select(&x, &y, Side::A).unwrap();
    assert!(middle.note.as_ref().unwrap().contains("took q and v of `h.3.attn`"), "{:?}", middle.note);
    let layer = selection.layer(3).select(&x, &y, Side::A).unwrap();
    for selected in [middle, layer] {
        assert_eq!(names(&selected), ["h.3.attn.q_proj", "h.3.attn.v_proj"]);
        assert_eq!((selected.pairs[0].label(), selected.pairs[0].layer()), ("q", Some(3)));
        assert_eq!(selected.pairs[0].second.name, "g.7.two");
    }
}

#[test]
fn a_layer_of_which_each_file_has_other_modules_is_not_called_missing() {
    let (x, y) = (square("x", &["h.0.a", "h.1.a"]), square("y", &["h.0.a", "h.1.b"]));
    let all = Selection::new().all();
    assert_eq!(
        refused(&all.clone().layer(1), &x, &y),
        "layer 1: x and y have no module of it in common; both have layer 0"
    );
    let z = square("z", &["h.0.a"]);
    assert_eq!(refused(&all.clone().layer(1), &x, &z), "layer 1: only x has it; both have layer 0");
    assert_eq!(refused(&all.layer(1), &z, &x), "layer 1: only x has it; both have layer 0");
}

#[test]
fn two_adapters_of_one_model_are_not_told_to_be_of_one_model() {
    let [x, y] = ["seed0-r64-layer0", "seed0-r64-layer5"].map(|name| Adapter::open(data(name)).unwrap());
    let error = Selection::new().select(&x, &y, Side::A).unwrap_err();
    let hint = error.remedy().unwrap().to_string();
    assert_eq!(
        hint,
        "both name the base model `sentence-transformers/all-MiniLM-L6-v2`; the first has \
         `base_model.model.encoder.layer.0.attention.self.query`, the second has \
         `base_model.model.encoder.layer.5.attention.self.query`; a list of pairs says which modules are the same"
    );
}
