#!/bin/bash
# Runs a command in a root folder, as one that scripts/root.sh made.
#
#   scripts/in-root.sh [--bind PATH]... ROOT COMMAND [ARGUMENT]...
#
# The command sees /dev, /proc, /sys, /tmp, /run/user and this checkout of the host at the same
# paths, and so each PATH, a build folder outside for example; it starts where the caller is if the
# root has that folder, keeps the caller's environment, network and user. The mounts are its own:
# when it ends nothing stays mounted. It takes this process's place, so signals and status are its.
#
# Needs root, or sudo. Exit status: the command's; 77 where the kernel gives no mount namespace, as
# in many containers; 1 for wrong use.
set -euo pipefail

say()
{
    echo "in-root: $*" >&2
}

usage()
{
    say "usage: scripts/in-root.sh [--bind PATH]... ROOT COMMAND [ARGUMENT]..."
    exit 1
}

self=$(readlink -f "$0")
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        say "this needs root: run it as root, or install sudo"
        exit 1
    fi
    exec sudo --preserve-env "$self" "$@"
fi

binds=("$(dirname "$(dirname "$self")")")
while [ "${1-}" = --bind ]; do
    [ $# -ge 2 ] || usage
    binds+=("$(readlink -f "$2")")
    shift 2
done
[ $# -ge 2 ] || usage
root=$(readlink -f "$1")
shift
[ -x "$root/usr/bin/env" ] || {
    say "$root is no root folder"
    exit 1
}
if ! reason=$(unshare --mount true 2>&1); then
    say "no mount namespace here ($reason): run with CAP_SYS_ADMIN, outside of a container"
    exit 77
fi

# shellcheck disable=SC2016 # expanded by the inner shell
exec unshare --mount bash -c '
    set -euo pipefail
    root=$1 count=$2
    shift 2
    for path in /proc /dev /sys /tmp /run/user "${@:1:count}"; do
        if [ -d "$path" ]; then
            mkdir -p "$root$path"
            mount --rbind "$path" "$root$path"
        fi
    done
    shift "$count"
    here=$PWD
    [ -d "$root$here" ] || here=/
    exec chroot "$root" /usr/bin/env -C "$here" \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games "$@"
' bash "$root" "${#binds[@]}" "${binds[@]}" "$@"
