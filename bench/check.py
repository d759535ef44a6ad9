"""Compares with the committed figures (bench/figures.json) and fails on a real regression.

    bench/check.py --decode PROGRAM [--update]      instructions per command, by callgrind
    bench/check.py --results RESULTS... [--update]  ratios to native, from bench/run.py's results
    bench/check.py --programs                       whose ratios

Instructions hardly depend on how busy a machine is, but on compiler and headers: a row fails when it
needs a quarter more. Ratios do depend on it: a row fails when it falls below 40 % of what it was.
--update writes the present figures instead.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys

from results import load, ratio

FIGURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'figures.json')
ROWS = ['draw', 'bind-2-sets', 'update-16', 'update-4096', 'status-with-reply', 'fence', 'buffer',
        'demo-mesa-26.2']
PROGRAMS = ['round_trips', 'objects', 'recording', 'bandwidth', 'matrix_product']
MORE_INSTRUCTIONS = 1.25
LESS_SPEED = 0.4


def instructions(program, row, times):
    """Of the whole run, and how many commands a stream has."""
    done = subprocess.run(['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null', program,
                           row, str(times)], env={**os.environ, 'MALLOC_PERTURB_': '0'},
                          capture_output=True, text=True, check=False)
    found = re.search(r'Collected : (\d+)', done.stderr)
    commands = re.search(r'(\d+) commands', done.stdout)
    if done.returncode != 0 or not found or not commands:
        sys.exit(f'check: {program} {row}: status {done.returncode}\n{done.stderr[-1000:]}')
    return int(found.group(1)), int(commands.group(1))


def per_command(program, row):
    """What a command adds: start and end are the same in both runs."""
    (more, commands), (less, _) = (instructions(program, row, times) for times in (40, 20))
    return (more - less) / (20 * commands)


def ratios(folder):
    """Mesa's version, {row: speed compared with native} of one result, and whether it is whole."""
    result = load(folder)
    # Rare events, and times that are mostly the scheduler's, say nothing here.
    found = {row['name']: ratio(row, 'ours', 'native') for row in result['rows']
             if row['program'] in PROGRAMS and not re.search(r'p9|after', row['name'])}
    return ('.'.join(result['machine']['mesa'].split('.')[:2]),
            {name: value for name, value in found.items() if value},
            set(PROGRAMS) <= {row['program'] for row in result['rows']})


def main():
    parser = argparse.ArgumentParser(description='Compares benchmarks with committed figures.')
    parser.add_argument('--decode')
    parser.add_argument('--results', nargs='*', default=[])
    parser.add_argument('--update', action='store_true')
    parser.add_argument('--programs', action='store_true')
    options = parser.parse_args()
    if options.programs:
        print(','.join(PROGRAMS))
        return 0
    figures = {'instructions': {}, 'ratios': {}}
    if os.path.exists(FIGURES):
        with open(FIGURES, encoding='utf-8') as file:
            figures = json.load(file)
    failed = False

    if options.decode:
        if not shutil.which('valgrind'):
            sys.exit('check: valgrind is missing: scripts/setup.sh test')
        for row in ROWS:
            now, was = per_command(options.decode, row), figures['instructions'].get(row)
            worse = not options.update and (was is None or now > was * MORE_INSTRUCTIONS)
            failed |= worse
            print(f'{"WORSE" if worse else "good":5} {row:20} {now:8.1f} instructions per command, '
                  f'was {was}')
            if options.update:
                figures['instructions'][row] = round(now, 1)
    for path in options.results:
        mesa, found, whole = ratios(path)
        known = figures['ratios'].setdefault(mesa, {})
        for row in sorted(known.keys() - found.keys()) if whole else []:
            failed |= not options.update
            print(f'GONE  {row:40} was {known.pop(row)}')
        for row, now in found.items():
            was = known.get(row)
            worse = not options.update and was is not None and now < was * LESS_SPEED
            failed |= worse
            print(f'{"WORSE" if worse else "good":5} {row:40} {now:8.3f} of native, was {was}')
            if options.update:
                known[row] = round(now, 4)
    if options.update:
        with open(FIGURES, 'w', encoding='utf-8') as file:
            json.dump(figures, file, indent=1)
            file.write('\n')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
