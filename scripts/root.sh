#!/bin/bash
# Makes a Debian root folder with some packages, once, and prints its path.
#
#   scripts/root.sh SUITE NAME PACKAGE...
#
# SUITE is a release of Debian (bookworm, trixie, sid) or its backports (bookworm-backports: what
# backports have comes from there). NAME is for people who look into the cache. Roots lie in
# ${XDG_CACHE_HOME:-~/.cache}/pv-venus/roots, one for each suite and list of packages. They appear
# complete or not at all, however many callers there are, and stay as they are: remove a folder to
# have it fetched anew. Recommended packages, manuals and documentation are left out.
#
# Commands run in one by scripts/in-root.sh. Needs root, or sudo. Exit status: 0, 1 when the root
# cannot be made, 77 when there is no way to Debian's mirror; the reason is the last line.
set -euo pipefail

say()
{
    echo "root: $*" >&2
}

die()
{
    say "$*"
    exit 1
}

skip()
{
    say "$*"
    exit 77
}

# Can the list of the suite be read at all?
reachable()
{
    local file
    file=$(mktemp)
    /usr/lib/apt/apt-helper -o Acquire::Retries=2 download-file "$1/dists/$2/InRelease" "$file" \
        >/dev/null 2>&1
    local status=$?
    rm -f "$file" "$file".*
    return $status
}

# $1: suite, $2: the folder to make, $3: mirror, $4: packages, separated by commas.
make_root()
{
    local suite=$1 folder=$2 mirror=$3 packages=$4 base=${1%-backports} more=() sources=()
    sources=("deb $mirror $base main")
    if [ "$suite" != "$base" ]; then
        sources+=("deb $mirror $suite main")
        more=(--aptopt="APT::Default-Release \"$suite\"")
    fi
    # Signatures are checked; the age of sid's lists is not, for machines whose clock is ahead.
    mmdebstrap --mode=root --variant=apt --include="$packages" \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
        --aptopt='Acquire::Retries "3"' --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        "${more[@]}" "$base" "$folder" "${sources[@]}"
}

[ $# -ge 3 ] || die "usage: scripts/root.sh SUITE NAME PACKAGE..."
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "this needs root: run it as root, or install sudo"
    exec sudo --preserve-env=XDG_CACHE_HOME,HOME,http_proxy,https_proxy "$0" "$@"
fi
cd "$(dirname "$0")/.."

suite=$1
name=$2
shift 2
packages=$(printf '%s\n' "$@" | LC_ALL=C sort -u | paste -sd,)
key=$suite-$name-$(printf '%s %s' "$suite" "$packages" | sha256sum | head -c 8)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pv-venus/roots
root=$cache/$key

mkdir -p "$cache"
exec 9>"$cache/.$key.lock"
flock 9 # who comes second waits, and finds the first one's
if [ ! -d "$root" ]; then
    command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: scripts/setup.sh roots"
    mirror=$(scripts/mirror.sh)
    # What a killed run left. It has no mounts: those lived in a namespace that ended with it.
    rm -rf --one-file-system "$cache/.$key.new"
    say "fetching Debian $suite into $root (once; a minute or more)"
    if ! make_root "$suite" "$cache/.$key.new" "$mirror" "$packages" </dev/null \
        >"$cache/.$key.log" 2>&1 9>&-; then
        rm -rf --one-file-system "$cache/.$key.new"
        reachable "$mirror" "${suite%-backports}" || skip "$mirror cannot be reached"
        tail -n 20 "$cache/.$key.log" >&2
        die "mmdebstrap failed: $cache/.$key.log"
    fi
    mv "$cache/.$key.new" "$root"
fi
echo "$root"
