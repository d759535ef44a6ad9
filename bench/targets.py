"""What is wanted of pv-venus, and whether a result has it.

A target is a bound on some rows, against native or against the peer. Where it does not hold, the
verdict names the guest driver's limit or the reason; docs/performance.md has the proofs.
"""

import dataclasses

from results import cpu_ratio, limit, ratio

LEVEL = 0.95  # as much of what is wanted counts as reached: medians vary by that
AT_LIMIT = 0.85  # of what the guest driver allows

SIZES = ('4 KiB', '64 KiB', '1 MiB', '16 MiB')
SCENES = ('clear', 'cube', 'texture', 'effect2d')


def of_native(row):
    return ratio(row, 'ours', 'native')


def of_peer(row):
    return ratio(row, 'ours', 'peer')


def saved_cpu(row):
    """The native CPU time divided by ours."""
    value = cpu_ratio(row, 'ours')
    return 1 / value if value else None


class Below:
    """How far our value is below a bound: 1 is at it, 2 is half of it."""

    def __init__(self, bound):
        self.bound = bound

    def __call__(self, row):
        median = row.get('ours', {}).get('median')
        return None if median is None else self.bound / max(median, self.bound / 1000)


@dataclasses.dataclass
class Target:
    name: str
    rows: list
    measure: callable
    wanted: dict  # by guest, or one for both
    text: str  # the same in words; n is native, p the peer
    why: str = ''  # it does not hold where it does not

    def bound(self, mesa):
        return self.wanted.get('.'.join(mesa.split('.')[:2]), self.wanted.get(''))


GUEST = 'the guest\'s sleeps and system calls'

TARGETS = [
    Target('sync call, p50 and p99, also after 200 us',
           ['sync call p50', 'sync call p99', 'sync call after 200 us p50',
            'sync call after 200 us p99'], of_peer, {'': 1}, '1 p'),
    Target('submit + fence wait, p90 in the fast mode', ['submit + fence wait p90'],
           Below(150), {'25.0': 1}, '25.0: below 150 us', 'one of the guest\'s sleeps'),
    Target('submit + fence wait', ['submit + fence wait p50'], of_peer, {'26.2': 2.5},
           '26.2: 2.5 p'),
    Target('timeline wait', ['timeline wait p50'], of_peer, {'25.0': 1, '26.2': 2.5},
           '1 p; 26.2: 2.5 p'),
    Target('batched submits', ['batched submits'], of_native, {'': 0.85}, '0.85 n'),
    Target('allocate+map+free, 4 KiB to 16 MiB', [f'allocate+map+free {size}' for size in SIZES],
           of_native, {'': 0.3}, '0.3 n', 'the guest\'s 14 system calls'),
    Target('buffers and images', ['buffer create+destroy', 'image create+destroy'], of_native,
           {'': 0.35}, '0.35 n'),
    Target('fences', ['fence create+destroy'], of_peer, {'': 5}, '5 p',
           'the guest\'s system calls'),
    Target('descriptor update', ['descriptor update'], of_native, {'': 0.15}, '0.15 n'),
    Target('descriptor set allocate+free', ['descriptor set allocate+free'], of_native, {'': 0.9},
           '0.9 n'),
    Target('command buffer begin+end', ['command buffer begin+end'], of_native, {'': 0.4},
           '0.4 n'),
    Target('draws, recorded until done', ['draw'], of_native, {'25.0': 0.6, '26.2': 0.3},
           '0.6 n; 26.2: 0.3 n'),
    Target('vkCmdUpdateBuffer stream', ['vkCmdUpdateBuffer stream'], of_native, {'': 0.7},
           '0.7 n', 'guest and driver add up'),
    Target('64 MiB copy + wait', ['64 MiB copy + wait'], of_native, {'': 0.95}, '0.95 n'),
    Target('64 KiB copy + wait', ['64 KiB copy + wait p50'], of_peer, {'': 2}, '2 p', GUEST),
    Target('vkmark 64x64', [f'vkmark 64x64 {scene}' for scene in SCENES], of_peer, {'': 1.2},
           '1.2 p', GUEST),
    Target('vkmark 64x64 but clear', [f'vkmark 64x64 {scene}' for scene in SCENES[1:]], of_native,
           {'': 0.85}, '0.85 n', GUEST),
    Target('vkmark 800x600', [f'vkmark 800x600 {scene}' for scene in SCENES], of_native,
           {'': 0.95}, '0.95 n', GUEST),
    Target('demo at 1080p', ['demo 1920x1080, a frame'], of_native, {'': 0.95}, '0.95 n'),
    Target('glmark2 by Zink',
           [f'glmark2 by Zink, 800x600 {scene}'
            for scene in ('build', 'texture', 'shading', 'jellyfish')],
           of_native, {'': 0.95}, '0.95 n', GUEST),
    Target('CPU of client and server where the GPU is busy',
           ['demo 1920x1080, a frame', 'matrix product 512'], saved_cpu, {'': 1 / 1.1},
           '1.1 times n at most'),
    Target('wake-ups of an idle server',
           ['wake-ups of an idle server, 1 clients', 'wake-ups of an idle server, 64 clients'],
           Below(5), {'': 1}, 'below 5 a second'),
    Target('CPU of an idle server',
           ['CPU of an idle server, 1 clients', 'CPU of an idle server, 64 clients'],
           Below(0.4), {'': 1}, 'below 0.4 ms a second'),
    Target('a turn of 1024 buffers, 64 contexts', ['a turn of 1024 buffers, 64 contexts'], of_peer,
           {'': 1}, '1 p'),
]


def times(value):
    return f'{value:.2g}' if value < 1 else f'{value:.2f}' if value < 10 else f'{value:.0f}'


def figure(target, value, row):
    if isinstance(target.measure, Below):
        return f'{times(row["ours"]["median"])} {row["unit"]}'
    return times(value)


def verdict(target, rows, mesa):
    """The worst of the target's rows, in words."""
    wanted = target.bound(mesa)
    if wanted is None:
        return '-'
    measured = [(target.measure(row), row) for row in rows if row['name'] in target.rows]
    if len(measured) < len(target.rows) or any(value is None for value, _ in measured):
        return 'not measured'
    behind = [(value, row) for value, row in measured if value < LEVEL * wanted]
    if not behind:
        return f'holds: {figure(target, *min(measured, key=lambda item: item[0]))}'
    value, row = min(behind, key=lambda item: item[0])
    said = figure(target, value, row)
    if len(target.rows) > 1:
        said += f' ({row["name"]})'
    if all(limit(item) and of_native(item) >= AT_LIMIT * limit(item) for _, item in behind):
        return f'{said}: {times(of_native(row))} n, where the guest\'s limit is {times(limit(row))}'
    return f'{said}: {target.why or "behind"}'


def table(results):
    """Lines of Markdown, a column for each guest."""
    guests = [result['machine']['mesa'] for result in results]
    lines = ['| target | wanted | ' + ' | '.join(f'Mesa {guest}' for guest in guests) + ' |',
             '|---|---|' + '---|' * len(guests)]
    for target in TARGETS:
        said = [verdict(target, result['rows'], guest) for result, guest in zip(results, guests)]
        lines.append(f'| {target.name} | {target.text} | ' + ' | '.join(said) + ' |')
    return lines
