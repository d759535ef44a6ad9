"""Runs unmodified programs on the host's driver and through `pv-venus serve`, and compares.

A module of this folder holds functions marked with @program. Each gets a Test and calls

    native = test.native(command)          # a Run: status, output, errors, seconds
    ours = test.ours(command)              # the same command through a server of its own
    test.same_text(native, ours)           # or same_picture, or whatever the program offers
    test.note('60 scenes')                 # said in the result

It returns when all is well, and raises Failed or Skip (test.fail, test.skip) otherwise. Programs
run in places: `machine` is the machine itself, the others are roots that scripts/root.sh fetches
with the packages which the module names in PACKAGES. Server, guest driver and host driver come from
the same place, so that both runs of a program end in the same driver and can be compared exactly.
"""

import contextlib
import glob
import inspect
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

# Name: suite of scripts/root.sh, or None for the machine itself.
PLACES = {'machine': None, 'trixie': 'trixie', 'sid': 'sid'}
BASE_PACKAGES = ['mesa-vulkan-drivers', 'libvulkan1', 'vulkan-tools']

PROGRAMS = []


class Failed(Exception):
    pass


class Skip(Exception):
    pass


class Patience:
    """A time limit in seconds in which this process could run.

    Limits are for programs that hang. Other work may stop this machine, or keep us from its
    processors, for minutes, and then the clock says nothing about the program. It has to be asked
    more than once a second.
    """

    def __init__(self, seconds):
        self.left = seconds
        self.last = time.monotonic()

    def is_over(self):
        now = time.monotonic()
        self.left -= min(now - self.last, 1)
        self.last = now
        return self.left < 0


class Program:
    """A function that tests one program, and where it can."""

    def __init__(self, function, places, package):
        self.name = function.__name__.rstrip('_').replace('_', '-')
        self.function = function
        self.places = places
        self.package = package
        self.module = inspect.getmodule(function)


def program(places=('machine', 'trixie', 'sid'), package=None):
    """Enters a function into the list. `package`: whose version the result states."""
    unknown = set(places) - set(PLACES)
    assert not unknown, unknown

    def enter(function):
        PROGRAMS.append(Program(function, places, package))
        return function
    return enter


class Run:
    """What a command did."""

    def __init__(self, command, status, output, errors, seconds):
        self.command = command
        self.status = status
        self.output = output
        self.errors = errors
        self.seconds = seconds
        self.log = ''       # what the server said meanwhile, for runs through pv-venus
        self.contexts = 0   # how many the program opened there
        self.commands = 0   # how many Vulkan commands they sent

    def text(self):
        return self.output + self.errors


