"""llama.cpp's test-backend-ops: each operation of ggml on the Vulkan backend, against its CPU one."""

import csv
import io
import re

from harness import program

PACKAGES = ['libggml0', 'libggml0-backend-vulkan', 'llama.cpp-tests']

TESTER = '/usr/libexec/x86_64-linux-gnu/ggml/test-backend-ops'
# The backend passes over software devices unless one is named. The CPU backend's random numbers
# differ in each run, so that a case is compared by its verdict.
DEVICE = {'GGML_VK_VISIBLE_DEVICES': '0'}
# Some hundred cases of small shapes: all 22,000 would take lavapipe hours.
OPERATIONS = ('SCALE,SQR,SQRT,SIN,COS,CLAMP,GROUP_NORM,SUM,SUM_ROWS,MEAN,ARGMAX,CUMSUM,REPEAT,DUP,'
              'SET,ACC,PAD,ROLL,GELU,SILU,GEGLU,SWIGLU,LEAKY_RELU,DIAG_MASK_INF,UPSCALE,'
              'TIMESTEP_EMBEDDING,ARANGE,TRI,DIAG,FILL,RWKV_WKV6,RWKV_WKV7,OPT_STEP_ADAMW')


def verdicts(test, run):
    """Case: supported and passed, as two words; all of a run."""
    found = {}
    for row in csv.reader(io.StringIO(run.output)):
        if len(row) >= 6 and row[0] == 'Vulkan0':
            found[(row[1], row[2])] = (row[4], row[5])
    test.expect(found, f'no results:\n{run.text()[-1500:]}')
    return found


def compare(test, mode, *arguments, timeout=3600):
    command = [TESTER, mode, '-b', 'Vulkan0', '--output', 'csv', *arguments]
    # 1: some case failed; which ones must be the same.
    native = verdicts(test, test.native(command, env=DEVICE, statuses=(0, 1), timeout=timeout))
    ours = test.ours(command, env=DEVICE, statuses=(0, 1), timeout=timeout)
    test.expect('Virtio-GPU Venus (' in ours.errors, f'another device:\n{ours.errors[:1000]}')
    ours = verdicts(test, ours)
    other = [f'{name}({parameters}): {native.get((name, parameters))} natively, {ours.get((name, parameters))}'
             for name, parameters in sorted(set(native) | set(ours))
             if native.get((name, parameters)) != ours.get((name, parameters))]
    test.expect(not other, f'{len(other)} cases of {len(native)} differ\n' + '\n'.join(other[:20]))
    return native


@program(places=('sid',), package='libggml0')
def ggml_support(test):
    """Which cases the backend takes on at all: what it makes of features and limits."""
    cases = compare(test, 'support')
    taken = sum(supported == '1' for supported, _ in cases.values())
    test.note(f'{taken} of {len(cases)} cases are supported, the same ones')


@program(places=('sid',), package='libggml0')
def ggml_operations(test):
    cases = compare(test, 'test', '-o', OPERATIONS)
    count = {}
    for supported, error in cases.values():
        word = 'passed' if supported == '1' and not error else re.sub(r'\W+', ' ', error) or 'failed'
        count[word] = count.get(word, 0) + 1
    test.expect(count.get('passed'), f'nothing passed: {count}')
    test.note(', '.join(f'{number} {word}' for word, number in sorted(count.items())))
