#!/bin/bash
# Configures a build folder if it is new, and builds it. Says little unless something goes wrong.
#
#   scripts/build.sh FOLDER [MESON OPTIONS]
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

echo "building in $folder/"
if [ ! -f "$folder/build.ninja" ]; then
    configure meson setup "$folder" "$@"
elif [ $# -gt 0 ]; then
    configure meson configure "$folder" "$@"
fi
exec ninja --quiet -C "$folder"
