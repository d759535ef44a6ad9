"""The library is what VMMs link: its soname, its symbols, unversioned, and headers that compile.

    interface.py SOURCE_ROOT LIBRARY C_COMPILER CXX_COMPILER

The list of symbols is committed, so that a change of the ABI is a line in a diff.
"""

import os
import re
import shlex
import subprocess
import sys

FOLDER = os.path.join('abi', 'virgl', 'include')
STRICT = ['-fsyntax-only', '-Wall', '-Wextra', '-Wpedantic', '-Werror']


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def declared(root):
    with open(os.path.join(root, FOLDER, 'virglrenderer.h'), encoding='utf-8') as file:
        return set(re.findall(r'VIRGL_EXPORT[^;(]*?\b(virgl_\w+)\(', file.read()))


def exported(library):
    """Names as a program sees them: a version would show behind an @."""
    lines = output('nm', '-D', '--defined-only', library).splitlines()
    return {line.split()[-1] for line in lines}


def header_problem(compiler, flags, language, root):
    source = '#include "virglrenderer.h"\n#include "virglrenderer.h"\nextern int one_more;\n'
    result = subprocess.run([*compiler, *flags, '-I' + os.path.join(root, FOLDER), *STRICT,
                             '-x', language, '-'],
                            input=source, capture_output=True, text=True, check=False)
    return result.stderr if result.returncode else None


def main():
    root, library = sys.argv[1:3]
    problems = []
    with open(os.path.join(root, 'tests/abi/exported_symbols.txt'), encoding='utf-8') as file:
        committed = set(file.read().split())
    for name, names in (('the library', exported(library)), ('the header', declared(root))):
        problems += [f'{symbol} is not in {name}' for symbol in sorted(committed - names)]
        problems += [f'{symbol} is in {name} only' for symbol in sorted(names - committed)]

    soname = re.search(r'SONAME.*\[(.*)\]', output('readelf', '-d', library))
    if soname is None or soname.group(1) != 'libvirglrenderer.so.1':
        problems.append(f'soname is {soname and soname.group(1)}')

    for unstable in ([], ['-DVIRGL_RENDERER_UNSTABLE_APIS']):
        for compiler, standard, language in ((sys.argv[3], '-std=c99', 'c'),
                                             (sys.argv[4], '-std=c++11', 'c++')):
            problem = header_problem(shlex.split(compiler), [standard, *unstable], language, root)
            if problem:
                problems.append(f'virglrenderer.h as {language}: {problem}')

    print('\n'.join(problems) or f'{len(committed)} symbols')
    sys.exit(1 if problems else 0)


main()
