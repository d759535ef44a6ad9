"""WebGPU programs on Dawn, as npm has it for node: the scripts in dawn/.

Equality is asked of every byte they read back; they also check what they can know by themselves.
"""

import fcntl
import os
import shutil
import subprocess

from harness import program

PACKAGES = ['nodejs']

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'dawn')
# The one file of npm's package that differs between platforms, below node_modules.
ADDON = 'webgpu/dist/linux-x64'
WANTED = ['webgpu/index.js', 'webgpu/package.json', ADDON]


def fetch(test):
    """Has npm put what dawn/package-lock.json names into the user's cache, once; the folder."""
    cache = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'),
                         'pv-venus')
    folder = os.path.join(cache, 'dawn')
    lock = os.path.join(SCRIPTS, 'package-lock.json')
    os.makedirs(cache, exist_ok=True)
    with open(folder + '.lock', 'w', encoding='utf-8') as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        fetched = os.path.join(folder, 'package-lock.json')
        if os.path.exists(fetched) and same(fetched, lock):
            return folder
        npm = shutil.which('npm')
        if npm is None:
            test.skip('npm is missing, which fetches Dawn: scripts/setup.sh test')
        new = folder + '.new'
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(new)
        for name in ('package.json', 'package-lock.json'):
            shutil.copy(os.path.join(SCRIPTS, name), new)
        # npm itself compares what it fetched with the checksums of the lock file.
        done = subprocess.run([npm, 'ci', '--ignore-scripts', '--no-audit', '--no-fund',
                               '--loglevel=error', '--fetch-retries=1', '--prefix', new],
                              cwd=new, capture_output=True, encoding='utf-8', check=False)
        if done.returncode != 0:
            test.skip('npm could not fetch Dawn: ' + (done.stderr.strip() or 'no reason').splitlines()[0])
        os.rename(new, folder)
    return folder


def same(a, b):
    with open(a, 'rb') as left, open(b, 'rb') as right:
        return left.read() == right.read()


def dawn(test, *names):
    """Runs scripts of dawn/ one after the other in one process, each with an instance of its own."""
    if os.uname().machine != 'x86_64':
        test.skip('Dawn comes for x86_64')
    test.require('node')
    source = os.path.join(fetch(test), 'node_modules')
    here = test.path('npm')     # the cache is not seen in every place
    for name in WANTED:
        target = os.path.join(here, 'node_modules', name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        copy = shutil.copytree if os.path.isdir(os.path.join(source, name)) else shutil.copy
        copy(os.path.join(source, name), target)
    command = ['node', os.path.join(SCRIPTS, 'main.mjs'), here, *names]
    native, ours = test.native(command), test.ours(command)
    test.same_text(native, ours)
    test.expect(len({line.split(' ')[0] for line in ours.output.splitlines()}) >= len(names),
                f'some scripts said nothing:\n{ours.output}')
    test.note(f'{len(ours.output.splitlines())} results equal')


@program()
def dawn_compute(test):
    """Reductions, atomics, half floats, subgroups, indirect dispatches; features and limits."""
    dawn(test, 'limits', 'sum', 'atomics', 'matrix', 'waves', 'half', 'subgroups', 'indirect',
         'offsets')


@program()
def dawn_render(test):
    """Depth, stencil, samples, blending, filters, several targets, bundles, occlusion."""
    dawn(test, 'triangle', 'cubes', 'sampling', 'blending', 'stencil', 'targets', 'occlusion')


@program()
def dawn_resources(test):
    """Thousands of buffers, mapping, textures of every format, timestamps, wrong use."""
    dawn(test, 'buffers', 'large', 'textures', 'loads', 'shapes', 'timestamps', 'mistakes')


@program()
def dawn_several(test):
    """Several instances at work at once, and devices that come and go."""
    dawn(test, 'instances', 'devices')