class Place:
    """Where programs are found and run."""

    def __init__(self, name, build):
        self.name = name
        self.suite = PLACES[name]
        self.build = build
        self.roots = {}     # per module

    def root(self, module):
        """'' for the machine, otherwise the folder of the module's root, fetched if need be."""
        if self.suite is None:
            return ''
        if module.__name__ not in self.roots:
            packages = module.PACKAGES
            if isinstance(packages, dict):
                packages = packages.get(self.name, packages.get('all', []))
            made = subprocess.run(
                [os.path.join(ROOT, 'scripts/root.sh'), self.suite, module.__name__,
                 *BASE_PACKAGES, *packages],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8', check=False)
            lines = made.stderr.strip().splitlines() or ['no reason given']
            if made.returncode == 77:
                raise Skip(lines[-1])
            if made.returncode != 0:
                raise Failed('scripts/root.sh: ' + '\n'.join(lines[-12:]))
            self.roots[module.__name__] = made.stdout.strip()
        return self.roots[module.__name__]

    def prefix(self, root):
        if not root:
            return []
        return [os.path.join(ROOT, 'scripts/in-root.sh'), '--bind', self.build, root]

    @staticmethod
    def drivers(root, guest):
        """The driver manifests of the place: the Venus guest driver's, or all others."""
        found = []
        for folder in ('/etc', '/usr/local/share', '/usr/share'):
            found += [path[len(root):] for path in
                      sorted(glob.glob(root + folder + '/vulkan/icd.d/*.json'))]
        return ':'.join(path for path in found
                        if ('virtio' in os.path.basename(path)) == guest)

    @staticmethod
    def version(root, package):
        """The installed version of a package, or ''."""
        query = ['dpkg-query', *([f'--admindir={root}/var/lib/dpkg'] if root else []),
                 '-W', '-f', '${Version}', package]
        try:
            return subprocess.run(query, capture_output=True, encoding='utf-8',
                                  check=False).stdout.strip()
        except FileNotFoundError:
            return ''


class Test:
    """One program in one place. A context manager: nothing that it started outlives it."""

    def __init__(self, what, place, keep=None):
        self.program = what
        self.place = place
        self.name = f'{what.name}@{place.name}'
        self.root = place.root(what.module)
        self.keep = keep    # where pictures and logs of failures go
        self.folder = None  # a short-lived one, seen at the same path in every place
        self.notes = []
        self.runs = {}
        self.server = None
        self.stack = contextlib.ExitStack()
        self.base = {key: value for key, value in os.environ.items()
                     if not key.startswith(('VK_', 'VN_', 'VTEST_', 'MESA_', 'LC_', 'LIBGL_',
                                            'GALLIUM_', 'DISPLAY', 'WAYLAND_', 'XDG_'))}
        self.base['LC_ALL'] = 'C.UTF-8'
        self.host_icd = place.drivers(self.root, guest=False)
        if place.name == 'machine' and os.environ.get('VK_DRIVER_FILES'):
            self.host_icd = os.environ['VK_DRIVER_FILES']
        self.guest_icd = place.drivers(self.root, guest=True)

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix='pv-programs-')
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        # Programs may want to write there; it is empty for each test.
        self.base['HOME'] = os.path.join(self.folder, 'home')
        self.base['XDG_RUNTIME_DIR'] = os.path.join(self.folder, 'run')
        os.mkdir(self.base['HOME'])
        os.mkdir(self.base['XDG_RUNTIME_DIR'], 0o700)
        if not self.host_icd:
            raise Failed('no Vulkan driver is installed: scripts/setup.sh test')
        if not self.guest_icd:
            raise Failed('the Venus guest driver is not installed: scripts/setup.sh test')
        return self

    def __exit__(self, kind, error, trace):
        if self.keep and kind is not None and not issubclass(kind, Skip):
            kept = os.path.join(self.keep, self.name)
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(self.folder, kept, symlinks=True,
                            ignore=lambda folder, names: [
                                name for name in names if not os.path.isdir(os.path.join(folder, name))
                                and not os.path.isfile(os.path.join(folder, name))])
        self.stack.close()

    def fail(self, reason):
        raise Failed(reason)

    def skip(self, reason):
        raise Skip(reason)

    def expect(self, condition, reason):
        if not condition:
            raise Failed(reason)

    def note(self, text):
        self.notes.append(text)

    def path(self, name):
        """A file in the test's folder."""
        return os.path.join(self.folder, name)

    def version(self, package):
        return self.place.version(self.root, package)

    def has(self, command):
        """Whether the place has the command."""
        if not self.root:
            return shutil.which(command) is not None
        return any(os.access(self.root + folder + command, os.X_OK)
                   for folder in ('/usr/local/bin/', '/usr/bin/', '/bin/', '/usr/games/'))

    def require(self, *commands):
        for command in commands:
            self.expect(self.has(command), f'{command} is missing: scripts/setup.sh programs'
                        if not self.root else f'{command} is missing in {self.root}')

    def native(self, command, **options):
        """Runs the command on the host's driver. Fails unless its status is one of `statuses`."""
        run = self.run(command, {'VK_DRIVER_FILES': self.host_icd}, 'native', **options)
        self.runs.setdefault('native', []).append(run)
        return run

    def ours(self, command, **options):
        """The same through pv-venus. Fails as well if the program opened no context there, if one
        of them failed, or if the server is gone."""
        server = self.serve()
        before, said = server.statistics(), server.log_size()
        run = self.run(command, {'VK_DRIVER_FILES': self.guest_icd, 'VN_DEBUG': 'vtest',
                                 'VTEST_SOCKET_NAME': server.socket,
                                 # As `pv-venus run` does where there is no render node.
                                 'MESA_VK_WSI_DEBUG': 'sw'}, 'ours',
                       explain=lambda: server.log_since(said), **options)
        server.expect_alive()
        after = server.wait_for_statistics(len(before) + 1)
        run.log = server.log_since(said)
        run.contexts = len(after) - len(before)
        run.commands = sum(int(found.group(1)) for line in after[len(before):]
                           for found in [re.search(r'commands=(\d+)', line)] if found)
        self.expect(run.contexts > 0, f'{command[0]} opened no context:\n{run.text()[-1500:]}')
        failures = re.findall(r'context\b.* failed: .*', run.log)
        self.expect(not failures, 'a context failed: ' + '; '.join(failures[:3]))
        self.runs.setdefault('ours', []).append(run)
        return run

    def serve(self):
        """The test's server, started when it is first wanted."""
        if self.server is None:
            self.server = self.stack.enter_context(Server(self))
        return self.server

    def run(self, command, drivers, tag, env=None, timeout=900, statuses=(0,), hold=None,
            explain=None):
        """Runs a command of the place to its end, or kills it and all it started.

        `hold`: a Hold (screen.py), for looking at what is on the screen at a certain frame.
        `explain`: what to add when it fails.
        """
        environment = {**self.base, **drivers, **(env or {})}
        if hold:
            environment.update(hold.environment(self))
        output, errors = self.path(f'{tag}.out'), self.path(f'{tag}.err')
        start, trouble = time.monotonic(), None
        with open(output, 'wb') as out, open(errors, 'wb') as err:
            process = subprocess.Popen([*self.place.prefix(self.root), *command], env=environment,
                                       cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=err, start_new_session=True)
            try:
                if hold:
                    hold.watch(process, timeout)
                status = wait(process, timeout)
            except subprocess.TimeoutExpired:
                status = None
            except Failed as failure:
                status, trouble = None, str(failure)
            finally:
                # Also what it left behind in its group.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        run = Run(command, status, read(output), read(errors), time.monotonic() - start)
        if trouble or status not in statuses:
            what = trouble or (f'no end after {timeout} s' if status is None else
                               f'status {status}')
            more = explain() if explain else ''
            raise Failed(f'{tag}: {" ".join(command)}: {what}\n{run.text()[-2000:]}\n{more[-1500:]}')
        return run

    def same_text(self, native, ours, allowed=()):
        """Compares line by line what two runs printed, or two strings.

        `allowed`: (regular expression, reason) pairs; a line that differs must match one. Returns how
        many differing lines each of them allowed.
        """
        a, b = (run.output if isinstance(run, Run) else run for run in (native, ours))
        counts, left = {}, []
        for sign, line in difference(a.splitlines(), b.splitlines()):
            for pattern, reason in allowed:
                if re.search(pattern, line):
                    counts[reason] = counts.get(reason, 0) + 1
                    break
            else:
                left.append(f'{sign} {line}')
        if left:
            raise Failed(f'{len(left)} lines differ (- native, + through pv-venus)\n' +
                         '\n'.join(left[:40]))
        return counts

    def same_picture(self, native, ours, tolerance=0, what='the pictures'):
        """Compares two pictures (screen.py). `tolerance`: how far a channel of a pixel may be off."""
        native.write(self.path('native.png'))
        ours.write(self.path('ours.png'))
        pixels, most = native.difference(ours)
        if most > tolerance:
            raise Failed(f'{what} differ: {pixels} pixels, a channel by up to {most}')
        return most


