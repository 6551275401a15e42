//! Where the modules of a scan stand: rows of blocks and columns of what a module is in its block.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::names::short;
use crate::names::{Projection, block, last_part, natural_cmp, parent, role};

/// A row of the averages: a block, or a module that stands in none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Modules without a block come last.
    is_alone: bool,
    path: String,
}

impl Block {
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

impl Ord for Block {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.is_alone.cmp(&other.is_alone).then_with(|| natural_cmp(&self.path, &other.path))
    }
}

impl PartialOrd for Block {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A column of the averages, in the order q, k, v, o, qkv, gate, up, down, then other names by the alphabet, then that of
/// modules that stand in no block.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    order: usize,
    name: String,
}

impl Kind {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// The column of modules that stand in no block.
const NO_KIND: &str = "–";

/// The row and the column of each module.
///
/// A projection's letter stands for it where that says which module of a block is meant; else the part of the block that it
/// is in is named too, as in `attn1 q` and `attn2 q`.
pub(super) fn places(modules: &[String]) -> Vec<(Block, Kind)> {
    let roles: Vec<Option<String>> = modules.iter().map(|module| role(module)).collect();
    let names = names(modules, &roles);
    let place = |(module, role): (&String, &Option<String>)| {
        let path = block(module).unwrap_or(module).to_owned();
        let kind = match role {
            Some(role) => Kind { order: order(role), name: names[role.as_str()].clone() },
            None => Kind { order: Projection::ALL.len() + 1, name: NO_KIND.to_owned() },
        };
        (Block { is_alone: role.is_none(), path }, kind)
    };
    modules.iter().zip(&roles).map(place).collect()
}

/// Blocks by what they do not have in common: their numbers, where all stand in one list.
pub(super) fn short_blocks<'a>(blocks: impl Iterator<Item = &'a Block> + Clone) -> Vec<String> {
    // A number stays with the name of its list.
    let units = |path: &str| {
        let mut units: Vec<String> = vec![];
        for part in path.split('.') {
            match units.last_mut() {
                Some(list) if part.parse::<u64>().is_ok() => *list = format!("{list}.{part}"),
                _ => units.push(part.to_owned()),
            }
        }
        units.join("/")
    };
    let paths: Vec<String> =
        blocks.clone().filter(|block| !block.is_alone).map(|block| units(&block.path)).collect();
    let names = short(paths.iter().map(String::as_str));
    let has_number = |name: &String| name.ends_with(|c: char| c.is_ascii_digit());
    // Which block it is must not be cut off.
    let names = if names.iter().all(has_number) { names } else { paths };
    let list = |name: &String| name.rsplit_once('.').map(|(list, _)| list.to_owned());
    let first = names.first().and_then(list).filter(|list| !list.contains(['/', '.']));
    let is_one_list = first.is_some() && names.iter().all(|name| list(name) == first);
    let mut names = names.iter().map(|name| match name.rsplit_once('.') {
        Some((_, number)) if is_one_list => number.to_owned(),
        _ => name.replace('/', "."),
    });
    let name = |block: &Block| {
        if block.is_alone { block.path.clone() } else { names.next().unwrap_or_default() }
    };
    blocks.map(name).collect()
}

fn order(role: &str) -> usize {
    let is_known = |kind: Projection| Projection::ALL.iter().position(|&known| known == kind);
    Projection::of(role).and_then(is_known).unwrap_or(Projection::ALL.len())
}

fn short_role(role: &str) -> &str {
    match Projection::of(role) {
        Some(projection) => projection.name(),
        None => last_part(role),
    }
}

/// A name for each role.
fn names<'a>(modules: &[String], roles: &'a [Option<String>]) -> HashMap<&'a str, String> {
    // Roles with one short name, as of two models, share a column, unless a block has both of them.
    let mut in_block: HashMap<(&str, &str), BTreeSet<&str>> = HashMap::new();
    for (module, role) in modules.iter().zip(roles) {
        if let (Some(block), Some(role)) = (block(module), role) {
            in_block.entry((block, short_role(role))).or_default().insert(role);
        }
    }
    let unclear: HashSet<&str> =
        in_block.iter().filter(|(_, roles)| roles.len() > 1).map(|((_, short), _)| *short).collect();
    let mut longer: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for role in roles.iter().flatten() {
        if unclear.contains(short_role(role)) {
            longer.entry(with_parent(role)).or_default().insert(role);
        }
    }
    let name = |role: &'a str| {
        if !unclear.contains(short_role(role)) {
            return short_role(role).to_owned();
        }
        let name = with_parent(role);
        if longer[&name].len() > 1 { role.to_owned() } else { name }
    };
    roles.iter().flatten().map(|role| (role.as_str(), name(role))).collect()
}

