"""What is made of the installed registry: which commands, and which extensions guests are told of.

    registry_test.py VK_XML

Everything with a registry that is new enough, otherwise what that registry has.
"""

import pathlib
import re
import sys
import tempfile
import tomllib

import generator

# The registry that Mesa 26.2 and this protocol were made from.
COMPLETE = (1, 4, 343)

# vk_extension_mask1 with all extensions of the protocol.
MASK = [
    0x2001c001, 0x30402000, 0x005f6bef, 0xc25660c0, 0xf0bb6919, 0xa2658e0c, 0x41310562, 0xf0e47a0f,
    0x9625b474, 0x0800054d, 0x30b70a5a, 0xc6000233, 0x5002073b, 0x000800ca, 0x008d0150, 0x08198004,
    0x00c2e001, 0x01288007, 0x20000090, 0x00000020, 0x00000008,
]

# The subset that Mesa 25.0 was made from.
MASK_25_0 = [
    0x20008001, 0x30402000, 0x005f6bcb, 0xc25660c0, 0xe01a2819, 0x8265060c, 0x41310162, 0xd0c4600c,
    0x86201454, 0x08000549, 0x00350842, 0xc4000233, 0x50020703, 0x00000080, 0x00810140, 0x00108000,
]
NEWEST_OF_25_0 = (1, 3, 269)


def bits(words):
    return sum(word << (32 * i) for i, word in enumerate(words))


def main():
    vk_xml = sys.argv[1]
    report = generator.Report()
    inputs = {'vk-xml': vk_xml}
    with tempfile.TemporaryDirectory() as folder:
        result = generator.run(inputs, folder)
        report.case('is accepted', result.returncode == 0, *result.stderr.splitlines()[-5:])
        made = {path.name: path.read_text() for path in pathlib.Path(folder).iterdir()}
    version = tuple(int(n) for n in re.search(r'from vk\.xml (\d+)\.(\d+)\.(\d+)',
                                               made['commands.h']).groups())
    commands = re.findall(r'^void pv_decode_(vk\w+)', made['commands.h'], re.MULTILINE)
    with open(generator.ROOT / 'generator' / 'policy.toml', 'rb') as file:
        policy = tomllib.load(file)['commands']
    words = {name for word in ('forward', 'custom', 'reject') for name in policy[word].split()}

    report.case('decodes no command twice', len(commands) == len(set(commands)))
    report.case('decodes no command without a word', set(commands) <= words)
    missing = sorted(words - set(commands))
    if version >= COMPLETE:
        report.case('decodes all 325 commands', not missing, *missing)
    else:
        text = pathlib.Path(vk_xml).read_text(encoding='utf-8')
        lost = [name for name in missing if f'<name>{name}</name></proto>' in text]
        report.case('decodes all commands that this registry has', not lost, *lost)
        report.case('decodes most of the 325 commands', len(commands) >= 300,
                    f'{len(commands)} commands')

    numbers = generator.numbers_in(made['extensions.c'], r'{ "VK_\w+", (\d+),')
    mask = sum(1 << n for n in set(numbers)) | 1
    report.case('tells of no extension twice', len(numbers) == len(set(numbers)))
    if version >= COMPLETE:
        report.case('tells of exactly the extensions of the protocol', mask == bits(MASK),
                    f'{mask ^ bits(MASK):#x}')
    else:
        report.case('tells of no extension outside the protocol', mask & ~bits(MASK) == 0)
        report.case('tells of most extensions', len(numbers) >= 90, f'{len(numbers)} extensions')
    if version >= NEWEST_OF_25_0:
        report.case('tells of all that Mesa 25.0 knows', mask & bits(MASK_25_0) == bits(MASK_25_0))
    report.finish()


main()
