"""Writes `adapters/training`: what training scripts save around a state_dict, and 8-bit numbers.

usage: training_files.py    (torch, numpy, omegaconf, loralib, lightning, safetensors, ml_dtypes)

The factors are those of `adapters/torch/tiny-f32.safetensors`, read from there, except for the 8-bit files and `lightning.ckpt`.
Run from the root of the repository; prints the SHA-256 of what it writes.
"""

import argparse
import collections
import dataclasses
import datetime
import enum
import functools
import hashlib
import pathlib
import sys
import types
import zipfile

import lightning
import loralib
import ml_dtypes
import numpy as np
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file

TO = pathlib.Path("tests/data/adapters/training")


def of_module(name):
    """Pickles a class under the name of a script that readers do not have."""
    module = sys.modules.setdefault(name, types.ModuleType(name))

    def rename(thing):
        thing.__module__ = name
        setattr(module, thing.__name__, thing)
        return thing

    return rename


@of_module("train_lora")
@dataclasses.dataclass
class Config:
    lr: float
    out: pathlib.Path


@of_module("train_lora")
class Stage(enum.Enum):
    WARM = "warm"


Step = of_module("train_lora")(collections.namedtuple("Step", ["n", "loss"]))


@of_module("train_lora")
class Settings(dict):
    """A dictionary of a class of its own, as easydict's and Lightning's AttributeDict are."""


@of_module("train_lora")
def metric(value):
    return value


@of_module("train_lora")
class Scaled(torch.Tensor):
    """A tensor that only its own function makes."""

    def __reduce_ex__(self, protocol):
        return metric, (self.as_subclass(torch.Tensor),)


@of_module("train_lora")
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([Block(), Block()])
        self.itself = [self]


@of_module("train_lora")
class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.query = Query()


@of_module("train_lora")
class Query(torch.nn.Linear):
    """As loralib's, which cannot be pickled itself."""

    def __init__(self):
        super().__init__(5, 7)
        self.lora_A = torch.nn.Parameter(torch.zeros(3, 5))
        self.lora_B = torch.nn.Parameter(torch.zeros(7, 3))


class Lit(lightning.LightningModule):
    def __init__(self, lr, args):
        super().__init__()
        self.save_hyperparameters()
        self.query = loralib.Linear(5, 7, r=3, lora_alpha=6)

    def training_step(self, batch, _):
        loss = self.query(batch[0]).square().mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.hparams.lr)


def objects():
    """What stands next to a state_dict, each of it refused by a reader that only knows tensors."""
    settings = Settings(rank=8)
    settings.owner = settings
    return {
        "args": argparse.Namespace(lr=1e-4, rank=8, out=pathlib.Path("out"), nested=argparse.Namespace(seed=1)),
        "config": OmegaConf.create({"model": {"rank": 8, "targets": ["q", "v"]}}),
        "data": Config(1e-4, pathlib.Path("out/x")),
        "stage": Stage.WARM,
        "step": Step(3, 0.5),
        "settings": settings,
        "when": datetime.datetime(2025, 8, 1, 12, tzinfo=datetime.timezone.utc),
        "took": datetime.timedelta(seconds=5),
        "metric": metric,
        "partial": functools.partial(metric, 3),
        "best": np.float64(0.5),
        "losses": np.arange(4, dtype=np.float32),
        "rng_state": {"numpy": np.random.RandomState(1).get_state(), "torch": torch.zeros(16, dtype=torch.uint8)},
        "seen": {(1, 2), "x"},
        "version": sys.version_info[:2],
        "size": torch.Size([2, 3]),
        "device": torch.device("cuda", 0),
    }


