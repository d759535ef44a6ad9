"""The policy file is complete, and mistakes in an input give one line that says what is wrong.

    policy_test.py
"""

import csv
import pathlib
import tempfile
import tomllib

import generator

REGISTRY = generator.ROOT / 'generator' / 'registry'


def changed(folder, name, old, new):
    """The small registry with one of its files changed."""
    text = generator.MINI[name].read_text()
    assert text.count(old) == 1, f'{name}: {old}'
    path = pathlib.Path(folder) / generator.MINI[name].name
    path.write_text(text.replace(old, new))
    return {**generator.MINI, name: path}


MISTAKES = [
    ('a command with two words', 'policy', 'vkFreePots vkHeatKilnMESA',
     'vkFreePots vkHeatKilnMESA vkCreatePot', 'policy.toml: vkCreatePot has two words'),
    ('a command named twice', 'policy', 'vkCreatePot ', 'vkCreatePot vkCreatePot ',
     'policy.toml: vkCreatePot has two words'),
    ('a command without a number', 'policy', 'vkCreatePot ', 'vkCreatePot vkBreakPot ',
     'policy.toml: vkBreakPot has no number in commands.csv'),
    ('a command without a word', 'policy', 'vkDestroyPot ', '',
     'policy.toml: vkDestroyPot has no word'),
    ('a command of a newer registry without a word', 'policy', 'vkOfTomorrow\n', '\n',
     'policy.toml: vkOfTomorrow has no word'),
    ('a word for what cannot be carried', 'policy', 'vkCreatePot ', 'vkCreatePot vkGetPotFdKHR ',
     'policy.toml: vkGetPotFdKHR has a word but cannot be carried'),
    ('objects kept for an unknown command', 'policy', 'keep_objects = """\nvkFreePots',
     'keep_objects = """\nvkDropPots', 'policy.toml: vkDropPots has no word'),
    ('a policy that is no TOML', 'policy', '[types]', '[types', 'policy.toml: '),
    ('a registry that is no XML', 'vk-xml', '</registry>', '', 'vk.xml'),
    ('a structure whose type has no value', 'vk-xml',
     '        <enum value="4" name="VK_STRUCTURE_TYPE_POT_ALLOCATE_INFO"/>\n', '',
     'VkPotAllocateInfo: VK_STRUCTURE_TYPE_POT_ALLOCATE_INFO has no value'),
    ('structures that nest without end', 'vk-xml',
     '<member><type>VkDeviceSize</type> <name>size</name></member>',
     '<member optional="true">const <type>VkSpan</type>* <name>pInner</name></member>',
     'VkSpan nests without end'),
]


def check_mistakes(report):
    for title, name, old, new, expected in MISTAKES:
        with tempfile.TemporaryDirectory() as folder:
            result = generator.run(changed(folder, name, old, new), folder)
        lines = result.stderr.strip().splitlines()
        good = result.returncode == 1 and len(lines) == 1 and expected in lines[0]
        report.case(f'refuses {title}', good, *([] if good else lines[-5:] or ['no message']))
    with tempfile.TemporaryDirectory() as folder:
        result = generator.run({**generator.MINI, 'vk-xml': '/nowhere/vk.xml'}, folder)
    report.case('refuses a registry that is not there', result.returncode == 1 and
                result.stderr == '/nowhere/vk.xml: No such file or directory\n')


def main():
    report = generator.Report()
    with open(REGISTRY / 'commands.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    with open(generator.ROOT / 'generator' / 'policy.toml', 'rb') as file:
        commands = tomllib.load(file)['commands']
    words = [name for word in ('forward', 'custom', 'reject') for name in commands[word].split()]
    carried = [row['name'] for row in rows if row['wire'] == 'yes']
    report.case('345 numbers, 325 of them with an encoding',
                len(rows) == 345 and len(carried) == 325)
    report.case('each command that can be carried has exactly one word',
                sorted(words) == sorted(carried))
    check_mistakes(report)
    report.finish()


main()
