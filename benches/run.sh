#!/usr/bin/env bash
# Runs the benchmarks of the stages and of a whole scan, and the torch, numpy and burn programs that they are compared with,
# and prints one Markdown document: machine, versions, rates and ratios. Takes some twenty minutes on two cores, and ten more
# to build burn the first time; needs 2.5 GB of disk for made-up models; leave the machine alone meanwhile. LORASCOPE_BENCH_PYTHON names a python with torch,
# safetensors and pyarrow; else one is made under target/. The GPU stage runs on the first GPU that wgpu finds, a software
# one where VK_ICD_FILENAMES says so; LORASCOPE_BENCH_GPU=1 tells burn that it is a real one.
set -euo pipefail
cd "$(dirname "$0")/.."
# Set on some machines, and slow where it names a core that this one is not.
unset OPENBLAS_CORETYPE

python=${LORASCOPE_BENCH_PYTHON:-target/bench-python/bin/python}
if [ ! -x "$python" ]; then
    python3 -m venv target/bench-python
    target/bench-python/bin/pip install --quiet torch numpy safetensors pyarrow
fi
cargo build --release --locked --quiet
"$python" benches/table.py
"$python" benches/scan.py 3
"$python" benches/search.py
"$python" benches/merge_check.py
"$python" benches/range_finder.py 3
"$python" benches/base_model.py 3 3
