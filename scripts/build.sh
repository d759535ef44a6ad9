#!/bin/bash
# Configures a build folder if it is new, and builds it.
#
#   scripts/build.sh FOLDER [MESON OPTIONS]
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1
shift
if [ ! -f "$folder/build.ninja" ]; then
    meson setup "$folder" "$@"
elif [ $# -gt 0 ]; then
    meson configure "$folder" "$@"
fi
exec ninja -C "$folder"
