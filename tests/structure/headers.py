"""Compiles every header alone: the public ones as C11 and C++11 with -Wpedantic, the private
ones as C11 with the project's macros.

    headers.py SOURCE_ROOT BUILD_ROOT C_COMPILER CXX_COMPILER
"""

import concurrent.futures
import os
import shlex
import subprocess
import sys

import tree

STRICT = ['-fsyntax-only', '-Wall', '-Wextra', '-Wpedantic', '-Werror']
# A header need not use each static function it defines.
PRIVATE = ['-fsyntax-only', '-Wall', '-Wextra', '-Werror', '-Wno-unused-function', '-D_GNU_SOURCE']


def compile_alone(compiler, flags, language, header):
    command = [*compiler, *flags, '-x', language, '-']
    # Twice: the guard works too.
    source = f'#include "{header}"\n#include "{header}"\nextern int pv_only_header;\n'
    result = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return None
    return f'{header} ({language}): {result.stderr.strip()}'


def main():
    root, build = sys.argv[1:3]
    c_compiler, cxx_compiler = shlex.split(sys.argv[3]), shlex.split(sys.argv[4])
    include = ['-I' + os.path.join(root, 'include')]
    private = include + ['-I' + os.path.join(root, 'src'), '-I' + os.path.join(build, 'src')]

    jobs = []
    for path in tree.files(root, '.h', under=['include']):
        header = os.path.relpath(path, 'include')
        jobs.append((c_compiler, ['-std=c11', *STRICT, *include], 'c', header))
        jobs.append((cxx_compiler, ['-std=c++11', *STRICT, *include], 'c++', header))
    own = tree.files(root, '.h', under=['src'])
    generated = tree.files(build, '.h', under=['src']) if os.path.isdir(build + '/src') else []
    for path in own + generated:
        header = os.path.relpath(path, 'src')
        jobs.append((c_compiler, ['-std=c11', *PRIVATE, *private], 'c', header))

    # The check itself must be able to fail.
    assert compile_alone(c_compiler, ['-std=c11', *PRIVATE, *private], 'c', 'no/such.h')

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda job: compile_alone(*job), jobs)
        tree.finish([problem for problem in results if problem], f'{len(jobs)} compilations')


main()
