#!/bin/bash
# Installs the system packages that a goal of the Makefile needs.
#
#   scripts/setup.sh build|demo|test|roots|programs
#
# Says what it is going to add before it adds it, needs root (or sudo) only if something is
# missing, and does nothing otherwise. Debian 12 and newer and Ubuntu 24.04 and newer are set up;
# elsewhere one line lists what is needed.
set -euo pipefail

# The tests are part of every build but are run by `make test` alone, which needs more.
build_packages=(gcc g++ libc6-dev libcmocka-dev meson ninja-build pkg-config python3 python3-jinja2
    libvulkan-dev libpng-dev libseccomp-dev glslang-tools)
demo_packages=(libvulkan1 mesa-vulkan-drivers)
test_packages=(vulkan-tools vulkan-validationlayers xvfb libegl1 libopengl0
    clang clang-format valgrind ca-certificates)

# For scripts/root.sh: a Debian of another release in a folder.
root_packages=(mmdebstrap debian-archive-keyring ca-certificates)

# For programs in windows; the programs themselves run in roots, but for those of the tests.
program_packages=(vulkan-tools xvfb weston)

# Fetches zig for the macOS cross build, which is skipped without it.
cross_packages=(npm)

# The Venus guest driver that this project is tested with; Debian 12 itself has 22.3.
mesa_wanted=25.0
backports=bookworm-backports
backports_file=/etc/apt/sources.list.d/pv-venus-backports.sources
default_mirror=http://deb.debian.org/debian

say()
{
    echo "setup: $*"
}

die()
{
    echo "setup: $*" >&2
    exit 1
}

as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root: run it as root, or install sudo"
    fi
}

# Runs apt-get quietly; shows what it printed only if it fails.
apt()
{
    local output
    output=$(as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get \
        -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" 2>&1) || {
        printf '%s\n' "$output" >&2
        return 1
    }
}

# Prints those of its arguments that are not installed.
missing()
{
    local name
    for name in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -x installed >/dev/null ||
            echo "$name"
    done
}

installed_version()
{
    dpkg-query -W -f '${Version}' "$1" 2>/dev/null || true
}

mesa_is_new()
{
    dpkg --compare-versions "$(installed_version mesa-vulkan-drivers)" ge "$mesa_wanted"
}

# Whether a source of the machine already has the backports, in either file format.
has_backports()
{
    grep -qsE "^[^#]*\b$backports\b" /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
        /etc/apt/sources.list.d/*.sources
}

backports_offer_mesa()
{
    LC_ALL=C apt-cache madison mesa-vulkan-drivers 2>/dev/null | grep " $backports/" >/dev/null
}

# The mirror from which the machine takes Debian 12 itself.
mirror()
{
    # shellcheck disable=SC2016 # the names are apt's, not the shell's
    apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 2>/dev/null |
        sed -n '/^bookworm http/{s/^bookworm //;s,/$,,;p;q}'
}

# Writes the source and reads its index. $1: the mirror.
add_backports()
{
    local signed=/usr/share/keyrings/debian-archive-keyring.gpg
    {
        echo "# Added by scripts/setup.sh of pv-venus: Mesa $mesa_wanted for Debian 12."
        echo "Types: deb"
        echo "URIs: $1"
        echo "Suites: $backports"
        echo "Components: main"
        if [ -e "$signed" ]; then
            echo "Signed-By: $signed"
        fi
    } | as_root tee "$backports_file" >/dev/null
    apt -o Dir::Etc::SourceList="$backports_file" -o Dir::Etc::SourceParts=- \
        -o APT::Get::List-Cleanup=false update || true
}

update_once()
{
    if [ -z "${updated-}" ]; then
        say "reading the package lists (apt-get update)"
        apt update || say "some package sources could not be read; going on with the others"
        updated=yes
    fi
}

install_backported_mesa()
{
    say "Debian 12 has Mesa 22.3; the Venus guest driver needed here is in Mesa $mesa_wanted or newer"
    update_once
    if ! backports_offer_mesa && ! has_backports; then
        local uri
        uri=$(mirror)
        uri=${uri:-$default_mirror}
        say "adding the package source $backports from $uri ($backports_file)"
        add_backports "$uri"
        if ! backports_offer_mesa && [ "$uri" != "$default_mirror" ]; then
            say "it is not there; taking it from $default_mirror"
            add_backports "$default_mirror"
        fi
    fi
    backports_offer_mesa || die "no mesa-vulkan-drivers in $backports: is the network reachable?"
    say "installing from $backports: mesa-vulkan-drivers and the Mesa packages it comes with"
    apt install -y --no-install-recommends -t "$backports" mesa-vulkan-drivers
}

set_up_apt()
{
    local id=$1 version=$2 wanted=("${@:3}") absent
    mapfile -t absent < <(missing "${wanted[@]}")
    if [ "$id $version" = "debian 12" ] && [[ " ${wanted[*]} " == *" mesa-vulkan-drivers "* ]] &&
        ! mesa_is_new; then
        install_backported_mesa
        mapfile -t absent < <(missing "${wanted[@]}")
    fi
    if [ ${#absent[@]} -gt 0 ]; then
        say "installing, because they are missing: ${absent[*]}"
        update_once
        apt install -y --no-install-recommends "${absent[@]}" ||
            die "apt-get could not install: ${absent[*]}"
    fi
    if [[ " ${wanted[*]} " == *" mesa-vulkan-drivers "* ]] && ! mesa_is_new; then
        say "note: Mesa here is $(installed_version mesa-vulkan-drivers), tested is $mesa_wanted"
    fi
}

# The macOS cross build is one test of many: it must not cost the others.
set_up_cross()
{
    if command -v zig >/dev/null || command -v npm >/dev/null; then
        return
    fi
    say "installing ${cross_packages[*]}, which fetches the compiler of the macOS cross build"
    update_once
    apt install -y --no-install-recommends "${cross_packages[@]}" ||
        say "that failed; the macOS cross build will be skipped"
}

main()
{
    local goal=${1-} wanted=("${build_packages[@]}") id=unknown version=0
    case $goal in
    build) ;;
    demo) wanted+=("${demo_packages[@]}") ;;
    test) wanted+=("${demo_packages[@]}" "${test_packages[@]}" "${root_packages[@]}") ;;
    roots) wanted+=("${demo_packages[@]}" "${root_packages[@]}") ;;
    programs) wanted+=("${demo_packages[@]}" "${root_packages[@]}" "${program_packages[@]}") ;;
    *) die "usage: scripts/setup.sh build|demo|test|roots|programs" ;;
    esac

    if [ -r /etc/os-release ]; then
        # shellcheck source=/dev/null
        id=$(. /etc/os-release && echo "${ID-unknown}")
        # shellcheck source=/dev/null # Debian's testing and unstable have no number
        version=$(. /etc/os-release && echo "${VERSION_ID-99}")
    fi
    case $id:${version%%.*} in
    debian:1[2-9] | debian:99 | ubuntu:2[4-9])
        set_up_apt "$id" "$version" "${wanted[@]}"
        case $goal in test | programs) set_up_cross ;; esac
        ;;
    *)
        say "not Debian 12+ or Ubuntu 24.04+; needed, under Debian's names: ${wanted[*]} (Mesa" \
            "$mesa_wanted or newer)"
        ;;
    esac
}

main "$@"
