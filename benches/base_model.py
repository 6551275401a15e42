"""`lorascope compare BASE MODEL` on two made-up models of Llama-7B's matrices in bf16, next to plain reading of both: the time for
each GB, and memory. A fraction of the layers is made, since all are alike; each takes 0.8 GB on the disk for the two models.

    python base_model.py [LAYERS] [RUNS]

Needs LAYERS times 0.8 GB of disk, for as long as it runs. Before each run the files are dropped from the page cache where that is
allowed, and else read once, which is said. The last lines say what the whole of 32 layers would take at the same rates, and how fast
this machine multiplies matrices in f32, which bounds the search for directions."""
import os
import shutil
import statistics
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from timing import HERE, LORASCOPE, measure

LAYERS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
RUNS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
FOLDER = HERE.parent / "target" / "bench-base-model"
SHAPES = {
    **{f"self_attn.{name}_proj": (4096, 4096) for name in "qkvo"},
    **{f"mlp.{name}_proj": (11008, 4096) for name in ("gate", "up")},
    "mlp.down_proj": (4096, 11008),
}
# What 7 billion numbers are.
WHOLE = 32


def write(folder, change):
    """Shards of a layer each: Gaussian weights, and a change of rank 64 with falling singular values."""
    folder.mkdir(parents=True)
    for layer in range(LAYERS):
        tensors = {}
        for at, (name, (rows, cols)) in enumerate(SHAPES.items()):
            torch.manual_seed(1000 * layer + at)
            weight = 0.02 * torch.randn(rows, cols)
            if change:
                a, b = torch.randn(64, cols) / cols**0.5, torch.randn(rows, 64) / rows**0.5
                weight.addmm_(b * torch.linspace(1, 0.2, 64), a)
            tensors[f"model.layers.{layer}.{name}.weight"] = weight.bfloat16()
        save_file(tensors, folder / f"model-{layer + 1:05}-of-{LAYERS:05}.safetensors")


def drop_caches():
    # What is not on the disk yet would stay in memory.
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
        return True
    except OSError:
        return False


def in_gb(folder):
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors")) / 1e9


def sgemm():
    """GFLOP/s of a large product in f32 on all cores."""
    x = torch.randn(4096, 4096)
    best = min(timed(lambda: x @ x) for _ in range(3))
    return 2 * 4096**3 / best / 1e9


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    base, model = FOLDER / "base", FOLDER / "model"
    try:
        write(base, False)
        write(model, True)
        size = in_gb(FOLDER)
        files = sorted(FOLDER.rglob("*.safetensors"))
        programs = {
            "reading (cat)": ["cat", *files],
            "lorascope compare BASE MODEL": [LORASCOPE, "compare", base, model, "-q", "--engine", "cpu"],
        }
        is_cold = drop_caches()
        runs = {name: [] for name in programs}
        for _ in range(RUNS):
            for name, command in programs.items():
                if is_cold:
                    drop_caches()
                else:
                    measure(programs["reading (cat)"])
                runs[name].append(measure(command))
        n = len(SHAPES) * LAYERS
        print(f"{LAYERS} layers, {n} matrices, {size:.2f} GB for both models, {'cold' if is_cold else 'warm'} page cache, {RUNS} runs\n")
        print("| program | wall, median | processor time, median | peak memory | s/GB | 32 layers |\n| --- | --- | --- | --- | --- | --- |")
        for name, values in runs.items():
            wall, processor, peak = (statistics.median(column) for column in zip(*values))
            print(
                f"| {name} | {wall:.1f} s | {processor:.1f} s | {peak:.0f} MiB | {wall / size:.2f} | {wall * WHOLE / LAYERS:.0f} s |"
            )
        print(f"\nproduct of 4096 × 4096 in f32 by torch, {torch.get_num_threads()} threads: {sgemm():.0f} GFLOP/s", flush=True)
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


main()
