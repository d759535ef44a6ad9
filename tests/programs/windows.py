"""Programs that present to windows, on X11 and Wayland."""

import re

from harness import program
import screen

PACKAGES = ['vkmark']


def cube(test, screen_kind, command):
    """vkcube turns its cube by the same angle in each frame, however long that took."""
    test.require(command[0])
    said = []

    def take(run, wanted):
        # A fresh screen for each: some compositors place each window elsewhere.
        with screen_kind(test) as shown:
            hold = screen.Hold(shown, frame=30, shows=50, wanted=wanted)
            text = run([*command, '--c', '60'], hold=hold).text()
        if run == test.ours:
            said.append(text)
        return hold.picture

    screen.compare(test, take)
    test.expect('Virtio-GPU Venus (' in said[0], f'another device: {said[0]}')
    test.note('frame 30 equal, pixel by pixel')


@program(package='vulkan-tools')
def vkcube(test):
    cube(test, screen.X11, ['vkcube', '--wsi', 'xcb'] if test.place.name != 'machine' else ['vkcube'])


@program(package='vulkan-tools')
def vkcube_wayland(test):
    """Newer releases have one vkcube for all window systems."""
    cube(test, screen.Wayland, ['vkcube-wayland'] if test.has('vkcube-wayland') else
         ['vkcube', '--wsi', 'wayland'])


# The benchmarks that vkmark runs by itself (its src/default_benchmarks.cpp).
VKMARK = ['vertex:device-local=true', 'vertex:device-local=false', 'texture:anisotropy=0',
          'texture:anisotropy=16', 'shading:shading=gouraud', 'shading:shading=blinn-phong-inf',
          'shading:shading=phong', 'shading:shading=cel', 'effect2d:kernel=edge',
          'effect2d:kernel=blur', 'desktop', 'cube', 'clear']


@program(places=('trixie', 'sid'), package='vkmark')
def vkmark(test):
    """Each scene's first frame, before any time has passed, then all scenes for their scores."""
    test.require('vkmark')
    scenes = set(re.findall(r'^\[Scene\] (\S+)', test.native(['vkmark', '-l']).output, re.M))
    missed = scenes - {name.split(':')[0] for name in VKMARK} - {'default'}
    test.expect(scenes and not missed, f'scenes without a test: {missed or scenes}')

    window = ['vkmark', '--winsys', 'xcb', '--size', '320x240']
    for name in VKMARK:
        def take(run, wanted, name=name):
            with screen.X11(test, 320, 240) as shown:
                hold = screen.Hold(shown, frame=1, shows=1 if name == 'clear' else 2, wanted=wanted)
                run([*window, '-b', f'{name}:duration=0.1'], hold=hold)
            return hold.picture

        screen.compare(test, take, f'{name}: the pictures')
    scores = []
    for run in (test.native, test.ours):
        with screen.X11(test, 320, 240) as shown:
            output = run([*window, *(f'-b{name}:duration=0.5' for name in VKMARK)],
                         env=shown.environment()).text()
        test.expect(output.count('FPS:') == len(VKMARK), f'not all scenes ran:\n{output}')
        scores.append(int(re.search(r'vkmark Score: (\d+)', output).group(1)))
    test.note(f'{len(VKMARK)} pictures equal; score {scores[1]} of {scores[0]}')
