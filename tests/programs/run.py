#!/usr/bin/env python3
"""Runs unmodified programs natively and through pv-venus, and compares what they do.

    run.py [OPTIONS] [PROGRAM...]       all programs unless some are named; patterns may be used

Prints `ok NAME`, `FAIL NAME` or `skip NAME` and the reason, one line for each program and place.
Exit status: 0 all is well, 1 something failed, 2 usage, 77 nothing but skips.
"""

import argparse
import fnmatch
import importlib
import json
import os
import signal
import sys

import harness

# One module for each kind of program, with the packages they need.
MODULES = sorted(name[:-3] for name in os.listdir(harness.HERE) if name.endswith('.py') and
                 name not in ('harness.py', 'run.py', 'screen.py'))


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('programs', nargs='*', metavar='PROGRAM', help='names, as patterns')
    add('--build-dir', default=os.path.join(harness.ROOT, 'build'), help='where pv-venus was built')
    add('--place', action='append', choices=list(harness.PLACES),
        help='where to run them: the machine itself, or a Debian root with a newer Mesa')
    add('--json', metavar='FILE', help='write the results to this file')
    add('--markdown', metavar='FILE', help='write them as a table')
    add('--keep', metavar='FOLDER', help='keep the pictures and logs of failures there')
    add('--list', action='store_true', help='print names and places, and end')
    return parser.parse_args()


def report(result):
    name = f'{result["program"]}@{result["place"]}'
    said = result['reason'] if result['outcome'] != 'ok' else '; '.join(result.get('notes', []))
    print(f'{result["outcome"]} {name} ({result["seconds"]} s) {said}'.rstrip(), flush=True)


def markdown(results):
    lines = ['| program | version | guest and host Mesa | contexts | result |', '|---|---|---|---|---|']
    for result in results:
        said = '; '.join(result.get('notes', [])) or 'equal'
        if result['outcome'] != 'ok':
            said = f'{result["outcome"]}: {result["reason"].splitlines()[0]}'
        lines.append(f'| {result["program"]} | {result.get("version", "")} '
                     f'| {result.get("mesa", "")} ({result["place"]}) '
                     f'| {result.get("contexts", "")} | {said} |')
    return '\n'.join(lines) + '\n'


def write(path, text):
    if path:
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)


def main():
    options = parse()
    # What was started ends with us, also when a time limit ends us.
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))
    for name in MODULES:
        importlib.import_module(name)
    chosen = [(what, place) for what in harness.PROGRAMS for place in what.places
              if (not options.place or place in options.place) and
              (not options.programs or
               any(fnmatch.fnmatch(what.name, pattern) for pattern in options.programs))]
    if not chosen:
        print('run.py: no program has such a name there', file=sys.stderr)
        return 2
    if options.list:
        for what, place in chosen:
            print(f'{what.name}@{place}')
        return 0

    build = os.path.abspath(options.build_dir)
    if options.keep:
        options.keep = os.path.abspath(options.keep)
    places = {name: harness.Place(name, build) for name in harness.PLACES}
    results = []
    for what, place in chosen:
        results.append(harness.judge(what, places[place], options.keep))
        report(results[-1])
        # Written after each: a run that is cut short leaves what it found.
        write(options.json, json.dumps(results, indent=1) + '\n')
        write(options.markdown, markdown(results))
    count = {outcome: sum(result['outcome'] == outcome for result in results)
             for outcome in ('ok', 'FAIL', 'skip')}
    print(f'{count["ok"]} passed, {count["FAIL"]} failed, {count["skip"]} skipped')
    if count['FAIL']:
        return 1
    return 0 if count['ok'] else 77


if __name__ == '__main__':
    sys.exit(main())
