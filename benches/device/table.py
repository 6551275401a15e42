"""What run.sh measured, as one Markdown table: `table.py LOGS N_ADAPTERS RANK D MODULES`."""

import csv
import json
import re
import sys
from pathlib import Path

LOGS = Path(sys.argv[1])
N_ADAPTERS, RANK, D, N_MODULES = map(int, sys.argv[2:])

# f32 TFLOP/s outside the tensor cores, from NVIDIA's data sheets of these cards, and for the RTX 4090 from its paper on the Ada
# architecture. The first name that is found in the card's counts.
PEAKS = {
    "H100 PCIe": 51.2, "H100 NVL": 60.0, "H100": 66.9, "H200 NVL": 60.0, "H200": 66.9, "GH200": 66.9, "A100": 19.5, "A10": 31.2,
    "L40S": 91.6, "L40": 90.5, "L4": 30.3, "T4": 8.1, "V100-SXM2": 15.7, "V100-PCIE": 14.0, "RTX A6000": 38.7,
    "RTX 6000 Ada": 91.1, "RTX 4090": 82.6,
}
# f32 lanes of a multiprocessor by compute capability, for other cards: lanes · 2 · the highest clock.
LANES = {(7, 0): 64, (7, 5): 64, (8, 0): 64}
UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


def text(name):
    """What a step wrote; nothing where it was left out."""
    path = LOGS / name
    return path.read_text(errors="replace").strip() if path.exists() else ""


def json_lines(name):
    return [json.loads(line) for line in text(name).splitlines() if line.startswith("{")]


def steps():
    """{step: (exit code, seconds)}."""
    rows = csv.reader(text("steps.tsv").splitlines(), delimiter="\t")
    return {name: (code, float(seconds)) for name, code, seconds in rows}


def gpu():
    """The GPU that was measured, as `devices` describes it; none where no driver loads."""
    if not text("driver.txt"):
        return None
    gpus = json.loads(text("devices.json"))["gpus"]
    return next((gpu for gpu in gpus if gpu["type"] != "software"), gpus[0])


def torch_facts():
    facts = json_lines("torch.log")
    device = next((fact for fact in facts if fact["what"] == "device"), {})
    product = next((fact["tflop_per_s"] for fact in facts if fact["what"] == "product"), None)
    return device, product, {fact["r"]: fact for fact in facts if fact["what"] == "pairs"}


def peak():
    """TFLOP/s and where it is from."""
    name = (gpu() or {}).get("name", "")
    for part, tflop_per_s in PEAKS.items():
        if re.search(rf"\b{part}\b", name):
            return tflop_per_s, "its data sheet"
    device, *_ = torch_facts()
    clock = re.search(r"(\d+) MHz", text("nvidia-smi.log"))
    if "sm" in device and clock:
        lanes = LANES.get(tuple(device["capability"]), 128)
        return device["sm"] * lanes * 2 * int(clock.group(1)) * 1e6 / 1e12, "multiprocessors, lanes and highest clock"
    return None, "unknown"


def variant(timing):
    return timing.get("variant") or timing["kernel"]


def row(what, measured, tflop_per_s=None):
    shares = ["", ""]
    if tflop_per_s:
        ceilings = (peak()[0], torch_facts()[1])
        shares = [f"{tflop_per_s / ceiling:.1%}" if ceiling else "" for ceiling in ceilings]
    rate = f"{tflop_per_s:.3g}" if tflop_per_s else ""
    return "| " + " | ".join([what, measured.removesuffix("; ").replace("|", "\\|"), rate, *shares]) + " |"


