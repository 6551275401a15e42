#!/usr/bin/env bash
# benches/device on this machine's software driver, with the release binary and without the tests and the benchmark, which
# take long: every option that it gives and every name that it reads is there, and a step that fails stops no other.
#
# Needs target/release/lorascope, python3 and a Vulkan driver, a software one too.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "error: $1" >&2
    exit 1
}

for script in benches/device/*.sh; do
    bash -n "$script"
done
if command -v shellcheck >/dev/null; then
    shellcheck -x benches/device/*.sh
fi

targets=$(bash benches/device/pack.sh --list)
for target in 'test oracle' 'test engines'; do
    grep -qx "$target" <<<"$targets" || fail "pack.sh does not take $target, but only: $targets"
done
[ "$(grep -c '^bench .' <<<"$targets")" = 1 ] || fail "pack.sh needs one benchmark of the GPU, and takes: $targets"

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/packed/bin" "$dir/packed/lib/loader" "$dir/packed/lib/more"
cp target/release/lorascope "$dir/packed/bin"
echo 'a lorascope to test with' >"$dir/packed/about.txt"
tar -C "$dir/packed" -czf "$dir/packed.tar.gz" about.txt bin lib
cp benches/device/{run.sh,driver.sh} benches/device/*.py "$dir"
(cd / && OUT=$dir/out LORASCOPE_DEVICE_SOFTWARE=1 bash "$dir/run.sh") >"$dir/printed" || { cat "$dir/printed"; fail 'run.sh failed'; }

expect() {
    grep -q "$1" "$dir/out/device.md" || { cat "$dir/printed"; fail "the table has no row like: $1"; }
}
expect '^| GPU | .* |'
expect '^| self-tests | all [0-9]* pass'
expect '^| tune: multiply-adds only | and copies .* GB/s'
expect '^| tune, f32, many pairs: .* of multiply-adds only'
expect '^| scan of 20 adapters, .*: cpu | .* pairs/s'
expect '^| scan of 20 adapters, .*: gpu | .* pairs/s'
expect '^| scan, GPU beside CPU | .*, of 190 pairs |'
expect '^| steps that failed | test-oracle (exit code 127), test-engines (exit code 127), pairs (exit code 127)'
if grep -E 'could not be read|scan-|tune \(' "$dir/out/device.md"; then
    cat "$dir/printed"
    fail 'run.sh reads what is not there'
fi
