#!/usr/bin/env python3
"""Writes docs/coverage.md and docs/structures.md: what is carried, and what tests have run it where.

    scripts/coverage.py [--vk-xml vk.xml] [--check]
    scripts/coverage.py --record-mock BUILD_DIR

The facts are generator/policy.toml, generator/registry/ and docs/coverage/*.json: one file for
each host driver, kept by scripts/matrix.py on the machine that has it, and mock.json for the mock
driver, which --record-mock makes of the handlers' tests. --check compares instead of writing:
status 1 and the first difference if a page is out of date. Pages are never edited by hand.
"""

import argparse
import collections
import csv
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, 'docs', 'coverage')
MOCK = os.path.join(DATA, 'mock.json')
sys.path.insert(0, os.path.join(ROOT, 'generator'))

# Tests that a row names, at most.
EXAMPLES = 2

COMMANDS_HEAD = """# Coverage

Which commands of the Venus protocol are served, and where they have been run. Written by
`scripts/coverage.py` (`make coverage`); do not edit.

Each end-to-end case runs on a host's driver and, through pv-venus and Mesa's Venus driver, on the
same driver again; it passes when both results are equal. The server counts the commands it runs
(`--count-commands`), so a mark below means: a case that passed has run this command.
"""


def read_json(path):
    with open(path, encoding='utf-8') as file:
        return json.load(file)


def read_hosts():
    """The files of host drivers, by driver and version."""
    hosts = [read_json(path) for path in glob.glob(os.path.join(DATA, '*.json')) if path != MOCK]

    def order(data):
        numbers = [int(n) for n in re.findall(r'\d+', data['host']['version'])]
        return (data['host']['driver'].lower(), numbers)
    return sorted(hosts, key=order)


def read_policy():
    with open(os.path.join(ROOT, 'generator/policy.toml'), 'rb') as file:
        return tomllib.load(file)


def read_commands():
    """(number, name, carried) of every command of the protocol."""
    path = os.path.join(ROOT, 'generator/registry/commands.csv')
    with open(path, newline='', encoding='utf-8') as file:
        return [(int(row['number']), row['name'], row['wire'] == 'yes')
                for row in csv.DictReader(file)]


def read_words(policy):
    return {name: word for word in ('forward', 'custom', 'reject')
            for name in policy['commands'][word].split()}


def series(version):
    return '.'.join(version.split('.')[:2])


def title(host):
    return f'{host["driver"]} {host["version"]}'


def row(cells):
    return '| ' + ' | '.join(cells) + ' |'


def table(head, rows):
    return [row(head), row(['---'] * len(head))] + [row(cells) for cells in rows]


# -- commands ---------------------------------------------------------------------------------


def matrix_section(hosts):
    lines = ['', '## Guests on hosts', '',
             'Cases that passed, failed, and were skipped. `make matrix` runs the releases of Mesa;',
             'a GPU is run on its own machine with `scripts/matrix.py build --here`.', '']
    rows = []
    for data in hosts:
        for guest, result in sorted(data['guests'].items()):
            rows.append([title(data['host']), data['host']['device'], data['host']['api'],
                         'Mesa ' + guest, str(result['passed']), str(len(result['failed'])),
                         str(len(result['skipped'])), result['registry'], result['date']])
    lines += table(['Host driver', 'Device', 'Vulkan', 'Guest', 'Passed', 'Failed', 'Skipped',
                    'Registry', 'Date'], rows)
    for outcome, words in (('failed', 'Failed'), ('skipped', 'Skipped')):
        reasons = collections.defaultdict(lambda: collections.defaultdict(list))
        for data in hosts:
            for guest, result in sorted(data['guests'].items()):
                for case, reason in result[outcome].items():
                    reason = reason.removeprefix('skipped: ').replace('|', '\\|')
                    reasons[case][reason].append(f'{title(data["host"])} + Mesa {series(guest)}')
        if reasons:
            lines += ['', f'{words}:', '']
            lines += table(['Case', 'Reason', 'Where'],
                           [[f'`{case}`', reason, ', '.join(where)]
                            for case, found in sorted(reasons.items())
                            for reason, where in sorted(found.items())])
    return lines


def examples(name, hosts, mock):
    """Tests that ran the command, the most particular first."""
    found = []
    for data in reversed(hosts):
        for result in data['guests'].values():
            found += result['commands'].get(name, {}).get('such as', [])
    common = [case for case, _ in collections.Counter(found).most_common(EXAMPLES)]
    if not common:
        common = [f'handlers/{test}' for test in mock.get(name, [])[:EXAMPLES]]
    return ', '.join(f'`{case}`' for case in sorted(common))


