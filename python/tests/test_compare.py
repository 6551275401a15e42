"""Comparisons: the numbers are the command's, and those of numpy."""

import gc

import numpy as np
import pytest
from conftest import ADAPTERS, DATA, command_json, factors

import lorascope as ls

PAIRS = [
    ("seed0-r64-layer5", "seed1-r64-layer5"),
    ("seed0-r8-layer5", "seed0-r64-layer5"),
    ("sam-rank2", "sam-rank16"),
    ("day21-r8/checkpoint-23", "day21-r8/checkpoint-69"),
]


@pytest.mark.parametrize("side", ["a", "b", "dw-right", "dw-left"])
@pytest.mark.parametrize("pair", PAIRS)
def test_numbers_are_those_of_the_command(pair, side):
    a, b = (ADAPTERS / name for name in pair)
    compared = ls.compare(a, b, side=side, angles=True)
    wanted = command_json("compare", a, b, "--side", side, "--angles", "--grids")
    assert compared.to_dict(grids=True) == wanted
    assert list(compared) == [row["name"] for row in wanted["modules"]]
    assert compared.relation == wanted["relation"]["word"]
    assert compared.whole == wanted["whole"]
    for row in wanted["modules"]:
        module = compared[row["name"]]
        assert np.array_equal(module.phi.astype(np.float64), np.array(row["phi"]))
        assert module.sigma_a.tolist() == row["sigma_a"]
        assert module.sigma_b.tolist() == row["sigma_b"]


def test_every_number_of_a_row_is_an_attribute():
    a, b = (ADAPTERS / name for name in PAIRS[0])
    module = ls.compare(a, b, angles=True)["self.query"]
    row = module.to_dict()
    for name in set(row) - {"name_a", "name_b", "diagonal", "sigma_a", "sigma_b"}:
        assert getattr(module, name) == row[name], name


def test_without_a_file_the_facts_are_the_same_but_for_its_digest():
    a, b = (ADAPTERS / name for name in PAIRS[0])
    wanted = ls.compare(a, b).to_dict()
    found = ls.compare(ls.open(a), ls.open(b)).to_dict()
    assert found == wanted
    assert "phi" not in wanted["modules"][0]


def test_phi_is_that_of_dense_numpy_for_every_cell():
    first, second = factors(1, r=3), factors(2, r=5)
    compared = ls.compare(first, second, side="dw-left", engine="cpu")
    for name, (a, b) in first.items():
        u = np.linalg.svd(b.astype(np.float64) @ a)[0]
        v = np.linalg.svd(second[name][1].astype(np.float64) @ second[name][0])[0]
        phi = compared[name].phi
        assert phi.shape == (3, 5)
        for i in range(1, 4):
            for j in range(1, 6):
                wanted = np.linalg.norm(u[:, :i].T @ v[:, :j]) ** 2 / min(i, j)
                assert abs(phi[i - 1, j - 1] - wanted) < 1e-5, (name, i, j)


def test_phi_is_read_in_place_and_outlives_the_comparison():
    compared = ls.compare(factors(1), factors(2))
    phi = compared["layers.0.self_attn.q_proj"].phi
    assert not phi.flags.writeable and not phi.flags.owndata
    with pytest.raises(ValueError):
        phi[0, 0] = 1.0
    again = compared["layers.0.self_attn.q_proj"].phi
    assert np.shares_memory(phi, again)
    wanted = phi.copy()
    del compared, again
    gc.collect()
    # Others would take the memory if it were free.
    for seed in range(20):
        ls.compare(factors(seed), factors(seed + 1))
    assert np.array_equal(phi, wanted)


def test_a_module_is_found_by_an_end_of_its_name_that_is_its_own():
    compared = ls.compare(factors(1), factors(2))
    name = "layers.1.self_attn.q_proj"
    assert compared["1.self_attn.q_proj"].name == name
    assert name in compared and len(compared) == 3
    with pytest.raises(KeyError, match="end of 3 modules"):
        compared["q_proj"]
    with pytest.raises(KeyError, match="not one of the 3 modules"):
        compared["k_proj"]
    # A part of a word is not an end of a name.
    with pytest.raises(KeyError):
        compared["proj"]


def test_relations_that_are_planted_are_found():
    first = factors(1)
    scaled = {name: (a, 2 * b) for name, (a, b) in first.items()}
    negated = {name: (a, -b) for name, (a, b) in first.items()}
    assert ls.compare(first, scaled).relation == "scaled"
    assert ls.compare(first, negated).relation == "negated"
    assert ls.compare(first, factors(2)).relation == "unrelated"
    whole = ls.compare(first, scaled).whole
    assert whole["norm_ratio"] == pytest.approx(2.0) and whole["cosine"] == pytest.approx(1.0)


def test_modules_are_selected_as_by_the_command():
    files = [DATA / "libraries" / "kohya-flux", DATA / "libraries" / "kohya-flux"]
    everything = ls.compare(*files)
    one = next(iter(everything))
    assert list(ls.compare(*files, module=one)) == [one]
    layer5 = [ADAPTERS / "seed0-r64-layer5", ADAPTERS / "seed1-r64-layer5"]
    for projections in ("q", ["q"], ("q",)):
        found = list(ls.compare(*layer5, projections=projections, layer=5))
        assert [name.rsplit(".", 1)[1] for name in found] == ["query"]
    assert len(ls.compare(*layer5, projections=["q", "v"], layer=[5])) == 2


def test_a_shared_start_is_warned_of():
    steps = [ADAPTERS / "day21-r8" / name for name in ("checkpoint-23", "checkpoint-69")]
    with pytest.warns(ls.LorascopeWarning, match='random start of A.*side="b"'):
        ls.compare(*steps)


def test_a_comparison_says_what_it_is():
    compared = ls.compare(factors(1), factors(2))
    assert repr(compared) == "Comparison('<a>', '<b>', side a, 3 modules, unrelated)"
    shown = repr(compared["0.self_attn.q_proj"])
    assert shown.startswith("ModuleComparison('layers.0.self_attn.q_proj', phi 4 × 4, d = 24, adjusted ")
    assert repr(compared.a) == "Adapter('<a>', 3 modules, r = 4)"


def test_threads_of_a_program_compare_at_once():
    from concurrent.futures import ThreadPoolExecutor

    files = [ADAPTERS / "seed0-r64-layer5", ADAPTERS / "seed1-r64-layer5"]
    wanted = ls.compare(*files)["self.query"].phi
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda threads: ls.compare(*files, threads=threads)["self.query"].phi, [None, 1, 2, 3] * 4)
        assert all(np.array_equal(phi, wanted) for phi in found)
