"""Whole-process time of `lorascope figure` beside the torch and seaborn program in peers/figure.py.

    cargo build --release
    python -m venv venv && venv/bin/pip install torch seaborn safetensors
    venv/bin/python benches/figure.py [RUNS]

Two synthetic adapters, r = 64, d = 768, query and value; two modules and the control, 12 in × 4 in at 300 dpi. The two
programs run in turn, so that a machine whose speed drifts is fair to both; quote the ratio of the medians.
"""
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
LORASCOPE = HERE.parent / "target" / "release" / "lorascope"
NAME = "base_model.model.layers.0.self_attn.{}_proj.lora_{}.weight"


def write_adapter(folder, seed):
    torch.manual_seed(seed)
    shapes = {"A": (64, 768), "B": (768, 64)}
    tensors = {NAME.format(p, f): torch.randn(shape) for p in "qv" for f, shape in shapes.items()}
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 64, "lora_alpha": 64}')


def run(command):
    """Wall and processor seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as work:
        a, b, out = (Path(work) / name for name in ("a", "b", "out.png"))
        write_adapter(a, 1)
        write_adapter(b, 2)
        programs = {
            "lorascope figure": [LORASCOPE, "figure", a, b, "--engine", "cpu", "-o", out],
            "torch + seaborn": [sys.executable, HERE / "peers" / "figure.py", a, b, out],
        }
        times = {name: [] for name in programs}
        for _ in range(n_runs + 1):
            for name, command in programs.items():
                times[name].append(run(command))
        medians = {name: [statistics.median(column) for column in zip(*runs[1:])] for name, runs in times.items()}
        print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {n_runs} runs each\n")
        print("| program | wall, median | processor time, median |\n| --- | --- | --- |")
        for name, (wall, cpu) in medians.items():
            print(f"| {name} | {wall * 1000:.0f} ms | {cpu * 1000:.0f} ms |")
        ratio = medians["torch + seaborn"][0] / medians["lorascope figure"][0]
        print(f"\nratio of the medians: {ratio:.0f}")


if __name__ == "__main__":
    main()
