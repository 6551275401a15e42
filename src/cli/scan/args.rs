//! The grammar of `lorascope scan`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args as ArgGroup;

use crate::Side;
use crate::cli::options::EngineArg;
use crate::cli::scan::size;
use crate::engine::Precision;
use crate::scan::{Gpus, Keep, Scan, ShardChoice};

pub(in crate::cli) const SCAN_HELP: &str = "\
A RUN is a checkpoint, a folder that is searched for checkpoints, or a glob. What is left in OUT are Parquet files that \
DuckDB, Polars and Spark read as they stand: pairs/*.parquet with one row a module and pair, and adapters.parquet.

The same command goes on where it stopped, whatever stopped it, and adds only what is new when the folder has grown. \
Ctrl-C and SIGTERM let the blocks in flight finish. Bases are kept in a cache: a checkpoint is factorised once.

--shard K/N does every N-th block: any number of machines that share OUT and the cache complete one table. In a Slurm \
array, --shard auto takes K and N from it.

Exit codes: 0 done, 1 failed, 2 usage, 3 done but with checkpoints that were skipped, 130 and 143 stopped by Ctrl-C and \
SIGTERM, to go on with the same command.

Examples:
  lorascope scan runs/ -o out
  lorascope scan 'runs/*/checkpoint-*' -o out --pairs consecutive
  lorascope scan runs/ -o out --pairs against runs/final
  lorascope scan runs/ -o out --left 'math-*' --right 'code-*' --side b
  lorascope scan runs/ -o out --dry-run
  sbatch --array=1-8 --wrap 'lorascope scan runs/ -o out --shard auto'";

#[derive(Debug, ArgGroup)]
pub(in crate::cli) struct ScanArgs {
    /// Checkpoints, folders of them, or globs
    #[arg(value_name = "RUN", required_unless_present_any = ["list", "pairs"])]
    pub(super) runs: Vec<PathBuf>,
    /// Where the table goes: a folder, made where there is none
    #[arg(short, long, value_name = "OUT")]
    pub(super) output: PathBuf,
    /// More checkpoints: a file with a path a line, or - for stdin
    #[arg(long, value_name = "FILE")]
    pub(super) list: Option<PathBuf>,
    #[command(flatten)]
    pub(super) which: WhichArgs,
    #[command(flatten)]
    pub(super) what: WhatArgs,
    #[command(flatten)]
    pub(super) how: HowArgs,
}

impl ScanArgs {
    /// Whether stderr is for machines.
    pub(in crate::cli) fn logs_json(&self) -> bool {
        self.how.json_log
    }

    /// The scan with these options.
    pub(super) fn scan<'a>(&self, scan: Scan<'a>) -> Scan<'a> {
        let (which, what, how) = (&self.which, &self.what, &self.how);
        let mut scan = scan
            .same_base(which.same_base)
            .modules(&which.module)
            .side(what.side)
            .keep(what.keep.clone())
            .angles(what.angles)
            .precision(what.precision)
            .engine(how.engine.into())
            .gpus(how.gpu.clone())
            .strict(how.strict)
            .fresh(how.fresh);
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
        scan
    }
}

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Which pairs")]
pub(super) struct WhichArgs {
    /// all: each checkpoint with each other; consecutive: each with the next step of its run; against REF...: each REF with
    /// every other
    #[arg(long, value_name = "PAIRS", num_args = 1.., conflicts_with_all = ["left", "right"])]
    pub(super) pairs: Vec<String>,
    /// Checkpoints whose path matches, or the end of it, with those of --right
    #[arg(long, value_name = "GLOB", requires = "right")]
    pub(super) left: Option<String>,
    /// The other side
    #[arg(long, value_name = "GLOB", requires = "left")]
    pub(super) right: Option<String>,
    /// Pair only checkpoints that name the same base model (those that name none are paired with each other)
    #[arg(long)]
    pub(super) same_base: bool,
    /// Modules whose name matches, with * ? and [...]; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub(super) module: Vec<String>,
}

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "What is kept")]
pub(super) struct WhatArgs {
    /// Which subspace: a, right-singular vectors of A (the paper's); b, left-singular vectors of B; dw-right and
    /// dw-left, those of ΔW
    #[arg(long, value_name = "SIDE", default_value = "a")]
    pub(super) side: Side,
    /// Besides φ at full rank: φ(k, k) at powers of two, or the diagonal, the whole grid, cells=1:1,8:8, or top:K, which
    /// leaves only the pairs among the K most alike of either checkpoint, and histograms
    #[arg(long, value_name = "CELLS", default_value = "powers")]
    pub(super) keep: Keep,
    /// Add the principal angles of each pair, in degrees: an SVD of r × r for each, some 0.3 ms at r = 64, when the rest of a
    /// pair takes some 0.1 ms
    #[arg(long)]
    pub(super) angles: bool,
    /// What bases are kept in for the products: f32, φ within 1e-5; f16, half the memory of a GPU, within
    /// 5e-4. Sums are in f32
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    pub(super) precision: Precision,
}

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "How it is done")]
pub(super) struct HowArgs {
    /// Print the plan from headers alone, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do a share of the blocks: K/N, K from 1 to N, or auto, from the variables of a Slurm array or an indexed job
    #[arg(long, value_name = "K/N")]
    pub(super) shard: Option<ShardChoice>,
    /// With --shard auto: how many shares there are, where the job does not say
    #[arg(long, value_name = "N", requires = "shard")]
    pub(super) shard_count: Option<NonZeroUsize>,
    /// What computes: auto takes a GPU where there is one and the work is worth opening it; a scan that goes on takes what
    /// it began with
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) engine: EngineArg,
    /// Which GPU: auto, an index, a part of a name, PCI:ADDRESS, or several: all of them, or indices such as 0,1
    #[arg(long, value_name = "GPU", default_value = "auto")]
    pub(super) gpu: Gpus,
    /// The GPU's kernel [default: what the scan began with, or the fastest: `lorascope devices --tune`]
    #[arg(long, value_name = "NAME")]
    pub(super) kernel: Option<String>,
    /// Memory for blocks in flight, such as 8G [default: half of what is free]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(super) memory: Option<u64>,
    /// Where bases are kept [default: the user's cache folder]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    pub(super) cache: Option<PathBuf>,
    /// Size of the cache at which the bases that were used the longest ago are removed, such as 50G
    #[arg(long, value_name = "SIZE", conflicts_with = "no_cache", value_parser = size::parse)]
    pub(super) cache_limit: Option<u64>,
    /// Keep bases in memory, or in OUT until the scan is complete where blocks share them, and nowhere else
    #[arg(long)]
    pub(super) no_cache: bool,
    /// Stop at a checkpoint that is bad, rather than skip it
    #[arg(long)]
    pub(super) strict: bool,
    /// Remove what an earlier scan left in OUT, and start anew
    #[arg(long, conflicts_with_all = ["dry_run", "shard"])]
    pub(super) fresh: bool,
    /// Say where the time went, and write every span of it: a .json file that Perfetto opens
    #[arg(long, value_name = "FILE")]
    pub(super) profile: Option<PathBuf>,
    /// Write everything on stderr as lines of JSON
    #[arg(long)]
    pub(super) json_log: bool,
}
