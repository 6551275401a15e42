"""The 64 leading directions of 4096 × 4096 matrices: lorascope next to torch.linalg.svd, which finds all of them, and
torch.svd_lowrank with as many columns and iterations as it needs for an error of 1e-4, and for lorascope's within a factor of 2.

    python range_finder.py [RUNS] [--no-svd]

The error is the sine of the largest angle to the right singular vectors by torch in f64. The two programs take turns; processor
time is that of both threads."""
import math
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy
import torch

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / "target" / "bench-range-finder"
D, K = 4096, 64
RUNS = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 3)


def hadamard(d):
    matrix = torch.ones(1, 1)
    while len(matrix) < d:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix / math.sqrt(d)


def orthogonal(h):
    signs = [torch.sign(torch.randn(D)) for _ in range(3)]
    return ((h * signs[0]) @ (h * signs[1])) * signs[2]


def matrices():
    torch.manual_seed(0)
    h = hadamard(D)
    u, v = orthogonal(h), orthogonal(h)
    # A fine-tune of rank 64 and its base in bf16: the difference holds the rounding of both, of which the largest singular value is
    # a fifteenth of the 64th of the change, or 0.84 of it.
    base = 0.02 * torch.randn(D, D)
    shape = (u[:, :K] * torch.linspace(1, 0.2, K)) @ v[:, :K].T
    for size in (0.4, 0.02):
        yield f"update of rank 64, σ₁ = {size}, and bf16 rounding", (base + size * shape).bfloat16().float() - base.bfloat16().float()
    # Falling as slowly as the weights of small BERTs: no gap, and the 64th value is half of the first.
    yield "weight, σ ~ (k + 20)^-1/2", (u * (torch.arange(1, D + 1) + 20.0) ** -0.5) @ v.T


def error(v, true):
    v = torch.linalg.qr(v.double())[0]
    return torch.linalg.matrix_norm(true - v @ (v.T @ true), 2).item()


def timed(function):
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def lorascope(file):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run([*PROGRAM, file, *map(str, (D, D, K, "1e-4", RUNS))], check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Of RUNS searches and of reading the file.
    cpu = (after.ru_utime - before.ru_utime) / RUNS
    ms = [float(ms) for ms in re.findall(r"([\d.]+) ms", out.stdout)]
    return statistics.median(ms) / 1e3, cpu, out.stdout.splitlines()[0]


build = ["cargo", "bench", "--quiet", "--bench", "range_finder", "--no-run"]
subprocess.run(build, check=True, cwd=HERE.parent)
PROGRAM = ["cargo", "bench", "--quiet", "--bench", "range_finder", "--manifest-path", HERE.parent / "Cargo.toml", "--"]
FOLDER.mkdir(parents=True, exist_ok=True)
torch.set_num_threads(2)
print("| matrix | program | seconds | processor seconds | error |\n| --- | --- | --- | --- | --- |")
for name, matrix in matrices():
    file = FOLDER / "matrix.bin"
    matrix.numpy().tofile(file)
    wide = matrix.double()
    true = torch.linalg.eigh(wide.T @ wide)[1][:, -K:]
    del wide
    wall, cpu, stated = lorascope(file)
    right = torch.from_numpy(numpy.fromfile(f"{file}.right", dtype="<f4").reshape(K, D)).T
    ours = error(right, true)
    print(f"| {name} | lorascope ({stated.split(' ms, ')[1]}) | {wall:.2f} | {cpu:.2f} | {ours:.1e} |", flush=True)
    for goal in (1e-4, 2 * ours):
        # The fewest iterations that reach it, with the width that is then the fastest.
        best = None
        for q in (72, 96, 128):
            for niter in (1, 2, 3, 4, 6, 8, 12, 16, 24):
                (_, _, v), seconds, _ = timed(lambda: torch.svd_lowrank(matrix, q=q, niter=niter))
                if best and seconds > best[0]:
                    break
                if error(v[:, :K], true) <= goal:
                    best = (seconds, q, niter)
                    break
        if not best:
            print(f"| | torch.svd_lowrank, q = 128, niter = 24 | {seconds:.2f} | | {error(v[:, :K], true):.1e} |", flush=True)
            break
        _, q, niter = best
        runs = [timed(lambda: torch.svd_lowrank(matrix, q=q, niter=niter)) for _ in range(RUNS)]
        seconds, cpu = (statistics.median(column) for column in list(zip(*runs))[1:])
        off = error(runs[0][0][2][:, :K], true)
        print(f"| | torch.svd_lowrank, q = {q}, niter = {niter} | {seconds:.2f} | {cpu:.2f} | {off:.1e} |", flush=True)
    if "--no-svd" not in sys.argv:
        (_, _, vh), seconds, cpu = timed(lambda: torch.linalg.svd(matrix))
        print(f"| | torch.linalg.svd | {seconds:.2f} | {cpu:.2f} | {error(vh[:K].T, true):.1e} |", flush=True)
