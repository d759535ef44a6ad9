#!/bin/sh
# Draws the demo twice, on the host's driver and through pv-venus, and compares the pictures.
#   scripts/demo.sh BUILD_DIR
# PV_DEMO_FRAMES (default 60) and VK_DRIVER_FILES (default: every installed driver but the guest's
# own) may be set. Exit status: 0 equal pictures, 1 anything else.
set -eu

if [ $# -ne 1 ] || [ ! -x "$1/demo/pv-demo" ]; then
    echo "usage: scripts/demo.sh BUILD_DIR   (a build directory with demo/pv-demo in it)" >&2
    exit 1
fi
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
frames=${PV_DEMO_FRAMES:-60}

fail() {
    echo "demo: $*" >&2
    exit 1
}

# The host's drivers. The guest driver must not be among them: it would look for a virtio-gpu device.
if [ -z "${VK_DRIVER_FILES:-}" ]; then
    for manifest in /etc/vulkan/icd.d/*.json /usr/local/share/vulkan/icd.d/*.json \
        /usr/share/vulkan/icd.d/*.json; do
        case $manifest in
        *virtio* | *'*'*) ;;
        *) VK_DRIVER_FILES=${VK_DRIVER_FILES:+$VK_DRIVER_FILES:}$manifest ;;
        esac
    done
fi
[ -n "${VK_DRIVER_FILES:-}" ] || fail "no Vulkan driver installed; try: apt install mesa-vulkan-drivers"
export VK_DRIVER_FILES

pv_venus=
for candidate in "$build/tools/pv-venus" "$build/pv-venus"; do
    if [ -x "$candidate" ]; then
        pv_venus=$candidate
        break
    fi
done
[ -n "$pv_venus" ] || fail "no pv-venus in $1; build it first"

mkdir -p out
rm -f out/native.png out/venus.png out/native.json out/venus.json out/venus.stats out/demo.log

echo "drawing $frames frames on the host's driver ..."
timeout 600 "$build/demo/pv-demo" --frames "$frames" --output out/native.png \
    --json out/native.json >out/demo.log 2>&1 ||
    { cat out/demo.log >&2; fail "the native run failed"; }
echo "drawing $frames frames through pv-venus ..."
timeout 600 "$pv_venus" run --stats out/venus.stats -- "$build/demo/pv-demo" \
    --frames "$frames" --output out/venus.png --json out/venus.json >out/demo.log 2>&1 ||
    { cat out/demo.log >&2; fail "the run through pv-venus failed"; }

# A string out of our own JSON, which has one key a line.
value() { # FILE KEY
    sed -n "s/^ *\"$2\": \"\(.*\)\",\{0,1\}\$/\1/p" "$1"
}
median() { # FILE
    sed -n 's/.*"frame_ms": {.*"median": \([0-9.]*\).*/\1/p' "$1"
}

native_device=$(value out/native.json device)
venus_device=$(value out/venus.json device)
native_ms=$(median out/native.json)
venus_ms=$(median out/venus.json)
commands=$(sed -n 's/.*commands=\([0-9]*\).*/\1/p' out/venus.stats | awk '{ n += $1 } END { print n }')
[ -n "$commands" ] || fail "pv-venus wrote no statistics"

row() {
    printf '  %-20s %-34s %s\n' "$1" "$2" "$3"
}
echo
row "" "native" "through pv-venus"
row "picture" "out/native.png" "out/venus.png"
row "device" "$native_device" "$venus_device"
row "Vulkan" "$(value out/native.json api_version)" "$(value out/venus.json api_version)"
row "frame, median" "$native_ms ms" \
    "$venus_ms ms ($(awk "BEGIN { printf \"%.2f\", $venus_ms / $native_ms }") of native)"
row "commands per frame" "" "$(awk "BEGIN { printf \"%.1f\", $commands / $frames }") (set-up included)"
echo

case $venus_device in
*"$native_device"*) ;;
*) fail "the two runs used different devices; choose one with VK_DRIVER_FILES" ;;
esac
status=0
result=$("$build/demo/pv-compare" --diff out/difference.png out/native.png out/venus.png) || status=$?
case $status in
0)
    rm -f out/difference.png out/demo.log
    echo "pictures are equal: $result"
    ;;
1) fail "pictures differ: $result; see out/difference.png" ;;
*) fail "the pictures could not be compared" ;;
esac
