"""Runs the programs of the table natively, through pv-venus and through the peer, in turn.

    bench/run.py --build FOLDER --results FOLDER [--rounds N] [--seconds S] [--only PROGRAM,...]
                 [--slice S] [--targets native,ours,peer] [--host-icd FILE] [--guest-icd FILE]
                 [--peer PROGRAM]

All targets take their turn in each round, so that a machine which is busy for a while is so for all
of them. What a row is worth is the median of the rounds. Between the turns bench_core_distance says how
far the cores are from each other; where a virtual machine's cores have moved meanwhile, the round is
measured once more.

Each round of each program is kept in RESULTS as a file of its own as soon as it is done. A later call
measures what is not there yet, so that one table may come from several calls: --slice ends a call
after about so many seconds, with status 75 if there is more to do. Only results of the same build
and arguments are kept together; others are removed. bench/report.py makes tables and pictures of them
and says how many calls they came from.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time

from programs import PROGRAMS, Failed, Round
from results import has_moved
from server import Server, stand_in_needed

ICDS = '/usr/share/vulkan/icd.d'
MORE_TO_DO = 75


def arguments():
    parser = argparse.ArgumentParser(description='Runs the benchmarks that compare.')
    parser.add_argument('--build', required=True)
    parser.add_argument('--results', required=True)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--seconds', type=float, default=0.2)
    parser.add_argument('--only')
    parser.add_argument('--slice', type=float)
    parser.add_argument('--targets', default='native,ours,peer')
    parser.add_argument('--host-icd', default=f'{ICDS}/lvp_icd.json')
    parser.add_argument('--guest-icd', default=f'{ICDS}/virtio_icd.json')
    parser.add_argument('--peer', default=shutil.which('virgl_test_server'))
    options = parser.parse_args()
    options.programs = options.only.split(',') if options.only else list(PROGRAMS)
    unknown = set(options.programs) - set(PROGRAMS)
    if unknown:
        parser.error(f'no such program: {", ".join(sorted(unknown))}; there are '
                     f'{", ".join(PROGRAMS)}')
    return options


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        return (done.stdout.strip().splitlines() or [''])[0]
    except (OSError, subprocess.TimeoutExpired):
        return ''


def package(name):
    return first_line(['dpkg-query', '-W', '-f', '${Version}', name])


def build_id(build):
    """Of what is measured and of what measures."""
    digest = hashlib.sha256()
    names = [f'{build}/tools/pv-venus', f'{build}/demo/pv-demo']
    names += [entry.path for entry in os.scandir(f'{build}/bench')
              if entry.name.startswith('bench_') and entry.is_file()]
    for name in sorted(names):
        if os.path.exists(name):
            with open(name, 'rb') as file:
                digest.update(file.read())
    return digest.hexdigest()[:16]


def facts(options, targets):
    """What must be equal for results to stand in one table."""
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        model = re.search(r'model name\s*: (.*)', file.read())
    with open('/etc/os-release', encoding='utf-8') as file:
        release = re.search(r'PRETTY_NAME="(.*)"', file.read())
    return {
        'build': build_id(options.build),
        'cpu': model.group(1) if model else platform.machine(),
        'cores': len(os.sched_getaffinity(0)),
        'kernel': platform.release(),
        'system': release.group(1) if release else '',
        'mesa': package('mesa-vulkan-drivers'),
        'host_icd': os.path.basename(options.host_icd),
        'peer': package('libvirglrenderer1') if 'peer' in targets else '',
        'stand_in': 'peer' in targets and stand_in_needed(),
        'targets': targets,
        'seconds': options.seconds,
    }


def core_distance(build):
    """Nanoseconds that a cache line needs from one core to another and back."""
    done = subprocess.run([f'{build}/bench/bench_core_distance'], capture_output=True, text=True,
                          check=True, timeout=60)
    return float(done.stdout)


def measure(options, program, targets):
    """One round of a program on cores that stay where they are, if a second try finds them so:
    ({target: {rows, absent, failed}}, the cores' distances)."""
    found, distances = measure_once(options, program, targets)
    if has_moved(distances):
        found, distances = measure_once(options, program, targets)
    return found, distances


def measure_once(options, program, targets):
    targets_found = {}
    distances = [core_distance(options.build)]
    with tempfile.TemporaryDirectory(prefix='pv-bench-') as folder:
        for target in targets:
            with Server(options, target, folder) as server:
                found = Round()
                try:
                    PROGRAMS[program](options, server, found)
                except Failed as reason:
                    found.failed[f'{program}, from here on'] = str(reason)
            for what, reason in found.failed.items():
                print(f'bench: {what}, {target}: {reason}', file=sys.stderr)
            targets_found[target] = vars(found)
            distances.append(core_distance(options.build))
    return targets_found, distances


def is_kept(path, about):
    with open(path, encoding='utf-8') as file:
        if json.load(file)['facts'] == about:
            return True
    os.remove(path)
    return False


def write(path, result):
    with open(path + '.new', 'w', encoding='utf-8') as file:
        json.dump(result, file, indent=1)
    os.rename(path + '.new', path)


def main():
    options = arguments()
    targets = options.targets.split(',')
    if 'peer' in targets and not options.peer:
        targets.remove('peer')
    os.makedirs(options.results, exist_ok=True)
    about = facts(options, targets)
    begin = time.monotonic()
    call = f'{time.strftime("%Y-%m-%d %H:%M:%S")} {os.getpid()}'
    paths = {(program, number): os.path.join(options.results, f'{program}.{number}.json')
             for number in range(options.rounds) for program in options.programs}
    names = [name for name in os.listdir(options.results) if name.endswith('.json')]
    gone = [name for name in names if not is_kept(os.path.join(options.results, name), about)]
    if gone:
        print(f'bench: removed {len(gone)} results of another build or of other arguments',
              file=sys.stderr)
    todo = [key for key, path in paths.items() if not os.path.exists(path)]
    for done, (program, number) in enumerate(todo):
        if options.slice and time.monotonic() - begin > options.slice:
            print(f'bench: {len(todo) - done} of {len(paths)} rounds are still to be measured',
                  file=sys.stderr)
            return MORE_TO_DO
        at = time.monotonic()
        found, distances = measure(options, program, targets)
        write(paths[program, number],
              {'facts': about, 'program': program, 'round': number, 'rounds': options.rounds,
               'call': call, 'load': os.getloadavg()[0], 'wall_s': time.monotonic() - at,
               'core_distances_ns': distances, 'targets': found})
        print(f'bench: {program}: round {number + 1} of {options.rounds}, '
              f'{time.monotonic() - at:.0f} s', file=sys.stderr, flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
