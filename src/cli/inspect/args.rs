//! The grammar of `lorascope inspect`.

use std::path::PathBuf;

use clap::Args as ArgGroup;

use crate::cli::base::BaseArgs;

pub(in crate::cli) const INSPECT_HELP: &str = "\
A PATH is a checkpoint (as for figure), or a folder, which is searched recursively. Files are recognised by content, not by \
extension. Several checkpoints get one row each: naming scheme (and method, if it is not plain LoRA), trainer and base model \
if recorded, rank, alpha, number of modules, type of the numbers, size of the file, and the date on which training ended, or \
else that of the file. A single checkpoint gets one row for each module: its canonical name, shapes, alpha, scaling, and its \
name in the file. – means that the files do not record it.

Without --spectra, only headers are read. Checkpoints that cannot be read are listed at the end with the reason, and the exit \
code is 3. Other files are counted, and listed with -v.

--spectra shows the modules of every checkpoint. For factors A and B it adds the numerical rank q (directions above the \
rounding of the stored type; 0 for a factor of zeros), the largest and the smallest singular value among these, σ₁ and σ_q, \
and the effective rank exp(−Σ p·ln p) with p = σ/Σσ (Roy & Vetterli 2007). For ΔW = s·B·A, which is never formed, it adds the \
numerical and effective rank and the norms ‖ΔW‖_F and ‖ΔW‖₂; if the scaling s is not known, these are for B·A.

Examples:
  lorascope inspect runs/
  lorascope inspect runs/seed0
  lorascope inspect --spectra --csv runs/checkpoint-* > spectra.csv";

#[derive(Debug, ArgGroup)]
pub(in crate::cli) struct InspectArgs {
    /// Checkpoints, and folders of them
    #[arg(value_name = "PATH", required = true)]
    pub(in crate::cli) paths: Vec<PathBuf>,
    /// Name of the adapter, for files that hold several [default: all of them]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) adapter_name: Option<String>,
    /// Add ranks, singular values and norms
    ///
    /// Of A, B and ΔW, which takes reading the numbers.
    #[arg(long)]
    pub(in crate::cli) spectra: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// Print the result as CSV
    #[arg(long, conflicts_with = "json")]
    pub(in crate::cli) csv: bool,
    #[command(flatten)]
    pub(in crate::cli) base: BaseArgs,
}
