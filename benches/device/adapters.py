"""Writes synthetic adapters with nothing but Python: `adapters.py DIR N RANK D MODULES`.

The rows of A are windows of one pool of Gaussian numbers, so that writing a gigabyte takes seconds. Ten runs share half of
their rows, as checkpoints of one run do. Side a is measured; B is small, to save the disk.
"""

import array
import json
import random
import struct
import sys
from pathlib import Path

POOL = 1 << 20
D_OUT = 16


def header(rank, d, n_modules):
    """The start of each file: they differ only in their numbers."""
    entries, end = {}, 0
    for k in range(n_modules):
        name = f"base_model.model.model.layers.{k // 2}.self_attn.{'qv'[k % 2]}_proj"
        for factor, shape in (("A", [rank, d]), ("B", [D_OUT, rank])):
            n_bytes = 4 * shape[0] * shape[1]
            entries[f"{name}.lora_{factor}.weight"] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + n_bytes]}
            end += n_bytes
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


def windows(pool, seed, n, length):
    """So many rows of this length, as bytes."""
    starts = random.Random(seed)
    for _ in range(n):
        at = 4 * starts.randrange(len(pool) // 4 - length)
        yield pool[at:at + 4 * length]


def write(folder, n, rank, d, n_modules):
    gaussian = random.Random(0)
    numbers = array.array("f", (gaussian.gauss(0.0, 1.0) for _ in range(POOL)))
    if sys.byteorder == "big":
        numbers.byteswap()
    pool, start = memoryview(numbers.tobytes()), header(rank, d, n_modules)
    for number in range(n):
        run = number % 10
        checkpoint = Path(folder) / f"run{run}" / f"checkpoint-{number}"
        checkpoint.mkdir(parents=True, exist_ok=True)
        with open(checkpoint / "adapter_model.safetensors", "wb") as file:
            file.write(start)
            for module in range(n_modules):
                file.writelines(windows(pool, f"run {run}, module {module}", rank // 2, d))
                file.writelines(windows(pool, f"adapter {number}, module {module}", rank - rank // 2, d))
                file.writelines(windows(pool, f"adapter {number}, module {module}, B", D_OUT, rank))


if __name__ == "__main__":
    write(sys.argv[1], *map(int, sys.argv[2:]))
