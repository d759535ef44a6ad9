"""Tests the renderer in virtual machines: what `make test-vm` does.

    scripts/test-vm.py [--build-dir DIR] [--short] [--suite SUITE]... [--case PATTERN]...

Every release's machine boots once, and once more after the reset and after the panic: Debian 13
(QEMU 10, a guest with Mesa 25.0) and, beside it, Debian unstable (QEMU 11, Mesa 26.2). A last, short
boot each is for hosts on which something is wrong, or which have dma-bufs. Prints TAP, and "N passed,
N failed, N skipped" as the last line. Logs and pictures go to out/vm. Exit status: 0, 1 when
something failed, 77 when there can be no machine here; 2 for wrong use.

PV_VM_ACCEL=tcg or kvm decides how the processor is run; else kvm if a guest boots with it.
"""

import argparse
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import vm
import vm_nested
import vm_screen

SUITES = ['trixie', 'sid']
FRAMES = 3
GUEST = '/mnt/build/tests/vm/pv-vm-guest'
DEMO = '/mnt/build/demo/pv-demo'
E2E = '/mnt/build/tests/e2e/pv-e2e'
NODE = '/dev/dri/renderD128'

# What 100 contexts may leave in QEMU, in KiB. Its own tables for an emulated processor come and go
# by 130 KiB in the time of 25 contexts, and by 1300 in all; so what is found here are 40 KiB a
# context. tests/scale/heap.py finds bytes, in a server that has nothing else to do.
LEFT_KIB = 4096

# Seconds for all end-to-end cases, natively and through us, on an emulated processor.
DMABUF_TIMEOUT = 4 * 3600

# The same of one case, or of booting, on a processor that an emulated processor emulates.
NESTED_TIMEOUT = 3600


