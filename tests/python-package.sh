#!/usr/bin/env bash
# Builds the wheel of the Python package, installs it in a virtual environment under target/, and runs python/tests and the
# notebooks of python/examples with it.
# Arguments go to pytest. The last line has the counts in the form of cargo's.
set -euo pipefail
cd "$(dirname "$0")/.."

environment=$PWD/target/python-package
# A virtual environment needs Debian's python3-venv, which may be missing where python3 is not.
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
"$environment/bin/pip" install --quiet --requirement python/tests/requirements.txt ${LORASCOPE_PYTHON_PACKAGES:-}

rm -f target/wheels/lorascope-*.whl
"$environment/bin/maturin" build --release --locked --manifest-path python/Cargo.toml --out target/wheels
"$environment/bin/pip" install --quiet --force-reinstall --no-deps target/wheels/lorascope-*.whl

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
# The script, and not `python -m pytest`, which would find the source tree.
"$environment/bin/pytest" -q --config-file python/pyproject.toml --nbmake python/tests python/examples "$@" 2>&1 | tee "$log" || status=$?
count() { tail -n 1 "$log" | grep -oE "[0-9]+ $1" | grep -oE '[0-9]+' || echo 0; }
failed=$(($(count failed) + $(count errors?)))
# What could not even be collected is a failure too.
[ "$status" = 0 ] || [ "$failed" != 0 ] || failed=1
echo "test result: python. $(count passed) passed; $failed failed"
exit "$status"
