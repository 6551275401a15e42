//! What llama.cpp calls the modules of transformers' models, by architecture (`gguf-py/gguf/tensor_mapping.py`).

/// Architectures with the same names.
struct Names {
    /// The first that has the architecture counts.
    architectures: &'static [&'static str],
    /// What stands before the number of a block.
    blocks: &'static str,
    /// In blocks. Where `.experts.` is in the second name, an expert's number follows it.
    in_blocks: &'static [&'static [[&'static str; 2]]],
    /// Outside of blocks.
    others: &'static [[&'static str; 2]],
}

const QKV: &[[&str; 2]] =
    &[["attn_q", "self_attn.q_proj"], ["attn_k", "self_attn.k_proj"], ["attn_v", "self_attn.v_proj"]];
const ATTENTION_OUT: &[[&str; 2]] = &[["attn_output", "self_attn.o_proj"]];
const MLP: &[[&str; 2]] =
    &[["ffn_gate", "mlp.gate_proj"], ["ffn_up", "mlp.up_proj"], ["ffn_down", "mlp.down_proj"]];
const EXPERTS: &[[&str; 2]] = &[
    ["ffn_gate_inp", "mlp.gate"],
    ["ffn_gate_exps", "mlp.experts.gate_proj"],
    ["ffn_up_exps", "mlp.experts.up_proj"],
    ["ffn_down_exps", "mlp.experts.down_proj"],
];
const ONE_SHARED: &[[&str; 2]] = &[
    ["ffn_gate_inp_shexp", "mlp.shared_expert_gate"],
    ["ffn_gate_shexp", "mlp.shared_expert.gate_proj"],
    ["ffn_up_shexp", "mlp.shared_expert.up_proj"],
    ["ffn_down_shexp", "mlp.shared_expert.down_proj"],
];
const SHARED: &[[&str; 2]] = &[
    ["ffn_gate_shexp", "mlp.shared_experts.gate_proj"],
    ["ffn_up_shexp", "mlp.shared_experts.up_proj"],
    ["ffn_down_shexp", "mlp.shared_experts.down_proj"],
];
const MIXTRAL: &[[&str; 2]] = &[
    ["ffn_gate_inp", "block_sparse_moe.gate"],
    ["ffn_gate_exps", "block_sparse_moe.experts.w1"],
    ["ffn_up_exps", "block_sparse_moe.experts.w3"],
    ["ffn_down_exps", "block_sparse_moe.experts.w2"],
];
const LATENT: &[[&str; 2]] = &[
    ["attn_q_a", "self_attn.q_a_proj"],
    ["attn_q_b", "self_attn.q_b_proj"],
    ["attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa"],
    ["attn_kv_b", "self_attn.kv_b_proj"],
];
const FUSED: &[[&str; 2]] =
    &[["attn_qkv", "self_attn.qkv_proj"], ["ffn_up", "mlp.gate_up_proj"], ["ffn_down", "mlp.down_proj"]];
const BERT: &[[&str; 2]] = &[
    ["attn_q", "attention.self.query"],
    ["attn_k", "attention.self.key"],
    ["attn_v", "attention.self.value"],
    ["attn_output", "attention.output.dense"],
    ["ffn_up", "intermediate.dense"],
    ["ffn_down", "output.dense"],
];
const ENDS: &[[&str; 2]] = &[["token_embd", "model.embed_tokens"], ["output", "lm_head"]];

const ALL: &[Names] = &[
    Names {
        architectures: &["llama", "minicpm"],
        blocks: "model.layers",
        in_blocks: &[QKV, ATTENTION_OUT, MLP, MIXTRAL],
        others: ENDS,
    },
    Names {
        architectures: &[
            "apertus",
            "arcee",
            "bitnet",
            "cohere2",
            "command-r",
            "deci",
            "deepseek",
            "deepseek2",
            "dots1",
            "dream",
            "ernie4_5",
            "ernie4_5-moe",
            "exaone4",
            "gemma",
            "gemma2",
            "gemma3",
            "gemma3n",
            "glm4moe",
            "granite",
            "hunyuan-dense",
            "llama-embed",
            "mistral3",
            "nanbeige",
            "nemotron",
            "olmo",
            "olmo2",
            "olmoe",
            "pangu-embedded",
            "qwen3",
            "qwen3moe",
            "qwen3vl",
            "qwen3vlmoe",
            "seed_oss",
            "smollm3",
            "stablelm",
            "xverse",
        ],
        blocks: "model.layers",
        in_blocks: &[QKV, ATTENTION_OUT, MLP, EXPERTS, SHARED, LATENT],
        others: ENDS,
    },
    Names {
        architectures: &["qwen2", "qwen2moe", "qwen2vl"],
        blocks: "model.layers",
        in_blocks: &[QKV, ATTENTION_OUT, MLP, EXPERTS, ONE_SHARED],
        others: ENDS,
    },
    Names {
        architectures: &["phi3", "glm4"],
        blocks: "model.layers",
        in_blocks: &[QKV, ATTENTION_OUT, FUSED],
        others: ENDS,
    },
    Names {
        architectures: &["phi2"],
        blocks: "model.layers",
        in_blocks: &[
            QKV,
            &[["attn_output", "self_attn.dense"], ["ffn_up", "mlp.fc1"], ["ffn_down", "mlp.fc2"]],
        ],
        others: ENDS,
    },
    Names {
        architectures: &["starcoder2"],
        blocks: "model.layers",
        in_blocks: &[QKV, ATTENTION_OUT, &[["ffn_up", "mlp.c_fc"], ["ffn_down", "mlp.c_proj"]]],
        others: ENDS,
    },
    Names {
        architectures: &["bert"],
        blocks: "encoder.layer",
        in_blocks: &[BERT],
        others: &[["token_embd", "embeddings.word_embeddings"]],
    },
];

