"""What the printers know: commands, structures and values as tables of numbers.

Tables hold indices and offsets instead of pointers, so that loading the library costs nothing for
them. src/protocol/describe.h explains each column.
"""

from dataclasses import dataclass, field

from wire import FULL, PARTIAL

# Plain types that read better in another form.
KINDS = {'VkBool32': 'BOOL', 'VkDeviceAddress': 'HEX', 'float': 'FLOAT', 'double': 'FLOAT',
         'char': 'CHAR', 'void': 'BYTE', 'uint8_t': 'BYTE'}


@dataclass
class Field:
    name: str
    type: str
    shape: str
    offset: str  # C expression
    length: int = 0
    other: str = '0'  # C expression: of the ids, of a union's selector; inner length
    count: str = '0'  # C expression: elements, or where the capacity stands
    flow: str = 'IN'


@dataclass
class Described:
    name: str
    kind: str
    size: str
    fields: list = field(default_factory=list)
    values: list = field(default_factory=list)
    chained: bool = False
    partial: bool = False
    cases: list = field(default_factory=list)  # of a union: (index, values of the selector)


class Names:
    """One string that holds all names, each once."""

    def __init__(self):
        self.offsets = {}
        self.size = 0

    def __call__(self, name):
        if name not in self.offsets:
            self.offsets[name] = self.size
            self.size += len(name) + 1
        return self.offsets[name]


class Describer:
    def __init__(self, model):
        self.model = model
        self.wire = model.wire
        self.registry = model.registry
        self.types = {}  # name -> Described, in the order of their numbers
        self.lengths = []  # (C type of the owner, expression)
        self._pending = []
        self.commands = [self._command(c) for c in model.commands]
        while self._pending:
            self._fill(self._pending.pop(0))
        for root in model.chain_roots():
            for node in self.wire.chain_types(root):
                self._type(node)
        while self._pending:
            self._fill(self._pending.pop(0))
        self.index = {name: i for i, name in enumerate(self.types)}
        self._number()

    # -- types --------------------------------------------------------------------------------

    def _type(self, type_):
        """The name under which the type is described; adds it when it is new."""
        name = type_.name
        if name not in self.types:
            # void: bytes of a blob.
            size = '1' if name == 'void' else f'sizeof({name})'
            self.types[name] = Described(name, self._kind(type_), size)
            self._pending.append(type_)
        return name

    def _kind(self, type_):
        if type_.name in KINDS:
            return KINDS[type_.name]
        if type_.category == 'handle':
            return 'HANDLE'
        if type_.category == 'struct':
            return 'STRUCT'
        if type_.category == 'union':
            return 'UNION' if self.model.selected(type_) else 'WORDS'
        if type_.values:
            return 'FLAGS' if 'FlagBits' in type_.values else 'ENUM'
        return 'SIGNED' if type_.name.startswith('int') else 'UNSIGNED'

    def _fill(self, type_):
        described = self.types[type_.name]
        if described.kind in ('ENUM', 'FLAGS'):
            values = self.registry.enums.get(type_.values, {})
            described.values = self._values(values, described.kind)
        elif described.kind == 'STRUCT':
            described.chained = bool(type_.stype)
            described.partial = self.model.needs(type_, PARTIAL)
            members = [m for m in type_.members if m.name not in ('sType', 'pNext')]
            self._fields(described, type_.name, members, type_.members)
        elif described.kind == 'UNION':
            self._fields(described, type_.name, type_.members, type_.members)
            for i, m in enumerate(type_.members):
                values = sorted({self.registry.enum_values[v] for v in m.selection
                                 if v in self.registry.enum_values})
                described.cases.append((i, values))

    @staticmethod
    def _values(values, kind):
        """One name for each value, sorted by it."""
        best = {}
        for name, value in values.items():
            if name.endswith('_MAX_ENUM') or (kind == 'FLAGS' and value == 0):
                continue
            best.setdefault(value & 0xffffffffffffffff, name)
        return sorted(best.items())

    # -- fields -------------------------------------------------------------------------------

    def _fields(self, described, owner, members, siblings):
        lengths = self.wire.lengths_of(siblings)
        for m in members:
            f = self._field(m, owner, owner, siblings)
            if m.name in lengths:
                f.flow = 'LENGTH'
            described.fields.append(f)

    def _field(self, m, owner, c_type, siblings):
        """`owner` is the name in the registry, `c_type` the type in C."""
        f = Field(m.name, '', 'VALUE', f'offsetof({c_type}, {m.name})')
        if m.pointers and not self.wire.carried(m):
            f.type, f.shape = self._type(self.registry.find_type('uint64_t')), 'NULL'
            return f
        f.type = self._type(m.type)
        if not m.pointers:
            if m.dims:
                f.shape, f.count = 'FIXED', str(self.wire.constant(m.dims[0]))
            if m.type.category == 'union' and m.selector:
                f.other = f'offsetof({c_type}, {m.selector})'
            return f
        step = self.wire._pointer_step(m, FULL, '', 'in->', siblings, owner)
        f.shape = {'blob': 'ARRAY'}.get(step.kind, step.kind.upper())
        if step.expected:
            f.length = self._length(c_type, step.expected)
        if step.inner:
            f.other = str(self._length(c_type, step.inner))
        return f

    def _length(self, c_type, expression):
        key = (c_type, expression)
        if key not in self.lengths:
            self.lengths.append(key)
        return self.lengths.index(key) + 1

    # -- commands -----------------------------------------------------------------------------

    def _command(self, command):
        c_type = f'struct pv_cmd_{command.name}'
        fields = []
        for p, mode, replied in self.wire.param_modes(command):
            f = self._field(p, command.name, c_type, command.params)
            f.flow = 'OUT' if mode == PARTIAL else 'IN_OUT' if replied else 'IN'
            if f.flow == 'OUT' and p.type.category == 'handle':
                f.shape = 'NEW_IDS' if p.length else 'NEW_ID'
                f.other = f'offsetof({c_type}, {p.name}_id{"s" if p.length else ""})'
            if f.flow == 'OUT' and f.length:
                f.count = f'offsetof({c_type}, {p.name}_count)'
            fields.append(f)
        result = ''
        if command.result != 'void':
            result = self._type(self.registry.find_type(command.result))
        return command, fields, result

    # -- numbers ------------------------------------------------------------------------------

    def _number(self):
        """Lays all fields and all values in one table each, and all names in one string."""
        self.names = Names()
        self.fields, self.values = [], []
        self.first = {}
        for t in self.types.values():
            self.names(t.name)
            rows = self.values if t.values else self.fields
            self.first[t.name] = len(rows)
            rows += t.values or t.fields
        self.first_of_command = {}
        for command, fields, _ in self.commands:
            self.first_of_command[command.name] = len(self.fields)
            self.fields += fields
        for f in self.fields:
            self.names(f.name)
        for _, name in self.values:
            self.names(name)
