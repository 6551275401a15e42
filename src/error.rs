//! The library's one error type, sorted by who must act.

mod remedy;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use self::remedy::Remedy;
use crate::text::{printable, quoted};

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, sorted by who must act.
///
/// Every message is one line with the file, the tensor or module, and what was found in place of what, or what is the
/// matter. [`Error::remedy`] is the way out, if there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused to read or write.
    #[error("{}: cannot {action}: {cause}", shown(path))]
    Io {
        /// What was tried, as it reads after "cannot".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words, which the message ends with.
        cause: io::Error,
    },
    /// What was named is not there.
    #[error("{0}")]
    NotFound(Box<Fault>),
    /// The file breaks its own format.
    #[error("{0}")]
    Malformed(Box<Fault>),
    /// The file is valid, but nothing that this library handles.
    #[error("{0}")]
    Unsupported(Box<Fault>),
    /// The input asks for more than a stated limit.
    #[error("{0}")]
    Limit(Box<Fault>),
    /// The caller asked for something that cannot be.
    #[error("{0}")]
    Invalid(Box<Fault>),
    /// The GPU is missing or failed.
    #[error("{0}")]
    Gpu(Box<Fault>),
    /// The caller asked for the work to stop.
    #[error("stopped")]
    Stopped,
}

/// The facts of an error: where, what was found, what was expected, and the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The file or folder, as the user named it.
    pub path: Option<PathBuf>,
    /// The tensor, module, option or part of the file.
    pub subject: Option<String>,
    /// What was found; where nothing was expected in its place, what is the matter.
    pub found: String,
    /// What was expected instead.
    pub expected: Option<String>,
    /// The way out, if there is one.
    pub remedy: Option<Remedy>,
    /// Whether the file is of another kind altogether, which the search of a folder passes by.
    pub(crate) is_other_kind: bool,
}

impl Fault {
    /// A fault that found one thing and expected another: "found `found`, expected `expected`".
    pub fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { expected: Some(expected.into()), ..Self::stating(found) }
    }

    /// A fault that is not a mismatch, such as a conflict or something in use: the message is the fact.
    pub fn stating(fact: impl Into<String>) -> Self {
        let found = fact.into();
        Self { path: None, subject: None, found, expected: None, remedy: None, is_other_kind: false }
    }

    /// Nothing is at this path.
    pub fn no_such_file(path: impl AsRef<Path>) -> Self {
        Self::stating("no such file or directory").at(path)
    }

    /// Names the file.
    pub fn at(mut self, path: impl AsRef<Path>) -> Self {
        self.path = Some(path.as_ref().to_owned());
        self
    }

    /// Names the tensor, module, option or part of the file.
    pub fn of(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Says the way out.
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// Says the way out in words that hold for every program.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.remedy(Remedy::Text(hint.into()))
    }

    /// Says that the file is no checkpoint at all.
    pub(crate) fn other_kind(mut self) -> Self {
        self.is_other_kind = true;
        self
    }

    /// Something else must be named.
    pub fn not_found(self) -> Error {
        Error::NotFound(Box::new(self))
    }

    /// The file must be mended.
    pub fn malformed(self) -> Error {
        Error::Malformed(Box::new(self))
    }

    /// The file is fine, but not handled.
    pub fn unsupported(self) -> Error {
        Error::Unsupported(Box::new(self))
    }

    /// The input is over a limit.
    pub fn limit(self) -> Error {
        Error::Limit(Box::new(self))
    }

    /// The caller must ask for something else.
    pub fn invalid(self) -> Error {
        Error::Invalid(Box::new(self))
    }

    /// The GPU must be looked at.
    pub fn gpu(self) -> Error {
        Error::Gpu(Box::new(self))
    }
}

/// A part of a message is cut here: a file may hold a megabyte where a word is expected.
const MAX_CHARS: usize = 1000;

/// A path on one line, whatever its name holds.
fn shown(path: &Path) -> String {
    printable(&path.display().to_string(), MAX_CHARS)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", shown(path))?;
        }
        let part = |text: &str| printable(text, MAX_CHARS);
        if let Some(subject) = &self.subject {
            write!(f, "{}: ", part(subject))?;
        }
        match &self.expected {
            Some(expected) => write!(f, "found {}, expected {}", part(&self.found), part(expected)),
            None => f.write_str(&part(&self.found)),
        }
    }
}

