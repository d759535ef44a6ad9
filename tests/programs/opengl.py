"""OpenGL programs through Zink, Mesa's OpenGL on Vulkan."""

import bz2
import collections
import json
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
                         env={**ZINK, **shown.environment()}, timeout=1800).output
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


@program(places=('trixie', 'sid'), package='glmark2-x11')
def glmark2(test):
    glmark(test, 'glmark2')


@program(places=('trixie', 'sid'), package='glmark2-es2-x11')
def glmark2_es2(test):
    glmark(test, 'glmark2-es2')


# (profile, tests, whether each has a process of its own): what a machine without a GPU does in minutes.
# Shader tests share processes; a driver is loaded hundreds of times less often.
PIGLIT = [
    ('quick_gl', r'spec@!opengl 1\.[15]@|spec@arb_framebuffer_object@fbo-(blit|drawbuffers)', True),
    ('quick_shader', r'spec@glsl-1\.[123]0@execution@', False),
]


def piglit_results(test, run, name, profile, tests, isolated):
    """{test or its part: result} of one run."""
    out = test.path(name)
    # The time limits are for tests that hang: some wait for the device 100,000 times.
    run(['piglit', 'run', '-b', 'json', '-p', 'surfaceless_egl', '-o', '-j', '2', '--timeout', '3600',
         '--process-isolation', 'true' if isolated else 'false', '-l', 'quiet', '-t', tests, profile,
         out], env=ZINK, timeout=14400)
    with bz2.open(f'{out}/results.json.bz2', 'rt', encoding='utf-8') as file:
        found = json.load(file)['tests']
    results = {}
    for case, said in found.items():
        parts = {part: result for part, result in said.get('subtests', {}).items()
                 if not part.startswith('__')}
        if not parts or said['result'] in ('timeout', 'crash', 'incomplete'):
            parts[''] = said['result']
        results.update({f'{case} {part}'.strip(): result for part, result in parts.items()})
    return results


@program(places=('trixie', 'sid'), package='piglit')
def piglit(test):
    """OpenGL tests, case by case."""
    test.require('piglit')
    native, ours = {}, {}
    for i, (profile, tests, isolated) in enumerate(PIGLIT):
        native.update(piglit_results(test, test.native, f'native{i}', profile, tests, isolated))
        ours.update(piglit_results(test, test.ours, f'ours{i}', profile, tests, isolated))
    differ = [f'{name}: {native.get(name)} natively, {ours.get(name)} through us'
              for name in sorted({**native, **ours}) if native.get(name) != ours.get(name)]
    test.expect(not differ, f'{len(differ)} of {len(native)} differ\n' + '\n'.join(differ[:40]))
    count = collections.Counter(native.values())
    test.expect(count['pass'] > 1000, f'only {count}')
    test.note(f'{len(native)} results equal: ' +
              ', '.join(f'{number} {result}' for result, number in count.most_common()))
