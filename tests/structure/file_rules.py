"""Files stay short enough to read, and name no place on somebody's machine.

    file_rules.py SOURCE_ROOT
"""

import re
import sys

import tree

MOST_LINES = 900
MANY_LINES = 800
CODE = ('.c', '.h', '.py', '.j2')
TEXT = CODE + ('.md', '.sh', '.build', '.txt', '.toml', '.xml', '.csv', '.yml', '.1', 'Makefile')

# Home and work folders, and registries behind a company's door.
MACHINE = re.compile(r'(?<![\w./-])/(?:work|root|home)/\w|bash_jobs|artifact-?registry|\.pyenv')


def main():
    root = sys.argv[1]
    problems = []
    assert MACHINE.search('see /home/someone') and not MACHINE.search('tests/home/x')

    paths = tree.files(root, *TEXT)
    for path in paths:
        text = tree.read(root, path)
        lines = text.count('\n')
        if path.endswith(CODE) and lines > MOST_LINES:
            problems.append(f'{path}: {lines} lines, at most {MOST_LINES}')
        elif path.endswith(CODE) and lines > MANY_LINES:
            print(f'note: {path} has {lines} lines, getting long')
        if path == 'tests/structure/file_rules.py':
            continue
        for match in MACHINE.finditer(text):
            line = text.count('\n', 0, match.start()) + 1
            problems.append(f'{path}:{line}: names a place of one machine: {match.group()}')
    tree.finish(problems, f'{len(paths)} files')


main()
