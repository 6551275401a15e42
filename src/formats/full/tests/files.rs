//! Which files are a model: folders, shards and their indexes, pipelines.

use std::fs;

use super::*;

#[test]
fn an_index_cannot_lead_out_of_its_folder_and_shards_are_not_missed() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("outside.safetensors"), &[counting("q.weight", &[2, 2])]);
    let folder = dir.path().join("model");
    fs::create_dir(&folder).unwrap();
    let absolute = dir.path().join("outside.safetensors").display().to_string();
    for hostile in
        ["../outside.safetensors", "a/../../outside.safetensors", &absolute, "..", "C:\\x", "x\0y", ""]
    {
        write_index(&folder, &[("q.weight", hostile.to_owned())]);
        assert!(message(&folder).contains("expected a file in the folder of the index"), "{hostile:?}");
    }
    let shard = |k: usize| format!("model-{k:05}-of-00003.safetensors");
    write_index(&folder, &[("q.weight", shard(1)), ("k.weight", shard(2)), ("v.weight", shard(3))]);
    write(&folder.join(shard(2)), &[counting("k.weight", &[2, 2])]);
    let found = message(&folder);
    assert!(found.contains(&shard(1)) && found.contains(&shard(3)) && !found.contains(&shard(2)), "{found}");
    // An index that names itself, or another one.
    write_index(&folder, &[("q.weight", "model.safetensors.index.json".to_owned())]);
    assert!(matches!(open(&folder), Err(Error::Malformed(_) | Error::Unsupported(_))));
    // A tensor that is not where the index says.
    write_index(&folder, &[("q.weight", shard(2)), ("k.weight", shard(2))]);
    assert!(message(&folder).contains("no tensor `q.weight`"));
    for text in ["", "[]", "{\"weight_map\": 3}", "{\"weight_map\": {\"q\": 1e999}}", "{\"weight_map\": {}}"]
    {
        fs::write(folder.join("model.safetensors.index.json"), text).unwrap();
        assert!(matches!(open(&folder), Err(Error::Malformed(_))), "{text}");
    }
    let [small, few] =
        [Limits { header_bytes: 100, ..Limits::default() }, Limits { n_tensors: 1, ..Limits::default() }];
    write_split(&folder, Stored::F32, &[counting("q.weight", &[2, 2]), counting("k.weight", &[2, 2])]);
    for limits in [small, few] {
        assert!(matches!(BaseModel::open_with(&folder, &limits), Err(Error::Limit(_))));
    }
    assert_eq!(open(&folder).unwrap().n_weights(), 2);
}

#[test]
fn without_an_index_shards_are_counted_by_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let shard = |k: usize, n: usize| dir.path().join(format!("model-{k:05}-of-{n:05}.safetensors"));
    write(&shard(1, 99_999), &[counting("q.weight", &[2, 2])]);
    assert!(message(dir.path()).contains("model-00002-of-99999.safetensors"));
    fs::rename(shard(1, 99_999), shard(1, 2)).unwrap();
    write(&shard(2, 2), &[counting("k.weight", &[2, 2])]);
    for path in [dir.path().to_owned(), shard(1, 2), shard(2, 2)] {
        assert_eq!(open(&path).unwrap().n_weights(), 2, "{}", path.display());
    }
}

#[cfg(unix)]
#[test]
fn a_shard_that_is_a_link_to_itself_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let shard = "model-00001-of-00001.safetensors";
    std::os::unix::fs::symlink(shard, dir.path().join(shard)).unwrap();
    write_index(dir.path(), &[("q.weight", shard.to_owned())]);
    assert!(matches!(open(dir.path()), Err(Error::Io { .. })));
}

#[test]
fn a_folder_has_one_model() {
    let dir = tempfile::tempdir().unwrap();
    assert!(message(dir.path()).contains("no model.safetensors"));
    fs::write(dir.path().join("model_index.json"), "{}").unwrap();
    assert!(message(dir.path()).contains("a pipeline of several models"));
    write(&dir.path().join("one.safetensors"), &[counting("q.weight", &[2, 2])]);
    assert_eq!(open(dir.path()).unwrap().n_weights(), 1);
    write(&dir.path().join("two.safetensors"), &[counting("q.weight", &[2, 2])]);
    assert!(message(dir.path()).contains("2 files of weights"));
    write(&dir.path().join("diffusion_pytorch_model.safetensors"), &[counting("k.weight", &[2, 2])]);
    assert!(open(dir.path()).unwrap().weight("k").unwrap().is_some());
}

