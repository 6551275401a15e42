//! That Vulkan's validation layer has nothing to say while every kernel runs.
//!
//! The layer writes to the process's own stdout. (Through wgpu's debug messages it would reach the `log` crate, but these
//! add names to SPIR-V that layers of 2023 refuse to read on from.)

use std::fs;
use std::path::Path;
use std::process::Command;

/// What the layer writes while `lorascope devices`, which runs every kernel on every GPU, works under these settings;
/// `None`, said aloud, where the layer is not installed.
fn said(settings: &Path) -> Option<Vec<String>> {
    let folders = ["/usr/share/vulkan/explicit_layer.d", "/etc/vulkan/explicit_layer.d"];
    let is_layer = |entry: fs::DirEntry| entry.file_name().to_string_lossy().contains("khronos_validation");
    let is_installed = |folder: &&str| {
        Path::new(folder).read_dir().is_ok_and(|mut files| files.any(|file| is_layer(file.unwrap())))
    };
    if !folders.iter().any(is_installed) {
        println!("skipped: Vulkan's validation layer is not installed");
        return None;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_lorascope"))
        .args(["devices", "--json"])
        .env("WGPU_VALIDATION", "1")
        .env_remove("WGPU_DEBUG")
        .env("VK_LAYER_SETTINGS_PATH", settings)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    if !printed.contains("\"index\"") {
        println!("skipped: there is no GPU, not even a software one");
        return None;
    }
    Some(printed.lines().filter(|line| line.contains("alidation")).map(str::to_owned).collect())
}

#[test]
fn the_validation_layer_is_quiet_while_every_kernel_runs() {
    if let Some(said) = said(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vulkan")) {
        assert!(said.is_empty(), "{said:#?}");
    }
}

#[test]
fn the_validation_layer_would_be_heard() {
    // Of best practices it has always something to say.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let settings = "khronos_validation.enables = VK_VALIDATION_FEATURE_ENABLE_BEST_PRACTICES_EXT\n\
                    khronos_validation.report_flags = error,warn\n";
    fs::write(folder.path().join("vk_layer_settings.txt"), settings).unwrap();
    if let Some(said) = said(folder.path()) {
        assert!(!said.is_empty());
    }
}
