"""Times a guest of QEMU with our libvirglrenderer and with the stock one, in the same run.

    scripts/bench-vm.py [--build-dir DIR] [--suite SUITE] [--rounds N] [--preload LIBRARY]

Prints what `pv-vm-guest cycles` and pv-demo measure in the guest, and the processor time that QEMU
with all of its helpers needed for it. The stock library maps memory through the host's /dev/udmabuf;
--preload names a library to be loaded into both QEMUs, for hosts that lack it.
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


def measure(machine, results):
    """One round, in milliseconds."""
    output = machine.run(f'{GUEST} cycles 200 1048576')
    for kind in ('mean', 'median', 'best'):
        figure = float(re.search(kind + r'_ms ([\d.]+)', output).group(1))
        results.setdefault(f'allocate+map+free of 1 MiB, {kind}', []).append(figure)
    before = machine.cpu_seconds()
    machine.run(f'{DEMO} --frames 10 --output /dev/null --json /mnt/files/demo.json')
    frame = json.loads(vm.read(machine.files + '/demo.json'))['frame_ms']
    results.setdefault('frame of the demo, median', []).append(frame['median'])
    results.setdefault('frame of the demo, best', []).append(frame['min'])
    results.setdefault('processor time of the demo', []).append(
        (machine.cpu_seconds() - before) * 1000)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build-dir', default='build')
    parser.add_argument('--suite', default='sid')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--preload')
    options = parser.parse_args()
    vm.become_root()

    root = vm.Root.fetch(options.suite)
    accel = vm.choose_accel(root)
    environment = {}
    if options.preload:
        environment['LD_PRELOAD'] = os.path.abspath(options.preload)
    more = {'accel': accel, 'environment': environment,
            'binds': [os.path.dirname(path) for path in environment.values()]}
    ours, stock = {}, {}
    with vm.Machine(root, options.build_dir, **more) as one, \
            vm.Machine(root, options.build_dir, library=None, **more) as other:
        for machine in (one, other):
            machine.run(f'{GUEST} cycles 5 1048576') # loads libraries
        # In turn, because what else the host does changes.
        for _ in range(options.rounds):
            measure(one, ours)
            measure(other, stock)
    version = root.run(['dpkg-query', '-W', '-f', '${Version}', 'libvirglrenderer1']).strip()
    print(f'QEMU {root.version("qemu-system-x86_64")} ({accel}), guest Mesa {root.mesa()}, '
          f'stock library {version}; medians of {options.rounds} rounds, in ms')
    print(f'{"":38}{"ours":>10}{"stock":>10}{"stock/ours":>12}')
    for what in ours:
        mine, theirs = statistics.median(ours[what]), statistics.median(stock[what])
        print(f'{what:38}{mine:10.2f}{theirs:10.2f}{theirs / mine:12.1f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
