"""Screens without hardware, what is on them, and a way to stop a program at a certain frame."""

import collections
import mmap
import os
import shutil
import signal
import struct
import subprocess
import time
import zlib

import harness


class Picture:
    """8-bit RGB, row after row."""

    def __init__(self, width, height, pixels):
        assert len(pixels) == width * height * 3
        self.width = width
        self.height = height
        self.pixels = pixels

    def __eq__(self, other):
        return (self.width, self.height, self.pixels) == (other.width, other.height, other.pixels)

    def colors(self):
        """How many there are, up to 1000; one means that nothing is on the picture."""
        found = set()
        for i in range(0, len(self.pixels), 3):
            found.add(self.pixels[i:i + 3])
            if len(found) == 1000:
                break
        return len(found)

    def below(self, y):
        """The picture without its first rows."""
        return Picture(self.width, self.height - y, self.pixels[y * self.width * 3:])

    def share_of_commonest(self):
        """How much of the picture has the colour that most of it has."""
        count = collections.Counter(self.pixels[i:i + 3] for i in range(0, len(self.pixels), 3))
        return count.most_common(1)[0][1] / (self.width * self.height)

    def difference(self, other):
        """(pixels that differ, the largest difference of a channel)."""
        if (self.width, self.height) != (other.width, other.height):
            raise harness.Failed(f'sizes differ: {self.width}x{self.height} and '
                                 f'{other.width}x{other.height}')
        pixels, most, row = 0, 0, self.width * 3
        for y in range(self.height):
            a, b = (picture.pixels[y * row:(y + 1) * row] for picture in (self, other))
            if a == b:
                continue
            deltas = [abs(p - q) for p, q in zip(a, b)]
            most = max(most, *deltas)
            pixels += sum(1 for i in range(0, row, 3) if any(deltas[i:i + 3]))
        return pixels, most

    def write(self, path):
        """As PNG."""
        def chunk(kind, data):
            return (struct.pack('>I', len(data)) + kind + data +
                    struct.pack('>I', zlib.crc32(kind + data)))
        row = self.width * 3
        data = b''.join(b'\0' + self.pixels[y * row:(y + 1) * row] for y in range(self.height))
        with open(path, 'wb') as file:
            file.write(b'\x89PNG\r\n\x1a\n' +
                       chunk(b'IHDR', struct.pack('>IIBBBBB', self.width, self.height, 8, 2, 0, 0, 0)) +
                       chunk(b'IDAT', zlib.compress(data, 1)) + chunk(b'IEND', b''))


def read_png(path):
    """8-bit RGB and RGBA (whose alpha is dropped), not interlaced: what programs write."""
    with open(path, 'rb') as file:
        data = file.read()
    assert data[:8] == b'\x89PNG\r\n\x1a\n', path
    at, body = 8, b''
    while at < len(data):
        size, kind = struct.unpack('>I4s', data[at:at + 8])
        if kind == b'IHDR':
            width, height, depth, color, _, _, interlace = struct.unpack(
                '>IIBBBBB', data[at + 8:at + 8 + size])
        elif kind == b'IDAT':
            body += data[at + 8:at + 8 + size]
        at += size + 12
    assert depth == 8 and color in (2, 6) and not interlace, (path, depth, color, interlace)
    step = 3 if color == 2 else 4
    body, row = zlib.decompress(body), width * step
    rows, above = [], bytearray(row)
    for y in range(height):
        filtering, line = body[y * (row + 1)], bytearray(body[y * (row + 1) + 1:(y + 1) * (row + 1)])
        unfilter(filtering, line, above, step)
        rows.append(line if step == 3 else
                    bytes(value for i, value in enumerate(line) if i % 4 != 3))
        above = line
    return Picture(width, height, b''.join(rows))


