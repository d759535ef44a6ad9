#!/usr/bin/env python3
"""Runs the end-to-end cases with several guest drivers on several host drivers.

    scripts/matrix.py BUILD_DIR             lavapipe and Venus of three releases of Debian
    scripts/matrix.py BUILD_DIR --here      this machine's drivers: the GPU's, with the Venus driver
                                            that is installed (or --guest-icd FILE)

Each release is a root folder (scripts/root.sh); pv-venus runs in the host's, the case in the
guest's, and the result is compared with the same case in the host's root without pv-venus. Prints
a table, and keeps results and the commands that ran in docs/coverage/HOST.json, one file a host,
which scripts/coverage.py turns into docs/coverage.md. Exit status: 0, 1 when a case failed, 77
where roots or namespaces cannot be had.
"""

import argparse
import collections
import datetime
import glob
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, 'docs', 'coverage')
SKIP = 77

# Cases that are named for a command, at most.
EXAMPLES = 3

PACKAGES = ['libvulkan1', 'mesa-vulkan-drivers']
HOSTS = ['bookworm', 'bookworm-backports', 'sid']
GUESTS = ['bookworm-backports', 'sid']  # Debian 12's own Mesa 22.3 has no Venus driver of use

# A root folder ('' for this machine), how to run a command in it, and its drivers' manifests.
Place = collections.namedtuple('Place', 'name root prefix host_icd guest_icd mesa')


def output_of(command, **more):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **more).stdout


def place_of(suite, build):
    made = subprocess.run([os.path.join(ROOT, 'scripts/root.sh'), suite, 'mesa', *PACKAGES],
                          text=True, stdout=subprocess.PIPE, check=False)
    if made.returncode:
        sys.exit(made.returncode)
    root = made.stdout.strip()
    prefix = [os.path.join(ROOT, 'scripts/in-root.sh'), '--bind', build, root]
    probe = subprocess.run(prefix + ['true'], check=False)
    if probe.returncode:
        sys.exit(probe.returncode)

    def manifest(pattern):
        found = sorted(glob.glob(root + '/usr/share/vulkan/icd.d/' + pattern))
        return found[0][len(root):] if found else None
    version = output_of(prefix + ['dpkg-query', '-W', '-f', '${Version}', PACKAGES[1]])
    return Place(suite, root, prefix, manifest('lvp_icd*.json'), manifest('virtio_icd*.json'),
                 upstream(version))


def upstream(version):
    """25.0.7 of 25.0.7-2~bpo12+1."""
    return re.sub(r'[-~+].*', '', version)


def describe_host(place, build):
    """Name, version and device, as the driver itself says."""
    environment = dict(os.environ)
    if place.host_icd:
        environment['VK_DRIVER_FILES'] = place.host_icd
    text = output_of(place.prefix + [build + '/tests/e2e/pv-e2e', 'info_properties'],
                     env=environment)

    def value(member):
        found = re.search(r'\.%s = (.*)' % member, text)
        return found.group(1).strip("'") if found else ''
    name, info = value('driverName'), value('driverInfo')
    api = int(value('apiVersion'))
    mesa = re.search(r'Mesa (\d[\d.]*)', info)
    number = re.search(r'\d+(\.\d+)+', info)
    version = (mesa.group(1) if mesa else number.group(0) if number else info)
    return {'driver': 'lavapipe' if name == 'llvmpipe' else name,
            'version': version,
            'device': value('deviceName'),
            'api': f'{api >> 22}.{api >> 12 & 1023}.{api & 4095}'}


def slug(host):
    return re.sub(r'[^a-z0-9.]+', '-', f'{host["driver"]} {host["version"]}'.lower())


def registry_version(build):
    """The Vulkan registry that pv-venus was generated from."""
    text = output_of([build + '/tools/pv-venus', '--version'])
    found = re.search(r'registry (\d+\.\d+\.\d+)', text)
    return found.group(1) if found else ''


def run_cases(build, host, guest, options):
    """The record of run.py."""
    with tempfile.TemporaryDirectory(prefix='pv-matrix-') as folder:
        record = os.path.join(folder, 'record')
        command = [sys.executable, os.path.join(ROOT, 'tests/e2e/run.py'), '--build-dir', build,
                   '--record', record, '--jobs', str(options.jobs), '--client-timeout',
                   str(options.client_timeout), '--forgive-native']
        if host.prefix:
            command += ['--host-prefix', shlex.join(host.prefix)]
        if guest.prefix:
            command += ['--guest-prefix', shlex.join(guest.prefix)]
        if guest.guest_icd:
            command += ['--guest-icd', guest.guest_icd]
        for pattern in options.case or []:
            command += ['--case', pattern]
        environment = dict(os.environ)
        if host.host_icd:
            environment['VK_DRIVER_FILES'] = host.host_icd
        subprocess.run(command, env=environment, check=False)
        with open(record, encoding='utf-8') as file:
            return json.load(file)


