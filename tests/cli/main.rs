//! The command line, one command a test. Help texts and plain errors are in `cmd/*.trycmd`.

#[path = "../common/mod.rs"]
mod common;

mod animations;
mod figures;
mod weight_sides;
mod weights;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::checkpoints::Checkpoint;
use serde_json::Value;

const RUN_A: &str = "tests/data/adapters/seed0-r8-layer5";
const RUN_B: &str = "tests/data/adapters/seed1-r8-layer5";

fn lorascope(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lorascope"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("NO_COLOR");
    command
}

fn run(args: &[&str]) -> Output {
    lorascope(args).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// Standard error without what a software Vulkan driver's window system part may say.
fn stderr(output: &Output) -> String {
    let text = std::str::from_utf8(&output.stderr).unwrap();
    text.lines().filter(|line| !line.contains("XDG_RUNTIME_DIR")).map(|line| format!("{line}\n")).collect()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn help_and_plain_errors_are_as_recorded() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}

#[test]
fn demo_draws_a_picture_and_says_where_and_how() {
    let folder = folder();
    let output = lorascope(&["demo"]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success());
    assert!(stderr(&output).contains("engine: cpu ("), "{}", stderr(&output));
    assert!(stderr(&output).contains("wrote: lorascope-demo.png (3600 × "), "{}", stderr(&output));
    let rows = ["horizontal band", "vertical band", "sparsity", "depth", "φ(8, 8), baseline, z"];
    assert!(rows.iter().all(|row| stdout(&output).contains(row)), "{}", stdout(&output));
    let files: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["lorascope-demo.png"]);
    let picture = image::open(folder.path().join("lorascope-demo.png")).unwrap();
    assert_eq!(picture.width(), 3600);
}

#[test]
fn demo_says_that_q_and_v_agree_and_the_control_does_not() {
    let output = run(&["demo", "-q", "--json", "-o", &text(&folder().path().join("x.png"))]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let word = |panel: usize, band: &str| document["panels"][panel][band]["strength"].clone();
    for panel in [0, 1] {
        assert_eq!((word(panel, "horizontal"), word(panel, "vertical")), ("strong".into(), "strong".into()));
    }
    assert_eq!((word(2, "horizontal"), word(2, "vertical")), ("none".into(), "none".into()));
    let phi = document["panels"][1]["phi_8_8"]["phi"].as_f64().unwrap();
    assert!((phi - 0.4253).abs() < 1e-4, "{phi}");
}

#[test]
fn json_names_the_tensors_the_ranks_and_what_made_it() {
    let folder = folder();
    let png = text(&folder.path().join("x.png"));
    let output = run(&["figure", RUN_A, "tests/data/adapters/seed1-r64-layer5", "--json", "-q", "-o", &png]);
    assert_eq!(stderr(&output), "");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], 1);
    assert_eq!(document["figure"]["path"], png.as_str());
    assert_eq!(document["engine"]["kind"], "cpu");
    assert_eq!((&document["side"], &document["seed"]), (&"a".into(), &0.into()));
    let panel = &document["panels"][0];
    assert_eq!(panel["module"], "encoder.layer.5.attention.self.query");
    assert_eq!(panel["tensors_a"][0], "base_model.model.encoder.layer.5.attention.self.query.lora_A.weight");
    assert_eq!(
        (panel["r_a"].as_u64(), panel["q_b"].as_u64(), panel["d"].as_u64()),
        (Some(8), Some(64), Some(384))
    );
    assert_eq!(document["panels"][2]["module"], Value::Null);
}

#[test]
fn a_dash_writes_the_picture_to_stdout_and_the_summary_to_stderr() {
    let folder = folder();
    let png = folder.path().join("x.png");
    assert!(run(&["figure", RUN_A, RUN_B, "-q", "-o", &text(&png)]).status.success());
    let output = run(&["figure", RUN_A, RUN_B, "-o", "-"]);
    assert!(output.stdout == fs::read(png).unwrap());
    assert!(stderr(&output).contains("vertical band"));
}

#[test]
fn the_same_input_gives_the_same_bytes_on_any_number_of_threads() {
    let picture =
        |threads: &str| run(&["figure", RUN_A, RUN_B, "-q", "-o", "-", "--threads", threads]).stdout;
    let one = picture("1");
    assert!(!one.is_empty() && one == picture("2") && one == picture("7"));
}

