//! Full models that tests write, and what is found in them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use half::{bf16, f16};
use safetensors::tensor::{Dtype as Stored, TensorView};

use super::*;
use crate::adapter::{Adapter, Dtype, Matrix, Module, Side};
use crate::basis::range_finder::Dense;
use crate::basis::{Basis, Flaw, Numbers, Wanted};
use crate::error::{Error, Remedy};
use crate::formats::OpenOptions;

/// A tensor: name, shape, numbers.
type Tensor<'a> = (&'a str, Vec<usize>, Vec<f64>);

fn bytes(values: &[f64], dtype: Stored) -> Vec<u8> {
    let number = |&value: &f64| match dtype {
        Stored::F32 => (value as f32).to_le_bytes().to_vec(),
        Stored::BF16 => bf16::from_f64(value).to_le_bytes().to_vec(),
        Stored::F16 => f16::from_f64(value).to_le_bytes().to_vec(),
        other => panic!("{other:?}"),
    };
    values.iter().flat_map(number).collect()
}

fn write_as(path: &Path, dtype: Stored, tensors: &[Tensor<'_>]) {
    let stored: Vec<_> =
        tensors.iter().map(|(name, shape, values)| (*name, shape.clone(), bytes(values, dtype))).collect();
    let views = stored
        .iter()
        .map(|(name, shape, bytes)| (*name, TensorView::new(dtype, shape.clone(), bytes).unwrap()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn write(path: &Path, tensors: &[Tensor<'_>]) {
    write_as(path, Stored::F32, tensors);
}

fn counting<'a>(name: &'a str, shape: &[usize]) -> Tensor<'a> {
    let n: usize = shape.iter().product();
    (name, shape.to_vec(), (0..n).map(|n| n as f64).collect())
}

/// Writes shards of one tensor each, and the index.
fn write_split(folder: &Path, dtype: Stored, tensors: &[Tensor<'_>]) {
    fs::create_dir_all(folder).unwrap();
    let shard = |at: usize| format!("model-{:05}-of-{:05}.safetensors", at + 1, tensors.len());
    for (at, tensor) in tensors.iter().enumerate() {
        write_as(&folder.join(shard(at)), dtype, std::slice::from_ref(tensor));
    }
    let map: Vec<(&str, String)> =
        tensors.iter().enumerate().map(|(at, (name, ..))| (*name, shard(at))).collect();
    write_index(folder, &map);
}

fn write_index(folder: &Path, map: &[(&str, String)]) {
    let map: std::collections::BTreeMap<_, _> = map.iter().cloned().collect();
    let text = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": map}).to_string();
    fs::write(folder.join("model.safetensors.index.json"), text).unwrap();
}

fn open(path: &Path) -> Result<BaseModel> {
    BaseModel::open_with(path, &Limits::default())
}

fn message(path: &Path) -> String {
    let message = open(path).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

fn read(base: &BaseModel, module: &str) -> Matrix {
    base.weight(module).unwrap().expect(module).read().unwrap()
}

/// The change of a model from a base, of which so many directions are kept.
fn trained(model: &Path, base: &Path, n_kept: usize) -> Result<Adapter> {
    OpenOptions::new().base(open(base).unwrap(), n_kept.try_into().unwrap()).open(model)
}

const VALUE: &str = "encoder.layer.5.attention.self.value";
const QUERY: &str = "encoder.layer.5.attention.self.query";
const LORA: &str = "tests/data/adapters/seed0-r8-layer5";

/// A real weight, and the same with its rows in reverse.
fn real() -> [Matrix; 2] {
    let base = open("tests/data/weights/value-layer5.safetensors".as_ref()).unwrap();
    let value = read(&base, VALUE);
    let reversed = value.values.chunks(value.cols).rev().flatten().copied().collect();
    [Matrix { values: reversed, ..value.clone() }, value]
}

/// A, and the rows of B that a weight of this size has.
fn factors(module: &Module, d_out: usize) -> [Matrix; 2] {
    [module.a.read().unwrap(), module.b.clone().row_range(0..d_out).read().unwrap()]
}

/// W + s·B·A.
fn merged(weight: &[f64], a: &Matrix, b: &Matrix, scaling: f64) -> Vec<f64> {
    let change = |i: usize, j: usize| -> f64 {
        (0..a.rows).map(|k| b.values[i * b.cols + k] * a.values[k * a.cols + j]).sum()
    };
    weight.iter().enumerate().map(|(at, w)| w + scaling * change(at / a.cols, at % a.cols)).collect()
}

/// The sine of the largest angle between a direction of one space and the other space.
fn outside(one: &Basis, other: &Basis) -> f64 {
    let rows = |basis: &Basis| -> Vec<Vec<f64>> {
        basis.rows().chunks(basis.d()).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect()
    };
    let other = rows(other);
    let left_of = |row: &Vec<f64>| {
        let mut rest = row.clone();
        for axis in &other {
            let dot: f64 = row.iter().zip(axis).map(|(x, y)| x * y).sum();
            rest.iter_mut().zip(axis).for_each(|(x, y)| *x -= dot * y);
        }
        rest.iter().map(|x| x * x).sum::<f64>().sqrt()
    };
    rows(one).iter().map(left_of).fold(0.0, f64::max)
}

#[test]
fn a_merged_lora_minus_its_base_has_the_loras_own_directions() {
    let dir = tempfile::tempdir().unwrap();
    let (lora, weights) = (Adapter::open(LORA).unwrap(), real());
    for (dtype, rounded) in [
        (Stored::F32, (|x| f64::from(x as f32)) as fn(f64) -> f64),
        (Stored::F16, |x| f16::from_f64(x).to_f64()),
        (Stored::BF16, |x| bf16::from_f64(x).to_f64()),
    ] {
        let [base, model] = ["base", "model"].map(|name| dir.path().join(format!("{name}{dtype:?}")));
        let (mut before, mut after) = (vec![], vec![]);
        let wrapped = [QUERY, VALUE].map(|name| (format!("{name}.weight"), format!("bert.{name}.weight")));
        for (at, name) in [QUERY, VALUE].into_iter().enumerate() {
            let module = lora.module(name).unwrap();
            let [a, b] = factors(module, weights[at].rows);
            let old: Vec<f64> = weights[at].values.iter().map(|&w| rounded(w)).collect();
            let new = merged(&old, &a, &b, module.scaling.unwrap());
            let shape = vec![weights[at].rows, weights[at].cols];
            before.push((wrapped[at].0.as_str(), shape.clone(), old));
            after.push((wrapped[at].1.as_str(), shape, new));
        }
        before.push(("encoder.layer.5.norm.weight", vec![384], vec![1.0; 384]));
        write_split(&base, dtype, &before);
        write_split(&model, dtype, &after);
        let change = trained(&model, &base, 64).unwrap();
        assert_eq!((change.modules().len(), change.path()), (2, model.as_path()));
        assert_eq!(change.unread_parts().iter().filter(|part| part.found.is_none()).count(), 0);
        for (at, name) in [QUERY, VALUE].into_iter().enumerate() {
            let (module, own) = (change.module(name).unwrap(), lora.module(name).unwrap());
            assert_eq!((module.full_rank(), module.rank()), (Some(240), 64));
            let [a, b] = factors(own, 240);
            let stored = |values: &[f64]| Matrix {
                values: values.iter().map(|&value| rounded(value)).collect(),
                dtype: match dtype {
                    Stored::F32 => Dtype::F32,
                    Stored::F16 => Dtype::F16,
                    _ => Dtype::Bf16,
                },
                ..weights[at].clone()
            };
            let dense = Dense::difference(&stored(&after[at].2), &stored(&before[at].2)).unwrap();
            let noise = crate::range_finder::LinearMap::noise(&dense);
            for side in [Side::DwRight, Side::DwLeft] {
                let found = Basis::of(module, side).unwrap();
                let expected = Basis::of_update(&a, &b, own.scaling, side).unwrap();
                // As many as are above the rounding, and these within it.
                let n_above = expected.sigma().iter().filter(|&&sigma| sigma > 3.0 * noise).count();
                assert!(
                    n_above > 0 && (n_above..=8).contains(&found.q()),
                    "{dtype:?}: {} of {n_above}",
                    found.q()
                );
                let least = found.sigma()[found.q() - 1];
                let bound = 2.0 * noise / least + 1e-6;
                let sine = outside(&found, &expected);
                assert!(sine < bound, "{dtype:?} {name} {side}: {sine:e} for {bound:e}");
                for (found, expected) in found.sigma().iter().zip(expected.sigma()) {
                    assert!(
                        (found - expected).abs() < 2.0 * noise,
                        "{found} for {expected}, noise {noise:e}"
                    );
                }
                if dtype == Stored::F32 {
                    assert_eq!((found.q(), found.n_uncertain()), (8, 0));
                    assert!(sine < 1e-5, "{sine:e}");
                } else {
                    let near = found.sigma().iter().filter(|&&sigma| sigma < 20.0 * noise).count();
                    assert!(found.n_uncertain() >= near);
                }
            }
        }
    }
}

#[test]
fn a_fine_tune_has_the_sides_of_its_update_only() {
    let dir = tempfile::tempdir().unwrap();
    let [base, model] = ["base", "model"].map(|name| dir.path().join(format!("{name}.safetensors")));
    write(&base, &[counting("l.0.q.weight", &[6, 5]), counting("l.0.k.weight", &[6, 5])]);
    let changed = ("l.0.q.weight", vec![6, 5], (0..30).map(|n| f64::from(n * n)).collect());
    write(&model, &[changed, counting("l.0.k.weight", &[6, 5])]);
    let change = trained(&model, &base, 3).unwrap();
    let module = change.module("l.0.q").unwrap();
    let error = Basis::of(module, Side::A).unwrap_err();
    assert!(
        error.to_string().ends_with("found a full fine-tune, whose update is not B·A, expected a factor A"),
        "{error}"
    );
    assert_eq!(error.remedy(), Some(&Remedy::CompareUpdate));
    assert_eq!(Basis::of(module, Side::DwLeft).unwrap().q(), 3);
    assert_eq!(change.method().to_string(), "full fine-tune");
    // What was not trained has no direction, and is said to be the base's.
    let same = change.module("l.0.k").unwrap();
    let flaw = |side| -> Flaw { Numbers::read(same, side, Wanted::Both).unwrap().basis(side).unwrap_err() };
    assert_eq!(flaw(Side::DwRight).reason(), "the weight is the base model's");
    assert!(flaw(Side::DwRight).is_without_direction());
}

#[test]
fn reading_one_factor_leaves_the_other_one_for_its_own_read() {
    let dir = tempfile::tempdir().unwrap();
    let [base, model] = ["base", "model"].map(|name| dir.path().join(format!("{name}.safetensors")));
    write(&base, &[("q.weight", vec![6, 5], vec![0.0; 30])]);
    write(&model, &[("q.weight", vec![6, 5], (0..30).map(|n| f64::from(n % 7)).collect())]);
    let module = Arc::clone(&trained(&model, &base, 2).unwrap().modules()[0]);
    let (a, b) = (module.a.read().unwrap(), module.b.read().unwrap());
    // Each took what the other one had left, and a second time both are made anew.
    fs::remove_file(&model).unwrap();
    assert!(module.b.read().is_err());
    write(&model, &[("q.weight", vec![6, 5], vec![0.0; 30])]);
    assert_eq!((a.rows, a.cols, b.rows, b.cols, a.dtype), (2, 5, 6, 2, Dtype::F32));
}

#[test]
fn directions_of_one_singular_value_are_uncertain() {
    let dir = tempfile::tempdir().unwrap();
    let [base, model] = ["base", "model"].map(|name| dir.path().join(format!("{name}.safetensors")));
    let n = 64;
    let diagonal = |value: &dyn Fn(usize) -> f64| -> Vec<f64> {
        (0..n * n).map(|at| if at / n == at % n { value(at / n) } else { 0.0 }).collect()
    };
    write(
        &base,
        &[("flat.weight", vec![n, n], vec![0.0; n * n]), ("steep.weight", vec![n, n], vec![0.0; n * n])],
    );
    write(
        &model,
        &[
            ("flat.weight", vec![n, n], diagonal(&|_| 1.0)),
            ("steep.weight", vec![n, n], diagonal(&|k| 0.5f64.powi(k as i32))),
        ],
    );
    let change = trained(&model, &base, 4).unwrap();
    for (name, n_uncertain) in [("flat", 4), ("steep", 0)] {
        let basis = Basis::of(change.module(name).unwrap(), Side::DwRight).unwrap();
        assert_eq!((basis.q(), basis.n_uncertain()), (4, n_uncertain), "{name}");
    }
}

#[test]
fn what_two_models_do_not_share_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let [base, model] = ["base", "model"].map(|name| dir.path().join(format!("{name}.safetensors")));
    write(
        &base,
        &[counting("a.weight", &[4, 4]), counting("b.weight", &[4, 4]), counting("c.weight", &[4, 4])],
    );
    write(
        &model,
        &[counting("a.weight", &[4, 4]), counting("b.weight", &[5, 4]), counting("d.weight", &[4, 4])],
    );
    let change = trained(&model, &base, 2).unwrap();
    let unread: Vec<(&str, &str)> =
        change.unread_parts().iter().map(|part| (part.name.as_str(), part.reason.as_str())).collect();
    assert_eq!(
        unread,
        [
            ("a", "all but the 2 strongest directions of a full fine-tune"),
            ("b", "a weight of another shape than the base model's"),
            ("c", "a weight that only the base model has"),
            ("d", "a weight that the base model does not have"),
        ]
    );
    let error = trained(&base, &base, 2).unwrap_err();
    assert!(error.to_string().contains("the base model itself"), "{error}");
    write(&model, &[counting("x.weight", &[4, 4])]);
    let error = trained(&model, &base, 2).unwrap_err();
    assert!(error.to_string().contains("no weight of the base model"), "{error}");
    // An adapter is one whatever the base is, and is not a base.
    assert_eq!(trained(LORA.as_ref(), &base, 2).unwrap().modules()[0].full_rank(), None);
    let file = format!("{LORA}/adapter_model.safetensors");
    assert!(message(file.as_ref()).ends_with("found an adapter, expected a full model"));
}

#[test]
fn weights_have_the_names_of_adapters_modules() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    write(
        &path,
        &[
            counting("model.layers.3.self_attn.q_proj.weight", &[2, 3]),
            counting("model.embed_tokens.weight", &[5, 3]),
            counting("model.norm.weight", &[3]),
        ],
    );
    let base = open(dir.path()).unwrap();
    assert_eq!(base.n_weights(), 2);
    for name in ["", "model.", "base_model.model.model."] {
        let module = format!("{name}layers.3.self_attn.q_proj");
        assert_eq!(read(&base, &module).values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "{module}");
    }
    let weight = base.weight("layers.3.self_attn.q_proj").unwrap().unwrap();
    assert_eq!((weight.d_out(), weight.d_in(), weight.dtype()), (2, 3, Dtype::F32));
    assert_eq!((weight.name(), weight.path()), ("layers.3.self_attn.q_proj", path.as_path()));
    assert_eq!(weight.read_rows(1..9).unwrap().values, [3.0, 4.0, 5.0]);
    // Tokens are the input of an embedding.
    let embedding = read(&base, "embed_tokens");
    assert_eq!((embedding.rows, embedding.cols, embedding.values[1]), (3, 5, 3.0));
    assert!(base.weight("layers.3.self_attn.k_proj").unwrap().is_none());
}

#[test]
fn names_that_several_weights_have_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    write(&path, &[counting("layers.0.q.weight", &[2, 3]), counting("model.layers.0.q.weight", &[3, 2])]);
    let base = open(&path).unwrap();
    let error = base.weight("layers.0.q").unwrap_err();
    assert!(matches!(error, Error::Invalid(_)));
    let found =
        "found several weights of this name: `layers.0.q.weight`, `model.layers.0.q.weight`, expected one";
    assert!(error.to_string().ends_with(found), "{error}");
    // Each has a tensor's name of its own.
    assert_eq!(base.weight("model.layers.0.q").unwrap().unwrap().d_out(), 3);
    assert_eq!(base.weight("layers.0.q.weight").unwrap().unwrap().d_out(), 2);
}

#[test]
fn fused_weights_are_cut_and_gpt_2s_lie_the_other_way_round() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    write(
        &path,
        &[
            counting("transformer.h.0.attn.c_attn.weight", &[2, 6]),
            counting("transformer.h.0.attn.c_proj.weight", &[2, 2]),
            counting("transformer.h.0.mlp.c_proj.weight", &[8, 2]),
        ],
    );
    let gpt2 = open(&path).unwrap();
    assert_eq!(gpt2.n_weights(), 3);
    assert_eq!(read(&gpt2, "h.0.attn.c_attn.k").values, [2.0, 8.0, 3.0, 9.0]);
    assert_eq!(read(&gpt2, "h.0.attn.c_attn").rows, 6);
    assert_eq!(read(&gpt2, "h.0.attn.c_proj").values, [0.0, 2.0, 1.0, 3.0]);
    let nano = dir.path().join("nano.safetensors");
    write(&nano, &[counting("h.0.attn.c_attn.weight", &[6, 2]), counting("h.0.attn.c_proj.weight", &[2, 2])]);
    let nano = open(&nano).unwrap();
    assert_eq!(read(&nano, "h.0.attn.c_proj").values, [0.0, 1.0, 2.0, 3.0]);
    assert!(nano.weight("h.0.attn.c_attn.k").unwrap().is_none());
    let alone = dir.path().join("alone.safetensors");
    write(&alone, &[counting("h.0.attn.c_proj.weight", &[2, 2])]);
    let error = open(&alone).unwrap().weight("h.0.attn.c_proj").unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error}");

    let flux = dir.path().join("flux.safetensors");
    write(
        &flux,
        &[
            counting("double_blocks.0.img_attn.qkv.weight", &[12, 4]),
            counting("double_blocks.0.img_attn.proj.weight", &[4, 4]),
        ],
    );
    let flux = open(&flux).unwrap();
    let key = read(&flux, "transformer_blocks.0.attn.to_k");
    assert_eq!((key.rows, key.cols, key.values[0]), (4, 4, 16.0));
    assert_eq!(read(&flux, "transformer_blocks.0.attn.to_out.0").rows, 4);
}