class Run:
    """The cases of one release's machine, in the order in which they stand here."""

    def __init__(self, root, machine, build):
        self.root = root
        self.machine = machine
        self.build = build
        self.out = os.path.join(vm.ROOT, 'out', 'vm', root.suite)
        self.marks = 0 # length of QEMU's log at the last look

    # -- parts --

    def draw(self, name, more=''):
        """Starts the demo in the background of a guest's command line."""
        return f'{DEMO} --frames {FRAMES} --output /mnt/files/{name}.png {more}'

    def compare(self, name):
        """A picture of the guest with the one that the host's driver made."""
        native = os.path.join(self.out, 'native.png')
        if not os.path.exists(native):
            self.root.run([self.build + '/demo/pv-demo', '--frames', str(FRAMES), '--output', native],
                          [self.build], VK_DRIVER_FILES=vm.HOST_DRIVER)
        picture = os.path.join(self.out, name + '.png')
        shutil.copy(f'{self.machine.files}/{name}.png', picture)
        result = subprocess.run([self.build + '/demo/pv-compare', native, picture],
                                stdout=subprocess.PIPE, text=True, check=False)
        vm.expect(result.returncode == 0, f'{name}: {result.stdout}')

    def screenshot(self, name):
        return vm_screen.shoot(self.machine, os.path.join(self.out, name + '.png'))

    def news(self):
        """What QEMU has logged since the last call."""
        log = self.machine.log()
        new, self.marks = log[self.marks:], len(log)
        return [line for line in new.splitlines() if line.strip()]

    def note(self, text):
        vm.say(f'# {self.root.suite}: {text.strip()}')

    def draws_again(self, name):
        self.machine.run(self.draw(name))
        self.compare(name)

    # -- cases --

    def case_sees_the_device(self):
        """vulkaninfo sees the host's device through Venus."""
        output = self.machine.run('vulkaninfo')
        vm.expect('Virtio-GPU Venus (' in output, output[:2000])
        vm.expect('VK_KHR_swapchain' in output, 'there is no swapchain')
        # At the start there is nothing to complain about.
        vm.expect(not self.news(), '\n'.join(['QEMU said:', self.machine.log()]))

    def case_doctor_says_yes(self):
        """The doctor finds out that it is in a guest, and that the guest gets the GPU."""
        output = self.machine.run('/mnt/build/tools/pv-venus doctor')
        vm.expect('Venus capset: wire format 1' in output and 'Yes: this guest' in output, output)

    def case_demo_equals_native(self):
        """The demo draws what it draws on the host."""
        self.draws_again('guest')

    def case_two_processes_at_once(self):
        """Two programs draw at the same time, both the same as on the host."""
        self.machine.run(f'{self.draw("one")} & one=$!; {self.draw("two")}; two=$?; '
                         'wait $one && exit $two')
        self.compare('one')
        self.compare('two')

    def case_killed_process(self):
        """A program is killed in the middle of a frame; the next one draws as if nothing was."""
        self.machine.run(f'{DEMO} --frames 100000 --output /dev/null & sleep 4; kill -0 $! && '
                         'kill -KILL $!; wait; true')
        self.draws_again('after_kill')

    def case_allocates_200_times(self):
        """200 times: allocate, map, write, unmap, free a mebibyte."""
        self.note(self.machine.run(f'{GUEST} cycles 200 1048576'))

    def case_uploads_512_mib(self):
        """512 MiB are written by the guest, copied by the device, and checked."""
        self.note(self.machine.run(f'{GUEST} upload 512', 300))

    def turn_cube(self, name, **options):
        """`options`: which X server."""
        with vm_screen.XServer(self.machine, **options) as server:
            first = server.start_cube(os.path.join(self.out, name + '_1.png'))
            self.machine.run('sleep 1')
            vm.expect(self.screenshot(name + '_2').rgb != first.rgb, 'the cube does not turn')

    def case_windowed_cube(self):
        """vkcube turns in a window of a guest's X server."""
        self.turn_cube('cube')

    def case_blank_display(self):
        """The display is blanked and lit again while a program draws."""
        blank, state = '/sys/class/graphics/fb0/blank', '/sys/class/drm/card*-*/dpms'
        output = self.machine.run(
            f'{self.draw("beside_blank")} >/dev/null & sleep 1; echo 4 >{blank}; cat {state}; '
            f'sleep 1; echo 0 >{blank}; cat {state}; wait $!')
        vm.expect(output.split() == ['Off', 'On'], f'the display was {output.split()}')
        self.compare('beside_blank')
        self.machine.run('echo hello >/dev/tty1')
        vm.expect(self.screenshot('console').colours() > 1, 'the console does not come back')

    def case_junk(self):
        """Junk from the guest's root user ends its own context, with one line, and nothing else."""
        count = 16
        self.news()
        self.machine.run(f'{self.draw("beside_junk")} & demo=$!; {GUEST} junk {NODE} {count}; '
                         'junk=$?; wait $demo && exit $junk')
        self.compare('beside_junk')
        lines = self.news()
        vm.expect(len(lines) == count and all('failed: ' in line for line in lines),
               '\n'.join([f'{count} contexts made {len(lines)} lines:', *lines]))

    def case_shares_with_others(self):
        """Programs share dma-bufs, images with DRM modifiers, and sync files."""
        run_shares(self.machine)

    def settled(self):
        """What QEMU holds when it has unmapped and freed what it does in its own time."""
        deadline = time.monotonic() + 30
        usage = self.machine.usage()
        while time.monotonic() < deadline:
            time.sleep(2)
            last, usage = usage, self.machine.usage()
            if usage[:3] == last[:3]:
                break
        return usage

    def case_nothing_leaks(self):
        """100 contexts one after another leave QEMU the descriptors, threads and memory it had."""
        # The host driver's own caches, and one arena of malloc for each of many threads.
        self.machine.run(f'{GUEST} contexts 20', 300)
        before = self.settled()
        self.machine.run(f'{GUEST} contexts 100', 600)
        after = self.settled()
        heap = after.heap_kib - before.heap_kib
        memory = after.memory_kib - before.memory_kib
        self.note(f'{sum(after.descriptors.values())} descriptors, '
                  f'{sum(after.threads.values())} threads; {heap:+.0f} KiB of '
                  f'{after.heap_kib:.0f} in use by malloc, {memory:+} KiB of {after.memory_kib} '
                  'written by QEMU')
        vm.expect(after[:3] == before[:3], f'before: {before}\nafter: {after}')
        vm.expect(heap <= LEFT_KIB, f'{heap:.0f} KiB more than before are in use')
        # Pages that a few bytes keep come and go as well, 3 MiB in the time of 25 contexts.
        vm.expect(memory <= 2 * LEFT_KIB, f'{memory} KiB more than before are written')

    def again_after(self, what):
        """Vulkan after the guest's kernel has started anew.

        QEMU 10 still holds regions named after resources of the former kernel; new ones with these
        numbers cannot be mapped, and each costs one program its Vulkan (docs/abi.md).
        """
        uptime = self.machine.wait_ready()
        tries, output = 0, ''
        while 'Virtio-GPU Venus (' not in output and tries < 20:
            tries += 1
            _, output = self.machine.try_run('vulkaninfo --summary')
        self.note(f'booted in {uptime} s; Vulkan came back at try {tries}')
        vm.expect('Virtio-GPU Venus (' in output, f'no Vulkan after {what}: {output[-1000:]}')
        if not self.old_mappings():
            vm.expect(tries == 1, f'Vulkan came back at try {tries} only')
        for _ in range(20 if self.old_mappings() else 1):
            status, output = self.machine.try_run(self.draw('after_' + what))
            if status == 0:
                break
        vm.expect(status == 0, output[-1000:])
        self.compare('after_' + what)

    def old_mappings(self):
        return self.root.version('qemu-system-x86_64').startswith('10.')

    def case_reset(self):
        """The machine is reset while a program draws, boots, and draws again."""
        self.machine.run(f'setsid {DEMO} --frames 100000 --output /dev/null >/dev/null 2>&1 & sleep 4')
        self.machine.qmp('system_reset')
        self.again_after('reset')

    def case_panic(self):
        """The guest's kernel panics while a program draws, boots, and draws again."""
        self.machine.run(f'setsid {DEMO} --frames 100000 --output /dev/null >/dev/null 2>&1 & sleep 4')
        self.machine.send('echo c >/proc/sysrq-trigger')
        self.again_after('panic')

    def case_powers_off(self):
        """QEMU ends without a complaint when the guest powers off."""
        status = self.machine.power_off()
        vm.expect(status == 0, f'QEMU ended with {status}: {self.machine.log()[-2000:]}')


