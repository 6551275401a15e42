"""torch.linalg.svd of the factors that benches/basis.rs factorises, in f64: milliseconds a matrix, median of 30.

python basis.py [THREADS]
"""
import statistics
import sys
import time

import torch

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
for r, d in [(8, 768), (8, 4096), (16, 1024), (64, 384), (64, 768), (64, 4096), (128, 4096)]:
    a = torch.rand(r, d, dtype=torch.float64) - 0.5
    times = []
    for _ in range(33):
        start = time.perf_counter()
        torch.linalg.svd(a, full_matrices=False)
        times.append(time.perf_counter() - start)
    print(f"({r}, {d})  {1000 * statistics.median(times[3:]):.3f} ms")
