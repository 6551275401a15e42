//! `lorascope devices`: what there is to compute on, and whether it computes.

use anyhow::Result;
use clap::Args as ArgGroup;
use indicatif::BinaryBytes;
use serde::Serialize;

use super::remedies;
use super::{write_json, write_stdout};
#[cfg(feature = "gpu")]
use crate::engine::GpuChoice;
use crate::engine::{CardRates, Gpu, GpuLimits, SelfTest, Survey, Timing, Tuning, survey};
use crate::error::Fault;
#[cfg(feature = "gpu")]
use crate::scan::engines::kernels_file;

pub(super) const DEVICES_HELP: &str = "\
Each GPU is listed with its index, name, backend, type and PCI address (--gpu of the other commands takes any of index, name \
and address), its driver, limits and features. The self-test runs every kernel on it and compares the results with the CPU \
engine's: the largest |Δφ| must stay below 2e-5, and no pixel may differ.

Cards that the system has but Vulkan does not show are listed too, with what is missing and how to fix it. For large enough \
work, auto takes the first real GPU that CUDA_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES and SLURM_STEP_GPUS allow. Software GPUs \
are only for tests.

With --tune, the list ends with the times of the pair-statistics kernels, on few and on many pairs, for each precision, and \
with the share that each reaches of what the GPU gives a kernel of multiply-adds only and one that only copies, which are \
measured first: at the clock and temperature of this minute, not by a data sheet. The fastest, marked *, is written to kernels.json in the user's cache folder, where scans find it. A scan on a GPU that is not in \
that file times the kernels itself. The numbers are the same bits with any of them.

The exit code is 1 if a self-test fails.

Examples:
  lorascope devices
  lorascope devices --tune
  lorascope devices --json | jq '.gpus[].pci'";

#[derive(Debug, ArgGroup)]
pub(super) struct DevicesArgs {
    /// Time the pair-statistics kernels on each GPU, and record the fastest for scans
    #[arg(long)]
    pub(super) tune: bool,
    /// Print the list as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    version: &'static str,
    #[serde(flatten)]
    survey: &'a Survey,
    /// With `--tune`: the rates and the kernels of each GPU.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    timings: Vec<GpuTimings>,
}

/// What one GPU reaches.
#[derive(Serialize)]
struct GpuTimings {
    gpu: usize,
    #[serde(flatten)]
    tuning: Tuning,
}

pub(super) fn run(args: &DevicesArgs) -> Result<()> {
    let survey = survey();
    let timings = if args.tune { time(&survey)? } else { vec![] };
    if args.json {
        let document = Document { schema: 1, version: env!("CARGO_PKG_VERSION"), survey: &survey, timings };
        write_json(&document)?;
    } else {
        let text = list(&survey) + &timings.iter().map(table).collect::<String>();
        write_stdout(|stdout| stdout.write_all(text.as_bytes()))?;
    }
    let failing: Vec<String> = survey.failing().iter().map(usize::to_string).collect();
    if failing.is_empty() {
        return Ok(());
    }
    let fault = Fault::new("a failing self-test", "the CPU engine's results")
        .of(format!("GPU {}", failing.join(", ")))
        .hint("update its driver; until then use --engine cpu, or another GPU with --gpu");
    Err(fault.gpu().into())
}

/// Times the kernels on every GPU that computes what the CPU computes.
#[cfg(feature = "gpu")]
fn time(survey: &Survey) -> Result<Vec<GpuTimings>> {
    let failing = survey.failing();
    let sound = survey.gpus.iter().map(|gpu| gpu.index).filter(|index| !failing.contains(index));
    let file = kernels_file();
    let timings = sound.map(|gpu| {
        let tuning = crate::engine::tune(&GpuChoice::Index(gpu), file.as_deref())?;
        Ok(GpuTimings { gpu, tuning })
    });
    timings.collect()
}

/// A build without GPU engine has no kernels.
#[cfg(not(feature = "gpu"))]
fn time(_: &Survey) -> Result<Vec<GpuTimings>> {
    Ok(vec![])
}

