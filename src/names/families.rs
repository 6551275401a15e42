//! Image models that two code bases name differently: Flux and SDXL, from their authors' names to those of diffusers.

/// The ends of Flux paths after `double_blocks.N.`, and after `transformer_blocks.N.` in diffusers.
const FLUX_DOUBLE: &[(&str, &str)] = &[
    ("img_attn.qkv.q", "attn.to_q"),
    ("img_attn.qkv.k", "attn.to_k"),
    ("img_attn.qkv.v", "attn.to_v"),
    ("img_attn.proj", "attn.to_out.0"),
    ("txt_attn.qkv.q", "attn.add_q_proj"),
    ("txt_attn.qkv.k", "attn.add_k_proj"),
    ("txt_attn.qkv.v", "attn.add_v_proj"),
    ("txt_attn.proj", "attn.to_add_out"),
    ("img_mlp.0", "ff.net.0.proj"),
    ("img_mlp.2", "ff.net.2"),
    ("txt_mlp.0", "ff_context.net.0.proj"),
    ("txt_mlp.2", "ff_context.net.2"),
    ("img_mod.lin", "norm1.linear"),
    ("txt_mod.lin", "norm1_context.linear"),
];

/// The same after `single_blocks.N.` and `single_transformer_blocks.N.`.
const FLUX_SINGLE: &[(&str, &str)] = &[
    ("linear1.q", "attn.to_q"),
    ("linear1.k", "attn.to_k"),
    ("linear1.v", "attn.to_v"),
    ("linear1.mlp", "proj_mlp"),
    ("linear2", "proj_out"),
    ("modulation.lin", "norm.linear"),
];

/// SDXL's blocks with transformers in the authors' code, and in diffusers. (Those of SD 1.5 have other numbers, but its
/// files have the names of diffusers.)
const SDXL: &[(&str, &str)] = &[
    ("input_blocks.4.1", "down_blocks.1.attentions.0"),
    ("input_blocks.5.1", "down_blocks.1.attentions.1"),
    ("input_blocks.7.1", "down_blocks.2.attentions.0"),
    ("input_blocks.8.1", "down_blocks.2.attentions.1"),
    ("middle_block.1", "mid_block.attentions.0"),
    ("output_blocks.0.1", "up_blocks.0.attentions.0"),
    ("output_blocks.1.1", "up_blocks.0.attentions.1"),
    ("output_blocks.2.1", "up_blocks.0.attentions.2"),
    ("output_blocks.3.1", "up_blocks.1.attentions.0"),
    ("output_blocks.4.1", "up_blocks.1.attentions.1"),
    ("output_blocks.5.1", "up_blocks.1.attentions.2"),
];

/// The path in diffusers of a module of Flux or SDXL, if the tables have it.
pub(super) fn in_diffusers(path: &str) -> Option<String> {
    let numbered = |table: &[(&str, &str)], front: &str, there: &str| {
        let (number, end) = path.strip_prefix(front)?.split_once('.')?;
        let (_, end) = table.iter().find(|(from, _)| *from == end)?;
        Some(format!("{there}.{number}.{end}"))
    };
    numbered(FLUX_DOUBLE, "double_blocks.", "transformer_blocks")
        .or_else(|| numbered(FLUX_SINGLE, "single_blocks.", "single_transformer_blocks"))
        .or_else(|| {
            SDXL.iter().find_map(|(from, to)| {
                // Only transformers: the rest of the blocks has other parts in diffusers.
                let inside = path.strip_prefix(from)?.strip_prefix('.')?;
                let is_known = ["transformer_blocks.", "proj_in", "proj_out"].iter();
                is_known.clone().any(|part| inside.starts_with(part)).then(|| format!("{to}.{inside}"))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flux_and_sdxl_get_the_names_of_diffusers() {
        let cases = [
            ("double_blocks.18.img_attn.qkv.v", "transformer_blocks.18.attn.to_v"),
            ("double_blocks.0.txt_mlp.2", "transformer_blocks.0.ff_context.net.2"),
            ("single_blocks.37.linear1.mlp", "single_transformer_blocks.37.proj_mlp"),
            (
                "input_blocks.4.1.transformer_blocks.0.attn1.to_q",
                "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
            ),
            ("middle_block.1.proj_in", "mid_block.attentions.0.proj_in"),
        ];
        for (path, name) in cases {
            assert_eq!(in_diffusers(path).as_deref(), Some(name));
        }
        for path in ["double_blocks.0.img_attn.qkv", "input_blocks.4.0.in_layers.2", "layers.0.linear2", ""] {
            assert_eq!(in_diffusers(path), None, "{path}");
        }
    }
}
