use std::collections::HashSet;

use super::*;
use crate::names::canonical;
use crate::names::underscores::dotted;

/// The paths of a family's rules, with a number in them, and what they are called.
fn paths(family: &Family) -> Vec<(String, String)> {
    let numbered = |path: &str| path.replace(".N", ".7").replace("N.", "7.");
    let mut paths = vec![];
    for rule in &family.rules {
        match &rule.to {
            Target::Name(to) => {
                paths.push((numbered(&rule.from), numbered(to)));
                paths.push((numbered(to), numbered(to)));
            }
            Target::Permuted(to) => {
                paths.push((numbered(&rule.from), numbered(&rule.from)));
                paths.push((numbered(to), numbered(to)));
            }
            Target::Parts(parts) => {
                for part in parts {
                    paths.push((numbered(&format!("{}.{}", rule.from, part.name)), numbered(&part.to)));
                }
            }
        }
    }
    paths
}

#[test]
fn every_family_has_a_name_a_source_and_rules() {
    let mut names = HashSet::new();
    for family in &FAMILIES.all {
        assert!(names.insert(family.name), "{} twice", family.name);
        assert!(!family.rules.is_empty(), "{}", family.name);
        assert!(!family.sources.is_empty(), "{}", family.name);
        for source in &family.sources {
            let (repository, file) = source.split_once(' ').unwrap_or_default();
            assert!(repository.split('/').count() == 2 && file.contains(".py"), "{source}");
        }
        for path in &family.only_with {
            let is_path = |rule: &Rule| {
                let to = match &rule.to {
                    Target::Name(to) => vec![to],
                    Target::Permuted(_) => vec![],
                    Target::Parts(parts) => parts.iter().map(|part| &part.to).collect(),
                };
                rule.from == *path || to.contains(&path)
            };
            assert!(family.rules.iter().any(is_path), "{path} is in no rule of {}", family.name);
        }
    }
}

#[test]
fn no_two_modules_of_a_family_share_a_name_by_accident() {
    for family in &FAMILIES.all {
        let mut names: Vec<(String, String)> = paths(family);
        names.sort();
        names.dedup();
        for pair in names.windows(2) {
            assert!(pair[0].0 != pair[1].0, "{}: {:?} and {:?}", family.name, pair[0], pair[1]);
        }
    }
}

/// What a whole file of the family shows, every path of it gets from there.
#[test]
fn both_sides_of_every_rule_lead_to_one_name() {
    for (number, family) in FAMILIES.all.iter().enumerate() {
        for (path, name) in paths(family) {
            let weight = Weight { path: &path, shape: None };
            assert_eq!(
                FAMILIES.name(number, weight).as_deref(),
                Some(name.as_str()),
                "{} {path}",
                family.name
            );
        }
    }
}

#[test]
fn names_with_underscores_get_to_the_same_name() {
    for (number, family) in FAMILIES.all.iter().enumerate() {
        for (path, name) in paths(family) {
            let joined = path.replace('.', "_");
            let found = dotted(&joined).unwrap_or_else(|| panic!("{}: {joined}", family.name));
            let weight = Weight { path: &found, shape: None };
            let named = FAMILIES.name(number, weight);
            assert_eq!(named.as_deref(), Some(name.as_str()), "{} {joined} as {found}", family.name);
        }
    }
}

#[test]
fn a_fused_weight_is_cut_only_where_its_rows_are_its_parts() {
    let thirds = [("q", true), ("k", true), ("v", true)];
    assert_eq!(cut(&thirds, 4, 12), Some(vec![("q", 0..4), ("k", 4..8), ("v", 8..12)]));
    assert_eq!(cut(&thirds, 4, 13), None);
    assert_eq!(cut(&thirds, 4, 8), None);
    let with_mlp = [("q", true), ("k", true), ("v", true), ("mlp", false)];
    assert_eq!(cut(&with_mlp, 4, 28).unwrap()[3], ("mlp", 12..28));
    assert_eq!(cut(&with_mlp, 4, 12), None);
    // Grouped queries: k and v have fewer rows.
    let grouped = [("q", true), ("k", false), ("v", false)];
    assert_eq!(cut(&grouped, 6, 10), Some(vec![("q", 0..6), ("k", 6..8), ("v", 8..10)]));
    assert_eq!(cut(&grouped, 6, 9), None);
    assert_eq!(cut(&grouped, usize::MAX, 9), None);
}

#[test]
fn names_of_one_family_are_known_without_a_file() {
    let cases = [
        ("double_blocks.18.img_attn.qkv.v", "transformer_blocks.18.attn.to_v"),
        ("double_blocks.0.txt_mlp.2", "transformer_blocks.0.ff_context.net.2"),
        ("single_blocks.37.linear1.mlp", "single_transformer_blocks.37.proj_mlp"),
        (
            "input_blocks.4.1.transformer_blocks.0.attn1.to_q",
            "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
        ),
        ("middle_block.1.proj_in", "mid_block.attentions.0.proj_in"),
        ("input_blocks.4.0.in_layers.2", "down_blocks.1.resnets.0.conv1"),
        ("diffusion_model.blocks.3.cross_attn.k_img", "blocks.3.attn2.add_k_proj"),
        ("joint_blocks.3.x_block.attn.qkv.q", "transformer_blocks.3.attn.to_q"),
    ];
    for (path, name) in cases {
        assert_eq!(canonical(path), name);
    }
    for path in
        ["double_blocks.0.img_attn.qkv", "layers.0.linear2", "input_blocks.4.0", "", "blocks.0.attn.qkv"]
    {
        assert_eq!(canonical(path), path, "{path}");
    }
}

#[test]
fn the_docs_list_every_family() {
    let docs = include_str!("../../../docs/families.md");
    for name in model_families() {
        assert!(docs.contains(&format!("\n| {name} |")), "docs/families.md lacks {name}");
    }
}
