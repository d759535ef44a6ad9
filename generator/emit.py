#!/usr/bin/env python3
"""Prints the generated C: emit.py --vk-xml vk.xml --output DIR FILE [FILE ...]

FILE names one of OUTPUTS below. The same input gives the same output, byte for byte.
"""

import argparse
import pathlib
import re
import sys
import tomllib
import xml.etree.ElementTree as ElementTree

import jinja2

from describe import Describer
from formats import read_formats
from registry import Registry
from wire import FULL, MAX_RUN, PARTIAL, REPLY, Wire

HERE = pathlib.Path(__file__).resolve().parent

PARTS = {
    'instance': ('global', 'instance', 'physical_device', 'transport'),
    'device': ('device', 'queue'),
    'command_buffer': ('command_buffer',),
}

# Output file -> (template, part of the commands)
OUTPUTS = {
    'venus.h': ('venus.h.j2', None),
    'structs.h': ('structs.h.j2', None),
    'structs.c': ('structs.c.j2', None),
    'commands.h': ('commands.h.j2', None),
    'commands_instance.c': ('commands.c.j2', 'instance'),
    'commands_device.c': ('commands.c.j2', 'device'),
    'commands_command_buffer.c': ('commands.c.j2', 'command_buffer'),
    'extensions.c': ('extensions.c.j2', None),
    'describe.c': ('describe.c.j2', None),
    'formats.c': ('formats.c.j2', None),
    'functions.h': ('functions.h.j2', None),
    'functions.c': ('functions.c.j2', None),
    'dispatch.c': ('dispatch.c.j2', None),
    'handlers.h': ('handlers.h.j2', None),
}

SCOPES = {'VkInstance': 'instance', 'VkPhysicalDevice': 'physical_device', 'VkDevice': 'device',
          'VkQueue': 'queue', 'VkCommandBuffer': 'command_buffer'}
GLOBAL = ('vkCreateInstance', 'vkEnumerateInstanceVersion', 'vkGetInstanceProcAddr',
          'vkEnumerateInstanceExtensionProperties', 'vkEnumerateInstanceLayerProperties')


