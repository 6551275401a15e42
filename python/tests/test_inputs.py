"""What a checkpoint may be: a path, a folder of the Hub's cache, what was opened, and what is in memory."""

import os

import numpy as np
import pytest
from conftest import ADAPTERS, DATA, factors

import lorascope as ls


def same(first: ls.Comparison, second: ls.Comparison) -> bool:
    return list(first) == list(second) and all(
        np.array_equal(first[name].phi, second[name].phi) and first[name].cosine == second[name].cosine
        for name in first
    )


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_arrays_count_as_the_file_of_them_does(save, dtype):
    def adapter(seed):
        return {name: (a.astype(dtype), b.astype(dtype)) for name, (a, b) in factors(seed).items()}

    paths = [save("a", adapter(1), alpha=4.0), save("b", adapter(2), alpha=4.0)]
    assert same(ls.compare(adapter(1), adapter(2)), ls.compare(*paths))
    # Mixed, too.
    assert same(ls.compare(adapter(1), paths[1]), ls.compare(*paths))


def test_the_update_of_arrays_is_their_product():
    adapter = factors(1)
    compared = ls.compare(adapter, factors(2))
    for name, (a, b) in adapter.items():
        wanted = np.linalg.norm(b.astype(np.float64) @ a)
        assert compared[name].norm_a == pytest.approx(wanted, rel=1e-12)
    assert all(module.scaling == 1.0 for module in ls.open(adapter).modules)


def test_arrays_of_several_ranks_have_a_scaling_of_one_each():
    adapter = {**factors(1, modules=1, r=4), "layers.7.mlp.up_proj": factors(2, r=2)["layers.0.self_attn.q_proj"]}
    opened = ls.open(adapter)
    assert [(module.name, module.rank, module.scaling) for module in opened.modules] == [
        ("layers.0.self_attn.q_proj", 4, 1.0),
        ("layers.7.mlp.up_proj", 2, 1.0),
    ]


@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_may_lie_in_any_order(order):
    first = factors(1)
    turned = {name: (np.asarray(a, order=order), b[::-1][::-1]) for name, (a, b) in first.items()}
    swapped = {name: (a.astype(">f4"), b) for name, (a, b) in first.items()}
    wanted = ls.compare(first, factors(2))
    assert same(ls.compare(turned, factors(2)), wanted)
    assert same(ls.compare(swapped, factors(2)), wanted)


def test_lists_of_numbers_are_arrays():
    first = {name: (a.tolist(), b.tolist()) for name, (a, b) in factors(1).items()}
    assert same(ls.compare(first, first), ls.compare(*[{n: (np.array(a), np.array(b)) for n, (a, b) in first.items()}] * 2))


def test_a_state_dict_counts_as_its_file_does(save):
    from safetensors.numpy import load_file

    path = save("a", factors(1), alpha=16.0)
    state = load_file(path / "adapter_model.safetensors")
    opened = ls.open(state, config={"peft_type": "LORA", "r": 4, "lora_alpha": 16.0}, label="live")
    assert opened.path == "live" and opened.modules == ls.open(path).modules
    assert opened.modules[0].scaling == 4.0
    # Without a config, the scaling is not known, as of a file without one.
    assert ls.open(state).modules[0].scaling is None
    compared = ls.compare(opened, path)
    assert compared.relation == "same factors" and compared.a.path == "live"


def test_any_naming_scheme_may_be_in_memory():
    from safetensors.numpy import load_file

    path = DATA / "libraries" / "kohya-flux" / "kohya-flux.safetensors"
    opened = ls.open(load_file(path))
    assert opened.naming_scheme == ls.open(path).naming_scheme
    assert opened.modules == ls.open(path).modules


def test_what_was_opened_is_used_as_it_is(save, tmp_path):
    path = save("a", factors(1))
    opened = ls.open(path)
    assert ls.open(opened) is opened
    compared = ls.compare(opened, save("b", factors(2)))
    assert compared.a.path == str(path)
    assert ls.compare(opened, opened).relation == "same file"


def test_two_in_memory_under_one_label_are_two():
    first, second = (ls.open(factors(seed), label="x") for seed in (1, 2))
    assert ls.compare(first, second).relation == "unrelated"
    assert ls.compare(first, first)["0.self_attn.q_proj"].cosine == pytest.approx(1.0)


def test_a_folder_of_the_hubs_cache_is_a_checkpoint(save, tmp_path):
    path = save("a", factors(1))
    repository = tmp_path / "hub" / "models--me--adapter"
    snapshot = repository / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for at, name in enumerate(("adapter_config.json", "adapter_model.safetensors")):
        blob = repository / "blobs" / f"blob{at}"
        os.replace(path / name, blob)
        (snapshot / name).symlink_to(os.path.relpath(blob, snapshot))
    compared = ls.compare(snapshot, save("b", factors(2)))
    assert len(compared) == 3


def test_an_adapter_of_several_is_named():
    path = DATA / "libraries" / "peft-several" / "two.safetensors"
    assert ls.open(path, adapter_name="style").adapter_name == "style"
    with pytest.raises(ls.InvalidError, match='adapter_name="') as raised:
        ls.open(path)
    assert 'adapter_name="' in raised.value.remedy
    assert len(ls.inspect(path).checkpoints) == 2


def test_limits_can_be_raised_and_lowered():
    path = ADAPTERS / "seed0-r64-layer5"
    with pytest.raises(ls.LimitError, match='limit="modules=N"'):
        ls.open(path, limit="modules=1")
    with pytest.raises(ls.LimitError):
        ls.compare(path, path, limit=["modules=1", "config-bytes=1M"])
    # It holds for one call.
    assert len(ls.open(path).modules) == 2


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        (7, "found builtins.int, expected a path"),
        (None, "found builtins.NoneType, expected a path"),
        ({"q": (np.zeros((2, 3)),)}, "q: found 1 arrays, expected A and B"),
        ({"q.lora_A.weight": np.array(["x"])}, "expected floating-point numbers"),
        ({}, "found nothing|no |found"),
        ({"q": (np.ones((2, 3), np.float32), np.ones((4, 5), np.float32))}, "q"),
    ],
)
def test_what_is_not_a_checkpoint_is_refused(checkpoint, message):
    with pytest.raises(ls.Error, match=message):
        ls.open(checkpoint)
