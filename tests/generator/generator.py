"""Running the generator, for its tests; and their reports in TAP."""

import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EMIT = ROOT / 'generator' / 'emit.py'

sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / 'generator'))

MINI = {'vk-xml': HERE / 'mini' / 'vk.xml', 'venus-xml': HERE / 'mini' / 'venus.xml',
        'commands': HERE / 'mini' / 'commands.csv', 'extensions': HERE / 'mini' / 'extensions.csv',
        'policy': HERE / 'mini' / 'policy.toml'}


def output_names():
    import emit
    return list(emit.OUTPUTS)


def run(inputs, folder, names=None, env=None):
    options = [text for name, path in inputs.items() for text in ('--' + name, str(path))]
    return subprocess.run([sys.executable, '-B', str(EMIT), *options, '--output', str(folder),
                           *(names or output_names())], env={**os.environ, **(env or {})},
                          capture_output=True, text=True, check=False)


class Report:
    """Test Anything Protocol, and the exit status."""

    def __init__(self):
        self.count = self.failed = 0

    def case(self, title, good, *notes):
        self.count += 1
        self.failed += not good
        for note in notes:
            print(f'# {note}')
        print(f'{"ok" if good else "not ok"} {self.count} - {title}')

    def finish(self):
        print(f'1..{self.count}')
        sys.exit(1 if self.failed else 0)


def numbers_in(text, pattern):
    return [int(n) for n in re.findall(pattern, text)]