#[test]
fn quiet_leaves_stderr_empty_and_verbose_names_the_tensors() {
    let folder = folder();
    let png = text(&folder.path().join("x.png"));
    let quiet = run(&["figure", RUN_A, RUN_B, "-q", "-o", &png]);
    assert_eq!(stderr(&quiet), "");
    assert!(stdout(&quiet).contains("vertical band"));
    let verbose = run(&["figure", RUN_A, RUN_B, "-v", "-o", &png]);
    let tensor = "base_model.model.encoder.layer.5.attention.self.value.lora_A.weight (F32, r = 8, d = 384";
    assert!(stderr(&verbose).contains(tensor), "{}", stderr(&verbose));
    assert!(stderr(&verbose).contains("to read and factorise"));
}

#[test]
fn colours_are_for_terminals_and_follow_no_color() {
    let error = |variable: &str| {
        let output = lorascope(&["figure", "nothing", RUN_B]).env(variable, "1").output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        stderr(&output).contains('\u{1b}')
    };
    assert!(error("CLICOLOR_FORCE"));
    assert!(!error("NO_COLOR"));
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success() && stdout(&output).contains("palette"), "{shell}");
    }
}

#[cfg(unix)]
#[test]
fn a_closed_stdout_is_no_error_for_any_result() {
    for command in ["completions bash", "--help"] {
        // Nobody reads: `:` ends before the program writes.
        let binary = env!("CARGO_BIN_EXE_lorascope");
        let script = format!("set -o pipefail; (sleep 0.2; '{binary}' {command}) | :");
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{command}: {}", stderr(&output));
    }
}

