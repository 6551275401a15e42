//! Text encoders of a pipeline: diffusers' `text_encoder_2.`, ComfyUI's `text_encoders.clip_g.transformer.`, and others.

/// What an encoder is called where nothing else is known of its pipeline, and the component that it is.
const ENCODERS: &[(&str, &str)] = &[
    ("clip_l", "text_encoder"),
    ("clip_h", "text_encoder"),
    ("clip_g", "text_encoder_2"),
    ("t5xxl", "text_encoder"),
];

/// The front of ComfyUI's names.
const COMFYUI: &str = "text_encoders.";

/// Model classes inside a text encoder.
const FRONTS: &[&str] = &["text_model.", "transformer.", "model.", "language_model."];

/// The name of a text encoder and the path of a module inside it, if the path is one of a text encoder's.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    let (name, inner) = match path.strip_prefix(COMFYUI) {
        Some(inner) => inner.split_once('.')?,
        None => path.split_once('.').filter(|(name, _)| {
            name.starts_with("text_encoder") || ENCODERS.iter().any(|(encoder, _)| encoder == name)
        })?,
    };
    let mut inner = inner;
    while let Some(inside) = FRONTS.iter().find_map(|front| inner.strip_prefix(front)) {
        inner = inside;
    }
    (!inner.is_empty()).then_some((name, inner))
}

/// The component that an encoder is. `family` knows better than the common names.
pub(super) fn component(name: &str, family: impl Fn(&str) -> Option<&'static str>) -> &str {
    let common = || ENCODERS.iter().find(|(encoder, _)| *encoder == name).map(|(_, component)| *component);
    match family(name).or_else(common) {
        Some(component) => component,
        None if name.starts_with("text_encoder") => name,
        None => "text_encoder",
    }
}
