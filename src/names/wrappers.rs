//! What training wrapped around a model and its parts, and what a state dict was kept under.

use std::borrow::Cow;

/// What wrappers and model classes put before a module's path. They are taken off one after the other, as long as
/// something is left: PEFT's `base_model.model.`, and the attribute under which a model with a head keeps the model without
/// one.
const FRONTS: &[&str] = &[
    "base_model.model.",
    "model.",
    "transformer.",
    "unet.",
    "diffusion_model.",
    "gpt_neox.",
    "roberta.",
    "bert.",
    "distilbert.",
    "deberta.",
    "electra.",
    "albert.",
];

/// Parts that stand for a layer itself, wherever they are in a path: sharded, checkpointed, compiled and data parallel layers,
/// and PEFT's own wrapper.
pub(super) const LAYERS: &[&str] = &[
    "_fsdp_wrapped_module",
    "_fpw_module",
    "_checkpoint_wrapped_module",
    "_orig_mod",
    "_forward_module",
    "module",
    "base_layer",
];

/// What the state dict of a whole model is kept under. A file may have several of them, such as a student and its average.
const COPIES: &[&str] = &[
    "net",
    "network",
    "generator",
    "student",
    "teacher",
    "policy",
    "actor",
    "params",
    "state_dict",
    "model_state_dict",
    "ema",
    "ema_model",
    "model_ema",
    "ema_state_dict",
    "params_ema",
    "generator_ema",
    "student_ema",
    "net_ema",
];

/// What the state dict of a part of a pipeline or of a model is kept under. `language_model` is one of these: with transformers 4.52 the language models of Qwen2-VL, LLaVA, Gemma 3 and their like moved from `model.` or
/// `language_model.model.` to `model.language_model.`.
const PARTS: &[&str] =
    &["pipe", "dit", "vlm", "prior", "conditional_transformer", "transformer_1", "language_model"];

/// The path without what wraps layers.
pub(super) fn without_layers(path: &str) -> Cow<'_, str> {
    let is_wrapper = |part: &&str| LAYERS.contains(part);
    if !path.split('.').any(|part| is_wrapper(&part)) {
        return Cow::Borrowed(path);
    }
    let parts: Vec<&str> = path.split('.').filter(|part| !is_wrapper(part)).collect();
    // A module that is called as a wrapper is.
    if parts.iter().all(|part| part.is_empty() || is_number(part)) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(parts.join("."))
}

/// The front of a tensor's name that keeps copies of a model apart, if it has one, and what follows. Other fronts may stand before it.
pub(crate) fn split_copy(name: &str) -> Option<(&str, &str)> {
    let mut rest = name;
    loop {
        let (first, inner) = rest.split_once('.')?;
        if COPIES.contains(&first) {
            // `net.0` is a layer of a list.
            let next = inner.split('.').next().unwrap_or_default();
            return (!is_number(next)).then_some((first, inner));
        }
        rest = match FRONTS.iter().find_map(|front| rest.strip_prefix(front)) {
            Some(inner) => inner,
            None if LAYERS.contains(&first) => inner,
            None => return None,
        };
    }
}

/// Whether a front is that of an average of what is trained.
pub(crate) fn is_average(front: &str) -> bool {
    front
        .split('_')
        .any(|word| ["ema", "swa", "average", "averaged", "avg", "shadow", "teacher"].contains(&word))
}

/// A tensor's name without the fronts that every model may have, and without what wraps all of it.
pub(crate) fn without_model_fronts(name: &str) -> &str {
    let mut inner = without_fronts(name, |_| false);
    while let Some((first, rest)) = inner.split_once('.')
        && LAYERS.contains(&first)
    {
        inner = without_fronts(rest, |_| false);
    }
    inner
}

/// The path without what stands before it; `taken` is called with each of [`COPIES`] and [`PARTS`] that is taken off, and says
/// whether it may be.
pub(super) fn without_fronts(path: &str, mut taken: impl FnMut(&'static str) -> bool) -> &str {
    let mut path = path;
    loop {
        let front = FRONTS.iter().find_map(|front| path.strip_prefix(front));
        // The prefix of a numbered module is all the name that it has.
        if let Some(inner) = front.filter(|inner| !inner.bytes().all(|byte| byte.is_ascii_digit())) {
            path = inner;
            continue;
        }
        let Some((first, inner)) = path.split_once('.') else { return path };
        let kept_under = COPIES.iter().chain(PARTS).find(|name| **name == first);
        let Some(first) = kept_under else { return path };
        // `net.0` is a layer of a list.
        if inner.is_empty() || inner.split('.').next().is_some_and(is_number) || !taken(first) {
            return path;
        }
        path = inner;
    }
}

fn is_number(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wraps_a_layer_is_taken_off_wherever_it_is() {
        for (path, name) in [
            (
                "_fsdp_wrapped_module.layers.0._fsdp_wrapped_module._checkpoint_wrapped_module.self_attn.q_proj",
                "layers.0.self_attn.q_proj",
            ),
            ("layers.0._orig_mod.mlp.up_proj", "layers.0.mlp.up_proj"),
            ("module.encoder.module.fc1", "encoder.fc1"),
            ("h.0.attn.c_attn.base_layer", "h.0.attn.c_attn"),
            ("layers.0.modules.q", "layers.0.modules.q"),
            ("module", "module"),
            ("module.3", "module.3"),
            ("", ""),
        ] {
            assert_eq!(without_layers(path), name);
        }
    }

    #[test]
    fn what_a_state_dict_was_kept_under_is_taken_off_if_it_may_be() {
        let without = |path| without_fronts(path, |_| true);
        for (path, name) in [
            ("net.blocks.0.self_attn.q", "blocks.0.self_attn.q"),
            ("student.model.layers.0.q_proj", "layers.0.q_proj"),
            ("generator.model.diffusion_model.blocks.0.ffn.0", "blocks.0.ffn.0"),
            ("model.language_model.layers.0.q_proj", "layers.0.q_proj"),
            ("language_model.model.layers.0.q_proj", "layers.0.q_proj"),
            // Layers of a list, and the whole name.
            ("net.0", "net.0"),
            ("net.0.proj", "net.0.proj"),
            ("ff.net.0.proj", "ff.net.0.proj"),
            ("ema", "ema"),
            ("ema.", "ema."),
        ] {
            assert_eq!(without(path), name);
        }
        assert_eq!(without_fronts("model.ema.model.x", |_| false), "ema.model.x");
    }
}
