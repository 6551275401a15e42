//! The tensors of methods that have rules of their own for ΔW, and what they are called.

use super::claim::{Claim, TensorRole};
use crate::adapter::Method;

/// A tensor of such a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::formats) enum Part {
    VeraD,
    VeraB,
    /// A and B, which all modules share.
    VeraProjectionA,
    VeraProjectionB,
    LogitsA,
    LogitsB,
    /// Shared by all modules.
    VectorBank,
    C3aKernel,
    MissBlock,
    RandLambda,
    RandGamma,
    /// The bases of the shorter and of the longer side, which all modules share.
    RandA,
    RandB,
    Ia3,
    OftR,
    BoftR,
    BoftScale,
    HraU,
    GloraA1,
    GloraA2,
    GloraB1,
    GloraB2,
}

use Part::*;

impl Part {
    /// The method that it is of.
    pub(in crate::formats) fn method(self) -> Method {
        match self {
            VeraD | VeraB | VeraProjectionA | VeraProjectionB => Method::Vera,
            LogitsA | LogitsB | VectorBank => Method::VbLora,
            C3aKernel => Method::C3a,
            MissBlock => Method::Miss,
            RandLambda | RandGamma | RandA | RandB => Method::RandLora,
            Ia3 => Method::Ia3,
            OftR => Method::Oft,
            BoftR | BoftScale => Method::Boft,
            HraU => Method::Hra,
            GloraA1 | GloraA2 | GloraB1 | GloraB2 => Method::GLora,
        }
    }

    /// Whether all modules of a file share it.
    pub(in crate::formats) fn is_shared(self) -> bool {
        matches!(self, VeraProjectionA | VeraProjectionB | VectorBank | RandA | RandB)
    }
}

/// What PEFT calls them.
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
