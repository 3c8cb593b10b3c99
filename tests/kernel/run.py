#!/usr/bin/python3
"""run.py CACHE TEST_NET RINGFENCE RESULTS: kernel TLS, in a machine whose kernel has it.

Boots the distribution's kernel (machine.py) and runs in it the unit tests of the suite `net kernel tls` from the program
TEST_NET, and tests/e2e/tls/test_kernel_tls.py with the program RINGFENCE. Both lie below the project. What came out goes to
RESULTS as JUnit files. The kernel is kept in CACHE.
"""
import pathlib
import shutil
import sys

import machine

SECONDS_MAX = 200  # With a processor that virtualises; six times that without.
COMMAND = """
exec >/run/results/out 2>&1
export RINGFENCE_KERNEL_TLS=1 ASAN_OPTIONS=detect_leaks=0
/run/project/%(unit)s --test-suite='net kernel tls' --no-breaks=true --reporters=junit --out=/run/results/unit.xml
unit=$?
[ $unit -eq 0 ] || cat /run/results/unit.xml
cd /run/project/tests/e2e || exit 1
RINGFENCE_BINARY=/run/project/%(program)s /usr/bin/python3 -B -m pytest -p no:cacheprovider -q -rs \\
  --junitxml=/run/results/e2e.xml tls/test_kernel_tls.py
e2e=$?
[ $unit -eq 0 ] && [ $e2e -eq 0 ]
"""


def main():
    cache, unit, program, results = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    cache.mkdir(parents=True, exist_ok=True)
    command = COMMAND % {'unit': unit.relative_to(machine.ROOT), 'program': program.relative_to(machine.ROOT)}
    try:
        code, seen = machine.run(cache, command, SECONDS_MAX)
    except machine.Missing as missing:
        sys.exit('kernel TLS was not tested: %s' % missing)
    out = seen / 'out'
    print(out.read_text(errors='replace') if out.exists() else 'nothing was said', file=sys.stderr)
    if code is None:
        sys.exit('the machine did not come to an end; its console: %s' % (seen / 'console'))
    for name in ('unit', 'e2e'):
        if (seen / (name + '.xml')).exists():
            shutil.copy(seen / (name + '.xml'), results / ('kernel-tls-%s.xml' % name))
    sys.exit(0 if code == 0 else 1)


if __name__ == '__main__':
    main()
