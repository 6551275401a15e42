"""The Python package next to the command and to the torch program in peers/compare.py; run it as figure.py.

The package is in the environment that tests/python-package.sh makes. Two synthetic adapters of 24 modules, r = 64, d = 768. The
library's own time is what `lorascope compare -v` prints of it.
"""
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import HERE, LORASCOPE, measure, write_adapter

PACKAGE = HERE.parent / "target" / "python-package" / "bin" / "python"
N_RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 7

# One process, many comparisons: what a notebook waits for. The first opens nothing that the others find open.
COMPARE = """
import sys, time
import lorascope as ls
for _ in range(int(sys.argv[3])):
    begun = time.perf_counter()
    compared = ls.compare(sys.argv[1], sys.argv[2], engine="cpu")
    for module in compared.values():
        module.phi
    print(time.perf_counter() - begun)
"""
IMPORT = "import time; begun = time.perf_counter(); import lorascope; print(time.perf_counter() - begun)"


def printed(*words):
    ran = subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True)
    return ran.stdout, ran.stderr


def library_seconds(a, b):
    """What the library takes of the command's time: reading, factorising and computing."""
    _, said = printed(LORASCOPE, "compare", a, b, "--engine", "cpu", "-v")
    units = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}
    return sum(float(n) * units[unit] for n, unit in re.findall(r"^time: ([0-9.]+)(s|ms|µs)", said, re.M))


def main():
    with tempfile.TemporaryDirectory() as work:
        a, b = (Path(work) / name for name in ("a", "b"))
        write_adapter(a, 1, 64, 768, 12)
        write_adapter(b, 2, 64, 768, 12)
        imports, libraries, firsts, packages, processes, commands, torches = ([] for _ in range(7))
        for _ in range(N_RUNS):
            imports.append(float(printed(PACKAGE, "-c", IMPORT)[0]))
            libraries.append(library_seconds(a, b))
            first, *later = map(float, printed(PACKAGE, "-c", COMPARE, a, b, 5)[0].split())
            firsts.append(first)
            packages += later
            processes.append(measure([PACKAGE, "-c", COMPARE, a, b, 1])[0])
            commands.append(measure([LORASCOPE, "compare", a, b, "--engine", "cpu"])[0])
            torches.append(measure([sys.executable, HERE / "peers" / "compare.py", a, b])[0])
    rows = {
        "import lorascope": imports,
        "library: read, factorise, compute": libraries,
        "first ls.compare of a process, with every phi": firsts,
        "later ones": packages,
        "process: python, import, ls.compare": processes,
        "process: lorascope compare": commands,
        "process: torch": torches,
    }
    print(f"| what | median of {N_RUNS} | least |\n| --- | --- | --- |")
    for name, seconds in rows.items():
        print(f"| {name} | {statistics.median(seconds) * 1000:.1f} ms | {min(seconds) * 1000:.1f} ms |")
    of = {name: statistics.median(seconds) for name, seconds in rows.items()}
    package = of["later ones"] / of["library: read, factorise, compute"]
    call, process = of["later ones"], of["process: python, import, ls.compare"]
    call, process = (of["process: torch"] / seconds for seconds in (call, process))
    print(f"\nls.compare after the first takes {package:.2f} times the library's time")
    print(f"the torch program takes {call:.0f} times as long as ls.compare, {process:.0f} times as long as a process with it")


main()