def machine():
    yield row("lorascope", text("about.txt"))
    found = gpu()
    if found is None:
        yield row("GPU", "none: no driver could be loaded, see the log")
    else:
        yield row("GPU", f"{found['name']} ({found['type']}, {found['backend']})")
        yield row("driver", f"{found['driver']}; by {text('driver.txt')}")
    processor = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    n_processors = len(re.findall(r"^processor\s*:", Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    yield row("CPU", f"{processor.group(1) if processor else 'unknown'}, {n_processors} processors")
    tflop_per_s, source = peak()
    yield row("f32 peak", f"by {source}" if tflop_per_s else "unknown", tflop_per_s)


def correctness():
    found = gpu()
    if found is None:
        return
    tests = found["self_tests"]
    failures = [f"{test['what']}: {test['failure']}" for test in tests if test["failure"]]
    worst = max(test["worst"] or 0 for test in tests)
    yield row("self-tests", "; ".join(failures) or f"all {len(tests)} pass, largest error of φ {worst:.1e}")
    for log in sorted(LOGS.glob("test-*.log")):
        output = log.read_text(errors="replace")
        counts = re.search(r"(\d+) passed; (\d+) failed", output)
        result = f"{counts.group(1)} passed, {counts.group(2)} failed" if counts else "did not end"
        said = re.findall(r"^(.*)worst \|Δφ\|.*: ([\d.e-]+)$", output, re.MULTILINE)
        for precision in ("f32", "f16"):
            errors = [float(error) for engine, error in said if ("f16 bases" in engine) == (precision == "f16")]
            result += f"; largest error of φ, {precision}: {max(errors):.1e}" if errors else ""
        yield row(f"tests: {log.stem.removeprefix('test-')}", result)


def tune():
    for card in json.loads(text("tune.log") or '{"timings": []}')["timings"]:
        copy = f"and copies {card['copy_gb_per_s']:.4g} GB/s"
        yield row("tune: multiply-adds only", copy, card["fma_gflop_per_s"] / 1e3)
        kinds = {}
        for timing in card["kernels"]:
            kinds.setdefault((timing["precision"], timing["work"]), []).append(timing)
        for (precision, work), timings in kinds.items():
            rates = {variant(timing): timing["gflop_per_s"] / 1e3 for timing in timings}
            share = max(timing["share_of_fma"] for timing in timings)
            yield kernels_row(f"tune, {precision}, {work}", f"{share:.1%} of multiply-adds only; ", rates)


def kernels_row(what, measured, rates):
    """The fastest kernel with its shares, and the rates of the others."""
    fastest = max(rates, key=rates.get)
    others = ", ".join(f"{kernel} {rate:.3g}" for kernel, rate in rates.items() if kernel != fastest)
    return row(f"{what}: {fastest}", measured + (f"others, TFLOP/s: {others}" if others else ""), rates[fastest])


def blocks():
    """{(r, d, n): {kernel: median seconds a block}} of the benchmark."""
    found, kernel = {}, None
    for line in text("pairs.log").splitlines():
        if group := re.match(r"[├╰]─ (\w+)", line):
            kernel = group.group(1)
        elif leaf := re.search(r"─ \((\d+), (\d+), (\d+)\)(.+)", line):
            times = re.findall(r"([\d.]+) (ns|µs|ms|s)\b", leaf.group(4))
            if len(times) >= 3:  # fastest, slowest, median
                number, unit = times[2]
                found.setdefault(tuple(map(int, leaf.groups()[:3])), {})[kernel] = float(number) * UNITS[unit]
    return found


def kernel_seconds():
    """{(kernel, (r, d, n)): seconds a block} by the GPU's own clock."""
    found = re.findall(r"^(\w+) \((\d+), (\d+), (\d+)\) (\S+)$", text("kernels.txt"), re.MULTILINE)
    return {(kernel, (int(r), int(d), int(n))): float(seconds) for kernel, r, d, n, seconds in found}


def pairs():
    """By the GPU's clock where it has one; the whole block, with bases sent there and numbers read back, for one kernel."""
    by_clock, (_, _, by_torch) = kernel_seconds(), torch_facts()
    if steps().get("pairs", ("", 0))[0] == "0" and not blocks():
        raise ValueError("pairs.log has no times")
    for (r, d, n), whole in sorted(blocks().items()):
        n_pairs, tflop = n * (n - 1) / 2, n * (n - 1) * r * r * d / 1e12
        seconds = {kernel: by_clock.get((kernel, (r, d, n)), whole[kernel]) for kernel in whole}
        name, theirs = f"r = {r}, d = {d}, N = {n}", by_torch.get(r)
        for precision in ("f32", "f16"):
            rates = {kernel: tflop / time for kernel, time in seconds.items() if kernel.endswith("_f16") == (precision == "f16")}
            if rates:
                kernel = max(rates, key=rates.get)
                ratios = [theirs[key] / time[kernel] for key, time in (("on_card_s", seconds), ("whole_s", whole))] if theirs else []
                measured = block(n_pairs, whole[kernel], seconds[kernel])
                measured += f"torch takes {ratios[0]:.2f} times as long on the card, {ratios[1]:.2f} for all; " if ratios else ""
                yield kernels_row(f"{name}, {precision}", measured, rates)
        if theirs:
            yield row(f"{name}: torch", block(n_pairs, theirs["whole_s"], theirs["on_card_s"]), tflop / theirs["on_card_s"])


def block(n_pairs, whole_s, on_card_s):
    return f"{1e3 * on_card_s:.3g} ms on the card, {1e3 * whole_s:.3g} ms in all: {n_pairs / whole_s:.3g} pairs/s; "


def torch():
    device, product, _ = torch_facts()
    if product:
        yield row(f"torch {device['torch']}, square f32 product", f"on {device['name']}, without TF32", product)
    else:
        yield row("torch", "no measurement: " + (text("torch.err").splitlines() or ["stopped or left out"])[-1])


def scans():
    seconds = {name: time for name, (code, time) in steps().items() if code == "0"}
    n_rows = N_ADAPTERS * (N_ADAPTERS - 1) // 2 * N_MODULES
    tflop = n_rows * 2 * RANK * RANK * D / 1e12
    name = f"scan of {N_ADAPTERS} adapters, {N_MODULES} modules, r = {RANK}, d = {D}"
    for engine in ("gpu", "cpu"):
        if f"scan-{engine}-2" in seconds:
            first, second = (seconds[f"scan-{engine}-{time}"] for time in (1, 2))
            said = re.search(r"^engine: (.+)$", text(f"scan-{engine}-2.err"), re.MULTILINE)
            measured = f"{second:.2f} s, {n_rows / second:.3g} pairs/s (the first time {first:.2f} s); {said.group(1) if said else ''}"
            yield row(f"{name}: {engine}", measured, tflop / second)
    tables = [phi_of_pairs(f"scan-{engine}.csv") for engine in ("gpu", "cpu")]
    if all(tables):
        assert tables[0].keys() == tables[1].keys(), "the two scans have different pairs"
        worst = max(abs(phi - tables[1][pair]) for pair, phi in tables[0].items())
        yield row("scan, GPU beside CPU", f"largest difference of a pair's mean φ {worst:.1e}, of {len(tables[0])} pairs")


def phi_of_pairs(name):
    """{(a, b): mean φ over the modules}."""
    return {(row["a"], row["b"]): float(row["mean_phi_full"]) for row in csv.DictReader(text(name).splitlines())}


def failed():
    bad = [f"{name} ({code if code.startswith('l') else f'exit code {code}'})" for name, (code, _) in steps().items() if code != "0"]
    yield row("steps that failed", ", ".join(bad) or "none")


def main():
    print("| what | measured | TFLOP/s | of the f32 peak | of torch's product |\n| --- | --- | --- | --- | --- |")
    for section in (machine, torch, correctness, tune, pairs, scans, failed):
        try:
            for line in section():
                print(line)
        except Exception as error:  # A log that is not as expected costs its own rows only.
            print(row(section.__name__, f"could not be read: {type(error).__name__}: {error}"))


if __name__ == "__main__":
    main()
