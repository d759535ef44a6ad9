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


def measure(machine, rounds):
    """Medians of the rounds: milliseconds of a cycle and of a frame."""
    cycles, frames = [], []
    machine.run(f'{GUEST} cycles 5 1048576') # the first one loads libraries
    for _ in range(rounds):
        output = machine.run(f'{GUEST} cycles 100 1048576')
        cycles.append(float(re.search(r'median_ms ([\d.]+)', output).group(1)))
        machine.run(f'{DEMO} --frames 10 --output /dev/null --json /mnt/files/demo.json')
        frames.append(json.loads(vm.read(machine.files + '/demo.json'))['frame_ms']['median'])
    return {'allocate+map+free of 1 MiB': statistics.median(cycles),
            'frame of the demo': statistics.median(frames)}


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
    results = {}
    for name, library in (('ours', ''), ('stock', None)):
        with vm.Machine(root, options.build_dir, accel=accel, library=library,
                        environment=environment,
                        binds=[os.path.dirname(path) for path in environment.values()]) as machine:
            results[name] = measure(machine, options.rounds)
    version = root.run(['dpkg-query', '-W', '-f', '${Version}', 'libvirglrenderer1']).strip()
    print(f'QEMU {root.version("qemu-system-x86_64")} ({accel}), guest Mesa {root.mesa()}, '
          f'stock library {version}; medians of {options.rounds} rounds, in ms')
    print(f'{"":28}{"ours":>10}{"stock":>10}{"stock/ours":>12}')
    for what, ours in results['ours'].items():
        stock = results['stock'][what]
        print(f'{what:28}{ours:10.2f}{stock:10.2f}{stock / ours:12.1f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