/// The path that transformers has for a module, those of experts as `….experts.3.up_proj` for `blk.0.ffn_up_exps.3`. Without an
/// architecture, names are taken as Llama's. `None` for names and architectures that are not known.
pub(super) fn path(module: &str, architecture: Option<&str>) -> Option<String> {
    let architecture = architecture.unwrap_or("llama");
    let names = ALL.iter().find(|names| names.architectures.contains(&architecture))?;
    let Some(inner) = module.strip_prefix("blk.") else {
        return find(names.others, module).map(str::to_owned);
    };
    let (number, name) = inner.split_once('.')?;
    let (name, expert) = match name.split_once('.') {
        Some((name, expert)) => (name, Some(expert)),
        None => (name, None),
    };
    let theirs = names.in_blocks.iter().find_map(|pairs| find(pairs, name))?;
    let theirs = match expert {
        None => theirs.to_owned(),
        Some(expert) => theirs.replacen(".experts.", &format!(".experts.{expert}."), 1),
    };
    Some(format!("{}.{number}.{theirs}", names.blocks))
}

fn find(pairs: &[[&'static str; 2]], name: &str) -> Option<&'static str> {
    pairs.iter().find(|[ours, _]| *ours == name).map(|[_, theirs]| *theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_architecture_has_two_tables_and_no_table_a_name_twice() {
        let mut all: Vec<&str> = ALL.iter().flat_map(|names| names.architectures).copied().collect();
        let n = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n);
        for names in ALL {
            for side in 0..2 {
                let mut all: Vec<&str> = names.in_blocks.concat().iter().map(|pair| pair[side]).collect();
                let n = all.len();
                all.sort_unstable();
                all.dedup();
                assert_eq!(all.len(), n, "{:?}", names.architectures);
            }
        }
    }

    #[test]
    fn modules_have_the_names_of_transformers() {
        let path = |module, architecture| path(module, Some(architecture));
        for (module, architecture, expected) in [
            ("blk.11.attn_q", "llama", "model.layers.11.self_attn.q_proj"),
            ("blk.0.attn_output", "qwen2", "model.layers.0.self_attn.o_proj"),
            ("blk.0.ffn_gate", "gemma2", "model.layers.0.mlp.gate_proj"),
            ("blk.2.ffn_down_exps.7", "qwen3moe", "model.layers.2.mlp.experts.7.down_proj"),
            ("blk.2.ffn_down_exps.7", "llama", "model.layers.2.block_sparse_moe.experts.7.w2"),
            ("blk.2.ffn_up_shexp", "qwen2moe", "model.layers.2.mlp.shared_expert.up_proj"),
            ("blk.2.attn_kv_a_mqa", "deepseek2", "model.layers.2.self_attn.kv_a_proj_with_mqa"),
            ("blk.0.ffn_up", "phi3", "model.layers.0.mlp.gate_up_proj"),
            ("blk.0.attn_output", "phi2", "model.layers.0.self_attn.dense"),
            ("blk.0.ffn_up", "starcoder2", "model.layers.0.mlp.c_fc"),
            ("blk.3.ffn_down", "bert", "encoder.layer.3.output.dense"),
            ("token_embd", "llama", "model.embed_tokens"),
            ("output", "llama", "lm_head"),
        ] {
            assert_eq!(path(module, architecture).as_deref(), Some(expected), "{module} of {architecture}");
        }
        for (module, architecture) in [
            ("blk.0.attn_qkv", "falcon"),
            ("blk.0.ssm_in", "llama"),
            ("blk.0", "llama"),
            ("rope_freqs", "llama"),
        ] {
            assert_eq!(path(module, architecture), None, "{module} of {architecture}");
        }
    }
}
