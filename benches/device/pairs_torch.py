"""The pair stage as a torch user would write it well, on a GPU: `pairs_torch.py cuda|cpu ROWS D`.

Each pair of N bases once: a batched product, its squares and two cumulative sums, in strips whose product fits; what stays
are φ(k, k) at powers of two. For r = 8, 16, 64 and 128 with ROWS rows in all, in f32 without TF32. Prints a line of JSON for
each, and one for a large square product, which is the rate that the card really reaches in f32. Needs torch only.
"""

import json
import statistics
import sys
import time

import torch

RANKS = (8, 16, 64, 128)
N_RUNS = 5
# Numbers of a strip's product: half a gigabyte, so that it and its sums fit on a small card.
MAX_NUMBERS = 1 << 27


def pair_stage(bases, r, k):
    """(pairs, cells) in strips; a strip's few pairs below the diagonal are made too."""
    n = len(bases) // r
    strip = max(1, MAX_NUMBERS // (r * r * n))
    kept = []
    for first in range(0, n, strip):
        last = min(first + strip, n)
        product = bases[first * r:last * r] @ bases[first * r:].T
        sums = product.view(last - first, r, n - first, r).square_().cumsum(1).cumsum(3)
        kept.append(sums[:, k - 1, :, k - 1].reshape(len(k), -1) / k[:, None])
    return torch.cat(kept, 1)


def median_s(work, device):
    """Median seconds of a few runs; the first one, which also loads kernels, is left out."""
    seconds = []
    for _ in range(N_RUNS + 1):
        synchronize(device)
        start = time.perf_counter()
        work()
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def say(**facts):
    print(json.dumps(facts), flush=True)


def about(device):
    facts = {"what": "device", "torch": torch.__version__, "name": "cpu"}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        facts |= {"name": properties.name, "sm": properties.multi_processor_count}
        facts |= {"capability": [properties.major, properties.minor]}
    say(**facts)


def main(device, n_rows, d):
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(0)
    about(device)
    side = 8192 if device == "cuda" else 512
    square = torch.randn(side, side, device=device)
    say(what="product", tflop_per_s=2 * side**3 / median_s(lambda: square @ square, device) / 1e12)
    for r in RANKS:
        n = n_rows // r
        on_host = torch.randn(n * r, d)
        bases = on_host.to(device)
        k = torch.tensor([k for k in (1, 2, 4, 8, 16, 32, 64, 128) if k <= r], device=device)
        on_card_s = median_s(lambda: pair_stage(bases, r, k), device)
        whole_s = median_s(lambda: pair_stage(on_host.to(device), r, k).cpu(), device)
        say(what="pairs", r=r, d=d, n=n, on_card_s=on_card_s, whole_s=whole_s)


if __name__ == "__main__":
    if sys.argv[1] == "cuda" and not torch.cuda.is_available():
        sys.exit(f"torch {torch.__version__} sees no CUDA device")
    with torch.inference_mode():
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
