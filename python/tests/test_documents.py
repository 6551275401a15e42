"""Documents are the command's, number for number."""

import numpy as np
import pytest
from conftest import ADAPTERS, DATA, command_json, factors

import lorascope as ls

SEEDS = [ADAPTERS / name for name in ("seed0-r64-layer5", "seed1-r64-layer5", "seed0-r8-layer5")]


@pytest.mark.filterwarnings("ignore::lorascope.LorascopeWarning")
def test_inspect_is_the_commands():
    assert ls.inspect(*SEEDS).to_dict() == command_json("inspect", *SEEDS)
    libraries = DATA / "libraries"
    found = ls.inspect(libraries)
    assert found.to_dict() == command_json("inspect", libraries)
    assert len(found.checkpoints) > 20 and found["bad"]


def test_spectra_are_the_commands():
    assert ls.inspect(SEEDS[0], spectra=True).to_dict() == command_json("inspect", SEEDS[0], "--spectra")


def test_inspect_shows_what_is_in_memory():
    found = ls.inspect(factors(1))
    assert repr(found) == "Inspection(1 checkpoints, 3 modules, 0 bad)"
    table = found.table()
    assert table["module"] == [f"layers.{at}.self_attn.q_proj" for at in range(3)]
    assert table["rank"] == [4, 4, 4] and table["scaling"] == [1.0, 1.0, 1.0]


def test_merge_check_is_the_commands():
    found = ls.merge_check(SEEDS, weights=[1, 0.8, 0.5], projections=["q", "v"])
    wanted = command_json("merge-check", *SEEDS, "--weights", "1,0.8,0.5", "--projections", "q,v")
    assert found.to_dict() == wanted
    assert found["weights"] == [1.0, 0.8, 0.5]
    assert found.word == wanted["whole_model"]["word"]
    assert [row["module"] for row in found.table().rows()] == [one["name"] for one in wanted["modules"]]
    assert "cosine" not in found.table().columns


def test_merges_that_are_planted_get_their_words():
    first = factors(1)
    assert ls.merge_check([first, {name: (a, -b) for name, (a, b) in first.items()}]).word == "cancelling"
    assert ls.merge_check([first, first]).word == "redundant"
    apart = ls.merge_check([first, factors(2, d_in=24)])
    assert apart["whole_model"]["energy_ratio"] == pytest.approx(1.0, abs=0.3)
    norms = [np.linalg.norm(b.astype(float) @ a) for a, b in first.values()]
    assert [one["norms"][0] for one in apart.modules] == pytest.approx(norms)


def test_weights_are_one_for_each():
    with pytest.raises(ls.InvalidError) as raised:
        ls.merge_check(SEEDS, weights=[1, 2])
    assert str(raised.value) == "weights: found 2 for 3 checkpoints, expected one for each"


def test_shared_is_the_commands(tmp_path):
    directions = tmp_path / "shared.safetensors"
    found = ls.shared(SEEDS, side="b", directions=4, save=directions)
    wanted = command_json("shared", *SEEDS, "--side", "b", "--directions", 4)
    assert found.to_dict() == wanted
    from safetensors.numpy import load_file

    saved = load_file(directions)
    assert {name: array.shape for name, array in saved.items()} == {one["name"]: (4, one["d"]) for one in wanted["modules"]}
    assert found.table()["largest"] == [one["eigenvalues"][0] for one in wanted["modules"]]
    assert repr(found) == "Shared(3 checkpoints, 2 modules, side b)"


def test_a_folder_or_a_glob_is_several(save):
    for seed in range(3):
        save(f"runs/seed{seed}", factors(seed))
    folder = save("other/one", factors(9)).parents[1] / "runs"
    assert len(ls.merge_check(folder)["adapters"]) == 3
    assert len(ls.merge_check(str(folder / "seed[01]"))["adapters"]) == 2


def test_a_document_is_a_mapping():
    found = ls.merge_check([factors(1), factors(2)])
    assert "modules" in found and len(found) == len(list(found)) == len(found.to_dict())
    with pytest.raises(TypeError):
        found["modules"] = []
    with pytest.raises(KeyError):
        found["nothing"]
