"""What the whole-process benchmarks share: synthetic adapters, and two programs timed in turn."""
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
LORASCOPE = HERE.parent / "target" / "release" / "lorascope"


def write_adapter(folder, seed, r, d, n_layers):
    """A PEFT folder with q_proj and v_proj of each layer."""
    # Not every benchmark needs it.
    import torch
    from safetensors.torch import save_file

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


# Runs a command and prints its exit code, wall and processor seconds and peak memory. In a process of its own, since a child
# counts the memory of the process that it was forked from: here that would be torch's.
LAUNCH = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
wall = time.perf_counter() - start
print(os.waitstatus_to_exitcode(status), wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
"""


def measure(command):
    """Wall and processor seconds of one run, and its peak memory in MiB."""
    # Set on some machines, and slow where it names a core that this one is not.
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    launch = [sys.executable, "-S", "-E", "-c", LAUNCH, *map(str, command)]
    printed = subprocess.run(launch, env=environment, check=True, capture_output=True, text=True).stdout
    code, *figures = printed.split()
    if code != "0":
        raise subprocess.CalledProcessError(int(code), command)
    return tuple(map(float, figures))


def remove(path):
    """A file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def in_turn(programs, made=()):
    """Runs two programs in turn, so that a machine whose speed drifts is fair to both, and prints their medians. What they
    have `made` is removed before each run."""
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    runs = {name: [] for name in programs}
    for _ in range(n_runs + 1):
        for name, command in programs.items():
            for path in made:
                remove(path)
            runs[name].append(measure(command))
    # The first run of each fills the caches.
    medians = {name: [statistics.median(column) for column in zip(*values[1:])] for name, values in runs.items()}
    peer = sys.modules.get("torch")
    version = f"torch {peer.__version__}, " if peer else ""
    print(f"{platform.machine()}, {os.cpu_count()} cores, {version}{n_runs} runs each\n")
    print("| program | wall, median | processor time, median | peak memory |\n| --- | --- | --- | --- |")
    for name, (wall, processor, peak) in medians.items():
        print(f"| {name} | {wall * 1000:.0f} ms | {processor * 1000:.0f} ms | {peak:.0f} MiB |")
    ours, theirs = medians.values()
    print(f"\nratio of the medians: wall {theirs[0] / ours[0]:.1f}, processor time {theirs[1] / ours[1]:.1f}\n", flush=True)
