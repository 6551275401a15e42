//! The grammar of `lorascope scan`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args as ArgGroup;

use crate::Side;
use crate::cli::base::BaseArgs;
use crate::cli::options::{EngineArg, ModuleArgs};
use crate::cli::scan::size;
use crate::cli::side;
use crate::cli::usage::Usage;
use crate::engine::Precision;
use crate::scan::{Gpus, Keep, Scan, ShardChoice};

pub(in crate::cli) const SCAN_HELP: &str = "\
A CHECKPOINT is a file or folder as for figure, a folder to search for checkpoints, or a glob. OUT becomes a folder of \
Parquet files that DuckDB, Polars and Spark read directly: pairs/*.parquet with one row for each module of each pair, and \
adapters.parquet with one row for each checkpoint.

The same command resumes wherever it stopped, and computes only what is new when the folder has grown. With --forget it goes on \
without checkpoints that were deleted. Ctrl-C and SIGTERM let \
the blocks in flight finish. Bases are kept in a cache, so each checkpoint is factorised once.

--shard K/N does every N-th block: any number of machines that share OUT and the cache complete one table. In a Slurm array, \
--shard auto takes K and N from the array.

Exit codes: 0 done, 1 failed, 2 usage error, 3 done but with skipped checkpoints, 130 and 143 stopped by Ctrl-C and SIGTERM \
(the same command resumes).

Examples:
  lorascope scan runs/ -o out
  lorascope scan 'runs/*/checkpoint-*' -o out --pairs consecutive
  lorascope scan runs/ -o out --pairs against runs/final
  lorascope scan models/ runs/ -o out --base models/base --side dw-left
  lorascope scan runs/ -o out --left 'math-*' --right 'code-*' --side b
  lorascope scan runs/ -o out --dry-run
  sbatch --array=1-8 --wrap 'lorascope scan runs/ -o out --shard auto'";

#[derive(Debug, ArgGroup)]
pub(in crate::cli) struct ScanArgs {
    /// Checkpoints, folders of them, or globs
    #[arg(value_name = "CHECKPOINT", required_unless_present_any = ["list", "pairs"])]
    pub(super) runs: Vec<PathBuf>,
    /// Output folder for the table; created if missing
    #[arg(short, long, value_name = "OUT")]
    pub(super) output: PathBuf,
    /// More checkpoints: a file with a path on each line, or -
    ///
    /// - is stdin.
    #[arg(long, value_name = "FILE")]
    pub(super) list: Option<PathBuf>,
    #[command(flatten)]
    pub(super) which: WhichArgs,
    #[command(flatten)]
    pub(super) modules: ModuleArgs,
    #[command(flatten)]
    pub(super) what: WhatArgs,
    #[command(flatten)]
    pub(super) how: HowArgs,
    #[command(flatten)]
    base: BaseArgs,
}

impl ScanArgs {
    /// As [`BaseArgs::check`].
    pub(super) fn check(&self) -> Result<(), Usage> {
        self.base.check()
    }

    /// Whether stderr is for machines.
    pub(in crate::cli) fn logs_json(&self) -> bool {
        self.how.json_log
    }

