//! The way out of an error, as data: each program words it for its own users.

use std::fmt;

/// The way out of an error.
///
/// [`Display`](fmt::Display) words it for a program that calls the library; a command line or a package for another
/// language names its own options instead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// In words that hold for every program.
    Text(String),
    /// Compare another side, whose dimension is `d` in both adapters.
    CompareSide {
        /// The side, as [`Side`](crate::Side) prints it.
        side: String,
        /// What the dimension is called: d_in or d_out.
        dimension: &'static str,
        /// Its size.
        d: usize,
    },
    /// Compare side A: B starts at zero, so a module that was not trained has nothing else.
    CompareSideA,
    /// Compare the update itself, since the module has no A and B of its own.
    CompareUpdate,
    /// Take another layer, whose modules have a subspace in both.
    OtherLayer {
        /// The nearest one.
        layer: usize,
    },
    /// Name one of the adapters of a file.
    NameAdapter {
        /// The first of them.
        first: String,
    },
    /// Give the adapter's own file, or the base of a full model.
    NameBase,
    /// Give the base model too: the update is made of its weights, or of their sizes.
    GiveBase,
    /// List the modules that are the same, [`Matching::Pairs`](crate::Matching::Pairs).
    ListModulePairs {
        /// Why they were not found.
        because: String,
    },
    /// Draw fewer pixels: a lower resolution, a smaller width, or fewer panels.
    DrawSmaller,
    /// Draw a wider figure, or fewer panels.
    DrawWider,
    /// Give a lower end of the colours that lies below the upper one.
    OrderRange,
    /// Compute on the CPU.
    UseCpu,
    /// Install the GPU's driver, or compute on the CPU.
    InstallGpuDriver,
    /// Name a GPU, or compute on the CPU.
    NameGpu,
    /// Make a scan first.
    MakeScan,
    /// Run the scan again until it is done.
    FinishScan {
        /// What finds its checkpoints; empty where it takes more words than a message has.
        inputs: Vec<String>,
        /// Options by their names, each with its values.
        options: Vec<(&'static str, Vec<String>)>,
        /// The output folder.
        output: String,
    },
    /// Scan again and keep the updates' cosines.
    KeepUpdate,
    /// Scan again and keep φ of a cell.
    KeepCell {
        /// The first ranks.
        i: usize,
        /// The second ranks.
        j: usize,
    },
    /// Name another output folder: nothing vouches that a scan made this one.
    OtherOutput,
    /// Wait until the process that is at work has ended, or end it, or name another output folder.
    WaitForProcess,
    /// Put the plan back, remove the blocks, or name another output folder.
    RestorePlan,
    /// Remove the scan and begin again; what the cache has of the bases is kept.
    StartOver,
    /// Wait until training has written the checkpoint, then begin again.
    WaitAndStartOver,
    /// Give the options of the scan's first run, choose another output folder, or begin again.
    KeepOptions,
    /// Name every input of the scan's first run, or begin again.
    KeepInputs,
    /// Name every input of the scan's first run, go on without those that are gone, or begin again.
    ForgetInputs,
    /// Name the inputs of the first share only, and add new ones when all blocks are done.
    KeepInputsOfShares,
    /// Take the engine that the scan began with, or begin again.
    KeepEngine {
        /// `cpu` or `gpu`.
        kind: String,
    },
    /// Pair checkpoints of different base models too.
    MixBaseModels,
    /// Allow modules without a basis, which are left out of the table.
    AllowMissing,
    /// Name the cache that the scan used, or put the checkpoint back in its place.
    RestoreCheckpoint,
    /// Name a folder for the cache.
    NameCache,
    /// Name another folder for the cache, or keep bases in the output folder.
    MoveCache,
    /// Name the share.
    NameShare,
    /// Give the number of shares.
    CountShares,
    /// Number the tasks of the array from 1 to `n`, or name the share.
    NumberTasks {
        /// How many shares there are.
        n: usize,
    },
    /// Name this share, which the task did before.
    RepeatShare {
        /// From 1 to `n`.
        k: usize,
        /// How many shares there are.
        n: usize,
    },
    /// Name share `k`, if the first array counted from 1, or give the number of shares.
    GuessShare {
        /// The task's number.
        k: usize,
    },
    /// Report on fewer adapters, or query the Parquet files.
    ChooseAdapters,
    /// Give the scan at least so much memory, or compare fewer modules or adapters.
    GiveMemory {
        /// Bytes.
        bytes: u64,
    },
    /// Scan where at least so much memory is free, or so that less is needed.
    FreeMemory {
        /// Bytes.
        bytes: u64,
    },
    /// Allow a file to ask for more, if it is to be trusted.
    RaiseLimit {
        /// The name of the [`Limit`](crate::Limit).
        name: &'static str,
    },
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(text) => text,
            Self::CompareSide { side, dimension, d } => {
                return write!(f, "side {side} compares by {dimension}, which is {d} in both");
            }
            Self::CompareSideA => "B starts at zero and was not trained in this module, which has a subspace only on side a",
            Self::CompareUpdate => "the sides of ΔW compare the update itself",
            Self::OtherLayer { layer } => return write!(f, "layer {layer} can be compared on this side"),
            Self::NameAdapter { first } => return write!(f, "name one of the adapters, such as {first}"),
            Self::ListModulePairs { because } => {
                return write!(f, "{because}; a list of pairs says which modules are the same");
            }
            Self::NameBase => {
                "if this is a full or a merged model, give the adapter's own file, or its base model too, to compare what changed"
            }
            Self::GiveBase => "give the base model that it was trained from too",
            Self::DrawSmaller => "draw at a lower resolution or a smaller width, or draw fewer panels",
            Self::DrawWider => "draw a wider figure, or fewer panels",
            Self::OrderRange => "choose a lower end of the colours below the upper one",
            Self::UseCpu => "use the CPU engine",
            Self::InstallGpuDriver => "install the GPU's Vulkan driver and loader, or use the CPU engine",
            Self::NameGpu => "name a GPU (software ones are for tests), or use the CPU engine",
            Self::MakeScan => "scan a folder of checkpoints into it first",
            Self::FinishScan { output, .. } => {
                return write!(f, "run the scan into {output} again, with the same inputs and options");
            }
            Self::KeepUpdate => "scan again with the update kept",
            Self::KeepCell { i, j } => return write!(f, "scan again with φ({i}, {j}) kept"),
            Self::OtherOutput => "name another output folder: nothing vouches that a scan made this one",
            Self::WaitForProcess => "wait until it has ended or end it, or name another output folder",
            Self::RestorePlan => "put plan.json back, remove the blocks if nothing needs them, or name another output folder",
            Self::StartOver => "start the scan over; bases in the cache are kept",
            Self::WaitAndStartOver => "wait until training has written it, then start the scan over",
            Self::KeepOptions => "give the same options or another output folder, or start the scan over",
            Self::KeepInputs => "name every input of the first run again, or start the scan over",
            Self::ForgetInputs => {
                "put the files back; or go on without them, which keeps what is computed; or start the scan over"
            }
            Self::KeepInputsOfShares => {
                "name only the inputs of the first share; new ones can be added when all blocks are done"
            }
            Self::KeepEngine { kind } => return write!(f, "use the engine {kind}, or start the scan over"),
            Self::MixBaseModels => "pair checkpoints of different base models too, if they are of one architecture",
            Self::AllowMissing => "a scan that is not strict leaves it out of the table",
            Self::RestoreCheckpoint => "name the cache that the scan used, or put the checkpoint back in its place",
            Self::NameCache => "name a folder for the cache",
            Self::MoveCache => "name another folder for the cache, or keep bases in the output folder",
            Self::NameShare => "name the share",
            Self::CountShares => "give the number of shares, which is that of the job's completions",
            Self::NumberTasks { n } => {
                return write!(f, "number the tasks of the array from 1 to {n}, or name the share");
            }
            Self::RepeatShare { k, n } => return write!(f, "this task did share {k} of {n} before: name it"),
            Self::GuessShare { k } => {
                return write!(
                    f,
                    "if the first array was numbered from 1, this task is share {k}: name it, or give the number of shares"
                );
            }
            Self::GiveMemory { bytes } => {
                return write!(f, "give it {bytes} bytes, or compare fewer modules or adapters");
            }
            Self::FreeMemory { bytes } => {
                return write!(
                    f,
                    "scan where {bytes} bytes are free, keep less of each pair, or compare fewer modules or adapters"
                );
            }
            Self::RaiseLimit { name } => return write!(f, "raise the limit {name} if you trust the file"),
            Self::ChooseAdapters => "choose some adapters, or query the Parquet files with DuckDB or Polars",
        })
    }
}
