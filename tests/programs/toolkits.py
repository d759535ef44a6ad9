"""Toolkits that draw with Vulkan: GTK 4, SDL 3's GPU API, Direct3D 12 on Vulkan."""

import os

from harness import HERE, program
import screen

PACKAGES = ['gtk-4-examples', 'libgtk-4-bin', 'libsdl3-tests', 'vkd3d-demos', 'fonts-dejavu-core',
            'adwaita-icon-theme', 'gsettings-desktop-schemas']

SDL = '/usr/libexec/installed-tests/SDL3/'


def held(test, run, command, env, frame, shows, wanted=None):
    """The screen after a certain frame; the program, which has no end of its own, is ended then."""
    with screen.X11(test, 640, 480) as shown:
        hold = screen.Hold(shown, frame=frame, shows=shows, end=True, wanted=wanted)
        run(command, hold=hold, env=env, statuses=(None,))
    return hold.picture


def first_frame(test, command, env=None, shows=3):
    """Most of these programs move with the time; their first frame does not, or not yet."""
    native = held(test, test.native, command, env, 1, shows)
    ours = held(test, test.ours, command, env, 1, shows, native)
    if native != ours:
        again = held(test, test.native, command, env, 1, shows, ours)
        if again not in (native, ours):
            test.note('frame 1 shown; two native runs differ, too')
            return
        native = again
    test.same_picture(native, ours)
    test.note('frame 1 equal, pixel by pixel')


@program(places=('trixie', 'sid'), package='vkd3d-demos')
def vkd3d_triangle(test):
    first_frame(test, ['vkd3d-triangle'])


@program(places=('trixie', 'sid'), package='vkd3d-demos')
def vkd3d_gears(test):
    first_frame(test, ['vkd3d-gears'])


@program(places=('sid',), package='vkd3d-demos')
def vkd3d_teapot(test):
    """Its first 16 rows tell the device's name."""
    native, ours = (held(test, run, ['vkd3d-teapot'], None, 1, 3).below(16)
                    for run in (test.native, test.ours))
    test.same_picture(native, ours)
    test.note('frame 1 equal, pixel by pixel')


@program(places=('trixie', 'sid'), package='libsdl3-tests')
def sdl_gpu_clear(test):
    """Clears to a colour that changes with time: no two runs have the same."""
    for run in (test.native, test.ours):
        picture = held(test, run, [SDL + 'testgpu_simple_clear'], {'SDL_GPU_DRIVER': 'vulkan'}, 30, 3)
        # Newer ones write a line of text; then there is the pointer.
        share = picture.share_of_commonest()
        test.expect(share > 0.95, f'only {share:.3f} of the screen have one colour')
    test.note('frame 30 is of one colour in both')


@program(places=('trixie', 'sid'), package='libsdl3-tests')
def sdl_gpu_cube(test):
    first_frame(test, [SDL + 'testgpu_spinning_cube'], env={'SDL_GPU_DRIVER': 'vulkan'}, shows=50)


@program(places=('sid',), package='libsdl3-tests')
def sdl_gpu_effects(test):
    first_frame(test, [SDL + 'testgpurender_effects'], env={'SDL_GPU_DRIVER': 'vulkan'}, shows=50)


@program(places=('sid',), package='libsdl3-tests')
def sdl_gpu_msdf(test):
    first_frame(test, [SDL + 'testgpurender_msdf'], env={'SDL_GPU_DRIVER': 'vulkan'}, shows=50)


# The picture must not depend on settings of the machine.
GTK = {'GSK_RENDERER': 'vulkan', 'GDK_BACKEND': 'x11', 'GTK_A11Y': 'none', 'GTK_THEME': 'Adwaita',
       'GSETTINGS_BACKEND': 'memory', 'GDK_DEBUG': 'no-portals'}


@program(places=('trixie', 'sid'), package='libgtk-4-bin')
def gtk_widgets(test):
    """A window with many widgets, drawn with GSK's Vulkan renderer."""
    pictures = []
    for run, name in ((test.native, 'a.png'), (test.ours, 'b.png')):
        with screen.X11(test, 800, 600) as shown:
            run(['gtk4-builder-tool', 'screenshot', '--css', os.path.join(HERE, 'widgets.css'),
                 os.path.join(HERE, 'widgets.ui'), test.path(name)],
                env={**GTK, **shown.environment()})
        pictures.append(screen.read_png(test.path(name)))
    test.expect(pictures[0].colors() > 50, 'the picture is empty')
    test.same_picture(*pictures)
    test.note(f'{pictures[0].width}x{pictures[0].height} pixels equal')