def unfilter(filtering, line, above, step):
    """Undoes one of the five filters of PNG, in place."""
    if filtering == 0:
        return
    for i, value in enumerate(line):
        left = line[i - step] if i >= step else 0
        up = above[i]
        if filtering == 1:
            guess = left
        elif filtering == 2:
            guess = up
        elif filtering == 3:
            guess = (left + up) // 2
        else:
            corner = above[i - step] if i >= step else 0
            p = left + up - corner
            near = (abs(p - left), abs(p - up), abs(p - corner))
            guess = (left, up, corner)[near.index(min(near))]
        line[i] = (value + guess) & 255


def read_ppm(path):
    """Binary, with 8 bits a channel."""
    with open(path, 'rb') as file:
        data = file.read()
    fields, at = [], 0
    while len(fields) < 4:
        while data[at:at + 1].isspace():
            at += 1
        if data[at:at + 1] == b'#':
            at = data.index(b'\n', at)
            continue
        end = at
        while not data[end:end + 1].isspace():
            end += 1
        fields.append(data[at:end])
        at = end
    assert fields[0] == b'P6' and fields[3] == b'255', (path, fields)
    width, height = int(fields[1]), int(fields[2])
    return Picture(width, height, data[at + 1:at + 1 + width * height * 3])


class X11:
    """An X server of the machine whose screen is a file. Without DRI3, as most virtual ones."""

    def __init__(self, test, width=800, height=600):
        self.folder = test.path('x11')
        self.size = f'{width}x{height}x24'
        self.process = None
        self.display = None

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        if not shutil.which('Xvfb'):
            raise harness.Failed('Xvfb is missing: scripts/setup.sh test')
        read_end, write_end = os.pipe()
        self.process = subprocess.Popen(
            ['Xvfb', '-displayfd', str(write_end), '-nolisten', 'tcp', '-noreset', '-screen', '0',
             self.size, '-fbdir', self.folder], pass_fds=[write_end], start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write_end)
        # Ends when the server has written its number, or has ended itself.
        with os.fdopen(read_end) as file:
            number = file.readline().strip()
        if not number:
            raise harness.Failed(f'Xvfb did not start: status {self.process.wait()}')
        self.display = ':' + number
        return self

    def __exit__(self, *unused):
        self.process.terminate()
        self.process.wait()

    def environment(self):
        return {'DISPLAY': self.display}

    def look(self):
        """The screen as it is now. The file is an XWD dump (X11/XWDFile.h)."""
        with open(os.path.join(self.folder, 'Xvfb_screen0'), 'rb') as file:
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
                header = struct.unpack('>25I', data[:100])
                size, width, height, depth, line, colors = (header[i] for i in (0, 4, 5, 11, 12, 19))
                start = size + colors * 12
                pixels = data[start:start + line * height]
        assert depth == 32, depth
        rgb = bytearray(width * height * 3)
        # In memory: blue, green, red, unused.
        for channel in range(3):
            rows = [pixels[y * line + 2 - channel:y * line + width * 4:4] for y in range(height)]
            rgb[channel::3] = b''.join(rows)
        return Picture(width, height, bytes(rgb))


# Nothing on the screen but windows.
WESTON_CONFIG = """[shell]
panel-position=none
background-color=0xff204060
animation=none
startup-animation=none
"""