/// `attn1 q`: the nearest part with a name of its own before the last.
fn with_parent(role: &str) -> String {
    let front = parent(role);
    let front = front.rsplit('.').find(|part| *part != "*").unwrap_or_default();
    format!("{front} {}", short_role(role)).trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(modules: &[&str]) -> Vec<(String, String)> {
        let modules: Vec<String> = modules.iter().map(|module| (*module).to_owned()).collect();
        let places = places(&modules).into_iter();
        places.map(|(block, kind)| (block.path, kind.name)).collect()
    }

    #[test]
    fn blocks_are_numbers_in_one_list_and_keep_their_numbers_in_several() {
        let short = |paths: &[&str]| {
            let block = |path: &&str| Block { is_alone: !path.contains('.'), path: (*path).to_owned() };
            let blocks: Vec<Block> = paths.iter().map(block).collect();
            short_blocks(blocks.iter())
        };
        assert_eq!(short(&["encoder.layer.0", "encoder.layer.11", "lm_head"]), ["0", "11", "lm_head"]);
        assert_eq!(short(&["layers.7"]), ["7"]);
        assert_eq!(short(&["encoder.block.0", "decoder.block.0"]), ["encoder.block.0", "decoder.block.0"]);
        let inner = "attentions.0.transformer_blocks.0";
        let unet = [format!("down_blocks.1.{inner}"), format!("up_blocks.1.{inner}")];
        assert_eq!(short(&unet.each_ref().map(String::as_str)), ["down_blocks.1", "up_blocks.1"]);
        assert_eq!(
            short(&["layers.0.blocks.1", "layers.1.blocks.0"]),
            ["layers.0.blocks.1", "layers.1.blocks.0"]
        );
        assert_eq!(short(&["lm_head"]), ["lm_head"]);
        assert_eq!(short(&[]), [] as [&str; 0]);
    }

    fn pair(block: &str, kind: &str) -> (String, String) {
        (block.to_owned(), kind.to_owned())
    }

    #[test]
    fn a_letter_stands_for_a_projection_where_it_is_clear() {
        let found =
            of(&["layers.0.self_attn.q_proj", "layers.0.mlp.weird", "encoder.layer.1.attention.self.query"]);
        assert_eq!(found, [pair("layers.0", "q"), pair("layers.0", "weird"), pair("encoder.layer.1", "q")]);
    }

    #[test]
    fn two_attentions_of_a_block_are_two_columns() {
        let down = "down_blocks.1.attentions.0.transformer_blocks.0";
        let up = "up_blocks.1.attentions.0.transformer_blocks.0";
        let modules = [
            format!("{down}.attn1.to_q"),
            format!("{down}.attn2.to_q"),
            format!("{up}.attn1.to_q"),
            format!("{down}.ff.net.0.proj"),
        ];
        let found = of(&modules.each_ref().map(String::as_str));
        let expected =
            [pair(down, "attn1 q"), pair(down, "attn2 q"), pair(up, "attn1 q"), pair(down, "proj")];
        assert_eq!(found, expected);
        let t5 = ["decoder.block.0.layer.0.SelfAttention.q", "decoder.block.0.layer.1.EncDecAttention.q"];
        let kinds: Vec<String> = of(&t5).into_iter().map(|(_, kind)| kind).collect();
        assert_eq!(kinds, ["SelfAttention q", "EncDecAttention q"]);
        // The part before is the same too.
        let same = ["layers.0.a.attn.q_proj", "layers.0.b.attn.q_proj", "layers.0.b.attn.k_proj"];
        let kinds: Vec<String> = of(&same).into_iter().map(|(_, kind)| kind).collect();
        assert_eq!(kinds, ["a.attn.q_proj", "b.attn.q_proj", "k"]);
    }

    #[test]
    fn experts_of_a_layer_share_a_cell() {
        let found = of(&["layers.0.mlp.experts.0.w1", "layers.0.mlp.experts.1.w1"]);
        assert_eq!(found, [pair("layers.0", "gate"), pair("layers.0", "gate")]);
    }

    #[test]
    fn modules_that_stand_in_no_block_have_rows_of_their_own_at_the_end() {
        let modules: Vec<String> =
            ["lm_head", "layers.10.q_proj", "conv_in", "layers.9.k_proj"].map(str::to_owned).into();
        let mut blocks: Vec<Block> = places(&modules).into_iter().map(|(block, _)| block).collect();
        blocks.sort();
        let paths: Vec<&str> = blocks.iter().map(Block::path).collect();
        assert_eq!(paths, ["layers.9", "layers.10", "conv_in", "lm_head"]);
        let mut kinds: Vec<Kind> = places(&modules).into_iter().map(|(_, kind)| kind).collect();
        kinds.sort();
        let names: Vec<&str> = kinds.iter().map(Kind::name).collect();
        assert_eq!(names, ["q", "k", "–", "–"]);
    }
}