    /// The scan with these options.
    pub(super) fn scan<'a>(&self, scan: Scan<'a>) -> Scan<'a> {
        let (which, what, how) = (&self.which, &self.what, &self.how);
        let mut scan = scan
            .same_base(which.same_base)
            .modules(&self.modules.module)
            .projections(&self.modules.projections)
            .side(what.side)
            .keep(what.keep.clone())
            .angles(what.angles)
            .update(what.update)
            .precision(what.precision)
            .engine(how.engine.into())
            .gpus(how.gpu.clone())
            .strict(how.strict)
            .fresh(how.fresh)
            .forget(how.forget);
        if let Some(layers) = &self.modules.layer {
            scan = scan.layers(layers.clone());
        }
        if let Some(shard) = how.shard {
            scan = scan.shard(shard);
        }
        if let Some(n_shards) = how.shard_count {
            scan = scan.n_shards(n_shards.into());
        }
        if let Some(kernel) = &how.kernel {
            scan = scan.kernel(kernel);
        }
        if let Some(memory_bytes) = how.memory {
            scan = scan.memory_bytes(memory_bytes);
        }
        if let Some(dir) = &how.cache {
            scan = scan.cache_dir(dir);
        }
        if how.no_cache {
            scan = scan.no_cache();
        }
        if let Some(limit_bytes) = how.cache_limit {
            scan = scan.cache_limit_bytes(limit_bytes);
        }
        if let Some(path) = &how.profile {
            scan = scan.profile(path);
        }
        if let Some((path, how_many)) = self.base.planned() {
            scan = scan.base(path, how_many);
        }
        scan
    }
}

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Which pairs")]
pub(super) struct WhichArgs {
    /// all, consecutive, or against REF...
    ///
    /// consecutive: each checkpoint with the next step of its run. against REF...: each REF with every other checkpoint.
    #[arg(long, value_name = "PAIRS", num_args = 1.., conflicts_with_all = ["left", "right"])]
    pub(super) pairs: Vec<String>,
    /// Pair checkpoints that match this with those of --right
    ///
    /// A glob for the path, or for the end of it.
    #[arg(long, value_name = "GLOB", requires = "right")]
    pub(super) left: Option<String>,
    /// Glob for the other checkpoint of each pair
    #[arg(long, value_name = "GLOB", requires = "left")]
    pub(super) right: Option<String>,
    /// Pair only checkpoints that name the same base model
    ///
    /// Those that name none are paired with each other.
    #[arg(long)]
    pub(super) same_base: bool,
}

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "What is kept")]
pub(super) struct WhatArgs {
    /// Subspace to compare: a, b, dw-right or dw-left
    ///
    /// a: right-singular vectors of A, the paper's choice. b: left-singular vectors of B. dw-right and dw-left: right- and
    /// left-singular vectors of ΔW.
    #[arg(long, value_name = "SIDE", default_value = "a", value_parser = side::of_update)]
    pub(super) side: Side,
    /// powers, diagonal, grid, cells=1:1,8:8, or top:K
    ///
    /// Cells to keep besides φ at full rank; powers is φ(k, k) at powers of two. top:K keeps only pairs that are among the K most
    /// similar of either checkpoint, plus histograms of all pairs.
    #[arg(long, value_name = "CELLS", default_value = "powers")]
    pub(super) keep: Keep,
    /// Add the principal angles, and distances from them
    ///
    /// The angles in degrees; the geodesic distance ‖θ‖₂ in radians and the chordal one √Σ sin²θ. Takes an r × r SVD for each
    /// pair: about 0.3 ms at r = 64, where the rest of a pair takes about 0.1 ms.
    #[arg(long)]
    pub(super) angles: bool,
    /// Add the cosine of the updates of each pair, and their norms
    ///
    /// Of s·B·A, from -1 to 1: whether two checkpoints do the same, the opposite, or nothing in common. Takes a second product
    /// for each pair. relations.parquet then lists the pairs that are copies, parts, or steps of each other.
    #[arg(long)]
    pub(super) update: bool,
    /// Storage type of the bases: f32 or f16
    ///
    /// f32: φ is accurate to 1e-5. f16: half the GPU memory, accurate to 1e-3 where i = j, and to
    /// 5e-4·(1 + √(max(i, j)/min(i, j))) elsewhere. Sums are in f32.
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    pub(super) precision: Precision,
}

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "How it is done")]
pub(super) struct HowArgs {
    /// Print the plan from headers only, and compute nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do a share of the blocks: K/N, or auto
    ///
    /// With K from 1 to N; auto takes both from the variables of a Slurm array or indexed job.
    #[arg(long, value_name = "K/N")]
    pub(super) shard: Option<ShardChoice>,
    /// With --shard auto: the number of shares
    ///
    /// If the job's variables do not include it.
    #[arg(long, value_name = "N", requires = "shard")]
    pub(super) shard_count: Option<NonZeroUsize>,
    /// What computes: auto, gpu or cpu
    ///
    /// auto takes a GPU if there is one and the work is large enough to pay for opening it. A resumed scan takes the engine that
    /// it began with.
    #[arg(long, value_enum, default_value = "auto", hide_possible_values = true)]
    pub(super) engine: EngineArg,
    /// GPUs to use, as `lorascope devices` lists them
    ///
    /// auto, an index, a part of a name, PCI:ADDRESS, or several: all, or indices such as 0,1.
    #[arg(long, value_name = "GPU", default_value = "auto")]
    pub(super) gpu: Gpus,
    /// GPU kernel, in place of the fastest
    ///
    /// By default the one that the scan began with, or the fastest: see `lorascope devices --tune`.
    #[arg(long, value_name = "NAME")]
    pub(super) kernel: Option<String>,
    /// Memory that the scan may take, such as 8G [default: half]
    ///
    /// By default half of what is free, or as much as it needs. It is refused where the scan needs more, with the figure.
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(super) memory: Option<u64>,
    /// Folder of the cache of bases [default: the user's cache folder]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    pub(super) cache: Option<PathBuf>,
    /// Size limit of the cache, such as 50G
    ///
    /// The least recently used bases are removed first.
    #[arg(long, value_name = "SIZE", conflicts_with = "no_cache", value_parser = size::parse)]
    pub(super) cache_limit: Option<u64>,
    /// Keep bases only until the scan is complete
    ///
    /// In memory, or in OUT if several blocks share them.
    #[arg(long)]
    pub(super) no_cache: bool,
    /// Stop at a bad checkpoint instead of skipping it
    #[arg(long)]
    pub(super) strict: bool,
    /// Remove what an earlier scan left in OUT, and start over
    #[arg(long, conflicts_with_all = ["dry_run", "shard"])]
    pub(super) fresh: bool,
    /// Go on without inputs whose files are gone
    ///
    /// Rows of them that are done stay; those that are not are left out, for ever, and adapters.parquet says so. Without it, such
    /// an input is an error.
    #[arg(long, conflicts_with = "fresh")]
    pub(super) forget: bool,
    /// Show where the time went, and write a trace to this file
    ///
    /// A .json file, which Perfetto opens.
    #[arg(long, value_name = "FILE")]
    pub(super) profile: Option<PathBuf>,
    /// Write stderr as lines of JSON
    #[arg(long)]
    pub(super) json_log: bool,
}
