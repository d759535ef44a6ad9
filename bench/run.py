"""Runs the Vulkan programs of bench/ natively, through pv-venus and through the peer, in turn.

    bench/run.py --build FOLDER --json RESULTS [--rounds N] [--seconds S] [--only PROGRAM,...]
                 [--targets native,ours,peer] [--host-icd FILE] [--guest-icd FILE] [--peer PROGRAM]

All targets take their turn in each round, so that a machine which is busy for a while is so for all
of them. What a row is worth is the median of the rounds; all values are kept in RESULTS, which
bench/report.py turns into tables and pictures.

The peer is virglrenderer's vtest server. Where the kernel has no /dev/udmabuf it runs with
bench/udmabuf_stand_in.so preloaded: it could not map memory otherwise.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ICDS = '/usr/share/vulkan/icd.d'
PROGRAMS = ['round_trips', 'objects', 'recording', 'bandwidth', 'matrix_product', 'start_up', 'scale',
            'idle 1', 'idle 64', 'vkmark', 'demo']
# These take long: --slow-rounds.
SLOW = {'start_up', 'scale', 'idle 1', 'idle 64', 'vkmark', 'demo'}
VKMARK = {
    'clear': 'clear',
    'cube': 'cube',
    'texture': 'texture',
    'effect2d': 'effect2d',
}
TIMEOUT = 300
SKIP = 77


def arguments():
    parser = argparse.ArgumentParser(description='Runs the benchmarks that compare.')
    parser.add_argument('--build', required=True)
    parser.add_argument('--json', required=True)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--slow-rounds', type=int, help='of programs that take long')
    parser.add_argument('--seconds', type=float, default=0.3)
    parser.add_argument('--only')
    parser.add_argument('--targets', default='native,ours,peer')
    parser.add_argument('--host-icd', default=f'{ICDS}/lvp_icd.json')
    parser.add_argument('--guest-icd', default=f'{ICDS}/virtio_icd.json')
    parser.add_argument('--peer', default=shutil.which('virgl_test_server'))
    return parser.parse_args()


class Server:
    """A vtest server that lives while a program runs; no server for the native target."""

    def __init__(self, options, target, folder):
        self.options, self.target, self.process = options, target, None
        self.socket = os.path.join(folder, f'{target}.sock')
        self.log = os.path.join(folder, f'{target}.log')

    def command(self):
        if self.target == 'ours':
            return [f'{self.options.build}/tools/pv-venus', 'serve', '--socket', self.socket], {}
        env = {}
        if not os.path.exists('/dev/udmabuf'):
            env['LD_PRELOAD'] = os.path.abspath(f'{self.options.build}/bench/udmabuf_stand_in.so')
        return [self.options.peer, '--venus', '--no-virgl', '--multi-clients', '--socket-path',
                self.socket], env

    def __enter__(self):
        if self.target == 'native':
            return self
        command, more = self.command()
        env = {**os.environ, 'VK_DRIVER_FILES': self.options.host_icd, **more}
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        for _ in range(200):
            if os.path.exists(self.socket):
                break
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            if os.path.exists(self.socket):
                os.remove(self.socket)

    def client_env(self):
        env = {**os.environ, 'PV_BENCH_SECONDS': str(self.options.seconds)}
        if not self.process:
            return {**env, 'VK_DRIVER_FILES': self.options.host_icd}
        return {**env, 'VK_DRIVER_FILES': self.options.guest_icd, 'VN_DEBUG': 'vtest',
                'VTEST_SOCKET_NAME': self.socket, 'PV_BENCH_SERVER': str(self.process.pid)}

    def cpu_ns(self):
        """What the server and all its descendants that live have used."""
        def of(pid):
            try:
                total = time.clock_gettime_ns((~pid << 3) | 2)  # as clock_getcpuclockid() does
                with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as file:
                    return total + sum(of(int(child)) for child in file.read().split())
            except OSError:
                return 0
        return of(self.process.pid) if self.process else 0


def execute(command, server):
    """Runs a client; returns its status and what it printed."""
    try:
        done = subprocess.run(command, env=server.client_env(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as gone:
        return 'time out', (gone.stdout or b'').decode(), (gone.stderr or b'').decode()


def row(name, value, unit, count=1, wall_ns=0, client_ns=0, server_ns=0):
    return {'name': name, 'value': float(value), 'unit': unit, 'count': int(count),
            'wall_ns': int(wall_ns), 'client_ns': int(client_ns), 'server_ns': int(server_ns)}


def run_questions(options, program, server):
    name, *more = program.split()
    if name == 'idle' and server.target == 'native':
        return [], None
    command = [f'{options.build}/bench/bench_{name}', *more, *(['5'] if name == 'idle' else [])]
    status, output, errors = execute(command, server)
    rows = [row(*line.split('\t')[1:]) for line in output.splitlines() if line.startswith('row\t')]
    if status == SKIP:
        return rows, output.strip().splitlines()[-1]
    if status != 0:
        return rows, f'status {status}: {(errors.strip().splitlines() or ["silent"])[-1]}'
    return rows, None


def measured(command, server):
    """Runs a client that knows nothing of rows; returns status, output, wall and both CPU times."""
    before = os.times()
    begin, server_before = time.monotonic_ns(), server.cpu_ns()
    # The worker that served the client may be gone when it has ended: ask while it runs.
    process = subprocess.Popen(command, env=server.client_env(), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    server_after = server_before
    deadline = time.monotonic() + TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        server_after = max(server_after, server.cpu_ns())
        time.sleep(0.02)
    wall = time.monotonic_ns() - begin
    if process.poll() is None:
        process.kill()
    output = process.communicate()[0]
    after = os.times()
    client = (after.children_user + after.children_system - before.children_user -
              before.children_system) * 1e9
    return process.returncode, output, wall, client, server_after - server_before


def run_vkmark(options, server):
    vkmark = shutil.which('vkmark')
    if not vkmark:
        return [], 'vkmark is not installed'
    rows = []
    for size in ['64x64', '800x600']:
        for scene, benchmark in VKMARK.items():
            duration = max(0.5, options.seconds * 3)
            status, output, wall, client, server_ns = measured(
                [vkmark, '--winsys', 'headless', '--size', size, '-b', f'{benchmark}:duration={duration}'], server)
            found = re.search(r'FPS:\s*([0-9.]+)', output)
            if status != 0 or not found:
                return rows, f'vkmark {scene}: status {status}: {output.strip()[-200:]}'
            frames = float(found.group(1)) * duration
            rows.append(row(f'vkmark {size} {scene}', found.group(1), 'frames/s', frames, wall,
                            client, server_ns))
    return rows, None


def run_demo(options, server):
    demo = f'{options.build}/demo/pv-demo'
    if not os.path.exists(demo):
        return [], 'pv-demo is not built'
    with tempfile.TemporaryDirectory() as folder:
        status, output, wall, client, server_ns = measured(
            [demo, '--width', '1920', '--height', '1080', '--output', f'{folder}/demo.png'], server)
    if status != 0:
        return [], f'pv-demo: status {status}: {output.strip()[-200:]}'
    return [row('demo 1920x1080', wall / 1e6, 'ms', 1, wall, client, server_ns)], None


def run_program(options, program, server):
    if program == 'vkmark':
        return run_vkmark(options, server)
    if program == 'demo':
        return run_demo(options, server)
    return run_questions(options, program, server)


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        return (done.stdout.strip().splitlines() or [''])[0]
    except (OSError, subprocess.TimeoutExpired):
        return ''


def package(name):
    return first_line(['dpkg-query', '-W', '-f', '${Version}', name])


def machine(options):
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        model = re.search(r'model name\s*: (.*)', file.read())
    with open('/etc/os-release', encoding='utf-8') as file:
        release = re.search(r'PRETTY_NAME="(.*)"', file.read())
    return {
        'date': time.strftime('%Y-%m-%d'),
        'cpu': model.group(1) if model else platform.machine(),
        'cores': len(os.sched_getaffinity(0)),
        'kernel': platform.release(),
        'system': release.group(1) if release else '',
        'mesa': package('mesa-vulkan-drivers'),
        'host_icd': os.path.basename(options.host_icd),
        'peer': package('libvirglrenderer1') if options.peer else '',
        'stand_in': not os.path.exists('/dev/udmabuf'),
        'rounds': options.rounds,
        'slow_rounds': options.slow_rounds or options.rounds,
        'load': os.getloadavg()[0],
        'seconds': options.seconds,
    }


def main():
    options = arguments()
    targets = options.targets.split(',')
    notes = []
    if 'peer' in targets and not options.peer:
        targets.remove('peer')
        notes.append('the peer, virgl_test_server, is not here: its columns are empty')
    elif 'peer' in targets and not os.path.exists('/dev/udmabuf'):
        notes.append('there is no /dev/udmabuf: the peer runs with bench/udmabuf_stand_in.so '
                     'preloaded, without which it could not map memory')
    programs = options.only.split(',') if options.only else PROGRAMS
    values = {}  # name -> target -> list of rows
    with tempfile.TemporaryDirectory(prefix='pv-bench-') as folder:
        for program in programs:
            rounds = program in SLOW and options.slow_rounds or options.rounds
            for number in range(rounds):
                for target in targets:
                    with Server(options, target, folder) as server:
                        rows, note = run_program(options, program, server)
                    for entry in rows:
                        values.setdefault(entry['name'], {}).setdefault(target, []).append(entry)
                    if note and (text := f'{program}, {target}: {note}') not in notes:
                        notes.append(text)
                        print(f'bench: {text}', file=sys.stderr)
                print(f'bench: {program}: round {number + 1} of {rounds}', file=sys.stderr,
                      flush=True)
    result = {'machine': machine(options), 'notes': notes, 'rows': []}
    for name, by_target in values.items():
        entry = {'name': name, 'unit': next(iter(by_target.values()))[0]['unit']}
        for target, rows in by_target.items():
            entry[target] = {
                'values': [item['value'] for item in rows],
                'median': statistics.median(item['value'] for item in rows),
                # of both sides, for one unit of work
                'cpu_ns': statistics.median(
                    (item['client_ns'] + item['server_ns']) / max(item['count'], 1)
                    for item in rows),
            }
        result['rows'].append(entry)
    with open(options.json, 'w', encoding='utf-8') as file:
        json.dump(result, file, indent=1)
    return 0


if __name__ == '__main__':
    sys.exit(main())
