"""Puts the rounds that bench/run.py has kept in a folder together."""

import json
import os
import statistics

from programs import PROGRAMS
from server import TARGETS

MOVED = 1.5  # of the cores' distances, the largest to the smallest


def higher_is_better(row):
    return row['unit'].endswith('/s')


def ratio(row, target, base):
    """How `target` does compared with `base`, larger is better; None if one is missing."""
    a, b = (row.get(name, {}).get('median') for name in (target, base))
    if not a or not b:
        return None
    return a / b if higher_is_better(row) else b / a


def cpu_ratio(row, target):
    a, b = (row.get(name, {}).get('cpu_ns') for name in (target, 'native'))
    return a / b if a and b else None


def limit(row):
    """What a server that costs nothing would reach of the native rate: the guest driver's time alone,
    against the whole native time. None where it was not asked for."""
    native, ours = row.get('native'), row.get('ours')
    if not native or not ours or not ours['caller_ns'] or not native['wall_ns']:
        return None
    return native['wall_ns'] / ours['caller_ns']


def combined(items):
    return {
        'values': [item['value'] for item in items],
        'median': statistics.median(item['value'] for item in items),
        # of both sides, for one unit of work
        'cpu_ns': statistics.median(
            (item['client_ns'] + item['server_ns']) / max(item['count'], 1) for item in items),
        'wall_ns': statistics.median(item['wall_ns'] / max(item['count'], 1) for item in items),
        'caller_ns': statistics.median(item['caller_ns'] for item in items),
    }


def read_rounds(folder):
    rounds = []
    for name in os.listdir(folder):
        if name.endswith('.json'):
            with open(os.path.join(folder, name), encoding='utf-8') as file:
                rounds.append(json.load(file))
    order = list(PROGRAMS)
    return sorted(rounds, key=lambda item: (order.index(item['program']), item['round']))


def complaints(rounds, rows, wanted):
    """What is not as it should be, one line each: no row may be silently missing."""
    lines = {}
    for item in rounds:
        for target, found in item['targets'].items():
            for what, reason in found['failed'].items():
                lines.setdefault(f'FAILED: {what}, {target}: {reason}', []).append(item['round'])
            for what, reason in found['absent'].items():
                lines.setdefault(f'{what}, {target}: {reason}', [])
    said = [text + (f' (round {", ".join(str(number + 1) for number in numbers)})' if numbers else '')
            for text, numbers in lines.items()]
    programs = {}
    for item in rounds:
        programs.setdefault(item['program'], []).append(item)
    absent = [program for program in PROGRAMS if program not in programs]
    if absent:
        said.append(f'NOT MEASURED: {", ".join(absent)}')
    for program, items in programs.items():
        if len(items) < wanted:
            said.append(f'INCOMPLETE: {program}: {len(items)} of {wanted} rounds measured')
    for row in rows.values():
        for target, entry in row.items():
            have = len(entry['values']) if isinstance(entry, dict) else None
            expected = len(programs[row['program']])
            if have is not None and have < expected:
                said.append(f'INCOMPLETE: {row["name"]}, {target}: {have} of {expected} rounds')
    return said


def has_moved(distances):
    return max(distances) > MOVED * min(distances)


def core_distances(rounds):
    """{program: what a round of it found, [nearest, farthest] in ns} of each round."""
    distances = {}
    for item in rounds:
        found = item['core_distances_ns']
        distances.setdefault(item['program'], []).append([min(found), max(found)])
    return distances


def load(folder):
    """{machine, notes, rows} of all that a folder holds."""
    rounds = read_rounds(folder)
    if not rounds:
        raise SystemExit(f'bench: there are no results in {folder}')
    facts = rounds[0]['facts']
    if any(item['facts'] != facts for item in rounds):
        raise SystemExit(f'bench: the results in {folder} are not of one build and machine')
    items = {}  # (program, row) -> target -> the rounds' rows
    for item in rounds:
        for target, found in item['targets'].items():
            for row in found['rows']:
                by_target = items.setdefault((item['program'], row['name']), {})
                by_target.setdefault(target, []).append(row)
    rows = {}
    for (program, name), by_target in items.items():
        unit = next(iter(by_target.values()))[0]['unit']
        rows[name] = {'name': name, 'program': program, 'unit': unit,
                      **{target: combined(by_target[target]) for target in TARGETS
                         if target in by_target}}
    calls = sorted({item['call'] for item in rounds})
    machine = {**facts, 'rounds': max(item['rounds'] for item in rounds),
               'calls': [call.rsplit(' ', 1)[0] for call in calls],
               'load': [min(item['load'] for item in rounds), max(item['load'] for item in rounds)],
               'wall_s': sum(item['wall_s'] for item in rounds),
               'core_distances_ns': core_distances(rounds)}
    devices = {target: found['device'] for item in reversed(rounds)
               for target, found in item['targets'].items() if found['device']}
    notes = [f'{target}: {device}' for target, device in devices.items()]
    if not facts['peer']:
        notes.append('the peer, virgl_test_server, is not here: its columns are empty')
    if facts['stand_in']:
        notes.append('there is no /dev/udmabuf: the peer runs with bench/udmabuf_stand_in.so '
                     'preloaded, without which it could not map memory')
    return {'machine': machine, 'rows': list(rows.values()),
            'notes': notes + complaints(rounds, rows, machine['rounds'])}
