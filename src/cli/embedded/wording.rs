//! What is said of options of the command line, in the words of a program whose options are named arguments: `--side b` becomes
//! `side="b"`, and `--fresh` becomes `fresh=True`.

use std::sync::LazyLock;

use clap::{ArgAction, CommandFactory};
use regex_lite::{Captures, Regex};

use crate::cli::grammar::Args;
use crate::cli::remedies;
use crate::error::Remedy;

/// An option, and the word after it. Commands of a shell, in backticks, stay as they are.
static OPTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"`[^`]*`|--([a-z][a-z-]*)(?:[ =]([A-Za-z0-9][^ ,;()`]*))?").expect("it is a constant")
});

/// Words that go on with the sentence after an option, and are not its value.
const NOT_VALUES: [&str; 12] =
    ["or", "and", "below", "to", "is", "are", "for", "if", "belong", "exclude", "name", "takes"];

/// A sentence with options of the command line as named arguments.
pub fn reworded(text: &str) -> String {
    OPTION
        .replace_all(text, |found: &Captures<'_>| argument(found).unwrap_or_else(|| found[0].to_owned()))
        .into_owned()
}

/// The way out of an error, for named arguments.
pub fn hint(remedy: &Remedy) -> String {
    match remedy {
        Remedy::MakeScan => "make one with lorascope.scan(CHECKPOINTS, OUT)".to_owned(),
        Remedy::KeepUpdate => "scan again with update=True".to_owned(),
        Remedy::FinishScan { inputs, options, output } => {
            let scan = call(inputs, options, output);
            format!("go on with {scan}, or see what is there with partial=True")
        }
        remedy => reworded(&remedies::hint(remedy)),
    }
}

/// A scan as Python takes it; `CHECKPOINTS` stands for inputs that take more words than a line has.
fn call(inputs: &[String], options: &[(&'static str, Vec<String>)], output: &str) -> String {
    let quoted = |values: &[String]| match values {
        [] => "True".to_owned(),
        [one] => shown(one),
        several => format!("[{}]", several.iter().map(|one| shown(one)).collect::<Vec<_>>().join(", ")),
    };
    let inputs = if inputs.is_empty() { "CHECKPOINTS".to_owned() } else { quoted(inputs) };
    let options =
        options.iter().map(|(name, values)| format!(", {}={}", name.replace('-', "_"), quoted(values)));
    format!("lorascope.scan({inputs}, {output:?}{})", options.collect::<String>())
}

/// The named argument that stands for an option; `None` for what is not an option of a command.
fn argument(found: &Captures<'_>) -> Option<String> {
    let (option, word) = (found.get(1)?.as_str(), found.get(2).map(|word| word.as_str()));
    let takes_value = takes_value(option)?;
    let name = option.replace('-', "_");
    Some(match word {
        Some(word) if takes_value && !NOT_VALUES.contains(&word) => {
            // A colon or a full stop may end the clause.
            let value = word.trim_end_matches([':', '.']);
            format!("{name}={}{}", shown(value), &word[value.len()..])
        }
        _ => {
            let rest = &found[0][2 + option.len()..];
            if takes_value { format!("{name}{rest}") } else { format!("{name}=True{rest}") }
        }
    })
}

/// Whether an option of some command takes a value.
fn takes_value(option: &str) -> Option<bool> {
    let grammar = Args::command();
    let arguments =
        |command: &clap::Command| -> Vec<clap::Arg> { command.get_arguments().cloned().collect() };
    let all = grammar.get_subcommands().chain([&grammar]).flat_map(arguments);
    let named = all.filter(|argument| argument.get_long() == Some(option));
    named.map(|argument| matches!(argument.get_action(), ArgAction::Set | ArgAction::Append)).next()
}

/// A value as it is written: numbers and placeholders bare, all else in quotes.
fn shown(value: &str) -> String {
    let is_placeholder = value.chars().all(|c| c.is_ascii_uppercase());
    if is_placeholder || value.parse::<f64>().is_ok() { value.to_owned() } else { format!("{value:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_is_a_call() {
        let options = vec![
            ("side", vec!["b".to_owned()]),
            ("same-base", vec![]),
            ("pairs", vec!["against".to_owned(), "x".to_owned()]),
        ];
        let remedy =
            Remedy::FinishScan { inputs: vec!["runs/a b".to_owned()], options, output: "out".to_owned() };
        assert_eq!(
            hint(&remedy),
            "go on with lorascope.scan(\"runs/a b\", \"out\", side=\"b\", same_base=True, pairs=[\"against\", \"x\"]), or see what is \
             there with partial=True"
        );
        assert!(hint(&Remedy::MakeScan).starts_with("make one with lorascope.scan("));
    }

    #[test]
    fn options_become_named_arguments() {
        for (text, wanted) in [
            ("compare --side b, where", "compare side=\"b\", where"),
            ("compare --side b: where", "compare side=\"b\": where"),
            ("the nearest: --layer 3", "the nearest: layer=3"),
            ("lower --dpi or --width, or draw", "lower dpi or width, or draw"),
            ("start over with --fresh; cached", "start over with fresh=True; cached"),
            ("with --base BASE, or", "with base=BASE, or"),
            ("--match FILE.csv can pair", "match=\"FILE.csv\" can pair"),
            ("--keep cells=3:4 and", "keep=\"cells=3:4\" and"),
            ("raise it with --limit modules=N if", "raise it with limit=\"modules=N\" if"),
            ("name one with --gpu (software", "name one with gpu (software"),
            ("--same-base leaves them out", "same_base=True leaves them out"),
            ("with `lorascope scan a --side b`, or", "with `lorascope scan a --side b`, or"),
            ("--engine cpu and --gpu exclude each other", "engine=\"cpu\" and gpu exclude each other"),
            ("docker run --gpus all", "docker run --gpus all"),
        ] {
            assert_eq!(reworded(text), wanted);
        }
    }
}