#[test]
fn a_folder_of_runs_has_each_model_once_by_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base.safetensors");
    write(&base, &[counting("l.0.q.weight", &[2, 2]), counting("l.0.k.weight", &[2, 2])]);
    let runs = dir.path().join("runs");
    let changed = |name| (name, vec![2, 2], vec![4.0, 3.0, 2.0, 9.0]);
    let of_both = [changed("l.0.q.weight"), changed("l.0.k.weight")];
    for step in ["checkpoint-9", "checkpoint-10", "plain"] {
        fs::create_dir_all(runs.join(step)).unwrap();
    }
    // In the form of an older library too, which is not read; in shards; and under a name of its own.
    write(&runs.join("checkpoint-9/model.safetensors"), &of_both);
    fs::write(runs.join("checkpoint-9/pytorch_model.bin"), "x").unwrap();
    fs::write(runs.join("checkpoint-9/training_args.txt"), "x").unwrap();
    write_split(&runs.join("checkpoint-10"), Stored::F32, &of_both);
    write(&runs.join("plain/merged.safetensors"), &of_both);
    let with_base = OpenOptions::new().base(open(&base).unwrap(), HowMany::AboveNoise { at_most: 2 });
    let search = |options: &OpenOptions| crate::formats::discover::search(&runs, options, drop).unwrap().0;
    let found = search(&with_base);
    let expected = ["checkpoint-9", "checkpoint-10", "plain/merged.safetensors"].map(|path| runs.join(path));
    assert_eq!(found.checkpoints, expected);
    assert!(found.bad.is_empty(), "{:?}", found.bad);
    // Without a base no file stands for its folder.
    assert!(
        search(&OpenOptions::new())
            .ignored
            .iter()
            .any(|(path, _)| path.ends_with("checkpoint-9/model.safetensors"))
    );
}

#[test]
fn a_pipeline_is_a_model_of_the_components_that_adapters_change() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("model_index.json"), "{}").unwrap();
    let q = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
    let text = "encoder.layers.0.self_attn.q_proj";
    let named = [format!("{q}.weight"), format!("text_model.{text}.weight")];
    for (component, file, name, shape) in [
        ("unet", "diffusion_pytorch_model.safetensors", named[0].as_str(), [4, 4]),
        ("text_encoder", "model.safetensors", named[1].as_str(), [3, 3]),
        ("text_encoder_2", "model.safetensors", named[1].as_str(), [5, 5]),
        ("vae", "diffusion_pytorch_model.safetensors", "decoder.conv_in.weight", [6, 6]),
    ] {
        fs::create_dir(dir.path().join(component)).unwrap();
        write(&dir.path().join(component).join(file), &[counting(name, &shape)]);
    }
    let pipeline = open(dir.path()).unwrap();
    assert_eq!((pipeline.n_weights(), pipeline.path()), (3, dir.path()));
    let rows = |module: &str| read(&pipeline, module).rows;
    assert_eq!((rows(q), rows(&format!("unet.{q}"))), (4, 4));
    assert_eq!(rows(&format!("text_encoder.{text}")), 3);
    assert_eq!(rows(&format!("text_encoder_2.text_model.{text}")), 5);
    // A pipeline that was trained from it is the change of each weight of both, and so is a component by itself.
    let tuned = dir.path().join("runs/tuned");
    let is_kept = |adapter: Adapter| {
        adapter.modules().iter().map(|module| (module.name.clone(), module.d_in())).collect::<Vec<_>>()
    };
    for (component, file, name, shape) in [
        ("unet", "diffusion_pytorch_model.safetensors", named[0].as_str(), [4, 4]),
        ("text_encoder_2", "model.safetensors", named[1].as_str(), [5, 5]),
        ("vae", "diffusion_pytorch_model.safetensors", "decoder.conv_in.weight", [6, 6]),
    ] {
        fs::create_dir_all(tuned.join(component)).unwrap();
        let values = (0..shape[0] * shape[1]).map(|n| (n * n) as f64).collect();
        write(&tuned.join(component).join(file), &[(name, shape.to_vec(), values)]);
    }
    fs::write(tuned.join("model_index.json"), "{}").unwrap();
    let change = trained(&tuned, dir.path(), 2).unwrap();
    assert_eq!(change.unread_parts().iter().filter(|part| part.n_tensors > 0).count(), 0);
    assert_eq!(is_kept(change), [(q.to_owned(), 4), (format!("text_encoder_2.{text}"), 5)]);
    let unet = trained(&tuned.join("unet"), dir.path(), 2).unwrap();
    assert_eq!(is_kept(unet), [(q.to_owned(), 4)]);
    // In a folder of runs it is one checkpoint; without a base its parts are what they are.
    let with_base = OpenOptions::new().base(open(dir.path()).unwrap(), HowMany::AboveNoise { at_most: 2 });
    let (found, _) = crate::formats::discover::search(&dir.path().join("runs"), &with_base, drop).unwrap();
    assert_eq!(found.checkpoints, std::slice::from_ref(&tuned));
    assert_eq!((found.bad.len(), found.ignored.len()), (0, 2), "{:?}", found.ignored);
    let (found, _) =
        crate::formats::discover::search(&dir.path().join("runs"), &OpenOptions::new(), drop).unwrap();
    assert_eq!((found.checkpoints.len(), found.ignored.len()), (0, 4), "{:?}", found.ignored);
    // A component that cannot be read is an error with its file, and a model in the folder itself goes first.
    fs::write(dir.path().join("unet/diffusion_pytorch_model.safetensors"), "x").unwrap();
    assert!(message(dir.path()).contains("unet"), "{}", message(dir.path()));
    write(&dir.path().join("model.safetensors"), &[counting("k.weight", &[2, 2])]);
    assert_eq!(open(dir.path()).unwrap().n_weights(), 1);
}
