#!/bin/bash
# Boots an unmodified Debian kernel with Debian's Mesa under Debian's QEMU, with our
# libvirglrenderer in the place of the stock one, draws the demo in the guest, and compares the
# picture with what the same driver draws natively.
#   scripts/demo-vm.sh BUILD_DIR
# A Debian (QEMU, Mesa, kernel) is fetched once into ${XDG_CACHE_HOME:-~/.cache}/pv-venus, about
# 900 MB; QEMU runs inside it. Needs root, for mmdebstrap and chroot; sudo is used if it is there.
# May be set: PV_VM_SUITE, the release (default trixie: QEMU 10, Mesa 25.0; sid has newer ones);
# PV_DEMO_FRAMES (5); PV_VM_ACCEL, kvm or tcg (kvm if a guest boots with it). Exit status: 0 equal
# pictures, 1 anything else.
set -euo pipefail

say() { echo "demo-vm: $*"; }
fail() {
    echo "demo-vm: $*" >&2
    exit 1
}

if [ $# -ne 1 ] || [ ! -e "$1/abi/virgl/libvirglrenderer.so.1" ] || [ ! -x "$1/demo/pv-demo" ]; then
    fail "usage: scripts/demo-vm.sh BUILD_DIR   (a build directory: make build)"
fi
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "needs root: run it as root, or install sudo"
    exec sudo --preserve-env=XDG_CACHE_HOME,HOME,PV_DEMO_FRAMES,PV_VM_ACCEL,PV_VM_SUITE "$0" "$@"
fi

build=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
frames=${PV_DEMO_FRAMES:-5}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pv-venus
suite=${PV_VM_SUITE:-trixie}
root=$cache/vm-$suite
out=$PWD/out/vm

mirror=http://deb.debian.org/debian
packages=(qemu-system-x86 qemu-system-gui qemu-system-modules-opengl libegl1 libgl1-mesa-dri
    mesa-vulkan-drivers vulkan-tools libpng16-16t64 linux-image-amd64 busybox-static cpio kmod zstd)

# Runs a command in the root, with devices and processes of its own that end with it.
inside() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount --pid --fork --kill-child sh -c '
        root=$1; shift
        mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" && chroot "$root" "$@"
        exit $? # no exec: some programs do not like to be process 1
    ' sh "$root" env HOME=/root LC_ALL=C "$@"
}

fetch_root() {
    local list
    list=$(IFS=, && echo "${packages[*]}")
    if [ "$list" = "$(cat "$root/.complete" 2>/dev/null)" ]; then
        return
    fi
    if ! command -v mmdebstrap >/dev/null; then
        say "installing mmdebstrap, because it is missing"
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends mmdebstrap \
            >/dev/null || fail "apt-get could not install mmdebstrap"
    fi
    say "fetching Debian $suite into $root (once, some minutes)"
    rm -rf "$root"
    mkdir -p "$cache"
    # Signatures are checked; the age of sid's lists is not, for machines whose clock is ahead.
    mmdebstrap --quiet --mode=root --variant=apt --components=main --include="$list" \
        --aptopt='APT::Install-Recommends "false"' \
        --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$root" "$mirror" ||
        fail "mmdebstrap failed: is $mirror reachable?"
    echo "$list" >"$root/.complete"
}

