"""Whole-process time of the paper's figures next to the numpy and matplotlib program in peers/paper_figures.py.

    cargo build --release
    python -m venv venv && venv/bin/pip install matplotlib safetensors
    venv/bin/python benches/paper_figures.py [RUNS]

Two synthetic adapters, r = 64, d = 768, query and value, and the control, 12 in wide: figure 4 at 300 dpi, as PDF, and as a PNG
16,384 pixels wide.
"""
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from timing import HERE, LORASCOPE, in_turn


def write_adapter(folder, seed):
    random = np.random.default_rng(seed)
    name = "base_model.model.layers.0.self_attn.{}_proj.lora_{}.weight"
    shapes = {"A": (64, 768), "B": (768, 64)}
    tensors = {name.format(p, f): random.normal(size=shape).astype(np.float32) for p in "qv" for f, shape in shapes.items()}
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 64, "lora_alpha": 64}')


with tempfile.TemporaryDirectory() as work:
    a, b = Path(work) / "a", Path(work) / "b"
    write_adapter(a, 1)
    write_adapter(b, 2)
    for title, suffix, dpi in [("PNG at 300 dpi", "png", 300), ("PDF", "pdf", 300), ("PNG 16,384 px wide", "png", 16384 / 12)]:
        out = Path(work) / f"out.{suffix}"
        print(f"{title}\n")
        in_turn({
            "lorascope figure": [LORASCOPE, "figure", a, b, "--engine", "cpu", "--dpi", dpi, "-o", out],
            "numpy + matplotlib": [sys.executable, HERE / "peers" / "paper_figures.py", "4", a, b, out, dpi],
        })
