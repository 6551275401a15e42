//! What a scan tells its caller while it runs.

use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use super::few_meet::FewMeetPairs;
use super::finish::BlockCounts;
use super::profile::Stage;
use super::shard::Shard;
use crate::adapter::Side;
use crate::engine::{EngineInfo, EngineWarning, StageTimes};
use crate::error::Error;
use crate::formats::special_files;
use crate::sync::lock;
use crate::text::counted;

/// Something that the caller may want to know, in the order of time.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A file of a searched folder is not a checkpoint.
    Ignored {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// A checkpoint cannot be read; the scan goes on without it.
    Skipped(SkippedInput),
    /// The files of some adapters are gone; from now on the scan goes on without them.
    Forgotten {
        /// As they were named or found.
        paths: Vec<PathBuf>,
    },
    /// The plan is in place.
    Planned(PlanFacts),
    /// An engine is open. One for each GPU, or the CPU engine.
    Engine {
        /// What it is.
        info: EngineInfo,
        /// Why it is this one, where the caller did not ask for it by name.
        reason: Option<String>,
        /// What to be careful of with it.
        warning: Option<EngineWarning>,
    },
    /// How far the scan is, ten times a second.
    Progress(Progress),
    /// This process has done its blocks, or was stopped.
    Computed(Computed),
    /// Something to be careful of.
    Warning(ScanWarning),
}

/// A checkpoint that cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct SkippedInput {
    /// As it was named or found.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: Error,
}

/// The plan of a scan in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanFacts {
    /// Adapters, new ones included.
    pub n_adapters: usize,
    /// Adapters that are new; all of them in a first run.
    pub n_added: usize,
    /// Adapters whose files are gone and that the scan goes on without.
    pub n_forgotten: usize,
    /// Modules that are compared.
    pub n_modules: usize,
    /// Pairs of adapters that have a module to compare; each gives a row for each of those.
    pub n_pairs: u64,
    /// Every block.
    pub whole: BlockCounts,
    /// The blocks of this process's share.
    pub mine: BlockCounts,
    /// Which share that is.
    pub shard: Shard,
}

/// How far a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Rows (a module of a pair) that this process has done.
    pub n_done: u64,
    /// Rows that it has to do.
    pub n_rows: u64,
    /// Adapters whose bases are ready.
    pub n_ready: usize,
    /// All adapters.
    pub n_adapters: usize,
    /// How they are made ready.
    pub bases: BasesFrom,
    /// Since the work began.
    pub elapsed: Duration,
}

/// Where the bases of a scan come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BasesFrom {
    /// Each adapter is factorised once, and its bases are kept in a cache.
    Cache,
    /// Each adapter is read once, and its bases are made when a block needs them.
    Demand,
}

/// What a process did of a scan, and where the time went.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Computed {
    /// From the first block to the last.
    pub elapsed: Duration,
    /// Blocks that were done.
    pub n_blocks: u64,
    /// Their rows.
    pub n_rows: u64,
    /// Adapters that were factorised; the bases of the others were in the cache.
    pub n_factorised: usize,
    /// The time of each stage, over all threads.
    pub stages: Vec<(Stage, Duration)>,
    /// Where the GPUs' time went, all of them together.
    pub gpu_times: Option<StageTimes>,
    /// Where every span of time was written to, if that was asked for.
    pub profile: Option<PathBuf>,
}

/// Something to be careful of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScanWarning {
    /// Some files number their modules, and not all of them alike.
    NumberedModules,
    /// Pipes, sockets or devices in a folder that are named as checkpoints are, and are left out.
    SpecialFiles {
        /// How many.
        n: usize,
        /// The first of them.
        first: PathBuf,
    },
    /// Parts of some updates are not read (column `unread` of the adapters' table).
    PartsUnread {
        /// How many adapters have such parts.
        n_adapters: usize,
        /// What is not read, by reason and count over all of them.
        summary: String,
    },
    /// Factors that are stored the other way round than usual were turned.
    Transposed(ModulesOf),
    /// Modules have a rank above their d_in or d_out: convolutions with few channels, or factors that lie the other way round.
    RankAboveSize(ModulesOf),
    /// Most modules of some pairs have no partner.
    FewMeet(FewMeetPairs),
    /// The bases do not fit the cache's limit, which is raised for this scan only.
    CacheLimit {
        /// Bytes of all bases.
        needed_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The cache cannot be written: what it has is used, and new bases are kept in the output folder until the scan is
    /// complete.
    CacheRefused {
        /// Where, and why not.
        cause: String,
    },
    /// Blocks whose files are damaged, or not of this scan: they are done again.
    DamagedBlocks {
        /// How many.
        n: usize,
        /// The first of them, and what is wrong with it.
        first: String,
    },
    /// Records of what was read of checkpoints were lost or damaged.
    RecordsLost {
        /// Of how many checkpoints.
        n: usize,
        /// Of how many they were made again; the files of the others are gone.
        n_restored: usize,
    },
    /// The scan began with another kernel: the last digits may differ.
    OtherKernel {
        /// The one that it began with.
        first: String,
        /// The one that it goes on with.
        now: String,
    },
    /// What an engine mended by smaller work or on the CPU.
    Fallback(String),
    /// Pairs share the random start of A.
    SharedInit {
        /// Rows that do.
        n: u64,
        /// Rows that were done.
        n_rows: u64,
        /// The side that is compared.
        side: Side,
    },
    /// Pairs have an update that is not known, though the side has a basis of both.
    UnknownUpdates {
        /// Rows that do.
        n: u64,
        /// Rows that were done.
        n_rows: u64,
    },
    /// Pairs compare adapters of different base models.
    OtherBase {
        /// Rows that do.
        n: u64,
        /// Rows that were done.
        n_rows: u64,
    },
}

