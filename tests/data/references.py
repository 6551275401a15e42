"""Reference grids by the definition, in f64, for the adapters beside this script.

usage: python tests/data/references.py    (numpy and safetensors; torch for the files of torch)

φ(i, j) = ‖V₁[:, :i]ᵀ V₂[:, :j]‖²_F / min(i, j), one norm a cell, with V the right-singular vectors of A (side a) or the
left-singular vectors of B (side b). Element [i-1, j-1] of reference/phi_FIRST_SECOND_MODULE_SIDE.npy. Prints the
smallest relative gap between neighbouring singular values of each pair.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

DATA = Path(__file__).parent
LAYERS = [f"encoder.layer.{layer}.attention.self.{{}}" for layer in (0, 2, 5)]
SAM = "image_encoder.blocks.0.attn.{}"
ROBERTA = "roberta.encoder.layer.10.attention.self.{}"
DAY21 = "model.layers.20.self_attn.{}"

# first, second, modules, sides
PAIRS = [
    *((f"sam-rank{a}", f"sam-rank{b}", SAM, "qv", "ab") for a, b in [(2, 4), (4, 6), (6, 8), (8, 16)]),
    ("roberta-mrpc/checkpoint-230", "roberta-mrpc/checkpoint-460", ROBERTA, ("query", "value"), "ab"),
    ("day21-r8/checkpoint-23", "day21-r8/checkpoint-69", DAY21, ("q_proj", "v_proj"), "ab"),
    ("torch/roberta-mnli.bin", "roberta-mrpc/checkpoint-460", ROBERTA, ("query", "value"), "ab"),
    ("seed0-r8-layer5", "seed1-r8-layer5", LAYERS[2], ("query", "value"), "b"),
    ("seed0-r64-layer5", "seed1-r64-layer5", LAYERS[2], ("query", "value"), "b"),
]


def stored(adapter, module, side):
    path = DATA / "adapters" / adapter
    if path.suffix == ".bin":
        import torch

        return torch.load(path, weights_only=True)[f"{module}.lora_{side.upper()}"].numpy()
    return load_file(path / "adapter_model.safetensors")[f"base_model.model.{module}.lora_{side.upper()}.weight"]


def vectors(adapter, module, side):
    factor = stored(adapter, module, side).astype(np.float64)
    u, sigma, vt = np.linalg.svd(factor, full_matrices=False)
    return (vt.T if side == "a" else u), sigma


def phi(v, w):
    grid = np.empty((v.shape[1], w.shape[1]))
    for i in range(1, v.shape[1] + 1):
        for j in range(1, w.shape[1] + 1):
            grid[i - 1, j - 1] = np.linalg.norm(v[:, :i].T @ w[:, :j], "fro") ** 2 / min(i, j)
    return grid


def main():
    for first, second, modules, names, sides in PAIRS:
        for name in names:
            for side in sides:
                module = modules.format(name)
                (v, s), (w, t) = vectors(first, module, side), vectors(second, module, side)
                gap = min((x[:-1] - x[1:]).min() / x[0] for x in (s, t))
                label = "_".join([first.replace("/", "-"), second.replace("/", "-"), module, side])
                np.save(DATA / "reference" / f"phi_{label}.npy", phi(v, w))
                print(f"{label}: gap {gap:.1e}, sigma_r/sigma_1 {min(s[-1] / s[0], t[-1] / t[0]):.1e}")


main()