def main():
    TO.mkdir(exist_ok=True)
    tensors = collections.OrderedDict(load_file("tests/data/adapters/torch/tiny-f32.safetensors"))
    both = [("", {}), ("-legacy", {"_use_new_zipfile_serialization": False})]
    for end, options in both:
        torch.save({"model": tensors, "epoch": 3, **objects()}, TO / f"objects{end}.pt", **options)
    torch.save({"model": tensors, "epoch": 3, **objects()}, TO / "objects-protocol5.pt", pickle_protocol=5)
    torch.save(Settings(tensors), TO / "own-dictionary.pt")

    # Where state_dicts lie.
    optimizer = {"state": {n: {"exp_avg": torch.zeros_like(t)} for n, t in enumerate(tensors.values())}, "param_groups": []}
    ema = {name: t + 1 for name, t in tensors.items()}
    base = {"h.2.q.weight": torch.zeros(2, 2)}
    torch.save({"ema": {"state_dict": tensors}, "optimizer": optimizer, "step": torch.tensor(5)}, TO / "ema.pt")
    torch.save({"ema": ema, "state_dict": tensors, "optimizer_states": [optimizer]}, TO / "model-and-ema.pt")
    torch.save({"model": base, "lora": tensors}, TO / "base-and-lora.pt")
    torch.save({"weights": tensors, "metadata": {"r": 3, "alpha": 6, "encoder": "both"}}, TO / "weights-and-metadata.pt")
    first = dict(list(tensors.items())[:4])
    last = {name.removeprefix("base_model.model.h.2."): t for name, t in list(tensors.items())[4:]}
    torch.save({"loras": [first, {"h": {2: last}}]}, TO / "list.pt")

    # One factor that would have to be run.
    run = collections.OrderedDict(tensors)
    name = list(run)[1]
    run[name] = run[name].as_subclass(Scaled)
    torch.save({"state_dict": run}, TO / "one-unread.pt")
    run = collections.OrderedDict(tensors)
    run[name] = run[name].to_sparse()
    torch.save(run, TO / "one-sparse.pt")
    run[name] = tensors[name].numpy()
    torch.save(run, TO / "one-array.pt")

    # A model and a trainer, saved as objects.
    torch.manual_seed(1)
    net = Net()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter)
    torch.save(net, TO / "whole-model.pt")
    torch.save({"net": net, "optimizer": optimizer}, TO / "whole-model-inside.pt")
    save_file({n: t.clone() for n, t in net.state_dict().items() if "lora" in n}, TO / "whole-model.safetensors")
    torch.save(argparse.Namespace(lr=1e-4), TO / "args.pt")

    trainer = lightning.Trainer(
        max_steps=2, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=True, default_root_dir="/tmp/lightning", callbacks=[lightning.pytorch.callbacks.ModelCheckpoint(
            dirpath="/tmp/lightning", monitor="loss")],
    )
    lit = Lit(1e-3, argparse.Namespace(out=pathlib.Path("out")))
    torch.nn.init.normal_(lit.query.lora_B)
    trainer.fit(lit, torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(4, 5))))
    trainer.save_checkpoint(TO / "lightning.ckpt")
    save_file({n: t.clone() for n, t in lit.state_dict().items() if "lora" in n}, TO / "lightning.safetensors")

    # 8 bits, and the same numbers in 32.
    for label in ("e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz"):
        dtype = getattr(torch, f"float8_{label}")
        small = {name: t.to(dtype) for name, t in tensors.items()}
        torch.save(small, TO / f"f8-{label}.pt")
        save_file(small, TO / f"f8-{label}.safetensors")
        save_file({name: t.to(torch.float32) for name, t in small.items()}, TO / f"f8-{label}-as-f32.safetensors")
    # bfloat16 has no name of its own in numpy: MLX writes it as two bytes without a type.
    with zipfile.ZipFile(TO / "bf16.npz", "w") as archive:
        for name, t in tensors.items():
            array = t.numpy().astype(ml_dtypes.bfloat16).view("V2")
            with archive.open(f"{name}.npy", "w") as file:
                head = f"{{'descr': '<V2', 'fortran_order': False, 'shape': {array.shape}, }}"
                head += " " * (-(len(head) + 11) % 64) + "\n"
                file.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + array.tobytes())
    for path in sorted(TO.iterdir()):
        print(f"    {hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to('tests/data')}")


main()
