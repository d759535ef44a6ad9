"""Turns what bench/run.py has kept into text, Markdown and pictures.

    bench/report.py [--markdown FILE] [--svg FOLDER] [--library FILE] RESULTS...

Status 1: something has failed or is incomplete; the tables name it. The text goes to stdout. Ratios are so that larger is better: rate to rate, native time to time.
--library names the output of the benchmarks that need no guest.
"""

import argparse
import math
import os
import sys

from results import cpu_ratio, has_moved, limit, load, ratio
from server import TARGETS
import targets


def number(value):
    if value is None:
        return '-'
    if value >= 1e5:
        return f'{value:.3g}'.replace('e+0', 'e')
    return f'{value:.1f}' if value >= 100 else f'{value:.3g}'


def times(value):
    if value is None:
        return '-'
    return f'{value:.2f}' if value >= 0.1 else f'{value:.2g}'


def limit_text(row):
    value = limit(row)
    return '>= 1' if value and value >= 1 else times(value)


def spread(row, target):
    values = row.get(target, {}).get('values')
    return f'{number(min(values))}..{number(max(values))}' if values else '-'


def cells(row):
    return [row['name'], row['unit'],
            *(number(row.get(target, {}).get('median')) for target in TARGETS),
            spread(row, 'ours'), times(ratio(row, 'ours', 'native')),
            times(ratio(row, 'peer', 'native')), times(ratio(row, 'ours', 'peer')),
            times(cpu_ratio(row, 'ours')), times(cpu_ratio(row, 'peer')), limit_text(row)]


HEAD = ['row', 'unit', *TARGETS, 'ours from..to', 'ours/native', 'peer/native', 'ours/peer',
        'CPU ours', 'CPU peer', 'limit/native']


def title(result):
    machine = result['machine']
    peer = f'virglrenderer {machine["peer"]}' if machine['peer'] else 'none'
    mesa = f'Mesa {machine["mesa"]} guest' if machine['mesa'] else 'Guest'
    return (f'{mesa} and host ({machine["host_icd"]}), peer: {peer}; '
            f'{machine["system"]}, Linux {machine["kernel"]}, {machine["cpu"]}, '
            f'{machine["cores"]} cores')


def conditions(result):
    machine = result['machine']
    calls, load_low, load_high = machine['calls'], *machine['load']
    when = calls[0] if len(calls) == 1 else f'{len(calls)} calls from {calls[0]} to {calls[-1]}'
    return (f'{machine["rounds"]} rounds, {machine["seconds"]} s a row, {machine["wall_s"]:.0f} s in '
            f'{when}; load of the machine {load_low:.1f} to {load_high:.1f}; '
            f'build {machine["build"]}')


def core_distances(result):
    """Where the cores were in the rounds of each program; two figures are a move within a round."""
    programs = []
    for program, rounds in result['machine']['core_distances_ns'].items():
        said = [f'{low:.0f}' if not has_moved([low, high]) else f'{low:.0f}..{high:.0f}'
                for low, high in rounds]
        programs.append(f'{program} {" ".join(said)}')
    return f'ns for a cache line to another core and back, in each round: {", ".join(programs)}'


def text(result):
    table = [HEAD, *(cells(row) for row in result['rows'])]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEAD))]
    lines = [title(result), conditions(result), core_distances(result),
             *(f'note: {note}' for note in result['notes']), '']
    for line in table:
        lines.append('  '.join(cell.ljust(width) if i < 2 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(line, widths))).rstrip())
    return '\n'.join(lines) + '\n'


