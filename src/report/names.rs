//! Short names of paths: without the folders that all have in common.

/// The paths without their common folders; the last part of each always stays.
pub(super) fn short<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let parts = |path: &'a str| path.split('/').collect::<Vec<_>>();
    let mut all = paths.clone().map(parts);
    let mut common = all.next().unwrap_or_default();
    common.pop();
    for path in all {
        let folders = &path[..path.len() - 1];
        let n_same = common.iter().zip(folders).take_while(|(a, b)| a == b).count();
        common.truncate(n_same);
    }
    paths.map(|path| parts(path)[common.len()..].join("/")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_folders_go_and_names_stay() {
        let short = |paths: &[&str]| short(paths.iter().copied());
        assert_eq!(
            short(&["runs/a/checkpoint-1", "runs/b/checkpoint-1"]),
            ["a/checkpoint-1", "b/checkpoint-1"]
        );
        assert_eq!(short(&["/x/runs/a", "/x/runs/a/b"]), ["a", "a/b"]);
        assert_eq!(short(&["runs/a"]), ["a"]);
        assert_eq!(short(&["a", "b/c"]), ["a", "b/c"]);
        assert_eq!(short(&[]), [] as [&str; 0]);
    }
}
