"""What the whole-process benchmarks share: synthetic adapters, and two programs timed in turn."""
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
LORASCOPE = HERE.parent / "target" / "release" / "lorascope"


def write_adapter(folder, seed, r, d, n_layers):
    """A PEFT folder with q_proj and v_proj of each layer."""
    torch.manual_seed(seed)
    name = "base_model.model.layers.{}.self_attn.{}_proj.lora_{}.weight"
    shapes = {"A": (r, d), "B": (d, r)}
    tensors = {
        name.format(layer, p, f): torch.randn(shape)
        for layer in range(n_layers)
        for p in "qv"
        for f, shape in shapes.items()
    }
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(f'{{"peft_type": "LORA", "r": {r}, "lora_alpha": {r}}}')


def measure(command):
    """Wall and processor seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_turn(programs):
    """Runs two programs in turn, so that a machine whose speed drifts is fair to both, and prints their medians."""
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    times = {name: [] for name in programs}
    for _ in range(n_runs + 1):
        for name, command in programs.items():
            times[name].append(measure(command))
    # The first run of each fills the caches.
    medians = {name: [statistics.median(column) for column in zip(*runs[1:])] for name, runs in times.items()}
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {n_runs} runs each\n")
    print("| program | wall, median | processor time, median |\n| --- | --- | --- |")
    for name, (wall, processor) in medians.items():
        print(f"| {name} | {wall * 1000:.0f} ms | {processor * 1000:.0f} ms |")
    ours, theirs = medians.values()
    print(f"\nratio of the medians: {theirs[0] / ours[0]:.0f}")
