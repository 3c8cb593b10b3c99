#!/usr/bin/python3
"""What ./dev asks about a build directory or a run of the tests.

summary DIR         adds up DIR/*.json (meson's testlog) and DIR/*.xml (JUnit), and says how long each step of
                    DIR/*.steps took; the last line has the counts
targets BUILD TAG   ninja targets of the tests with this tag among their suites: tsan, unsanitized
fuzz-targets BUILD  name=path of each fuzz program
progress            ninja's output shortened: errors, and a line for every tenth of the work
"""
import json
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree


def introspect(build, what):
    return json.loads(subprocess.check_output(['meson', 'introspect', build, '--' + what]))


def tagged_tests(build, tag):
    for test in introspect(build, 'tests'):
        if tag in {suite.split(':')[-1] for suite in test['suite']}:
            yield test


def count_log(path):
    """(passed, failed, names of failures). A doctest program counts as its cases, any other test as one."""
    passed = failed = 0
    names = []
    for line in path.read_text(errors='replace').splitlines():
        test = json.loads(line)
        if test['result'] == 'SKIP':
            continue
        good = test['result'] in ('OK', 'EXPECTEDFAIL')
        cases = re.search(r'test cases: +(\d+) \| +(\d+) passed \| +(\d+) failed', test.get('stdout') or '')
        case_passed, case_failed = (int(cases[2]), int(cases[3])) if cases else (int(good), 0)
        if not good:
            case_failed = max(case_failed, 1)  # It may have ended before it could count.
            names.append('%s (%s)' % (test['name'], test['result']))
        passed += case_passed
        failed += case_failed
    return passed, failed, names


def count_junit(path):
    passed = failed = 0
    names = []
    for case in xml.etree.ElementTree.parse(path).iter('testcase'):
        children = {child.tag for child in case}
        if children & {'failure', 'error'}:
            failed += 1
            names.append('%s::%s' % (case.get('classname'), case.get('name')))
        elif 'skipped' not in children:
            passed += 1
    return passed, failed, names


def step_seconds(text, end):
    """[(seconds, step)] of lines "second of its beginning, step", until the next one begins."""
    begun = [line.split(' ', 1) for line in text.splitlines()]
    ends = [int(second) for second, _ in begun[1:]] + [end]
    return [(until - int(second), step) for (second, step), until in zip(begun, ends)]


def print_steps(directory):
    for name, where in (('test', ''), ('beside', ', beside the others')):
        path = directory / (name + '.steps')
        for seconds, step in step_seconds(path.read_text(), int(time.time())) if path.exists() else ():
            if step != 'over':  # Which stands in the last line of what ran beside the others.
                print('%5d s  %s%s' % (seconds, step, where))


def summary(directory):
    total_passed = total_failed = 0
    print_steps(pathlib.Path(directory))
    for path in sorted(pathlib.Path(directory).iterdir()):
        if path.suffix == '.json':
            passed, failed, names = count_log(path)
        elif path.suffix == '.xml':
            passed, failed, names = count_junit(path)
        else:
            continue
        print('%-11s %5d passed, %d failed' % (path.stem, passed, failed))
        for name in names:
            print('            failed: ' + name)
        total_passed += passed
        total_failed += failed
    print('%d passed, %d failed' % (total_passed, total_failed))
    return 1 if total_failed or not total_passed else 0


def progress():
    last = None
    quiet = False  # While Meson makes its files anew it talks a lot.
    for line in sys.stdin:
        step = re.match(r'\[(\d+)/(\d+)\]', line)
        if step:
            tenth = 10 * int(step[1]) // int(step[2])
            quiet = 'Regenerating build files' in line
            if tenth != last and not quiet:
                print(line, end='', flush=True)
            last = tenth
        elif 'ERROR' in line or not (quiet or line.startswith(('ninja: Entering', 'ninja: no work', 'Cleaning...'))):
            print(line, end='', flush=True)
    return 0


def main():
    if sys.argv[1:] == ['progress']:
        return progress()
    command, argument = sys.argv[1:3]
    if command == 'summary':
        return summary(argument)
    if command == 'fuzz-targets':
        for target in introspect(argument, 'targets'):
            if target['type'] == 'executable' and target['name'].startswith('fuzz_'):
                path = pathlib.Path(target['filename'][0]).relative_to(pathlib.Path(argument).resolve())
                print('%s=%s' % (target['name'][len('fuzz_'):], path))
        return 0
    for test in tagged_tests(argument, sys.argv[3]):
        print(pathlib.Path(test['cmd'][0]).relative_to(pathlib.Path(argument).resolve()))
    return 0


sys.exit(main())
