"""The figure as a torch and seaborn user would write it: the definition, a norm for each cell.

python figure.py RUN_A RUN_B OUT.png
"""
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import seaborn as sns
import torch
from safetensors.torch import load_file

KEY = "base_model.model.layers.0.self_attn.{}_proj.lora_A.weight"


def directions(a):
    return torch.linalg.svd(a, full_matrices=False).Vh.T


def phi(a, b):
    u, v = directions(a), directions(b)
    grid = torch.empty(u.shape[1], v.shape[1])
    for i in range(1, u.shape[1] + 1):
        for j in range(1, v.shape[1] + 1):
            grid[i - 1, j - 1] = torch.linalg.norm(u[:, :i].T @ v[:, :j]) ** 2 / min(i, j)
    return grid


def main():
    run_a, run_b, out = sys.argv[1:]
    a, b = (load_file(f"{run}/adapter_model.safetensors") for run in (run_a, run_b))
    panels = [(f"$\\Delta W_{p}$", phi(a[KEY.format(p)], b[KEY.format(p)])) for p in "qv"]
    torch.manual_seed(0)
    shape = a[KEY.format("q")].shape
    panels.append(("Random Gaussian", phi(torch.randn(shape), torch.randn(shape))))
    fig, axes = plt.subplots(1, 4, figsize=(12, 4), gridspec_kw={"width_ratios": [1, 1, 1, 0.06]})
    for k, (title, grid) in enumerate(panels):
        sns.heatmap(grid.numpy(), ax=axes[k], cmap="rocket", vmin=0, vmax=0.5, square=True,
                    cbar=k == 2, cbar_ax=axes[3] if k == 2 else None)
        axes[k].set(title=title, xlabel="j", ylabel="i" if k == 0 else "")
    fig.suptitle(r"$\phi(A_{r=64}, A'_{r=64}, i, j)$")
    fig.tight_layout()
    fig.savefig(out, dpi=300)


if __name__ == "__main__":
    main()
