//! Every console block of the README, run as it stands there.

mod common;

use std::path::Path;
use std::process::Command;

/// The blocks of one language: their lines.
fn blocks(language: &str) -> Vec<Vec<&'static str>> {
    let readme = include_str!("../README.md");
    let mut blocks = vec![];
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if line == format!("```{language}") {
            blocks.push(lines.by_ref().take_while(|line| *line != "```").collect());
        }
    }
    blocks
}

/// The engine differs from machine to machine, and what a software driver's window system part says.
fn without_machine(line: &str) -> bool {
    !line.starts_with("engine: ") && !line.contains("XDG_RUNTIME_DIR")
}

#[test]
fn console_blocks_print_what_they_show() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // The commands name files of the repository and write into the current folder.
    let tests = folder.path().join("tests");
    #[cfg(unix)]
    std::os::unix::fs::symlink(root.join("tests"), &tests).unwrap();
    #[cfg(windows)]
    std::os::windows::fs::symlink_dir(root.join("tests"), &tests).unwrap();
    let blocks = blocks("console");
    assert!(blocks.len() >= 2);
    for block in blocks {
        let command = block[0].strip_prefix("$ lorascope ").expect("a block begins with its command");
        assert!(block[1..].iter().all(|line| !line.starts_with('$')), "one command a block");
        let output = Command::new(env!("CARGO_BIN_EXE_lorascope"))
            .args(command.split_whitespace())
            .current_dir(folder.path())
            // The cache of bases too is this test's own.
            .env("XDG_CACHE_HOME", folder.path().join("cache"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}");
        // A terminal shows both streams; a block shows the first lines of that.
        let printed = [output.stderr, output.stdout].concat();
        let printed = String::from_utf8(printed).unwrap();
        let printed: Vec<&str> = printed.lines().filter(|line| without_machine(line)).collect();
        let shown: Vec<&str> = block[1..].iter().copied().filter(|line| without_machine(line)).collect();
        assert!(
            !shown.is_empty() && printed.starts_with(&shown),
            "{command}\nprinted: {printed:#?}\nshown: {shown:#?}"
        );
    }
}

/// Needs numpy: `LORASCOPE_PYTHON` names an interpreter that has it, as tests/run.sh sees to.
#[test]
fn the_python_block_reads_what_compare_saves() {
    let Some(python) = std::env::var_os("LORASCOPE_PYTHON") else {
        println!("skipped: LORASCOPE_PYTHON names no interpreter with numpy");
        return;
    };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runs = ["seed0-r64-layer5", "seed1-r64-layer5"].map(|run| format!("tests/data/adapters/{run}"));
    let saved = Command::new(env!("CARGO_BIN_EXE_lorascope"))
        .args([
            "compare",
            &runs[0],
            &runs[1],
            "-q",
            "--save",
            folder.path().join("grids.npz").to_str().unwrap(),
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(saved.status.success());
    let block: Vec<&str> = blocks("python").concat();
    let script =
        format!("{}\nassert abs(phi[7, 7] - 0.4253) < 1e-4 and meta['side'] == 'a'", block.join("\n"));
    let output = Command::new(python).args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn shell_blocks_are_the_ones_that_ci_runs() {
    let commands: Vec<&str> = blocks("sh").concat();
    assert_eq!(
        commands,
        ["cargo run --release -- demo", "bash tests/run.sh", "cargo install --locked --path ."]
    );
    let ci = include_str!("../.ci/run");
    for command in commands {
        assert!(ci.contains(command), "{command}");
    }
}
