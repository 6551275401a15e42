//! cloneofsimo: `unet:17:down` and `unet:17:up`, numbered as the trainer walked the model; older `.pt` files are a list
//! of tensors, up and down in turn.

use super::claim::{Claim, TensorRole, is_number};
use super::layout::Layout;
use super::pair::whole;
use super::scaling::by_config;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;
use crate::formats::contents::Tensors;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "cloneofsimo", is_numbered: true, uses_underscores: false },
    claim,
    accepts,
    path,
    layout: Layout::Linear,
    experts: whole,
    scaling: by_config,
    cut: whole,
    partners: &[(":down", ":up")],
};

fn claim(name: &str) -> Option<Claim<'_>> {
    if let Some(place) = name.parse::<usize>().ok().filter(|_| is_number(name)) {
        let role = if place.is_multiple_of(2) { TensorRole::B } else { TensorRole::A };
        let module = (place / 2).to_string().into();
        return Some(Claim { module, role, adapter: None, weight: 1 });
    }
    Claim::by_end(name, &[(":down", TensorRole::A), (":up", TensorRole::B)], 2)
        .filter(|claim| claim.module.rsplit(':').next().is_some_and(is_number))
}

/// A bare list of tensors is of LoRA only if all could be factors.
fn accepts(tensors: &Tensors) -> bool {
    let is_list = tensors.keys().any(|name| is_number(name));
    let are_factors =
        || tensors.values().all(|tensor| tensor.shape.len() > 1) && tensors.len().is_multiple_of(2);
    !is_list || are_factors()
}

/// `unet:17` as a path.
fn path(module: &str) -> String {
    module.replace(':', ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_modules_in_names_and_tensors_in_lists() {
        let found = |name: &str| claim(name).map(|claim| (claim.module.into_owned(), claim.role));
        assert_eq!(found("text_encoder:3:up"), Some(("text_encoder:3".to_owned(), TensorRole::B)));
        assert_eq!(found("6"), Some(("3".to_owned(), TensorRole::B)));
        assert_eq!(found("7"), Some(("3".to_owned(), TensorRole::A)));
        for name in ["unet:x:up", ":up", "unet:17:rank", "-1", ""] {
            assert_eq!(found(name), None, "{name}");
        }
    }
}
