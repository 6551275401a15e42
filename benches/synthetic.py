"""Writes a folder of synthetic adapters: `synthetic.py DIR N RANK D MODULES`.

Ten runs share their start, as checkpoints of one run do; the numbers are seeded.
"""

import json
import pathlib
import struct
import sys

import numpy


def write(folder, n, rank, d, n_modules):
    names = [f"base_model.model.model.layers.{k // 2}.self_attn.{'qv'[k % 2]}_proj" for k in range(n_modules)]
    for number in range(n):
        rng = numpy.random.default_rng(number)
        start = numpy.random.default_rng(10**6 + number % 10)
        tensors = {}
        for name in names:
            a = start.standard_normal((rank, d)) + 0.3 * rng.standard_normal((rank, d))
            tensors[name + ".lora_A.weight"] = a.astype("<f4")
            # Side a is measured: B is small, to save the disk.
            tensors[name + ".lora_B.weight"] = rng.standard_normal((16, rank)).astype("<f4")
        header, end = {}, 0
        for name, tensor in tensors.items():
            header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [end, end + tensor.nbytes]}
            end += tensor.nbytes
        text = json.dumps(header).encode()
        checkpoint = pathlib.Path(folder) / f"run{number % 10}" / f"checkpoint-{number}"
        checkpoint.mkdir(parents=True, exist_ok=True)
        with open(checkpoint / "adapter_model.safetensors", "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for tensor in tensors.values():
                file.write(tensor.tobytes())


if __name__ == "__main__":
    write(sys.argv[1], *map(int, sys.argv[2:]))