def boot_with(root, build, accel, complaint, **options):
    """A machine with a fault: it boots, it has a display, it says why there is no Vulkan."""
    with vm.Machine(root, build, accel=accel, **options) as machine:
        run = Run(root, machine, build)
        machine.run('echo hello >/dev/tty1')
        vm.expect(run.screenshot('fault').colours() > 1, 'the console is not on the display')
        status, output = machine.try_run('vulkaninfo --summary')
        vm.expect('Virtio-GPU Venus (' not in output, f'there is Vulkan (status {status})')
        lines = [line for line in run.news() if complaint in line]
        vm.expect(len(lines) == 1, f'expected one line with "{complaint}":\n{machine.log()}')
        ours = [line for line in machine.log().splitlines() if 'pv-venus' in line]
        vm.expect(len(ours) == 1, f'many words:\n{machine.log()}')
        run.note(lines[0])
        vm.expect(machine.power_off() == 0, 'QEMU did not end well')


def fault_no_driver(root, build, accel):
    """A host without a Vulkan driver: one line, and a guest with its display."""
    boot_with(root, build, accel, 'Vulkan driver', vulkan='/nowhere.json')


def fault_wrong_library(root, build, accel):
    """A Vulkan library that is none: one line, and a guest with its display."""
    boot_with(root, build, accel, 'libpng16.so.16',
              environment={'PV_VULKAN_LIBRARY': f'{vm.LIBRARIES}/libpng16.so.16'})


