#!/usr/bin/env python3
"""Contexts one after another, in one server: malloc has the bytes back that each of them took.

usage: heap.py --pv-venus PROGRAM --pv-vm-guest PROGRAM --pv-vm-heap LIBRARY

A leak of a few bytes a context shows here, where no other program's memory hides it; scale.py looks
at everything else. Exit status: 0 passed, 1 failed, 77 no guest driver here.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import types

import scale

COUNT = 100
# Of malloc's caches of threads that live on, 300 to 2500 bytes come and go. A context that keeps
# 160 bytes is found.
SLACK = 16 * 1024


def bytes_in_use(path):
    """What tests/vm/heap.c says about the server."""
    connection = socket.socket(socket.AF_UNIX)
    with connection, connection.makefile() as file:
        connection.settimeout(60)
        connection.connect(path)
        return int(file.readline().split()[0])


def run_contexts(options, server, count):
    environment = scale.clean_environment()
    environment.update(VN_DEBUG="vtest", VTEST_SOCKET_NAME=server.path,
                       VK_DRIVER_FILES=":".join(scale.manifests(guest=True)))
    result = subprocess.run([options.pv_vm_guest, "contexts", str(count)], env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            timeout=200, check=False)
    if result.returncode != 0:
        scale.fail(f"contexts {count}: status {result.returncode}\n{result.stdout}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pv-venus", required=True)
    parser.add_argument("--pv-vm-guest", required=True)
    parser.add_argument("--pv-vm-heap", required=True)
    options = parser.parse_args()
    if not scale.manifests(guest=True):
        print("the Venus guest driver is not installed")
        return scale.SKIP
    folder = tempfile.mkdtemp(prefix="pv-heap-")
    heap = os.path.join(folder, "heap")
    os.environ.update(LD_PRELOAD=os.path.abspath(options.pv_vm_heap), PV_VM_HEAP=heap)
    server = scale.Server(types.SimpleNamespace(pv_venus=options.pv_venus, mode="in-process"), folder)
    del os.environ["LD_PRELOAD"], os.environ["PV_VM_HEAP"]
    try:
        run_contexts(options, server, 20)  # what a driver sets up once is no leak
        time.sleep(1)
        before = bytes_in_use(heap)
        run_contexts(options, server, COUNT)
        deadline = time.monotonic() + 20
        # The last context may still be on its way out.
        while True:
            after = bytes_in_use(heap)
            if after <= before + SLACK or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        print(f"{COUNT} contexts: {after - before:+} bytes in use, of {after}")
        if after > before + SLACK:
            scale.fail(f"{(after - before) // COUNT} bytes of each context are still in use")
    finally:
        server.process.kill()
        server.process.wait()
        shutil.rmtree(folder)
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
