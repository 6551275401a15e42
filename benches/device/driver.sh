# Finds a way to load the GPU's Vulkan driver; run.sh sources this. Machines for computing often have NVIDIA's driver without
# a manifest that names it to Vulkan, without X11, which its GLX library is linked to, or without a Vulkan loader.
# shellcheck shell=bash disable=SC2154

# find_driver: sets driver, the environment that shows a GPU to lorascope, and driver_name, which stays empty where nothing
# does. What `lorascope devices --json` printed is then devices.json.
find_driver() {
    local loader kind library more until=$((SECONDS + 100 * scale))
    local loaders=(packed)
    # The system's own comes first.
    ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1 ' && loaders=(system packed)
    driver=() driver_name=''
    for loader in "${loaders[@]}"; do
        for more in '' ' with the X11 libraries that came along'; do
            for kind in GLX EGL; do
                library=$(nvidia_library "$kind") || continue
                [ "$SECONDS" -lt "$until" ] || break 3
                try_driver "$loader" "$more" "NVIDIA's $kind library" "$library" && return
            done
        done
        try_driver "$loader" '' "what the system names to Vulkan" '' && return
    done
    driver=() driver_name=''
    explain_no_driver
}

# try_driver LOADER MORE NAME [LIBRARY]
try_driver() {
    local loader=$1 more=$2 name=$3 library=$4 paths=${LD_LIBRARY_PATH:-} manifest
    [ "$loader" = packed ] && paths=$work/lib/loader:$paths
    driver=()
    if [ -n "$library" ]; then
        paths=$paths:${library%/*}
        manifest=$work/${library##*/}.json
        printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.3.0"}}\n' "$library" >"$manifest"
        # The second is the name that older loaders know.
        driver=(VK_DRIVER_FILES="$manifest" VK_ICD_FILENAMES="$manifest")
    fi
    [ -n "$more" ] && paths=$paths:$work/lib/more
    driver+=(LD_LIBRARY_PATH="$(sed 's/:::*/:/g; s/^://; s/:$//' <<<"$paths")")
    driver_name="$name${library:+ ($library)}$more, the $loader Vulkan loader"
    timeout -k 2 $((45 * scale)) env "${driver[@]}" "$lorascope" devices --json >"$logs/devices.json" 2>"$logs/devices.err"
    if grep -Eq "\"type\": \"($kinds)\"" "$logs/devices.json"; then
        return
    fi
    echo "no GPU by $driver_name"
    {
        echo "== $driver_name"
        cat "$logs/devices.err"
        grep -E '"(cause|way_out|why)"' "$logs/devices.json"
        env "${driver[@]}" VK_LOADER_DEBUG=error,warn timeout 20 "$lorascope" devices 2>&1 >/dev/null | head -n 20
    } >>"$logs/no-driver.log"
    return 1
}

# nvidia_library GLX|EGL: its path.
nvidia_library() {
    local folders folder file
    for folders in usual_folders all_folders; do
        # From a string: a program whose output nothing reads any more complains.
        while read -r folder; do
            for file in "$folder/lib$1_nvidia.so.0" "$folder/lib$1_nvidia.so".*; do
                if [ -e "$file" ]; then
                    realpath -s "$file" && return
                fi
            done
        done <<<"$("$folders")"
    done
    return 1
}

usual_folders() {
    tr : '\n' <<<"${LD_LIBRARY_PATH:-}" | grep .
    ldconfig -p 2>/dev/null | awk '/lib(GLX_nvidia|EGL_nvidia|cuda)\.so/ && /x86-64/ { print $NF }' | xargs -r dirname
    printf '%s\n' /usr/lib/x86_64-linux-gnu /usr/lib64 /usr/lib /usr/local/nvidia/lib64 /usr/local/nvidia/lib \
        /usr/lib/x86_64-linux-gnu/nvidia/current /usr/lib/nvidia* /run/opengl-driver/lib
}

# Where else, once.
all_folders() {
    if [ ! -e "$work/folders" ]; then
        timeout 10 find / \( -path /proc -o -path /sys -o -path "$work" \) -prune -o -name 'lib*_nvidia.so.*' -printf '%h\n' \
            2>/dev/null | sort -u >"$work/folders"
    fi
    cat "$work/folders"
}

# What a person needs to see why nothing loads.
explain_no_driver() {
    local kind library
    {
        ls -l /dev/nvidia* /dev/dri 2>&1
        for kind in GLX EGL; do
            if library=$(nvidia_library "$kind"); then
                echo "== ldd $library"
                ldd "$library"
            else
                echo "no lib${kind}_nvidia.so.0: NVIDIA's driver is here without its graphics part, or not at all"
            fi
        done
        ldconfig -p 2>/dev/null | grep -E 'libvulkan|nvidia'
        ls /usr/share/vulkan/icd.d /etc/vulkan/icd.d 2>&1
        env | grep -E '^(VK_|NVIDIA_|CUDA_VISIBLE)'
    } >>"$logs/no-driver.log" 2>&1
    sed 's/^/    /' "$logs/no-driver.log"
}
