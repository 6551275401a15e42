//! What PEFT calls the tensors of methods that have rules of their own for ΔW.

use super::claim::{Claim, TensorRole};
use super::part::Part;
use super::part::Part::*;

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
];

/// `MODULE.ia3_l`, `MODULE.oft_R.weight`, or either with the adapter's name after it.
pub(super) fn claim(name: &str) -> Option<Claim<'_>> {
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
            ("base_model.vera_A", ("base_model".to_owned(), role(VeraProjectionA), None)),
        ] {
            assert_eq!(claimed(name), Some(found), "{name}");
        }
        for name in ["vera_A", "ia3_l", "h.0.q.oft_R.weight.bias", "h.0.q.oft_blocks", "h.0.soft_R.weight"] {
            assert_eq!(claimed(name), None, "{name}");
        }
    }
}
