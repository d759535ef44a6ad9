"""The model: what vk.xml and our own registry say, as plain objects.

Nothing here knows C or the wire. Only what Venus can carry is kept: the core versions and the
extensions of registry/extensions.csv, as far as the installed vk.xml has them.
"""

import csv
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

# Size in bytes of the plain C types that occur. size_t is a type of its own on the wire.
PRIMITIVES = {
    'uint8_t': 1, 'int8_t': 1, 'char': 1,
    'uint16_t': 2, 'int16_t': 2,
    'uint32_t': 4, 'int32_t': 4, 'int': 4, 'float': 4,
    'uint64_t': 8, 'int64_t': 8, 'double': 8,
    'size_t': 8,
}


@dataclass
class Type:
    name: str
    category: str  # primitive, handle, enum, struct, union, opaque
    size: int = 0  # bytes in C and on the wire; 0 for struct, union, opaque
    members: list = field(default_factory=list)
    stype: str = ''  # VK_STRUCTURE_TYPE_..., for structures that have sType
    stype_value: int = 0
    extends: list = field(default_factory=list)  # names of root structures
    object_type: str = ''  # VK_OBJECT_TYPE_..., for handles
    dispatchable: bool = False
    allow_duplicate: bool = False  # may stand several times in one pNext chain
    values: str = ''  # name in Registry.enums of the values of an enum or of the bits of a bitmask


@dataclass
class Member:
    """A member of a structure or a parameter of a command."""
    name: str
    type: Type
    pointers: int  # levels of indirection
    const: bool  # the innermost pointee is const
    dims: list  # fixed array dimensions, as text
    length: list  # 'len', one entry a pointer level; [] when it points to one thing
    optional: bool
    elements_optional: bool  # what an array holds may be NULL, too
    noautovalidity: bool
    stride: str  # the sibling that says how far apart the elements are
    selector: str  # the sibling that selects a union's member
    selection: list  # for members of unions: the selector values
    declaration: str  # C declaration with the name


@dataclass
class Command:
    number: int
    name: str  # the canonical name, of the newest core version that has it
    c_name: str  # the name in the installed headers
    aliases: list  # all names under which a driver may offer it
    result: str  # C return type
    params: list


@dataclass
class Extension:
    number: int
    name: str
    spec_version: int
    offered: str  # driver, instance, guest, protocol
    available: bool  # in the installed registry


