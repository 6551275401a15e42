#!/usr/bin/env bash
# Runs the tests of the Python package that need torch, transformers and peft, which are some gigabytes to install. Arguments go to
# pytest.
set -euo pipefail
# pip takes torch from where PIP_INDEX_URL and PIP_EXTRA_INDEX_URL point; its build without CUDA is a tenth of the size.
cd "$(dirname "$0")/.."

export LORASCOPE_PYTHON_PACKAGES="torch transformers peft accelerate tensorboard"
bash tests/python-package.sh -m heavy "$@"
