"""The programs of the table: those of bench/, which print rows, and real ones, whose figures are
read from what they say. Each is a function of the options, the server and a Round, into which it puts
what it found out; Failed ends it."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time

TIMEOUT = 100
SKIP = 77
# Without a render node pictures reach the screen by copying. Zink refuses devices of the kind CPU,
# natively as well, but for the last one.
WINDOWS = {'MESA_VK_WSI_DEBUG': 'sw'}
ZINK = {'MESA_LOADER_DRIVER_OVERRIDE': 'zink', 'GALLIUM_DRIVER': 'zink', 'LIBGL_ALWAYS_SOFTWARE': '1',
        **WINDOWS}
SIZES = ['64x64', '800x600']
VKMARK_SCENES = ['clear', 'cube', 'texture', 'effect2d']
GLMARK_SCENES = ['build', 'texture', 'shading', 'jellyfish']


class Failed(Exception):
    pass


class Round:
    """What one program has found out in one round on one target."""

    def __init__(self):
        self.rows = []
        self.absent = {}  # {row: why the device cannot give it}
        self.failed = {}  # {what: reason}
        self.device = ''  # and its driver

    def row(self, name, value, unit, count=1, wall_ns=0, client_ns=0, server_ns=0, caller_ns=0):
        self.rows.append({'name': name, 'value': float(value), 'unit': unit, 'count': int(count),
                          'wall_ns': int(wall_ns), 'client_ns': int(client_ns),
                          'server_ns': int(server_ns), 'caller_ns': float(caller_ns)})

    def last_row(self):
        return self.rows[-1]['name'] if self.rows else 'nothing'


def tail(text):
    return ' / '.join(text.strip().splitlines()[-3:])[-300:] or 'silent'


# -- the programs of bench/ ------------------------------------------------------------------------

def read_rows(output, found):
    for line in output.splitlines():
        kind, *fields = line.split('\t')
        if kind == 'row':
            found.row(*fields)
        elif kind == 'absent':
            found.absent[fields[0]] = fields[1]
        elif kind == 'device':
            found.device = fields[0]


def question(name, *arguments, env=None):
    def run(options, server, found):
        command = [f'{options.build}/bench/bench_{name}', *arguments]
        try:
            done = subprocess.run(command, env={**server.client_env(), **(env or {})},
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=TIMEOUT, check=False)
        except subprocess.TimeoutExpired as gone:
            read_rows((gone.stdout or b'').decode(), found)
            raise Failed(f'no end after {TIMEOUT} s, the last row was '
                         f'{found.last_row()}') from gone
        read_rows(done.stdout, found)
        if done.returncode == SKIP and not server.process:
            found.absent[f'all of {name}'] = tail(done.stdout)
        elif done.returncode != 0:
            raise Failed(f'status {done.returncode} after {found.last_row()}: '
                         f'{tail(done.stderr or done.stdout)}')
    return run


def idle(clients):
    def run(options, server, found):
        if server.process:
            question('idle', str(clients), '3')(options, server, found)
    return run


# -- real ones -------------------------------------------------------------------------------------

def measured(command, server, env=None):
    """Runs a client that knows nothing of rows; returns its output, wall and both CPU times."""
    before = os.times()
    begin, server_before = time.monotonic_ns(), server.cpu_ns()
    # The worker that served the client may be gone when it has ended, and that of another may still
    # be there: ask while it runs, and each for itself.
    process = subprocess.Popen(command, env={**server.client_env(), **(env or {})},
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    server_after = dict(server_before)
    deadline = time.monotonic() + TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        server_after.update(server.cpu_ns())
        time.sleep(0.02)
    wall = time.monotonic_ns() - begin
    late = process.poll() is None
    if late:
        process.kill()
    output = process.communicate()[0]
    after = os.times()
    client = (after.children_user + after.children_system - before.children_user -
              before.children_system) * 1e9
    if late or process.returncode != 0:
        status = f'no end after {TIMEOUT} s' if late else f'status {process.returncode}'
        raise Failed(f'{os.path.basename(command[0])}: {status}: {tail(output)}')
    spent = sum(used - server_before.get(pid, 0) for pid, used in server_after.items())
    return output, wall, client, spent


def needed(name):
    path = shutil.which(name)
    if not path:
        raise Failed(f'{name} is not installed')
    return path


def scene_row(found, name, command, seconds, server, env=None, driver=''):
    """Runs one scene; what goes wrong with it does not stop the others."""
    try:
        output, *figures = measured(command, server, env)
        rate = re.search(r'FPS:\s*([0-9.]+)', output)
        if not rate:
            raise Failed(f'no frame rate: {tail(output)}')
        if driver and not re.search(driver, output):
            raise Failed(f'another driver: {tail(output)}')
        frames = float(rate.group(1))
        found.row(name, frames, 'frames/s', max(1, frames * seconds), *figures)
    except Failed as reason:
        found.failed[name] = str(reason)


def vkmark(options, server, found):
    program = needed('vkmark')
    seconds = max(0.3, options.seconds * 4)
    for size in SIZES:
        for scene in VKMARK_SCENES:
            scene_row(found, f'vkmark {size} {scene}',
                      [program, '--winsys', 'headless', '--size', size, '-b',
                       f'{scene}:duration={seconds}'], seconds, server)


class Screen:
    """An X server without hardware, which is there while a program runs."""

    def __enter__(self):
        read_end, write_end = os.pipe()
        self.process = subprocess.Popen(
            [needed('Xvfb'), '-displayfd', str(write_end), '-nolisten', 'tcp', '-noreset',
             '-screen', '0', '800x600x24'], pass_fds=[write_end], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write_end)
        # Ends when the server has written its number, or has ended itself.
        with os.fdopen(read_end) as file:
            number = file.readline().strip()
        if not number:
            raise Failed(f'Xvfb did not start: status {self.process.wait()}')
        return {'DISPLAY': ':' + number}

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def glmark2(options, server, found):
    program = needed('glmark2')
    seconds = max(0.3, options.seconds * 4)
    with Screen() as shown:
        for scene in GLMARK_SCENES:
            scene_row(found, f'glmark2 by Zink, 800x600 {scene}',
                      [program, '--off-screen', '--size', '800x600', '-b',
                       f'{scene}:duration={seconds}'], seconds, server, {**ZINK, **shown},
                      r'GL_RENDERER: +zink')


def demo(options, server, found):
    program = f'{options.build}/demo/pv-demo'
    if not os.path.exists(program):
        raise Failed('pv-demo is not built')
    _, wall_ns, *figures = measured([program, '--frames', '1'], server)
    found.row('demo, start to end of its first frame', wall_ns / 1e6, 'ms', 1, wall_ns, *figures)
    with tempfile.TemporaryDirectory() as folder:
        _, *figures = measured([program, '--width', '1920', '--height', '1080', '--frames', '8',
                                '--json', f'{folder}/demo.json'], server)
        with open(f'{folder}/demo.json', encoding='utf-8') as file:
            frame = json.load(file)['frame_ms']
    found.row('demo 1920x1080, a frame', frame['median'], 'ms', 1, *figures)


# In the order of the table.
PROGRAMS = {
    'round_trips': question('round_trips'),
    'waits': question('round_trips', 'waits',
                      env={'VN_PERF': 'no_fence_feedback,no_semaphore_feedback'}),
    'objects': question('objects'),
    'recording': question('recording'),
    'bandwidth': question('bandwidth'),
    'matrix_product': question('matrix_product'),
    'start_up': question('start_up'),
    'contexts': question('scale', 'contexts'),
    'many_objects': question('scale', 'objects'),
    'idle_1': idle(1),
    'idle_64': idle(64),
    'vkmark': vkmark,
    'glmark2': glmark2,
    'demo': demo,
}
