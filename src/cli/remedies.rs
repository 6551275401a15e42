//! The way out of an error in the words of this command line: which option to give.

use crate::engine::EngineWarning;
use crate::error::Remedy;

/// The hint under an error.
pub(super) fn hint(remedy: &Remedy) -> String {
    match remedy {
        Remedy::Text(text) => text.clone(),
        Remedy::CompareSide { side, dimension, d } => {
            format!("--side {side} uses {dimension}, which is {d} in both")
        }
        Remedy::CompareSideA => {
            "B starts at zero and was not trained in this module: only --side a has a subspace of it".to_owned()
        }
        Remedy::CompareUpdate => "--side dw-right and --side dw-left compare the update itself".to_owned(),
        Remedy::OtherLayer { layer } => format!("the nearest layer that can be compared on this side: --layer {layer}"),
        Remedy::NameAdapter { first } => format!("choose one, for example with --adapter-name {first}"),
        Remedy::ListModulePairs { because } => {
            format!("{because}; --match FILE.csv can pair modules by hand")
        }
        Remedy::NameBase => "if this is a full or a merged model, give the adapter's own file, or compare what changed of its \
                             base model with --base BASE; if it is the base \
                             model itself, it goes first: lorascope compare BASE CHECKPOINT"
            .to_owned(),
        Remedy::GiveBase => "add the base model that it was trained from, with --base BASE, or name it first: lorascope compare \
                             BASE CHECKPOINT"
            .to_owned(),
        Remedy::DrawSmaller => "lower --dpi or --width, or draw fewer panels".to_owned(),
        Remedy::DrawWider => "raise --width, lower --columns, or draw fewer panels".to_owned(),
        Remedy::OrderRange => "choose a --vmin below --vmax".to_owned(),
        Remedy::UseCpu => "use --engine cpu".to_owned(),
        Remedy::InstallGpuDriver => {
            "install the GPU's Vulkan driver and loader, or use --engine cpu".to_owned()
        }
        Remedy::NameGpu => {
            "name one with --gpu (software GPUs are only for tests), or use --engine cpu".to_owned()
        }
        Remedy::MakeScan => "make one with `lorascope scan CHECKPOINT... -o OUT`".to_owned(),
        Remedy::FinishScan { inputs, options, output } => {
            let command = scan_command(inputs, options, output);
            format!("go on with `{command}`, or see what is there with --partial")
        }
        Remedy::KeepUpdate => "scan again with `lorascope scan --update`".to_owned(),
        Remedy::KeepCell { i, j } => format!("scan again with --keep cells={i}:{j} and another output folder"),
        Remedy::OtherOutput => {
            "name another output folder: nothing vouches that lorascope made this one".to_owned()
        }
        Remedy::WaitForProcess => {
            "wait until it has ended or end it, or name another output folder with --output".to_owned()
        }
        Remedy::RestorePlan => {
            "put plan.json back, remove the blocks if nothing needs them, or name another output folder with --output".to_owned()
        }
        Remedy::StartOver => "start over with --fresh; cached bases are used again".to_owned(),
        Remedy::WaitAndStartOver => {
            "wait until training has finished writing it, then start over with --fresh".to_owned()
        }
        Remedy::KeepOptions => {
            "use the same options or another output folder, or start over with --fresh".to_owned()
        }
        Remedy::KeepInputs => {
            "give every input of the first run again, or start over with --fresh".to_owned()
        }
        Remedy::ForgetInputs => {
            "put the files back, or go on without them with --forget, which keeps the rows that are done; --fresh starts over".to_owned()
        }
        Remedy::KeepInputsOfShares => {
            "give only the inputs of the first share, for example with --list; new ones can be added when all blocks are done".to_owned()
        }
        Remedy::KeepEngine { kind } => format!("use --engine {kind}, or start over with --fresh"),
        Remedy::MixBaseModels => {
            "without --same-base, checkpoints of different base models are paired too".to_owned()
        }
        Remedy::AllowMissing => "without --strict, it is left out of the table".to_owned(),
        Remedy::RestoreCheckpoint => {
            "give the cache that the scan used with --cache DIR, or put the checkpoint back in its place".to_owned()
        }
        Remedy::NameCache => "choose a folder with --cache DIR".to_owned(),
        Remedy::MoveCache => {
            "choose another folder with --cache DIR, or use --no-cache, which keeps bases in OUT until the scan is complete".to_owned()
        }
        Remedy::NameShare => "give the share: --shard 1/4, 2/4, ...".to_owned(),
        Remedy::CountShares => "add --shard-count N with the job's number of completions".to_owned(),
        Remedy::NumberTasks { n } => {
            format!("number the array with --array=1-{n}, or give the share: --shard K/{n}")
        }
        Remedy::RepeatShare { k, n } => format!("this task was --shard {k}/{n} before: use that"),
        Remedy::GuessShare { k } => format!(
            "if the first array was 1-N, this task is --shard {k}/N: use that, or --shard-count N for all tasks"
        ),
        Remedy::ChooseAdapters => {
            "select some with --adapter GLOB, or query the Parquet files with DuckDB or Polars".to_owned()
        }
        Remedy::GiveMemory { bytes } => {
            format!("give it --memory {}K, or narrow it with --module or fewer checkpoints", bytes.div_ceil(1024))
        }
        Remedy::FreeMemory { bytes } => format!(
            "scan where so much is free, or need less: another --keep, --module or fewer checkpoints; --memory {}K goes on all \
             the same",
            bytes.div_ceil(1024)
        ),
        Remedy::RaiseLimit { name } => format!("raise it with --limit {name}=N if you trust the file"),
    }
}

