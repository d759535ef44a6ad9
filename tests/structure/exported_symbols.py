"""The shared library exports the functions of include/pv and nothing else.

    exported_symbols.py SOURCE_ROOT LIBRARY

The list is committed, so that a change of the ABI is a line in a diff.
"""

import os
import re
import subprocess
import sys

import tree

# A function declared at the start of a line: "bool pv_context_submit(struct ...".
DECLARATION = re.compile(r'^(?!#|//|typedef|[ \t*}])[^;{}()]*?\b(pv_\w+)\(', re.MULTILINE)


def declared(root):
    names = set()
    for path in tree.files(root, '.h', under=['include']):
        names.update(DECLARATION.findall(tree.read(root, path)))
    return names


def exported(library):
    """Functions and objects; the names of version nodes (type A) are no symbols of ours."""
    output = subprocess.run(['nm', '-D', '--defined-only', library], check=True,
                            capture_output=True, text=True).stdout
    names = set()
    for line in output.splitlines():
        kind, name = line.split()[-2:]
        if kind != 'A':
            names.add(name.split('@')[0])
    return names


def main():
    root, library = sys.argv[1:3]
    listing = 'tests/structure/exported_symbols.txt'
    committed = set(tree.read(root, listing).split())
    built, headers = exported(library), declared(root)
    problems = []

    def compare(left, left_name, right, right_name):
        for name in sorted(left - right):
            problems.append(f'{name} is in {left_name} but not in {right_name}')
        for name in sorted(right - left):
            problems.append(f'{name} is in {right_name} but not in {left_name}')

    compare(built, os.path.basename(library), committed, listing)
    compare(headers, 'include/pv', committed, listing)
    problems += [f'{name} has not our prefix' for name in sorted(built)
                 if not name.startswith('pv_')]
    tree.finish(problems, f'{len(built)} symbols')


main()
