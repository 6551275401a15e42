#!/usr/bin/env bash
# Runs the tests of the Python package that need torch, transformers and peft, which are some gigabytes to install. Arguments go to
# pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

# The build without CUDA is a tenth of the size.
export PIP_EXTRA_INDEX_URL=${PIP_EXTRA_INDEX_URL:-https://download.pytorch.org/whl/cpu}
export LORASCOPE_PYTHON_PACKAGES="torch transformers peft accelerate tensorboard"
bash tests/python-package.sh -m heavy "$@"
