//! The block of a model that a module stands in, and what it is there.

use super::{is_number, last_part};

/// The path to the block that a module stands in: up to its first number, and on through what repeats inside it. `layers.3`
/// for `layers.3.self_attn.q_proj`, `down_blocks.1.attentions.0.transformer_blocks.0` for a module of a U-Net. A list of
/// experts is not a list of blocks. `None` for a module that stands in no block.
pub fn block(module: &str) -> Option<&str> {
    let parts: Vec<&str> = module.split('.').collect();
    // The last part keeps its number, as in `to_out.0`: something has to stand in the block.
    let n_front = parts.len() - last_part(module).split('.').count();
    let mut end = parts[..n_front].iter().position(|part| is_number(part))? + 1;
    loop {
        end += match parts[end..n_front] {
            [next, ..] if is_number(next) => 1,
            [list, next, ..] if is_number(next) && is_list_of_blocks(list) => 2,
            _ => break,
        };
    }
    let length = parts[..end].iter().map(|part| part.len() + 1).sum::<usize>() - 1;
    Some(&module[..length])
}

/// What a module is in its block, the same in every block: `self_attn.q_proj`, `attn1.to_out.0`. Numbers on the way, as of
/// experts, are `*`. `None` for a module that stands in no block.
pub fn role(module: &str) -> Option<String> {
    let inside = &module[block(module)?.len() + 1..];
    let last = last_part(inside);
    let front = &inside[..inside.len() - last.len()];
    let part = |part| if is_number(part) { "*" } else { part };
    Some(front.split('.').map(part).collect::<Vec<_>>().join(".") + last)
}

fn is_list_of_blocks(part: &str) -> bool {
    part.ends_with('s') && part != "experts"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_goes_on_through_what_repeats_inside_it() {
        let cases = [
            ("layers.3.self_attn.q_proj", "layers.3", "self_attn.q_proj"),
            ("encoder.layer.11.attention.self.query", "encoder.layer.11", "attention.self.query"),
            ("h.7.attn.c_attn", "h.7", "attn.c_attn"),
            (
                "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0",
                "down_blocks.1.attentions.0.transformer_blocks.0",
                "attn1.to_out.0",
            ),
            ("mid_block.attentions.0.proj_in", "mid_block.attentions.0", "proj_in"),
            (
                "input_blocks.7.1.transformer_blocks.9.attn2.to_k",
                "input_blocks.7.1.transformer_blocks.9",
                "attn2.to_k",
            ),
            ("decoder.block.0.layer.1.EncDecAttention.q", "decoder.block.0", "layer.*.EncDecAttention.q"),
            ("layers.0.mlp.experts.7.w1", "layers.0", "mlp.experts.*.w1"),
            ("layers.0.blocks.1.attention.self.query", "layers.0.blocks.1", "attention.self.query"),
            ("transformer_blocks.18.ff.net.0.proj", "transformer_blocks.18", "ff.net.*.proj"),
            ("transformer_blocks.18.ff.net.2", "transformer_blocks.18", "ff.net.2"),
        ];
        for (module, path, inside) in cases {
            assert_eq!((block(module), role(module).as_deref()), (Some(path), Some(inside)), "{module}");
        }
    }

    #[test]
    fn some_modules_stand_in_no_block() {
        for module in
            ["lm_head", "time_embedding.linear_1", "to_out.0", "unet.17", "0", "", "a..b", "q.", "0.1"]
        {
            assert_eq!((block(module), role(module)), (None, None), "{module}");
        }
        assert_eq!(block("3."), Some("3"));
    }
}
