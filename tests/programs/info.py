"""Programs that say what a device can do, and our own demo."""

import os
import subprocess

from harness import program

PACKAGES = ['libpng16-16t64']


@program(places=('machine',))
def demo(test):
    """Draws, pixel by pixel, what it draws on the host's driver."""
    draw = [os.path.join(test.place.build, 'demo/pv-demo'), '--frames', '6', '--output']
    # As in tests/e2e/main.c: the guest driver leaves a few bytes in the client.
    no_leaks = {'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'}
    test.native([*draw, test.path('native.png')])
    test.ours([*draw, test.path('ours.png')], env=no_leaks)
    compared = subprocess.run([os.path.join(test.place.build, 'demo/pv-compare'),
                               test.path('native.png'), test.path('ours.png')],
                              capture_output=True, encoding='utf-8', check=False)
    test.expect(compared.returncode == 0, compared.stdout + compared.stderr)
    test.note(compared.stdout.strip())


@program(package='vulkan-tools')
def vulkaninfo(test):
    """The whole report, line by line."""
    command = ['vulkaninfo', '--show-formats']
    native, ours = test.native(command), test.ours(command)
    test.expect('Virtio-GPU Venus (' in ours.output, 'no Venus device in the report')
    # From the first part of the report to the last.
    for part in ('Instance Extensions:', 'VkPhysicalDeviceLimits:', 'VkQueueFamilyProperties:',
                 'VkPhysicalDeviceMemoryProperties:', 'VkPhysicalDeviceVulkan12Features:',
                 'VkPhysicalDeviceVulkan13Features:', 'FORMAT_R8G8B8A8_UNORM'):
        test.expect(part in native.output and part in ours.output, f'no "{part}"')
