#!/usr/bin/env bash
# Tries lorascope on a machine with a GPU, in at most six minutes, and prints one Markdown table: run `bash run.sh` in the
# folder that pack.sh made. The machine needs the GPU's driver and, for the comparison, Python with torch; no network.
# A step that fails is reported, and the others go on.
#
# OUT=DIR                         where device.md and the logs go [default: results/ in this folder]
# LORASCOPE_DEVICE_PYTHON=PROGRAM a Python with torch [default: the first that is found]
# LORASCOPE_DEVICE_SOFTWARE=1     takes a software driver too, and small sizes: to try this script
# LORASCOPE_DEVICE_SECONDS=N      the time for everything [default: 350; for a software driver 1500]
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ ! -e "$here/packed.tar.gz" ]; then
    packed=$here/../../target/device
    if [ ! -e "$packed/packed.tar.gz" ]; then
        echo "error: there is no packed.tar.gz here: make the folder with benches/device/pack.sh" >&2
        exit 1
    fi
    exec bash "$packed/run.sh" "$@"
fi

kinds='discrete|integrated|virtual|other' gpu=auto n_rows=16384 adapters=(400 16 1024 24) torch_on=cuda total=350 scale=1
if [ -n "${LORASCOPE_DEVICE_SOFTWARE:-}" ]; then
    kinds+='|software' gpu=0 n_rows=512 adapters=(20 8 256 4) torch_on=cpu total=1500 scale=5
fi
deadline=$((SECONDS + ${LORASCOPE_DEVICE_SECONDS:-$total}))

work=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null; rm -rf "$work"' EXIT
out=${OUT:-$here/results}
mkdir -p "$out" 2>/dev/null && [ -w "$out" ] || out=$PWD
logs=$work/logs
mkdir "$logs"
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # for ldconfig
# Nothing is left in the user's folders.
export XDG_CACHE_HOME=$work/cache XDG_RUNTIME_DIR=$work PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONWARNINGS=ignore

find_python() {
    local python
    for python in "${LORASCOPE_DEVICE_PYTHON:-python3}" python3 python /opt/*/bin/python3 /opt/*/.venv/bin/python3 \
        /opt/*/*/bin/python3 /usr/local/bin/python3 /usr/bin/python3; do
        # Without an import of torch, which may take long the first time.
        if "$python" -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("torch"))' 2>/dev/null; then
            echo "$python" && return
        fi
    done
    command -v "${LORASCOPE_DEVICE_PYTHON:-python3}" || command -v python3 || command -v python
}

# step NAME SECONDS COMMAND...: its output goes to a log of that name; its exit code and time to steps.tsv.
step() {
    local name=$1 limit=$(($2 * scale)) left=$((deadline - SECONDS)) start=$EPOCHREALTIME rc=0 seconds
    shift 2
    if [ "$left" -lt 3 ]; then
        echo "$name: left out, for the time is up"
        printf '%s\t%s\t%s\n' "$name" 'left out' 0 >>"$logs/steps.tsv"
        return 1
    fi
    timeout -k 5 "$((limit < left ? limit : left))" "$@" >"$logs/$name.log" 2>"$logs/$name.err" </dev/null || rc=$?
    seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }')
    printf '%s\t%s\t%s\n' "$name" "$rc" "$seconds" >>"$logs/steps.tsv"
    case $rc in
        0) echo "$name: done in $seconds s" ;;
        124 | 137) echo "$name: stopped after $seconds s" ;;
        *) echo "$name: failed with exit code $rc after $seconds s" ;;
    esac
    [ "$rc" = 0 ] && return
    tail -n 12 "$logs/$name.log" "$logs/$name.err" 2>/dev/null | sed 's/^/    /'
    return "$rc"
}

# The same with the driver that was found.
gpu_step() {
    local name=$1 limit=$2
    shift 2
    step "$name" "$limit" env "${driver[@]}" "$@"
}

# The tests whose names these are, on the GPU only.
run_tests() {
    local name filter
    for name; do
        filter=(--skip cpu)
        # NVIDIA's driver may hang where one thread destroys a device while others use theirs, as these tests do.
        [ "$name" = test-lib ] && filter=(gpu --test-threads 1)
        (cd "$work" && LORASCOPE_REQUIRE_GPU=1 gpu_step "$name" 45 "bin/$name" "${filter[@]}" --show-output)
    done
}

# A scan, and its report, which has the numbers of its pairs in a form that needs no library. The second time everything is in
# the page cache and the driver has compiled the kernels.
scan() {
    local name=scan-$1 time
    for time in 1 2; do
        rm -rf "${work:?}/$name"
        gpu_step "$name-$time" 30 "$lorascope" scan "$work/adapters" -o "$work/$name" --no-cache --engine "$@" || return
    done
    gpu_step "$name-report" 20 "$lorascope" report "$work/$name" -o "$work/$name-report" -q &&
        cp "$work/$name-report/pairs.csv" "$logs/$name.csv"
}

python=$(find_python)
echo "python: ${python:-none}"
tar -C "$work" -xzf "$here/packed.tar.gz" || "$python" -m tarfile -e "$here/packed.tar.gz" "$work" || exit 1
cp "$work/about.txt" "$logs"
echo "$(cat "$work/about.txt") This machine has $(getconf GNU_LIBC_VERSION)."
lorascope=$work/bin/lorascope driver=()
# Nothing below makes sense without it.
step version 20 "$lorascope" --version || exit 1
if command -v nvidia-smi >/dev/null; then
    step nvidia-smi 20 nvidia-smi --query-gpu=name,driver_version,pci.bus_id,clocks.max.sm,memory.total --format=csv,noheader
fi
# During the tests, which are not timed: on a disk that was never read, the first import of torch may take a minute.
timeout 90 "$python" "$here/adapters.py" "$work/adapters" "${adapters[@]}" >"$logs/adapters.log" 2>&1 &
timeout 90 "$python" -c 'import torch' >/dev/null 2>&1 &

# shellcheck source-path=SCRIPTDIR source=driver.sh
. "$here/driver.sh"
find_driver
echo "driver: ${driver_name:-none}"
printf '%s\n' "$driver_name" >"$logs/driver.txt"

[ -n "$driver_name" ] && run_tests test-oracle test-engines
wait
if [ -n "$driver_name" ]; then
    gpu_step tune 40 "$lorascope" devices --tune --json
    export LORASCOPE_BENCH_ROWS=$n_rows LORASCOPE_BENCH_KERNEL_TIMES=$logs/kernels.txt
    gpu_step pairs 75 "$work/bin/bench-pairs" --bench
fi
step torch 75 "$python" "$here/pairs_torch.py" "$torch_on" "$n_rows" 768
scan cpu
if [ -n "$driver_name" ]; then
    scan gpu --gpu "$gpu"
    # The same with the cosines of the updates, once more on the CPU for their difference.
    for engine in "gpu --gpu $gpu" cpu; do
        read -ra engine <<<"$engine"
        rm -rf "$work/update-${engine[0]}"
        gpu_step "update-${engine[0]}" 40 "$lorascope" scan "$work/adapters" -o "$work/update-${engine[0]}" --no-cache --update \
            --engine "${engine[@]}"
    done
    for test in "$work"/bin/test-*; do
        case ${test##*/} in test-oracle | test-engines) ;; *) run_tests "${test##*/}" ;; esac
    done
fi

"$python" "$here/table.py" "$logs" "${adapters[@]}" >"$out/device.md" || echo "no table: the log has everything"
tail -n +1 "$logs"/* >"$out/device.log"
echo "log: $out/device.log"
echo
cat "$out/device.md"
