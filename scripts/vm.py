"""Virtual machines that run programs of this tree: what demo-vm.py and test-vm.py have in common.

A machine is Debian's QEMU, in a root folder of some release, with our libvirglrenderer.so.1 or the
stock one. Its guest is the same release's kernel and the same folder, read-only and through 9p, so
there is nothing to install in it. The guest takes its commands from a serial port:

    root = vm.Root.fetch('trixie')
    with vm.Machine(root, build='build') as machine:
        print(machine.run('vulkaninfo --summary'))

Paths in the guest: /mnt/build is the build folder, /mnt/source this tree, /mnt/files is
`machine.files` of the host.
"""

import collections
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SKIP = 77

PACKAGES = '''qemu-system-x86 qemu-system-gui qemu-system-modules-opengl libegl1 libgl1-mesa-dri
    mesa-vulkan-drivers vulkan-tools libpng16-16t64 linux-image-amd64 busybox-static cpio kmod zstd
    xserver-xorg-core virgl-server python3'''.split()

# What the guest needs before it has its root; the rest is loaded from there.
MODULES = 'virtio_pci 9pnet_virtio 9p'

HOST_DRIVER = '/usr/share/vulkan/icd.d/lvp_icd.json'
LIBRARIES = '/usr/lib/x86_64-linux-gnu'

INIT = r'''#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
if grep -q pv.probe /proc/cmdline; then
    echo "pv: booted"
    poweroff -f
fi
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod "$module"; done
share() { mount -t 9p -o "trans=virtio,version=9p2000.L,msize=262144,$3" "$1" "$2"; }
share root /system ro,cache=loose
mount -t proc proc /system/proc
mount -t sysfs sys /system/sys
mount -t devtmpfs dev /system/dev
for folder in tmp run mnt var/log var/lib/xkb; do mount -t tmpfs tmp /system/$folder; done
mkdir /system/mnt/build /system/mnt/files /system/mnt/source /system/dev/shm
chmod 1777 /system/tmp
share build /system/mnt/build ro,cache=loose
share source /system/mnt/source ro,cache=loose
share files /system/mnt/files rw,cache=none
exec chroot /system /bin/sh /mnt/files/guest.sh
'''

# How every guest begins once it has its root.
GUEST_START = r'''
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
export XDG_RUNTIME_DIR=/run
export VK_DRIVER_FILES=/usr/share/vulkan/icd.d/virtio_icd.json
modprobe virtio_gpu
tries=0
while [ ! -e /dev/dri/renderD128 ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
cd /mnt/files
'''

# The guest's end of Machine.run(): "NUMBER COMMAND" comes, "done NUMBER STATUS" goes.
GUEST = GUEST_START + r'''
stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
echo "ready $(cut -d ' ' -f 1 /proc/uptime)" >&3
while read -r number command <&3; do
    sh -c "$command" >"$number.log" 2>&1 </dev/null 3>&-
    echo "done $number $?" >&3
done
'''


class Failed(Exception):
    """Something in a virtual machine did not go as it must."""


class Unavailable(Exception):
    """This machine cannot have a virtual machine, for a reason that is not ours."""


def expect(condition, text):
    if not condition:
        raise Failed(text)


def say(text):
    sys.stdout.write(text + '\n') # at once: there may be several machines
    sys.stdout.flush()


