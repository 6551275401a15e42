"""Peak memory, time and sharding overhead of `lorascope scan` as the number of adapters grows.

    cargo build --release
    python benches/scan_memory.py [N ...]

Synthetic adapters, r = 16, d = 1024, `--memory 512M`, CPU engine, bases from the cache; the best of two runs. The fewer
adapters, the more modules they have, down to 2, so that there is time to measure.
The pairs' own time is the processor time of all pairs less that of one adapter against all others, which reads the same
headers and bases, over the rows that it has more. The overhead of sharding is the processor time of four shares, one after another, over
that of one run, the best of three. Processor time, since a machine may have other work. Needs numpy.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from synthetic import write

LORASCOPE = Path(__file__).resolve().parent.parent / "target" / "release" / "lorascope"
MEMORY = 512


def run(work, out, *more):
    """Wall and processor seconds, and peak MiB, of one scan."""
    command = [LORASCOPE, "scan", "runs", "-o", out, "--cache", "cache", "--engine", "cpu", "--memory", f"{MEMORY}M", "-q"]
    start = time.perf_counter()
    child = subprocess.Popen([*command, *more], cwd=work)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"lorascope ended with {status}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def best(work, *more):
    """The smallest wall and processor seconds and peak of two runs."""
    runs = []
    for _ in range(2):
        runs.append(run(work, "out", *more))
        shutil.rmtree(Path(work) / "out")
    return [min(column) for column in zip(*runs)]


sizes = [int(n) for n in sys.argv[1:]] or [100, 400, 1600]
print("| adapters | modules | rows | peak, bases made | peak, from the cache | wall | processor | of pairs, a row |")
print("| --- | --- | --- | --- | --- | --- | --- | --- |")
for n in sizes:
    n_modules = max(2, 3200 // n)
    with tempfile.TemporaryDirectory() as work:
        write(Path(work) / "runs", n, 16, 1024, n_modules)
        _, _, peak_made = run(work, "first")
        shutil.rmtree(Path(work) / "first")
        wall, processor, peak = best(work)
        _, one_by_all, _ = best(work, "--pairs", "against", "runs/run0/checkpoint-0")
        rows = n_modules * n * (n - 1) // 2
        own = (processor - one_by_all) / (rows - n_modules * (n - 1)) * 1e6
        print(
            f"| {n} | {n_modules} | {rows} | {peak_made:.0f} MiB | {peak:.0f} MiB | {wall:.2f} s | {processor:.2f} s | {own:.2f} µs |",
            flush=True,
        )
        if n == sizes[-1]:
            # In turn, so that a machine whose speed drifts is fair to both.
            alone, shares = [], []
            for _ in range(3):
                alone.append(run(work, "out")[1])
                shares.append(sum(run(work, "shares", "--shard", f"{k}/4")[1] for k in range(1, 5)))
                for out in ("out", "shares"):
                    shutil.rmtree(Path(work) / out)
            alone, shares = min(alone), min(shares)
            print(f"\n4 shares: {shares:.2f} s of processor time, one run: {alone:.2f} s, ratio {shares / alone:.3f}")