/// What the GPU reaches, and a line for each kernel and kind of work.
fn table(timings: &GpuTimings) -> String {
    let GpuTimings { gpu, tuning: Tuning { rates, kernels, .. } } = timings;
    let CardRates { fma_gflop_per_s, copy_gb_per_s, .. } = rates;
    let lines = kernels.iter().map(|timing| {
        let Timing { precision, work, kernel, seconds, gflop_per_s, is_fastest, .. } = timing;
        let mark = if *is_fastest { " *" } else { "" };
        let ms = 1e3 * seconds;
        let [of_fma, of_copy] = [timing.share_of_fma, timing.share_of_copy].map(|share| 100.0 * share);
        format!(
            "   {precision:<4} {work:<11} {kernel:<18} {ms:>10.3} ms {gflop_per_s:>10.1} GFLOP/s {of_fma:>5.1} % of FMA \
             {of_copy:>5.1} % of copy{mark}\n"
        )
    });
    format!(
        "\nkernels of gpu {gpu}, which now reaches {:.4} TFLOP/s of multiply-adds (FMA) and copies {copy_gb_per_s:.1} GB/s:\n{}",
        fma_gflop_per_s / 1e3,
        lines.collect::<String>()
    )
}

/// The list for people: a paragraph for each GPU, one for each card without a device, and what auto takes.
fn list(survey: &Survey) -> String {
    let mut text = String::new();
    for gpu in &survey.gpus {
        text += &paragraph(gpu);
    }
    if survey.gpus.is_empty() {
        text += "no GPU: no Vulkan, Metal or DX12 device found\n\n";
    }
    for unseen in &survey.unseen {
        text += &format!("{}: no Vulkan device\n", unseen.card);
        text += &row("why", &unseen.cause);
        text += &row("fix", &unseen.way_out);
        text += &rows("type", &unseen.commands);
        text += &rows("found", &unseen.seen);
        text.push('\n');
    }
    let auto = &survey.auto;
    text += &match auto.gpu {
        Some(index) => format!("auto takes: gpu {index} for large enough work, {}\n", auto.why),
        None => format!("auto takes: cpu, {}\n", auto.why),
    };
    if let Some(warning) = &auto.warning {
        text += &format!("warning: {}\n", remedies::engine_warning(warning));
    }
    text
}

fn paragraph(gpu: &Gpu) -> String {
    let pci = gpu.pci.map(|address| format!(", PCI:{address}")).unwrap_or_default();
    let mut text = format!("{}: {} ({}, {}{pci})\n", gpu.index, gpu.name, gpu.backend, gpu.kind);
    let GpuLimits { workgroup_invocations, f16, timestamps, .. } = gpu.limits;
    text += &row("driver", &gpu.driver);
    let [binding, whole] =
        [gpu.limits.max_storage_binding_bytes, gpu.limits.max_buffer_bytes].map(BinaryBytes);
    text += &row("buffers", &format!("{binding} in a binding, {whole} in all"));
    let memory = BinaryBytes(gpu.limits.workgroup_memory_bytes.into());
    text += &row("workgroups", &format!("{workgroup_invocations} invocations, {memory} of memory"));
    let yes = |there: bool| if there { "yes" } else { "no" };
    let subgroups = match gpu.limits.subgroup_size {
        Some((min, max)) if min == max => format!("of {min}"),
        Some((min, max)) => format!("of {min} to {max}"),
        None => "no".to_owned(),
    };
    text += &row(
        "features",
        &format!("f16 arithmetic: {}, subgroups: {subgroups}, timestamps: {}", yes(f16), yes(timestamps)),
    );
    for test in &gpu.self_tests {
        text += &row("self-test", &verdict(test));
    }
    text.push('\n');
    text
}

fn verdict(test: &SelfTest) -> String {
    match (&test.failure, test.worst) {
        (Some(failure), _) => format!("{}: FAILED: {failure}", test.what),
        (None, Some(worst)) if test.what != "colormap" => {
            format!("{}: ok, worst |Δφ| {worst:.1e}", test.what)
        }
        (None, _) => format!("{}: ok, every pixel", test.what),
    }
}

/// Only the first line has the label.
fn rows(label: &str, values: &[String]) -> String {
    values.iter().enumerate().map(|(n, value)| row(if n == 0 { label } else { "" }, value)).collect()
}

