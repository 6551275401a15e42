//! PEFT's `target_parameters`: one A and one B for all experts of a parameter.
//!
//! For E experts A is (E·r, d_in), the rows of one expert after those of another; B is (d_out, r·E), where the E columns of
//! each direction are neighbours. Two parameters of one module nest: the one that the module registered first is in the
//! innermost wrapper, and each wrapping adds a `.base_layer`.

use super::pair::Pair;
use crate::formats::context::Context;
use crate::formats::targets::Targets;

/// Parameters of mixtures of experts, in the order in which their modules register them.
const ORDER: &[&str] = &["gate_up_proj", "down_proj"];

/// The experts of a pair, named `….experts.N.PARAMETER`, if the config has `target_parameters`; the pair itself if these
/// did not make it, or if the parameter or the number of experts is not known.
pub(super) fn split(pair: Pair, context: &Context<'_>) -> Vec<Pair> {
    let targets = context.config.and_then(|config| Some((config, config.target_parameters()?)));
    let Some((config, targets)) = targets else { return vec![pair] };
    let depth = pair.path.matches(".base_layer").count();
    let module = pair.path.replace(".base_layer", "");
    let Some(parameter) = parameter(&module, depth, targets) else { return vec![pair] };
    // That of one expert.
    let rank = config.rank(&pair.path, &context.steps);
    let Some(rank) = rank.filter(|&rank| rank > 0 && pair.a.rows.is_multiple_of(rank)) else {
        return vec![pair];
    };
    let n_experts = pair.a.rows / rank;
    let name_bytes = pair.original.len() + parameter.len();
    if n_experts == 1 || !context.budget.may_make(n_experts as u64 - 1, name_bytes) {
        return vec![pair];
    }
    let experts = (0..n_experts).map(|expert| {
        let part = format!("{expert}.{parameter}");
        Some(Pair {
            original: format!("{}.{part}", pair.original),
            path: format!("{module}.{part}"),
            a: pair.a.clone().row_range(expert * rank..(expert + 1) * rank),
            b: pair.b.clone().transposed().every(n_experts, expert)?.transposed(),
            magnitudes: None,
            ..pair.clone()
        })
    });
    experts.collect::<Option<Vec<_>>>().unwrap_or_else(|| vec![pair])
}

/// The parameter that a wrapper at this depth adapts.
fn parameter<'a>(module: &str, depth: usize, targets: &'a Targets) -> Option<&'a str> {
    let here = targets.of_module(module);
    match here[..] {
        [one] if depth == 0 => Some(one),
        _ => {
            let place = |name: &&str| ORDER.iter().position(|known| known == name);
            let mut places =
                here.iter().map(|name| Some((place(name)?, *name))).collect::<Option<Vec<_>>>()?;
            places.sort_unstable();
            // The outermost wrapper, without `.base_layer`, is the last one.
            places.into_iter().rev().nth(depth).map(|(_, name)| name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_wrapper_is_that_of_the_first_parameter() {
        let targets = |names: &[&str]| Targets::of(names.iter().map(|&name| name.to_owned()).collect());
        let one = targets(&["mlp.experts.gate_up_proj"]);
        let unknown = targets(&["mlp.experts.w1", "mlp.experts.w2"]);
        let targets = targets(&["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]);
        let module = "model.layers.0.mlp.experts";
        assert_eq!(parameter(module, 0, &targets), Some("down_proj"));
        assert_eq!(parameter(module, 1, &targets), Some("gate_up_proj"));
        assert_eq!(parameter(module, 2, &targets), None);
        assert_eq!(parameter(module, 0, &one), Some("gate_up_proj"));
        assert_eq!(parameter("model.layers.0.xmlp.experts", 0, &targets), None);
        assert_eq!(parameter(module, 0, &unknown), None);
    }
}
