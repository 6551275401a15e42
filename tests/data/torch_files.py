"""Writes the torch and numpy files of `adapters/torch`, and cuts the real ones.

usage: torch_files.py ADAPTERS    (torch, numpy and safetensors)

ADAPTERS holds `roberta-base-mnli/` and `sd15-catundchat/`, as README.md names them. The `tiny-*` files hold the same
numbers in every container and every way that torch stores them; `tiny-f32.safetensors` and the like are what they are
compared with. Run from the root of the repository; prints the SHA-256 of what it writes.
"""

import hashlib
import io
import os
import shutil
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

TO = Path("tests/data/adapters/torch")
NAMES = [f"base_model.model.h.{layer}.{part}.lora_{f}.weight" for layer in (2, 10) for part in "qv" for f in "AB"]


def tiny(dtype):
    """Factors of four modules: A (3, 5), B (7, 3)."""
    generator = torch.Generator().manual_seed(1)
    shapes = [(3, 5), (7, 3)] * 4
    return OrderedDict(
        (name, torch.randn(shape, generator=generator, dtype=torch.float32).to(dtype)) for name, shape in zip(NAMES, shapes)
    )


def transposed(tensors):
    """The same numbers, column after column in memory."""
    return OrderedDict((name, t.t().contiguous().t()) for name, t in tensors.items())


def sliced(tensors):
    """The same numbers as windows of one storage, with others between them."""
    base = torch.full((len(tensors), 9, 11), 7.0, dtype=next(iter(tensors.values())).dtype)
    out = OrderedDict()
    for window, (name, t) in zip(base, tensors.items()):
        out[name] = window[1 : 1 + t.shape[0], 2 : 2 + t.shape[1]].copy_(t)
    return out


def deflated(path, to):
    """The same archive with its members compressed, under another root folder."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr("some folder/" + name.split("/", 1)[1], old.read(name))


def npy(array, version):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    return file.getvalue()


class TrainingArguments:
    """Pickled under the name of the class that trainers save."""


TrainingArguments.__module__ = "transformers.training_args"
stand_in = types.ModuleType(TrainingArguments.__module__)
stand_in.TrainingArguments = TrainingArguments
sys.modules[TrainingArguments.__module__] = stand_in


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


def main(adapters):
    TO.mkdir(exist_ok=True)
    for label, dtype in [("f64", torch.float64), ("f32", torch.float32), ("f16", torch.float16), ("bf16", torch.bfloat16)]:
        tensors = tiny(dtype)
        save_file(tensors, TO / f"tiny-{label}.safetensors")
        torch.save(tensors, TO / f"tiny-{label}.pt")
        torch.save(tensors, TO / f"tiny-{label}-legacy.pt", _use_new_zipfile_serialization=False)
        if label != "bf16":
            np.savez(TO / f"tiny-{label}.npz", **{name: t.numpy() for name, t in tensors.items()})
    tensors = tiny(torch.float32)
    for name, other in [("transposed", transposed(tensors)), ("sliced", sliced(tensors))]:
        torch.save(other, TO / f"tiny-f32-{name}.pt")
        torch.save(other, TO / f"tiny-f32-{name}-legacy.pt", _use_new_zipfile_serialization=False)
    for protocol in (3, 4, 5):
        torch.save(tensors, TO / f"tiny-f32-protocol{protocol}.pt", pickle_protocol=protocol)
    torch.save(tensors, TO / "tiny-f32-protocol4-legacy.pt", _use_new_zipfile_serialization=False, pickle_protocol=4)
    # What a trainer keeps beside the state_dict, and tensors as parameters with an attribute of their own.
    parameters = OrderedDict((name, torch.nn.Parameter(t, requires_grad=False)) for name, t in tensors.items())
    parameters[NAMES[0]].tag = "attribute"
    checkpoint = {
        "epoch": 3,
        "global_step": torch.tensor(7),
        "state_dict": parameters,
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(2, 2)}}, "param_groups": [{"lr": 1e-3, "params": [0, 1]}]},
        "hyper": [None, True, -5, 2**70, 1e300, "text", b"bytes", {1, 2}, torch.float32, torch.device("cpu"), np.float64(2.5)],
        "shape": tensors[NAMES[0]].shape,
    }
    torch.save(checkpoint, TO / "tiny-f32-checkpoint.pt")
    torch.save(checkpoint, TO / "tiny-f32-checkpoint-legacy.pt", _use_new_zipfile_serialization=False)
    deflated(TO / "tiny-f32.pt", TO / "tiny-f32-deflated.pt")
    np.savez_compressed(TO / "tiny-f32-deflated.npz", **{name: t.numpy() for name, t in tensors.items()})
    with zipfile.ZipFile(TO / "tiny-f32-versions.npz", "w") as archive:
        for n, (name, t) in enumerate(tensors.items()):
            array = np.asfortranarray(t.numpy()) if n % 2 else t.numpy()
            archive.writestr(f"{name}.npy", npy(array, (1 + n % 3, 0)))
        archive.writestr("text.npy", npy(np.array(["a", "bc"]), (1, 0)))
        archive.writestr("README", "no array")

    # A convolution's factors in channels-last order, which no view flattens into rows.
    conv = torch.randn((2, 3, 3, 3), generator=torch.Generator().manual_seed(2)).contiguous(memory_format=torch.channels_last)
    factors = {"m.lora_A.weight": conv, "m.lora_B.weight": torch.ones(4, 2, 1, 1)}
    torch.save(factors, TO / "conv-channels-last.pt")
    save_file({name: t.contiguous() for name, t in factors.items()}, TO / "conv.safetensors")

    # What training leaves beside an adapter, and a pickle that would run a command.
    layer = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 2)).backward()
    optimizer.step()
    state = optimizer.state_dict()
    # AdamW's own counts are tensors too.
    state["state"] = {n: {k: v for k, v in s.items() if k != "step"} for n, s in state["state"].items()}
    torch.save(state, TO / "optimizer.pt")
    torch.save(torch.optim.lr_scheduler.LinearLR(optimizer).state_dict(), TO / "scheduler.pt")
    numbers = np.random.RandomState(1).get_state()
    torch.save({"python": (3, (1, 2), None), "numpy": numbers, "cpu": torch.zeros(16, dtype=torch.uint8)}, TO / "rng_state.pth")
    for name, stand_in in [("training_args.bin", TrainingArguments()), ("evil.pt", Evil())]:
        torch.save(stand_in, TO / name)

    source = adapters / "roberta-base-mnli"
    real = torch.load(source / "roberta_base_lora_mnli.bin", map_location="cpu", weights_only=True)
    kept = OrderedDict((n, t.clone()) for n, t in real.items() if ".layer.10." in n or n == "classifier.out_proj.weight")
    torch.save(kept, TO / "roberta-mnli.bin")
    shutil.copyfile(source / "LICENSE", TO / "LICENSE-roberta-mnli")
    source = adapters / "sd15-catundchat"
    real = torch.load(source / "pytorch_lora_weights.bin", map_location="cpu", weights_only=True)
    part = "down_blocks.0.attentions.0.transformer_blocks.0.attn1."
    torch.save({n: t.clone() for n, t in real.items() if part in n}, TO / "sd15.bin")
    shutil.copyfile(source / "LICENSE", TO / "LICENSE-sd15")
    for path in sorted(path for path in TO.iterdir() if not path.name.startswith("LICENSE")):
        print(f"    {hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to('tests/data')}")


main(*map(Path, sys.argv[1:]))
