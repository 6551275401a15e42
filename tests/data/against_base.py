"""What updates are next to the weights that they change, by the definitions, in f64: reference/against_base.json.

usage: python tests/data/against_base.py    (numpy and safetensors)

W is that of weights/query-value-f16.safetensors, ΔW = s·B·A of the adapters seed0-r8 and seed0-r64, formed. Everything comes from
numpy's SVD of W, ΔW and W + ΔW.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

DATA = Path(__file__).parent
RANKS = (1, 4, 8)
SHARES = (8, 64)


def entropy_rank(sigma):
    p = sigma / sigma.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def facts(w, update, r):
    u_w, s_w, v_w = np.linalg.svd(w)
    u, s, v = np.linalg.svd(update)
    u_tuned = np.linalg.svd(w + update)[0]
    norm = np.linalg.norm
    energy = np.cumsum(s**2) / (s**2).sum()
    phi = lambda x, y: float(norm(x @ y.T) ** 2 / len(x))
    return {
        "norm_w": norm(w),
        "norm_update": norm(update),
        "table7": [[norm(u[:, :k].T @ w @ v[:k].T), norm(u_w[:, :k].T @ w @ v_w[:k].T)] for k in RANKS],
        "cosines": np.abs(u_tuned.T @ u_w).max(axis=1)[:10].tolist(),
        "right": [norm(update @ v_w[:k].T) ** 2 / norm(update) ** 2 for k in SHARES],
        "left": [norm(u_w[:, :k].T @ update) ** 2 / norm(update) ** 2 for k in SHARES],
        "phi_top": [phi(v_w[:8], v[:8]), phi(u_w.T[:8], u.T[:8])],
        "phi_bottom": [phi(v_w[-8:], v[:8]), phi(u_w.T[-8:], u.T[:8])],
        "k": [int((energy >= share).argmax()) + 1 for share in (0.9, 0.95, 0.99)],
        "stable_rank": (s**2).sum() / s[0] ** 2,
        "effective_rank": entropy_rank(s[:r]),
    }


def main():
    weights = load_file(DATA / "weights" / "query-value-f16.safetensors")
    found = {}
    for r in (8, 64):
        for layer in (2, 5):
            adapter = f"seed0-r{r}-layer{layer}"
            tensors = load_file(DATA / "adapters" / adapter / "adapter_model.safetensors")
            config = json.loads((DATA / "adapters" / adapter / "adapter_config.json").read_text())
            for projection in ("query", "value"):
                module = f"encoder.layer.{layer}.attention.self.{projection}"
                a, b = (tensors[f"base_model.model.{module}.lora_{f}.weight"].astype(np.float64) for f in "AB")
                update = config["lora_alpha"] / config["r"] * b @ a
                found[f"{adapter} {projection}"] = facts(weights[f"{module}.weight"].astype(np.float64), update, r)
    text = json.dumps({"ranks": RANKS, "shares": SHARES, "modules": found}, indent=1)
    (DATA / "reference" / "against_base.json").write_text(text + "\n")


main()
