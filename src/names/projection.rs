//! What a module projects to, by the naming habits of model families.

use std::fmt;

/// The part that a weight plays in a transformer block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Projection {
    /// Attention queries.
    Q,
    /// Attention keys.
    K,
    /// Attention values.
    V,
    /// Attention output.
    O,
    /// Queries, keys and values in one weight.
    Qkv,
    /// The gate of a gated feed-forward layer.
    Gate,
    /// The widening weight of a feed-forward layer.
    Up,
    /// The narrowing weight of a feed-forward layer.
    Down,
}

use Projection::{Down, Gate, K, O, Q, Qkv, Up, V};

/// Ends of module paths, in whole components. If several fit, the longest counts.
const ENDS: &[(Projection, &[&str])] = &[
    (Q, &["q", "query", "q_proj", "q_lin", "to_q", "wq", "query_proj", "linear_q", "to_query"]),
    (K, &["k", "key", "k_proj", "k_lin", "to_k", "wk", "key_proj", "linear_k", "to_key"]),
    (V, &["v", "value", "v_proj", "v_lin", "to_v", "wv", "value_proj", "linear_v", "to_value"]),
    (O, &["o", "o_proj", "out_proj", "out_lin", "to_out", "to_out.0", "wo", "linear_out"]),
    (O, &["attention.output.dense", "attention.dense", "self_attention.dense", "attn.c_proj", "attn.proj"]),
    (O, &["self_attention.out_layer", "cross_attention.out_layer"]),
    (Qkv, &["qkv", "qkv_proj", "query_key_value", "c_attn", "Wqkv", "in_proj", "to_qkv", "W_pack"]),
    (Gate, &["gate_proj", "w1", "wi_0", "feed_forward.linear_1", "ff.gate"]),
    (
        Up,
        &[
            "up_proj",
            "w3",
            "wi_1",
            "wi",
            "fc1",
            "lin1",
            "fc_in",
            "c_fc",
            "dense_h_to_4h",
            "intermediate.dense",
            "feed_forward.linear_3",
            "ff.up",
        ],
    ),
    (Down, &["down_proj", "w2", "fc2", "lin2", "fc_out", "mlp.c_proj", "dense_4h_to_h", "output.dense"]),
    (Down, &["DenseReluDense.wo", "feed_forward.linear_2", "ff.down"]),
];

impl Projection {
    /// Every projection.
    pub const ALL: [Self; 8] = [Q, K, V, O, Qkv, Gate, Up, Down];

    /// Its short name in figures and tables: `q`, `k`, `v`, `o`, `qkv`, `gate`, `up` or `down`.
    pub fn name(self) -> &'static str {
        match self {
            Q => "q",
            K => "k",
            V => "v",
            O => "o",
            Qkv => "qkv",
            Gate => "gate",
            Up => "up",
            Down => "down",
        }
    }

    /// The projection of a module, from the end of its path.
    pub fn of(module: &str) -> Option<Self> {
        let fits = |end: &&str| {
            module.strip_suffix(end).is_some_and(|front| front.is_empty() || front.ends_with('.'))
        };
        let all = ENDS.iter().flat_map(|(kind, ends)| ends.iter().map(move |end| (end, *kind)));
        all.filter(|(end, _)| fits(end)).max_by_key(|(end, _)| end.len()).map(|(_, kind)| kind)
    }

    /// The projection with a name such as `q`, `query` or `q_proj`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).or_else(|| Self::of(name))
    }
}

impl fmt::Display for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_naming_habits_of_model_families() {
        let cases = [
            ("encoder.layer.0.attention.self.query", Q),              // BERT
            ("encoder.layer.0.attention.output.dense", O),            // BERT
            ("encoder.layer.0.intermediate.dense", Up),               // BERT
            ("encoder.layer.0.output.dense", Down),                   // BERT
            ("model.layers.0.self_attn.v_proj", V),                   // Llama, Qwen
            ("model.layers.0.mlp.gate_proj", Gate),                   // Llama, Qwen
            ("transformer.layer.0.attention.k_lin", K),               // DistilBERT
            ("transformer.layer.0.attention.out_lin", O),             // DistilBERT
            ("transformer.h.0.attn.c_attn", Qkv),                     // GPT-2
            ("transformer.h.0.attn.c_proj", O),                       // GPT-2
            ("transformer.h.0.mlp.c_proj", Down),                     // GPT-2
            ("gpt_neox.layers.0.attention.query_key_value", Qkv),     // GPT-NeoX
            ("gpt_neox.layers.0.attention.dense", O),                 // GPT-NeoX
            ("gpt_neox.layers.0.mlp.dense_4h_to_h", Down),            // GPT-NeoX
            ("encoder.block.0.layer.0.SelfAttention.q", Q),           // T5
            ("encoder.block.0.layer.1.DenseReluDense.wo", Down),      // T5
            ("layers.0.attention.wo", O),                             // Llama, as Meta names it
            ("layers.0.feed_forward.w3", Up),                         // Llama, as Meta names it
            ("unet.down_blocks.0.attentions.0.attn1.to_out.0", O),    // diffusers
            ("unet.down_blocks.0.attentions.0.attn1.to_q", Q),        // diffusers
            ("layers.0.feed_forward.linear_3", Up),                   // Lumina
            ("visual_transformer_blocks.0.self_attention.to_key", K), // Kandinsky
            ("transformer_blocks.0.ff.gate", Gate),                   // Krea
        ];
        for (module, kind) in cases {
            assert_eq!(Projection::of(module), Some(kind), "{module}");
        }
    }

    #[test]
    fn matches_whole_components_only() {
        for module in ["lm_head", "model.layers.0.mlp.gate", "x.faq", "x.monkey", "x.q.bias", ""] {
            assert_eq!(Projection::of(module), None, "{module}");
        }
    }

    #[test]
    fn is_found_by_its_own_name_or_by_any_habit() {
        for kind in Projection::ALL {
            assert_eq!(Projection::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Projection::from_name("value"), Some(V));
        assert_eq!(Projection::from_name("to_out.0"), Some(O));
        assert_eq!(Projection::from_name("lm_head"), None);
    }
}