impl Error {
    /// The system refused `action` on `path`.
    pub fn io(action: &'static str, path: impl AsRef<Path>, cause: io::Error) -> Self {
        Self::Io { action, path: path.as_ref().to_owned(), cause }
    }

    /// Says that the file is no checkpoint at all.
    pub(crate) fn other_kind(mut self) -> Self {
        if let Self::Malformed(fault) | Self::Unsupported(fault) | Self::Limit(fault) = &mut self {
            fault.is_other_kind = true;
        }
        self
    }

    /// The same, naming a tensor where nothing is named yet.
    pub(crate) fn of_tensor(mut self, name: &str) -> Self {
        if let Self::Malformed(fault) = &mut self {
            fault.subject.get_or_insert_with(|| format!("tensor {}", quoted(name)));
        }
        self
    }

    /// The same with another way out.
    #[cfg(feature = "cli")]
    pub(crate) fn with_remedy(mut self, remedy: Remedy) -> Self {
        match &mut self {
            Self::Io { .. } | Self::Stopped => {}
            Self::NotFound(fault)
            | Self::Malformed(fault)
            | Self::Unsupported(fault)
            | Self::Limit(fault)
            | Self::Invalid(fault)
            | Self::Gpu(fault) => fault.remedy = Some(remedy),
        }
        self
    }

    /// Whether the file is not a checkpoint at all.
    pub(crate) fn is_other_kind(&self) -> bool {
        self.fault().is_some_and(|fault| fault.is_other_kind)
    }

    /// The facts, for a program that shows them in its own way; `None` for `Io`, which has its own, and for `Stopped`.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Io { .. } | Self::Stopped => None,
            Self::NotFound(fault)
            | Self::Malformed(fault)
            | Self::Unsupported(fault)
            | Self::Limit(fault)
            | Self::Invalid(fault)
            | Self::Gpu(fault) => Some(fault),
        }
    }

    /// The way out, if there is one.
    pub fn remedy(&self) -> Option<&Remedy> {
        self.fault()?.remedy.as_ref()
    }

    /// The way out in words, for a program that has no options of its own to name.
    pub fn hint(&self) -> Option<String> {
        self.remedy().map(Remedy::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_file_subject_found_and_expected_in_one_line() {
        let error = Fault::new("shape [8]", "two dimensions")
            .at("run/adapter_model.safetensors")
            .of("tensor `x.lora_A.weight`")
            .hint("save it again")
            .malformed();
        assert_eq!(
            error.to_string(),
            "run/adapter_model.safetensors: tensor `x.lora_A.weight`: found shape [8], expected two dimensions"
        );
        assert_eq!(error.hint().as_deref(), Some("save it again"));
    }

    #[test]
    fn what_is_no_mismatch_is_stated() {
        let error = Fault::no_such_file("runs/x").remedy(Remedy::MakeScan).not_found();
        assert_eq!(error.to_string(), "runs/x: no such file or directory");
        assert_eq!(error.remedy(), Some(&Remedy::MakeScan));
        let error = Fault::stating("the CPU has no index").of("engine").invalid();
        assert_eq!((error.to_string().as_str(), error.hint()), ("engine: the CPU has no index", None));
    }

    #[test]
    fn a_message_stays_on_one_line_and_short_whatever_the_file_holds() {
        let error = Fault::new("a\nb\u{1b}[31m", "x".repeat(2000)).at("new\nline").of("tab\t").malformed();
        let message = error.to_string();
        assert!(message.starts_with("new\\nline: tab\\t: found a\\nb\\u{1b}[31m, expected xxx"), "{message}");
        assert!(message.chars().count() < 1100 && !message.contains(char::is_control));
        let error = Error::io("read", "new\nline", io::ErrorKind::NotFound.into());
        assert!(error.to_string().starts_with("new\\nline: cannot read: "), "{error}");
    }
}
