//! What the name of a module contains: the layer, the projection, its place in natural order. Pure functions on dotted
//! paths.

mod block;
mod canonical;
mod families;
mod file_names;
mod near;
mod order;
mod projection;
mod step;
mod text_encoders;
mod underscores;
mod wrappers;

pub use block::{block, role};
pub use canonical::canonical;
pub(crate) use families::Weight;
pub use families::model_families;
pub(crate) use file_names::FileNames;
pub(crate) use near::by_nearness;
pub use order::natural_cmp;
pub use projection::Projection;
pub use step::step;
pub(crate) use underscores::dotted;
pub(crate) use wrappers::{is_average, split_copy, without_model_fronts};

/// The layer number of a module: the first path component that consists of digits, so 0 in `encoder.layer.0.attention`.
pub fn layer(module: &str) -> Option<usize> {
    layer_path(module)?.rsplit('.').next()?.parse().ok()
}

/// The path up to the layer number: `encoder.layer.0` in `encoder.layer.0.attention.self.query`.
pub fn layer_path(module: &str) -> Option<&str> {
    let mut start = 0;
    for part in module.split('.') {
        let end = start + part.len();
        if is_number(part) {
            return Some(&module[..end]);
        }
        start = end + 1;
    }
    None
}

/// The last component of a module's path, with the one before it if it is a number: `query`, `to_out.0`.
pub fn last_part(module: &str) -> &str {
    let mut start = module.rfind('.').map_or(0, |dot| dot + 1);
    if start > 0 && is_number(&module[start..]) {
        start = module[..start - 1].rfind('.').map_or(0, |dot| dot + 1);
    }
    &module[start..]
}

/// The module that contains this one: the path before [`last_part`], such as `encoder.layer.0.attention.self`.
pub fn parent(module: &str) -> &str {
    module[..module.len() - last_part(module).len()].trim_end_matches('.')
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a figure calls the module's weight: `q`, `k`, `v` or `o`, else the last part of the path.
pub fn label(module: &str) -> &str {
    match Projection::of(module) {
        Some(kind @ (Projection::Q | Projection::K | Projection::V | Projection::O)) => kind.name(),
        _ => last_part(module),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_in_the_path_is_the_layer() {
        assert_eq!(layer("encoder.layer.11.attention.self.query"), Some(11));
        assert_eq!(layer("model.layers.0.mlp.experts.7.w1"), Some(0));
        assert_eq!(layer("h.007.attn.c_attn"), Some(7));
        assert_eq!(layer_path("model.layers.0.mlp.experts.7.w1"), Some("model.layers.0"));
        assert_eq!(layer("layer1.conv2"), None);
        assert_eq!(layer("lm_head"), None);
        assert_eq!(layer("a..b"), None);
        assert_eq!(layer("h.99999999999999999999999.q"), None);
    }

    #[test]
    fn the_last_part_keeps_a_number_with_the_name_before_it() {
        assert_eq!(last_part("attn1.to_out.0"), "to_out.0");
        assert_eq!(last_part("self.query"), "query");
        assert_eq!(last_part("lm_head"), "lm_head");
        assert_eq!(last_part("0"), "0");
        assert_eq!(last_part("a."), "");
        assert_eq!(parent("x.attn1.to_out.0"), "x.attn1");
        assert_eq!(parent("x.self.query"), "x.self");
        assert_eq!(parent("lm_head"), "");
    }

    #[test]
    fn attention_projections_have_one_letter_and_others_their_own_name() {
        assert_eq!(label("encoder.layer.0.attention.self.query"), "q");
        assert_eq!(label("encoder.layer.0.attention.output.dense"), "o");
        assert_eq!(label("model.layers.0.mlp.gate_proj"), "gate_proj");
        assert_eq!(label("h.0.attn.c_attn"), "c_attn");
        assert_eq!(label("lm_head"), "lm_head");
    }
}
