"""A whole scan beside the torch programs in peers/scan.py and peers/updates.py: wall and processor time, and peak memory.

    cargo build --release
    python -m venv venv && venv/bin/pip install torch safetensors pyarrow
    venv/bin/python benches/scan.py [RUNS]

Two folders of synthetic adapters: 40 of 4 modules, r = 64, d = 768; and 200 of 24 modules, r = 16, d = 1024.
"""
import sys
import tempfile
from pathlib import Path

from timing import HERE, LORASCOPE, in_turn, write_adapter

for n_adapters, n_modules, r, d in [(40, 4, 64, 768), (200, 24, 16, 1024)]:
    with tempfile.TemporaryDirectory() as work:
        folder, ours, theirs = (Path(work) / name for name in ("adapters", "scan", "torch.parquet"))
        folder.mkdir()
        for seed in range(n_adapters):
            write_adapter(folder / f"run{seed:03}", seed, r, d, n_modules // 2)
        print(f"## {n_adapters} adapters of {n_modules} modules, r = {r}, d = {d}\n")
        in_turn(
            {
                "lorascope scan": [LORASCOPE, "scan", folder, "-o", ours, "--no-cache", "--engine", "cpu"],
                "torch": [sys.executable, HERE / "peers" / "scan.py", folder, theirs],
            },
            made=[ours, theirs],
        )
        in_turn(
            {
                "lorascope scan --update": [
                    LORASCOPE, "scan", folder, "-o", ours, "--no-cache", "--engine", "cpu", "--update"
                ],
                "torch, cosines only": [sys.executable, HERE / "peers" / "updates.py", folder, theirs],
            },
            made=[ours, theirs],
        )
