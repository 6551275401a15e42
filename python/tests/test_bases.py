"""Bases: the SVD that numpy makes, with signs that do not depend on the machine."""

import numpy as np
import pytest
from conftest import ADAPTERS, factors

import lorascope as ls

# What f32 leaves of a vector's entries.
ROUNDING = 2e-6


def matrix(pair, side):
    a, b = (factor.astype(np.float64) for factor in pair)
    return {"a": a, "b": b}.get(side, b @ a)


@pytest.mark.parametrize("side", ["a", "b", "dw-right", "dw-left"])
def test_they_are_the_svd_of_the_sides_matrix(side):
    adapter = factors(1, r=5)
    found = ls.bases(adapter, side=side)
    assert list(found) == list(adapter) and found.side == side
    for name, (u, sigma, v) in found.items():
        m = matrix(adapter[name], side)
        assert (u.shape, sigma.shape, v.shape) == ((m.shape[0], 5), (5,), (m.shape[1], 5))
        assert (u.dtype, sigma.dtype, v.dtype) == (np.float32, np.float64, np.float32)
        assert np.allclose((u * sigma) @ v.T, m, atol=ROUNDING * sigma[0])
        wanted = np.linalg.svd(m, compute_uv=False)[:5]
        assert np.allclose(sigma, wanted, rtol=1e-12)
        assert np.allclose(u.T @ u, np.eye(5), atol=ROUNDING)
        largest = np.abs(u).argmax(axis=0)
        assert (u[largest, range(5)] > 0).all()


def test_a_negated_update_has_the_same_u_and_the_other_v():
    adapter = factors(1, modules=1)
    (name, (a, b)), = adapter.items()
    u, sigma, v = ls.bases(adapter, side="dw-right")[name]
    other = ls.bases({name: (a, -b)}, side="dw-right")[name]
    assert np.allclose(u, other.u, atol=ROUNDING) and np.allclose(v, -other.v, atol=ROUNDING)
    assert np.allclose(sigma, other.sigma)


@pytest.mark.parametrize(("side", "vectors"), [("a", "v"), ("dw-right", "v"), ("b", "u"), ("dw-left", "u")])
def test_phi_follows_from_them(side, vectors):
    paths = [ADAPTERS / "seed0-r64-layer5", ADAPTERS / "seed1-r64-layer5"]
    compared = ls.compare(*paths, side=side)
    first, second = (ls.bases(path, side=side) for path in paths)
    for name, module in compared.items():
        assert first[name].sigma.tolist() == module.sigma_a.tolist()
        p = getattr(first[name], vectors).T.astype(np.float64) @ getattr(second[name], vectors)
        phi = np.square(p).cumsum(axis=0).cumsum(axis=1)
        q = np.arange(1, len(p) + 1)
        assert np.abs(phi / np.minimum.outer(q, q) - module.phi).max() < 2e-5


def test_they_end_where_the_rounding_begins():
    rng = np.random.default_rng(3)
    a = (rng.standard_normal((16, 3)) @ rng.standard_normal((3, 64))).astype(np.float16)
    found = ls.bases({"q": (a, np.ones((4, 16), np.float16))}, side="a")["q"]
    assert found.sigma.shape == (3,) and found.u.shape == (16, 3) and found.v.shape == (64, 3)


def test_a_wide_and_a_tall_factor_have_both_kinds():
    # More rows than columns: a rank above the size.
    found = ls.bases({"q": (np.diag([3.0, 2.0, 1.0])[[0, 1, 2, 0]][:, :3].astype(np.float32), np.ones((5, 4), np.float32))})
    u, sigma, v = found["q"]
    assert (u.shape, v.shape) == ((4, 3), (3, 3))
    assert np.allclose(sigma, [np.sqrt(18), 2, 1])


def test_modules_without_a_subspace_are_named():
    adapter = {**factors(1), "layers.9.mlp.up_proj": (np.ones((1, 4), np.float32), np.zeros((3, 1), np.float32))}
    with pytest.warns(ls.LorascopeWarning, match="1 modules have no subspace on side b: layers.9.mlp.up_proj"):
        found = ls.bases(adapter, side="b")
    assert list(found.left_out) == ["layers.9.mlp.up_proj"] and len(found) == 3
    with pytest.raises(ls.Error, match="zeros"):
        ls.bases({"q": (np.ones((1, 4), np.float32), np.zeros((3, 1), np.float32))}, side="b")


def test_modules_are_selected():
    adapter = factors(1, modules=4)
    assert list(ls.bases(adapter, layer=2)) == ["layers.2.self_attn.q_proj"]
    assert list(ls.bases(adapter, layer=[0, 3], projections="q")) == [f"layers.{at}.self_attn.q_proj" for at in (0, 3)]
    assert len(ls.bases(adapter, layer="1-2")) == 2
    assert list(ls.bases(adapter, module=["*.1.*"])) == ["layers.1.self_attn.q_proj"]
    with pytest.raises(ls.Error):
        ls.bases(adapter, layer=9)
    with pytest.raises(ls.InvalidError, match="dw-left"):
        ls.bases(adapter, side="c")


def test_they_are_saved_whole_or_not_at_all(tmp_path):
    from safetensors import safe_open

    found = ls.bases(factors(1), side="dw-left")
    path = tmp_path / "bases.safetensors"
    path.write_bytes(b"old")
    found.save(path)
    with safe_open(path, "numpy") as file:
        assert file.metadata() == {"side": "dw-left", "checkpoint": "<memory>"}
        names = set(file.keys())
        for name, basis in found.items():
            for part, array in basis._asdict().items():
                assert np.array_equal(file.get_tensor(f"{name}.{part}"), array)
                names.remove(f"{name}.{part}")
    assert not names and list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError):
        found.save(tmp_path / "nothing" / "bases.safetensors")


def test_bases_say_what_they_are():
    found = ls.bases(factors(1))
    assert repr(found) == "Bases('<memory>', side a, 3 modules)"
    with pytest.raises(ValueError):
        found["layers.0.self_attn.q_proj"].u[0, 0] = 1
