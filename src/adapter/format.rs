//! How a checkpoint is written: naming scheme, method, file format, and what it records of its training.

use std::fmt;

/// A naming scheme: how a trainer or library names the tensors of a checkpoint, such as PEFT or kohya.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NamingScheme {
    pub(crate) name: &'static str,
    pub(crate) is_numbered: bool,
    pub(crate) uses_underscores: bool,
}

impl NamingScheme {
    /// What it is called, such as `PEFT`.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Whether modules are named by numbers, in the order in which the trainer walked the model: one number may be
    /// another module in another file.
    pub fn is_numbered(self) -> bool {
        self.is_numbered
    }

    /// Whether the names of modules have underscores where their paths have dots.
    pub(crate) fn uses_underscores(self) -> bool {
        self.uses_underscores
    }
}

impl fmt::Display for NamingScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

/// What an update is made of, besides s, B and A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// ΔW = s·B·A.
    Lora,
    /// Weight-decomposed: W + s·B·A, each row then scaled to a learnt magnitude, which is ignored here.
    Dora,
    /// ΔW = s·B·E·A with a diagonal E; A's rows are read scaled by it.
    AdaLora,
    /// ΔW = s·B·D·A with a diagonal D; A's rows are read scaled by it.
    Kasa,
    /// ΔW = s·(B₁·A₁)∘(B₂·A₂), multiplied number by number.
    LoHa,
    /// ΔW = s·W₁ ⊗ W₂.
    LoKr,
    /// ΔW as a whole matrix.
    Difference,
    /// ΔW = W′ − W of a full model and its base.
    FullFineTune,
    /// ΔW = Λ_b·B·Λ_d·A with two diagonals, and A and B that all modules share; the rows of both are read scaled.
    Vera,
    /// ΔW = B·A, whose pieces are means of a few vectors of a bank that all modules share.
    VbLora,
    /// ΔW of circulant blocks.
    C3a,
    /// ΔW whose rows repeat a shard, or W·D + D in blocks.
    Miss,
    /// ΔW as a sum of products of scaled random bases.
    RandLora,
    /// W with its rows or its columns scaled.
    Ia3,
    /// W with its inputs rotated in blocks; LyCORIS rotates its outputs.
    Oft,
    /// W with its inputs rotated in blocks and its rows scaled.
    Boft,
    /// W with its inputs reflected.
    Hra,
    /// ΔW = s·(W·A₁·A₂ + B₁·B₂), or PEFT's W∘A + B.
    GLora,
    /// ΔW = W∘(B·A), multiplied number by number.
    HiRa,
    /// ΔW = B·D·A·N with a diagonal D that makes both factors' vectors one length, and N the norms of W's columns.
    DeLora,
    /// ΔW of a few numbers, and zeros.
    Shira,
}

impl Method {
    /// What it is called, such as `LoRA`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lora => "LoRA",
            Self::Dora => "DoRA",
            Self::AdaLora => "AdaLoRA",
            Self::Kasa => "KaSA",
            Self::LoHa => "LoHa",
            Self::LoKr => "LoKr",
            Self::Difference => "weight difference",
            Self::FullFineTune => "full fine-tune",
            Self::Vera => "VeRA",
            Self::VbLora => "VB-LoRA",
            Self::C3a => "C3A",
            Self::Miss => "MiSS",
            Self::RandLora => "RandLoRA",
            Self::Ia3 => "(IA)³",
            Self::Oft => "OFT",
            Self::Boft => "BOFT",
            Self::Hra => "HRA",
            Self::GLora => "GLoRA",
            Self::HiRa => "HiRA",
            Self::DeLora => "DeLoRA",
            Self::Shira => "SHiRA",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What the files record of their training.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct TrainingInfo {
    /// The program, with its version if known.
    pub trainer: Option<String>,
    /// When training began, in seconds since 1970.
    pub started_s: Option<f64>,
    /// When it ended.
    pub finished_s: Option<f64>,
}

/// A kind of file that holds tensors, such as safetensors or npz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileFormat {
    pub(crate) name: &'static str,
}

impl FileFormat {
    /// What it is called, such as `safetensors` or `torch zip`.
    pub fn name(self) -> &'static str {
        self.name
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}