def commands_section(hosts, mock, words):
    lines = ['', '## Commands', '',
             '`forward`: the handler is generated; `custom`: it is written (`src/handlers`); `reject`:',
             'no Mesa driver sends it, and it ends the context; `none`: has a number, but no encoding.',
             'Under each host: the guests (series of Mesa) whose cases have run it there. Mock: the',
             'tests in `tests/handlers` have run it on the mock driver.', '']
    rows, nowhere, counts = [], collections.defaultdict(list), collections.Counter()
    for number, name, carried in read_commands():
        word = words[name] if carried else 'none'
        counts[word] += 1
        cells = []
        for data in hosts:
            cells.append(' '.join(sorted(series(guest) for guest, result in data['guests'].items()
                                         if name in result['commands'])))
        tested = name in mock
        rows.append([str(number), f'`{name}`', word, *cells, 'yes' if tested else '',
                     examples(name, hosts, mock)])
        if word in ('forward', 'custom') and not any(cells):
            nowhere['mock' if tested else 'nothing'].append(name)
        elif any(cells):
            counts['run'] += 1
    served = counts['forward'] + counts['custom']
    lines += [f'Of {served} commands that are served ({counts["forward"]} forwarded, '
              f'{counts["custom"]} custom), {counts["run"]} have run on a host driver, '
              f'{len(nowhere["mock"])} on the mock driver only,',
              f'{len(nowhere["nothing"])} not at all; {counts["reject"]} are rejected, '
              f'{counts["none"]} have no encoding.', '']
    for where, text in (('mock', 'On the mock driver only'), ('nothing', 'Not run by any test')):
        if nowhere[where]:
            lines += [f'{text}: ' + ', '.join(f'`{name}`' for name in nowhere[where]) + '.', '']
    lines += table(['Number', 'Command', 'Policy', *[title(data['host']) for data in hosts],
                    'Mock', 'Run by, for example'], rows)
    return lines


def commands_page():
    hosts, words = read_hosts(), read_words(read_policy())
    mock = read_json(MOCK)['commands'] if os.path.exists(MOCK) else {}
    lines = COMMANDS_HEAD.splitlines() + matrix_section(hosts)
    lines += commands_section(hosts, mock, words)
    return '\n'.join(lines) + '\n'


# -- structures -------------------------------------------------------------------------------


def sources_naming():
    """sType -> files of src/ and abi/ that name it."""
    named = collections.defaultdict(set)
    for folder in ('src', 'abi'):
        for path in glob.glob(os.path.join(ROOT, folder, '**', '*.[ch]'), recursive=True):
            with open(path, encoding='utf-8') as file:
                for stype in re.findall(r'VK_STRUCTURE_TYPE_\w+', file.read()):
                    named[stype].add(os.path.relpath(path, ROOT))
    return named


def structures_page(vk_xml):
    """The page, and the version of the registry that it belongs to."""
    from emit import Model  # pylint: disable=import-outside-toplevel; needs jinja2
    from registry import Registry  # pylint: disable=import-outside-toplevel
    folder = os.path.join(ROOT, 'generator/registry')
    registry = Registry(vk_xml, *[os.path.join(folder, name) for name in
                                  ('venus.xml', 'commands.csv', 'extensions.csv')])
    model = Model(registry, read_policy())
    version = '.'.join(map(str, registry.header_version))
    named = sources_naming()
    chained = model.chain_types()
    carried = {type_.name for type_ in chained}
    other = [type_ for type_ in registry.types.values() if type_.category == 'struct' and
             type_.stype_value and type_.extends and type_.name not in carried]
    rows, custom = [], 0
    for type_ in chained:
        files = sorted(named.get(type_.stype, []))
        custom += bool(files)
        extends = sorted({registry.find_type(name).name for name in type_.extends})
        rows.append([str(type_.stype_value), f'`{type_.name}`',
                     ', '.join(f'`{name}`' for name in extends),
                     'custom: ' + ', '.join(f'`{path}`' for path in files) if files
                     else 'passed through'])
    blocked = [name for name in registry.types if name in model.policy['types']['blocked'] and
               registry.types[name].extends]
    lines = ['# Structures', '',
             'Which structures guests may chain to others (`pNext`), and what becomes of them. Written',
             f'by `scripts/coverage.py` (`make coverage`) from the Vulkan registry {version}; do not '
             'edit.', '',
             'The generated decoders accept each structure where the registry allows it, once, and pass',
             'it on. Custom: written code also reads, adds or removes it.', '',
             f'{len(chained)} structures can be carried, {custom} of them custom. Never sent by guests:',
             f'the {len(other)} others of the registry that extend something, because they belong to',
             'extensions outside the protocol'
             + (', and ' + ', '.join(f'`{name}`' for name in blocked) + ' (`policy.toml`)'
                if blocked else '') + '.', '']
    lines += table(['sType', 'Structure', 'Extends', 'Treatment'], rows)
    return '\n'.join(lines) + '\n', version


