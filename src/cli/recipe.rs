//! Recipes: the options that made a figure as TOML, which every picture records and from which it can be drawn again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory};
use serde::{Deserialize, Serialize};

use super::grammar::Args;
use crate::error::{Error, Fault};
use crate::text::quoted;

/// Options that say where results go, and nothing of the picture.
const NOT_RECORDED: [&str; 5] = ["output", "save", "json", "recipe", "save_recipe"];
/// The key that names the command.
const COMMAND: &str = "command";
/// A recipe has some hundred bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What an option is set to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Setting {
    Flag(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
}

impl Setting {
    /// The values as a command line has them; none for a flag.
    fn values(&self) -> Vec<String> {
        match self {
            Self::Flag(_) => vec![],
            Self::Int(value) => vec![value.to_string()],
            Self::Float(value) => vec![value.to_string()],
            Self::Text(value) => vec![value.clone()],
            Self::List(values) => values.iter().flat_map(Self::values).collect(),
        }
    }
}

/// The command line with what its recipe says, if it names one. What both have is taken from the command line.
///
/// # Errors
/// `Invalid` for a recipe that cannot be read, or of another command.
pub(super) fn expanded(matches: ArgMatches, words: &[OsString]) -> Result<ArgMatches> {
    let Some((name, given)) = matches.subcommand() else { return Ok(matches) };
    let Ok(Some(path)) = given.try_get_one::<PathBuf>("recipe") else { return Ok(matches) };
    let grammar = built();
    let command = grammar.find_subcommand(name).expect("the grammar has every command that it parses");
    let added = arguments(path, command, given)?;
    let all = words.iter().cloned().chain(added);
    Ok(Args::command().try_get_matches_from(all).unwrap_or_else(|error| error.exit()))
}

/// The recipe of a figure that this command line draws; `None` for a command without recipes.
pub(super) fn recorded(matches: &ArgMatches) -> Option<String> {
    let (name, given) = matches.subcommand()?;
    let grammar = built();
    let command = grammar.find_subcommand(name)?;
    command.get_arguments().find(|arg| arg.get_id() == "recipe")?;
    let mut settings = BTreeMap::from([(COMMAND.to_owned(), Setting::Text(name.to_owned()))]);
    for arg in command.get_arguments().filter(|arg| is_recorded(arg)) {
        let id = arg.get_id().as_str();
        if given.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let values: Vec<Setting> = given
            .get_raw(id)
            .into_iter()
            .flatten()
            .map(|value| Setting::Text(value.to_string_lossy().into_owned()))
            .collect();
        let setting = match &values[..] {
            _ if matches!(arg.get_action(), ArgAction::SetTrue) => Setting::Flag(true),
            [one] if matches!(arg.get_action(), ArgAction::Set) => one.clone(),
            _ => Setting::List(values),
        };
        settings.insert(key(arg), setting);
    }
    let text = basic_toml::to_string(&settings).expect("texts, flags and lists of texts are TOML");
    Some(format!("# lorascope {}\n{text}", env!("CARGO_PKG_VERSION")))
}

/// The whole grammar, with the options that all commands share in each.
fn built() -> Command {
    let mut grammar = Args::command();
    grammar.build();
    grammar
}

fn is_recorded(arg: &Arg) -> bool {
    !arg.is_global_set() && !NOT_RECORDED.contains(&arg.get_id().as_str())
}

/// What a recipe calls an option: as the command line does, or a positional one by what it is.
fn key(arg: &Arg) -> String {
    arg.get_long().map_or_else(|| arg.get_id().to_string(), str::to_owned)
}

/// The options of a recipe that the command line does not have.
fn arguments(path: &Path, command: &Command, given: &ArgMatches) -> Result<Vec<OsString>> {
    let named = |error| Error::io("read", path, error);
    let n_bytes = fs::metadata(path).map_err(named)?.len();
    if n_bytes > MAX_BYTES {
        let fault = Fault::new(format!("{n_bytes} bytes"), format!("a recipe of at most {MAX_BYTES}"));
        return Err(fault.at(path).limit().into());
    }
    let text = fs::read_to_string(path).map_err(named)?;
    let settings: BTreeMap<String, Setting> = basic_toml::from_str(&text).map_err(|error| {
        Fault::new(error.to_string(), "options as TOML, as --save-recipe writes them").at(path).invalid()
    })?;
    let (mut options, mut positional) = (vec![], vec![]);
    for (name, setting) in &settings {
        if name == COMMAND {
            if setting.values() != [command.get_name()] {
                let found = format!("a recipe of {}", quoted(&setting.values().join(" ")));
                return Err(Fault::new(found, format!("one of {}", command.get_name()))
                    .at(path)
                    .invalid()
                    .into());
            }
            continue;
        }
        let is_named = |arg: &&Arg| {
            key(arg) == *name || arg.get_all_aliases().is_some_and(|names| names.contains(&name.as_str()))
        };
        let Some(arg) = command.get_arguments().filter(|arg| is_recorded(arg)).find(is_named) else {
            let expected = format!("an option of {}", command.get_name());
            return Err(Fault::new(quoted(name), expected).at(path).invalid().into());
        };
        if given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
            continue;
        }
        let long = format!("--{}", arg.get_long().unwrap_or_default());
        match (setting, arg.get_action()) {
            _ if arg.is_positional() => positional.extend(setting.values()),
            (Setting::Flag(false), _) => {}
            (Setting::Flag(true), _) => options.push(long),
            (setting, ArgAction::Append) => {
                options.extend(setting.values().iter().map(|value| format!("{long}={value}")));
            }
            (Setting::List(_), _) => {
                options.push(long);
                options.extend(setting.values());
            }
            (setting, _) => options.extend(setting.values().iter().map(|value| format!("{long}={value}"))),
        }
    }
    Ok(options.into_iter().chain(positional).map(OsString::from).collect())
}
