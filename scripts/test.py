"""Runs every test of the project and counts them: what `make test` does.

    scripts/test.py [RUN...]        all runs if none is named

default     all suites on an ordinary build
validation  the end-to-end cases, with the validation layer watching what we do to the host's driver
asan        all suites under the address and undefined-behaviour sanitizers
tsan        the units that share memory between threads, under the thread sanitizer
headers     the generated parts, from the system's Vulkan headers (the others take the newest)
vm          a guest under QEMU with our libvirglrenderer (scripts/test-vm.py)
clang       builds without a warning of clang's
cross       library and command for aarch64-macos (scripts/cross-darwin.sh)

A case of a unit test counts as one, as does any other test of meson. The last line is
"N passed, N failed, N skipped"; the exit status is 1 if anything failed.

A test of meson's that runs out of time is run once more, alone, and a line says so: where the whole
machine was stopped for a while, the first run tells nothing about the test.
"""

import glob
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SKIP = 77
TIME_OUT = 124  # as timeout(1) and tests/e2e/run.py end
MOST_REPEATS = 4

# Debian unstable's QEMU: that of Debian 13 needs 110 ms for each unmapping, and one thread for all
# emulated processors (docs/embedding.md).
VM_SUITE = 'sid'

# What a run builds, which suites it takes, and how much slower it may be.
RUNS = {
    'default': {
        'folder': 'build',
        'options': [],
        'select': [],
        'slower': 1,
    },
    'asan': {
        'folder': 'build-asan',
        # -Og: -O2 makes gcc spend minutes on the checks in the generated decoders.
        'options': ['-Db_sanitize=address,undefined', '-Db_lundef=false', '-Doptimization=g'],
        'select': ['--no-suite', 'structure', '--no-suite', 'generator', '--no-suite', 'scale'],
        'slower': 4,
    },
    'tsan': {
        'folder': 'build-tsan',
        'options': ['-Db_sanitize=thread', '-Db_lundef=false', '-Doptimization=1'],
        'select': ['--suite', 'ring', '--suite', 'object', '--suite', 'fence', '--suite', 'base',
                   '--suite', 'abi'],
        'slower': 4,
    },
    'headers': {
        'folder': 'build-headers',
        'options': ['-Dwerror=true', '-Doptimization=0'],
        'select': ['--suite', 'wire', '--suite', 'generator', '--suite', 'handlers',
                   '--suite', 'protocol'],
        'slower': 1,
        'env': {'PV_VULKAN_HEADERS': 'system'},
    },
}

SANITIZERS = {
    'ASAN_OPTIONS': 'abort_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1',
    'UBSAN_OPTIONS': 'halt_on_error=1:abort_on_error=1:print_stacktrace=1',
    'TSAN_OPTIONS': 'halt_on_error=1:second_deadlock_stack=1',
}
# Reports hold notes as well, such as that a process went away while it was looked at.
FOUND = re.compile(r'ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:')
# Some tests make a server's process crash on purpose. Who did not mean it has a failing client.
ON_PURPOSE = 'DEADLYSIGNAL'

# `ok 3 - name` and `not ok 3 - name # SKIP reason`; cmocka and our own harness write these.
TAP_CASE = re.compile(r'^(not )?ok\b\s*\d*\s*(?:- )?(.*?)(?:\s*#\s*(SKIP|TODO)\b\s*(.*))?$',
                      re.MULTILINE | re.IGNORECASE)
TAP_PLAN = re.compile(r'^1\.\.(\d+)(?:\s*#\s*SKIP\w*\s*(.*))?$', re.MULTILINE | re.IGNORECASE)


class Count:
    """What happened, with a line for everything that did not pass."""

    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skips = []
        self.repeats = []

    def add(self, other):
        self.passed += other.passed
        self.failures += other.failures
        self.skips += other.skips
        self.repeats += other.repeats

    def line(self):
        return f'{self.passed} passed, {len(self.failures)} failed, {len(self.skips)} skipped'


