#!/bin/bash
# Runs the benchmarks of bench/ one after the other on a release build; each prints its question
# and its figures.
#
#   scripts/bench.sh FOLDER
set -euo pipefail

found=no
for program in "$1"/bench/bench_*; do
    if [ -f "$program" ] && [ -x "$program" ]; then
        found=yes
        echo "== ${program##*/bench_}"
        "$program"
    fi
done
if [ $found = no ]; then
    echo "bench: no benchmarks in $1; build it first" >&2
    exit 1
fi
