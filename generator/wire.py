"""The wire: how each member of the model is laid out in a Venus stream.

Turns the members of a structure, or the parameters of a command, into a list of steps that a
template prints as C. Three directions exist:

  FULL     request, the whole value          (in-parameters)
  PARTIAL  request, only its shape           (out-parameters: chains, lengths, ids)
  REPLY    reply, the whole value            (out-parameters)

Consecutive parts of fixed size are merged into one 'run', so that the C reads them after a
single bounds check. docs/wire.md explains the encoding itself.
"""

import re
from dataclasses import dataclass, field

FULL, PARTIAL, REPLY = 'full', 'partial', 'reply'
MAX_RUN = 1024  # PV_READER_MAX_RUN


@dataclass
class Load:
    """A scalar, handle or packed array at a fixed offset of a run."""
    kind: str  # u8 u16 u32 u64 size handle pod bytes array_length stype ignore
    path: str
    offset: int
    type: object = None
    count: int = 0
    size: int = 0
    required: bool = False  # a handle that must not be VK_NULL_HANDLE


@dataclass
class Step:
    kind: str
    member: object = None
    path: str = ''
    mode: str = FULL
    loads: list = field(default_factory=list)
    size: int = 0
    expected: str = ''  # C expression for the length
    inner: str = ''  # the same for the second level of nested arrays
    unit: int = 1  # the length member must be a multiple of it
    optional: bool = True
    elements_optional: bool = True  # what an array holds may be NULL, too
    bulk: bool = False  # data that may stay in memory which the guest can write


def padded(size):
    return (size + 3) & ~3


