#!/usr/bin/env python3
"""Runs the cases of pv-e2e on the host's driver and through pv-venus, and compares.

A case passes when both runs pass and print the same. differences.txt lists what the guest driver
changes by design, messages.txt what the validation layer may say; each with its reason.

Exit status: 0 all passed, 1 something failed, 2 usage, 77 nothing but skips.
"""

import argparse
import collections
import concurrent.futures
import fnmatch
import glob
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET

HERE = os.path.dirname(os.path.abspath(__file__))
LAYER = "VK_LAYER_KHRONOS_validation"
LOADED = f'Insert instance layer "{LAYER}"'
WITH_LAYER = {"VK_INSTANCE_LAYERS": LAYER, "VK_LOADER_DEBUG": "layer"}
MESSAGE = re.compile(r"Validation (?:Error|Warning|Performance Warning|Information): \[ (\S+) \]")
SKIP = 77
NO_END = "no end"
TIME_OUT = 124  # as timeout(1) ends: nothing but time was missing, as far as could be seen

# The figures of --count-commands at the end of a line of statistics.
RAN = re.compile(r" (vk\w+)=\d+")

Run = collections.namedtuple("Run", "status output errors messages")
# `commands`: what pv-venus ran for the case, if that is recorded.
Result = collections.namedtuple("Result", "name outcome reason seconds commands")


def manifests(guest):
    """The installed driver manifests: the Venus guest driver's, or all others."""
    found = []
    for folder in ("/etc", "/usr/local/share", "/usr/share"):
        found += sorted(glob.glob(folder + "/vulkan/icd.d/*.json"))
    return [path for path in found if ("virtio" in os.path.basename(path)) == guest]


def read_table(name, columns):
    """Lines of `a | b | ...`, without comments and empty lines."""
    rows = []
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.strip()
            if line and not line.startswith("#"):
                row = [column.strip() for column in line.split(" | ")]
                if len(row) != columns:
                    sys.exit(f"{name}:{number}: expected {columns} columns")
                rows.append(row)
    return rows


