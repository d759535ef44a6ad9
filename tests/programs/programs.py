"""Programs that people know, unmodified, through `pv-venus run`.

    programs.py PV_VENUS vulkaninfo
    programs.py PV_VENUS vkcube
    programs.py PV_VENUS demo PV_DEMO PV_COMPARE

vulkaninfo  prints its whole report, about the host's device as Venus wraps it
vkcube      presents 120 frames to an X server without DRI3
demo        draws, pixel by pixel, what it draws on the host's driver
"""

import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile

TIMEOUT_S = 120


class Failed(Exception):
    pass


def expect(condition, text):
    if not condition:
        raise Failed(text)


def host_drivers():
    """The guest driver would look for a virtio-gpu device."""
    found = [path for folder in ('/etc', '/usr/local/share', '/usr/share')
             for path in sorted(glob.glob(folder + '/vulkan/icd.d/*.json'))]
    return ':'.join(path for path in found if 'virtio' not in os.path.basename(path))


def run(command, **environment):
    """Its output. Ends the whole group if it takes too long."""
    env = {key: value for key, value in os.environ.items()
           if not key.startswith(('VN_', 'VTEST_'))}
    env.setdefault('VK_DRIVER_FILES', host_drivers())
    env.update(environment)
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True, errors='replace')
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise Failed(f'{command[0]}: no end after {TIMEOUT_S} s\n{output[-2000:]}') from error
    expect(process.returncode == 0,
           f'{" ".join(command)}: status {process.returncode}\n{output[-2000:]}')
    return output


def program(name):
    path = shutil.which(name)
    expect(path, f'{name} is missing: run scripts/setup.sh test')
    return path


def vulkaninfo(pv_venus):
    report = run([pv_venus, 'run', '--', program('vulkaninfo'), '--show-formats'])
    expect('Virtio-GPU Venus (' in report, f'no Venus device in the report:\n{report[-2000:]}')
    # From the first part of the report to the last.
    for part in ('Instance Extensions:', 'VkPhysicalDeviceLimits:', 'VkQueueFamilyProperties:',
                 'VkPhysicalDeviceMemoryProperties:', 'VkPhysicalDeviceVulkan12Features:',
                 'VkPhysicalDeviceVulkan13Features:', 'FORMAT_R8G8B8A8_UNORM'):
        expect(part in report, f'the report has no "{part}"')
    print(f'{len(report.splitlines())} lines')


def vkcube(pv_venus):
    read_end, write_end = os.pipe()
    with subprocess.Popen([program('Xvfb'), '-displayfd', str(write_end), '-nolisten', 'tcp',
                           '-screen', '0', '640x480x24'], pass_fds=[write_end],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        os.close(write_end)
        try:
            # Ends when the server has written its number, or has ended itself.
            with os.fdopen(read_end) as file:
                display = file.readline().strip()
            expect(display, f'Xvfb did not start: status {server.poll()}')
            output = run([pv_venus, 'run', '--', program('vkcube'), '--c', '120'],
                         DISPLAY=':' + display)
            expect('Virtio-GPU Venus (' in output, f'vkcube took another device:\n{output}')
            print(output.strip())
        finally:
            server.terminate()


def demo(pv_venus, pv_demo, pv_compare):
    with tempfile.TemporaryDirectory(prefix='pv-demo-') as folder:
        native, ours = os.path.join(folder, 'native.png'), os.path.join(folder, 'venus.png')
        draw = [pv_demo, '--frames', '6']
        run([*draw, '--output', native])
        # As in tests/e2e/main.c: the guest driver leaves a few bytes in the client.
        no_leaks = f'ASAN_OPTIONS={os.environ.get("ASAN_OPTIONS", "")}:detect_leaks=0'
        run([pv_venus, 'run', '--', 'env', no_leaks, *draw, '--output', ours])
        print(run([pv_compare, native, ours]).strip())


def main():
    cases = {'vulkaninfo': vulkaninfo, 'vkcube': vkcube, 'demo': demo}
    if len(sys.argv) < 3 or sys.argv[2] not in cases:
        sys.exit(__doc__)
    try:
        cases[sys.argv[2]](os.path.abspath(sys.argv[1]), *map(os.path.abspath, sys.argv[3:]))
    except Failed as failure:
        print(failure)
        sys.exit(1)


main()
