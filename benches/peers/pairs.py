"""The pair stage as a torch or numpy user would write it well: each pair of N bases once, one product a row of pairs.

    python pairs.py torch|numpy THREADS

Squares and two cumulative sums follow each product; what is kept are φ(k, k) at powers of two. Prints GFLOP/s, counted as
benches/pairs.rs counts them, for the same sizes: the fastest of 7 runs, 2048 rows in all.
"""
import os
import sys
import time

LIBRARY, THREADS = sys.argv[1], sys.argv[2]
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = THREADS
# Set on some machines, and slow where it names a core that this one is not.
os.environ.pop("OPENBLAS_CORETYPE", None)

import numpy as np

ROWS = 2048
SIZES = [(8, 384), (8, 1024), (8, 4096), (16, 384), (16, 1024), (16, 4096), (64, 384), (64, 768), (64, 1024), (64, 4096),
         (128, 384), (128, 1024), (128, 4096)]


def with_torch(bases, r, k):
    n = len(bases) // r
    kept = []
    for a in range(n - 1):
        product = bases[a * r:(a + 1) * r] @ bases[(a + 1) * r:].T
        sums = product.view(r, n - a - 1, r).square_().cumsum(0).cumsum(2)
        kept.append(sums[k - 1, :, k - 1] / k[:, None])
    return kept


def with_numpy(bases, r, k):
    n = len(bases) // r
    kept = []
    for a in range(n - 1):
        product = bases[a * r:(a + 1) * r] @ bases[(a + 1) * r:].T
        squares = np.square(product, out=product).reshape(r, n - a - 1, r)
        sums = np.cumsum(np.cumsum(squares, 0, out=squares), 2, out=squares)
        kept.append(sums[k - 1, :, k - 1] / k[:, None])
    return kept


def main():
    if LIBRARY == "torch":
        import torch

        torch.set_num_threads(int(THREADS))
        convert, stage = torch.from_numpy, with_torch
    else:
        convert, stage = np.asarray, with_numpy
    random = np.random.default_rng(0)
    for r, d in SIZES:
        n = ROWS // r
        bases = convert(random.standard_normal((n * r, d), dtype=np.float32))
        k = convert(np.array([k for k in (1, 2, 4, 8, 16, 32, 64, 128) if k <= r]))
        seconds = []
        for _ in range(7):
            start = time.perf_counter()
            stage(bases, r, k)
            seconds.append(time.perf_counter() - start)
        flop = n * (n - 1) * r * r * d
        print(f"({r}, {d})  {flop / min(seconds) / 1e9:.2f} GFLOP/s", flush=True)


if __name__ == "__main__":
    main()
