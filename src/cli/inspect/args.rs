//! The grammar of `lorascope inspect`.

use std::path::PathBuf;

use clap::Args as ArgGroup;

pub(in crate::cli) const INSPECT_HELP: &str = "\
A PATH is a checkpoint (as for figure) or a folder, which is searched with all that is in it; what a file is, its content \
says. Several checkpoints have a row each: naming scheme (and method, where it is not plain LoRA), trainer and base model \
if recorded, rank, alpha, number of modules, type of the numbers, size of the file, and the date on which training ended \
if recorded, else that of the file. One checkpoint has a row for each module: its canonical name, shapes, alpha, scaling, \
and the name that the file has for it. – stands for what the files do not say.

Reads headers only, unless --spectra asks for the numbers. Checkpoints that cannot be read are listed at the end with the \
reason, and the exit code is 3; other files are counted, and listed with -v.

--spectra adds rows of modules for every checkpoint. For factors A and B: the numerical rank q (directions above the \
rounding of the stored type, 0 for a factor of zeros), σ₁ and σ_q, the largest and smallest singular value of those, and \
the effective rank exp(−Σ p·ln p) with p = σ/Σσ (Roy & Vetterli 2007). For ΔW = s·B·A, which is never formed: numerical and \
effective rank, and the norms ‖ΔW‖_F and ‖ΔW‖₂, those of B·A where the scaling s is not known.

Examples:
  lorascope inspect runs/
  lorascope inspect runs/seed0
  lorascope inspect --spectra --csv runs/checkpoint-* > spectra.csv";

#[derive(Debug, ArgGroup)]
pub(in crate::cli) struct InspectArgs {
    /// Checkpoints, and folders of them
    #[arg(value_name = "PATH", required = true)]
    pub(in crate::cli) paths: Vec<PathBuf>,
    /// The adapter of this name, in files that hold several [default: all of them]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) adapter_name: Option<String>,
    /// Add ranks and singular values of A, B and ΔW, and the norms of ΔW
    #[arg(long)]
    pub(in crate::cli) spectra: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// Print the result as CSV
    #[arg(long, conflicts_with = "json")]
    pub(in crate::cli) csv: bool,
}