class Model:
    """Everything the templates ask about."""

    def __init__(self, registry, policy):
        self.registry = registry
        self.policy = policy
        self.wire = Wire(registry, policy)
        self.words = self._read_words(policy['commands'])
        self.checked = set(policy['types']['checked'])
        self.checked_commands = set(policy['commands']['checked'].split())
        self.keep_objects = set(policy['commands']['keep_objects'].split())
        self.keeps_poison = set(policy['commands']['keeps_poison'].split())
        self.commands = [c for c in registry.commands if c.name in self.words and
                         self.wire.command_serialisable(c)]
        self._check_policy()
        self._check_depth()
        self._needed = set()
        self._roots = {}
        for command in self.commands:
            for step in self.request_steps(command) + self.reply_steps(command):
                self._visit(step)
        self.kinds = {c.name: self._kind(c) for c in self.commands}

    def _read_words(self, section):
        words = {}
        for word in ('forward', 'custom', 'reject'):
            for name in section[word].split():
                if name in words:
                    sys.exit(f'policy.toml: {name} has two words')
                words[name] = word
        return words

    def _check_policy(self):
        numbered = set(self.registry.command_names.values())
        for name in self.words:
            if name not in numbered:
                sys.exit(f'policy.toml: {name} has no number in commands.csv')
            if name not in self.registry.carried_names:
                sys.exit(f'policy.toml: {name} has a word but cannot be carried')
        for number, name in sorted(self.registry.command_names.items()):
            if name in self.registry.carried_names and name not in self.words:
                sys.exit(f'policy.toml: {name} has no word')
        for name in self.keep_objects | self.keeps_poison | self.checked_commands:
            if name not in self.words:
                sys.exit(f'policy.toml: {name} has no word')

    def _check_depth(self):
        """Structures nest to a depth that the registry fixes, never the guest."""
        done, path = set(), []

        def visit(type_):
            if type_.name in path:
                sys.exit(f'vk.xml: {" > ".join(path)} > {type_.name} nests without end: '
                         'block one of them in policy.toml')
            if type_.name in done or type_.category not in ('struct', 'union'):
                return
            path.append(type_.name)
            for m in type_.members:
                if m.name != 'pNext' and self.wire.carried(m):
                    visit(m.type)
            for node in self.wire.chain_types(type_) if type_.stype else []:
                visit(node)
            path.pop()
            done.add(type_.name)
        for command in self.commands:
            for p in command.params:
                if self.wire.carried(p):
                    visit(p.type)

    # -- commands -----------------------------------------------------------------------------

    def scope(self, command):
        if command.name in GLOBAL:
            return 'global'
        if not command.params:
            return 'transport'
        return SCOPES.get(command.params[0].type.name, 'transport')

    def table(self, command):
        return {'global': 'global', 'instance': 'instance', 'physical_device': 'instance',
                'transport': None}.get(self.scope(command), 'device')

    def call_scope(self, command):
        return 'device' if self.table(command) == 'device' else 'instance'

    def created(self, command):
        return [p for p in command.params if self.wire.param_is_out(p) and
                p.type.category == 'handle' and p.type.name not in ('VkPhysicalDevice',)]

    def _kind(self, command):
        if self.destroys(command) and self.words[command.name] == 'forward':
            return 'destroy'
        created = self.created(command)
        if created and self.words[command.name] == 'forward':
            if len(created) != 1 or created[0].length:
                sys.exit(f'policy.toml: {command.name} creates several objects: custom')
            return 'create'
        return 'call'

    @staticmethod
    def destroys(command):
        """vkDestroyX(device, x, pAllocator)"""
        return re.match(r'vkDestroy', command.name) and len(command.params) == 3 and \
            command.params[0].type.name == 'VkDevice'

    def arguments(self, command):
        return ', '.join(f'cmd.{p.name}' for p in command.params)

    def fields(self, command):
        """The members of struct pv_cmd_*."""
        fields = []
        for p, mode, _ in self.wire.param_modes(command):
            declaration = p.declaration
            if p.dims:
                declaration = declaration.replace('const ', '')
            fields.append(declaration)
            if p.type.category == 'handle' and not p.pointers:
                fields.append(f'struct pv_object *{p.name}_obj')
            elif mode == PARTIAL and p.type.category == 'handle' and not p.length:
                fields.append(f'uint64_t {p.name}_id')
            elif mode == PARTIAL and p.type.category == 'handle':
                fields.append(f'const uint64_t *{p.name}_ids')
                fields.append(f'uint64_t {p.name}_count')
            elif mode == PARTIAL and p.length:
                fields.append(f'uint64_t {p.name}_count')
            elif command.name in self.keep_objects and p.type.category == 'handle':
                fields.append(f'struct pv_object *const *{p.name}_objs')
        if command.result != 'void':
            fields.append(f'{command.result} ret')
        return fields or ['char unused']

    def request_steps(self, command):
        lengths = self.wire.lengths_of(command.params)
        steps = []
        for p, mode, _ in self.wire.param_modes(command):
            for step in self.wire._member_steps(p, mode, 'cmd->', command.params, lengths,
                                                command.name):
                if p.type.category == 'handle':
                    self._refine_handle(command, p, mode, step)
                steps.append(step)
        return self.wire._merge(steps)

    def _refine_handle(self, command, p, mode, step):
        if not p.pointers:
            load = step.loads[0]
            load.kind = 'scope' if p is command.params[0] else 'object'
            load.path = p.name
            load.count = 0 if p.optional or p.noautovalidity else 1
        elif mode == PARTIAL:
            step.kind = 'new_handles' if p.length else 'new_handle'
        elif command.name in self.keep_objects:
            step.kind = 'objects'

    def reply_steps(self, command):
        lengths = self.wire.lengths_of(command.params)
        steps = []
        for p, mode, replied in self.wire.param_modes(command):
            if not replied:
                continue
            for step in self.wire._member_steps(p, REPLY, 'cmd->', command.params, lengths,
                                                command.name):
                if p.type.category == 'handle':
                    step.kind = 'new_handles' if p.length else 'new_handle'
                elif step.kind in ('array', 'blob') and mode == FULL:
                    sys.exit(f'{command.name}.{p.name}: array both in and out')
                steps.append(step)
        return steps

    def counted_outputs(self, command):
        """(array, length) of outputs whose length is an output, too."""
        by_name = {p.name: p for p, _, replied in self.wire.param_modes(command) if replied}
        return [(p, by_name[p.length[0]]) for p in by_name.values()
                if p.length and p.length[0] in by_name]

    # -- what must be generated ---------------------------------------------------------------

    def _visit(self, step):
        if step.member is None or step.kind in ('new_handle', 'new_handles', 'objects', 'null'):
            return
        self._need(step.member.type, step.mode)

    def _need(self, type_, mode):
        if type_.category not in ('struct', 'union'):
            return
        if mode != PARTIAL and self.wire.fixed_size(type_) is not None:
            return
        if (type_.name, mode) in self._needed:
            return
        if mode == PARTIAL and not type_.stype and not self._partial_steps(type_):
            return
        self._needed.add((type_.name, mode))
        if type_.category == 'union' and mode == REPLY:
            sys.exit(f'{type_.name}: a union in a reply')
        for step in self.wire.steps(type_.members, mode, 'out->', type_.name,
                                    bool(type_.stype)):
            self._visit(step)
        if type_.stype:
            self._roots[type_.name] = type_
            for node in self.wire.chain_types(type_):
                self._need(node, mode)

    def _partial_steps(self, type_):
        if type_.category == 'union':
            return []
        steps = self.wire.steps(type_.members, PARTIAL, 'out->', type_.name)
        return [s for s in steps if s.kind != 'struct' or s.member.type.stype or
                self._partial_steps(s.member.type)]

    def needs(self, type_, mode):
        return (type_.name, mode) in self._needed

    def aggregates(self):
        """Structures and unions with generated functions, in the order of the registry."""
        names = {name for name, _ in self._needed}
        return [t for t in self.registry.types.values() if t.name in names]

    def chain_roots(self):
        return [t for t in self.aggregates() if t.name in self._roots and
                (self.needs(t, FULL) or self.needs(t, PARTIAL))]

    def chain_types(self):
        nodes = {}
        for root in self._roots.values():
            for node in self.wire.chain_types(root):
                nodes[node.name] = node
        return sorted(nodes.values(), key=lambda t: t.stype_value)

    def selected(self, union):
        return union.name not in self.wire.default_tags

    # -- the driver's functions ---------------------------------------------------------------

    def functions(self):
        tables = {'global': [], 'instance': [], 'device': []}
        commands = [c for c in self.registry.commands if c.name in self.words] + \
            [c for c in map(self.registry.host_command,
                            self.policy['host']['commands'].split()) if c]
        seen = set()
        for command in commands:
            table = self.table(command)
            if command.name == 'vkGetDeviceProcAddr':
                table = 'instance'
            if not table or 'MESA' in command.name or command.name in seen:
                continue
            if any(p.type.category == 'opaque' for p in command.params):
                continue  # needs a type that this registry's headers do not have
            seen.add(command.name)
            tables[table].append(command)
        return tables