/// Modules of some adapters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModulesOf {
    /// How many modules.
    pub n_modules: usize,
    /// How many adapters have such modules.
    pub n_adapters: usize,
    /// The first of these.
    pub first: PathBuf,
}

impl fmt::Display for ModulesOf {
    /// `3 modules of 2 checkpoints (runs/a, ...)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n_modules, n_adapters, first } = self;
        let (modules, first) = (counted(*n_modules, "module"), first.display());
        match n_adapters {
            1 => write!(f, "{modules} of {first}"),
            n => write!(f, "{modules} of {} ({first}, ...)", counted(*n, "checkpoint")),
        }
    }
}

impl ScanWarning {
    /// Of what the search of a folder left out.
    pub(crate) fn of_special_files(ignored: &[(PathBuf, String)]) -> Option<Self> {
        let mut special = special_files(ignored);
        let first = special.next()?.to_owned();
        Some(Self::SpecialFiles { n: special.count() + 1, first })
    }
}

impl fmt::Display for ScanWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = |n: u64, one: &'static str, several: &'static str| if n == 1 { one } else { several };
        match self {
            Self::NumberedModules => f.write_str(
                "some files number their modules, and not all of them alike: these are paired only where every shape of the \
                 two files agrees, and may be other modules even so",
            ),
            Self::SpecialFiles { n, first } => {
                let more = match n - 1 {
                    0 => String::new(),
                    n => format!(" (and {})", counted(n, "other")),
                };
                write!(f, "{}{more}: named as a checkpoint, but a pipe, a socket or a device: left out", first.display())
            }
            Self::PartsUnread { summary, .. } => write!(f, "{summary} (column unread)"),
            Self::Transposed(found) => write!(
                f,
                "A and B of {found} are stored transposed, as their shapes show, and were turned"
            ),
            Self::RankAboveSize(found) => write!(
                f,
                "the rank of {found} is above d_in or d_out: right for a convolution with few channels, else A and B may be \
                 stored the other way round"
            ),
            Self::FewMeet(FewMeetPairs { n, n_without, paths: [a, b], first }) => {
                let (a, b) = (a.display(), b.display());
                match (n, n_without) {
                    (1, _) => {}
                    (n, 0) => {
                        write!(f, "{n} pairs of checkpoints share fewer than half of their modules; the first: ")?
                    }
                    (n, none) => write!(
                        f,
                        "{n} pairs of checkpoints share fewer than half of their modules, {none} of them none; the first: "
                    )?,
                }
                write!(f, "{a} and {b}: {first}; the other modules are not compared")
            }
            Self::CacheLimit { needed_bytes, limit_bytes } => write!(
                f,
                "the bases of this scan take {needed_bytes} bytes, more than the cache's limit of {limit_bytes}; the limit \
                 is raised for this scan only"
            ),
            Self::CacheRefused { cause } => write!(
                f,
                "{cause}: new bases are kept in the output folder until the scan is complete"
            ),
            Self::DamagedBlocks { n, first } => {
                let (is, blocks) = (verb(*n as u64, "is", "are"), counted(*n, "block"));
                write!(f, "{blocks} {is} not whole or not of this scan, and {is} done again: {first}")
            }
            Self::RecordsLost { n, n_restored } => {
                let checkpoints = counted(*n, "checkpoint");
                write!(f, "the records of {checkpoints} were lost or damaged: {n_restored} read again from their files")
            }
            Self::OtherKernel { first, now } => {
                write!(f, "this scan began with {first} and goes on with {now}: the last digits may differ")
            }
            Self::Fallback(text) => f.write_str(text),
            Self::SharedInit { n, n_rows, .. } => {
                let (share, rows) = (verb(*n, "shares", "share"), counted(*n_rows as usize, "row"));
                write!(f, "{n} of {rows} {share} the random start of A (column shared_init)")
            }
            Self::UnknownUpdates { n, n_rows } => {
                let (have, rows) = (verb(*n, "has", "have"), counted(*n_rows as usize, "row"));
                write!(
                    f,
                    "{n} of {rows} {have} no cosine: a factor that the side does not need has numbers that are not finite \
                     (norm_a or norm_b is null)"
                )
            }
            Self::OtherBase { n, n_rows } => {
                let (compare, rows) = (verb(*n, "compares", "compare"), counted(*n_rows as usize, "row"));
                write!(f, "{n} of {rows} {compare} adapters of different base models (column other_base)")
            }
        }
    }
}

type OnEvent<'a> = Box<dyn FnMut(&Event) + Send + 'a>;

/// The caller's function for events, called by one thread at a time.
#[derive(Default)]
pub(super) struct Listener<'a>(Option<Mutex<OnEvent<'a>>>);

impl<'a> Listener<'a> {
    pub(super) fn new(on_event: impl FnMut(&Event) + Send + 'a) -> Self {
        Self(Some(Mutex::new(Box::new(on_event))))
    }

    pub(super) fn emit(&self, event: &Event) {
        if let Some(on_event) = &self.0 {
            lock(on_event)(event);
        }
    }

    pub(super) fn warn(&self, warning: ScanWarning) {
        self.emit(&Event::Warning(warning));
    }
}

impl fmt::Debug for Listener<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Listener(..)" } else { "Listener(none)" })
    }
}
