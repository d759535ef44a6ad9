#!/usr/bin/env python3
"""One server and clients that ask for a lot: many at once, threads, objects, memory.

usage: scale.py --pv-venus PROGRAM --pv-scale PROGRAM --mode workers|in-process [--full]

After each trial the server has given back what the clients held: processes, descriptors, threads,
mappings, shared and private memory. Exit status: 0 passed, 1 failed, 77 no guest driver here.
"""

import argparse
import collections
import glob
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SKIP = 77
# name: (quick, full). 64 clients are 64 in both.
SIZES = {
    "threads": (32, 32),
    "objects": (200_000, 1_000_000),
    "allocations": (4_000, 10_000),
    "mapped": (4096, 4096),
    "upload": (256, 1024),
}
AT_ONCE = 64
IN_TURN = (16, 64)
DESCRIPTORS = 512
SPARE = "pv-spare"  # the name of a worker without a client
# Pages that the heap's fragments hold are no leak. Less than a mebibyte for each of 64 clients.
MAPPINGS_SLACK = 40
PRIVATE_SLACK_KIB = 48 * 1024

Held = collections.namedtuple("Held", "workers fds threads mappings shared_kib private_kib")


def fail(text):
    raise SystemExit(f"scale.py: {text}")


def manifests(guest):
    found = []
    for folder in ("/etc", "/usr/local/share", "/usr/share"):
        found += sorted(glob.glob(folder + "/vulkan/icd.d/*.json"))
    return [path for path in found if ("virtio" in os.path.basename(path)) == guest]


def clean_environment():
    return {key: value for key, value in os.environ.items()
            if not key.startswith(("VK_", "VN_", "VTEST_"))}


