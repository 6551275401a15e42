//! What PEFT calls the tensors of methods that have rules of their own for ΔW.

use super::claim::{Claim, TensorRole};
use super::part::Part::*;
use super::part::{Part, PathPart};

/// The last part of each name.
const PEFT: &[(&str, Part)] = &[
    ("vera_lambda_d", VeraD),
    ("vera_lambda_b", VeraB),
    ("vera_A", VeraProjectionA),
    ("vera_B", VeraProjectionB),
    ("vblora_logits_A", LogitsA),
    ("vblora_logits_B", LogitsB),
    ("vblora_vector_bank", VectorBank),
    ("c3a_kernel", C3aKernel),
    ("miss_block", MissBlock),
    ("bone_block", MissBlock),
    ("randlora_lambda", RandLambda),
    ("randlora_gamma", RandGamma),
    ("randlora_A", RandA),
    ("randlora_B", RandB),
    ("ia3_l", Ia3),
    ("oft_R", OftR),
    ("boft_R", BoftR),
    ("boft_s", BoftScale),
    ("hra_u", HraU),
    ("hira_A", HiraA),
    ("hira_B", HiraB),
    ("delora_A", DeloraA),
    ("delora_B", DeloraB),
    ("delora_lambda", DeloraLambda),
    ("delora_w_norm", DeloraNorms),
    ("shira_weight", ShiraValues),
    ("shira_indices", ShiraPlaces),
];

/// PEFT's GLoRA has a path of several tensors for each of its matrices.
const GLORA: &[(&str, &str, Part)] = &[
    ("glora_A", "Xd", GloraScale(PathPart::Left)),
    ("glora_A", "Xu", GloraScale(PathPart::Right)),
    ("glora_A", "X", GloraScale(PathPart::Column)),
    ("glora_B", "Xd", GloraShift(PathPart::Left)),
    ("glora_B", "Xu", GloraShift(PathPart::Right)),
    ("glora_B", "X", GloraShift(PathPart::Column)),
];

/// `MODULE.ia3_l`, `MODULE.oft_R.weight`, or either with the adapter's name after it.
pub(super) fn claim(name: &str) -> Option<Claim<'_>> {
    glora(name).or_else(|| plain(name))
}

/// `MODULE.glora_A.Xd`, or with the adapter's name before the last part.
fn glora(name: &str) -> Option<Claim<'_>> {
    let (rest, last) = name.rsplit_once('.')?;
    let is_path = |path: &str| {
        path.strip_prefix("glora_").is_some_and(|letter| matches!(letter, "A" | "B" | "C" | "D" | "E"))
    };
    let (module, path) = rest.rsplit_once('.')?;
    let (module, path, adapter) = match is_path(path) {
        true => (module, path, None),
        false => {
            let (module, outer) = module.rsplit_once('.')?;
            (module, is_path(outer).then_some(outer)?, Some(path))
        }
    };
    let known = GLORA.iter().find(|(of, end, _)| *of == path && *end == last).map(|(_, _, part)| *part);
    let is_other = matches!(last, "zeros" | "X" | "Xd" | "Xu");
    let part = known.or(is_other.then_some(GloraOther))?;
    Some(Claim { adapter, ..Claim::new(module, TensorRole::Part(part), 2)? })
}

fn plain(name: &str) -> Option<Claim<'_>> {
    let (module, last) = name.strip_suffix(".weight").unwrap_or(name).rsplit_once('.')?;
    let part = |called: &str| PEFT.iter().find(|(name, _)| *name == called).map(|(_, part)| *part);
    let (module, part, adapter) = match part(last) {
        Some(part) => (module, part, None),
        None => {
            let (module, called) = module.rsplit_once('.')?;
            (module, part(called)?, Some(last))
        }
    };
    Some(Claim { adapter, ..Claim::new(module, TensorRole::Part(part), 2)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_with_the_part_or_with_the_adapter_after_it() {
        let claimed = |name| claim(name).map(|claim| (claim.module.into_owned(), claim.role, claim.adapter));
        let q = || "base_model.model.h.0.q".to_owned();
        let role = TensorRole::Part;
        for (name, found) in [
            ("base_model.model.h.0.q.ia3_l", (q(), role(Ia3), None)),
            ("base_model.model.h.0.q.oft_R.weight", (q(), role(OftR), None)),
            ("base_model.model.h.0.q.oft_R.style.weight", (q(), role(OftR), Some("style"))),
            ("base_model.model.h.0.q.hra_u.style", (q(), role(HraU), Some("style"))),
            ("h.0.q.glora_A.Xd", ("h.0.q".to_owned(), role(GloraScale(PathPart::Left)), None)),
            (
                "h.0.q.glora_B.style.X",
                ("h.0.q".to_owned(), role(GloraShift(PathPart::Column)), Some("style")),
            ),
            ("h.0.q.glora_C.zeros", ("h.0.q".to_owned(), role(GloraOther), None)),
            ("base_model.vera_A", ("base_model".to_owned(), role(VeraProjectionA), None)),
        ] {
            assert_eq!(claimed(name), Some(found), "{name}");
        }
        for name in ["vera_A", "ia3_l", "h.0.q.oft_R.weight.bias", "h.0.q.oft_blocks", "h.0.soft_R.weight"] {
            assert_eq!(claimed(name), None, "{name}");
        }
    }
}
