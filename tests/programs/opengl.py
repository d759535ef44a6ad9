"""OpenGL programs through Zink, Mesa's OpenGL on Vulkan."""

import re

from harness import program
import screen

PACKAGES = ['glmark2-x11', 'glmark2-es2-x11', 'libgl1-mesa-dri', 'libglx-mesa0', 'libegl-mesa0', 'libegl1',
            'libgles2', 'mesa-utils', 'piglit']

# Without the last one Zink refuses devices of the kind CPU, as lavapipe is, on both sides.
ZINK = {'MESA_LOADER_DRIVER_OVERRIDE': 'zink', 'GALLIUM_DRIVER': 'zink', 'LIBGL_ALWAYS_SOFTWARE': '1'}


def glmark(test, command):
    """glmark2 knows which pixels its scenes must have; --validate looks at them."""
    test.require(command)
    results = []
    for run in (test.native, test.ours):
        with screen.X11(test, 800, 600) as shown:
            output = run([command, '--off-screen', '--validate'],
                         env={**ZINK, **shown.environment()}, timeout=600).output
        test.expect(re.search(r'GL_RENDERER: +zink', output), f'another driver: {output[:600]}')
        results.append(re.findall(r'^\[(\S+)\] (.*?): Validation: (.*)', output, re.M))
    test.expect('Virtio-GPU Venus' in output, f'another device: {output[:600]}')
    differ = [f'{a} {b}' for a, b in zip(*results) if a != b]
    test.expect(results[0] and len(results[0]) == len(results[1]) and not differ,
                f'{len(results[0])} natively, {len(results[1])} through us; {differ}')
    counts = {}
    for _, _, result in results[0]:
        counts[result.strip()] = counts.get(result.strip(), 0) + 1
    test.note(', '.join(f'{count} {result}' for result, count in sorted(counts.items())) +
              ', the same in both')


@program(package='glmark2-x11')
def glmark2(test):
    glmark(test, 'glmark2')


@program(package='glmark2-es2-x11')
def glmark2_es2(test):
    glmark(test, 'glmark2-es2')
