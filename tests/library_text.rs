//! What the library says holds for every program that calls it: no text outside the command line names an option.

use std::fs;

use walkdir::WalkDir;

/// Options of other programs, which a way out may well name.
const OF_OTHERS: [&str; 12] = [
    // hf download and hf collections.
    "--revision ",
    "--include ",
    "--json > ",
    "--gpus=1",
    "--gpus all",
    "--always",
    "--array",
    "--nv",
    "--device nvidia.com",
    "--container-env",
    "--gres=gpu",
    "--no-opengl-files",
];

#[test]
fn no_text_of_the_library_names_an_option_of_the_command_line() {
    let mut n_files = 0;
    for entry in WalkDir::new("src") {
        let path = entry.unwrap().into_path();
        let is_ours = path.extension().is_some_and(|end| end == "rs") && !path.starts_with("src/cli");
        if !is_ours {
            continue;
        }
        n_files += 1;
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            let code = line.split("//").next().unwrap_or("");
            let named = code.match_indices("--").any(|(at, _)| {
                let rest = &code[at..];
                rest[2..].starts_with(|c: char| c.is_ascii_lowercase())
                    // As in models--org--name.
                    && !code[..at].ends_with(|c: char| c.is_ascii_alphanumeric())
                    && !OF_OTHERS.iter().any(|known| rest.starts_with(known))
            });
            assert!(!named, "{}:{number}: {line}", path.display());
        }
    }
    assert!(n_files > 100);
}