def reason_of(text):
    """What a skipped test said: "... skipped: REASON" if it did, else its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        if 'skipped: ' in line:
            return line.split('skipped: ', 1)[1]
    return lines[-1] if lines else 'no reason given'


def count_cases(name, output, count):
    """Counts the cases of a TAP output. Returns how many failed."""
    failed = 0
    for case in TAP_CASE.finditer(output):
        bad, title, directive, reason = case.groups()
        if directive and directive.upper() == 'SKIP':
            count.skips.append(f'{name}: {title}: {reason or "no reason given"}')
        elif bad:
            failed += 1
            count.failures.append(f'{name}: {title}')
        else:
            count.passed += 1
    return failed


def count_test(run, entry, count):
    """Counts one line of meson's testlog.json."""
    name = f'{run}: {name_of(entry)}'
    output = entry.get('stdout') or ''
    plan = TAP_PLAN.search(output)
    result = entry['result']
    if plan is None:
        if result in ('OK', 'EXPECTEDFAIL'):
            count.passed += 1
        elif result == 'SKIP':
            count.skips.append(f'{name}: {reason_of(output)}')
        else:
            count.failures.append(f'{name}: {result}')
        return

    if result == 'SKIP' and plan.group(1) == '0':
        count.skips.append(f'{name}: {plan.group(2) or "no reason given"}')
        return
    failed = count_cases(name, output, count)
    # A crash, a time-out or a wrong plan is a failure even where each reported case passed.
    if result not in ('OK', 'SKIP') and failed == 0:
        count.failures.append(f'{name}: {result}')


def call(command, env=None):
    print('+ ' + ' '.join(command), flush=True)
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})},
                          check=False).returncode


def fixed_addresses():
    """The prefix under which sanitizers find their shadow memory free.

    The sanitizers of gcc 12 and clang 14 do not cope with kernels that randomise 32 bits of an
    address. Where the switch is forbidden (some containers) they are run without it.
    """
    prefix = ['setarch', os.uname().machine, '-R']
    try:
        allowed = subprocess.run([*prefix, 'true'], capture_output=True, check=False)
        return prefix if allowed.returncode == 0 else []
    except FileNotFoundError:
        return []


def name_of(entry):
    """The name by which `meson test` knows a line of testlog.json."""
    return entry['name'].split(' / ')[-1]


def ran_out_of_time(entry):
    return entry['result'] == 'TIMEOUT' or entry['returncode'] == TIME_OUT


def meson_test(folder, name, command, environment):
    """Runs tests. Returns meson's status, and what its log NAME.json says of each test."""
    log = os.path.join(folder, 'meson-logs', f'{name}.json')
    if os.path.exists(log):
        os.remove(log)
    status = call([*command, '--logbase', name], environment)
    if not os.path.exists(log):
        return status, []
    with open(log, encoding='utf-8') as file:
        return status, [json.loads(line) for line in file if line.strip()]


def meson_run(run):
    """Builds and tests one folder."""
    count = Count()
    how = RUNS[run]
    folder = os.path.join(ROOT, how['folder'])
    if call(['scripts/build.sh', how['folder'], *how['options']], how.get('env')) != 0:
        count.failures.append(f'{run}: the build')
        return count

    prefix = fixed_addresses() if run in ('asan', 'tsan') else []
    # Reports go to files: a server's process may find something that its client never notices.
    reports = os.path.join(folder, 'meson-logs', 'report')
    for old in glob.glob(reports + '.*'):
        os.remove(old)
    environment = {name: f'{value}:log_path={reports}' for name, value in SANITIZERS.items()}
    command = [*prefix, 'meson', 'test', '-C', how['folder'], '--no-rebuild', '--print-errorlogs',
               '--timeout-multiplier', str(how['slower'])]
    status, entries = meson_test(folder, 'testlog', [*command, *how['select']], environment)
    late = [at for at, entry in enumerate(entries) if ran_out_of_time(entry)]
    for at in late if len(late) <= MOST_REPEATS else []:
        name = name_of(entries[at])
        count.repeats.append(f'{run}: {name}')
        status, again = meson_test(folder, 'again', [*command, name], environment)
        entries[at] = again[0] if again else entries[at]
    for entry in entries:
        count_test(run, entry, count)
    for path in sorted(glob.glob(reports + '.*')):
        with open(path, encoding='utf-8', errors='replace') as file:
            report = file.read()
        if FOUND.search(report) and ON_PURPOSE not in report:
            print(report, flush=True)
            count.failures.append(f'{run}: {os.path.relpath(path, ROOT)}')
    if not entries:
        count.failures.append(f'{run}: no test ran')
    elif status != 0 and not count.failures:
        count.failures.append(f'{run}: meson test ended with status {status}')
    return count