class Server:
    def __init__(self, options, folder, descriptors=None):
        """`descriptors`: a limit of file descriptors that the server cannot raise."""
        self.path = os.path.join(folder, "socket")
        self.log = os.path.join(folder, "log")
        command = [options.pv_venus, "serve", "--socket", self.path, "--log", "warn"]
        command += ["--in-process"] if options.mode == "in-process" else []
        environment = clean_environment()
        environment["VK_DRIVER_FILES"] = os.environ.get("VK_DRIVER_FILES") or \
            ":".join(manifests(guest=False))
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT)
            if descriptors:
                resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (descriptors,) * 2)
        deadline = time.monotonic() + 60
        while not os.path.exists(self.path):
            if self.process.poll() is not None or time.monotonic() > deadline:
                fail("the server does not listen\n" + self.log_text())
            time.sleep(0.05)

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def workers(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                  encoding="ascii") as file:
            return file.read().split()

    def serving(self):
        """Those that have a client: one without waits for the next."""
        found = []
        for pid in self.workers():
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                if file.read().strip() != SPARE:
                    found.append(pid)
        return found

    def check_parent(self):
        """It runs no thread, has no driver, and lets workers share what is large in drivers."""
        with open(f"/proc/{self.process.pid}/maps", encoding="utf-8", errors="replace") as file:
            mapped = {os.path.basename(line.split()[-1]) for line in file}
        threads = len(os.listdir(f"/proc/{self.process.pid}/task"))
        drivers = [name for name in mapped if name.startswith("libvulkan")]
        if threads != 1 or drivers:
            fail(f"the parent of workers has {threads} threads, and {drivers}")
        for pid in self.workers():
            with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
                shared = {os.path.basename(line.split()[-1]) for line in file if "/libLLVM" in line}
            if not shared <= mapped:
                fail(f"the parent lacks {shared - mapped}, which worker {pid} has")

    def check_sandbox(self):
        """The kernel's word for it: a filter, and no way to more privileges."""
        if not os.path.exists("/proc/sys/kernel/seccomp/actions_avail"):
            return  # a kernel without; the server has said so
        for pid in self.serving():
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
                status = dict(line.split(":", 1) for line in file if ":" in line)
            if (status["Seccomp"].strip(), status["NoNewPrivs"].strip()) != ("2", "1"):
                fail(f"worker {pid} is in no sandbox")

    def held(self):
        base = f"/proc/{self.process.pid}"
        memory = collections.Counter()
        with open(f"{base}/smaps_rollup", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                name, value = line.split(":")
                memory[name] = int(value.split()[0])
        with open(f"{base}/maps", encoding="ascii") as file:
            mappings = sum(1 for _ in file)
        return Held(len(self.workers()), len(os.listdir(f"{base}/fd")), len(os.listdir(f"{base}/task")),
                    mappings, memory["Pss_Shmem"], memory["Pss_Anon"])

    def check_back_to(self, base, after):
        """What gone clients held is given back, within a while. Returns what is held."""
        slack = Held(0, 0, 0, MAPPINGS_SLACK, 64, PRIVATE_SLACK_KIB)
        deadline = time.monotonic() + 30
        while True:
            if self.process.poll() is not None:
                fail(f"{after}: the server ended with {self.process.returncode}\n"
                     + self.log_text())
            now = self.held()
            if all(n <= b + s for n, b, s in zip(now, base, slack)):
                return now
            if time.monotonic() > deadline:
                fail(f"{after}: the server holds\n  {now}, before it was\n  {base}")
            time.sleep(0.1)


class Trials:
    def __init__(self, options, server):
        self.options = options
        self.server = server
        self.environment = clean_environment()
        self.environment.update(VN_DEBUG="vtest", VTEST_SOCKET_NAME=server.path,
                                VK_DRIVER_FILES=":".join(manifests(guest=True)))

    def start(self, *arguments):
        return subprocess.Popen([self.options.pv_scale, *map(str, arguments)],
                                env=self.environment, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def finish(self, client, what, timeout=300):
        try:
            _, errors = client.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            client.kill()
            client.communicate()
            fail(f"{what}: no end after {timeout} s\n" + self.server.log_text())
        if client.returncode != 0:
            fail(f"{what}: status {client.returncode}\n{errors.decode(errors='replace')}"
                 + self.server.log_text())

    def one(self, case):
        size = SIZES[case][self.options.full]
        self.finish(self.start(case, size), f"{case} {size}")

    def in_turn(self):
        for i in range(IN_TURN[self.options.full]):
            client = self.start("wait", i + 1)
            client.stdin.write(b"\n\n")
            self.finish(client, f"client {i} of those in turn")

    def at_once(self):
        """All have a device before the first goes on, and all have worked before one leaves."""
        clients = [self.start("wait", 1000 * (i + 1)) for i in range(AT_ONCE)]
        try:
            for answer in (b"ready\n", b"done\n"):
                for i, client in enumerate(clients):
                    got = client.stdout.readline()
                    if got != answer:
                        self.finish(client, f"client {i} of {AT_ONCE}")
                        fail(f"client {i} of {AT_ONCE} said {got}")
                if self.options.mode == "workers":
                    if len(self.server.serving()) != AT_ONCE:
                        fail(f"{AT_ONCE} clients have {len(self.server.serving())} workers")
                    self.server.check_parent()
                    self.server.check_sandbox()
                for client in clients:
                    client.stdin.write(b"\n")
                    client.stdin.flush()
            for i, client in enumerate(clients):
                self.finish(client, f"client {i} of {AT_ONCE}")
        finally:
            for client in clients:
                if client.poll() is None:
                    client.kill()
                    client.communicate()


def exhaust(options, folder):
    """A client that uses up a server's descriptors is told so, and both go on."""
    os.mkdir(folder)
    server = Server(options, folder, descriptors=DESCRIPTORS)
    try:
        trials = Trials(options, server)
        for _ in range(2):
            trials.finish(trials.start("exhaust", DESCRIPTORS), f"exhaust {DESCRIPTORS}")
        if "see ulimit -n" not in server.log_text():
            fail("the server does not say what it lacks\n" + server.log_text())
    finally:
        server.process.terminate()
        server.process.wait(30)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pv-venus", required=True)
    parser.add_argument("--pv-scale", required=True)
    parser.add_argument("--mode", choices=("workers", "in-process"), required=True)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", help="a comma list of trials")
    options = parser.parse_args()
    if not manifests(guest=True):
        print("the Venus guest driver is not installed")
        return SKIP
    folder = tempfile.mkdtemp(prefix="pv-scale-")
    server = Server(options, folder)
    try:
        trials = Trials(options, server)
        steps = {"at_once": trials.at_once, "in_turn": trials.in_turn}
        steps["exhaust"] = lambda: exhaust(options, os.path.join(folder, "small"))
        steps.update({case: (lambda case=case: trials.one(case)) for case in SIZES})
        wanted = options.only.split(",") if options.only else list(steps)
        # What a driver sets up once, for its first client, is no leak.
        client = trials.start("wait", 1)
        client.stdin.write(b"\n\n")
        trials.finish(client, "the first client")
        time.sleep(0.5)
        base = server.held()
        print(f"{options.mode}: at rest {base}", flush=True)
        for name in wanted:
            start = time.monotonic()
            steps[name]()
            seconds = time.monotonic() - start
            print(f"{name} {SIZES[name][options.full] if name in SIZES else ''}: "
                  f"{seconds:.1f} s, then {server.check_back_to(base, name)}", flush=True)
        server.process.send_signal(signal.SIGTERM)
        if server.process.wait(30) != 0:
            fail(f"the server ended with {server.process.returncode}\n" + server.log_text())
        sys.stdout.write(server.log_text())
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        shutil.rmtree(folder)
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