def indent(text):
    """Lays C out by its braces, so that templates need not care."""
    lines = []
    depth = parentheses = 0
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped:
            if depth == 0 and lines and lines[-1]:
                lines.append('')
            continue
        level = depth - (len(stripped) - len(stripped.lstrip('}')))
        if re.fullmatch(r'(case .*|default|\w+):', stripped):
            level -= 1
        keep = stripped.startswith('#') or parentheses > 0
        lines.append(line.rstrip() if keep else '    ' * level + stripped)
        depth += stripped.count('{') - stripped.count('}')
        parentheses += stripped.count('(') - stripped.count(')')
    return '\n'.join(lines) + '\n'


def read(options):
    """The model, or one line that says what is wrong with an input."""
    try:
        registry = Registry(options.vk_xml, options.venus_xml, options.commands,
                            options.extensions)
        with open(options.policy, 'rb') as file:
            policy = tomllib.load(file)
    except OSError as error:
        sys.exit(f'{error.filename}: {error.strerror}')
    except ElementTree.ParseError as error:
        sys.exit(f'{options.vk_xml} or {options.venus_xml}: {error}')
    except tomllib.TOMLDecodeError as error:
        sys.exit(f'{options.policy}: {error}')
    except ValueError as error:
        sys.exit(f'{options.vk_xml}: {error}')
    return registry, Model(registry, policy)


def main():
    parser = argparse.ArgumentParser(description='Prints the generated C.')
    parser.add_argument('--vk-xml', required=True)
    parser.add_argument('--venus-xml', default=HERE / 'registry' / 'venus.xml')
    parser.add_argument('--commands', default=HERE / 'registry' / 'commands.csv')
    parser.add_argument('--extensions', default=HERE / 'registry' / 'extensions.csv')
    parser.add_argument('--policy', default=HERE / 'policy.toml')
    parser.add_argument('--output', required=True)
    parser.add_argument('files', nargs='+', choices=OUTPUTS)
    options = parser.parse_args()

    registry, model = read(options)
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE / 'templates'),
                                     trim_blocks=True, lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    chain_types = model.chain_types()
    version = registry.header_version
    environment.globals.update(
        registry=registry, wire=model.wire, max_run=MAX_RUN, checked=model.checked,
        checked_commands=model.checked_commands, needs=model.needs, words=model.words,
        kinds=model.kinds, keeps_poison=model.keeps_poison, aggregates=model.aggregates(),
        describe=Describer(model), chain_roots=model.chain_roots(), chain_types=chain_types,
        chain_index={t.name: i for i, t in enumerate(chain_types)},
        wire_selected=model.selected, fields=model.fields, request_steps=model.request_steps,
        reply_steps=model.reply_steps, counted_outputs=model.counted_outputs,
        destroys=model.destroys, created=model.created, arguments=model.arguments,
        scope=model.call_scope, functions=model.functions(), version=version,
        command_count=max(registry.command_names) + 1,
        formats=read_formats(options.vk_xml),
        extensions=sorted((e for e in registry.extensions.values()
                           if e.available or e.offered == 'protocol'), key=lambda e: e.name),
        source=f'vk.xml {version[0]}.{version[1]}.{version[2]} and registry/venus.xml')
    for name in options.files:
        template, part = OUTPUTS[name]
        commands = [c for c in model.commands
                    if part is None or model.scope(c) in PARTS[part]]
        text = environment.get_template(template).render(commands=commands, part=part)
        (pathlib.Path(options.output) / name).write_text(indent(text))


if __name__ == '__main__':
    main()
