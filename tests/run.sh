#!/usr/bin/env bash
# Runs the whole test suite, the GPU tests and those that need Python included. Where the machine has no Vulkan driver at
# all, a software one (Mesa's lavapipe) is installed first; where python3 lacks numpy, duckdb, polars or safetensors, these
# are installed under target/. Then the Python package is built and tested.
# Arguments go to `cargo test`, and only that is run.
set -euo pipefail
cd "$(dirname "$0")/.."

has_vulkan() {
    if [ "$(uname -s)" != Linux ]; then
        return 0 # Metal and DX12 come with the system.
    fi
    # ldconfig lies in /sbin, which only root has in its path.
    local libraries
    libraries=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p)
    [[ $libraries == *libvulkan.so.1* ]] || return 1
    [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && return 0
    compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null || compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null
}

if ! has_vulkan; then
    if ! command -v apt-get >/dev/null; then
        echo "error: no Vulkan driver found; install Mesa's software driver and the loader" \
            "(Fedora: mesa-vulkan-drivers vulkan-loader; Arch: vulkan-swrast vulkan-icd-loader) and run this again" >&2
        exit 1
    fi
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update
    $sudo apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1
fi

# What draws PDF and SVG, to compare with the PNG.
if command -v apt-get >/dev/null && ! { command -v pdftoppm && command -v rsvg-convert; } >/dev/null; then
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update
    $sudo apt-get install -y --no-install-recommends poppler-utils librsvg2-bin
fi
if command -v pdftoppm >/dev/null && command -v rsvg-convert >/dev/null; then
    export LORASCOPE_REQUIRE_VIEWERS=1
fi

LORASCOPE_PYTHON=$(bash tests/python.sh)
export LORASCOPE_PYTHON

# Under Vulkan's validation layer where it is installed (Debian: vulkan-validationlayers): a word of it fails the tests.
if compgen -G '/usr/share/vulkan/explicit_layer.d/*khronos_validation*.json' >/dev/null; then
    export WGPU_VALIDATION=1 VK_LAYER_SETTINGS_PATH="$PWD/tests/vulkan"
fi

# The property tests take the same cases each time, so that a failure is the change's; another seed looks for new ones.
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-2021}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
LORASCOPE_REQUIRE_GPU=1 cargo test --release "$@" 2>&1 | tee "$log" || status=$?
if [ "$#" = 0 ]; then
    bash tests/device.sh || status=1
    bash tests/python-package.sh 2>&1 | tee -a "$log" || status=1
fi
# One line for all test programs: "test result: ok. 12 passed; 0 failed; ..." added up.
awk '/^test result:/ { passed += $4; failed += $6 } END { printf "%d passed, %d failed\n", passed, failed }' "$log"
if grep -E 'Validation (Error|Warning)' "$log" >&2; then
    echo "error: Vulkan's validation layer found fault" >&2
    exit 1
fi
exit "$status"