def fault_small_hostmem(root, build, accel):
    """Too small a window for host memory: one line, and a guest with its display."""
    boot_with(root, build, accel, 'hostmem', hostmem='1M')


def share_cases(machine):
    """The end-to-end cases that Mesa offers over virtio-gpu only."""
    names = machine.run(f'{E2E} --list').split()
    return [name for name in names if name.startswith('share_')]


def run_shares(machine):
    """Each of them checks itself."""
    names = ' '.join(share_cases(machine))
    # Apart from the results: Mesa remarks on a wait of some seconds, as QEMU 10 lets happen.
    output = machine.run(f'for name in {names}; do '
                         f'timeout 100 {E2E} $name 2>/tmp/remarks || '
                         '{ echo "$name: status $?"; cat /tmp/remarks; exit 1; }; done', 600)
    vm.expect(len(output.splitlines()) == len(names.split()) > 0, output)


def host_with_dmabufs(root, build, accel):
    """A host's driver with dma-bufs, modifiers and sync files of its own: nothing is emulated."""
    preload = {} if os.path.exists('/dev/udmabuf') else {
        'LD_PRELOAD': build + '/tests/vm/pv-vm-udmabuf.so'}
    info = root.run([build + '/tools/pv-venus', 'info'], [build], VK_DRIVER_FILES=vm.HOST_DRIVER,
                    **preload)
    vm.expect('emulated:    none' in info, info)
    with vm.Machine(root, build, accel=accel, environment=preload) as machine:
        run = Run(root, machine, build)
        run_shares(machine)
        run.draws_again('with_dmabufs')
        vm.expect(machine.power_off() == 0, 'QEMU did not end well')


def dri3_window(root, build, accel):
    """vkcube turns in a window of a guest's X server with DRI3, which draws from its dma-bufs."""
    with vm.Machine(root, build, accel=accel) as machine:
        run = Run(root, machine, build)
        run.turn_cube('dri3_cube', dri3=True)
        vm.expect('pv-venus' not in machine.log(), machine.log())


def run_real_driver_test(machine, build):
    """The unit test of memory on the guest's lavapipe: made, exported, mapped, imported again."""
    test = '/tests/unit/blob/blob_real_driver_test'
    linked = subprocess.run(['ldd', build + test], stdout=subprocess.PIPE, text=True, check=True)
    library = re.search(r'libcmocka\S* => (\S+)', linked.stdout).group(1)
    shutil.copy(library, machine.files) # the guest needs it for this only
    output = machine.run(f'LD_LIBRARY_PATH=/mnt/files VK_DRIVER_FILES={vm.HOST_DRIVER} '
                         f'/mnt/build{test}', 600)
    vm.expect(re.search('dma-buf: [1-9]', output), output)


def with_dmabufs(root, build, accel):
    """A machine whose kernel makes dma-bufs, and how the renderer is started in it to use them."""
    machine = vm.Machine(root, build, accel=accel, device='virtio-gpu-pci', memory='8G')
    return machine, f'VK_DRIVER_FILES={vm.HOST_DRIVER}', '--memory=dmabuf'


def expect_dmabufs(machine, host, memory):
    machine.run('modprobe vgem; [ -e /dev/udmabuf ]')
    info = machine.run(f'{host} /mnt/build/tools/pv-venus info {memory}')
    vm.expect('dma-bufs work' in info and 'emulated:    none' in info, info)


def dmabuf_window(root, build, accel):
    """The renderer itself, in a guest whose kernel has udmabuf: vkcube turns in a window."""
    machine, host, memory = with_dmabufs(root, build, accel)
    with machine:
        run = Run(root, machine, build)
        expect_dmabufs(machine, host, memory)
        with vm_screen.XServer(machine) as server:
            cube = f'env {host} /mnt/build/tools/pv-venus run {memory} -- vkcube'
            first = server.start_cube(os.path.join(run.out, 'dmabuf_cube_1.png'), 600, cube)
            machine.run('sleep 5')
            vm.expect(run.screenshot('dmabuf_cube_2').rgb != first.rgb, 'the cube does not turn')


