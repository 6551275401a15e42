//! What a checkpoint is written in: names, method, file format, and what it records of its training.

use std::fmt;

/// A naming scheme of tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NamingScheme {
    /// `base_model.model.MODULE.lora_A.weight`.
    Peft,
    /// `MODULE.lora_A`, of the LoRA authors' own library.
    Loralib,
    /// `unet.MODULE.lora.down.weight` and its older forms.
    Diffusers,
    /// `lora_unet_MODULE.lora_down.weight`, of kohya's sd-scripts and what follows them.
    Kohya,
    /// `MODULE.lora_a`, transposed.
    Mlx,
    /// `MODULE.lora_a.weight`.
    TorchTune,
    /// `MODULE.adapter.linear_in.weight`.
    Megatron,
    /// `unet:17:down`, numbered.
    Cloneofsimo,
    /// `w_a_000`, numbered.
    SamLora,
}

impl NamingScheme {
    /// Whether modules have numbers for names, in the order in which the trainer walked the model: the same number may be
    /// another module in another file.
    pub fn is_numbered(self) -> bool {
        matches!(self, Self::Cloneofsimo | Self::SamLora)
    }

    /// Whether module names have underscores where their paths have dots.
    pub(crate) fn uses_underscores(self) -> bool {
        self == Self::Kohya
    }
}

impl fmt::Display for NamingScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Peft => "PEFT",
            Self::Loralib => "loralib",
            Self::Diffusers => "diffusers",
            Self::Kohya => "kohya",
            Self::Mlx => "MLX",
            Self::TorchTune => "TorchTune",
            Self::Megatron => "Megatron",
            Self::Cloneofsimo => "cloneofsimo",
            Self::SamLora => "Sam_LoRA",
        })
    }
}

/// What an update is made of beside s, B and A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// ΔW = s·B·A.
    Lora,
    /// Weight-decomposed: W + s·B·A, each row then scaled to a learnt magnitude, which is left out here.
    Dora,
    /// ΔW = s·B·E·A with a diagonal E; A's rows are read scaled by it.
    AdaLora,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Lora => "LoRA",
            Self::Dora => "DoRA",
            Self::AdaLora => "AdaLoRA",
        })
    }
}

/// What the files say about their training.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct TrainingInfo {
    /// The program, with its version where that is known.
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
    /// What it is called: `safetensors`, `torch zip`, `torch legacy`, `npz`.
    pub fn name(self) -> &'static str {
        self.name
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}