/// A scan as a shell takes it; `CHECKPOINT...` stands for inputs that take more words than a line has.
fn scan_command(inputs: &[String], options: &[(&'static str, Vec<String>)], output: &str) -> String {
    let mut words = vec!["lorascope".to_owned(), "scan".to_owned()];
    match inputs {
        [] => words.push("CHECKPOINT...".to_owned()),
        inputs => words.extend(inputs.iter().map(|input| word(input))),
    }
    words.extend(["-o".to_owned(), word(output)]);
    for (name, values) in options {
        words.push(format!("--{name}"));
        words.extend(values.iter().map(|value| word(value)));
    }
    words.join(" ")
}

/// A word in the quotes that a shell needs, if any.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-:=,+@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// What to be careful of with an engine, and the option that decides it.
pub(super) fn engine_warning(warning: &EngineWarning) -> String {
    match warning {
        EngineWarning::UnclearGpu { is_only: false, .. } => {
            format!("{warning}, name another with --gpu PCI:ADDRESS")
        }
        EngineWarning::UnclearGpu { is_only: true, .. } => warning.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::grammar::Args;

    /// Each variant leads to the next: a new one does not compile until it stands here.
    fn next(remedy: &Remedy) -> Option<Remedy> {
        Some(match remedy {
            Remedy::Text(_) => Remedy::CompareSide { side: "b".to_owned(), dimension: "d_out", d: 6 },
            Remedy::CompareSide { .. } => Remedy::CompareSideA,
            Remedy::CompareSideA => Remedy::CompareUpdate,
            Remedy::CompareUpdate => Remedy::OtherLayer { layer: 3 },
            Remedy::OtherLayer { .. } => Remedy::NameAdapter { first: "default".to_owned() },
            Remedy::NameAdapter { .. } => Remedy::ListModulePairs { because: "names differ".to_owned() },
            Remedy::ListModulePairs { .. } => Remedy::NameBase,
            Remedy::NameBase => Remedy::GiveBase,
            Remedy::GiveBase => Remedy::DrawSmaller,
            Remedy::DrawSmaller => Remedy::DrawWider,
            Remedy::DrawWider => Remedy::OrderRange,
            Remedy::OrderRange => Remedy::UseCpu,
            Remedy::UseCpu => Remedy::InstallGpuDriver,
            Remedy::InstallGpuDriver => Remedy::NameGpu,
            Remedy::NameGpu => Remedy::MakeScan,
            Remedy::MakeScan => Remedy::FinishScan {
                inputs: vec!["runs/a b".to_owned()],
                options: vec![("side", vec!["b".to_owned()]), ("left", vec!["*'1".to_owned()])],
                output: "out".to_owned(),
            },
            Remedy::FinishScan { .. } => Remedy::KeepUpdate,
            Remedy::KeepUpdate => Remedy::KeepCell { i: 3, j: 4 },
            Remedy::KeepCell { .. } => Remedy::OtherOutput,
            Remedy::OtherOutput => Remedy::WaitForProcess,
            Remedy::WaitForProcess => Remedy::RestorePlan,
            Remedy::RestorePlan => Remedy::StartOver,
            Remedy::StartOver => Remedy::WaitAndStartOver,
            Remedy::WaitAndStartOver => Remedy::KeepOptions,
            Remedy::KeepOptions => Remedy::KeepInputs,
            Remedy::KeepInputs => Remedy::ForgetInputs,
            Remedy::ForgetInputs => Remedy::KeepInputsOfShares,
            Remedy::KeepInputsOfShares => Remedy::KeepEngine { kind: "gpu".to_owned() },
            Remedy::KeepEngine { .. } => Remedy::MixBaseModels,
            Remedy::MixBaseModels => Remedy::AllowMissing,
            Remedy::AllowMissing => Remedy::RestoreCheckpoint,
            Remedy::RestoreCheckpoint => Remedy::NameCache,
            Remedy::NameCache => Remedy::MoveCache,
            Remedy::MoveCache => Remedy::NameShare,
            Remedy::NameShare => Remedy::CountShares,
            Remedy::CountShares => Remedy::NumberTasks { n: 8 },
            Remedy::NumberTasks { .. } => Remedy::RepeatShare { k: 3, n: 8 },
            Remedy::RepeatShare { .. } => Remedy::GuessShare { k: 7 },
            Remedy::GuessShare { .. } => Remedy::ChooseAdapters,
            Remedy::ChooseAdapters => Remedy::RaiseLimit { name: "modules" },
            Remedy::RaiseLimit { .. } => Remedy::GiveMemory { bytes: 1 << 30 },
            Remedy::GiveMemory { .. } => Remedy::FreeMemory { bytes: 1 << 30 },
            Remedy::FreeMemory { .. } => return None,
        })
    }

    #[test]
    fn each_remedy_has_a_hint_that_names_an_option_or_command_that_exists() {
        let grammar = Args::command();
        let options: Vec<&str> = grammar
            .get_subcommands()
            .chain([&grammar])
            .flat_map(|command| command.get_arguments().filter_map(|argument| argument.get_long()))
            .collect();
        let mut remedies = vec![Remedy::Text("download it again".to_owned())];
        while let Some(remedy) = next(&remedies[remedies.len() - 1]) {
            remedies.push(remedy);
        }
        assert_eq!(hint(&remedies[0]), "download it again");
        for remedy in &remedies[1..] {
            let hint = hint(remedy);
            // Slurm's own option.
            let text = hint.replace("--array=", "");
            let named: Vec<&str> = text
                .split("--")
                .skip(1)
                .map(|rest| rest.split(|c: char| c != '-' && !c.is_ascii_lowercase()).next().unwrap())
                .collect();
            assert!(!named.is_empty() || hint.contains("lorascope "), "{remedy:?}: {hint}");
            assert!(named.iter().all(|name| options.contains(name)), "{remedy:?}: {hint}");
            assert!(!remedy.to_string().contains("--"), "{remedy:?} names an option of one program");
            assert_ne!(remedy.to_string(), "", "{remedy:?}");
        }
    }
}
