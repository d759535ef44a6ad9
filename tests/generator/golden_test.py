"""The generator's output for a small registry is what is committed in golden/.

    golden_test.py [--update]

A change of a template shows as a difference there, which can be read; --update writes it.
"""

import difflib
import os
import pathlib
import sys
import tempfile

import generator

GOLDEN = pathlib.Path(__file__).resolve().parent / 'golden'


def outputs(hash_seed):
    with tempfile.TemporaryDirectory() as folder:
        result = generator.run(generator.MINI, folder, env={'PYTHONHASHSEED': hash_seed})
        assert result.returncode == 0, result.stderr
        return {path.name: path.read_text() for path in pathlib.Path(folder).iterdir()}


def same_as_golden(name, text):
    path = GOLDEN / (name + '.golden')
    golden = path.read_text() if path.exists() else ''
    difference = list(difflib.unified_diff(golden.splitlines(), text.splitlines(),
                                           f'golden/{path.name}', 'generated', lineterm=''))
    for line in difference[:100]:
        print('# ' + line)
    return not difference


def main():
    made = outputs('0')
    if '--update' in sys.argv:
        GOLDEN.mkdir(exist_ok=True)
        for path in GOLDEN.iterdir():
            path.unlink()
        for name, text in made.items():
            (GOLDEN / (name + '.golden')).write_text(text)
        return
    report = generator.Report()
    for name, text in sorted(made.items()):
        report.case(f'{name} is as committed', same_as_golden(name, text))
    committed = {path.stem for path in GOLDEN.iterdir()}
    report.case('every committed output is generated', committed == set(made))
    report.case('the same input gives the same output', outputs('1') == made)
    report.finish()


main()
