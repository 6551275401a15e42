#!/usr/bin/env bash
# Makes the folder that run.sh needs on a machine with a GPU: `pack.sh [--portable] [--list] [FOLDER]`, by default
# target/device. It holds run.sh with its Python, and an archive of the release binary, the tests and the benchmark of the GPU
# engine, the data that they read, and the Vulkan loader. Needs Linux on x86-64 with python3, binutils and apt-get.
#
# --portable builds for glibc 2.17 with cargo-zigbuild; otherwise the binaries need about the glibc of this machine.
# --list prints the names of what would be built, and builds nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

MAX_MB=60
# The loader; what NVIDIA's GLX library is linked to, where the other machine has no X11; and what its EGL library may be.
PACKAGES=(libvulkan1 libx11-6 libxext6 libxcb1 libxau6 libxdmcp6 libbsd0 libmd0 libglvnd0)

portable='' list='' folder=target/device
for argument; do
    case $argument in
        --portable) portable=yes ;;
        --list) list=yes ;;
        -*) echo "usage: pack.sh [--portable] [--list] [FOLDER]" >&2 && exit 2 ;;
        *) folder=$argument ;;
    esac
done

# The tests that run each behaviour on every engine in both precisions, those of the cosines of updates, and the benchmark that cannot do without a GPU.
mapfile -t tests < <(grep -lE 'with_f16_bases!|engine\.update_cosines\(' tests/*.rs | xargs -n 1 basename --suffix .rs)
bench=$(cargo metadata --no-deps --format-version 1 --locked | python3 -c '
import json, sys
targets = [target for package in json.load(sys.stdin)["packages"] for target in package["targets"]]
print(*(t["name"] for t in targets if t["kind"] == ["bench"] and "gpu" in t.get("required-features", [])))')
if [ -n "$list" ]; then
    printf 'test %s\n' "${tests[@]}"
    printf 'bench %s\n' "$bench"
    exit
fi

cargo=(cargo test)
if [ -n "$portable" ]; then
    cargo=(cargo-zigbuild test --target x86_64-unknown-linux-gnu.2.17)
fi
mkdir -p target
work=$(mktemp -d target/pack.XXXXXX)
trap 'rm -rf "$work"' EXIT

# Integration tests need the binary, so that it is built with them.
"${cargo[@]}" --release --locked --no-run --message-format json-render-diagnostics --lib --bin lorascope \
    "${tests[@]/#/--test=}" --bench "$bench" >"$work/built.json"

mkdir "$work/bin"
python3 - "$work/built.json" "$work/bin" <<'PYTHON'
import json, pathlib, shutil, sys
built, folder = sys.argv[1:]
for line in pathlib.Path(built).read_text().splitlines():
    artifact = json.loads(line)
    if artifact["reason"] != "compiler-artifact" or artifact["executable"] is None:
        continue
    kind, name, is_test = artifact["target"]["kind"][0], artifact["target"]["name"], artifact["profile"]["test"]
    if kind == "bin" and is_test:
        continue
    prefix = {"lib": "test-lib", "test": f"test-{name}", "bench": "bench-pairs", "bin": name}[kind]
    shutil.copy(artifact["executable"], f"{folder}/{prefix}")
PYTHON
strip "$work"/bin/*
for name in lorascope bench-pairs test-lib "${tests[@]/#/test-}"; do
    test -x "$work/bin/$name" || { echo "error: cargo built no $name" >&2; exit 1; }
done

# As root, apt-get warns that it downloads as root.
(cd "$work" && apt-get download -qq "${PACKAGES[@]}") 2>"$work/download.log" || { cat "$work/download.log" >&2; exit 1; }
for package in "$work"/*.deb; do
    dpkg -x "$package" "$work/debian"
done
mkdir -p "$work/lib/loader" "$work/lib/more" "$work/tests/data"
find "$work/debian" -name '*.so*' -exec cp -P {} "$work/lib/more" \;
mv "$work"/lib/more/libvulkan.so* "$work/lib/loader"
cp -r tests/data/adapters tests/data/reference "$work/tests/data"

glibc() { objdump -T "$@" | grep -o 'GLIBC_2[.0-9]*' | sort -uV | tail -n 1 | tr _ ' '; }
echo "lorascope at $(git describe --always --dirty --abbrev=10 --exclude='*'), packed on $(date -u +%F). The programs need \
$(glibc "$work"/bin/*), the libraries that come along $(glibc "$work"/lib/*/*.so*)." >"$work/about.txt"

mkdir -p "$folder"
tar -C "$work" -czf "$folder/packed.tar.gz" about.txt bin lib tests
cp benches/device/{run.sh,driver.sh,README.md} benches/device/*.py "$folder"
cat "$work/about.txt"
n_mb=$(du -sm "$folder" | cut -f 1)
echo "$folder: $n_mb MB. There: bash $folder/run.sh"
[ "$n_mb" -lt "$MAX_MB" ] || { echo "error: that is more than $MAX_MB MB" >&2; exit 1; }
