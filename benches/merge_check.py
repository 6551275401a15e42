"""Time of `lorascope merge-check` of many adapters, next to scans of the same.

    cargo build --release
    python benches/merge_check.py [N] [RUNS]

N synthetic adapters (100 unless told otherwise) of 24 modules, r = 16, d_in = d_out = 1024. A scan of side a makes one product for
each pair and module; `scan --update` and merge-check make two. Processor time, medians; the three in turn. Needs torch and
safetensors.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import LORASCOPE, write_adapter

n = int(sys.argv[1]) if len(sys.argv) > 1 else 100
n_runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5


def run(*command):
    """Processor seconds of one command."""
    child = subprocess.Popen([LORASCOPE, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"lorascope ended with {status}")
    return usage.ru_utime + usage.ru_stime


with tempfile.TemporaryDirectory() as work:
    folder, out = Path(work) / "adapters", Path(work) / "out"
    folder.mkdir()
    for seed in range(n):
        write_adapter(folder / f"run{seed:03}", seed, 16, 1024, 12)
    scan = ["scan", folder, "-o", out, "--no-cache", "--engine", "cpu"]
    commands = {"scan": scan, "scan --update": [*scan, "--update"], "merge-check": ["merge-check", folder]}
    seconds = {name: [] for name in commands}
    for _ in range(n_runs + 1):
        for name, command in commands.items():
            shutil.rmtree(out, ignore_errors=True)
            seconds[name].append(run(*command))
    print(f"{n} adapters of 24 modules, r = 16, d = 1024, {n_runs} runs each\n")
    print("| | processor time, median |\n| --- | --- |")
    for name, of_runs in seconds.items():
        # The first run fills the caches.
        print(f"| {name} | {statistics.median(of_runs[1:]):.2f} s |")
