//! XLabs' Flux LoRA, and those of its heirs (USO): attention processors, whose `double_blocks.N.processor.qkv_lora1.down.weight`
//! is of the image's stream and `qkv_lora2` of the text's.

use super::claim::{Claim, TensorRole};
use super::fused;
use super::layout::Layout;
use super::pair::{Pair, whole};
use super::scaling::by_alpha;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;
use crate::formats::context::Context;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "XLabs", is_numbered: false, uses_underscores: false },
    claim,
    accepts: |_| true,
    path,
    layout: Layout::Linear,
    experts: whole,
    scaling: by_alpha,
    cut,
    partners: &[(".down", ".up")],
};

const PROCESSOR: &str = ".processor.";

/// What the processors adapt, under its name in the authors' own code of Flux.
const LAYERS: &[(&str, &str)] = &[
    ("qkv_lora1", "img_attn.qkv"),
    ("proj_lora1", "img_attn.proj"),
    ("qkv_lora2", "txt_attn.qkv"),
    ("proj_lora2", "txt_attn.proj"),
    ("qkv_lora", LINEAR1),
    ("proj_lora", "linear2"),
];

/// The fused weight of a single block, of which only the rows of q, k and v are adapted.
const LINEAR1: &str = "linear1";

fn layer(module: &str) -> Option<(&str, &'static str)> {
    let (block, name) = module.rsplit_once(PROCESSOR)?;
    let (_, layer) = LAYERS.iter().find(|(lora, _)| *lora == name)?;
    Some((block, layer))
}

fn claim(name: &str) -> Option<Claim<'_>> {
    Claim::by_end(name, &[(".down.weight", TensorRole::A), (".up.weight", TensorRole::B)], 2)
        .filter(|claim| layer(&claim.module).is_some())
}

fn path(module: &str) -> String {
    layer(module).map_or_else(|| module.to_owned(), |(block, layer)| format!("{block}.{layer}"))
}

fn cut(pair: Pair, context: &Context<'_>) -> Vec<Pair> {
    let d = pair.a.cols;
    if pair.path.ends_with(LINEAR1) && pair.b.rows == 3 * d {
        return [("q", 0), ("k", d), ("v", 2 * d)].map(|(name, at)| pair.part(name, at..at + d)).to_vec();
    }
    fused::cut(pair, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_named_after_what_they_adapt() {
        for (name, expected) in [
            ("double_blocks.18.processor.qkv_lora1.down.weight", "double_blocks.18.img_attn.qkv"),
            ("double_blocks.0.processor.proj_lora2.up.weight", "double_blocks.0.txt_attn.proj"),
            (
                "diffusion_model.single_blocks.3.processor.qkv_lora.up.weight",
                "diffusion_model.single_blocks.3.linear1",
            ),
            ("single_blocks.3.processor.proj_lora.up.weight", "single_blocks.3.linear2"),
        ] {
            assert_eq!(path(&claim(name).unwrap().module), expected);
        }
        assert_eq!(claim("mid_block.attn1.processor.to_q_lora.down.weight"), None);
    }
}
