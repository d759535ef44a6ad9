"""Programs that say what a device can do, and our own demo."""

import collections
import csv
import os
import re
import subprocess

from harness import HERE, ROOT, program

PACKAGES = ['libpng16-16t64']


@program(places=('machine',))
def demo(test):
    """Draws, pixel by pixel, what it draws on the host's driver."""
    draw = [os.path.join(test.place.build, 'demo/pv-demo'), '--frames', '6', '--output']
    # As in tests/e2e/main.c: the guest driver leaves a few bytes in the client.
    no_leaks = {'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'}
    test.native([*draw, test.path('native.png')])
    test.ours([*draw, test.path('ours.png')], env=no_leaks)
    compared = subprocess.run([os.path.join(test.place.build, 'demo/pv-compare'),
                               test.path('native.png'), test.path('ours.png')],
                              capture_output=True, encoding='utf-8', check=False)
    test.expect(compared.returncode == 0, compared.stdout + compared.stderr)
    test.note(compared.stdout.strip())


def sections(report):
    """{title: lines} without indentation; a title has a line of - or = below it."""
    found, title, lines = {}, '', report.splitlines()
    for line, below in zip(lines, [*lines[1:], '']):
        ruler = re.fullmatch(r'\s*[-=]{3,}', line)
        if not ruler and re.fullmatch(r'\s*[-=]{3,}', below):
            # Counts and names in titles differ.
            title = re.sub(r'( count = \d+| \(.*\)|:)', '', ' '.join(line.split()))
        elif line.strip() and not ruler:
            found.setdefault(title, []).append(' '.join(line.split()))
    return found


def formats(report):
    """`format NAME: where feature` for each, whatever groups the report makes of them."""
    found = set()
    for group in re.split(r'(?m)^Common Format Group\[\d+\]:', report)[1:]:
        names, _, properties = group.partition('Properties:')
        where = ''
        for line in map(str.strip, properties.splitlines()):
            kind = re.match(r'(linear|optimal|buffer)\w+', line)
            where = kind.group() if kind else where
            if line.startswith('FORMAT_FEATURE'):
                found |= {f'format {name}: {where} {line}'
                          for name in re.findall(r'FORMAT_(\w+)', names)}
    return found


def differences(native, ours):
    """The lines that only one report has. Structures of absent extensions are left out."""
    a, b = sections(native), sections(ours)
    found = sorted(formats(native) ^ formats(ours))
    for title in a:
        if title in b and not title.startswith('Format Properties'):
            left, right = collections.Counter(a[title]), collections.Counter(b[title])
            found += [f'{title}: {line}' for line in [*(left - right), *(right - left)]]
    return [re.sub(r'.*?: (VK_\w+) : extension.*', r'extension \1', line) for line in found]


@program(package='vulkan-tools')
def vulkaninfo(test):
    """The whole report: each difference must be in vulkaninfo.txt, with its cause."""
    command = ['vulkaninfo', '--show-formats']
    native, ours = test.native(command).output, test.ours(command).output
    test.expect('Virtio-GPU Venus (' in ours, 'no Venus device in the report')
    with open(os.path.join(ROOT, 'generator/registry/extensions.csv'), encoding='utf-8') as file:
        carried = {row['name'] for row in csv.DictReader(file)}
    with open(os.path.join(HERE, 'vulkaninfo.txt'), encoding='utf-8') as file:
        rows = [line.strip().split(' | ') for line in file if ' | ' in line and line[0] != '#']
    table = [(pattern, cause) for places, pattern, cause in rows
             if places == '*' or test.place.name in places.split(',')]

    causes, unknown = collections.Counter(), []
    for line in differences(native, ours):
        extension = re.fullmatch(r'extension (VK_\w+)', line)
        cause = next((cause for pattern, cause in table if re.search(pattern, line)), None)
        if extension and extension.group(1) not in carried and extension.group(1) not in ours:
            cause = 'protocol: it does not carry the extension'
        if cause:
            causes[cause.split(':')[0]] += 1
        else:
            unknown.append(line)
    test.expect(not unknown, f'{len(unknown)} unknown differences\n' + '\n'.join(unknown[:60]))
    # What this is all about: a new version of Vulkan and windows.
    version = tuple(map(int, re.search(r'apiVersion += (\d+)\.(\d+)', ours).groups()))
    wanted = (1, 3) if test.version('mesa-vulkan-drivers') < '26' else (1, 4)
    test.expect(version >= wanted or not built_with_1_4(test) and version >= (1, 3),
                f'Vulkan {version}, not {wanted}')
    test.expect('VK_KHR_swapchain ' in ours, 'no swapchain')
    test.note(f'Vulkan {version[0]}.{version[1]}; {len(native.splitlines())} lines, differing by ' +
              ', '.join(f'{cause}: {count}' for cause, count in causes.most_common()))


def built_with_1_4(test):
    """Whether the build's headers know Vulkan 1.4 (docs/differences.md)."""
    with open(os.path.join(test.place.build, 'src/vk/functions.h'), encoding='utf-8') as file:
        return 'vkCmdPushConstants2' in file.read()