class Wayland:
    """Weston of the machine, without a display."""

    def __init__(self, test, width=800, height=600):
        self.runtime = test.base['XDG_RUNTIME_DIR']
        self.log = test.path('weston.log')
        self.config = test.path('weston.ini')
        self.shots = test.path('weston')
        self.size = (width, height)
        self.environ = {**test.base}
        self.process = None
        self.last = (b'', None)     # reading a PNG takes a second

    def __enter__(self):
        os.makedirs(self.shots, exist_ok=True)
        if not shutil.which('weston'):
            raise harness.Failed('weston is missing: scripts/setup.sh programs')
        name = 'wayland-pv'
        with open(self.config, 'w', encoding='utf-8') as file:
            file.write(WESTON_CONFIG)
        # Only with --debug may any client ask what is on the screen.
        command = ['weston', '--backend=headless-backend.so', '--use-pixman', f'--config={self.config}',
                   '--debug', '--idle-time=0', f'--width={self.size[0]}', f'--height={self.size[1]}',
                   f'--socket={name}', '--shell=desktop-shell.so', f'--log={self.log}']
        self.process = subprocess.Popen(command, env=self.environ, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)
        patience = harness.Patience(120)
        while not os.path.exists(os.path.join(self.runtime, name)):
            if self.process.poll() is not None or patience.is_over():
                raise harness.Failed(f'weston did not start:\n{harness.read(self.log)[-1500:]}')
            time.sleep(0.05)
        self.environ['WAYLAND_DISPLAY'] = name
        return self

    def __exit__(self, *unused):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def environment(self):
        return {'WAYLAND_DISPLAY': self.environ['WAYLAND_DISPLAY'], 'XDG_SESSION_TYPE': 'wayland'}

    def look(self):
        for name in os.listdir(self.shots):
            os.remove(os.path.join(self.shots, name))
        shot = subprocess.run(['weston-screenshooter'], cwd=self.shots, env=self.environ,
                              capture_output=True, encoding='utf-8', timeout=600, check=False)
        names = os.listdir(self.shots)
        if shot.returncode != 0 or len(names) != 1:
            raise harness.Failed(f'weston-screenshooter: status {shot.returncode} {shot.stderr}')
        path = os.path.join(self.shots, names[0])
        with open(path, 'rb') as file:
            data = file.read()
        if data != self.last[0]:
            self.last = (data, read_png(path))
        return self.last[1]


def look_when_still(screen, shows=2, wanted=None):
    """The screen when it has stopped to change and shows at least so many colours.

    `wanted`: what it should show. It is waited for much longer than for the screen to stand still:
    the guest driver presents in a thread of its own, frames after the program's, and on a busy
    machine seconds after them.
    """
    patience = harness.Patience(120)
    last, equal = screen.look(), 0
    while not patience.is_over():
        if wanted is not None and last == wanted:
            return last
        time.sleep(0.3)
        now = screen.look()
        equal = equal + 1 if now == last else 0
        if equal >= (3 if wanted is None else 30) and now.colors() >= shows:
            return now
        last = now
    raise harness.Failed('the screen shows nothing' if last.colors() < shows else
                         'the screen does not stand still')


def compare(test, take, what='the pictures'):
    """Compares pictures by `take(run, wanted)`, which passes both on to a Hold of each run."""
    native = take(test.native, None)
    ours = take(test.ours, native)
    if ours != native:
        # A native picture that was taken too early is no measure.
        native = take(test.native, ours)
    test.same_picture(native, ours, what=what)


class Hold:
    """Stops a program after its frame number `frame` and looks at the screen.

    A Vulkan layer of ours (hold_layer.c) in the program does the stopping, natively and through us.
    """

    def __init__(self, screen, frame, shows=2, end=False, wanted=None):
        self.end = end      # whether to end the program when that is done
        self.wanted = wanted    # the picture it should be
        self.screen = screen
        self.frame = frame
        self.shows = shows
        self.file = None
        self.picture = None

    def environment(self, test):
        self.file = test.path('held')
        folder = os.path.join(test.place.build, 'tests/programs')
        return {**self.screen.environment(), 'VK_ADD_LAYER_PATH': folder,
                'VK_INSTANCE_LAYERS': 'VK_LAYER_PV_hold', 'PV_HOLD_FRAME': str(self.frame),
                'PV_HOLD_FILE': self.file}

    def watch(self, process, timeout):
        """Waits until the program is held, looks, and lets it go on."""
        patience = harness.Patience(timeout)
        while not os.path.exists(self.file):
            if process.poll() is not None:
                raise harness.Failed(f'the program ended before frame {self.frame}, with status '
                                     f'{process.returncode}')
            if patience.is_over():
                raise harness.Failed(f'frame {self.frame} did not come within {timeout} s')
            time.sleep(0.02)
        self.picture = look_when_still(self.screen, self.shows, self.wanted)
        if self.end:
            raise subprocess.TimeoutExpired(self.file, 0)
        os.remove(self.file)