class Wire:
    def __init__(self, registry, policy):
        self.registry = registry
        self.blocked = set(policy['types']['blocked'])
        self.default_tags = policy['unions']['default_tags']
        self.lengths = policy['lengths']
        self.forced_in_out = set(policy['directions']['in_out'])
        self.nullable = set(policy['nullable']['pointers'])
        self.nullable_elements = set(policy['nullable']['elements'])
        self.bulk = set(policy['bulk']['pointers'])
        self._serialisable = {}
        self._chains = None

    # -- what can be carried ------------------------------------------------------------------

    def serialisable(self, type_):
        known = self._serialisable.get(type_.name)
        if known is None:
            self._serialisable[type_.name] = True  # recursion through pointers is fine
            known = self._serialisable[type_.name] = self._decide_serialisable(type_)
        return known

    def _decide_serialisable(self, type_):
        if type_.name in self.blocked:
            return False
        if type_.category in ('primitive', 'handle', 'enum'):
            return True
        if type_.category == 'struct':
            return all(self.member_serialisable(m) for m in type_.members)
        if type_.category == 'union':
            if type_.name in self.default_tags:
                return True
            return all(m.selection for m in type_.members) and \
                all(self.serialisable(m.type) for m in type_.members)
        return False

    def carried(self, member):
        """Whether the value travels; an optional pointer that cannot is sent as NULL."""
        if member.type.name == 'void':
            return bool(member.length)
        if member.type.name in ('char',) and member.pointers and not member.length:
            return False
        return self.serialisable(member.type)

    def member_serialisable(self, member):
        if member.name == 'pNext':
            return True
        return self.carried(member) or (member.pointers > 0 and member.optional)

    def command_serialisable(self, command):
        return all(self.member_serialisable(p) for p in command.params)

    # -- sizes --------------------------------------------------------------------------------

    def constant(self, text):
        text = text.strip()
        if text.isdigit():
            return int(text)
        value = self.registry.constants.get(text)
        if value is None:
            raise KeyError(f'unknown constant {text}')
        return int(re.sub(r'[^0-9]', '', value))

    def is_scalar(self, type_):
        return type_.category in ('primitive', 'enum')

    def is_pod(self, type_):
        """Structures whose bytes on the wire equal their bytes in C."""
        if type_.category != 'struct' or type_.stype:
            return False
        offset = 0
        for m in type_.members:
            if m.pointers or m.dims or m.length:
                return False
            if self.is_scalar(m.type):
                if m.type.size < 4 or offset % m.type.size:
                    return False
                offset += m.type.size
            elif self.is_pod(m.type):
                if offset % self.pod_alignment(m.type):
                    return False
                offset += self.fixed_size(m.type)
            else:
                return False
        return bool(type_.members) and offset % self.pod_alignment(type_) == 0

    def pod_alignment(self, type_):
        return max(m.type.size if self.is_scalar(m.type) else self.pod_alignment(m.type)
                   for m in type_.members)

    def fixed_size(self, type_):
        """Bytes on the wire when they do not depend on the value, else None."""
        if self.is_scalar(type_):
            return max(type_.size, 4)
        if type_.category == 'handle':
            return 8
        if type_.category != 'struct' or type_.stype:
            return None
        sizes = [self.fixed_member_size(m) for m in type_.members]
        return None if None in sizes else sum(sizes)

    def fixed_member_size(self, member):
        if member.pointers or (member.length and not member.dims):
            return None
        if not member.dims:
            return self.fixed_size(member.type)
        if len(member.dims) != 1:
            return None
        count = self.constant(member.dims[0])
        # Fixed arrays of structures and handles become loops in a function of their own.
        return 8 + padded(count * member.type.size) if self.is_scalar(member.type) else None

    def minimum_size(self, type_, mode=FULL, depth=0):
        """A lower bound of an element's bytes, to reject huge counts before allocating."""
        if mode == PARTIAL:
            return 12 if type_.stype else 0
        if type_.category != 'struct':
            return self.fixed_size(type_) or 4
        total = 12 if type_.stype else 0
        for m in type_.members:
            if m.name in ('sType', 'pNext') and type_.stype:
                continue
            if m.pointers:
                total += 8
            else:
                total += self.fixed_member_size(m) or (
                    self.minimum_size(m.type, mode, depth + 1) if depth < 8 else 4)
        return total

    # -- chains -------------------------------------------------------------------------------

    def chain_types(self, root):
        """Structures that may appear in the chain of `root`, sorted by sType."""
        if self._chains is None:
            self._chains = {}
            for type_ in self.registry.types.values():
                if type_.name not in self.registry.required or not type_.stype_value:
                    continue
                if type_.category != 'struct' or not self.serialisable(type_):
                    continue
                for extended in type_.extends:
                    name = self.registry.find_type(extended).name
                    self._chains.setdefault(name, []).append(type_)
        return sorted(self._chains.get(root.name, []), key=lambda t: t.stype_value)

    # -- directions ---------------------------------------------------------------------------

    @staticmethod
    def lengths_of(members):
        """Names that other members use as their length."""
        used = set()
        for m in members:
            if m.pointers:
                for text in m.length:
                    used |= set(re.findall(r'[A-Za-z_]\w*', text))
        return used

    def param_is_out(self, param):
        return param.pointers > 0 and not param.const

    def param_modes(self, command):
        """Yields (param, request mode, is in the reply)."""
        lengths = self.lengths_of(command.params)
        for p in command.params:
            if not self.param_is_out(p) or not self.carried(p):
                yield p, FULL, False
            elif p.name in lengths or f'{command.name}.{p.name}' in self.forced_in_out:
                yield p, FULL, True
            else:
                yield p, PARTIAL, True

    # -- steps --------------------------------------------------------------------------------

    def expression(self, text, siblings, base):
        """The C expression of a `len`, with members looked up in `base`."""
        text = text.strip()
        by_name = {m.name: m for m in siblings}

        def replace(match):
            first, rest = match.group(1), match.group(2) or ''
            if first not in by_name:
                return match.group(0)
            value = f'{base}{first}'
            if rest:
                return f'({value} ? {value}->{rest[2:]} : 0)'
            if by_name[first].pointers:
                return f'({value} ? *{value} : 0)'
            return value if by_name[first].type.size == 8 else f'(uint32_t){value}'
        return re.sub(r'([A-Za-z_]\w*)(->\w+)?', replace, text)

    def steps(self, members, mode, base, owner='', has_stype=False):
        """The steps for all members; `base` is 'out->', 'in->' or 'cmd->'."""
        steps = []
        lengths = self.lengths_of(members)
        for m in self._wire_order(members):
            if has_stype and m.name in ('sType', 'pNext'):
                continue
            steps += self._member_steps(m, mode, base, members, lengths, owner)
        return self._merge(steps)

    @staticmethod
    def _wire_order(members):
        """Lengths come before the arrays that use them."""
        ordered = list(members)
        for m in members:
            if not m.pointers:
                continue
            for text in m.length:
                for length in ordered:
                    if length.name == text and ordered.index(length) > ordered.index(m):
                        ordered.remove(length)
                        ordered.insert(ordered.index(m), length)
        return ordered

    def _member_steps(self, m, mode, base, siblings, lengths, owner):
        path = base + m.name
        if m.pointers:
            return [self._pointer_step(m, mode, path, base, siblings, owner)]
        if mode == PARTIAL:
            return self._partial_value_steps(m, path, lengths)
        return self._value_steps(m, mode, path, base)

    def _value_steps(self, m, mode, path, base):
        type_ = m.type
        if m.dims:
            count = self.constant(m.dims[0])
            if self.is_scalar(type_):
                size = count * type_.size
                return [self._run([Load('array_length', path, 0, count=count),
                                   Load('bytes', path, 8, size=size)], 8 + padded(size))]
            if type_.category == 'handle':
                return [Step('fixed_handles', m, path, mode, size=count)]
            return [Step('fixed_structs', m, path, mode, size=count)]
        if type_.category == 'union':
            selector = f'{base}{m.selector}' if m.selector else ''
            return [Step('union', m, path, mode, expected=selector)]
        if type_.category == 'struct' and self.fixed_size(type_) is None:
            return [Step('struct', m, path, mode)]
        return [self._run(*self._member_loads(m, path))]

    def _partial_value_steps(self, m, path, lengths):
        type_ = m.type
        if m.dims:
            count = self.constant(m.dims[0])
            if self.is_scalar(type_):
                return []
            if type_.category == 'handle':
                return [self._run([Load('array_length', path, 0, count=count),
                                   Load('ignore', path, 8)], 8 + 8 * count)]
            return [Step('fixed_structs', m, path, PARTIAL, size=count)]
        if type_.category == 'handle':
            return [self._run([Load('ignore', path, 0)], 8)]
        if type_.category == 'union':
            return []
        if type_.category == 'struct':
            return [Step('struct', m, path, PARTIAL)]
        if m.name in lengths:
            return [self._run(*self._loads(type_, path))]
        return []

    def _member_loads(self, m, path):
        loads, size = self._loads(m.type, path)
        if m.type.category == 'handle':
            loads[0].required = not (m.optional or m.noautovalidity)
        return loads, size

    def _loads(self, type_, path):
        """Loads of a value of fixed size, and that size."""
        if self.is_scalar(type_):
            kind = 'size' if type_.name == 'size_t' else f'u{type_.size * 8}'
            return [Load(kind, path, 0, type_)], max(type_.size, 4)
        if type_.category == 'handle':
            return [Load('handle', path, 0, type_)], 8
        if self.is_pod(type_):
            return [Load('pod', path, 0, type_, size=self.fixed_size(type_))], \
                self.fixed_size(type_)
        loads, offset = [], 0
        for m in type_.members:
            inner = f'{path}.{m.name}'
            if m.dims:
                count = self.constant(m.dims[0])
                part = [Load('array_length', inner, 0, count=count),
                        Load('bytes', inner, 8, size=count * m.type.size)]
                size = 8 + padded(count * m.type.size)
            else:
                part, size = self._member_loads(m, inner)
            for load in part:
                load.offset += offset
            loads += part
            offset += size
        return loads, offset

    @staticmethod
    def _run(loads, size):
        return Step('run', loads=loads, size=size)

    def _pointer_step(self, m, mode, path, base, siblings, owner):
        name = f'{owner}.{m.name}'
        # Drivers follow arrays with a stride without looking whether they are there.
        optional = (m.optional or m.noautovalidity or name in self.nullable) and \
            not (m.stride and m.const)
        elements_optional = m.elements_optional or m.noautovalidity or \
            name in self.nullable_elements
        if not self.carried(m):
            return Step('null', m, path, mode)
        lengths = m.length
        if not lengths:
            return Step('pointer', m, path, mode, optional=optional)
        if lengths[-1] == 'null-terminated':
            if len(lengths) == 1:
                return Step('string', m, path, mode, optional=optional)
            return Step('strings', m, path, mode, optional=optional,
                        expected=self.expression(lengths[0], siblings, base))
        expected = self.expression(lengths[0], siblings, base)
        if m.type.name == 'void':
            return Step('blob', m, path, mode, optional=optional, expected=expected,
                        bulk=name in self.bulk)
        if m.pointers == 2:
            inner = self.lengths.get(name)
            if not inner:
                inner = self.expression(lengths[1], siblings, base)
            else:
                inner = inner.replace('$', base)
            return Step('nested', m, path, mode, optional=optional, expected=expected, inner=inner,
                        elements_optional=elements_optional)
        unit = re.fullmatch(r'\w+ */ *(\d+)', lengths[0])
        return Step('array', m, path, mode, optional=optional, expected=expected,
                    elements_optional=elements_optional, unit=int(unit.group(1)) if unit else 1)

    @staticmethod
    def _merge(steps):
        merged = []
        for step in steps:
            previous = merged[-1] if merged else None
            if step.kind == 'run' and previous and previous.kind == 'run' and \
                    previous.size + step.size <= MAX_RUN:
                for load in step.loads:
                    load.offset += previous.size
                previous.loads += step.loads
                previous.size += step.size
            else:
                if step.kind == 'run' and step.size > MAX_RUN:
                    raise ValueError(f'run of {step.size} bytes at {step.loads[0].path}')
                merged.append(step)
        return merged
