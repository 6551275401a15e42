//! Where modules stand in a picture of a whole model: layers down, projections across.

use crate::names::{label, layer, parent};

/// A row and a column for each module, and their names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) rows: Vec<String>,
    pub(super) cols: Vec<String>,
    /// Of each module, its row and its column. No two have the same.
    pub(super) of: Vec<(usize, usize)>,
}

impl Places {
    /// Of modules by name, in their order: by layer and projection, or by the block that they are in where two of one layer
    /// have one name.
    pub(super) fn of(names: &[&str]) -> Self {
        let by_layer = |name: &&str| {
            let row = layer(name).map_or_else(|| parent(name).to_owned(), |layer| layer.to_string());
            (row, label(name).to_owned())
        };
        let by_block = |name: &&str| {
            (parent(name).to_owned(), name[name.rfind('.').map_or(0, |at| at + 1)..].to_owned())
        };
        let mut named: Vec<(String, String)> = names.iter().map(by_layer).collect();
        let mut sorted = named.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|two| two[0] == two[1]) {
            named = names.iter().map(by_block).collect();
        }
        // A stable sort: others stay in the order in which they come, between attention and the layers that follow it.
        let mut cols: Vec<String> = vec![];
        named.iter().for_each(|(_, col)| _ = at(&mut cols, col.clone()));
        cols.sort_by_key(|col| rank(col));
        let mut places = Self { rows: vec![], cols, of: vec![] };
        for (row, col) in named {
            let place = (at(&mut places.rows, row), at(&mut places.cols, col));
            places.of.push(place);
        }
        places
    }
}

/// Where a projection stands in a block, as data passes through it.
fn rank(col: &str) -> usize {
    const FIRST: [&str; 4] = ["q", "k", "v", "o"];
    const LAST: [&str; 6] = ["gate_proj", "up_proj", "down_proj", "fc1", "fc2", "lm_head"];
    let first = FIRST.iter().position(|name| *name == col);
    let last = LAST.iter().position(|name| *name == col);
    first.or(last.map(|at| FIRST.len() + 1 + at)).unwrap_or(FIRST.len())
}

/// The place of a name, which is added where it is new.
fn at(all: &mut Vec<String>, name: String) -> usize {
    all.iter().position(|other| *other == name).unwrap_or_else(|| {
        all.push(name);
        all.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_stand_by_layer_and_projection() {
        let places =
            Places::of(&["l.0.attn.q_proj", "l.0.attn.v_proj", "l.1.attn.q_proj", "l.1.mlp.up_proj"]);
        assert_eq!(places.rows, ["0", "1"]);
        assert_eq!(places.cols, ["q", "v", "up_proj"]);
        assert_eq!(places.of, [(0, 0), (0, 1), (1, 0), (1, 2)]);
    }

    #[test]
    fn projections_stand_as_data_passes_through_them() {
        let names = ["down_proj", "gate_proj", "up_proj", "k_proj", "o_proj", "q_proj", "rotary", "v_proj"];
        let names = names.map(|name| format!("l.0.{name}"));
        let places = Places::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(places.cols, ["q", "k", "v", "o", "rotary", "gate_proj", "up_proj", "down_proj"]);
        assert_eq!(places.of[0], (0, 7));
    }

    #[test]
    fn two_of_one_layer_and_name_stand_in_the_rows_of_their_blocks() {
        let places = Places::of(&["l.0.attn1.q_proj", "l.0.attn2.q_proj"]);
        assert_eq!(
            (places.rows, places.cols),
            (vec!["l.0.attn1".to_owned(), "l.0.attn2".to_owned()], vec!["q_proj".to_owned()])
        );
    }
}
