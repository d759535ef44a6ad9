"""pv-venus doctor, well and in situations that are really bad, in TAP.

    doctor_test.py PV_VENUS OLD_VULKAN CRASHING_DRIVER
"""

import glob
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

NOBODY = 65534


def manifests(guest):
    found = []
    for folder in ('/etc', '/usr/local/share', '/usr/share'):
        found += sorted(glob.glob(folder + '/vulkan/icd.d/*.json'))
    return [path for path in found if ('virtio' in os.path.basename(path)) == guest]


class Doctor:
    def __init__(self, program):
        self.program = program

    def run(self, *arguments, prefix=(), **environment):
        """(status, the JSON object)"""
        env = {key: value for key, value in os.environ.items()
               if not key.startswith(('VK_', 'VN_', 'VTEST_'))}
        env['VK_DRIVER_FILES'] = os.environ.get('VK_DRIVER_FILES') or ':'.join(manifests(False))
        env.update(environment)
        result = subprocess.run([*prefix, self.program, 'doctor', '--json', *arguments], env=env,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=200, check=False)
        try:
            answer = json.loads(result.stdout)
        except ValueError as error:
            raise AssertionError(f'{error}: {result.stdout}{result.stderr}') from error
        assert answer['works'] == (result.returncode == 0), (result.returncode, answer)
        assert result.returncode in (0, 1), result.returncode
        for check in answer['checks']:
            assert check['finding'] in ('ok', 'note', 'warn', 'fail'), check
            assert check['finding'] != 'fail' or answer['works'] is False, check
        return result.returncode, answer['checks']


def has(checks, finding, name, text, advice=''):
    """There is such a line, and it says what to do."""
    for check in checks:
        if (check['finding'], check['name']) == (finding, name) and text in check['text'] and \
                advice in check.get('advice', ''):
            return
    raise AssertionError(f'no {finding} {name} with "{text}" and "{advice}" in\n' +
                         '\n'.join(map(str, checks)))