def dmabuf(root, build, accel):
    """The renderer itself, in a guest whose kernel has udmabuf: the end-to-end cases on dma-bufs."""
    machine, host, memory = with_dmabufs(root, build, accel)
    with machine:
        expect_dmabufs(machine, host, memory)
        run_real_driver_test(machine, build)
        status, output = machine.try_run(
            f'{host} python3 /mnt/source/tests/e2e/run.py --build-dir /mnt/build --jobs 2 '
            f'--client-timeout 1800 --pv-venus-option={memory}', DMABUF_TIMEOUT)
        lines = output.strip().splitlines()
        vm.expect(status == 0, '\n'.join(line for line in lines if not line.startswith('passed')))
        for line in lines:
            vm.say(f'# {line}')


def judge_share(result):
    """Why a case of the nested guest has not passed, or None."""
    if result.status != 0:
        return f'status {result.status}: {result.remarks[-1000:]}'
    return None if result.output.strip() else 'it does not say what it did'


def dmabuf_nested(root, build, accel):
    """A guest of a guest whose kernel has udmabuf: programs share what are its dma-bufs."""
    machine, host, memory = with_dmabufs(root, build, accel)
    with machine:
        expect_dmabufs(machine, host, memory)
        names = share_cases(machine)
        # vulkaninfo takes six minutes there.
        commands = [f'{E2E} {name}' for name in ['info_properties', *names]]
        results = vm_nested.run(machine, commands, NESTED_TIMEOUT)
        info = next(results)
        vm.expect('Virtio-GPU Venus (' in info.output, info.output)
        vm.say(f'# up, and {commands[0]} at its end, after {info.seconds:.0f} s')
        failed, most = [], 0
        for name, result in zip(names, results, strict=True): # to its end, where it powers off
            problem = judge_share(result)
            most = max(most, result.dmabufs)
            vm.say(f'# {"failed" if problem else "passed"} {name} ({result.seconds:.0f} s, '
                   f'up to {result.dmabufs} dma-bufs): {problem or result.output.strip()}')
            if problem:
                failed.append(f'{name}: {problem}')
        vm.expect(names and not failed, '\n'.join(failed))
        # So they are what the programs shared, not what the guest has at any time.
        vm.expect(most > info.dmabufs, f'QEMU held {most} dma-bufs, {info.dmabufs} before')


HOSTS = [fault_no_driver, fault_wrong_library, fault_small_hostmem, host_with_dmabufs, dri3_window]
# Slow without KVM, and so only run when it is named.
SLOW = [dmabuf_window, dmabuf, dmabuf_nested]


class Report:
    """Counts and prints. Several machines are tested at a time."""

    def __init__(self, patterns):
        self.patterns = patterns
        self.count = {'ok': 0, 'not ok': 0, 'skip': 0}
        self.lock = threading.Lock()

    def wanted(self, name):
        return not self.patterns or any(fnmatch.fnmatch(name, p) for p in self.patterns)

    def result(self, title, error, seconds, processor=None):
        kind = 'not ok' if error else 'ok'
        # The processor's time does not depend on what else the host does.
        more = f', {processor:.0f} s of processor' if processor is not None else ''
        with self.lock:
            self.count[kind] += 1
            vm.say(f'{kind} {sum(self.count.values())} - {title} ({seconds:.0f} s{more})')
            if error:
                vm.say(''.join(f'    {line}\n' for line in str(error).splitlines()))

    def skip(self, title, reason):
        with self.lock:
            self.count['skip'] += 1
            vm.say(f'ok {sum(self.count.values())} - {title} # SKIP {reason}')

    def run(self, title, function, *arguments):
        start = time.monotonic()
        error = attempt(function, *arguments)
        self.result(title, error, time.monotonic() - start)


