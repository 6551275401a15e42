"""The factorisations of benches/basis.rs by torch or numpy, in f64 as there: milliseconds a matrix, the fastest of 30.

    python basis.py torch|numpy THREADS
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

if LIBRARY == "torch":
    import torch

    torch.set_num_threads(int(THREADS))

random = np.random.default_rng(0)
for r, d in [(8, 768), (8, 4096), (16, 1024), (64, 384), (64, 768), (64, 4096), (128, 4096)]:
    a = random.random((r, d)) - 0.5
    if LIBRARY == "torch":
        a = torch.from_numpy(a)
        svd = torch.linalg.svd
    else:
        svd = np.linalg.svd
    times = []
    for _ in range(30):
        start = time.perf_counter()
        svd(a, full_matrices=False)
        times.append(time.perf_counter() - start)
    print(f"({r}, {d})  {1000 * min(times):.3f} ms", flush=True)
