"""The C sources are formatted as .clang-format says.

    format.py SOURCE_ROOT

Releases of clang-format disagree in details, so only the one the tree is formatted with judges.
"""

import re
import shutil
import subprocess
import sys

import tree

WANTED = '14'
FOLDERS = ['include', 'src', 'abi', 'server', 'tools', 'tests', 'demo', 'bench', 'fuzz']


def main():
    root = sys.argv[1]
    program = shutil.which(f'clang-format-{WANTED}') or shutil.which('clang-format')
    if program is None:
        print(f'clang-format {WANTED} is not installed')
        sys.exit(77)
    version = subprocess.run([program, '--version'], check=True, capture_output=True,
                             text=True).stdout
    found = re.search(r'version (\d+)', version)
    if found is None or found.group(1) != WANTED:
        print(f'needs clang-format {WANTED} (Debian 12), here is {found and found.group(1)}')
        sys.exit(77)

    paths = tree.files(root, '.c', '.h', under=FOLDERS)
    result = subprocess.run([program, '--dry-run', '--ferror-limit=1', '--Werror', *paths],
                            cwd=root, capture_output=True, text=True, check=False)
    problems = [line for line in result.stderr.splitlines() if ': error:' in line]
    if result.returncode != 0 and not problems:
        problems = [result.stderr]
    tree.finish(problems, f'{len(paths)} files')


main()
