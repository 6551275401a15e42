//! The training step in a checkpoint's name.

/// Words before the number of a step.
const WORDS: &[&str] = &["checkpoint", "ckpt", "step", "steps", "global_step", "iter", "iteration", "epoch"];

/// The training step in a checkpoint's name, without suffix: the number after `checkpoint-`, `step_`, `epoch-` and the
/// like, or the number that a name begins with (`0000100_adapters`) or consists of.
pub fn step(name: &str) -> Option<u64> {
    let is_digit = |c: char| c.is_ascii_digit();
    let leading = name.trim_start_matches(is_digit);
    let digits = &name[..name.len() - leading.len()];
    if !digits.is_empty() && (leading.is_empty() || leading.starts_with(['_', '-'])) {
        return digits.parse().ok();
    }
    let front = name.trim_end_matches(is_digit);
    let digits = &name[front.len()..];
    let word = front.trim_end_matches(['-', '_', '=']).to_ascii_lowercase();
    let ends_with = |end: &&str| {
        word.strip_suffix(end).is_some_and(|rest| !rest.ends_with(|c: char| c.is_ascii_alphanumeric()))
    };
    WORDS.iter().any(ends_with).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_number_that_says_so() {
        let steps = [
            ("checkpoint-500", Some(500)),
            ("Checkpoint_7", Some(7)),
            ("my-run-step=12", Some(12)),
            ("epoch3", Some(3)),
            ("0000100_adapters", Some(100)),
            ("250", Some(250)),
            ("seed0-r64", None),
            ("r8", None),
            ("misstep-3", None),
            ("checkpoint-final", None),
            ("checkpoint-99999999999999999999999", None),
            ("4bit", None),
            ("", None),
        ];
        for (name, expected) in steps {
            assert_eq!(step(name), expected, "{name}");
        }
    }
}
