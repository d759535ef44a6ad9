#!/usr/bin/env python3
"""One server, many clients: at once, killed in the middle, sending garbage, never reading.

After each trial the server must be alive, serve the next client, and have given back what the gone
ones held: worker processes, threads and file descriptors. At the end SIGTERM ends it with status 0.

usage: clients.py --e2e PROGRAM --pv-venus PROGRAM [--in-process]
Exit status: 0 passed, 1 failed, 77 the guest driver is not installed.
"""

import argparse
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import run as cases

AT_ONCE = ["memory_many_mappings", "buffer_update", "image_roundtrip_shapes", "draws_secondary",
           "compute_atomics", "sync_timeline_gpu", "pipeline_many_threads", "multi_two_instances"]
TO_KILL = ["memory_thousand_allocations", "buffer_update_stream", "buffer_churn", "draws_secondary",
           "sync_long_shader", "multi_threads_one_queue", "multi_two_devices", "image_many"]


def fail(text, status=1):
    print(f"clients.py: {text}", file=sys.stderr)
    sys.exit(status)


class Server:
    def __init__(self, options, folder):
        self.path = os.path.join(folder, "socket")
        self.log = os.path.join(folder, "log")
        command = [options.pv_venus, "serve", "--socket", self.path]
        command += ["--in-process"] if options.in_process else []
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith(("VN_", "VTEST_"))}
        environment["VK_DRIVER_FILES"] = os.environ.get("VK_DRIVER_FILES") or \
            ":".join(cases.manifests(guest=False))
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT)
        cases.wait_for_socket(self.process, self.path)

    def counts(self):
        """(worker processes, file descriptors, threads)"""
        base = f"/proc/{self.process.pid}"
        with open(f"{base}/task/{self.process.pid}/children", encoding="ascii") as file:
            workers = len(file.read().split())
        return workers, len(os.listdir(f"{base}/fd")), len(os.listdir(f"{base}/task"))

    def check_alive(self, after):
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                fail(f"{after}: the server ended with {self.process.returncode}\n{file.read()}")

    def check_back_to(self, before, after):
        """All that gone clients held is given back, within a while."""
        deadline = time.monotonic() + 30
        while True:
            self.check_alive(after)
            now = self.counts()
            if all(n <= b for n, b in zip(now, before)):
                return
            if time.monotonic() > deadline:
                fail(f"{after}: workers, descriptors and threads are {now}, were {before}")
            time.sleep(0.05)


class Trial:
    def __init__(self, options, server):
        self.options = options
        self.server = server
        self.environment = {key: value for key, value in os.environ.items()
                            if not key.startswith(("VK_", "VN_", "VTEST_"))}
        self.environment.update(VN_DEBUG="vtest", VTEST_SOCKET_NAME=server.path,
                                VK_DRIVER_FILES=":".join(cases.manifests(guest=True)))

    def start(self, case):
        return subprocess.Popen([self.options.e2e, case], env=self.environment,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE)

    def finish(self, client, case):
        try:
            _, errors = client.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            client.kill()
            client.communicate()
            fail(f"{case}: no end", cases.TIME_OUT)
        if client.returncode not in (0, cases.SKIP):
            fail(f"{case}: status {client.returncode}\n{errors.decode(errors='replace')}")

    def one(self, case="buffer_fill"):
        self.finish(self.start(case), case)

    def at_once(self):
        clients = [(self.start(case), case) for case in AT_ONCE]
        for client, case in clients:
            self.finish(client, case)

    def killed(self):
        """Clients killed at any moment, beside one that must not notice."""
        chance = random.Random(5)
        for case in TO_KILL:
            client = self.start(case)
            witness = self.start("memory_ping_pong")
            time.sleep(chance.uniform(0.02, 0.5))
            client.kill()
            client.communicate()
            self.finish(witness, "memory_ping_pong")

    def stopped(self):
        """A client that stops in the middle does not hold up the others."""
        client = self.start("buffer_churn")
        time.sleep(0.2)
        client.send_signal(signal.SIGSTOP)
        self.one()
        client.kill()
        client.communicate()

    def connect(self):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(self.server.path)
        return connection

    def garbage(self):
        chance = random.Random(7)
        for size in (0, 1, 3, 8, 100, 65536):
            with self.connect() as connection:
                try:
                    connection.sendall(chance.randbytes(size))
                except OSError:
                    pass  # it was thrown out already
        name = b"garbage\0"
        hello = struct.pack("<II", len(name), 8) + name
        for message in (hello + struct.pack("<II", 0xffffffff, 8),     # as long as it goes
                        hello + struct.pack("<IIII", 2, 99, 0, 0),     # no such command
                        hello + struct.pack("<II", 4, 24) + b"\0" * 4,  # ends in a message
                        hello + struct.pack("<III", 1, 17, 4) * 2):     # twice what is once
            with self.connect() as connection:
                try:
                    connection.sendall(message)
                except OSError:
                    pass

    def never_reads(self):
        """Asks and asks, and takes no answer."""
        name = b"deaf\0"
        with self.connect() as connection:
            connection.sendall(struct.pack("<II", len(name), 8) + name)
            connection.settimeout(2)
            try:
                for _ in range(20000):
                    connection.sendall(struct.pack("<II", 0, 10) + struct.pack("<IIII", 2, 7, 0, 0))
            except OSError:
                pass  # the server stopped reading, or hung up: both are right
            self.one()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--e2e", required=True)
    parser.add_argument("--pv-venus", required=True)
    parser.add_argument("--in-process", action="store_true")
    options = parser.parse_args()
    if not cases.manifests(guest=True):
        print("the Venus guest driver is not installed")
        return cases.SKIP
    folder = tempfile.mkdtemp(prefix="pv-e2e-")
    server = Server(options, folder)
    try:
        trial = Trial(options, server)
        trial.one()  # what the first client brings up once is no leak
        trial.at_once()
        time.sleep(0.5)
        before = server.counts()
        for step in (trial.at_once, trial.killed, trial.stopped, trial.garbage,
                     trial.never_reads):
            start = time.monotonic()
            step()
            server.check_back_to(before, step.__name__)
            trial.one()
            server.check_back_to(before, step.__name__)
            print(f"{step.__name__}: {time.monotonic() - start:.1f} s, "
                  f"workers, descriptors, threads {server.counts()}", flush=True)
        server.process.send_signal(signal.SIGTERM)
        if server.process.wait(30) != 0:
            fail(f"the server ended with {server.process.returncode}")
        if os.path.exists(server.path):
            fail("the socket is still there")
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        shutil.rmtree(folder)
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
