"""The files of the source tree, for the structure tests. Runs without git, as in a tarball."""

import os
import sys

# Build folders, results and what a packager may leave lying about are not ours to judge.
SKIPPED_FOLDERS = {'.git', 'out', 'subprojects', '__pycache__', 'node_modules'}


def files(root, *suffixes, under=None):
    """Paths relative to `root`, sorted, of the files that end in one of `suffixes`."""
    found = []
    for top in under or ['.']:
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders[:] = [f for f in folders
                          if f not in SKIPPED_FOLDERS and not f.startswith('build')]
            for name in names:
                if name.endswith(suffixes or ('',)):
                    path = os.path.join(folder, name)
                    found.append(os.path.normpath(os.path.relpath(path, root)))
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8') as file:
        return file.read()


def finish(problems, checked):
    """Ends the test: one line for each problem, or what was checked."""
    for problem in problems:
        print(problem)
    print(f'{len(problems)} problems in {checked}')
    sys.exit(1 if problems else 0)
