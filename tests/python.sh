#!/usr/bin/env bash
# Prints a Python that has numpy, duckdb, polars and safetensors, which open what lorascope writes for others; where python3
# has not, they are installed under target/.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(command -v "${LORASCOPE_PYTHON:-python3}" || true)
if [ -z "$python" ]; then
    echo "error: no python3 found, which opens what lorascope saves for others; install it and run this again" >&2
    exit 1
fi
if ! "$python" -c 'import numpy, duckdb, polars, safetensors' 2>/dev/null; then
    # A virtual environment needs Debian's python3-venv, which may be missing where python3 is not.
    [ -x target/python/bin/python ] || "$python" -m venv target/python >&2
    python=$PWD/target/python/bin/python
    "$python" -m pip install --quiet numpy duckdb polars safetensors >&2
fi
echo "$python"
