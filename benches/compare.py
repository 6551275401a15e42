"""Whole-process time of `lorascope compare` beside the torch program in peers/compare.py; run it as figure.py.

Two synthetic adapters of 24 modules, r = 8, d = 768.
"""
import sys
import tempfile
from pathlib import Path

from timing import HERE, LORASCOPE, in_turn, write_adapter

with tempfile.TemporaryDirectory() as work:
    a, b = (Path(work) / name for name in ("a", "b"))
    write_adapter(a, 1, 8, 768, 12)
    write_adapter(b, 2, 8, 768, 12)
    in_turn({
        "lorascope compare": [LORASCOPE, "compare", a, b, "--engine", "cpu"],
        "torch": [sys.executable, HERE / "peers" / "compare.py", a, b],
    })