# -- recording, writing, checking -------------------------------------------------------------


def record_mock(build):
    """Runs the tests of the handlers and keeps which of them ran which command."""
    with tempfile.TemporaryDirectory(prefix='pv-coverage-') as folder:
        log = os.path.join(folder, 'commands')
        subprocess.run(['meson', 'test', '-C', build, '--no-rebuild', '--suite', 'handlers'],
                       env={**os.environ, 'PV_TEST_COMMANDS': log}, check=True,
                       stdout=subprocess.DEVNULL)
        ran = collections.defaultdict(set)
        with open(log, encoding='utf-8') as file:
            for line in file:
                test, command = line.split()
                ran[command].add(re.sub(r'^handlers_(.*)_test$', r'\1', test))
    os.makedirs(DATA, exist_ok=True)
    with open(MOCK, 'w', encoding='utf-8') as file:
        json.dump({'commands': {name: sorted(tests) for name, tests in sorted(ran.items())}}, file,
                  indent=1)
        file.write('\n')


def unknown_tests():
    """Tests that the data names but the tree has no more."""
    with open(os.path.join(ROOT, 'tests/e2e/cases.def'), encoding='utf-8') as file:
        cases = set(re.findall(r'^CASE\((\w+)', file.read(), re.MULTILINE))
    handlers = {os.path.basename(path).removesuffix('_test.c')
                for path in glob.glob(os.path.join(ROOT, 'tests/handlers/*_test.c'))}
    problems = []
    for data in read_hosts():
        for result in data['guests'].values():
            named = {case for entry in result['commands'].values() for case in entry['such as']}
            named |= set(result['failed']) | set(result['skipped'])
            problems += [f'{title(data["host"])}: there is no case {name}'
                         for name in sorted(named - cases)]
    if os.path.exists(MOCK):
        named = {test for tests in read_json(MOCK)['commands'].values() for test in tests}
        problems += [f'mock: there is no test handlers/{name}' for name in sorted(named - handlers)]
    return problems


def first_difference(path, old, new):
    for number, (a, b) in enumerate(zip(old.splitlines(), new.splitlines()), 1):
        if a != b:
            return f'{path}:{number}: is "{a[:120]}", should be "{b[:120]}"'
    return f'{path}: has {old.count(chr(10))} lines, should have {new.count(chr(10))}'


def check(pages):
    problems = unknown_tests()
    for path, text in pages.items():
        old = ''
        if os.path.exists(os.path.join(ROOT, path)):
            with open(os.path.join(ROOT, path), encoding='utf-8') as file:
                old = file.read()
        if old != text:
            problems.append(first_difference(path, old, text))
    for problem in problems:
        print(problem)
    if problems:
        print('run scripts/coverage.py; make coverage also runs the tests again')
    return 1 if problems else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--vk-xml', help='the registry for docs/structures.md, which is left alone without it')
    add('--check', action='store_true', help='compare instead of writing')
    add('--record-mock', metavar='BUILD_DIR', help="run the handlers' tests for mock.json")
    options = parser.parse_args()
    if options.record_mock:
        record_mock(options.record_mock)
    pages = {'docs/coverage.md': commands_page()}
    if options.vk_xml:
        text, version = structures_page(options.vk_xml)
        path = 'docs/structures.md'
        committed = ''
        if options.check and os.path.exists(os.path.join(ROOT, path)):
            with open(os.path.join(ROOT, path), encoding='utf-8') as file:
                committed = file.read()
        if options.check and committed and f'registry {version};' not in committed:
            print(f'{path} belongs to another registry than {version}: not compared')
        else:
            pages[path] = text
    if options.check:
        return check(pages)
    for path, text in pages.items():
        with open(os.path.join(ROOT, path), 'w', encoding='utf-8') as file:
            file.write(text)
        print(f'{path}: written')
    return 0


if __name__ == '__main__':
    sys.exit(main())
