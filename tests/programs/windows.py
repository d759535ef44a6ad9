"""Programs that present to windows, on X11 and Wayland."""

from harness import program
import screen

PACKAGES = ['vkmark']


def cube(test, screen_kind, command):
    """vkcube turns its cube by the same angle in each frame, however long that took."""
    test.require(command[0])
    pictures = []
    for run in (test.native, test.ours):
        # A fresh screen for each: some compositors place each window elsewhere.
        with screen_kind(test) as shown:
            hold = screen.Hold(shown, frame=30, shows=50)
            output = run([*command, '--c', '60'], hold=hold)
            pictures.append(hold.picture)
    test.expect('Virtio-GPU Venus (' in output.text(), f'another device: {output.text()}')
    test.same_picture(*pictures)
    test.note('frame 30 equal, pixel by pixel')


@program(package='vulkan-tools')
def vkcube(test):
    cube(test, screen.X11, ['vkcube', '--wsi', 'xcb'] if test.place.name != 'machine' else ['vkcube'])


@program(package='vulkan-tools')
def vkcube_wayland(test):
    """Newer releases have one vkcube for all window systems."""
    cube(test, screen.Wayland, ['vkcube-wayland'] if test.has('vkcube-wayland') else
         ['vkcube', '--wsi', 'wayland'])
