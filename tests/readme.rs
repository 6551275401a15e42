//! Every console block of the README and of docs/, run as it stands there, and every link followed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and the files of docs/, with their text.
fn documents() -> Vec<(PathBuf, String)> {
    let docs = root().join("docs").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        docs.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    paths.sort();
    paths.insert(0, root().join("README.md"));
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

/// The blocks of one language in a document: their lines.
fn blocks<'a>(document: &'a str, language: &str) -> Vec<Vec<&'a str>> {
    let mut blocks = vec![];
    let mut lines = document.lines();
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
    let mut n_blocks = 0;
    for (path, document) in documents() {
        // One folder for each document: its later blocks may read what the earlier ones wrote.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        // The commands name files of the repository and write into the current folder.
        let tests = folder.path().join("tests");
        #[cfg(unix)]
        std::os::unix::fs::symlink(root().join("tests"), &tests).unwrap();
        #[cfg(windows)]
        std::os::windows::fs::symlink_dir(root().join("tests"), &tests).unwrap();
        for block in blocks(&document, "console") {
            n_blocks += 1;
            run(&path, folder.path(), &block);
        }
    }
    assert!(n_blocks >= 9, "{n_blocks} console blocks in all documents");
}

/// Runs the command of a block in this folder and compares what it prints.
fn run(document: &Path, folder: &Path, block: &[&str]) {
    let document = document.display();
    let command = block[0].strip_prefix("$ lorascope ").expect("a block begins with its command");
    assert!(block[1..].iter().all(|line| !line.starts_with('$')), "{document}: one command a block");
    let output = Command::new(env!("CARGO_BIN_EXE_lorascope"))
        .args(command.split_whitespace())
        .current_dir(folder)
        // The cache of bases too is this test's own.
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{document}: {command}");
    // A terminal shows both streams; a block shows the first lines of that.
    let printed = [output.stderr, output.stdout].concat();
    let printed = String::from_utf8(printed).unwrap();
    let printed: Vec<&str> = printed.lines().filter(|line| without_machine(line)).collect();
    let shown: Vec<&str> = block[1..].iter().copied().filter(|line| without_machine(line)).collect();
    assert!(
        !shown.is_empty() && printed.starts_with(&shown),
        "{document}: {command}\nprinted: {printed:#?}\nshown: {shown:#?}"
    );
}

/// Needs numpy and safetensors: `LORASCOPE_PYTHON` names an interpreter that has them, as tests/run.sh sees to.
#[test]
fn the_python_blocks_read_what_compare_saves_and_a_scan_caches() {
    let Some(python) = std::env::var_os("LORASCOPE_PYTHON") else {
        println!("skipped: LORASCOPE_PYTHON names no interpreter with numpy");
        return;
    };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for command in ["compare -q --save grids.npz", "scan -q --engine cpu -o out --cache bases"] {
        let adapters = ["seed0-r64-layer5", "seed1-r64-layer5"];
        let ended = Command::new(env!("CARGO_BIN_EXE_lorascope"))
            .args(command.split(' '))
            .args(adapters.map(|adapter| root().join("tests/data/adapters").join(adapter)))
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    let documents = documents();
    let blocks: Vec<Vec<&str>> =
        documents.iter().flat_map(|(_, document)| blocks(document, "python")).collect();
    let checks = "assert abs(phi[7, 7] - 0.4253) < 1e-4 and meta['side'] == 'a'
assert product.shape == (64, 64) and abs(phi_full - phi[63, 63]) < 1e-5";
    let script = format!("{}\n{checks}", blocks.concat().join("\n"));
    let output = Command::new(python).args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn shell_blocks_are_the_ones_that_ci_runs() {
    let documents = documents();
    let commands: Vec<&str> =
        documents.iter().flat_map(|(_, document)| blocks(document, "sh")).flatten().collect();
    assert_eq!(
        commands,
        [
            "cargo run --release -- demo",
            "bash tests/run.sh",
            "pip install ./python",
            "cargo install --locked --path ."
        ]
    );
    let ci = include_str!("../.ci/run");
    for command in commands {
        assert!(ci.contains(command), "{command}");
    }
}

/// The anchor that GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The lines of a document outside its code blocks.
fn prose(document: &str) -> impl Iterator<Item = &str> {
    let mut in_block = false;
    document.lines().filter(move |line| {
        in_block ^= line.starts_with("```");
        !in_block
    })
}

fn anchors(document: &str) -> BTreeSet<String> {
    let headings = prose(document).filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn links_lead_to_files_and_headings_that_are_there() {
    let mut documents = documents();
    for other in ["CONTRIBUTING.md", "benches/README.md", "shaders/README.md"] {
        let path = root().join(other);
        documents.push((path.clone(), fs::read_to_string(&path).unwrap()));
    }
    let mut n_links = 0;
    for (path, document) in &documents {
        let links = prose(document)
            .flat_map(|line| line.split("](").skip(1))
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("https://")) {
            n_links += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", path.display());
            if !heading.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                assert!(anchors(&text).contains(heading), "{}: {link}", path.display());
            }
        }
    }
    assert!(n_links >= 30, "{n_links} links in all documents");
}

/// The names of all functions under a folder.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let named = text.lines().filter_map(|line| line.trim_start().strip_prefix("fn "));
            names.extend(named.filter_map(|rest| rest.split_once('(')).map(|(name, _)| name.to_owned()));
        }
    }
}

#[test]
fn every_fault_of_the_docs_has_the_test_that_they_name() {
    let mut names = BTreeSet::new();
    for folder in ["src", "tests"] {
        functions(&root().join(folder), &mut names);
    }
    let faults = fs::read_to_string(root().join("docs/faults.md")).unwrap();
    let rows: Vec<&str> =
        faults.lines().filter(|line| line.starts_with("| ") && line.contains("` |")).collect();
    assert!(rows.len() > 30, "{}", rows.len());
    for row in rows {
        let tests = row.rsplit("| ").next().unwrap().trim_end_matches(" |");
        for test in tests.split(", ") {
            assert!(names.contains(test.trim_matches('`')), "{test} in: {row}");
        }
    }
}
