//! Checkpoints that are cut into shards.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::SafeTensors;

/// The name of a shard, as Hugging Face's libraries give it.
pub fn name(stem: &str, k: usize, n: usize, suffix: &str) -> String {
    format!("{stem}-{k:05}-of-{n:05}.{suffix}")
}

/// Writes the tensors of a safetensors file as `n` shards of `STEM.safetensors`, in turn, and the index if asked for. Returns
/// which tensor is in which shard.
pub fn write(
    bytes: &[u8],
    folder: &Path,
    stem: &str,
    n: usize,
    with_index: bool,
) -> BTreeMap<String, String> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let mut names: Vec<&str> = file.names().into_iter().collect();
    names.sort_unstable();
    let mut map = BTreeMap::new();
    fs::create_dir_all(folder).unwrap();
    for k in 1..=n {
        let of_shard = names.iter().skip(k - 1).step_by(n).map(|&name| (name, file.tensor(name).unwrap()));
        let shard = name(stem, k, n, "safetensors");
        map.extend(of_shard.clone().map(|(tensor, _)| (tensor.to_owned(), shard.clone())));
        fs::write(folder.join(shard), safetensors::serialize(of_shard, None).unwrap()).unwrap();
    }
    if with_index {
        index(folder, stem, &map);
    }
    map
}

/// Writes an index.
pub fn index(folder: &Path, stem: &str, map: &BTreeMap<String, String>) {
    let text = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": map}).to_string();
    fs::write(folder.join(format!("{stem}.safetensors.index.json")), text).unwrap();
}