#[test]
fn counts_ranges_and_names_that_make_no_sense_are_usage_errors() {
    for args in [
        ["--threads", "0"],
        ["--threads", "100000"],
        ["--projections", "q,,v"],
        ["--projections", ""],
        ["--vmin", "nan"],
        ["--vmax", "inf"],
        ["--dpi", "1e300"],
        ["--width", "-3"],
        ["--palette", "jet"],
        ["--seed", "-1"],
        ["--gpu", ""],
        ["--gpu=0", "--engine=cpu"],
    ] {
        let output = run(&[&["figure", RUN_A, RUN_B], &args[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn the_version_names_the_commit() {
    let output = run(&["--version"]);
    let version = stdout(&output).trim_end();
    assert!(version.starts_with(concat!("lorascope ", env!("CARGO_PKG_VERSION"), " (commit ")), "{version}");
    assert!(version.ends_with(')'));
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let script = format!(
        "'{}' figure {RUN_A} {RUN_B} -q -o - --dpi 600 | head -c 100 >&2",
        env!("CARGO_BIN_EXE_lorascope")
    );
    let output = Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {script}")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr.len(), 100);
}

#[test]
fn an_output_that_cannot_be_written_is_known_before_the_work() {
    let folder = folder();
    let missing = text(&folder.path().join("missing/x.png"));
    let output = run(&["figure", RUN_A, RUN_B, "-o", &missing]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains(&format!("error: {missing}: its folder does not exist")), "{message}");
    assert!(message.contains("hint: create it first: mkdir -p"), "{message}");
    assert!(!message.contains("engine:"), "{message}");

    let taken = folder.path().join("folder.png");
    fs::create_dir(&taken).unwrap();
    let output = run(&["figure", RUN_A, RUN_B, "-o", &text(&taken)]);
    assert!(stderr(&output).contains("this is a folder, not a file"), "{}", stderr(&output));
}

#[test]
fn an_error_leaves_an_older_picture_as_it_was_and_nothing_beside_it() {
    let folder = folder();
    let png = folder.path().join("x.png");
    fs::write(&png, "an older picture").unwrap();
    let broken = Adapter::new(&folder).factor(|at| if at == 5 { f32::NAN } else { 1.0 }).save("broken");
    let output = run(&["figure", &broken, &broken, "-o", &text(&png)]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read(&png).unwrap(), b"an older picture");
    assert_eq!(folder.path().read_dir().unwrap().count(), 2);
}

#[test]
fn a_folder_for_a_picture_is_a_usage_error() {
    let folder = folder();
    for name in ["pictures/", "pictures.png/"] {
        let output = run(&["figure", RUN_A, RUN_B, "-o", &text(&folder.path().join(name))]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(stderr(&output).contains("this is a folder; name a .png file in it"), "{}", stderr(&output));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_with_the_output() {
    let script = format!("'{}' demo -q -o - > /dev/full", env!("CARGO_BIN_EXE_lorascope"));
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("error: stdout: cannot write: No space left on device"),
        "{}",
        stderr(&output)
    );
}

#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_written_is_an_error() {
    let run = |args: &str| {
        let script = format!("'{}' {args}", env!("CARGO_BIN_EXE_lorascope"));
        Command::new("bash").args(["-c", &script]).output().unwrap()
    };
    for args in ["--help", "scan -h", "--version"] {
        let output = run(&format!("{args} > /dev/full"));
        assert_eq!(output.status.code(), Some(1), "{args}");
        let said = "error: cannot write to stdout: No space left on device (os error 28)\n";
        assert_eq!(stderr(&output), said, "{args}");
        assert_eq!(run(&format!("{args} > /dev/null")).status.code(), Some(0), "{args}");
    }
    assert_eq!(run("--nothing 2> /dev/null").status.code(), Some(2));
}

#[test]
fn names_that_turn_the_direction_of_text_are_escaped() {
    let output = run(&["inspect", "a\u{202e}b"]);
    assert!(stderr(&output).contains("error: a\\u{202e}b: "), "{}", stderr(&output));
}

#[cfg(unix)]
#[test]
fn a_picture_keeps_the_permissions_of_the_one_it_replaces() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let png = folder.path().join("x.png");
    fs::write(&png, "old").unwrap();
    fs::set_permissions(&png, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(run(&["figure", RUN_A, RUN_B, "-q", "-o", &text(&png)]).status.success());
    assert_eq!(fs::metadata(&png).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn names_from_a_file_cannot_write_to_the_terminal() {
    let folder = folder();
    let hostile = Adapter::new(&folder).module("h.0.\u{1b}[31mred\nFAKE: line").save("hostile");
    let output = run(&["figure", &hostile, &hostile, "-v", "-o", &text(&folder.path().join("x.png"))]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        !stdout(&output).contains('\u{1b}') && !stdout(&output).contains("\nFAKE"),
        "{}",
        stdout(&output)
    );
    assert!(
        !stderr(&output).contains('\u{1b}') && !stderr(&output).contains("\nFAKE"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_name_of_four_thousand_bytes_is_drawn_in_time_and_one_of_a_megabyte_refused() {
    let folder = folder();
    let figure = |n: usize| {
        let long = Adapter::new(&folder).module(&format!("h.0.{}", "x".repeat(n))).save("long");
        run(&["figure", &long, &long, "-o", &text(&folder.path().join("x.png"))])
    };
    let output = figure(4000);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).len() < 10_000);
    let output = figure(1 << 20);
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    assert!(error.contains("bytes, expected at most 4096") && error.len() < 1000, "{error}");
}

#[cfg(unix)]
#[test]
fn a_link_to_a_picture_stays_a_link() {
    let folder = folder();
    let (png, link) = (folder.path().join("x.png"), folder.path().join("link.png"));
    fs::write(&png, "old").unwrap();
    std::os::unix::fs::symlink(&png, &link).unwrap();
    assert!(run(&["figure", RUN_A, RUN_B, "-q", "-o", &text(&link)]).status.success());
    assert!(link.is_symlink() && fs::read(&png).unwrap().starts_with(b"\x89PNG"));
    // Also where the link leads to nothing yet.
    fs::remove_file(&png).unwrap();
    assert!(run(&["figure", RUN_A, RUN_B, "-q", "-o", &text(&link)]).status.success());
    assert!(link.is_symlink() && fs::read(&png).unwrap().starts_with(b"\x89PNG"));
}

/// A bare file with one module of rank 2, written with the reference implementation of its format.
struct Adapter {
    folder: PathBuf,
    module: String,
    d_in: usize,
    values: Vec<f32>,
}

impl Adapter {
    fn new(folder: &tempfile::TempDir) -> Self {
        let values = (0..12).map(|at| at as f32 + 0.5).collect();
        Self { folder: folder.path().to_owned(), module: "h.0.attn.q_proj".into(), d_in: 6, values }
    }

    fn module(mut self, name: &str) -> Self {
        self.module = name.to_owned();
        self
    }

    fn d_in(mut self, d_in: usize) -> Self {
        self.d_in = d_in;
        self.values = (0..2 * d_in).map(|at| (at * at) as f32 + 0.5).collect();
        self
    }

    /// Both factors hold these numbers.
    fn factor(mut self, value: impl Fn(usize) -> f32) -> Self {
        self.values = (0..2 * self.d_in).map(value).collect();
        self
    }

    fn save(self, name: &str) -> String {
        use safetensors::tensor::TensorView;
        let bytes: Vec<u8> = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let view = |shape| TensorView::new(safetensors::Dtype::F32, shape, &bytes).unwrap();
        let path = self.folder.join(name).with_extension("safetensors");
        let tensors = [
            (format!("base_model.model.{}.lora_A.weight", self.module), view(vec![2, self.d_in])),
            (format!("base_model.model.{}.lora_B.weight", self.module), view(vec![self.d_in, 2])),
        ];
        safetensors::serialize_to_file(tensors, None, &path).unwrap();
        text(&path)
    }
}

/// The messages of a failing figure, without the folder.
fn failure(folder: &tempfile::TempDir, args: &[&str]) -> String {
    let png = text(&folder.path().join("x.png"));
    let output = run(&[&["figure"], args, &["-q", "-o", &png]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(!Path::new(&png).exists());
    stderr(&output).replace(&format!("{}/", text(folder.path())), "")
}

#[test]
fn a_factor_of_zeros_is_named_and_never_drawn() {
    let folder = folder();
    let good = Adapter::new(&folder).save("good");
    let zero = Adapter::new(&folder).factor(|_| 0.0).save("zero");
    assert_eq!(
        failure(&folder, &[&good, &zero, "--side", "b"]),
        "error: zero.safetensors: tensor `base_model.model.h.0.attn.q_proj.lora_B.weight`: found nothing but \
         zeros in 6 × 2, expected a trained factor\nhint: B starts at zero and was not trained in this module: only --side a has \
         a subspace of it\n"
    );
}

#[test]
fn a_number_that_is_not_finite_is_named_with_its_place() {
    let folder = folder();
    let good = Adapter::new(&folder).save("good");
    let broken = Adapter::new(&folder).factor(|at| if at == 8 { f32::INFINITY } else { 1.0 }).save("broken");
    assert_eq!(
        failure(&folder, &[&good, &broken]),
        "error: broken.safetensors: tensor `base_model.model.h.0.attn.q_proj.lora_A.weight`: found inf at [1, 2], \
         expected finite numbers\n"
    );
}

#[test]
fn different_dimensions_of_a_module_are_named_with_both_files() {
    let folder = folder();
    let (six, nine) = (Adapter::new(&folder).save("six"), Adapter::new(&folder).d_in(9).save("nine"));
    assert_eq!(
        failure(&folder, &[&six, &nine]),
        "error: six.safetensors: module `h.0.attn.q_proj`: found d_in = 6, expected 9 as in nine.safetensors\n\
         hint: both adapters must be of one base model\n"
    );
}

#[test]
fn directions_lost_in_rounding_are_told() {
    let folder = folder();
    let thin = Adapter::new(&folder).factor(|at| (at % 6) as f32 + 1.0).save("thin");
    let output = run(&["figure", &thin, &thin, "-o", &text(&folder.path().join("x.png"))]);
    assert!(output.status.success());
    assert!(stderr(&output).contains("h.0.attn.q_proj: numerical rank 1 of 2: "), "{}", stderr(&output));
}

#[test]
fn a_gpu_that_is_asked_for_and_missing_is_an_error() {
    for args in [["--engine", "gpu", "--gpu", "99"], ["--gpu", "no such card", "--engine", "auto"]] {
        let message = failure(&folder(), &[&[RUN_A, RUN_B], &args[..]].concat());
        assert!(message.starts_with("error: GPU: found "), "{message}");
        assert!(message.contains("hint: "), "{message}");
    }
}

#[test]
fn the_gpu_draws_what_the_cpu_draws() {
    if common::engines::gpu().is_none() {
        return;
    }
    let folder = folder();
    let json = |engine: &[&str]| -> Value {
        let png = text(&folder.path().join("x.png"));
        let args = [&["figure", RUN_A, RUN_B, "-q", "--json", "-o", &png], engine].concat();
        let output = run(&args);
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (gpu, cpu) = (json(&["--gpu", "0"]), json(&["--engine", "cpu"]));
    assert_eq!((&gpu["engine"]["kind"], &cpu["engine"]["kind"]), (&"gpu".into(), &"cpu".into()));
    for panel in 0..3 {
        for path in
            ["/peak_8x8/value", "/excess_peak/value", "/horizontal/mean", "/vertical/mean", "/phi_r_r/phi"]
        {
            let value = |document: &Value| document["panels"][panel].pointer(path).unwrap().as_f64().unwrap();
            assert!((value(&gpu) - value(&cpu)).abs() < 2e-5, "panel {panel}, {path}");
        }
    }
}

/// The whole canvas would take 300 MB by itself.
#[cfg(target_os = "linux")]
#[test]
fn a_picture_16384_pixels_wide_needs_less_than_300_mb() {
    let folder = folder();
    let png = folder.path().join("x.png");
    let script = format!(
        "ulimit -v 300000; exec '{}' demo -q --threads 2 --dpi 1366 -o '{}'",
        env!("CARGO_BIN_EXE_lorascope"),
        text(&png)
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(image::image_dimensions(&png).unwrap().0, 16_392);
}

#[test]
fn devices_lists_every_gpu_tests_each_and_says_what_auto_takes() {
    let output = run(&["devices", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&document["schema"], &document["version"]), (&1.into(), &env!("CARGO_PKG_VERSION").into()));
    let gpus = document["gpus"].as_array().unwrap();
    assert_eq!(gpus.is_empty(), common::engines::gpu().is_none());
    for (index, gpu) in gpus.iter().enumerate() {
        assert_eq!(gpu["index"], index);
        assert!(gpu["limits"]["max_storage_binding_bytes"].as_u64().unwrap() >= 128 << 20);
        let tests = gpu["self_tests"].as_array().unwrap();
        let names: Vec<_> = tests.iter().map(|test| test["what"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "fused, f32",
                "carried, f32",
                "pair stats, f32",
                "colormap",
                "fused, f16",
                "carried, f16",
                "pair stats, f16"
            ]
        );
        for test in tests {
            assert!(test["failure"].is_null() && test["worst"].as_f64().unwrap() <= 2e-5, "{test}");
        }
    }
    let real = gpus.iter().any(|gpu| gpu["type"] != "software");
    assert_eq!(document["auto"]["gpu"].is_u64(), real);
    // The same for people.
    let output = run(&["devices"]);
    let text = stdout(&output);
    assert!(text.lines().last().unwrap().starts_with("auto takes: "), "{text}");
    assert_eq!(text.matches("self-test").count(), 7 * gpus.len(), "{text}");
}

#[test]
fn no_card_is_taken_where_the_environment_allows_none() {
    let command = |args: &[&str]| {
        let mut command = lorascope(args);
        command.env("CUDA_VISIBLE_DEVICES", "-1");
        command.output().unwrap()
    };
    let output = command(&["devices"]);
    assert!(
        stdout(&output).contains("auto takes: cpu, no GPU: CUDA_VISIBLE_DEVICES=-1, which allows no card"),
        "{}",
        stdout(&output)
    );
    let output = command(&["figure", RUN_A, RUN_B, "--engine", "gpu", "-o", "-"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("CUDA_VISIBLE_DEVICES=-1, which allows no card"), "{}", stderr(&output));
}

#[test]
fn the_precision_is_kept_on_both_engines_and_recorded() {
    let folder = folder();
    let png = text(&folder.path().join("x.png"));
    let mut engines = vec![vec!["--engine", "cpu"], vec!["--engine", "auto"]];
    if common::engines::gpu().is_some() {
        engines.push(vec!["--gpu", "0"]);
    }
    for engine in engines {
        let json = |precision: &str| -> Value {
            let args = ["figure", RUN_A, RUN_B, "-q", "--json", "-o", &png, "--precision", precision];
            let output = run(&[&args, &engine[..]].concat());
            assert!(output.status.success(), "{}", stderr(&output));
            serde_json::from_slice(&output.stdout).unwrap()
        };
        let [f32, f16] = ["f32", "f16"].map(json);
        assert_eq!(
            (&f32["engine"]["precision"], &f16["engine"]["precision"]),
            (&"f32".into(), &"f16".into())
        );
        let phi = |document: &Value| document["panels"][0]["phi_r_r"]["phi"].as_f64().unwrap();
        let difference = (phi(&f32) - phi(&f16)).abs();
        assert!(difference > 0.0 && difference < 5e-4, "{engine:?}: {difference:e}");
    }
    let output = run(&["demo", "--precision", "f64"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("expected `f32` or `f16`"), "{}", stderr(&output));
}

#[test]
fn a_figure_says_how_much_of_each_panel_is_over_its_range() {
    let folder = folder();
    let of = |args: &[&str]| {
        let mut command = lorascope(&["demo", "-o"]);
        let output = command.arg(folder.path().join("x.png")).args(args).output().unwrap();
        assert!(output.status.success());
        stderr(&output).lines().filter(|line| line.contains("--vmax")).map(str::to_owned).collect::<Vec<_>>()
    };
    // Counted in the demo's grids by numpy.
    assert_eq!(of(&[]), ["note: 3 % of ΔW_q, 38 % of ΔW_v are over 0.5: --vmax auto"]);
    assert_eq!(of(&["--vmax", "0.7"]), ["note: under 1 % of ΔW_v is over 0.7: --vmax auto"]);
    assert_eq!(of(&["--vmax", "auto"]), Vec::<String>::new());
    assert_eq!(of(&["--vmax", "1"]), Vec::<String>::new());
    assert_eq!(of(&["-q"]), Vec::<String>::new());
}

/// The warnings of a comparison, without their labels, and without what `compare` says where no config has an alpha.
fn warned(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", stderr(output));
    let text = stderr(output);
    let warnings = text.lines().filter_map(|line| line.strip_prefix("warning: "));
    warnings.filter(|warning| !warning.starts_with("no alpha for ")).map(str::to_owned).collect()
}

#[test]
fn one_file_under_two_names_and_copies_are_said_to_be_that() {
    let folder = folder();
    let (root, a, link, copy) =
        (folder.path(), folder.path().join("a"), folder.path().join("link"), folder.path().join("copy"));
    let tensors = "adapter_model.safetensors";
    fs::create_dir_all(&a).unwrap();
    fs::create_dir_all(&copy).unwrap();
    fs::create_dir_all(root.join("touched")).unwrap();
    for name in [tensors, "adapter_config.json"] {
        fs::copy(Path::new(RUN_A).join(name), a.join(name)).unwrap();
        fs::copy(Path::new(RUN_A).join(name), copy.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("a", &link).unwrap();
    let mut bytes = fs::read(a.join(tensors)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(root.join("touched").join(tensors), bytes).unwrap();

    let of = |command: &str, names: [&str; 2]| {
        let picture = if command == "figure" { "x.png" } else { "-" };
        let args = [command, names[0], names[1], "-o", picture, "--side", "b", "--engine", "cpu"];
        warned(&lorascope(&args).current_dir(root).output().unwrap())
    };
    for command in ["figure", "compare"] {
        for other in ["a", "./a", "link", "a/adapter_model.safetensors"] {
            assert_eq!(of(command, ["a", other]), [format!("a and {other} are one file, so every φ is 1")]);
        }
        assert_eq!(
            of(command, ["a", "copy"]),
            ["a and copy are copies, the same in every byte, so every φ is 1"]
        );
        let touched = of(command, ["a", "touched"]);
        assert!(touched.len() == 1 && touched[0].contains("share the random start of A"), "{touched:?}");
    }
}

#[test]
fn modules_with_one_a_are_said_to_be_one_panel_several_times() {
    let folder = folder();
    let modules = [("transformer.h.0.attn.c_attn", 24, 72), ("transformer.h.1.attn.c_attn", 24, 72)];
    for seed in [1, 2] {
        Checkpoint::new(seed).base(None).modules(&modules).write(&folder.path().join(seed.to_string()));
    }
    let of = |args: &[&str]| {
        let output = lorascope(args).args(["--engine", "cpu"]).current_dir(folder.path()).output().unwrap();
        warned(&output)
    };
    let one = "`h.0.attn.c_attn.q`, `h.0.attn.c_attn.k`, `h.0.attn.c_attn.v` have one A in each file, so they are one \
               comparison 3 times on this side: compare --side b, where each has a B of its own";
    assert_eq!(of(&["figure", "1", "2", "--projections", "q,k,v", "--layer", "0", "-o", "x.png"]), [one]);
    let of_all = of(&["compare", "1", "2", "--projections", "q,k,v"]);
    assert_eq!(of_all, [format!("{one}; the same holds for 1 other group")]);
    assert_eq!(of(&["compare", "1", "2", "--side", "b"]), Vec::<String>::new());
    assert_eq!(of(&["compare", "1", "2", "--projections", "q"]), Vec::<String>::new());
}
