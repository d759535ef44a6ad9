"""Times a guest of QEMU with our libvirglrenderer and with the stock one, in the same run.

    scripts/bench-vm.py [--build-dir DIR] [--suite SUITE] [--rounds N] [--preload LIBRARY]

Prints what `pv-vm-guest cycles` and pv-demo measure in the guest, and the processor time that QEMU
with all of its helpers needed for it. Both machines are up all the time and measured in turn. The
stock library maps memory through the host's /dev/udmabuf; --preload names a library to be loaded into
both QEMUs, for hosts that lack it (tests/vm/udmabuf.c).
"""

import argparse
import json
import os
import re
import statistics
import sys

import vm

GUEST = '/mnt/build/tests/vm/pv-vm-guest'
DEMO = '/mnt/build/demo/pv-demo'
CYCLES = 100
FRAMES = 20


def measure(machine, results):
    """One round, in milliseconds."""
    before = machine.cpu_seconds()
    output = machine.run(f'{GUEST} cycles {CYCLES} 1048576')
    between = machine.cpu_seconds()
    machine.run(f'{DEMO} --frames {FRAMES} --output /dev/null --json /mnt/files/demo.json')
    after = machine.cpu_seconds()
    for kind in ('mean', 'median', 'best'):
        figure = float(re.search(kind + r'_ms ([\d.]+)', output).group(1))
        results.setdefault(f'allocate+map+free of 1 MiB, {kind}', []).append(figure)
    results.setdefault(f'processor time of all {CYCLES}', []).append((between - before) * 1000)
    frame = json.loads(vm.read(machine.files + '/demo.json'))['frame_ms']
    results.setdefault('frame of the demo, median', []).append(frame['median'])
    results.setdefault('frame of the demo, best', []).append(frame['min'])
    results.setdefault(f'processor time of all {FRAMES}', []).append((after - between) * 1000)


def show(ours, stock):
    """Medians and best of the rounds; the ratio that matters is that of neighbours."""
    print(f'{"":36}{"median":^21}{"best":^21}{"stock / ours":^16}')
    print(f'{"":36}' + f'{"ours":>10}{"stock":>10} ' * 2 + f'{"of pairs":>9}{"of best":>8}')
    for what, mine in ours.items():
        theirs = stock[what]
        pairs = statistics.median(b / a for a, b in zip(mine, theirs))
        print(f'{what:36}{statistics.median(mine):10.2f}{statistics.median(theirs):10.2f} '
              f'{min(mine):10.2f}{min(theirs):10.2f} {pairs:9.2f}{min(theirs) / min(mine):8.2f}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build-dir', default='build')
    parser.add_argument('--suite', default='sid')
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--preload')
    options = parser.parse_args()
    vm.become_root()

    root = vm.Root.fetch(options.suite)
    accel = vm.choose_accel(root)
    environment = {}
    if options.preload:
        environment['LD_PRELOAD'] = os.path.abspath(options.preload)
    # One processor for the guest: it waits for the device by turning in a loop, and the device is
    # made of the host's processors. With two of each, frame times vary twofold.
    more = {'accel': accel, 'environment': environment, 'processors': 1,
            'binds': [os.path.dirname(path) for path in environment.values()]}
    ours, stock = {}, {}
    with vm.Machine(root, options.build_dir, **more) as one, \
            vm.Machine(root, options.build_dir, library=None, **more) as other:
        for machine in (one, other):
            measure(machine, {}) # loads and translates what the rounds run
        for number in range(options.rounds):
            # Each goes first as often as the other: what else the host does changes.
            pair = [(one, ours), (other, stock)]
            for machine, results in pair[::1 if number % 2 else -1]:
                measure(machine, results)
    version = root.run(['dpkg-query', '-W', '-f', '${Version}', 'libvirglrenderer1']).strip()
    print(f'QEMU {root.version("qemu-system-x86_64")} ({accel}), guest Mesa {root.mesa()}, '
          f'stock library {version}; {options.rounds} rounds, in ms')
    show(ours, stock)
    return 0


if __name__ == '__main__':
    sys.exit(main())
