#!/bin/bash
# Finds the Vulkan headers to build with, and prints the folder that has them (like /usr: there is
# an include/vulkan and a share/vulkan/registry in it).
#
#   scripts/headers.sh [--renew]
#
# What a guest sees is bounded by the headers the renderer was generated from: Debian 12's end at
# Vulkan 1.3.239. So the newest packaged ones are taken, Debian unstable's, fetched with apt into a
# cache folder; neither the system's packages nor its package sources change. --renew looks whether
# there is a newer package than the cached one. Where none can be had the system's are printed, and
# why on the standard error. PV_VULKAN_HEADERS names another folder; `system` means /usr.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/pv-venus/vulkan-headers
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
default_mirror=http://deb.debian.org/debian
package=libvulkan-dev

say()
{
    echo "headers: $*" >&2
}

# Ends with the system's headers. $@: why.
system()
{
    [ $# -eq 0 ] || say "building with the system's Vulkan headers: $*"
    echo /usr
    exit 0
}

# The mirror from which the machine takes Debian, if it is one.
mirror()
{
    # shellcheck disable=SC2016 # the names are apt's, not the shell's
    apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI)' 2>/dev/null |
        sed -n '/^Debian main http/{s/^Debian main //;s,/$,,;/security/!{p;q}}'
}

# apt that knows one package source and keeps all its files in the cache.
apt_there()
{
    "$1" -qq -o Dir::Etc::SourceList="$cache/sources.list" -o Dir::Etc::SourceParts=- \
        -o Dir::State::Lists="$cache/lists" -o Dir::Cache="$cache/apt" -o Dir::State::status=/dev/null \
        -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false \
        -o Acquire::Check-Date=false -o Acquire::Retries=2 -o Acquire::http::Timeout=30 "${@:2}"
}

# Prints the version of the package that the source has; nothing when it cannot be read.
newest_version()
{
    local uri
    for uri in "$(mirror)" "$default_mirror"; do
        [ -n "$uri" ] || continue
        echo "deb [signed-by=$keyring] $uri sid main" >"$cache/sources.list"
        if apt_there apt-get update >"$cache/log" 2>&1; then
            apt_there apt-cache show "$package" 2>>"$cache/log" | sed -n 's/^Version: //p' | head -n 1
            return
        fi
    done
}

cached_version()
{
    # shellcheck disable=SC2012 # versions are plain names
    ls -t "$cache/headers" 2>/dev/null | head -n 1 || true
}

# Unpacks the package of this version to headers/VERSION.
fetch()
{
    say "fetching Vulkan headers $1 (Debian unstable's $package) into $cache"
    rm -rf "$cache/new"
    mkdir -p "$cache/new" "$cache/headers"
    (cd "$cache/new" && apt_there apt-get download "$package=$1" >>"$cache/log" 2>&1) ||
        system "$package $1 cannot be downloaded: $(tail -n 1 "$cache/log")"
    dpkg-deb -x "$cache/new/$package"_*.deb "$cache/new/root"
    mv "$cache/new/root" "$cache/headers/$1"
    rm -rf "$cache/new"
}

main()
{
    local renew=${1-} version='' tool
    if [ -n "${PV_VULKAN_HEADERS-}" ]; then
        [ "$PV_VULKAN_HEADERS" != system ] || system
        [ -f "$PV_VULKAN_HEADERS/include/vulkan/vulkan_core.h" ] || {
            say "PV_VULKAN_HEADERS: no include/vulkan/vulkan_core.h in $PV_VULKAN_HEADERS"
            exit 1
        }
        echo "$PV_VULKAN_HEADERS"
        return
    fi

    [ -n "$renew" ] || version=$(cached_version)
    if [ -z "$version" ]; then
        for tool in apt-get apt-cache dpkg-deb; do
            command -v "$tool" >/dev/null || system "$tool is missing, so newer ones cannot be had"
        done
        [ -f "$keyring" ] || system "$keyring is missing (package debian-archive-keyring)"
        mkdir -p "$cache/lists/partial" "$cache/apt/archives/partial"
        version=$(newest_version)
        [ -n "$version" ] || version=$(cached_version)
        [ -n "$version" ] ||
            system "Debian unstable cannot be read: $(tail -n 1 "$cache/log" || true)"
        [ -d "$cache/headers/$version" ] || fetch "$version"
    fi
    echo "$cache/headers/$version/usr"
}

main "$@"
