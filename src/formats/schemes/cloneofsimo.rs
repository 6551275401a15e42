//! cloneofsimo: `unet:17:down` and `unet:17:up`, numbered as the trainer walked the model; a list of tensors, up and down in
//! turn, in the older `.pt` files.

use super::claim::{Claim, TensorRole, is_number};

pub(super) fn claim(name: &str) -> Option<Claim<'_>> {
    if let Some(place) = name.parse::<usize>().ok().filter(|_| is_number(name)) {
        let part = if place.is_multiple_of(2) { TensorRole::B } else { TensorRole::A };
        let module = (place / 2).to_string().into();
        return Some(Claim { module, part, adapter: None, weight: 1 });
    }
    Claim::by_end(name, &[(":down", TensorRole::A), (":up", TensorRole::B)], 2)
        .filter(|claim| claim.module.rsplit(':').next().is_some_and(is_number))
}

/// `unet:17` as a path.
pub(super) fn path(module: &str) -> String {
    module.replace(':', ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_modules_in_names_and_tensors_in_lists() {
        let found = |name: &str| claim(name).map(|claim| (claim.module.into_owned(), claim.part));
        assert_eq!(found("text_encoder:3:up"), Some(("text_encoder:3".to_owned(), TensorRole::B)));
        assert_eq!(found("6"), Some(("3".to_owned(), TensorRole::B)));
        assert_eq!(found("7"), Some(("3".to_owned(), TensorRole::A)));
        for name in ["unet:x:up", ":up", "unet:17:rank", "-1", ""] {
            assert_eq!(found(name), None, "{name}");
        }
    }
}
