#!/usr/bin/python3
"""Fails when a test program was built or run in no suite of the gate.

usage: gate_test.py ROOT BUILD

BUILD/test/NAME.json says which tests of a suite have run. First it proves on made-up suites that it catches
what is left out.

What must have run: every test that Meson knows in one of the build directories, every executable of
ROOT/tests that it knows in one, and every C++ file below ROOT/tests, as a source of one of those or of a
library for them. So it
catches a program that is defined for no configuration of the gate, and a file that no meson.build names.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# Suite -> build directory.
SUITES = {'asan': 'asan', 'tsan': 'tsan', 'allocations': 'release'}


def introspect(build, what):
    return json.loads(subprocess.check_output(['meson', 'introspect', build, '--' + what]))


def sources_of(group):
    """Of a target's sources those that a person wrote: Meson may put several into one (unity)."""
    for name in group.get('sources', []):
        yield pathlib.Path(name)
    for name in group.get('generated_sources', []):
        path = pathlib.Path(name)
        if re.search(r'-unity\d+\.cpp$', path.name) and path.exists():
            for included in re.findall('^#include *[<"](.+)[>"]$', path.read_text(), re.MULTILINE):
                yield pathlib.Path(os.path.normpath(included))


def ran(log):
    """Names of the tests in a testlog that did run, whatever they gave. Suites may stand before a name."""
    tests = [json.loads(line) for line in log.splitlines()]
    return {test['name'].split(' / ')[-1] for test in tests if test['result'] != 'SKIP'}


def left_out(root, files, suites):
    """What ran nowhere. `suites` has Meson's targets and tests of each one, and the names of what ran."""
    programs, tests, done, read, shared = {}, set(), set(), set(), set()
    for targets, known, names in suites:
        tests |= {test['name'] for test in known}
        done |= {'test ' + name for name in names}
        started = {test['cmd'][0] for test in known if test['name'] in names}
        for target in targets:
            if not pathlib.Path(target['defined_in']).is_relative_to(root / 'tests'):
                continue
            if target['type'] == 'static library':  # Programs share it: it has run when one of them has.
                shared |= {path for group in target['target_sources'] for path in sources_of(group)}
            if target['type'] != 'executable':
                continue
            programs[target['name']] = True
            if started & set(target['filename']):
                done.add('program ' + target['name'])
                for group in target['target_sources']:
                    read |= set(sources_of(group))
    if read:
        read |= shared
    wanted = ['test ' + name for name in sorted(tests)] + ['program ' + name for name in sorted(programs)]
    return [item for item in wanted if item not in done] + [
        'file %s' % path.relative_to(root) for path in files if path not in read]


def unity_self_test():
    with tempfile.TemporaryDirectory() as directory:
        unity = pathlib.Path(directory) / 'test_a-unity0.cpp'
        unity.write_text('#include</r/build/../tests/unit/a.cc>\n#include</r/tests/unit/b.cc>\n')
        found = set(sources_of({'sources': ['/r/tests/unit/c.cc'], 'generated_sources': [str(unity), '/b/x.cpp']}))
    wanted = {pathlib.Path('/r/tests/unit/%s.cc' % name) for name in 'abc'}
    return [] if found == wanted else ['self-test: the sources of a target are %s' % found]


def self_test():
    root = pathlib.Path('/r')

    def suite(names, tests=('a', 'b'), defined='/r/tests/unit/meson.build'):
        targets = [
            {'name': 'test_' + name, 'type': 'executable', 'defined_in': defined,
             'filename': ['/b/test_' + name],
             'target_sources': [{'sources': ['/r/tests/unit/%s.cc' % name]}, {'linker': 'ld'}]}
            for name in tests]
        return targets, [{'name': name, 'cmd': ['/b/test_' + name]} for name in tests], set(names)
    files = [root / 'tests/unit/a.cc', root / 'tests/unit/b.cc']
    without_tests = (suite(())[0], [], set())
    shared_main = ([{'name': 'unit_main', 'type': 'static library', 'defined_in': '/r/tests/unit/meson.build',
                     'filename': ['/b/libunit_main.a'],
                     'target_sources': [{'sources': ['/r/tests/unit/main.cc']}]}], [], set())
    benchmark = (suite((), 'x', '/r/bench/meson.build')[0], [], set())
    cases = [
        ('all run in one suite', files, [suite('ab')], []),
        ('each runs in one of two', files, [suite('a'), suite('b')], []),
        ('one runs in neither', files, [suite('a'), suite('a')],
         ['test b', 'program test_b', 'file tests/unit/b.cc']),
        ('a program of one configuration alone', files, [suite('a', 'a'), suite('', 'b')],
         ['test b', 'program test_b', 'file tests/unit/b.cc']),
        ('a program without a test', files[:1], [suite('a', 'a'), without_tests], ['program test_b']),
        ('a file that no program has', [*files, root / 'tests/unit/c.cc'], [suite('ab')],
         ['file tests/unit/c.cc']),
        ('a program beside the tests', files[:1], [suite('a', 'a'), benchmark], []),
        ('a library that programs share', [*files, root / 'tests/unit/main.cc'], [shared_main, suite('ab')], []),
        ('a library alone', [root / 'tests/unit/main.cc'], [shared_main], ['file tests/unit/main.cc']),
        ('nothing at all', files, [], ['file tests/unit/a.cc', 'file tests/unit/b.cc']),
    ]
    log = ('{"name": "r:tsan / unit a", "result": "OK"}\n{"name": "b", "result": "FAIL"}\n'
           '{"name": "r / c", "result": "SKIP"}\n')
    wrong = unity_self_test() + ([] if ran(log) == {'unit a', 'b'} else ['self-test: of a log %s ran' % ran(log)])
    return wrong + [
        'self-test: %s: expected %s, found %s' % (name, expected, found)
        for name, sources, suites, expected in cases
        if (found := left_out(root, sources, suites)) != expected]


def main():
    root, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    problems = self_test()
    suites = []
    for name, directory in SUITES.items():
        log = build / 'test' / (name + '.json')
        if not log.exists():
            problems.append('the suite %s left no results: %s' % (name, log))
            continue
        where = build / directory
        names = ran(log.read_text(errors='replace'))
        suites.append((introspect(where, 'targets'), introspect(where, 'tests'), names))
    files = sorted((root / 'tests').rglob('*.cc'))
    if not files:
        problems.append('no sources below %s' % (root / 'tests'))
    problems += ['runs in no suite: ' + item for item in left_out(root, files, suites)]
    for problem in problems:
        print(problem)
    print('%d test sources, %d problem(s)' % (len(files), len(problems)))
    return 1 if problems else 0


sys.exit(main())