class Runner:
    def __init__(self, options):
        self.options = options
        self.differences = read_table("differences.txt", 3)
        self.known_messages = {row[0] for row in read_table("messages.txt", 2)}
        self.messages = collections.Counter()
        self.host_prefix = shlex.split(options.host_prefix)
        self.lock = threading.Lock()  # guards messages
        self.base = {key: value for key, value in os.environ.items()
                     if not key.startswith(("VK_", "VN_", "VTEST_"))}
        host = os.environ.get("VK_DRIVER_FILES") or ":".join(manifests(guest=False))
        if not host:
            sys.exit("run.py: no Vulkan driver is installed")
        self.base["VK_DRIVER_FILES"] = host

    def environment(self, **more):
        return {**self.base, **more}

    def execute(self, command, environment, timeout, messages_from_output=False):
        """Runs to the end or kills the whole process group."""
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True, encoding="utf-8", errors="replace")
        try:
            output, errors = process.communicate(timeout=timeout)
            status = process.returncode
        except subprocess.TimeoutExpired:
            # SIGTERM first: pv-venus takes its server and its directory away.
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
            return Run("timeout", "", f"{NO_END} after {timeout} s", [])
        messages = []
        if messages_from_output:
            if LOADED not in errors:
                return Run("layer", "", "", [])
            messages = MESSAGE.findall(output + errors)
            output = strip_messages(output)
        return Run(status, output, errors, messages)

    def native(self, case, flags):
        layered = self.options.native_layers and "invalid" not in flags
        more = WITH_LAYER if layered else {}
        return self.execute(self.host_prefix + [self.options.e2e, case], self.environment(**more),
                            self.options.client_timeout, layered)

    def ours(self, case, flags, stats):
        """`stats`: a file for the server's statistics, or None."""
        options = self.options
        server_options = list(options.pv_venus_option)
        if stats:
            server_options += ["--stats", stats, "--count-commands"]
        layered = options.host_layers and "invalid" not in flags
        if layered or self.host_prefix:
            return self.served(case, server_options, layered)
        if options.guest_icd:
            server_options += ["--guest-icd", options.guest_icd]
        return self.execute([options.pv_venus, "run"] + server_options +
                            ["--"] + self.guest_command(case),
                            self.environment(), options.client_timeout)

    def guest_command(self, case):
        return shlex.split(self.options.guest_prefix) + [self.options.e2e, case]

    def served(self, case, server_options, layered):
        """A server of its own, perhaps with the validation layer, and the client by hand."""
        guests = [self.options.guest_icd] if self.options.guest_icd else manifests(guest=True)
        if not guests:
            return Run(SKIP, "", "the Venus guest driver is not installed", [])
        folder = tempfile.mkdtemp(prefix="pv-e2e-")
        path, log = os.path.join(folder, "socket"), os.path.join(folder, "log")
        try:
            with open(log, "wb") as log_file:
                server = subprocess.Popen(
                    self.host_prefix + [self.options.pv_venus, "serve", "--socket", path] +
                    server_options,
                    env=self.environment(**(WITH_LAYER if layered else {})), stdin=subprocess.DEVNULL,
                    stdout=log_file, stderr=subprocess.STDOUT, start_new_session=True)
                try:
                    wait_for_socket(server, path)
                    run = self.execute(
                        self.guest_command(case),
                        self.environment(VK_DRIVER_FILES=":".join(guests), VN_DEBUG="vtest",
                                         VTEST_SOCKET_NAME=path),
                        self.options.client_timeout)
                    ended = server.poll()
                finally:
                    stop(server)
            with open(log, encoding="utf-8", errors="replace") as file:
                text = file.read()
        finally:
            shutil.rmtree(folder)
        if ended is not None:
            return Run("server", "", f"the server ended with status {ended}\n{text[-2000:]}", [])
        # The server looks at the devices once when it starts; the client's instance comes later.
        if layered and LOADED not in text.rpartition("listening at")[2]:
            return Run("layer", "", "", [])
        own = [line for line in text.splitlines() if line.startswith("pv-venus:")]
        return Run(run.status, run.output, run.errors + "\n".join(own), MESSAGE.findall(text))

    def allowed(self, case, line):
        return any(fnmatch.fnmatch(case, pattern) and re.search(regex, line)
                   for pattern, regex, _ in self.differences)

    def compare(self, case, native, ours):
        """None, or the reason for a failure."""
        if native.output == ours.output:
            return None
        a, b = (collections.Counter(run.output.splitlines()) for run in (native, ours))
        different = [("-", line) for line in (a - b).elements()]
        different += [("+", line) for line in (b - a).elements()]
        left = [(sign, line) for sign, line in different if not self.allowed(case, line)]
        if different and not left:
            return None
        if not different:
            return "the same lines in another order"
        listed = "\n".join(f"  {sign} {line}" for sign, line in left[:40])
        more = f"\n  ... and {len(left) - 40} more" if len(left) > 40 else ""
        return f"the results differ (- native, + through pv-venus)\n{listed}{more}"

    def judge(self, case, flags, stats):
        native = ours = None
        if not self.options.native_only:
            ours = self.ours(case, flags, stats)
            if ours.status not in (0, SKIP):
                return self.judge_failure(case, flags, ours)
            if ours.status == SKIP and self.allowed(case, "skipped"):
                return "skipped", last_line(ours.errors)
        if not self.options.ours_only:
            native = self.native(case, flags)
            if native.status not in (0, SKIP):
                return self.judge_native_failure(native)
        reason = self.judge_messages([run for run in (native, ours) if run])
        if reason:
            return "failed", reason
        if native and ours:
            if native.status == SKIP or ours.status == SKIP:
                if ours.status == native.status or self.allowed(case, "skipped"):
                    return "skipped", last_line((ours if ours.status else native).errors)
                where = "through pv-venus" if ours.status == SKIP else "natively"
                return "failed", f"skipped {where} only: {last_line((ours if ours.status else native).errors)}"
            reason = self.compare(case, native, ours)
            return ("failed", reason) if reason else ("passed", "")
        only = native or ours
        return ("skipped", last_line(only.errors)) if only.status == SKIP else ("passed", "")

    def judge_failure(self, case, flags, ours):
        """The program failed through pv-venus: perhaps it does so anyway."""
        if not self.options.ours_only:
            native = self.native(case, flags)
            if native.status not in (0, SKIP):
                return self.judge_native_failure(native)
        return "failed", f"through pv-venus: {describe(ours)}"

    def judge_native_failure(self, native):
        if self.options.forgive_native:
            return "skipped", "the host's driver fails: " + last_line(describe(native))
        return "failed", f"native: {describe(native)}"

    def judge_messages(self, runs):
        found = [message for run in runs for message in run.messages]
        with self.lock:
            self.messages.update(found)
        unknown = collections.Counter(m for m in found if m not in self.known_messages)
        if unknown:
            return "the validation layer says " + ", ".join(
                f"{name} ({count}x)" for name, count in unknown.items())
        return None

    def run(self, case, flags):
        start = time.monotonic()
        if not self.options.record:
            outcome, reason = self.judge(case, flags, None)
            return Result(case, outcome, reason, time.monotonic() - start, [])
        with tempfile.TemporaryDirectory(prefix="pv-e2e-") as folder:
            stats = os.path.join(folder, "stats")
            outcome, reason = self.judge(case, flags, stats)
            text = ""
            if os.path.exists(stats):
                with open(stats, encoding="utf-8") as file:
                    text = file.read()
        return Result(case, outcome, reason, time.monotonic() - start,
                      sorted(set(RAN.findall(text))))


def strip_messages(output):
    """What the layer prints on stdout is not the case's result."""
    kept, skipping = [], False
    for line in output.splitlines(keepends=True):
        if MESSAGE.search(line):
            skipping = True
        elif not (skipping and (line.startswith("    ") or line == "\n")):
            skipping = False
            kept.append(line)
    return "".join(kept)


