//! Small checkpoints that tests write: PEFT's names and shapes, seeded numbers.

use std::fs;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};

/// (name, d_in, d_out).
pub type Shape = (&'static str, usize, usize);

pub const QUERY: Shape = ("layers.0.self_attn.q_proj", 24, 40);
pub const VALUE: Shape = ("layers.0.self_attn.v_proj", 24, 16);

/// What a checkpoint is made of.
#[derive(Clone)]
pub struct Checkpoint {
    /// Adapters of one start share most of A.
    pub start: u64,
    /// Decides all else.
    pub seed: u64,
    pub r: usize,
    pub dtype: Dtype,
    /// `None` leaves out the base model, and with it the config.
    pub base: Option<&'static str>,
    pub modules: Vec<Shape>,
    /// Modules whose B is zero, by the end of their name.
    pub untrained: Vec<&'static str>,
    /// Modules whose A has a NaN, by the end of their name.
    pub not_finite: Vec<&'static str>,
    /// Tensors next to the factors, 2 × 2.
    pub beside: Vec<&'static str>,
    /// Modules with one number of a factor, or all of it where that is 0, replaced: by the end of their name.
    pub spoiled: Vec<(&'static str, Factor, f64)>,
    /// More of the config, such as `"lora_alpha": 0`.
    pub config: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Factor {
    A,
    B,
}

impl Checkpoint {
    pub fn new(seed: u64) -> Self {
        Self {
            start: seed,
            seed,
            r: 4,
            dtype: Dtype::F32,
            base: Some("base/one"),
            modules: vec![QUERY, VALUE],
            untrained: vec![],
            not_finite: vec![],
            beside: vec![],
            spoiled: vec![],
            config: r#""lora_alpha":8"#,
        }
    }

    pub fn spoil(mut self, module: &'static str, factor: Factor, number: f64) -> Self {
        self.spoiled.push((module, factor, number));
        self
    }

    pub fn config(self, config: &'static str) -> Self {
        Self { config, ..self }
    }

    pub fn r(self, r: usize) -> Self {
        Self { r, ..self }
    }

    pub fn start(self, start: u64) -> Self {
        Self { start, ..self }
    }

    pub fn dtype(self, dtype: Dtype) -> Self {
        Self { dtype, ..self }
    }

    pub fn base(self, base: Option<&'static str>) -> Self {
        Self { base, ..self }
    }

    pub fn beside(self, names: &[&'static str]) -> Self {
        Self { beside: names.to_vec(), ..self }
    }

    pub fn modules(self, modules: &[Shape]) -> Self {
        Self { modules: modules.to_vec(), ..self }
    }

    /// Writes a folder with a config, or the file alone where the path ends in `.safetensors`.
    pub fn write(&self, path: &Path) {
        let is_file = path.extension().is_some_and(|end| end == "safetensors");
        let folder = if is_file { path.parent().unwrap() } else { path };
        fs::create_dir_all(folder).unwrap();
        let file = if is_file { path.to_owned() } else { folder.join("adapter_model.safetensors") };
        fs::write(file, self.bytes()).unwrap();
        if let (false, Some(base)) = (is_file, self.base) {
            let config = format!(
                r#"{{"peft_type":"LORA","base_model_name_or_path":"{base}","r":{},{}}}"#,
                self.r, self.config
            );
            fs::write(folder.join("adapter_config.json"), config).unwrap();
        }
    }

    /// The bytes of its `.safetensors` file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut tensors: Vec<(String, [usize; 2], Vec<u8>)> = vec![];
        for (place, &(name, d_in, d_out)) in (0u64..).zip(&self.modules) {
            let ends = |list: &[&str]| list.iter().any(|end| name.ends_with(end));
            let shared = numbers(1000 * self.start + place, self.r * d_in);
            let own = numbers(77_000 + 1000 * self.seed + place, self.r * d_in);
            let mut a: Vec<f64> = shared.iter().zip(&own).map(|(x, y)| x + 0.25 * y).collect();
            if ends(&self.not_finite) {
                a[1] = f64::NAN;
            }
            let mut b = match ends(&self.untrained) {
                true => vec![0.0; d_out * self.r],
                false => numbers(555_000 + 1000 * self.seed + place, d_out * self.r),
            };
            for &(_, factor, number) in self.spoiled.iter().filter(|(end, ..)| name.ends_with(end)) {
                let values = if factor == Factor::A { &mut a } else { &mut b };
                let first = if number == 0.0 { 0 } else { values.len() - 1 };
                values[first..].fill(number);
            }
            let prefix = format!("base_model.model.{name}");
            tensors.push((format!("{prefix}.lora_A.weight"), [self.r, d_in], stored(self.dtype, &a)));
            tensors.push((format!("{prefix}.lora_B.weight"), [d_out, self.r], stored(self.dtype, &b)));
        }
        tensors
            .extend(self.beside.iter().map(|&name| (name.to_owned(), [2, 2], stored(self.dtype, &[1.0; 4]))));
        let views = tensors.iter().map(|(name, shape, bytes)| {
            (name.clone(), TensorView::new(self.dtype, shape.to_vec(), bytes).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }
}

fn stored(dtype: Dtype, values: &[f64]) -> Vec<u8> {
    match dtype {
        Dtype::F64 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Dtype::F32 => values.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect(),
        Dtype::F16 => values.iter().flat_map(|&x| f16::from_f64(x).to_le_bytes()).collect(),
        Dtype::BF16 => values.iter().flat_map(|&x| bf16::from_f64(x).to_le_bytes()).collect(),
        other => panic!("no checkpoint is stored as {other:?}"),
    }
}

/// Numbers between −1 and 1, by splitmix64.
pub fn numbers(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0xd134_2543_de82_ef95);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// A folder as users have it: two runs with steps, lone files, other ranks, types, base models and shapes, and files that
/// are no checkpoints.
pub fn mixed(root: &Path) {
    for step in [100, 200, 1000] {
        Checkpoint::new(step).start(1).r(8).write(&root.join(format!("runs/a/checkpoint-{step}")));
    }
    for step in [1, 2] {
        let checkpoint = Checkpoint::new(20 + step).start(2).dtype(Dtype::BF16);
        checkpoint.write(&root.join(format!("runs/b/step_{step}")));
    }
    Checkpoint::new(31).r(1).base(None).write(&root.join("runs/lone.safetensors"));
    Checkpoint::new(32).r(3).base(Some("base/two")).modules(&[QUERY]).write(&root.join("runs/two"));
    let wider = ("layers.0.self_attn.q_proj", 32, 48);
    let norm = ("layers.7.mlp.down_proj", 64, 24);
    Checkpoint::new(33).r(5).dtype(Dtype::F16).modules(&[wider, norm]).write(&root.join("runs/wide"));
    Checkpoint::new(34).r(6).modules(&[wider, norm]).write(&root.join("runs/wider"));
    fs::write(root.join("runs/a/tokenizer.json"), r#"{"version": "1.0"}"#).unwrap();
    fs::write(root.join("runs/a/checkpoint-100/optimizer.pt"), optimizer()).unwrap();
}

/// The checkpoints of [`mixed`], in the order of their numbers.
pub const MIXED: [&str; 9] = [
    "runs/a/checkpoint-100",
    "runs/a/checkpoint-200",
    "runs/a/checkpoint-1000",
    "runs/b/step_1",
    "runs/b/step_2",
    "runs/lone.safetensors",
    "runs/two",
    "runs/wide",
    "runs/wider",
];

/// What torch.save makes of `{"state": {}, "param_groups": []}`.
fn optimizer() -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("optimizer/data.pkl", stored).unwrap();
    zip.write_all(
        b"\x80\x02}q\x00(X\x05\x00\x00\x00stateq\x01}q\x02X\x0c\x00\x00\x00param_groupsq\x03]q\x04u.",
    )
    .unwrap();
    zip.start_file("optimizer/version", stored).unwrap();
    zip.write_all(b"3\n").unwrap();
    zip.finish().unwrap().into_inner()
}
