"""Reads every #include of the tree and fails on an arrow that points back.

    include_graph.py SOURCE_ROOT [GENERATED_ROOT]

Left may include right, never back; the folders of one rank do not know each other:

    renderer -> handlers -> context -> { ring, blob, fence, trace } -> protocol
        -> { object, vk } -> wire -> base

abi/, server/, tools/ and examples/ stand outside and see only include/pv: proof that the API is enough.
"""

import os
import re
import sys

import tree

RANK = {
    'renderer': 7,
    'handlers': 6,
    'context': 5,
    'ring': 4, 'blob': 4, 'fence': 4, 'trace': 4,
    'protocol': 3,
    'object': 2, 'vk': 2,
    'wire': 1,
    'base': 0,
}

# The public headers are the contract of the top; below it only their plain types are used.
PUBLIC_FOR = {'base': {'log.h'}, 'wire': set(), 'object': set(), 'protocol': {'log.h'}}

OUTSIDE = ('abi', 'server', 'tools', 'examples')
# What the server speaks is a public protocol.
EXTRA = {('tools', 'server/serve.h'), ('tools', 'server/protocol.h')}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)
PLATFORM = re.compile(r'^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b[^\n]*\b'
                      r'(__APPLE__|__MACH__|__linux__|__linux)\b', re.MULTILINE)
PLATFORM_FILES = re.compile(r'^(src/base|server|tools|abi/virgl)/os_\w+\.[ch]$')


def includes(text):
    """Includes of our own headers: quoted ones, and <pv/...>."""
    for match in INCLUDE.finditer(text):
        quote, target = match.groups()
        if quote == '"' or target.startswith('pv/'):
            yield text.count('\n', 0, match.start()) + 1, target


def arrow_problem(folder, target):
    """Why a file of src/`folder` must not include `target`, or None."""
    owner, _, rest = target.partition('/')
    if not rest:
        return f'name the folder: "{folder}/{target}"'
    if owner == 'pv':
        if folder in PUBLIC_FOR and rest not in PUBLIC_FOR[folder]:
            return f'{folder} does not know the public API ({target})'
        return None
    if owner not in RANK:
        # Vulkan's own headers are the system's.
        return None if owner in ('vulkan', 'vk_video') else f'{target} is in no folder of src/'
    if owner != folder and RANK[owner] >= RANK[folder]:
        return f'{folder} must not include {owner} ({target})'
    return None


def outside_problem(folder, target):
    owner, _, rest = target.partition('/')
    if not rest or owner in (folder, 'pv') or (folder, target) in EXTRA:
        return None
    if folder == 'abi' and owner == 'virgl':
        return None
    return f'{folder} may include only pv/ and its own headers ({target})'


def check_file(path, text):
    parts = path.split('/')
    for line, target in includes(text):
        if parts[0] == 'src':
            problem = arrow_problem(parts[1], target)
        elif parts[0] == 'include':
            problem = None if target.startswith('pv/') else f'public headers stand alone ({target})'
        else:
            problem = outside_problem(parts[0], target)
        if problem:
            yield f'{path}:{line}: {problem}'
    if not PLATFORM_FILES.match(path):
        for match in PLATFORM.finditer(text):
            line = text.count('\n', 0, match.start()) + 1
            yield f'{path}:{line}: {match.group(1)} belongs in an os_*.c file'


def self_test():
    """The rules catch what they are for; a test that cannot fail proves nothing."""
    bad = {
        'src/base/x.c': '#include "ring/ring.h"\n',
        'src/wire/x.c': '#include "vk/library.h"\n',
        'src/ring/x.c': '#include "fence/pool.h"\n',
        'src/object/x.h': '# include "context/context.h"\n',
        'src/protocol/x.c': '#include <pv/renderer.h>\n',
        'src/vk/x.c': 'int x;\n#if defined(__linux__)\n#endif\n',
        'src/ring/y.c': '#include "thread.h"\n',
        'server/x.c': '#include "base/os.h"\n',
        'tools/x.c': '#include "server/connection.h"\n',
        'include/pv/x.h': '#include "base/log.h"\n',
    }
    good = {
        'src/renderer/x.c': '#include "pv/renderer.h"\n#include "base/os.h"\n',
        'src/blob/x.c': '#include "vk/library.h"\n#include <sys/mman.h>\n',
        'src/base/os_linux.c': '#ifdef __linux__\n#endif\n#include "pv/log.h"\n',
        'tools/x.c': '#include "server/serve.h"\n#include "pv/context.h"\n',
    }
    for path, text in bad.items():
        assert list(check_file(path, text)), f'{path} should be refused'
    for path, text in good.items():
        problems = list(check_file(path, text))
        assert not problems, problems


def main():
    self_test()
    root = sys.argv[1]
    problems = []
    paths = tree.files(root, '.c', '.h', under=['include', 'src', *OUTSIDE])
    for path in paths:
        problems += check_file(path, tree.read(root, path))

    # Generated sources lie in the build folder under the same names.
    generated = []
    if len(sys.argv) > 2 and os.path.isdir(os.path.join(sys.argv[2], 'src')):
        generated = [path for path in tree.files(sys.argv[2], '.c', '.h', under=['src'])
                     if path.split('/')[1] in RANK]
        for path in generated:
            problems += check_file(path, tree.read(sys.argv[2], path))
    tree.finish(problems, f'{len(paths)} files and {len(generated)} generated ones')


main()