class Server:
    """`pv-venus serve` in the place of a test."""

    def __init__(self, test):
        self.test = test
        self.socket = test.path('socket')
        self.stats = test.path('stats')
        self.log = test.path('server.log')
        self.process = None

    def __enter__(self):
        test = self.test
        command = [os.path.join(test.place.build, 'tools/pv-venus'), 'serve',
                   '--socket', self.socket, '--stats', self.stats]
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(
                [*test.place.prefix(test.root), *command], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
                env={**test.base, 'VK_DRIVER_FILES': test.host_icd})
        patience = Patience(300)
        while True:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                try:
                    probe.connect(self.socket)
                    break
                except OSError:
                    pass
            if self.process.poll() is not None or patience.is_over():
                self.stop()
                raise Failed(f'pv-venus serve did not start:\n{read(self.log)[-2000:]}')
            time.sleep(0.02)
        # That probe may count as a context; what counts is the difference.
        time.sleep(0.1)
        return self

    def __exit__(self, *unused):
        self.stop()

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            wait(self.process, 60)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def expect_alive(self):
        if self.process.poll() is not None:
            raise Failed(f'the server ended with status {self.process.returncode}\n'
                         f'{read(self.log)[-2000:]}')

    def statistics(self):
        """One line for each context that is gone and sent something."""
        return [line for line in read(self.stats).splitlines() if 'commands=0 ' not in line + ' ']

    def wait_for_statistics(self, count):
        """A context says how it was shortly after its client is gone."""
        patience = Patience(60)
        while len(self.statistics()) < count and not patience.is_over():
            time.sleep(0.05)
        before = -1
        while before != len(self.statistics()):
            before = len(self.statistics())
            time.sleep(0.1)
        return self.statistics()

    def log_size(self):
        return os.path.getsize(self.log)

    def log_since(self, size):
        with open(self.log, 'rb') as file:
            file.seek(size)
            return file.read().decode('utf-8', 'replace')


def wait(process, seconds):
    """The status of a process that ends, or TimeoutExpired."""
    patience = Patience(seconds)
    while True:
        try:
            return process.wait(0.5)
        except subprocess.TimeoutExpired:
            if patience.is_over():
                raise


def read(path):
    """A file's text; '' if there is no file."""
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except FileNotFoundError:
        return ''


def difference(a, b):
    """(sign, line) for the lines that only one list has, in order."""
    import difflib
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        if tag != 'equal':
            yield from (('-', line) for line in a[a1:a2])
            yield from (('+', line) for line in b[b1:b2])


def judge(what, place, keep=None):
    """Runs one program in one place. A dictionary for the report."""
    start = time.monotonic()
    test, outcome, reason = None, 'ok', ''
    try:
        test = Test(what, place, keep)
        with test:
            what.function(test)
    except Skip as error:
        outcome, reason = 'skip', str(error)
    except Failed as error:
        outcome, reason = 'FAIL', str(error)
    result = {'program': what.name, 'place': place.name, 'outcome': outcome, 'reason': reason,
              'seconds': round(time.monotonic() - start, 1)}
    if test:
        result['version'] = test.version(what.package) if what.package else ''
        result['mesa'] = test.version('mesa-vulkan-drivers')
        result['notes'] = test.notes
        for kind, runs in test.runs.items():
            result[f'{kind}_seconds'] = round(sum(run.seconds for run in runs), 2)
        result['contexts'] = sum(run.contexts for run in test.runs.get('ours', []))
        result['commands'] = sum(run.commands for run in test.runs.get('ours', []))
    return result


if __name__ == '__main__':
    sys.exit('this is a module; the command is run.py')
