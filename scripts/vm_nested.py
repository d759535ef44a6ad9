"""A guest of a guest: a virtual machine inside of a vm.Machine, whose kernel is its host's.

So an ordinary guest meets what only some hosts' kernels have. Its processor may be emulated by an
emulated one, and take 100 s for what the other does in 3. So it has little to do: a kernel without
compression, one old processor, and no tests, calibrations and watchdogs at boot. It takes no
commands, but runs a list of them and powers off. Its QEMU has the build's libvirglrenderer.so.1.
"""

import collections
import os
import shlex

import vm

# Paths in its host, which is the guest that shares /mnt/files with us.
INNER = '/mnt/files/nested'
LIBRARY = '/mnt/build/abi/virgl'

APPEND = 'nokaslr tsc=reliable no_timer_check cryptomgr.notests nowatchdog lpj=1000000'

# In the inner guest. The status comes last, as a sign that the rest is there.
GUEST = vm.GUEST_START + r'''
number=0
while read -r command <&3; do
    sh -c "$command" >$number.log 2>$number.remarks </dev/null 3<&-
    echo "$? $(cut -d ' ' -f 1 /proc/uptime)" >$number.status
    number=$((number + 1))
done 3<commands
sync
busybox poweroff -f
'''

# In its host. A sample: how many commands have ended, how many dma-bufs QEMU holds, and whether it
# has the library.
HOST = r'''
cd {inner}
env {environment} {qemu} &
qemu=$!
while kill -0 $qemu 2>/dev/null; do
    echo "$(ls | grep -c status)" "$(grep -ls 'exp_name:.*udmabuf' /proc/$qemu/fdinfo/* | wc -l)" \
        "$(grep -c {library}/ /proc/$qemu/maps)" >>samples
    sleep 5
done
wait $qemu
status=$?
echo $status >ended
exit $status
'''

# Of one command: what it wrote to stdout and stderr, `seconds` since the one before or power-on, and
# the most dma-bufs that QEMU was seen to hold in that time.
Result = collections.namedtuple('Result', 'status output remarks seconds dmabufs')


def words(path, count):
    """Those of the lines that are complete, or nothing."""
    lines = vm.read(path).splitlines() if os.path.exists(path) else []
    return [line.split() for line in lines if len(line.split()) == count]


def start(machine, commands):
    """Returns the number of what runs in its host."""
    folder = machine.files + '/nested'
    os.mkdir(folder)
    machine.root.make_kernel(folder + '/kernel')
    machine.root.make_initrd(folder + '/initrd')
    qemu = vm.arguments(
        kernel=INNER + '/kernel', initrd=INNER + '/initrd', append=APPEND,
        console=INNER + '/console.log', memory='1G', hostmem='1G', device='virtio-gpu-gl-pci',
        accel=vm.emulation(machine.root) + ',tb-size=512', processor='Nehalem',
        shares={'root': '/', 'build': '/mnt/build', 'source': '/mnt/source', 'files': INNER})
    qemu.append('-no-reboot') # after a panic the commands would run again
    environment = [f'{key}={value}'
                   for key, value in vm.environment_of(LIBRARY, vm.HOST_DRIVER).items()]
    files = {'guest.sh': GUEST, 'commands': '\n'.join([*commands, '']),
             'host.sh': HOST.format(inner=INNER, library=LIBRARY, qemu=shlex.join(qemu),
                                    environment=shlex.join(environment))}
    for name, text in files.items():
        with open(f'{folder}/{name}', 'w', encoding='ascii') as file:
            file.write(text)
    return machine.send(f'sh {INNER}/host.sh')


def run(machine, commands, timeout):
    """Boots, and yields the Result of each command when it is there; `timeout` is for each."""
    assert not any('\n' in command for command in commands)
    folder = machine.files + '/nested'
    number = start(machine, commands)
    before = 0
    for i, command in enumerate(commands):
        try:
            [[status, uptime]] = vm.wait_until(
                f'the end of {command}', lambda i=i: words(f'{folder}/{i}.status', 2), timeout,
                lambda: machine.alive() and not os.path.exists(folder + '/ended'))
        except vm.Failed as error:
            logs = (f'{folder}/console.log', f'{folder}/{i}.remarks',
                    f'{machine.files}/{number}.log')
            tails = [vm.read(log)[-2000:] for log in logs if os.path.exists(log)]
            raise vm.Failed('\n'.join([str(error), *tails])) from error
        samples = words(folder + '/samples', 3)
        dmabufs = [int(sample[1]) for sample in samples if sample[0] == str(i)]
        vm.expect(any(int(sample[2]) for sample in samples), f'QEMU does not use {LIBRARY}')
        yield Result(int(status), vm.read(f'{folder}/{i}.log'), vm.read(f'{folder}/{i}.remarks'),
                     float(uptime) - before, max(dmabufs, default=0))
        before = float(uptime)
    status, output = machine.finish(number, 'powering off', timeout)
    vm.expect(status == 0 and 'pv-venus' not in output,
              f'QEMU ended with {status}: {output[-2000:]}')
