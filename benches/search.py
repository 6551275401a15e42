"""Time of `lorascope search` in a large scan, and of reading what it reads.

    cargo build --release
    python benches/search.py [N] [RUNS]

N synthetic adapters (1,600 unless told otherwise) of 24 modules, r = 16, d = 1024, side a, scanned with one against all, which
fills the cache with 1.6 MB for each. Then one search after the other, and each time after it a plain read of all entries into a
buffer of 64 KiB, on one thread: what no search can do without. Everything is in the system's memory after the first run. Needs
numpy, and 3.3 MB of disk for each adapter.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from synthetic import write

LORASCOPE = Path(__file__).resolve().parent.parent / "target" / "release" / "lorascope"
N_MODULES, R, D = 24, 16, 1024


def run(work, *command):
    """Wall and processor seconds of one command."""
    start = time.perf_counter()
    child = subprocess.Popen([LORASCOPE, *command], cwd=work, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"lorascope ended with {status}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def read(entries):
    """Processor seconds of reading these files."""
    buffer = memoryview(bytearray(1 << 16))
    start = time.process_time()
    for entry in entries:
        with open(entry, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
    return time.process_time() - start


n = int(sys.argv[1]) if len(sys.argv) > 1 else 1600
n_runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
with tempfile.TemporaryDirectory() as work:
    runs = Path(work) / "runs"
    write(runs, n, R, D, N_MODULES)
    query = "runs/run3/checkpoint-3"
    run(work, "scan", "runs", "-o", "out", "--cache", "cache", "--engine", "cpu", "-q", "--pairs", "against", query)
    # The query by itself: opening and factorising it.
    shutil.copytree(runs / "run3" / "checkpoint-3", Path(work) / "one" / "a")
    shutil.copytree(runs / "run3" / "checkpoint-13", Path(work) / "one" / "b")
    run(work, "scan", "one", "-o", "alone", "--cache", "cache", "--engine", "cpu", "-q")
    entries = sorted((Path(work) / "cache").glob("*.safetensors"))
    all_, alone, reads = [], [], []
    for _ in range(n_runs + 1):
        all_.append(run(work, "search", query, "--in", "out", "--cache", "cache", "-q"))
        alone.append(run(work, "search", query, "--in", "alone", "--cache", "cache", "-q"))
        reads.append(read(entries))
    # The first run of each fills the system's memory.
    wall, processor = (statistics.median(column) for column in zip(*all_[1:]))
    own_wall, own_processor = (statistics.median(column) for column in zip(*alone[1:]))
    gib = sum(entry.stat().st_size for entry in entries) / 2**30
    flop = 2 * n * N_MODULES * R * R * D
    print(f"{n} adapters of {N_MODULES} modules, r = {R}, d = {D}: {gib:.2f} GiB of entries, {n_runs} runs\n")
    print("| | wall, median | processor time, median |\n| --- | --- | --- |")
    print(f"| search | {wall:.2f} s | {processor:.2f} s |")
    print(f"| in a scan of two, the same query | {own_wall:.2f} s | {own_processor:.2f} s |")
    print(f"| reading all entries, one thread | | {statistics.median(reads[1:]):.2f} s |")
    print(f"\nproducts: {flop / 1e9:.1f} GFLOP")
