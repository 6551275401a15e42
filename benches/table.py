"""The stages beside torch, numpy and burn as Markdown tables: run it through run.sh."""
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy
import torch

HERE = Path(__file__).resolve().parent
THREADS = ("1", "2")
UNITS = {"ns": 1e-6, "µs": 1e-3, "ms": 1.0, "s": 1e3}
UNITS |= {"item/s": 1e-9, "Kitem/s": 1e-6, "Mitem/s": 1e-3, "Gitem/s": 1.0, "Titem/s": 1e3}
NUMBER = re.compile(r"([\d.]+) (ns|µs|ms|s|[KMGT]?item/s)\b")


def divan(bench):
    """{(group, threads, sizes): [fastest ms, the most items a nanosecond]} of a divan program."""
    command = ["cargo", "bench", "--quiet", "--bench", bench]
    lines = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE.parent).stdout.splitlines()
    found, group, threads, leaf = {}, None, "1", None
    for line in lines:
        name = re.split(r"\s{2,}", line.lstrip("│├╰─ "))[0].strip()
        first = NUMBER.search(line)
        if first is None:
            if name in THREADS:
                threads = name
            elif re.fullmatch(r"\w+", name):
                group, threads = name, "1"
        elif first.group(2).endswith("item/s"):
            found[leaf].append(float(first.group(1)) * UNITS[first.group(2)])
        else:
            leaf = (group, threads, name)
            found[leaf] = [float(first.group(1)) * UNITS[first.group(2)]]
    return found


def peer(program, library, threads):
    """{sizes: number} of a program in peers/."""
    command = [sys.executable, HERE / "peers" / program, library, threads]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {sizes: float(number) for sizes, number in re.findall(r"(\(.+?\)) +([\d.]+)", out)}


def processor():
    try:
        return re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()).group(1)
    except (OSError, AttributeError):
        return platform.processor() or platform.machine()


def pairs():
    ours = divan("pairs")
    for threads in THREADS:
        torch_, numpy_ = (peer("pairs.py", library, threads) for library in ("torch", "numpy"))
        square = ours["faer_square", threads, "1024"][1]
        print(f"\n## Pair stage, {threads} thread(s): GFLOP/s\n\nfaer's square product on every thread: {square:.1f}.\n")
        print("| r, d | lorascope | of faer's square | torch | ratio | numpy | ratio |\n|" + " --- |" * 7)
        for (group, at, sizes), (_, rate) in ours.items():
            if group == "upper" and at == threads and sizes in torch_:
                t, n = torch_[sizes], numpy_[sizes]
                print(f"| {sizes} | {rate:.1f} | {rate / square:.0%} | {t:.1f} | {rate / t:.1f} | {n:.1f} | {rate / n:.1f} |")


def bases():
    ours = divan("basis")
    peers = [(library, threads) for library in ("torch", "numpy") for threads in THREADS]
    theirs = [peer("basis.py", *at) for at in peers]
    print("\n## Basis stage: milliseconds a matrix\n\nlorascope takes one thread a matrix, and matrices in parallel.\n")
    heads = "".join(f" {library}, {threads} thr. | ratio |" for library, threads in peers)
    print(f"| r, d | lorascope |{heads}\n|" + " --- |" * (2 + 2 * len(peers)))
    for (group, _, sizes), (ms, *_) in ours.items():
        if group == "side_a" and sizes in theirs[0]:
            print(f"| {sizes} | {ms:.3f} |" + "".join(f" {at[sizes]:.3f} | {at[sizes] / ms:.1f} |" for at in theirs))


def pair_stats():
    """On the first GPU that wgpu finds, a software one too; LORASCOPE_BENCH_GPU=1 says that it is a real one."""
    ours = divan("pair_stats")
    kernels = sorted({group for group, *_ in ours})
    manifest, target = HERE / "peers" / "wgpu-matmul" / "Cargo.toml", HERE.parent / "target" / "peers"
    command = ["cargo", "run", "--release", "--quiet", "--locked", "--manifest-path", manifest, "--target-dir", target]
    choice = ["--", "gpu"] if os.environ.get("LORASCOPE_BENCH_GPU") else []
    out = subprocess.run([*command, *choice], check=True, capture_output=True, text=True).stdout
    burn = {sizes: float(number) for sizes, number in re.findall(r"(\(.+?\)) +([\d.]+)", out)}
    print("\n## Statistics of pairs on a GPU: pairs a second\n\nEach basis with each other, once; burn is the best of four ways.\n")
    print("| r, d, N | burn |" + "".join(f" {kernel} | ratio |" for kernel in kernels) + "\n|" + " --- |" * (2 + 2 * len(kernels)))
    for sizes, rate in burn.items():
        rates = [1e9 * ours[kernel, "1", sizes][1] for kernel in kernels]
        print(f"| {sizes} | {rate:.0f} |" + "".join(f" {own:.0f} | {own / rate:.2f} |" for own in rates))


print(f"{processor()}, {os.cpu_count()} processors; torch {torch.__version__}, numpy {numpy.__version__}")
pairs()
bases()
pair_stats()
print(flush=True)
