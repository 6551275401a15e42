"""Figures 3, 4 and 7 of the LoRA paper as a numpy and matplotlib user would write them, for any two PEFT checkpoints.

python paper_figures.py 3|4|7 RUN_A RUN_B OUT [DPI [rocket]]

φ(i, j) by one product and two cumulative sums, not by a norm for each cell, so that the time is that of reading and drawing.
OUT is what matplotlib writes: .png or .pdf. Figure 7 takes all layers that both have. Colours are magma, or seaborn's rocket, whose import
takes longer than the figure.
"""
import re
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from safetensors.numpy import load_file

NAME = re.compile(r".*layers?\.(\d+)\..*\.(q|v|query|value)(?:_proj)?\.lora_A\.weight")


def factors(run):
    """A of each (layer, q or v)."""
    matches = ((NAME.fullmatch(name), a) for name, a in load_file(f"{run}/adapter_model.safetensors").items())
    return {(int(match[1]), match[2][0]): a for match, a in matches if match}


def phi(a, b):
    u, v = (np.linalg.svd(x.astype(np.float64), full_matrices=False)[2] for x in (a, b))
    sums = ((u @ v.T) ** 2).cumsum(axis=0).cumsum(axis=1)
    i, j = np.indices(sums.shape) + 1
    return sums / np.minimum(i, j)


def heatmap(axes, grid, title, vmax, ylabel="$i$"):
    image = axes.imshow(grid, cmap=CMAP, vmin=0, vmax=vmax, interpolation="nearest")
    axes.set_aspect("equal" if grid.shape[0] == grid.shape[1] else "auto")
    ticks = lambda n: np.arange(0, n, max(1, n // 8))
    axes.set_xticks(ticks(grid.shape[1]), ticks(grid.shape[1]) + 1)
    axes.set_yticks(ticks(grid.shape[0]), ticks(grid.shape[0]) + 1)
    axes.set(title=title, xlabel="$j$", ylabel=ylabel)
    return image


CMAP = sys.argv[6] if len(sys.argv) > 6 else "magma"
if CMAP == "rocket":
    import seaborn  # noqa: F401, which registers it


def figure3(a, b):
    layers = sorted({layer for layer, _ in a} & {layer for layer, _ in b})
    layer = layers[len(layers) // 2]
    panels = []
    for p in "qv":
        grid = phi(a[layer, p], b[layer, p])
        panels.append((f"$\\Delta W_{p}$", grid))
    for p, (_, grid) in zip("qv", list(panels)):
        corner = grid[:8, :8].copy()
        corner[np.triu_indices(8, 1)] = np.nan
        panels.append((f"$\\Delta W_{p}$", corner))
    fig, axes = plt.subplots(1, 4, figsize=(16, 4), layout="constrained")
    for at, (title, grid) in zip(axes, panels):
        image = heatmap(at, grid, title, 1.0)
    fig.colorbar(image, ax=axes)
    fig.suptitle("$\\phi(A_{r=64}, A_{r=8}, i, j)$")
    return fig


def figure4(a, b):
    layers = sorted({layer for layer, _ in a} & {layer for layer, _ in b})
    layer = layers[len(layers) // 2]
    random = np.random.default_rng(0)
    shape = a[layer, "q"].shape
    panels = [(f"$\\Delta W_{p}$", phi(a[layer, p], b[layer, p])) for p in "qv"]
    panels.append(("Random Gaussian", phi(random.normal(size=shape), random.normal(size=shape))))
    fig, axes = plt.subplots(1, 3, figsize=(12, 4.5), layout="constrained")
    for at, (title, grid) in zip(axes, panels):
        image = heatmap(at, grid, title, 0.5)
    fig.colorbar(image, ax=axes)
    fig.suptitle("$\\phi(A_{r=64}, A'_{r=64}, i, j)$")
    return fig


def figure7(a, b):
    layers = sorted({layer for layer, _ in a} & {layer for layer, _ in b})
    fig, axes = plt.subplots(len(layers), 2, figsize=(6.6, 2.8 * len(layers)), layout="constrained", squeeze=False)
    for row, layer in zip(axes, layers):
        for at, p in zip(row, "qv"):
            image = heatmap(at, phi(a[layer, p], b[layer, p]), f"$\\Delta W_{p}$", 0.5, f"Layer {layer}\n$i$")
    fig.colorbar(image, ax=axes)
    fig.suptitle("$\\phi(A_{r=64}, A'_{r=64}, i, j)$")
    return fig


def main():
    which, run_a, run_b, out, *dpi = sys.argv[1:6]
    fig = {"3": figure3, "4": figure4, "7": figure7}[which](factors(run_a), factors(run_b))
    fig.savefig(out, dpi=float(dpi[0]) if dpi else 300)


if __name__ == "__main__":
    main()
