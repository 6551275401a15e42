"""The table of `lorascope compare` as a torch user would write it well: batched SVD, one product, two cumulative sums.

python compare.py RUN_A RUN_B
"""
import sys

import torch
from safetensors.torch import load_file


def main():
    a, b = (load_file(f"{run}/adapter_model.safetensors") for run in sys.argv[1:])
    names = sorted(name for name in a if "lora_A" in name and name in b)
    u, v = (torch.linalg.svd(torch.stack([run[name] for name in names]), full_matrices=False).Vh for run in (a, b))
    sums = (u @ v.mT).square().cumsum(1).cumsum(2)
    r = sums.shape[1]
    k = torch.arange(1, r + 1)
    phi = sums / torch.minimum(k[:, None], k[None, :])
    for name, grid in zip(names, phi):
        print(name, *(f"{grid[k - 1, k - 1]:.3f}" for k in (1, 2, 4, 8) if k <= r))


if __name__ == "__main__":
    main()
