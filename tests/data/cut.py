"""Cuts the test and demo adapters out of the full checkpoints that README.md names.

usage: cut.py PAIRS ADAPTERS

PAIRS holds the checkpoints trained for this project, ADAPTERS those of public repositories, each in the folders
that README.md names. Tensors keep their names and bytes unless a line below says otherwise. Run from the root of
the repository; prints the SHA-256 of what it writes.
"""

import hashlib
import json
import shutil
import struct
import sys
from pathlib import Path

import numpy as np

DATA, DEMO = Path("tests/data"), Path("assets/demo")


def read(path):
    """The tensors of a safetensors file, as name -> (dtype, shape, bytes)."""
    blob = path.read_bytes()
    (n_header_bytes,) = struct.unpack("<Q", blob[:8])
    header = json.loads(blob[8 : 8 + n_header_bytes])
    header.pop("__metadata__", None)
    data = blob[8 + n_header_bytes :]
    return {n: (t["dtype"], t["shape"], data[slice(*t["data_offsets"])]) for n, t in header.items()}


def write(path, tensors):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(data)]}
        end += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for *_, data in tensors.values()))


def keep(tensors, *parts):
    return {name: tensor for name, tensor in tensors.items() if any(part in name for part in parts)}


def folder(source, name, *parts):
    """A PEFT folder with the tensors whose name holds one of `parts`."""
    to = DATA / "adapters" / name
    write(to / "adapter_model.safetensors", keep(read(source / "adapter_model.safetensors"), *parts))
    shutil.copyfile(source / "adapter_config.json", to / "adapter_config.json")


def narrow(tensors, dtype):
    """The same numbers rounded to nearest even in F16 or BF16."""
    out = {}
    for name, (_, shape, data) in tensors.items():
        if dtype == "F16":
            data = np.frombuffer(data, "<f4").astype("<f2").tobytes()
        else:
            bits = np.frombuffer(data, "<u4").astype(np.uint64)
            data = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
        out[name] = (dtype, shape, data)
    return out


def main(pairs, adapters):
    for seed in (0, 1):
        for layer in (0, 2, 5):
            folder(pairs / f"seed{seed}-r64", f"seed{seed}-r64-layer{layer}", f".layer.{layer}.")
        folder(pairs / f"seed{seed}-r8", f"seed{seed}-r8-layer5", ".layer.5.")
        demo = keep(read(pairs / f"seed{seed}-r64" / "adapter_model.safetensors"), ".layer.5.")
        write(DEMO / f"seed{seed}.safetensors", demo)
    folder(pairs / "seed0-r8", "seed0-r8-layer2", ".layer.2.")
    for step in (0, 50):
        folder(pairs / "trajectory" / f"checkpoint-{step}", f"trajectory/checkpoint-{step}", ".layer.5.attention.self.query.")
    for grid in sorted((pairs / "reference").glob("phi_seed*.npy")):
        (DATA / "reference").mkdir(exist_ok=True)
        shutil.copyfile(grid, DATA / "reference" / grid.name)

    weight = "encoder.layer.5.attention.self.value.weight"
    dtype, (rows, cols), data = read(pairs / "base-qv.safetensors")[weight]
    write(DATA / "weights" / "value-layer5.safetensors", {weight: (dtype, (240, cols), data[: len(data) // rows * 240])})

    write(DATA / "weights" / "query-value-f16.safetensors", narrow(read(pairs / "base-qv.safetensors"), "F16"))

    small = keep(read(pairs / "seed0-r8" / "adapter_model.safetensors"), ".layer.5.")
    bare = DATA / "adapters" / "bare"
    write(bare / "seed0-r8-f16.safetensors", narrow(small, "F16"))
    write(bare / "seed0-r8-bf16.safetensors", narrow(small, "BF16"))
    named = {name.replace(".weight", ".default.weight"): tensor for name, tensor in small.items()}
    write(bare / "seed0-r8-default.safetensors", named)

    for step in (230, 460):
        source = adapters / "roberta-mrpc" / f"checkpoint-{step}"
        folder(source, f"roberta-mrpc/checkpoint-{step}", ".layer.2.", ".layer.10.", "classifier.out_proj")
    for step in (23, 69):
        source = adapters / "day21-r8" / f"checkpoint-{step}"
        folder(source, f"day21-r8/checkpoint-{step}", ".layers.3.", ".layers.20.")
    folder(adapters / "peft-unilora", "peft-unilora", "")
    for rank in (2, 4, 6, 8, 16):
        sam = read(adapters / "sam-mathieunlp" / f"lora_rank{rank}.safetensors")
        # The first block's two factor pairs are its q and v; the file's own names say neither.
        named = {
            f"base_model.model.image_encoder.blocks.0.attn.{p}.lora_{f.upper()}.weight": sam[f"w_{f}_00{k}"]
            for k, p in enumerate("qv")
            for f in "ab"
        }
        write(DATA / "adapters" / f"sam-rank{rank}" / "adapter_model.safetensors", named)
    shutil.copyfile(adapters / "sam-mathieunlp" / "LICENSE", DATA / "adapters" / "LICENSE-sam.txt")

    lokr = read(adapters / "lycoris-lokr" / "smart_falcon_4_lokr.safetensors")
    write(bare / "lycoris-lokr.safetensors", keep(lokr, "encoder_layers_0_mlp_fc1."))

    shutil.copyfile(pairs / "LICENSE-Apache-2.0.txt", DATA / "LICENSE-Apache-2.0.txt")
    shutil.copyfile(pairs / "LICENSE-Apache-2.0.txt", DEMO / "LICENSE-Apache-2.0.txt")
    shutil.copyfile(adapters / "day21-r8" / "LICENSE", DATA / "adapters" / "day21-r8" / "LICENSE")
    for name in ("roberta-mrpc", "peft-unilora"):
        shutil.copyfile(adapters / name / "LICENSE", DATA / "adapters" / name / "LICENSE")
    shutil.copyfile(adapters / "lycoris-lokr" / "LICENSE", bare / "LICENSE-lycoris.txt")

    for path in sorted([*DATA.rglob("*.safetensors"), *DATA.rglob("*.npy"), *DEMO.rglob("*.safetensors")]):
        print(f"    {hashlib.sha256(path.read_bytes()).hexdigest()}  {path}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