def markdown(results, pictures, library):
    lines = ['# Results of `make bench`', '',
             'Medians. `ours/native`, `peer/native` and `ours/peer` are ratios of speed: larger is',
             'better. CPU is the time of client and server together for the same work, divided by',
             'the native one: smaller is better. `limit/native` is what a server that costs nothing',
             'would reach, because the guest driver needs the rest. The meaning of the rows is in the',
             'programs of `bench/`, why they are as they are in',
             '[performance.md](../docs/performance.md).', '',
             '## Targets', '', *targets.table(results), '']
    for result, picture in zip(results, pictures):
        lines += [f'## {title(result)}', '', f'* {conditions(result)}',
                  f'* {core_distances(result)}']
        lines += [f'* {note}' for note in result['notes']]
        lines += ['', f'![ratios to native]({picture})', ''] if picture else ['']
        lines.append('| ' + ' | '.join(HEAD) + ' |')
        lines.append('|---|---|' + '---:|' * (len(HEAD) - 2))
        lines += ['| ' + ' | '.join(cells(row)) + ' |' for row in result['rows']]
        lines.append('')
    if library:
        lines += ['## The library alone, no guest', '', '```', library.rstrip(), '```', '']
    return '\n'.join(lines)


def svg(result):
    """A bar for each row: ours and the peer's ratio to native, on a logarithmic scale."""
    rows = [row for row in result['rows'] if ratio(row, 'ours', 'native')]
    step, left, width, top = 26, 300, 560, 60
    low, high = 0.001, 10

    def x(value):
        value = min(max(value, low), high)
        return left + width * (math.log10(value) - math.log10(low)) / math.log10(high / low)

    def label(at_x, at_y, content, anchor='start'):
        return (f'<text x="{at_x:.0f}" y="{at_y:.0f}" text-anchor="{anchor}" '
                f'font-size="12">{content}</text>')
    height = top + step * len(rows) + 20
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 40}" '
           f'height="{height}" font-family="sans-serif">',
           f'<rect width="100%" height="{height}" fill="white"/>',
           label(10, 20, f'Speed compared with native, Mesa {result["machine"]["mesa"]}'),
           f'<rect x="{left}" y="28" width="10" height="10" fill="#1b6ca8"/>',
           label(left + 14, 37, 'pv-venus'),
           f'<rect x="{left + 90}" y="28" width="10" height="10" fill="#c9a227"/>',
           label(left + 104, 37, 'peer')]
    exponent = round(math.log10(low))
    while 10.0 ** exponent <= high:
        at = x(10.0 ** exponent)
        colour = '#000' if exponent == 0 else '#ccc'
        out.append(f'<line x1="{at:.0f}" y1="{top - 6}" x2="{at:.0f}" y2="{height - 14}" '
                   f'stroke="{colour}"/>')
        out.append(label(at, top - 8, f'{10.0 ** exponent:g}', 'middle'))
        exponent += 1
    for i, row in enumerate(rows):
        y = top + i * step
        out.append(label(left - 8, y + 15, row['name'].replace('&', '&amp;'), 'end'))
        for offset, target, colour in ((2, 'ours', '#1b6ca8'), (12, 'peer', '#c9a227')):
            value = ratio(row, target, 'native')
            if value:
                out.append(f'<rect x="{left}" y="{y + offset}" width="{x(value) - left:.0f}" '
                           f'height="9" fill="{colour}"/>')
    return '\n'.join([*out, '</svg>', ''])


def main():
    parser = argparse.ArgumentParser(description='Reports the results of bench/run.py.')
    parser.add_argument('--markdown')
    parser.add_argument('--svg')
    parser.add_argument('--library')
    parser.add_argument('results', nargs='+')
    options = parser.parse_args()
    results = [load(folder) for folder in options.results]
    if len({result['machine']['build'] for result in results}) > 1:
        sys.exit('bench: these results are not of one build: measure again')
    library = ''
    if options.library and os.path.exists(options.library):
        with open(options.library, encoding='utf-8') as file:
            library = file.read()
    pictures = []
    for result in results:
        name = 'results-mesa-' + '.'.join(result['machine']['mesa'].split('.')[:2]) + '.svg'
        pictures.append(name if options.svg else None)
        if options.svg:
            with open(os.path.join(options.svg, name), 'w', encoding='utf-8') as file:
                file.write(svg(result))
    print(library)
    print('\n'.join(text(result) for result in results))
    print('\n'.join(targets.table(results)))
    if options.markdown:
        with open(options.markdown, 'w', encoding='utf-8') as file:
            file.write(markdown(results, pictures, library))
    return any(note.startswith(('FAILED', 'INCOMPLETE')) for result in results
               for note in result['notes'])


if __name__ == '__main__':
    sys.exit(main())
