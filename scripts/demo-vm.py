"""Draws in a virtual machine, with our libvirglrenderer in QEMU, and compares with native.

    scripts/demo-vm.py BUILD_DIR

Boots an unmodified Debian kernel with Debian's Mesa under Debian's QEMU; draws the demo in the guest
and, on the same driver, without it, and compares the two pictures pixel by pixel; lets vkcube turn
in a window of a guest's X server. Prints times; pictures and logs go to out/vm. What it needs of
Debian is fetched once, about 1 GB, into ${XDG_CACHE_HOME:-~/.cache}/pv-venus. Needs root, or sudo.

May be set: PV_VM_SUITE, the release (trixie: QEMU 10, Mesa 25.0; sid has newer ones);
PV_DEMO_FRAMES (5); PV_VM_ACCEL, kvm or tcg (kvm if a guest boots with it). Exit status: 0 equal
pictures, 1 anything else.
"""

import json
import os
import shutil
import subprocess
import sys
import time

import vm
import vm_screen

DEMO = '/mnt/build/demo/pv-demo'


def say(text):
    vm.say('demo-vm: ' + text)


def row(*cells):
    print(f'  {cells[0]:10} {cells[1]:62} {cells[2]}')


def main():
    if len(sys.argv) != 2 or not os.path.exists(sys.argv[1] + '/abi/virgl/libvirglrenderer.so.1'):
        sys.exit('usage: scripts/demo-vm.py BUILD_DIR   (a build directory: make build)')
    build = os.path.abspath(sys.argv[1])
    vm.become_root()
    frames = os.environ.get('PV_DEMO_FRAMES', '5')
    suite = os.environ.get('PV_VM_SUITE', 'trixie')
    root = vm.Root.fetch(suite)
    out = os.path.join(vm.ROOT, 'out', 'vm', suite)
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)

    say(f'drawing {frames} frames on the driver of Debian {suite} ...')
    native = [build + '/demo/pv-demo', '--frames', frames, '--output', out + '/native.png',
              '--json', out + '/native.json']
    root.run(native, [build], VK_DRIVER_FILES=vm.HOST_DRIVER)

    accel = vm.choose_accel(root)
    say(f'drawing {frames} frames in a guest ({accel}) ...')
    start = time.monotonic()
    with vm.Machine(root, build, accel=accel) as machine:
        up = time.monotonic() - start
        with open(out + '/vulkaninfo.txt', 'w', encoding='utf-8') as file:
            file.write(machine.run('vulkaninfo'))
        machine.run(f'{DEMO} --frames {frames} --output /mnt/files/guest.png '
                    '--json /mnt/files/guest.json')
        for name in ('guest.png', 'guest.json'):
            shutil.copy(f'{machine.files}/{name}', out)
        say('letting vkcube turn in a window of the guest ...')
        with vm_screen.XServer(machine) as server:
            server.start_cube(out + '/vkcube.png')
        machine.power_off()
    seconds = time.monotonic() - start

    print()
    row('', 'Vulkan device', 'frame, median')
    for name in ('native', 'guest'):
        figures = json.loads(vm.read(f'{out}/{name}.json'))
        row(name, figures['device'], f'{figures["frame_ms"]["median"]} ms')
    print(f'\n  QEMU {root.version("qemu-system-x86_64")}, {accel}: guest up after {up:.0f} s, '
          f'from start to power-off {seconds:.0f} s')
    print(f'  pictures: {out}/native.png guest.png vkcube.png', flush=True)
    compared = subprocess.run([build + '/demo/pv-compare', out + '/native.png', out + '/guest.png'],
                              check=False)
    return compared.returncode


if __name__ == '__main__':
    try:
        sys.exit(main())
    except (vm.Failed, vm.Unavailable) as error:
        sys.exit(f'demo-vm: {error}')