class Registry:
    def __init__(self, vk_xml, own_xml, commands_csv, extensions_csv):
        self.types = {}
        self.enum_values = {}
        self.enums = {}  # enumeration -> {name: value}, without aliases
        self.wide_enums = set()  # of 64 bits
        self.constants = {}
        self._aliases = {}
        self._command_elements = {}
        self._command_aliases = {}
        self.extensions = self._read_extensions(extensions_csv)
        roots = [ElementTree.parse(path).getroot() for path in (vk_xml, own_xml)]
        self.header_version = self._read_header_version(roots[0])
        for root in roots:
            self._collect_names(root)
        for root in roots:
            self._collect_enums(root)
        self.required = self._read_required(roots)
        for root in roots:
            self._collect_types(root)
        for root in roots:
            for command in root.findall('commands/command'):
                self._collect_command(command)
        self.commands = self._read_commands(commands_csv)
        self.own_structs = [t.get('name') for t in roots[1].findall('types/type')
                            if t.get('category') == 'struct']
        self.own_bitmasks = [t.findtext('name') for t in roots[1].findall('types/type')
                             if t.get('category') == 'bitmask']
        self.own_enums = [(e.get('name'), e.get('value')) for e in roots[1].iter('enum')]

    # -- reading ------------------------------------------------------------------------------

    @staticmethod
    def _in_vulkan(element):
        return 'vulkan' in element.get('api', 'vulkan').split(',')

    @staticmethod
    def _read_header_version(root):
        patch = minor = 0
        for element in root.iter('type'):
            if element.get('category') != 'define' or not Registry._in_vulkan(element):
                continue
            text = ''.join(element.itertext())
            if element.findtext('name') == 'VK_HEADER_VERSION':
                patch = int(text.split('VK_HEADER_VERSION')[1].split()[0])
            if element.findtext('name') == 'VK_HEADER_VERSION_COMPLETE':
                minor = int(re.search(r'\(\s*0\s*,\s*1\s*,\s*(\d+)', text).group(1))
        return (1, minor, patch)

    def _read_extensions(self, path):
        with open(path, newline='') as file:
            rows = list(csv.DictReader(file))
        return {row['name']: Extension(int(row['number']), row['name'], int(row['spec_version']),
                                       row['offered'], False) for row in rows}

    def _collect_names(self, root):
        for element in root.iter('type'):
            if element.get('alias') and self._in_vulkan(element):
                self._aliases[element.get('name')] = element.get('alias')

    def _collect_enums(self, root):
        for enums in root.findall('enums'):
            if enums.get('bitwidth') == '64':
                self.wide_enums.add(enums.get('name'))
            for enum in enums.findall('enum'):
                if not self._in_vulkan(enum) or enum.get('alias'):
                    continue
                if enums.get('name') in ('API Constants', None):
                    self.constants[enum.get('name')] = enum.get('value')
                else:
                    self._add_value(enums.get('name'), enum.get('name'), self._value(enum))
        for owner in list(root.findall('feature')) + list(root.findall('extensions/extension')):
            for enum in owner.iter('enum'):
                if enum.get('offset') is not None and self._in_vulkan(enum):
                    number = int(enum.get('extnumber', owner.get('number', '0')))
                    value = 1000000000 + (number - 1) * 1000 + int(enum.get('offset'))
                    sign = -1 if enum.get('dir') == '-' else 1
                    self._add_value(enum.get('extends'), enum.get('name'), sign * value)
                elif enum.get('extends') and not enum.get('alias') and self._in_vulkan(enum):
                    self._add_value(enum.get('extends'), enum.get('name'), self._value(enum))
                elif enum.get('value') is not None and enum.get('name').endswith('_SPEC_VERSION'):
                    if owner.get('name') in self.extensions and enum.get('value').isdigit():
                        extension = self.extensions[owner.get('name')]
                        extension.spec_version = min(extension.spec_version,
                                                     int(enum.get('value')))

    @staticmethod
    def _value(enum):
        if enum.get('bitpos') is not None:
            return 1 << int(enum.get('bitpos'))
        return int(enum.get('value'), 0)

    def _add_value(self, enumeration, name, value):
        self.enum_values[name] = value
        self.enums.setdefault(enumeration, {})[name] = value

    def _read_required(self, roots):
        """Names of the types and commands that Venus's versions and extensions bring."""
        features = {}
        names = set()
        for root in roots:
            for feature in root.findall('feature'):
                if self._in_vulkan(feature):
                    features[feature.get('name')] = feature
            for extension in root.findall('extensions/extension'):
                known = self.extensions.get(extension.get('name'))
                if known and 'vulkan' in extension.get('supported', '').split(','):
                    known.available = True
        supported = set(features) | {e.name for e in self.extensions.values() if e.available}
        owners = list(features.values()) + [
            extension for root in roots for extension in root.findall('extensions/extension')
            if extension.get('name') in supported]
        for owner in owners:
            for require in owner.findall('require'):
                if self._in_vulkan(require) and self._holds(require, supported):
                    names |= {e.get('name') for e in require if e.tag in ('type', 'command')}
        # Promoted names arrive through the alias, too.
        for alias, target in self._aliases.items():
            if alias in names:
                names.add(target)
        return names

    @staticmethod
    def _holds(require, supported):
        """Whether the other extensions a <require> block depends on are there."""
        for attribute in ('feature', 'extension'):
            if require.get(attribute) and require.get(attribute) not in supported:
                return False
        expression = require.get('depends')
        if not expression:
            return True
        # '+' is and, ',' is or, feature structures (Name::member) are never required.
        tokens = re.findall(r'[A-Za-z_][\w:]*|[(),+]', expression)
        python = ' '.join({'+': 'and', ',': 'or', '(': '(', ')': ')'}.get(t, str(t in supported))
                          for t in tokens)
        return eval(python, {'__builtins__': {}})  # only the words and, or, True, False remain

    def _collect_types(self, root):
        for name, size in PRIMITIVES.items():
            self.types.setdefault(name, Type(name, 'primitive', size))
        self.types.setdefault('void', Type('void', 'void'))
        aggregates = []
        for element in root.findall('types/type'):
            category = element.get('category')
            name = element.get('name') or element.findtext('name')
            if not self._in_vulkan(element) or not name or element.get('alias'):
                continue
            if category == 'basetype':
                target = element.findtext('type')
                if target in PRIMITIVES:
                    self.types[name] = Type(name, 'primitive', PRIMITIVES[target])
            elif category == 'bitmask':
                self.types[name] = Type(name, 'primitive',
                                        8 if element.findtext('type') == 'VkFlags64' else 4,
                                        values=element.get('bitvalues') or
                                        element.get('requires') or '')
            elif category == 'enum':
                self.types[name] = Type(name, 'enum', 8 if name in self.wide_enums else 4,
                                        values=name)
            elif category == 'handle':
                self.types[name] = Type(name, 'handle', 8, object_type=element.get('objtypeenum'),
                                        dispatchable='NON_DISPATCHABLE' not in
                                        element.findtext('type'))
            elif category in ('struct', 'union'):
                type_ = Type(name, category)
                extends = element.get('structextends')
                type_.extends = extends.split(',') if extends else []
                type_.allow_duplicate = element.get('allowduplicate') == 'true'
                self.types[name] = type_
                aggregates.append((type_, element))
        for type_, element in aggregates:
            for child in element.findall('member'):
                if not self._in_vulkan(child):
                    continue
                member = self._read_member(child)
                type_.members.append(member)
                if member.name == 'sType' and child.get('values'):
                    type_.stype = child.get('values')
                    # Missing in the enumeration: the structure's owner is not Vulkan's.
                    type_.stype_value = self.enum_values.get(type_.stype, 0)
                    if not type_.stype_value and type_.name in self.required and \
                            type_.name != 'VkApplicationInfo':
                        raise ValueError(f'{type_.name}: {type_.stype} has no value')

    def find_type(self, name):
        while name in self._aliases and name not in self.types:
            name = self._aliases[name]
        return self.types.get(name) or Type(name, 'opaque')

    def _read_member(self, element):
        name_element = element.find('name')
        type_name = element.findtext('type')
        before = (element.text or '') + type_name + (element.find('type').tail or '')
        after = ''.join(t for t in self._text_after(element, name_element))
        dims = re.findall(r'\[([^\]]+)\]', after)
        length = element.get('altlen') or element.get('len') or ''
        optional = element.get('optional', '').split(',')
        declaration = before.strip() + ' ' + name_element.text + \
            ''.join(f'[{d}]' for d in dims)
        return Member(
            name=name_element.text,
            type=self.find_type(type_name),
            pointers=before.count('*'),
            const='const' in (element.text or ''),
            dims=dims,
            length=length.split(',') if length else [],
            optional=optional[0] == 'true',
            elements_optional=optional[-1] == 'true',
            noautovalidity=element.get('noautovalidity') == 'true',
            stride=element.get('stride') or '',
            selector=element.get('selector') or '',
            selection=(element.get('selection') or '').split(',') if element.get('selection')
            else [],
            declaration=re.sub(r'\s+', ' ', declaration).replace('struct ', ''))

    @staticmethod
    def _text_after(element, name_element):
        seen = False
        for child in element:
            if child is name_element:
                seen = True
                yield child.tail or ''
            elif seen:
                if child.tag != 'comment':
                    yield (child.text or '')
                yield child.tail or ''

    def _collect_command(self, element):
        if not self._in_vulkan(element):
            return
        if element.get('alias'):
            self._command_aliases[element.get('name')] = element.get('alias')
        else:
            self._command_elements[element.findtext('proto/name')] = element

    def _make_command(self, number, name, aliases):
        c_name = next((n for n in [name] + aliases if n in self._command_elements or
                       n in self._command_aliases), None)
        if not c_name:
            return None
        target = c_name
        while target in self._command_aliases:
            target = self._command_aliases[target]
        element = self._command_elements[target]
        params = [self._read_member(p) for p in element.findall('param') if self._in_vulkan(p)]
        return Command(number, name, c_name, [name] + aliases,
                       element.findtext('proto/type'), params)

    def _read_commands(self, path):
        """The numbered commands that the installed registry (or ours) has."""
        with open(path, newline='') as file:
            rows = list(csv.DictReader(file))
        self.command_names = {int(r['number']): r['name'] for r in rows}
        # The others have a number but no encoding: their arguments cannot be carried.
        self.carried_names = {r['name'] for r in rows if r['wire'] == 'yes'}
        commands = []
        for row in rows:
            aliases = row['aliases'].split(';') if row['aliases'] else []
            command = self._make_command(int(row['number']), row['name'], aliases)
            if command:
                commands.append(command)
        return commands

    def host_command(self, name):
        """A command that only we call, never the guest; None when the registry lacks it."""
        aliases = [name[:-3]] if name.endswith(('KHR', 'EXT')) else []
        return self._make_command(-1, name, aliases)