class Cases:
    def __init__(self, doctor, old_vulkan, crashing_driver, folder):
        self.doctor = doctor
        self.old_vulkan = old_vulkan
        self.crashing_driver = crashing_driver
        self.folder = folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        path = self.path(name)
        with open(path, 'wb') as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def manifest(self, name, library):
        return self.write(name, json.dumps({
            'file_format_version': '1.0.0',
            'ICD': {'library_path': library, 'api_version': '1.3.0'}}))

    def good(self):
        return ':'.join(manifests(False))

    # -- the host --

    def all_is_well(self):
        status, checks = self.doctor.run('--host')
        assert status == 0, checks
        has(checks, 'ok', 'loader', 'Vulkan 1.')
        has(checks, 'ok', 'driver', 'Vulkan 1.')
        has(checks, 'ok', 'memory', ': by ')
        has(checks, 'ok', "Mesa's Venus driver", 'Mesa 2')
        has(checks, 'ok', 'trial', 'written by a submission')

    def text_ends_with_the_verdict(self):
        env = {**os.environ, 'VK_DRIVER_FILES': self.path('none.json')}
        result = subprocess.run([self.doctor.program, 'doctor', '--host'], env=env, text=True,
                                capture_output=True, timeout=200, check=False)
        lines = result.stdout.splitlines()
        assert result.returncode == 1 and lines[-1].startswith('No: a guest does not get'), lines
        assert any(line.startswith('  [FAIL] ') for line in lines), lines
        assert any(line.startswith('         -> ') for line in lines), lines

    def no_driver(self):
        status, checks = self.doctor.run('--host', VK_DRIVER_FILES=self.path('none.json'))
        assert status == 1
        has(checks, 'warn', 'driver', 'cannot be read (No such file')
        has(checks, 'note', 'VK_DRIVER_FILES', 'only the drivers that it names')
        has(checks, 'fail', 'renderer', 'no usable Vulkan device', 'install a Vulkan driver')

    def broken_json(self):
        for number, text in enumerate(('', '{', '[]', '{"ICD": {"library_path": }}', 'garbage',
                                       '{"ICD": {"library_path": "x"}', '{' * 1000)):
            path = self.write(f'broken{number}.json', text)
            status, checks = self.doctor.run('--host', VK_DRIVER_FILES=path)
            assert status == 1, text
            has(checks, 'warn', 'driver', 'no correct JSON', 'repair or remove')
        path = self.write('nameless.json', '{"ICD": {"api_version": "1.3.0"}}')
        has(self.doctor.run('--host', VK_DRIVER_FILES=path)[1], 'warn', 'driver', 'library_path')

    def one_broken_driver_of_two(self):
        broken = self.write('broken.json', '{"ICD": ')
        status, checks = self.doctor.run('--host', VK_DRIVER_FILES=f'{broken}:{self.good()}')
        has(checks, 'warn', 'driver', 'no correct JSON')
        if status == 0:
            has(checks, 'ok', 'trial', 'written by a submission')
        else:  # the loader of Debian 12 forgets the good one, too
            has(checks, 'fail', 'renderer', 'but none together', 'repair')

    def libraries_that_are_none(self):
        absent = self.manifest('absent.json', '/none/libvulkan_none.so')
        other = self.manifest('other.json', 'libc.so.6')
        # The header of a 32-bit library of another processor.
        elf = b'\x7fELF\x01\x01\x01' + bytes(9) + struct.pack('<HH', 3, 40) + bytes(1000)
        foreign = self.manifest('foreign.json', './foreign.so')
        self.write('foreign.so', elf)
        status, checks = self.doctor.run('--host', VK_DRIVER_FILES=f'{absent}:{other}:{foreign}')
        assert status == 1
        has(checks, 'warn', 'driver', 'libvulkan_none.so: cannot open', 'install')
        has(checks, 'warn', 'driver', 'it is no Vulkan driver')
        has(checks, 'warn', 'driver', 'wrong ELF class')

    def a_driver_that_crashes(self):
        path = self.manifest('crashing.json', self.crashing_driver)
        status, checks = self.doctor.run('--host', VK_DRIVER_FILES=path)
        assert status == 1
        has(checks, 'warn', 'driver', 'crashing.json: it was ended by signal 6')
        has(checks, 'fail', 'renderer', 'crashed')

    def no_loader(self):
        status, checks = self.doctor.run('--host', '--vulkan-library', self.path('none.so'))
        assert status == 1
        has(checks, 'fail', 'loader', 'cannot be loaded')

    def a_library_of_the_wrong_version(self):
        status, checks = self.doctor.run('--host', '--vulkan-library', self.old_vulkan)
        assert status == 1
        has(checks, 'fail', 'loader', 'offers Vulkan 1.0.0', '1.1 is needed')

    def memory_that_cannot_be_mapped(self):
        status, checks = self.doctor.run('--host', '--memory', 'opaque-fd')
        assert status == 1
        has(checks, 'fail', 'renderer', 'no device has memory that guests can map')

    def emulations_are_told(self):
        _, checks = self.doctor.run('--host', '--disable-emulation', 'sync-fd,dmabuf')
        has(checks, 'note', 'emulated', ': none')

    # -- device nodes --

    def a_node_without_permission(self):
        folder = self.path('dev')
        node = os.path.join(folder, 'dri', 'renderD128')
        os.makedirs(os.path.dirname(node), exist_ok=True)
        with open(node, 'wb'):
            pass
        os.chmod(self.folder, 0o755)
        prefix = []
        if os.geteuid() == 0:
            prefix = ['setpriv', f'--reuid={NOBODY}', f'--regid={NOBODY}', '--clear-groups']
            if subprocess.run([*prefix, self.doctor.program, '--version'], capture_output=True,
                              check=False).returncode != 0:
                return 'another user cannot run the program from here'
            os.chown(node, 0, 44)  # Debian's group "video"
        for mode, advice in ((0o660, 'group'), (0o600, 'only its owner')):
            os.chmod(node, mode if prefix else mode & 0o060)
            _, checks = self.doctor.run('--host', '--dev', folder, prefix=prefix)
            has(checks, 'warn', 'device node', f'{node} cannot be opened',
                advice if prefix else '')
        os.chmod(node, 0o666)
        _, checks = self.doctor.run('--host', '--dev', folder, prefix=prefix)
        has(checks, 'ok', 'device node', f'{node} can be opened')
        has(checks, 'note', 'device node', f'no {folder}/kvm')
        return None

    # -- the guest driver --

    def no_guest_driver(self):
        status, checks = self.doctor.run('--host', '--guest-icd', self.path('none.json'))
        assert status == 1
        has(checks, 'fail', "Mesa's Venus driver", 'cannot be read')

    def an_old_guest_driver(self):
        library = self.write('libvulkan_virtio.so', b'\x7fELF ... Mesa Mesa 22.3.6-1+deb12u1 ...')
        path = self.manifest('virtio_icd.json', library)
        status, checks = self.doctor.run('--host', '--guest-icd', path)
        assert status == 1
        has(checks, 'warn', "Mesa's Venus driver", 'Mesa 22.3.6', 'Mesa 25.0 or newer')
        has(checks, 'fail', 'trial', 'no driver could be loaded')

    # -- sockets --

    def no_socket(self):
        status, checks = self.doctor.run('--vtest', self.path('none'))
        assert status == 1
        has(checks, 'fail', 'socket', 'No such file', 'pv-venus serve')
        _, checks = self.doctor.run('--vtest', self.write('file', 'text'))
        has(checks, 'fail', 'socket', 'it is no socket')
        _, checks = self.doctor.run('--vtest', self.path('x' * 200))
        has(checks, 'fail', 'socket', 'longer than')

    def a_socket_nobody_listens_at(self):
        path = self.path('stale')
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
        status, checks = self.doctor.run('--vtest', path)
        assert status == 1
        has(checks, 'fail', 'socket', 'Connection refused', 'start it again')

    def answered_by(self, serve):
        """The checks of a socket where somebody else serves each connection."""
        path = self.path('other')
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()

        def accept():
            connection, _ = listener.accept()
            with connection:
                try:
                    serve(connection)
                except ConnectionError:
                    pass  # the doctor has heard enough

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            status, checks = self.doctor.run('--vtest', path)
        finally:
            listener.close()
            os.unlink(path)
        assert status == 1
        return checks

    def a_server_of_something_else(self):
        checks = self.answered_by(lambda connection: connection.recv(1))
        has(checks, 'fail', 'protocol', 'does not answer as a vtest server')

        def greet(connection):
            connection.sendall(b'220 mail ready\r\n')
            while connection.recv(4096):
                pass

        checks = self.answered_by(greet)
        has(checks, 'fail', 'protocol', 'another protocol')

    def a_server_of_the_wrong_version(self):
        def serve(connection):
            connection.recv(4096)
            connection.sendall(struct.pack('<II', 0, 10) + struct.pack('<III', 1, 7, 0))
            connection.recv(4096)
            connection.sendall(struct.pack('<III', 1, 11, 2))
            while connection.recv(4096):
                pass

        has(self.answered_by(serve), 'fail', 'protocol', 'version 2; Venus needs 3', '--venus')

    def a_server(self):
        path = self.path('socket')
        with subprocess.Popen([self.doctor.program, 'serve', '--socket', path],
                              env={**os.environ, 'VK_DRIVER_FILES': self.good()},
                              stderr=subprocess.DEVNULL) as server:
            try:
                while not os.path.exists(path) and server.poll() is None:
                    threading.Event().wait(0.05)
                status, checks = self.doctor.run('--vtest', path)
                assert status == 0, checks
                has(checks, 'ok', 'protocol', 'version 4')
                has(checks, 'ok', 'Venus capset', 'wire format 1')
                has(checks, 'ok', 'trial', 'written by a submission')
            finally:
                server.terminate()

    # -- virtual machines --

    def no_virtio_gpu(self):
        empty = self.path('empty')
        os.makedirs(empty, exist_ok=True)
        status, checks = self.doctor.run('--guest', '--dev', empty)
        assert status == 1
        has(checks, 'ok', 'kernel', os.uname().release)
        has(checks, 'fail', 'virtio GPU', 'no render node')


def main():
    program, old_vulkan, crashing_driver = map(os.path.abspath, sys.argv[1:4])
    if not manifests(True):
        print('1..0 # SKIP the Venus guest driver is not installed')
        return 0
    folder = tempfile.mkdtemp(prefix='pv-doctor-test-')
    cases = Cases(Doctor(program), old_vulkan, crashing_driver, folder)
    names = [name for name, value in vars(Cases).items()
             if callable(value) and value.__code__.co_argcount == 1 and
             name not in ('good', '__init__')]
    failed = 0
    try:
        for number, name in enumerate(names, 1):
            title = name.replace('_', ' ')
            try:
                skipped = getattr(cases, name)()
                print(f'ok {number} - {title}' + (f' # SKIP {skipped}' if skipped else ''),
                      flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                print(f'not ok {number} - {title}')
                print('\n'.join('# ' + line for line in str(error).splitlines()), flush=True)
    finally:
        shutil.rmtree(folder)
    left = glob.glob('/tmp/pv-venus-doctor-*')
    if left:
        print(f'# left: {left}')
        failed += 1
    print(f'1..{len(names)}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
