//! Which way round a weight lies, as a module of an adapter has it: (d_out, d_in).
//!
//! Layers of PyTorch are stored so. The embeddings of tokens are stored as (tokens, d), and LoRA takes tokens for the input. Weights of
//! GPT-2's `Conv1D` are stored as (d_in, d_out), under names that other models have for layers of PyTorch.

/// How a stored matrix becomes a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    AsStored,
    Transposed,
    /// The rows of each of so many heads are stored in the order of another rotary embedding.
    InHalves(usize),
    /// It is not known; what would have to be.
    Unknown(&'static str),
}

/// The last parts of the names of embeddings.
const EMBEDDINGS: &[&str] = &[
    "embed_tokens",
    "tok_embeddings",
    "word_embeddings",
    "position_embeddings",
    "token_type_embeddings",
    "embed_positions",
    "token_embedding",
    "position_embedding",
    "embed_in",
    "wte",
    "wpe",
    "token_embd",
];

/// The layers of GPT-2.
const CONV1D: &[&str] = &["c_attn", "q_attn", "c_fc", "c_proj"];

pub(super) fn is_embedding(path: &str) -> bool {
    EMBEDDINGS.contains(&last(path))
}

/// Whether it is the embedding of tokens, to which the output layer may be tied.
pub(super) fn is_token_embedding(path: &str) -> bool {
    const TOKENS: &[&str] =
        &["embed_tokens", "tok_embeddings", "word_embeddings", "embed_in", "wte", "token_embd"];
    TOKENS.contains(&last(path))
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// How layers lie that GPT-2 and other models name alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Conv1d {
    conv1d: bool,
    linear: bool,
}

impl Conv1d {
    /// By all weights of a model: its path, and its rows and columns as they are stored.
    pub(super) fn of<'a>(weights: impl Iterator<Item = (&'a str, [u64; 2])>) -> Self {
        let mut seen = Self::default();
        for is_conv1d in weights.filter_map(|(path, shape)| alone(path, shape)) {
            seen.conv1d |= is_conv1d;
            seen.linear |= !is_conv1d;
        }
        seen
    }

    /// Whether a weight that is stored with this shape is one of GPT-2's layers; else `None`.
    pub(super) fn layout(self, path: &str, shape: [u64; 2]) -> Option<Layout> {
        if !CONV1D.contains(&last(path)) {
            return None;
        }
        let is_conv1d = alone(path, shape).or(match (self.conv1d, self.linear) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        });
        Some(match is_conv1d {
            Some(true) => Layout::Transposed,
            Some(false) => Layout::AsStored,
            None => Layout::Unknown(
                "a square weight of a name that GPT-2's layers have, which are stored the other way round",
            ),
        })
    }

    /// Whether all of the model's layers with these names are GPT-2's.
    pub(super) fn is_gpt2(self) -> bool {
        self.conv1d && !self.linear
    }
}

/// Whether the shape of a layer shows by itself that it is GPT-2's: `c_attn` and `c_fc` widen, the feed-forward `c_proj` narrows.
fn alone(path: &str, [rows, cols]: [u64; 2]) -> Option<bool> {
    let widens = match last(path) {
        "c_attn" | "c_fc" => true,
        "c_proj" if path.ends_with("mlp.c_proj") => false,
        _ => return None,
    };
    (rows != cols).then_some(widens == (cols > rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shapes_of_a_model_show_whether_its_layers_are_gpt_2s() {
        let gpt2 = [("h.0.attn.c_attn", [8, 24]), ("h.0.attn.c_proj", [8, 8]), ("h.0.mlp.c_proj", [32, 8])];
        let nano = gpt2.map(|(path, [rows, cols])| (path, [cols, rows]));
        for (weights, layout) in [(gpt2, Layout::Transposed), (nano, Layout::AsStored)] {
            let seen = Conv1d::of(weights.into_iter());
            assert_eq!(seen.is_gpt2(), layout == Layout::Transposed);
            for (path, shape) in weights {
                assert_eq!(seen.layout(path, shape), Some(layout), "{path}");
            }
            assert_eq!(seen.layout("h.0.attn.q_proj", [8, 8]), None);
        }
        let alone = Conv1d::of([gpt2[1]].into_iter());
        assert!(matches!(alone.layout(gpt2[1].0, gpt2[1].1), Some(Layout::Unknown(_))));
        let both = Conv1d::of([gpt2[0], nano[2]].into_iter());
        assert!(matches!(both.layout(gpt2[1].0, gpt2[1].1), Some(Layout::Unknown(_))));
    }
}