def validation_run():
    """Every end-to-end case through a server whose own Vulkan calls are checked."""
    count = Count()
    if call(['scripts/build.sh', 'build']) != 0:
        count.failures.append('validation: the build')
        return count
    # A layer that is not there would be silent, too: a program with a known mistake first.
    wrong = subprocess.run(['build/tests/e2e/pv-e2e', 'multi_device_with_children'], cwd=ROOT,
                           env={**os.environ, 'VK_INSTANCE_LAYERS': 'VK_LAYER_KHRONOS_validation'},
                           capture_output=True, text=True, check=False)
    if 'VUID-' not in wrong.stdout:
        count.failures.append('validation: the layer does not speak up about a wrong program')
        return count

    results = os.path.join(ROOT, 'build', 'validation.xml')
    if os.path.exists(results):
        os.remove(results)
    status = call([sys.executable, 'tests/e2e/run.py', '--build-dir', 'build', '--host-layers',
                   '--ours-only', '--jobs', str(os.cpu_count()), '--junit', results])
    cases = []
    if os.path.exists(results):
        cases = xml.etree.ElementTree.parse(results).iter('testcase')
    for case in cases:
        name, failure, skip = case.get('name'), case.find('failure'), case.find('skipped')
        if failure is not None:
            count.failures.append(f'validation: {name}: {failure.get("message")}')
        elif skip is not None:
            count.skips.append(f'validation: {name}: {reason_of(skip.get("message"))}')
        else:
            count.passed += 1
    if status != 0 and not count.failures:
        count.failures.append(f'validation: status {status}')
    return count


def build_run(run, command, env=None):
    """A build that counts as one test."""
    count = Count()
    print('+ ' + ' '.join(command), flush=True)
    result = subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    print(result.stdout, end='', flush=True)
    if result.returncode == 0:
        count.passed += 1
    elif result.returncode == SKIP:
        count.skips.append(f'{run}: {reason_of(result.stdout)}')
    else:
        count.failures.append(f'{run}: status {result.returncode}')
    return count


def vm_run():
    """One virtual machine, with everything that can happen to it; `make test-vm` runs more."""
    count = Count()
    if call(['scripts/build.sh', 'build']) != 0:
        count.failures.append('vm: the build')
        return count
    command = [sys.executable, 'scripts/test-vm.py', '--build-dir', 'build', '--suite', VM_SUITE,
               '--short']
    print('+ ' + ' '.join(command), flush=True)
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, check=False)
    print(result.stdout, end='', flush=True)
    failed = count_cases('vm', result.stdout, count)
    if result.returncode not in (0, SKIP) and failed == 0:
        count.failures.append(f'vm: status {result.returncode}')
    return count


def clang_run():
    return build_run('clang', ['scripts/build.sh', 'build-clang', '-Dwerror=true',
                               '-Doptimization=0'], {'CC': 'clang'})


def cross_run():
    return build_run('cross', ['scripts/cross-darwin.sh'])


def main():
    runs = {
        'default': lambda: meson_run('default'),
        'validation': validation_run,
        'asan': lambda: meson_run('asan'),
        'tsan': lambda: meson_run('tsan'),
        'headers': lambda: meson_run('headers'),
        'vm': vm_run,
        'clang': clang_run,
        'cross': cross_run,
    }
    names = sys.argv[1:] or list(runs)
    for name in names:
        if name not in runs:
            sys.exit(f'test.py: no run is called {name}; there are {", ".join(runs)}')

    total = Count()
    for name in names:
        start = time.monotonic()
        print(f'== {name}', flush=True)
        count = runs[name]()
        print(f'== {name}: {count.line()} in {time.monotonic() - start:.0f} s', flush=True)
        total.add(count)

    for skip in total.skips:
        print(f'skipped: {skip}')
    for repeat in total.repeats:
        print(f'ran out of time, was run again: {repeat}')
    for failure in total.failures:
        print(f'FAILED: {failure}')
    print(total.line())
    return 1 if total.failures else 0


if __name__ == '__main__':
    sys.exit(main())
