"""Whole-process time of `lorascope figure` beside the torch and seaborn program in peers/figure.py.

    cargo build --release
    python -m venv venv && venv/bin/pip install torch seaborn safetensors
    venv/bin/python benches/figure.py [RUNS]

Two synthetic adapters, r = 64, d = 768, query and value; two modules and the control, 12 in wide at 300 dpi.
"""
import sys
import tempfile
from pathlib import Path

from timing import HERE, LORASCOPE, in_turn, write_adapter

with tempfile.TemporaryDirectory() as work:
    a, b, out = (Path(work) / name for name in ("a", "b", "out.png"))
    write_adapter(a, 1, 64, 768, 1)
    write_adapter(b, 2, 64, 768, 1)
    in_turn({
        "lorascope figure": [LORASCOPE, "figure", a, b, "--engine", "cpu", "-o", out],
        "torch + seaborn": [sys.executable, HERE / "peers" / "figure.py", a, b, out],
    })