# The guest: busybox, vulkaninfo, the demo, the Venus driver, their libraries and a few modules.
make_guest() {
    local guest=$root/pv/guest kernel file module number=10
    kernel=$(basename "$root"/lib/modules/*)
    rm -rf "$root/pv"
    mkdir -p "$guest"/{bin,mods,dev,proc,sys,tmp/out,usr/share/vulkan/icd.d}
    cp -L "$build/abi/virgl/libvirglrenderer.so.1" "$build/demo/pv-demo" "$root/pv/"
    cp "$root/usr/bin/busybox" "$root/usr/bin/vulkaninfo" "$root/pv/pv-demo" "$guest/bin/"
    cp "$root"/usr/share/vulkan/icd.d/virtio_icd*.json "$guest/usr/share/vulkan/icd.d/"
    # shellcheck disable=SC2016 # expanded by the inner shell
    while read -r file; do
        mkdir -p "$guest$(dirname "$file")"
        cp -L "$root$file" "$guest$file"
    done < <(inside sh -c '
        lib=/usr/lib/x86_64-linux-gnu
        for f in /usr/bin/vulkaninfo /pv/pv-demo $lib/libvulkan_virtio.so $lib/libvulkan.so.1; do
            ldd "$f" | grep -o "/[^ ]*"
        done
        echo $lib/libvulkan_virtio.so; echo $lib/libvulkan.so.1' | sort -u)
    for module in $(inside sh -c "for m in virtio_pci virtio_gpu virtio_blk; do
            modprobe -S $kernel --show-depends \$m; done" | awk '$1 == "insmod" && !s[$2]++ { print $2 }'); do
        file=$guest/mods/$number-$(basename "$module")
        cp "$root$module" "$file"
        case $file in
        *.xz) inside busybox unxz "${file#"$root"}" ;;
        *.zst) inside zstd -q -d --rm "${file#"$root"}" ;;
        esac
        number=$((number + 1))
    done
    cat >"$guest/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin XDG_RUNTIME_DIR=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
if grep -q pv.probe /proc/cmdline; then
    echo "pv: booted"
    poweroff -f
fi
for module in /mods/*; do insmod "$module"; done
tries=0
while [ ! -e /dev/dri/renderD128 ] && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
echo "pv: up after $(cut -d ' ' -f 1 /proc/uptime) s"
vulkaninfo --summary >/tmp/out/vulkaninfo.txt 2>&1
echo "pv: vulkaninfo ended with $?"
frames=$(sed 's/.*pv.frames=\([0-9]*\).*/\1/' /proc/cmdline)
pv-demo --frames "$frames" --output /tmp/out/guest.png --json /tmp/out/guest.json
echo "pv: pv-demo ended with $?"
tar -cf /dev/vda -C /tmp/out .
sync
poweroff -f
INIT
    chmod +x "$guest/init"
    inside sh -c 'cd /pv/guest && find . | cpio -o -H newc --quiet | gzip -1 >/pv/initrd.gz'
    truncate -s 64M "$root/pv/out.img"
}

# $1: accelerator, $2: seconds, $3: kernel arguments; the rest goes to QEMU.
boot() {
    local accel=$1 seconds=$2 arguments=$3 kernel
    shift 3
    kernel=/boot/$(basename "$root"/boot/vmlinuz-*)
    inside timeout "$seconds" env XDG_RUNTIME_DIR=/tmp SDL_VIDEODRIVER=offscreen \
        LD_LIBRARY_PATH=/pv VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.json \
        qemu-system-x86_64 -M q35,memory-backend=mem -m 1G \
        -object memory-backend-memfd,id=mem,size=1G,share=on -accel "$accel" -cpu max -smp 2 \
        -kernel "$kernel" -initrd /pv/initrd.gz -nodefaults -no-reboot -serial stdio \
        -append "console=ttyS0 quiet panic=-1 $arguments" "$@" </dev/null
}

# Some machines have a /dev/kvm that runs no ordinary guest: only a boot tells.
choose_accel() {
    if [ -n "${PV_VM_ACCEL:-}" ]; then
        echo "$PV_VM_ACCEL"
    elif [ -w /dev/kvm ] && boot kvm 30 pv.probe -display none 2>/dev/null | grep -q 'pv: booted'; then
        echo kvm
    else
        echo tcg
    fi
}

# A string, and the median frame time, out of our own JSON, which has one key a line.
value() { sed -n "s/^ *\"$2\": \"\(.*\)\",\{0,1\}\$/\1/p" "$1"; }
median() { sed -n 's/.*"frame_ms": {.*"median": \([0-9.]*\).*/\1/p' "$1"; }

mkdir -p "$out"
rm -f "$out"/*
fetch_root
say "building the guest"
make_guest

say "drawing $frames frames on the driver of Debian $suite ..."
inside env VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.json timeout 300 /pv/pv-demo \
    --frames "$frames" --output /pv/native.png --json /pv/native.json >"$out/native.log" 2>&1 ||
    { cat "$out/native.log" >&2; fail "the native run failed"; }
cp "$root"/pv/native.{png,json} "$out/"

accel=$(choose_accel)
say "drawing $frames frames in a guest ($accel) ..."
start=$(date +%s)
boot "$accel" 300 "pv.frames=$frames" -display sdl,gl=on \
    -device virtio-gpu-gl-pci,hostmem=1G,blob=true,venus=true \
    -drive file=/pv/out.img,format=raw,if=virtio >"$out/guest.log" 2>&1 ||
    { tail -30 "$out/guest.log" >&2; fail "QEMU failed or took too long"; }
seconds=$(($(date +%s) - start))
tar -xf "$root/pv/out.img" -C "$out" 2>/dev/null || true
[ -s "$out/guest.png" ] || { tail -30 "$out/guest.log" >&2; fail "the guest drew nothing"; }

row() { printf '  %-10s %-62s %s\n' "$1" "$2" "$3"; }
echo
row "" "Vulkan device" "frame, median"
row native "$(value "$out/native.json" device)" "$(median "$out/native.json") ms"
row guest "$(value "$out/guest.json" device)" "$(median "$out/guest.json") ms"
echo
grep -a -o 'pv: .*' "$out/guest.log" | tr -d '\r' | sed 's/^pv: /  guest: /'
echo "  QEMU $(inside qemu-system-x86_64 --version | sed -n 's/.*version \([0-9.]*\).*/\1/p'), $accel, from start to power-off: $seconds s"
echo "  pictures: $out/native.png $out/guest.png"
"$build/demo/pv-compare" "$out/native.png" "$out/guest.png" || fail "the pictures differ"
