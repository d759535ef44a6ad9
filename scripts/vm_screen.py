"""What the display of a virtual machine shows, and an X server on it, for demo-vm.py and test-vm.py."""

import struct
import time
import zlib

from vm import Failed, expect, read

GUEST = '/mnt/build/tests/vm/pv-vm-guest'

XORG = r'''
cat >/tmp/xorg.conf <<END
Section "Device"
    Identifier "gpu"
    Driver "modesetting"
    Option "kmsdev" "/dev/dri/card0"
    Option "AccelMethod" "@ACCEL@"
EndSection
@MORE@
Section "ServerFlags"
    Option "AutoAddGPU" "false"
    Option "BlankTime" "0"
EndSection
END
mkfifo /tmp/ready
Xorg -displayfd 5 -ac -noreset -nolisten tcp -novtswitch -sharevts -config /tmp/xorg.conf \
    -logfile /mnt/files/xorg.log 5>/tmp/ready >/dev/null 2>&1 &
read -r display </tmp/ready || { cat /mnt/files/xorg.log; exit 1; }
'''

# Xorg that draws with OpenGL has DRI3. With llvmpipe, all there is here, it does so only for a screen
# that other GPUs draw for, too; this one need not exist.
OTHER_GPU = r'''
Section "Device"
    Identifier "other"
    Driver "modesetting"
    Option "kmsdev" "/dev/dri/card9"
EndSection
Section "Screen"
    Identifier "screen"
    Device "gpu"
    GPUDevice "other"
EndSection
'''

BLACK = (0, 0, 0)
CUBE_SIZE = (500, 500)
CUBE_BACKGROUND = (51, 51, 51)


class Picture:
    """A binary PPM."""

    def __init__(self, path):
        with open(path, 'rb') as file:
            kind, size, depth, self.rgb = file.read().split(b'\n', 3)
        expect(kind == b'P6' and depth == b'255', f'{path} is no picture')
        self.width, self.height = (int(number) for number in size.split())

    def pixel(self, x, y):
        at = (y * self.width + x) * 3
        return tuple(self.rgb[at:at + 3])

    def colours(self):
        return len({self.rgb[at:at + 3] for at in range(0, len(self.rgb), 3)})

    def box(self, colour):
        """The smallest rectangle (left, top, right, bottom) around what has another colour."""
        row = bytes(colour) * self.width
        rows = [self.rgb[y * len(row):(y + 1) * len(row)] for y in range(self.height)]
        used = [y for y in range(self.height) if rows[y] != row]
        expect(used, f'the screen is all {colour}')
        middle = rows[(used[0] + used[-1]) // 2]
        columns = [x for x in range(self.width) if tuple(middle[x * 3:x * 3 + 3]) != colour]
        return columns[0], used[0], columns[-1] + 1, used[-1] + 1

    def write_png(self, path):
        def chunk(kind, data):
            body = kind + data
            return struct.pack('>I', len(data)) + body + struct.pack('>I', zlib.crc32(body))
        lines = b''.join(b'\0' + self.rgb[y * self.width * 3:(y + 1) * self.width * 3]
                         for y in range(self.height))
        with open(path, 'wb') as file:
            file.write(b'\x89PNG\r\n\x1a\n' +
                       chunk(b'IHDR', struct.pack('>IIBBBBB', self.width, self.height, 8, 2, 0, 0, 0)) +
                       chunk(b'IDAT', zlib.compress(lines, 1)) + chunk(b'IEND', b''))


def shoot(machine, path):
    """What the guest's display shows now, also written as a PNG."""
    machine.run(f'{GUEST} screenshot /dev/dri/card0 /mnt/files/screen.ppm')
    picture = Picture(machine.files + '/screen.ppm')
    picture.write_png(path)
    return picture


class XServer:
    """Runs in the guest as long as the context lasts.

    Without `dri3` windows are drawn by copying, as the renderer's `run` has it too. With it programs
    hand dma-bufs over.
    """

    def __init__(self, machine, dri3=False):
        self.machine = machine
        self.dri3 = dri3
        self.environment = 'DISPLAY=:0' if dri3 else 'DISPLAY=:0 MESA_VK_WSI_DEBUG=sw'

    def __enter__(self):
        script = XORG.replace('@ACCEL@', 'glamor' if self.dri3 else 'none')
        with open(self.machine.files + '/xorg.sh', 'w', encoding='ascii') as file:
            file.write(script.replace('@MORE@', OTHER_GPU if self.dri3 else ''))
        self.machine.run('. ./xorg.sh')
        log = read(self.machine.files + '/xorg.log')
        if ('glamor initialized' in log) != self.dri3:
            self.stop()
            raise Failed(f'Xorg has another kind of screen:\n{log[-3000:]}')
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.machine.run('kill $(pidof vkcube) $(pidof Xorg); '
                         'while pidof Xorg >/dev/null; do sleep 0.1; done')

    def start_cube(self, path, timeout=120, command='vkcube'):
        """vkcube, drawing when this returns its picture, which is also written to `path`."""
        self.machine.run(f'{self.environment} setsid {command} >cube.log 2>&1 & true')
        deadline = time.monotonic() + timeout
        while True:
            self.machine.run('sleep 1')
            try:
                picture = shoot(self.machine, path)
                check_cube(picture)
                return picture
            except Failed as error:
                if time.monotonic() > deadline:
                    log = read(self.machine.files + '/cube.log')
                    raise Failed(f'{error}\n{log[-1000:]}') from error


def check_cube(picture):
    """One window of vkcube on a black screen."""
    left, top, right, bottom = picture.box(BLACK)
    expect((right - left, bottom - top) == CUBE_SIZE, f'the window is {left, top, right, bottom}')
    expect(picture.pixel(left + 2, top + 2) == CUBE_BACKGROUND, "this is not vkcube's background")
    expect(picture.colours() > 200, f'a cube with {picture.colours()} colours')
