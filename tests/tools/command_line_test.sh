#!/bin/sh
# The command line of pv-venus, in TAP. Argument: the binary, with the fake renderer in it.
set -u

pv=$(readlink -f "$1")
dir=$(mktemp -d /tmp/pv-command-line-XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/runtime" "$dir/bin"
XDG_RUNTIME_DIR=$dir/runtime
export XDG_RUNTIME_DIR
unset PV_FAKE PV_FAKE_ENVIRONMENT VN_DEBUG VTEST_SOCKET_NAME VK_DRIVER_FILES VK_ICD_FILENAMES \
    MESA_VK_WSI_DEBUG DISPLAY
icd=$dir/guest.json
echo '{}' >"$icd"
echo 'no program' >"$dir/bin/not-executable"
cases=0

result() # STATUS NAME
{
    cases=$((cases + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $cases - $2"
    else
        echo "not ok $cases - $2"
        sed 's/^/# /' "$dir/out" "$dir/err" 2>/dev/null
    fi
}

# Every process of the binary: servers, workers and ourselves.
processes()
{
    ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c -- "-> $pv\$"
}

# Nothing of a run is left: no process, no directory. Waits for it, because a server whose parent
# was killed ends by itself.
nothing_left()
{
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        if [ "$(processes)" -eq 0 ] && [ -z "$(ls -A "$XDG_RUNTIME_DIR")" ]; then
            return 0
        fi
        sleep 0.1
    done
    echo "left: $(processes) processes, $(ls -A "$XDG_RUNTIME_DIR")" >>"$dir/err"
    return 1
}

# Runs the binary; leaves its status in $status.
pv()
{
    timeout 30 "$pv" "$@" >"$dir/out" 2>"$dir/err" </dev/null
    status=$?
}

# Bad input: the status, one line on stderr, nothing on stdout, and what the line says.
refuses() # STATUS TEXT NAME ARGUMENTS...
{
    expected=$1 text=$2 name=$3
    shift 3
    pv "$@"
    [ "$status" -eq "$expected" ] && [ "$(wc -l <"$dir/err")" -eq 1 ] && [ ! -s "$dir/out" ] &&
        grep -q '^pv-venus[ :]' "$dir/err" && grep -qF -- "$text" "$dir/err"
    result $? "$name"
}

wait_for() # COMMAND...
{
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
        "$@" 2>/dev/null && return 0
        sleep 0.1
    done
    return 1
}

# --help and --version
for subcommand in '' run serve info doctor; do
    # shellcheck disable=SC2086
    pv $subcommand --help
    [ "$status" -eq 0 ] && grep -q '^Usage: pv-venus' "$dir/out" && [ ! -s "$dir/err" ] &&
        [ "$(awk 'length > 100' "$dir/out" | wc -l)" -eq 0 ]
    result $? "helps with '$subcommand'"
done
pv --version
[ "$status" -eq 0 ] && grep -qx 'pv-venus 0.0.0-fake (Vulkan registry 1.3.239)' "$dir/out"
result $? 'says its version'

# Usage errors
refuses 2 'see pv-venus --help' 'wants a subcommand'
refuses 2 "'nonsense' is no subcommand" 'knows its subcommands' nonsense
refuses 2 '--nonsense is no option' 'knows the options of run' run --nonsense -- true
refuses 2 '-x is no option' 'knows the options of serve' serve -x
refuses 2 'no program: give one after --' 'run wants a program' run
refuses 2 'no program: give one after --' 'run wants a program after --' run --in-process --
refuses 2 '--stats needs a value' 'an option at the end wants its value' run --stats
refuses 2 '--stats needs a value' 'an empty value is none' run --stats= -- true
refuses 2 '--in-process takes no value' 'a flag takes no value' run --in-process=1 -- true
refuses 2 '--log is one of error, warn, info, debug' 'knows the log levels' serve --log loud
refuses 2 '--sandbox is one of auto, require, off' 'knows the sandboxes' serve --sandbox maybe
refuses 2 '--memory is a list of' 'knows the mechanisms' info --memory host-pointer,magic
refuses 2 '--memory is a list of' 'a list has no empty items' info --memory dmabuf,
refuses 2 '--disable-emulation is a list of' 'knows the emulations' info --disable-emulation all
refuses 2 'no socket: give one with --socket PATH' 'serve wants a socket' serve
refuses 2 "'extra' is too much" 'serve takes no more' serve --socket "$dir/s" extra
refuses 2 "'extra' is too much" 'info takes no more' info extra
refuses 2 "'extra' is too much" 'doctor takes no more' doctor extra
refuses 2 'exclude each other' 'doctor looks at one machine' doctor --guest --vtest "$dir/s"

# Failures of the host
refuses 127 'no such program' 'a program that does not exist gives 127' \
    run --guest-icd "$icd" -- pv-no-such-program
refuses 127 'no such program' 'a path that does not exist gives 127' \
    run --guest-icd "$icd" -- "$dir/no-such-program"
refuses 126 'cannot be executed' 'a file that is no program gives 126' \
    run --guest-icd "$icd" -- "$dir/bin/not-executable"
refuses 126 'cannot be executed' 'a directory gives 126' run --guest-icd "$icd" -- "$dir"
printf '\177ELFbroken' >"$dir/bin/broken"
chmod +x "$dir/bin/broken"
pv run --guest-icd "$icd" -- "$dir/bin/broken"
# Whether the kernel or the shell rejects it, it is no success, and nothing stays.
[ "$status" -ge 126 ] && nothing_left
result $? 'a broken program fails'
refuses 1 'name the guest driver' 'a guest driver that does not exist is told' \
    run --guest-icd "$dir/none.json" -- true
refuses 1 'name the host driver' 'a host driver that does not exist is told' \
    run --guest-icd "$icd" --host-driver "$dir/none.json" -- true
refuses 1 'cannot write' 'a statistics file that cannot be written is told' \
    run --guest-icd "$icd" --stats "$dir/none/stats" -- true
refuses 1 'only worker processes have one' 'threads have no sandbox' \
    run --in-process --sandbox require --guest-icd "$icd" -- true
for fake in no-library no-device crash-at-start; do
    export PV_FAKE=$fake
    refuses 1 ': ' "run without a host driver fails ($fake)" run --guest-icd "$icd" -- true
    refuses 1 ': ' "serve without a host driver fails ($fake)" serve --socket "$dir/s"
    unset PV_FAKE
done
PV_FAKE=no-device
export PV_FAKE
pv info
[ "$status" -eq 1 ] && [ "$(wc -l <"$dir/err")" -eq 1 ] &&
    grep -q 'install a Vulkan driver' "$dir/err"
result $? 'info without a device fails'
unset PV_FAKE
nothing_left
result $? 'failures leave nothing'

# The program's environment and status
pv run --guest-icd "$icd" -- sh -c 'exit 7'
[ "$status" -eq 7 ]
result $? 'passes the exit status on'
pv run --guest-icd "$icd" -- sh -c 'kill -9 $$'
[ "$status" -eq 137 ]
result $? 'a killed program gives 128 + signal'
pv run --guest-icd "$icd" --in-process -- sh -c 'exit 3'
[ "$status" -eq 3 ]
result $? 'passes the exit status on with threads'
nothing_left
result $? 'runs leave nothing'

pv run --guest-icd "$icd" -- sh -c 'test -S "$VTEST_SOCKET_NAME" &&
    echo "$VK_DRIVER_FILES $VK_ICD_FILENAMES $VN_DEBUG" && ls -ld "${VTEST_SOCKET_NAME%/*}"'
[ "$status" -eq 0 ] && grep -qx "$icd $icd vtest" "$dir/out" && grep -q '^drwx------' "$dir/out"
result $? 'the program becomes a guest'
VN_DEBUG=init,result VK_LOADER_DRIVERS_SELECT='lvp*' \
    pv run --guest-icd "$icd" -- sh -c 'echo "$VN_DEBUG ${VK_LOADER_DRIVERS_SELECT-unset}"'
grep -qx 'init,result,vtest unset' "$dir/out"
result $? 'keeps the VN_DEBUG of the caller'
(cd "$dir" && timeout 30 "$pv" run --guest-icd guest.json -- sh -c 'cd / && cat "$VK_DRIVER_FILES"') \
    >"$dir/out" 2>"$dir/err"
grep -qx '{}' "$dir/out"
result $? 'a relative guest driver is found from anywhere'
if [ ! -e /dev/dri/renderD128 ]; then
    pv run --guest-icd "$icd" -- sh -c 'echo "$MESA_VK_WSI_DEBUG"'
    grep -qx sw "$dir/out"
    result $? 'windows are copied where there is no render node'
    MESA_VK_WSI_DEBUG=buffer pv run --guest-icd "$icd" -- sh -c 'echo "$MESA_VK_WSI_DEBUG"'
    grep -qx buffer "$dir/out"
    result $? 'the choice of the caller about windows stands'
fi

for mode in '' --in-process; do
    # shellcheck disable=SC2086
    PV_FAKE_ENVIRONMENT=$dir/env VN_DEBUG=vtest VTEST_SOCKET_NAME=/elsewhere \
        VK_DRIVER_FILES=/host.json VK_ICD_FILENAMES=/host.json \
        pv run $mode --guest-icd "$icd" -- true
    grep -qx VK_DRIVER_FILES=/host.json "$dir/env" &&
        grep -qx VK_ICD_FILENAMES=/host.json "$dir/env" &&
        ! grep -qE '^(VN_DEBUG|VTEST_SOCKET_NAME)=' "$dir/env" && ! grep -qF "$icd" "$dir/env"
    result $? "the host's side keeps the driver of the caller and is no guest '$mode'"
done
PV_FAKE_ENVIRONMENT=$dir/env VK_DRIVER_FILES=/other.json \
    pv run --guest-icd "$icd" --host-driver "$icd" -- true
grep -qx "VK_DRIVER_FILES=$icd" "$dir/env" && grep -qx "VK_ICD_FILENAMES=$icd" "$dir/env"
result $? '--host-driver is for the server alone'
mkdir -p "$dir/share/vulkan/icd.d"
echo '{}' >"$dir/share/vulkan/icd.d/virtio_icd.x86_64.json"
XDG_DATA_HOME=$dir/share pv run -- sh -c 'echo "$VK_DRIVER_FILES"'
grep -qx "$dir/share/vulkan/icd.d/virtio_icd.x86_64.json" "$dir/out"
result $? 'finds the guest driver where drivers are registered'
pv run --guest-icd "$icd" -- sh -c 'echo out; echo err >&2; cat'
[ "$(cat "$dir/out")" = out ] && [ "$(cat "$dir/err")" = err ]
result $? 'adds nothing to the output of the program'

# Ends
begun=$(date +%s)
timeout 30 "$pv" run --guest-icd "$icd" -- sh -c 'sleep 20 >/dev/null 2>&1 & exit 4'
[ $? -eq 4 ] && [ $(($(date +%s) - begun)) -lt 15 ] && nothing_left
result $? 'does not wait for what the program leaves in the background'

for signal in TERM INT HUP; do
    # Shells start background jobs with SIGINT ignored, nohup its own with SIGHUP: both inherited.
    env --default-signal=INT,HUP "$pv" run --guest-icd "$icd" -- sh -c "trap 'echo got $signal; exit 9' $signal
        touch '$dir/started'; while :; do sleep 0.05; done" >"$dir/out" 2>"$dir/err" &
    pid=$!
    wait_for test -e "$dir/started"
    rm -f "$dir/started"
    kill -"$signal" "$pid"
    wait "$pid"
    status=$?
    [ "$status" -eq 9 ] && grep -qx "got $signal" "$dir/out" && nothing_left
    result $? "passes SIG$signal on"
done

"$pv" run --guest-icd "$icd" -- sh -c "touch '$dir/started'; exec sleep 20" \
    >"$dir/out" 2>"$dir/err" &
pid=$!
wait_for test -e "$dir/started"
kill -KILL "$pid"
wait "$pid" 2>/dev/null
nothing_left
result $? 'killed itself, it leaves no server and no directory'

# serve
socket=$dir/socket
"$pv" serve --socket "$socket" >"$dir/out" 2>"$dir/err" &
pid=$!
wait_for test -S "$socket" && grep -q "listening at $socket" "$dir/err"
result $? 'serve listens'
refuses 1 'a server is running at' 'a second server is refused' serve --socket "$socket"
kill -TERM "$pid"
wait "$pid"
[ $? -eq 0 ] && [ ! -e "$socket" ]
result $? 'serve ends well and removes its socket'
"$pv" serve --socket "$socket" 2>/dev/null &
pid=$!
wait_for test -S "$socket"
kill -KILL "$pid"
wait "$pid" 2>/dev/null
"$pv" serve --in-process --socket "$socket" >"$dir/out" 2>"$dir/err" &
pid=$!
wait_for grep -q listening "$dir/err"
result $? 'a stale socket is replaced'
kill -TERM "$pid"
wait "$pid"
[ $? -eq 0 ] && [ ! -e "$socket" ]
result $? 'serve ends well with threads'
refuses 1 'does not exist: create it first' 'a directory that does not exist is told' \
    serve --socket "$dir/none/socket"
refuses 1 'is not a socket' 'another file is not replaced' serve --socket "$icd"
long=$(printf '%0120d' 0)
refuses 1 'the limit is' 'a path that is too long is told' serve --socket "$dir/$long"

# info
pv info
[ "$status" -eq 0 ] && grep -q '^Host device 0: Fake GPU 0' "$dir/out" &&
    grep -q 'memory: *host-pointer, 3 types. A fake can do nothing else.' "$dir/out" &&
    grep -q 'Vulkan: *1.4.305, for guests 1.3.239' "$dir/out" &&
    grep -q 'emulated: *sync-fd' "$dir/out" &&
    grep -q 'they cannot map this device' "$dir/out" && grep -q '^Guest driver: ' "$dir/out"
result $? 'info describes the devices'

nothing_left
result $? 'nothing is left at the end'
echo "1..$cases"