#[test]
fn a_model_of_llama_cpp_has_the_names_of_transformers() {
    let base = open("tests/data/libraries/gguf/model.gguf".as_ref()).unwrap();
    let names: Vec<&str> = base.places.iter().map(|place| place.name.as_str()).collect();
    assert!(!names.is_empty() && names.iter().all(|name| !name.starts_with("blk.")), "{names:?}");
    for name in names {
        let weight = base.weight(name).unwrap().unwrap();
        assert_eq!(weight.read().unwrap().values.len(), weight.d_in() * weight.d_out());
    }
}

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
fn a_large_difference_is_searched_for_its_strongest_directions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let (rows, cols) = (600, 520);
    let (b, a) = (crate::basis::gaussian_matrix(rows, 5, 1), crate::basis::gaussian_matrix(5, cols, 2));
    let change = merged(&vec![0.0; rows * cols], &a, &b, 1.0);
    write(&path, &[("lora_unet_down_blocks_0_attentions_0_proj_in.diff", vec![rows, cols], change)]);
    let adapter = Adapter::open(&path).unwrap();
    let module = &adapter.modules()[0];
    for side in [Side::DwRight, Side::DwLeft] {
        let (found, expected) =
            (Basis::of(module, side).unwrap(), Basis::of_update(&a, &b, None, side).unwrap());
        assert_eq!((found.q(), found.n_uncertain()), (5, 0));
        assert!(outside(&found, &expected) < 1e-5);
    }
    let made = module.a.made.as_ref().unwrap();
    assert_eq!(made.update.doubts().unwrap().n_determined, 5);
}