def summary(record, registry):
    count = collections.Counter(case['outcome'] for case in record.values())

    def reasons(outcome):
        # Not the path of the source file that noticed.
        return {name: re.sub(r'\S*/(\w+\.c:\d+)', r'\1', case['reason'].splitlines()[0])
                for name, case in sorted(record.items()) if case['outcome'] == outcome}
    return {'date': datetime.date.today().isoformat(), 'registry': registry,
            'passed': count['passed'], 'failed': reasons('failed'), 'skipped': reasons('skipped')}


def commands_of(record):
    """Command -> the cases that passed and ran it; the most particular ones, and how many."""
    cases = {name: case['commands'] for name, case in record.items()
             if case['outcome'] == 'passed'}
    ran = collections.defaultdict(list)
    for name in sorted(cases, key=lambda name: (len(cases[name]), name)):
        for command in cases[name]:
            ran[command].append(name)
    return {command: {'cases': len(names), 'such as': sorted(names[:EXAMPLES])}
            for command, names in sorted(ran.items())}


def keep(host, guest_version, record, registry):
    """Adds the results with one guest to the host's file, in the place of older ones."""
    path = os.path.join(DATA, slug(host) + '.json')
    data = {}
    if os.path.exists(path):
        with open(path, encoding='utf-8') as file:
            data = json.load(file)
    data['host'] = host
    results = data.setdefault('guests', {})
    for old in [version for version in results if series(version) == series(guest_version)]:
        del results[old]
    results[guest_version] = {**summary(record, registry), 'commands': commands_of(record)}
    os.makedirs(DATA, exist_ok=True)
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(data, file, indent=1, sort_keys=True)
        file.write('\n')


def series(version):
    """25.0 of 25.0.7: what is newer in the same series replaces what is older."""
    return '.'.join(version.split('.')[:2])


def here(build, options):
    """This machine as host and as guest."""
    manifests = [options.guest_icd] if options.guest_icd else \
        sorted(glob.glob('/usr/share/vulkan/icd.d/virtio_icd*.json'))
    if not manifests:
        sys.exit('matrix: no Venus guest driver (virtio_icd*.json): say --guest-icd FILE')
    text = output_of([build + '/tools/pv-venus', 'run', '--guest-icd', manifests[0], '--',
                      build + '/tests/e2e/pv-e2e', 'info_properties'])
    mesa = re.search(r"\.driverInfo = 'Mesa (\d[\d.]*)", text)
    if not mesa:
        sys.exit('matrix: the guest driver does not say its version')
    place = Place('here', '', [], os.environ.get('VK_DRIVER_FILES'),
                  options.guest_icd, mesa.group(1))
    return [place], [place]


def print_table(rows):
    print()
    print(f'{"host driver":34} {"guest Mesa":12} {"passed":>7} {"failed":>7} {"skipped":>8}')
    for host, guest, result in rows:
        print(f'{host["driver"] + " " + host["version"]:34} {guest:12} {result["passed"]:7} '
              f'{len(result["failed"]):7} {len(result["skipped"]):8}')
        for name, reason in result['failed'].items():
            print(f'    {name}: {reason}')


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('build', help='a build folder')
    add('--here', action='store_true', help="this machine's drivers instead of Debian's releases")
    add('--guest-icd', help='with --here: the guest driver')
    add('--host', action='append', choices=HOSTS, help='only these hosts')
    add('--guest', action='append', choices=GUESTS, help='only these guests')
    add('--case', action='append', help='only these cases, as patterns; keeps nothing')
    add('--jobs', type=int, default=os.cpu_count() or 1)
    add('--client-timeout', type=float, default=120, help='seconds for one run of one case')
    options = parser.parse_args()
    build = os.path.abspath(options.build)

    if options.here:
        hosts, guests = here(build, options)
    else:
        host_names, guest_names = options.host or HOSTS, options.guest or GUESTS
        places = {name: place_of(name, build) for name in dict.fromkeys(host_names + guest_names)}
        hosts = [places[name] for name in host_names]
        guests = [places[name] for name in guest_names]

    registry = registry_version(build)
    rows = []
    for host_place in hosts:
        host = describe_host(host_place, build)
        for guest in guests:
            print(f'== Mesa {guest.mesa} on {host["driver"]} {host["version"]}', flush=True)
            record = run_cases(build, host_place, guest, options)
            rows.append((host, guest.mesa, summary(record, registry)))
            if not options.case:
                keep(host, guest.mesa, record, registry)
    print_table(rows)
    return 1 if any(result['failed'] for _, _, result in rows) else 0


if __name__ == '__main__':
    sys.exit(main())
