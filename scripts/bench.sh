#!/bin/bash
# Runs the benchmarks of bench/ on a release build.
#
#   scripts/bench.sh run FOLDER      all of them; writes bench/RESULTS.md and its pictures
#   scripts/bench.sh check FOLDER    a short run against the committed figures (bench/check.py)
#
# The comparing ones run in a Debian of its own for each guest driver: Debian 13 (Mesa 25.0,
# virglrenderer 1.1) and unstable (Mesa 26.2, virglrenderer 1.3), in which both the host's driver and
# the peer come from packages (scripts/root.sh). Where such roots cannot be made they run on this
# system's own driver; so they do with BENCH_HOST_ICD=FILE, for a GPU:
#
#   BENCH_HOST_ICD=/usr/share/vulkan/icd.d/nvidia_icd.json BENCH_MARKDOWN=bench/RESULTS-nvidia.md make bench
#
# BENCH_ROUNDS, BENCH_SECONDS and BENCH_ONLY (programs, separated by commas) are passed on.
set -euo pipefail
cd "$(dirname "$0")/.."

what=$1
build=$(readlink -f "$2")
out=$build/bench/results
mkdir -p "$out"
case $what in
run) rounds=5 seconds=0.3 targets=native,ours,peer ;;
check) rounds=3 seconds=0.1 targets=native,ours ;;
*)
    echo "usage: scripts/bench.sh run|check FOLDER" >&2
    exit 1
    ;;
esac
arguments=(--build "$build" --rounds "${BENCH_ROUNDS:-$rounds}" --seconds "${BENCH_SECONDS:-$seconds}"
    --targets "$targets")
if [ -n "${BENCH_ONLY-}" ]; then
    arguments+=(--only "$BENCH_ONLY")
elif [ "$what" = check ]; then
    arguments+=(--only "round_trips,objects,recording,bandwidth,matrix_product")
fi

results=()
if [ -n "${BENCH_HOST_ICD-}" ]; then
    python3 bench/run.py "${arguments[@]}" --host-icd "$BENCH_HOST_ICD" --json "$out/here.json"
    results+=("$out/here.json")
else
    for suite in trixie sid; do
        status=0
        root=$(scripts/root.sh "$suite" bench libvulkan1 mesa-vulkan-drivers virgl-server python3 vkmark libpng16-16t64) ||
            status=$?
        if [ $status -eq 0 ]; then
            scripts/in-root.sh --bind "$build" "$root" \
                python3 bench/run.py "${arguments[@]}" --json "$out/$suite.json" || status=$?
        fi
        if [ $status -eq 0 ]; then
            results+=("$out/$suite.json")
        elif [ $status -ne 77 ]; then
            exit $status
        fi
    done
    if [ ${#results[@]} -eq 0 ]; then
        echo "bench: no root can be made here: this system's driver, no peer"
        python3 bench/run.py "${arguments[@]}" --targets native,ours --json "$out/here.json"
        results+=("$out/here.json")
    fi
fi

if [ "$what" = check ]; then
    exec python3 bench/check.py --results "${results[@]}"
fi
for program in "$build"/bench/bench_{object_lookup,ring_handover,decode}; do
    if [ -x "$program" ]; then
        echo "== ${program##*/bench_}"
        "$program"
    fi
done
python3 bench/report.py --markdown "${BENCH_MARKDOWN:-bench/RESULTS.md}" --svg bench "${results[@]}"
