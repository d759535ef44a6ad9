#!/bin/bash
# Configures a build folder if it is new, and builds it. Says little unless something goes wrong.
#
#   scripts/build.sh FOLDER [MESON OPTIONS]
#
# A new folder is generated from the Vulkan headers that scripts/headers.sh finds.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1
shift

configure()
{
    local output
    output=$("$@" 2>&1) || {
        printf '%s\n' "$output" >&2
        return 1
    }
}

if [ ! -f "$folder/build.ninja" ]; then
    headers=$(scripts/headers.sh)
    if [ "$headers" != /usr ]; then
        set -- -Dvk_xml="$headers/share/vulkan/registry/vk.xml" \
            -Dvulkan_include="$headers/include" "$@"
    fi
    echo "building in $folder/, Vulkan headers from $headers"
    configure meson setup "$folder" "$@"
else
    echo "building in $folder/"
    [ $# -eq 0 ] || configure meson configure "$folder" "$@"
fi
exec ninja --quiet -C "$folder"