def wait_for_socket(server, path):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(path)
                return
            except OSError:
                time.sleep(0.02)


def stop(server):
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    skipped = [line for line in lines if line.startswith("skipped: ")]
    return (skipped or lines or ["no reason given"])[-1]


def describe(run):
    if run.status == "timeout":
        return run.errors
    if run.status == "layer":
        return f"{LAYER} was not loaded; install vulkan-validationlayers"
    text = "\n".join("  " + line for line in (run.output + run.errors).splitlines()[-12:])
    if run.status == "server":
        return f"the server did not survive\n{text}"
    if isinstance(run.status, int) and run.status < 0:
        return f"ended by signal {-run.status}\n{text}"
    return f"status {run.status}\n{text}"


def write_junit(path, results):
    count = collections.Counter(result.outcome for result in results)
    suite = ET.Element("testsuite", name="e2e", tests=str(len(results)),
                       failures=str(count["failed"]), skipped=str(count["skipped"]))
    for result in results:
        case = ET.SubElement(suite, "testcase", name=result.name, time=f"{result.seconds:.3f}")
        if result.outcome == "failed":
            ET.SubElement(case, "failure", message=result.reason.splitlines()[0]).text = \
                result.reason
        elif result.outcome == "skipped":
            ET.SubElement(case, "skipped", message=result.reason)
    ET.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def write_record(path, results):
    """What each case ended with and which commands it had pv-venus run."""
    record = {result.name: {"outcome": result.outcome, "reason": result.reason,
                            "commands": result.commands} for result in results}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(record, file, indent=1)


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--build-dir", help="where to find pv-e2e and pv-venus")
    add("--e2e", help="the pv-e2e program")
    add("--pv-venus", help="the pv-venus program")
    add("--pv-venus-option", action="append", default=[], help="one more option for pv-venus")
    add("--guest-icd", help="the guest driver's manifest, if it is not found by itself")
    add("--guest-prefix", default="",
        help="command that runs the program through pv-venus, as another root's loader")
    add("--host-prefix", default="",
        help="command that runs the program natively, and pv-venus, as in another root")
    add("--case", action="append", help="cases to run, as patterns; default: all but the slow")
    add("--slow", action="store_true", help="the slow ones too")
    add("--jobs", type=int, default=1)
    add("--client-timeout", type=float, default=60, help="seconds for one run of one case")
    add("--native-only", action="store_true")
    add("--ours-only", action="store_true", help="without comparison")
    add("--forgive-native", action="store_true",
        help="skip what fails on the host's driver, too, where that is not what is tested")
    add("--native-layers", action="store_true", help="validate the cases themselves")
    add("--host-layers", action="store_true", help="validate what pv-venus does on the host")
    add("--junit", help="write the results to this file")
    add("--record", help="write results, and the commands that each case ran, to this file")
    add("--list", action="store_true", help="print the names of the cases and end")
    options = parser.parse_args()
    if options.build_dir:
        options.e2e = options.e2e or os.path.join(options.build_dir, "tests/e2e/pv-e2e")
        options.pv_venus = options.pv_venus or os.path.join(options.build_dir, "tools/pv-venus")
    if not options.e2e:
        parser.error("say --build-dir or --e2e")
    if not options.pv_venus and not (options.native_only or options.list):
        parser.error("say --build-dir, --pv-venus or --native-only")
    return options


def main():
    options = parse()
    listed = subprocess.run([options.e2e, "--list"], check=True, capture_output=True,
                            encoding="utf-8").stdout.splitlines()
    cases = {line.split()[0]: set(line.split()[1:]) for line in listed}
    if options.case:
        chosen = [name for name in cases
                  if any(fnmatch.fnmatch(name, pattern) for pattern in options.case)]
    else:
        chosen = [name for name in cases if options.slow or "slow" not in cases[name]]
    if options.list:
        print("\n".join(chosen))
        return 0
    if not chosen:
        print("run.py: no case has such a name", file=sys.stderr)
        return 2

    runner = Runner(options)
    results = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(lambda name: runner.run(name, cases[name]), chosen):
            results.append(result)
            reason = f"  {result.reason}" if result.reason else ""
            print(f"{result.outcome:8} {result.name} ({result.seconds:.1f} s){reason}", flush=True)
    if options.junit:
        write_junit(options.junit, results)
    if options.record:
        write_record(options.record, results)
    for name, count in sorted(runner.messages.items()):
        known = "known" if name in runner.known_messages else "UNKNOWN"
        print(f"validation: {count:5} x {name} ({known})")
    count = collections.Counter(result.outcome for result in results)
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    if count["failed"]:
        return TIME_OUT if all(NO_END in result.reason for result in results
                               if result.outcome == "failed") else 1
    return 0 if count["passed"] else SKIP


if __name__ == "__main__":
    sys.exit(main())
