#!/bin/bash
# Runs the benchmarks of bench/ on a release build.
#
#   scripts/bench.sh run FOLDER      all of them; writes bench/RESULTS.md and its pictures
#   scripts/bench.sh report FOLDER   writes them anew from the results that there are
#   scripts/bench.sh check FOLDER    a short run against the committed figures (bench/check.py)
#
# The comparing ones run in a Debian of its own for each guest driver: Debian 13 (Mesa 25.0,
# virglrenderer 1.1) and unstable (Mesa 26.2, virglrenderer 1.3), in which both the host's driver and
# the peer come from packages (scripts/root.sh). Where such roots cannot be made they run on this
# system's own driver; so they do with BENCH_HOST_ICD=FILE, for a GPU:
#
#   BENCH_HOST_ICD=/usr/share/vulkan/icd.d/nvidia_icd.json BENCH_MARKDOWN=bench/RESULTS-nvidia.md make bench
#
# BENCH_ROUNDS, BENCH_SECONDS (of a row), BENCH_ONLY (programs, separated by commas) and BENCH_SUITES
# (trixie, sid) shorten it; BENCH_MARKDOWN and BENCH_PICTURES (a folder) say where to write. With BENCH_SLICE=SECONDS a call measures for about so long and goes on
# where the last one ended; the status is 75 as long as something is left. Results are kept in
# FOLDER/bench/results; the report says how many calls they come from. Status 1: something failed,
# and the report names it.
set -euo pipefail
cd "$(dirname "$0")/.."

usage()
{
    echo "usage: scripts/bench.sh run|report|check FOLDER" >&2
    exit 1
}

[ $# -eq 2 ] || usage
what=$1
build=$(readlink -f "$2")
out=$build/bench/results
rounds=5 seconds=0.2 targets=native,ours,peer
case $what in
run | report) ;;
check)
    out=$build/bench/check
    rounds=3 seconds=0.1 targets=native,ours
    BENCH_ONLY=${BENCH_ONLY-$(python3 bench/check.py --programs)}
    ;;
*) usage ;;
esac
arguments=(--build "$build" --rounds "${BENCH_ROUNDS:-$rounds}" --seconds "${BENCH_SECONDS:-$seconds}")
if [ -n "${BENCH_ONLY-}" ]; then
    arguments+=(--only "$BENCH_ONLY")
fi
packages=(libvulkan1 mesa-vulkan-drivers virgl-server python3 libpng16-16t64 vkmark
    glmark2-x11 libgl1-mesa-dri libglx-mesa0 xvfb)
mkdir -p "$out"

# Runs bench/run.py behind the command that the last arguments are; leaves when the slice is over.
# $1: name of the results; $2: targets
measure()
{
    local name=$1 wanted=$2 status=0 left=()
    shift 2
    if [ -n "${BENCH_SLICE-}" ]; then
        left=(--slice "$((BENCH_SLICE - SECONDS > 0 ? BENCH_SLICE - SECONDS : 0))")
    else
        rm -rf "${out:?}/$name"
    fi
    "$@" python3 bench/run.py "${arguments[@]}" --targets "$wanted" --results "$out/$name" \
        "${left[@]}" || status=$?
    [ $status -ne 75 ] || exit 75
    return $status
}

measure_suites()
{
    local suite root status
    for suite in ${BENCH_SUITES:-trixie sid}; do
        status=0
        root=$(scripts/root.sh "$suite" bench "${packages[@]}") || status=$?
        [ $status -eq 77 ] && continue # no way to Debian's mirror
        [ $status -eq 0 ] || exit $status
        measure "$suite" "$targets" scripts/in-root.sh --bind "$build" "$root" || status=$?
        [ $status -eq 77 ] && continue # no mount namespaces
        [ $status -eq 0 ] || exit $status
    done
    if [ ! -d "$out/trixie" ] && [ ! -d "$out/sid" ]; then
        echo "bench: no root can be made here: this system's driver, no peer"
        measure here native,ours env
    fi
}

# What needs no guest.
measure_library()
{
    local program
    for program in "$build"/bench/bench_{object_lookup,ring_handover,socket_round,decode}; do
        if [ -x "$program" ]; then
            echo "== ${program##*/bench_}"
            "$program"
        fi
    done >"$out/library.new"
    mv "$out/library.new" "$out/library.txt"
}

if [ "$what" != report ]; then
    [ -n "${BENCH_SLICE-}" ] || rm -rf "${out:?}"/{trixie,sid,here,library.txt}
    if [ -n "${BENCH_HOST_ICD-}" ]; then
        arguments+=(--host-icd "$BENCH_HOST_ICD")
        measure here "$targets" env
    else
        measure_suites
    fi
fi
results=()
read -ra names <<<"${BENCH_HOST_ICD:+here}"
[ ${#names[@]} -gt 0 ] || read -ra names <<<"${BENCH_SUITES:-trixie sid}"
for name in "${names[@]}"; do
    [ ! -d "$out/$name" ] || results+=("$out/$name")
done
[ ${#results[@]} -gt 0 ] || results=("$out/here")
if [ "$what" = check ]; then
    exec python3 bench/check.py --results "${results[@]}"
fi
if [ "$what" = run ]; then
    for program in "$build"/bench/bench_*; do # measured before it was built?
        [ "$out/library.txt" -nt "$program" ] || rm -f "$out/library.txt"
    done
    [ -e "$out/library.txt" ] || measure_library
fi
exec python3 bench/report.py --markdown "${BENCH_MARKDOWN:-bench/RESULTS.md}" --svg "${BENCH_PICTURES:-bench}" \
    --library "$out/library.txt" "${results[@]}"
