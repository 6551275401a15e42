"""Makes the grids paper_q, paper_v, paper_control (rank 64, d = 12288) and rank8_control (rank 8, d = 384).

Each pair is two factors A, (rank, d), whose row spaces linear_cka as planted below; the grid is phi(i, j) by the
definition (Hu et al. 2021, section 7.2), in f64, stored as little-endian f32. Needs numpy alone:

    python make_paper_grids.py
"""

from pathlib import Path

import numpy as np

RANK, D = 64, 12288
OUT = Path(__file__).parent / "grids"
rng = np.random.default_rng(20210617)


def orthonormal_rows(n, d):
    return np.linalg.qr(rng.standard_normal((d, n)))[0].T


def factors(linear_cka):
    """Two factors whose right-singular vectors have the inner products `linear_cka`, (rank, rank), norm below 1."""
    rank = len(linear_cka)
    assert np.linalg.norm(linear_cka, 2) < 1
    both = orthonormal_rows(2 * rank, D)
    first, outside = both[:rank], both[rank:]
    values, vectors = np.linalg.eigh(np.eye(rank) - linear_cka.T @ linear_cka)
    rest = vectors @ np.diag(np.sqrt(values)) @ vectors.T
    second = linear_cka.T @ first + rest @ outside
    sigma = np.linspace(3.0, 0.5, rank)
    mixed = [np.linalg.qr(rng.standard_normal((rank, rank)))[0] @ (sigma[:, None] * v) for v in (first, second)]
    return mixed


def grid(a1, a2):
    u, v = (np.linalg.svd(a, full_matrices=False)[2] for a in (a1, a2))
    rank = len(u)
    phi = np.empty((rank, rank), dtype="<f4")
    for i in range(1, rank + 1):
        for j in range(1, rank + 1):
            phi[i - 1, j - 1] = np.linalg.norm(u[:i] @ v[:j].T) ** 2 / min(i, j)
    return phi


def noise(scale):
    return scale * rng.standard_normal((RANK, RANK))


def query():
    """Each adapter's first directions lie mostly in the span of the other's first: a bright left band and top rows."""
    linear_cka = noise(0.035)
    for k, strength in enumerate([0.76, 0.68, 0.6, 0.52, 0.46, 0.4, 0.36, 0.32]):
        linear_cka[k, k] += strength
    return linear_cka


def value():
    """The second's first directions lie in the first's span, but hardly along its first one: a dark top row."""
    linear_cka = noise(0.035)
    k = np.arange(RANK)
    weight = np.minimum(1.0, (k + 1) / 5.0) * np.exp(-k / 9.0)
    for k, strength in enumerate([0.75, 0.68, 0.6, 0.5]):
        spread = rng.standard_normal(RANK) * weight
        linear_cka[:, k] += strength * spread / np.linalg.norm(spread)
    return linear_cka


def gaussian(rank, d):
    return grid(rng.standard_normal((rank, d)), rng.standard_normal((rank, d)))


np.save(OUT / "paper_q.npy", grid(*factors(query())))
np.save(OUT / "paper_v.npy", grid(*factors(value())))
np.save(OUT / "paper_control.npy", gaussian(RANK, D))
np.save(OUT / "rank8_control.npy", gaussian(8, 384))
