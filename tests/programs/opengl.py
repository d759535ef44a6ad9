"""OpenGL programs through Zink, Mesa's OpenGL on Vulkan."""

import re
from xml.etree import ElementTree

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


@program(places=('trixie', 'sid'), package='glmark2-x11')
def glmark2(test):
    glmark(test, 'glmark2')


@program(places=('trixie', 'sid'), package='glmark2-es2-x11')
def glmark2_es2(test):
    glmark(test, 'glmark2-es2')


# (profile, tests, whether each has a process of its own): what a machine without a GPU does in minutes.
PIGLIT = [
    ('quick_gl', r'spec@!opengl 1\.[15]@|spec@arb_framebuffer_object@fbo-(blit|drawbuffers)', True),
]


def piglit_results(test, run, name, profile, tests, isolated):
    """{test: result} of one run."""
    out = test.path(name)
    run(['piglit', 'run', '-b', 'junit', '-p', 'surfaceless_egl', '-o', '-j', '2', '--timeout', '60',
         '--process-isolation', 'true' if isolated else 'false', '-l', 'quiet', '-t', tests, profile,
         out], env=ZINK, timeout=1500)
    results = {}
    for case in ElementTree.parse(f'{out}/results.xml').iter('testcase'):
        kinds = [child.tag for child in case if child.tag in ('failure', 'error', 'skipped')]
        said = case.find(kinds[0]) if kinds else None
        results[f'{case.get("classname")}.{case.get("name")}'] = \
            (kinds[0] + ' ' + (said.get('message') or said.get('type') or '')).strip() if kinds else 'pass'
    return results


@program(places=('trixie', 'sid'), package='piglit')
def piglit(test):
    """OpenGL tests, case by case."""
    test.require('piglit')
    native, ours = {}, {}
    for i, (profile, tests, isolated) in enumerate(PIGLIT):
        native.update(piglit_results(test, test.native, f'native{i}', profile, tests, isolated))
        ours.update(piglit_results(test, test.ours, f'ours{i}', profile, tests, isolated))
    test.expect(len(native) > 250, f'only {len(native)} tests')
    # On a busy machine a slow test runs into the time limit, natively as well.
    late = {name for results in (native, ours) for name, result in results.items()
            if 'timeout' in result}
    test.expect(len(late) < 10, f'{len(late)} tests met the time limit')
    native, ours = ({name: result for name, result in results.items() if name not in late}
                    for results in (native, ours))
    differ = [f'{name}: {native.get(name)} natively, {ours.get(name)} through us'
              for name in sorted({**native, **ours}) if native.get(name) != ours.get(name)]
    test.expect(not differ, f'{len(differ)} of {len(native)} differ\n' + '\n'.join(differ[:40]))
    passed = sum(result == 'pass' for result in native.values())
    skipped = sum(result.startswith('skipped') for result in native.values())
    test.note(f'{len(native)} results equal: {passed} pass, {skipped} skip, '
              f'{len(native) - passed - skipped} fail; {len(late)} met the time limit')
