"""scripts/test.py counts what meson logged: cases, crashes, skips with their reasons.

    counting.py SOURCE_ROOT
"""

import os
import sys

sys.path.insert(0, os.path.join(sys.argv[1], 'scripts'))
import test as runner  # pylint: disable=wrong-import-position


def counted(result, stdout):
    count = runner.Count()
    runner.count_test('default', {'name': 'pv-venus:unit / ring/layout', 'result': result,
                                  'stdout': stdout}, count)
    return count


def expect(count, passed, failures, skips):
    got = (count.passed, count.failures, count.skips)
    assert got == (passed, failures, skips), got


expect(counted('OK', '1..2\nok 1 - accepts\nok 2 - rejects\n# ok - group\n'), 2, [], [])
expect(counted('FAIL', '1..2\nok 1 - accepts\nnot ok 2 - rejects\n'),
       1, ['default: ring/layout: rejects'], [])
# cmocka marks a skipped case "not ok"; meson calls the test failed, and so do we.
expect(counted('FAIL', '1..2\nok 1 - a\nnot ok 2 # SKIP b\n'), 1, ['default: ring/layout: FAIL'],
       ['default: ring/layout: : b'])
expect(counted('SKIP', '1..0 # SKIP no memfd here\n'), 0, [],
       ['default: ring/layout: no memfd here'])
expect(counted('ERROR', '1..3\nok 1 - a\n'), 1, ['default: ring/layout: ERROR'], [])
expect(counted('TIMEOUT', ''), 0, ['default: ring/layout: TIMEOUT'], [])
expect(counted('OK', 'pictures are equal\n'), 1, [], [])
expect(counted('SKIP', 'look\nno Xvfb\n'), 0, [], ['default: ring/layout: no Xvfb'])
expect(counted('SKIP', 'skipped  sparse (0.4 s)  skipped: no sparse binding\n0 passed, 1 skipped\n'),
       0, [], ['default: ring/layout: no sparse binding'])
expect(counted('FAIL', 'pictures differ\n'), 0, ['default: ring/layout: FAIL'], [])

both = runner.Count()
both.add(counted('OK', '1..1\nok 1 - a\n'))
both.add(counted('FAIL', ''))
assert both.line() == '1 passed, 1 failed, 0 skipped', both.line()
print('counts as expected')