def attempt(function, *arguments):
    """What went wrong, or None."""
    try:
        function(*arguments)
    except (vm.Failed, OSError) as error:
        return error
    return None


def test_machine(root, build, accel, report):
    """One machine for all cases; a new one if it hangs."""
    cases = [(name[5:], getattr(Run, name)) for name in vars(Run) if name.startswith('case_')]
    cases = [case for name, case in cases if report.wanted(name)]
    prefix = f'QEMU {root.version("qemu-system-x86_64")}, Mesa {root.mesa()}: '
    start = time.monotonic()
    try:
        while cases:
            start = time.monotonic()
            with vm.Machine(root, build, accel=accel, count_heap=True) as machine:
                vm.say(f'# {prefix}{accel}, up after {time.monotonic() - start:.0f} s, '
                       f'{machine.cpu_seconds():.0f} s of processor')
                run = Run(root, machine, build)
                while cases and machine.alive() and not machine.hangs:
                    start, processor = time.monotonic(), machine.cpu_seconds()
                    error = attempt(cases[0], run)
                    processor = machine.cpu_seconds() - processor if machine.alive() else None
                    report.result(prefix + cases.pop(0).__doc__, error, time.monotonic() - start,
                                  processor)
    except vm.Failed as error:
        report.result(prefix + 'the machine', error, time.monotonic() - start)


def test_suite(suite, root, build, report, more):
    """A release's machine, then those of `more`, which are in no need of all the cases."""
    start = time.monotonic()
    try:
        accel = vm.choose_accel(root)
        out = os.path.join(vm.ROOT, 'out', 'vm', suite)
        os.makedirs(out, exist_ok=True)
        native = os.path.join(out, 'native.png')
        if os.path.exists(native):
            os.remove(native)
        test_machine(root, build, accel, report)
        for test in more:
            if report.wanted(test.__name__):
                report.run(f'QEMU {root.version("qemu-system-x86_64")}: {test.__doc__}', test,
                           root, build, accel)
    except vm.Unavailable as error:
        report.skip(f'virtual machines of {suite}', error)
    except Exception as error: # in a thread nobody else would see it # pylint: disable=broad-except
        report.result(f'virtual machines of {suite}', repr(error), time.monotonic() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build-dir', default='build')
    parser.add_argument('--suite', action='append', help='trixie, sid; default: both')
    parser.add_argument('--case', action='append', help='names of cases, as patterns')
    parser.add_argument('--short', action='store_true', help='one machine, no other hosts')
    parser.add_argument('--list', action='store_true', help='print the names of the cases')
    options = parser.parse_args()
    vm.become_root()
    if options.list:
        print('\n'.join([name[5:] for name in vars(Run) if name.startswith('case_')] +
                        [test.__name__ for test in HOSTS + SLOW]))
        return 0

    build = os.path.abspath(options.build_dir)
    report = Report(options.case)
    start = time.monotonic()
    suites = options.suite or SUITES
    # Side by side: QEMU 10 waits for most of its time, while the other one computes.
    lanes = []
    try:
        roots = [vm.Root.fetch(suite) for suite in suites]
        for suite, root in zip(suites, roots):
            more = [] if options.short or root is not roots[-1] else HOSTS
            if options.case and root is roots[-1]:
                more = more + SLOW
            lanes.append(threading.Thread(target=test_suite, args=(suite, root, build, report, more)))
    except vm.Failed as error:
        report.result('the root folder', error, time.monotonic() - start)
    except vm.Unavailable as error:
        report.skip('virtual machines', error)
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    print(f'1..{sum(report.count.values())}')
    print(f'# {time.monotonic() - start:.0f} s')
    print(f'{report.count["ok"]} passed, {report.count["not ok"]} failed, '
          f'{report.count["skip"]} skipped')
    if report.count['not ok']:
        return 1
    return 0 if report.count['ok'] else vm.SKIP


if __name__ == '__main__':
    sys.exit(main())