fn row(label: &str, value: &str) -> String {
    format!("   {label:<11} {value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{AutoTakes, GpuKind, Unseen};

    fn gpu(failure: Option<String>) -> Gpu {
        Gpu {
            index: 1,
            name: "Card".to_owned(),
            backend: "vulkan".to_owned(),
            driver: "Driver 1.2".to_owned(),
            kind: GpuKind::Discrete,
            pci: "65:00.0".parse().ok(),
            limits: GpuLimits {
                max_storage_binding_bytes: (2 << 30) - 1,
                max_buffer_bytes: 4 << 30,
                workgroup_memory_bytes: 49_152,
                workgroup_invocations: 1024,
                subgroup_size: Some((32, 32)),
                f16: true,
                timestamps: false,
            },
            self_tests: vec![
                SelfTest { what: "fused, f32", worst: Some(1.25e-7), failure },
                SelfTest { what: "colormap", worst: Some(0.0), failure: None },
            ],
        }
    }

    #[test]
    fn a_gpu_is_a_paragraph_that_ends_with_its_self_tests() {
        let survey = Survey {
            gpus: vec![gpu(None)],
            unseen: vec![],
            auto: AutoTakes { gpu: Some(1), why: "the first real GPU".to_owned(), warning: None },
        };
        assert_eq!(
            list(&survey),
            "1: Card (vulkan, discrete, PCI:0000:65:00.0)\n   driver      Driver 1.2\n   \
             buffers     2.00 GiB in a binding, 4.00 GiB in all\n   \
             workgroups  1024 invocations, 48.00 KiB of memory\n   \
             features    f16 arithmetic: yes, subgroups: of 32, timestamps: no\n   \
             self-test   fused, f32: ok, worst |Δφ| 1.2e-7\n   self-test   colormap: ok, every pixel\n\n\
             auto takes: gpu 1 for large enough work, the first real GPU\n"
        );
        assert!(survey.failing().is_empty());
    }

    /// Exactly what a program reads of a card's rates, which only the engine makes.
    #[cfg(feature = "gpu")]
    #[test]
    fn tuning_shows_what_the_card_reaches_and_each_kernel_of_it() {
        let Ok(tuning) = crate::engine::tune(&GpuChoice::Index(0), None) else { return };
        let n = tuning.kernels.len();
        let rates = tuning.rates;
        let timings = GpuTimings { gpu: 2, tuning };
        let text = table(&timings);
        let first = format!(
            "\nkernels of gpu 2, which now reaches {:.4} TFLOP/s of multiply-adds (FMA) and copies {:.1} GB/s:\n",
            rates.fma_gflop_per_s / 1e3,
            rates.copy_gb_per_s
        );
        assert!(text.starts_with(&first), "{text}");
        assert_eq!(text.matches(" % of FMA ").count(), n);
        assert_eq!(
            text.matches(" *\n").count(),
            4,
            "a fastest one for each precision and kind of work: {text}"
        );
        let json = serde_json::to_value(&timings).unwrap();
        assert_eq!(json["fma_gflop_per_s"], rates.fma_gflop_per_s);
        assert_eq!(json["copy_gb_per_s"], rates.copy_gb_per_s);
        let kernels = json["kernels"].as_array().unwrap();
        assert_eq!(kernels.len(), n);
        for timing in kernels {
            let [share, copy, rate] =
                ["share_of_fma", "share_of_copy", "gflop_per_s"].map(|key| timing[key].as_f64().unwrap());
            assert!((share - rate / rates.fma_gflop_per_s).abs() < 1e-12, "{timing}");
            assert!(share > 0.0 && share < 1.2 && copy > 0.0 && copy < 1.2, "{timing}");
        }
    }

    #[test]
    fn a_failure_and_a_card_without_a_device_say_what_is_wrong() {
        let survey = Survey {
            gpus: vec![gpu(Some("it differs".to_owned()))],
            unseen: vec![Unseen {
                card: "NVIDIA card (/dev/nvidia0)".to_owned(),
                cause: "no loader".to_owned(),
                way_out: "install it".to_owned(),
                commands: vec!["first".to_owned(), "second".to_owned()],
                seen: vec!["kernel module 550.1".to_owned()],
            }],
            auto: AutoTakes { gpu: None, why: "no GPU: none".to_owned(), warning: None },
        };
        let text = list(&survey);
        for line in [
            "   self-test   fused, f32: FAILED: it differs\n",
            "NVIDIA card (/dev/nvidia0): no Vulkan device\n   why         no loader\n   fix         install it\n   \
             type        first\n               second\n   found       kernel module 550.1\n\n",
            "auto takes: cpu, no GPU: none\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert_eq!(survey.failing(), [1]);
    }
}
