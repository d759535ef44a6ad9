#!/bin/bash
# Builds with the newest Vulkan headers there are, Debian unstable's, and runs the tests of the
# wire and of the generator: a new registry must not break what older ones build.
#
#   scripts/newest-headers.sh [BUILD FOLDER]
#
# The package is fetched with apt into a cache folder; neither the system's packages nor its
# package sources change. Exit status 77, and the reason as the last line, when it cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${1:-build-newest}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pv-venus/vulkan-headers
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
default_mirror=http://deb.debian.org/debian
package=libvulkan-dev

say()
{
    echo "newest-headers: $*"
}

skip()
{
    say "$*"
    exit 77
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

# Unpacks the package of this version to headers/VERSION.
fetch()
{
    local folder=$cache/headers/$1
    rm -rf "$cache/new"
    mkdir -p "$cache/new" "$cache/headers"
    (cd "$cache/new" && apt_there apt-get download "$package=$1" >>"$cache/log" 2>&1) ||
        skip "$package $1 cannot be downloaded: $(tail -n 1 "$cache/log")"
    dpkg-deb -x "$cache/new/$package"_*.deb "$cache/new/root"
    mv "$cache/new/root" "$folder"
    rm -rf "$cache/new"
}

main()
{
    local version headers
    for tool in apt-get apt-cache dpkg-deb; do
        command -v "$tool" >/dev/null || skip "$tool is missing: this needs Debian or Ubuntu"
    done
    [ -f "$keyring" ] || skip "$keyring is missing (package debian-archive-keyring)"
    mkdir -p "$cache/lists/partial" "$cache/apt/archives/partial"

    version=$(newest_version)
    if [ -z "$version" ]; then
        # shellcheck disable=SC2012 # versions are plain names
        version=$(ls -t "$cache/headers" 2>/dev/null | head -n 1)
        [ -n "$version" ] ||
            skip "Debian unstable cannot be read: $(tail -n 1 "$cache/log" || true)"
        say "Debian unstable cannot be read, taking $version from the last time"
    fi
    headers=$cache/headers/$version
    [ -d "$headers" ] || fetch "$version"
    say "Vulkan headers $version"

    scripts/build.sh "$build" -Dwerror=true -Dvk_xml="$headers/usr/share/vulkan/registry/vk.xml" \
        -Dvulkan_include="$headers/usr/include"
    exec meson test -C "$build" --no-rebuild --print-errorlogs --suite wire --suite generator
}

main "$@"