def read(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        return file.read()


class Root:
    """A Debian with QEMU, Mesa and a kernel."""

    def __init__(self, path, suite):
        self.path = path
        self.suite = suite
        self.kernel = '/boot/' + sorted(name for name in os.listdir(path + '/boot')
                                        if name.startswith('vmlinuz-'))[-1]

    @classmethod
    def fetch(cls, suite):
        """Fetched once, about 1 GB; scripts/root.sh says so."""
        result = subprocess.run([ROOT + '/scripts/root.sh', suite, 'vm', *PACKAGES],
                                stdout=subprocess.PIPE, text=True, check=False)
        if result.returncode == SKIP:
            raise Unavailable(f'Debian {suite} cannot be fetched')
        if result.returncode != 0:
            raise Failed(f'there is no root folder of Debian {suite}')
        return cls(result.stdout.strip(), suite)

    def command(self, command, binds=()):
        wrapped = [ROOT + '/scripts/in-root.sh']
        for path in binds:
            wrapped += ['--bind', path]
        return [*wrapped, self.path, *command]

    def run(self, command, binds=(), timeout=300, **environment):
        """Its output. Runs on the host, with the root's programs."""
        result = subprocess.run(self.command(['timeout', str(timeout), *command], binds),
                                env=clean_environment(**environment), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                errors='replace', check=False)
        if result.returncode == SKIP:
            raise Unavailable(result.stdout.strip().splitlines()[-1])
        if result.returncode != 0:
            raise Failed(f'{" ".join(command)}: status {result.returncode}\n{result.stdout[-3000:]}')
        return result.stdout

    def version(self, program):
        """As QEMU prints it: the first number with a dot."""
        return re.search(r'\d+\.\d+[.\d]*', self.run([program, '--version'])).group()

    def mesa(self):
        """The version of the guest's driver."""
        output = self.run(['dpkg-query', '-W', '-f', '${Version}', 'mesa-vulkan-drivers'])
        return output.split('-')[0]

    def make_kernel(self, path):
        """The kernel without its compression, which an emulated processor takes long to undo.

        It is the payload of the setup header (Documentation/arch/x86/boot.rst): an ELF file, which
        QEMU boots through PVH. The payload's last four bytes are the length of that file.
        """
        with open(self.path + self.kernel, 'rb') as file:
            image = file.read()
        expect(image[0x202:0x206] == b'HdrS', f'{self.kernel} has no setup header')
        offset, length = struct.unpack_from('<II', image, 0x248)
        offset += (image[0x1f1] + 1) * 512
        payload, size = image[offset:offset + length - 4], image[offset + length - 4:][:4]
        expect(payload.startswith(b'\x28\xb5\x2f\xfd'), f'{self.kernel} is not compressed by zstd')
        with open(path + '.zst', 'wb') as file:
            file.write(payload)
        self.run(['zstd', '-q', '-d', '-f', '--rm', path + '.zst'], [os.path.dirname(path)])
        expect(os.path.getsize(path) == int.from_bytes(size, 'little'),
               f'{self.kernel}: its payload is not as long as it says')

    def make_initrd(self, path):
        """busybox, the modules that lead to the root, and INIT; nothing that has to be unpacked."""
        with tempfile.TemporaryDirectory(prefix='pv-vm-') as folder:
            for name in ('bin', 'dev', 'modules', 'proc', 'system'):
                os.mkdir(os.path.join(folder, name))
            shutil.copy(self.path + '/usr/bin/busybox', folder + '/bin/')
            version = self.kernel.split('vmlinuz-')[1]
            needed = self.run(['sh', '-c', f'for module in {MODULES}; do '
                               f'modprobe -S {version} --show-depends $module; done'])
            modules = []
            for line in needed.splitlines():
                words = line.split()
                if words[0] == 'insmod' and words[1] not in modules:
                    modules.append(words[1])
            for number, module in enumerate(modules):
                shutil.copy(self.path + module,
                            f'{folder}/modules/{number:02}-{os.path.basename(module)}')
            with open(folder + '/init', 'w', encoding='ascii') as file:
                file.write(INIT)
            os.chmod(folder + '/init', 0o755)
            os.chmod(folder, 0o755)
            self.run(['sh', '-c', f'''cd {folder} || exit
                for file in modules/*; do case $file in
                    *.xz) busybox unxz "$file" ;;
                    *.zst) zstd -q -d --rm "$file" ;;
                esac; done
                find . | cpio -o -H newc --quiet >{path}'''], [os.path.dirname(path)])


def become_root():
    """Roots and machines need it; sudo is used if it is there."""
    if os.geteuid() != 0:
        if not shutil.which('sudo'):
            sys.exit('this needs root: run it as root, or install sudo')
        keep = 'XDG_CACHE_HOME,HOME,PV_VM_ACCEL,http_proxy,https_proxy'
        os.execvp('sudo', ['sudo', f'--preserve-env={keep}', sys.executable, *sys.argv])


def clean_environment(**more):
    """Without what the caller may have set for Vulkan, which would leak into both sides."""
    kept = {key: value for key, value in os.environ.items()
            if not key.startswith(('VK_', 'VN_', 'VTEST_', 'PV_', 'LD_'))}
    return {**kept, 'HOME': '/root', 'LC_ALL': 'C', **more}


def wait_until(what, condition, timeout, alive=lambda: True):
    """The first true value of `condition`."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if not alive():
            raise Failed(f'the virtual machine ended; {what} did not come')
        if time.monotonic() > deadline:
            raise Failed(f'{what} did not come in {timeout} s')
        time.sleep(0.05)


def connect(path):
    """A socket, or None while nobody listens there."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


class Qmp:
    """QEMU's control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.file = self.socket.makefile('rw', encoding='utf-8')
        self.file.readline()
        self.call('qmp_capabilities')

    def call(self, command, **arguments):
        self.file.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
        self.file.flush()
        while True:
            line = self.file.readline()
            if not line:
                raise Failed(f'QEMU ended during {command}')
            answer = json.loads(line)
            if 'error' in answer:
                raise Failed(f'{command}: {answer["error"]["desc"]}')
            if 'return' in answer:
                return answer['return']

    def close(self):
        self.file.close()
        self.socket.close()


def arguments(*, kernel, initrd, append, console, memory, accel, device, hostmem, shares,
              processor='max', processors=1):
    """QEMU's command line, but for who controls it. `shares`: the folders that INIT mounts."""
    gl = 'gl' in device
    share = 'local,security_model=none,multidevs=remap'
    line = [
        'qemu-system-x86_64', '-M', 'q35,memory-backend=mem', '-m', memory, '-object',
        f'memory-backend-memfd,id=mem,size={memory},share=on', '-accel', accel, '-cpu', processor,
        '-smp', str(processors), '-kernel', kernel, '-initrd', initrd, '-nodefaults', '-append',
        f'console=ttyS0 quiet panic=-1 mitigations=off {append}', '-serial', f'file:{console}',
        '-display', 'sdl,gl=on' if gl else 'none',
        '-device', device + (f',hostmem={hostmem},blob=true,venus=true' if gl else ''),
    ]
    for tag, path in shares.items():
        writable = '' if tag == 'files' else ',readonly=on'
        line += ['-virtfs', f'{share},path={path},mount_tag={tag}{writable}']
    return line


def environment_of(library, vulkan):
    """QEMU's, to use this library and the host's driver without a display."""
    environment = {'XDG_RUNTIME_DIR': '/tmp', 'SDL_VIDEODRIVER': 'offscreen',
                   'VK_DRIVER_FILES': vulkan}
    if library:
        environment['LD_LIBRARY_PATH'] = library
    return environment


Usage = collections.namedtuple('Usage', 'descriptors threads mappings heap_kib memory_kib')


class Machine:
    """One QEMU. `library` is the folder of libvirglrenderer.so.1, None for the root's own."""

    def __init__(self, root, build, *, library='', accel='tcg', vulkan=HOST_DRIVER, hostmem='2G',
                 environment=None, memory='1G', processors=2, binds=(),
                 device='virtio-gpu-gl-pci', count_heap=False):
        self.root = root
        self.build = os.path.abspath(build)
        self.library = self.build + '/abi/virgl' if library == '' else library
        self.accel = accel
        self.vulkan = vulkan
        self.hostmem = hostmem
        self.more_environment = environment or {}
        self.memory = memory
        self.processors = processors
        self.device = device
        self.binds = [self.build, *binds]
        self.count_heap = count_heap
        # Short, because the names of sockets are: and /tmp is the same folder in the root.
        self.folder = tempfile.mkdtemp(prefix='pv-vm-', dir='/tmp')
        os.chmod(self.folder, 0o755)
        self.files = self.folder + '/files'
        self.process = None
        self.control = None
        self.buffer = b''
        self.number = 0
        self.hangs = False # a command did not end: the guest takes no other before a reset

    # -- life --

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def arguments(self, append):
        # As libvirt starts it. The stock library needs a process of its own.
        sandbox = ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,'
                   'resourcecontrol=deny'] if self.library else []
        return arguments(
            kernel=self.root.kernel, initrd=self.folder + '/initrd', append=append,
            console=self.folder + '/console.log', memory=self.memory, accel=self.accel,
            device=self.device, hostmem=self.hostmem, processors=self.processors,
            shares={'root': '/', 'build': self.build, 'source': ROOT, 'files': self.files},
        ) + [
            '-name', 'guest,debug-threads=on',
            '-chardev', f'socket,id=control,path={self.folder}/control,server=on,wait=off',
            '-serial', 'chardev:control',
            '-qmp', f'unix:{self.folder}/qmp,server=on,wait=off', *sandbox,
        ]

    def environment(self):
        environment = environment_of(self.library, self.vulkan)
        if self.count_heap:
            environment['LD_PRELOAD'] = self.build + '/tests/vm/pv-vm-heap.so'
            environment['PV_VM_HEAP'] = self.folder + '/heap'
        return {**environment, **self.more_environment}

    def start(self, append=''):
        os.mkdir(self.files)
        with open(self.files + '/guest.sh', 'w', encoding='ascii') as file:
            file.write(GUEST)
        self.root.make_initrd(self.folder + '/initrd')
        binds = [path for path in self.binds if not path.startswith('/tmp/')]
        variables = [f'{key}={value}' for key, value in self.environment().items()]
        with open(self.folder + '/qemu.log', 'w', encoding='utf-8') as log:
            # Set inside of the root: a library to preload is for QEMU, not for the wrapper.
            self.process = subprocess.Popen(
                self.root.command(['env', *variables, *self.arguments(append)], binds),
                env=clean_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.control = wait_until("QEMU's control socket",
                                  lambda: connect(self.folder + '/control'), 60, self.alive)
        self.control.settimeout(1)
        self.wait_ready()

    def alive(self):
        return self.process.poll() is None

    def close(self):
        """Ends QEMU if it still runs. The logs go to out/vm/SUITE."""
        if self.control:
            self.control.close()
        if self.process and self.alive():
            self.process.terminate() # the wrapper's processes end with it
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        logs = os.path.join(ROOT, 'out', 'vm', self.root.suite)
        os.makedirs(logs, exist_ok=True)
        for name in ('qemu.log', 'console.log'):
            if os.path.exists(f'{self.folder}/{name}'):
                shutil.copy(f'{self.folder}/{name}', logs)
        shutil.rmtree(self.folder, ignore_errors=True)

    def power_off(self):
        """Orderly. Returns QEMU's exit status."""
        self.control.sendall(f'{self.number + 1} sync; busybox poweroff -f\n'.encode())
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired as error:
            raise Failed('QEMU does not end when the guest powers off') from error

    # -- the guest --

    def read_line(self, what, timeout):
        """`timeout`: seconds without a word. While this host stands still they do not pass."""
        seconds = 0
        while b'\n' not in self.buffer:
            if not self.alive():
                raise Failed(f'QEMU ended (status {self.process.poll()}) during {what}\n'
                             f'{self.log()[-3000:]}')
            if seconds >= timeout:
                self.hangs = True
                raise Failed(f'no end of {what} after {timeout} s\n{self.console()[-2000:]}')
            try:
                self.buffer += self.control.recv(4096)
            except TimeoutError:
                seconds += 1
        line, self.buffer = self.buffer.split(b'\n', 1)
        return line.decode(errors='replace').strip()

    def wait_ready(self, timeout=300):
        """Until the guest has booted, for the first time or again. Returns its uptime."""
        line = ''
        while not line.startswith('ready '):
            line = self.read_line('booting', timeout)
        self.hangs = False
        return float(line.split()[1])

    def send(self, command):
        self.number += 1
        self.control.sendall(f'{self.number} {command}\n'.encode())
        return self.number

    def try_run(self, command, timeout=180):
        """(status, output) of a command line in the guest."""
        assert '\n' not in command
        return self.finish(self.send(command), command, timeout)

    def finish(self, number, what, timeout):
        """(status, output) of what send() has numbered."""
        line = ''
        while not line.startswith(f'done {number} '):
            line = self.read_line(what, timeout)
        return int(line.split()[2]), read(f'{self.files}/{number}.log')

    def run(self, command, timeout=180):
        status, output = self.try_run(command, timeout)
        if status != 0:
            raise Failed(f'{command}: status {status}\n{output[-3000:]}')
        return output

    # -- QEMU --

    def log(self):
        """What QEMU, and our library in it, said."""
        return read(self.folder + '/qemu.log')

    def console(self):
        return read(self.folder + '/console.log')

    def qmp(self, command, **arguments):
        connection = Qmp(self.folder + '/qmp')
        try:
            return connection.call(command, **arguments)
        finally:
            connection.close()

    def pid(self):
        """QEMU's, behind the wrapper's shells."""
        for entry in os.listdir('/proc'):
            if entry.isdigit():
                try:
                    with open(f'/proc/{entry}/cmdline', 'rb') as file:
                        line = file.read()
                except OSError:
                    continue
                if line.startswith(b'qemu-system') and self.folder.encode() in line:
                    return int(entry)
        raise Failed('there is no QEMU')

    def cpu_seconds(self):
        """Processor time of QEMU and its helpers so far, those that have ended included."""
        parents, times = {}, {}
        for entry in os.listdir('/proc'):
            if entry.isdigit():
                try:
                    fields = read(f'/proc/{entry}/stat').rsplit(')', 1)[1].split()
                except OSError:
                    continue
                parents[int(entry)] = int(fields[1])
                times[int(entry)] = sum(int(field) for field in fields[11:15])
        total = 0
        for process in times:
            ancestor = process
            while ancestor not in (0, self.process.pid):
                ancestor = parents.get(ancestor, 0)
            total += times[process] if ancestor else 0
        return total / os.sysconf('SC_CLK_TCK')

    def usage(self):
        """What QEMU holds of the host, but for what comes and goes on its own. Needs count_heap."""
        process = f'/proc/{self.pid()}'
        descriptors = collections.Counter()
        for fd in os.listdir(process + '/fd'):
            try:
                target = os.readlink(f'{process}/fd/{fd}')
            except OSError:
                continue
            # Files that the guest has open through 9p and the control sockets are not ours.
            if not target.startswith('/') or target.startswith(('/dev/', '/memfd:')):
                descriptors[re.sub(r'\d+', 'N', target)] += 1
        threads = collections.Counter(read(f'{process}/task/{task}/comm').strip()
                                      for task in os.listdir(process + '/task'))
        del threads['worker'] # QEMU's own pool, which grows and shrinks; debug-threads names it
        mappings = collections.Counter(line.split(None, 5)[5].strip()
                                       for line in read(process + '/maps').splitlines()
                                       if len(line.split(None, 5)) == 6 and 'memfd' in line)
        heap = self.heap_kib() # malloc has given back what it does not use
        return Usage(descriptors, threads, mappings, heap,
                     anonymous_memory(read(process + '/smaps')))

    def heap_kib(self):
        """KiB that QEMU's malloc has given out: tests/vm/heap.c."""
        connection = socket.socket(socket.AF_UNIX)
        with connection, connection.makefile() as file:
            connection.settimeout(60)
            connection.connect(self.folder + '/heap')
            return int(file.readline().split()[0]) / 1024


def anonymous_memory(smaps):
    """KiB of what a process has written, without code: under TCG that is the guest's, translated."""
    total, code = 0, False
    for line in smaps.splitlines():
        words = line.split()
        if '-' in words[0]:
            code = 'x' in words[1]
        elif words[0] == 'Anonymous:' and not code:
            total += int(words[1])
    return total


def choose_accel(root):
    """For -accel. Some machines have a /dev/kvm that runs no ordinary guest: only a boot tells."""
    wanted = os.environ.get('PV_VM_ACCEL')
    if wanted:
        return wanted
    return 'kvm' if boots_with_kvm(root) else emulation(root)


def emulation(root):
    """QEMU 10 loses notifications when its processors run in threads (docs/embedding.md)."""
    single = root.version('qemu-system-x86_64').startswith('10.')
    return 'tcg,thread=single' if single else 'tcg'


def boots_with_kvm(root):
    if not os.access('/dev/kvm', os.W_OK):
        return False
    with tempfile.TemporaryDirectory(prefix='pv-vm-', dir='/tmp') as folder:
        os.chmod(folder, 0o755)
        root.make_initrd(folder + '/initrd')
        try:
            output = root.run(['qemu-system-x86_64', '-M', 'q35', '-m', '512M', '-accel', 'kvm',
                               '-cpu', 'max', '-smp', '2', '-kernel', root.kernel, '-initrd',
                               folder + '/initrd', '-nodefaults', '-no-reboot', '-display',
                               'none', '-serial', 'stdio', '-append',
                               'console=ttyS0 quiet panic=-1 pv.probe'], timeout=20)
        except Failed:
            return False
        return 'pv: booted' in output
