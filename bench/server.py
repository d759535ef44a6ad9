"""The three ways in which a Vulkan program runs here: natively, through pv-venus, through the peer.

The peer is virglrenderer's vtest server. Where the kernel has no /dev/udmabuf it runs with
bench/udmabuf_stand_in.so preloaded: it could not map memory otherwise.
"""

import os
import subprocess
import time

TARGETS = ['native', 'ours', 'peer']


def stand_in_needed():
    return not os.path.exists('/dev/udmabuf')


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
        if stand_in_needed():
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
        """{process: CPU time} of the server and all its descendants that live."""
        found = {}

        def add(pid):
            try:
                found[pid] = time.clock_gettime_ns((~pid << 3) | 2)  # as clock_getcpuclockid() does
                with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as file:
                    for child in file.read().split():
                        add(int(child))
            except OSError:
                pass  # it has ended
        if self.process:
            add(self.process.pid)
        return found
