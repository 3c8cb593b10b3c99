#!/usr/bin/python3
"""Fails on C++ that is not in the project's style.

usage: style_test.py ROOT

It looks at clang-format-19 with ROOT/.clang-format over src, include, tests and bench, at the length of files
and functions of src and include, at the members and functions of the classes of proxy, and at the names of fuzz
targets. First it proves on made-up sources that it catches each kind of violation.

What is longer, or has more, stands in the lists below, with its length or number. The lists only shrink: an
entry fails that is not needed any more, or that gives more than there is.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import classes
import functions
import made_up

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
# Of a class of proxy, whatever may be called or seen by whom.
MEMBERS_MAX = 20
MEMBER_FUNCTIONS_MAX = 25
FORMATTER = 'clang-format-19'

# By file name, wherever the file is.
LONG_FILES = {}
LONG_FUNCTIONS = {}
CROWDED_CLASSES = {
    'ShardCounters members': 54,  # A table of numbers, most of which /metrics has by their own names.
}


def sources(root, *tops):
    found = [path for top in tops for path in (root / top).rglob('*') if path.suffix in ('.cc', '.h')]
    return sorted(found)


def unformatted(root):
    """One line for each file that the formatter would change."""
    if not shutil.which(FORMATTER):
        return ['%s is missing: ./dev test installs it' % FORMATTER]
    paths = sources(root, 'src', 'include', 'tests', 'bench')
    done = subprocess.run(
        [FORMATTER, '--dry-run', '-Werror', *paths], capture_output=True, text=True, cwd=root)
    places = re.findall(r'^(.*?):(\d+):\d+: error: ', done.stderr, re.MULTILINE)
    first = {}  # One line is enough for a file.
    for name, line in places:
        first.setdefault(name, line)
    if done.returncode and not first:
        return ['%s: %s' % (FORMATTER, done.stderr.strip())]
    return ['%s:%s: not as %s makes it: ./dev format'
            % (pathlib.Path(name).relative_to(root), line, FORMATTER)
            for name, line in first.items()]


def measured(root):
    """({file name: lines}, {'file name function': lines}, problems) of what is longer than the bounds."""
    files, bodies, problems = {}, {}, []
    for path in sources(root, 'src', 'include'):
        text = path.read_text()
        lines = text.count('\n')
        if lines > FILE_LINES_MAX:
            files[path.name] = max(lines, files.get(path.name, 0))
        try:
            for name, _, count in functions.functions(text):
                if count > FUNCTION_LINES_MAX:
                    key = '%s %s' % (path.name, name)
                    bodies[key] = max(count, bodies.get(key, 0))
        except functions.Unbalanced as reason:
            problems.append('%s: %s' % (path.relative_to(root), reason))
    return files, bodies, problems


def crowded(root):
    """({'class members': number}, {'class functions': number}, problems) of what is beyond the bounds."""
    texts, problems = [], []
    for path in sources(root, 'src/proxy', 'include/ringfence/proxy'):
        try:
            classes.classes(path.read_text())
            texts.append(path.read_text())
        except functions.Unbalanced as reason:
            problems.append('%s: %s' % (path.relative_to(root), reason))
    members, member_functions = {}, {}
    for name, have, can in classes.crowds(texts):
        if have > MEMBERS_MAX:
            members[name + ' members'] = max(have, members.get(name + ' members', 0))
        if can > MEMBER_FUNCTIONS_MAX:
            member_functions[name + ' functions'] = max(can, member_functions.get(name + ' functions', 0))
    return members, member_functions, problems


def compared(what, found, listed, most, of='lines'):
    for name in sorted(found.keys() | listed.keys()):
        number, allowed = found.get(name, 0), listed.get(name, most)
        if not number:
            yield '%s: no %s of this name has more than %d %s: strike it' % (name, what, most, of)
        elif number > allowed:
            yield '%s: a %s of %d %s; at most %d' % (name, what, number, of, allowed)
        elif number < allowed:
            yield '%s: a %s of %d %s by now: list that, not %d' % (name, what, number, of, allowed)


def misnamed_fuzzers(root):
    """A fuzz target NAME is fuzz_NAME.cc with libFuzzer's entry, and corpus_NAME beside it, with seeds."""
    for folder in sorted(path for path in (root / 'tests/fuzz').glob('*') if path.is_dir()):
        here = folder.relative_to(root)
        targets = set()
        for path in sorted(folder.glob('*.cc')):
            if not re.fullmatch(r'fuzz_[a-z0-9_]+\.cc', path.name):
                yield '%s/%s: a source here is named fuzz_NAME.cc' % (here, path.name)
                continue
            name = path.stem.removeprefix('fuzz_')
            targets.add(name)
            if 'LLVMFuzzerTestOneInput' not in path.read_text():
                yield '%s/%s: without LLVMFuzzerTestOneInput' % (here, path.name)
            corpus = folder / ('corpus_' + name)
            if not corpus.is_dir() or not any(corpus.iterdir()):
                yield '%s/corpus_%s: has no seeds' % (here, name)
        if not targets:
            yield '%s: has no fuzz_NAME.cc' % here
        for path in sorted(folder.iterdir()):
            if not path.is_dir() and path.suffix != '.dict':
                continue
            owner = path.stem.removeprefix('corpus_')
            if owner not in targets:
                yield '%s/%s: there is no fuzz_%s.cc' % (here, path.name, owner)


def listed(crowd, of):
    return {name: number for name, number in crowd.items() if name.endswith(' ' + of)}


def self_test():
    wrong = []
    for text, expected in made_up.CLASSES:
        try:
            found = classes.crowds([text])
        except functions.Unbalanced as reason:
            found = str(reason)
        if found != expected:
            wrong.append('self-test: of the classes in %r expected %s, found %s' % (text, expected, found))
    for text, expected in made_up.SCANNED:
        try:
            found = functions.functions(text)
        except functions.Unbalanced as reason:
            found = str(reason)
        if found != expected:
            wrong.append('self-test: in %r expected %s, found %s' % (text, expected, found))
    for text in ('void f() {\n', 'void f() {}\n}\n', 'namespace a {\nvoid f() {}\n'):
        try:
            wrong.append('self-test: in %r expected nothing, found %s' % (text, functions.functions(text)))
        except functions.Unbalanced:
            pass
    lists = [
        ({}, {}, 0), ({'a': 5}, {'a': 5}, 0),
        ({'a': 5}, {}, 1), ({'a': 6}, {'a': 5}, 1), ({'a': 4}, {'a': 5}, 1), ({}, {'a': 5}, 1),
    ]
    for found, allowed, count in lists:
        said = list(compared('file', found, allowed, 3))
        if len(said) != count:
            wrong.append('self-test: %s with the list %s gave %s' % (found, allowed, said))
    entry = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n'
    good = {
        'tests/fuzz/x/fuzz_a.cc': entry, 'tests/fuzz/x/corpus_a/1': 'seed', 'tests/fuzz/x/meson.build': ''}
    trees = [
        ({'src/a.cc': 'int a() { return 1; }\n' + '//\n' * 399}, []),
        ({'src/a.cc': 'int a() { return 1; }\n' + '//\n' * 400}, ['a.cc']),
        ({'include/a.h': 'inline void f() {\n' + '  go();\n' * 68 + '}\n'}, []),
        ({'include/a.h': 'inline void f() {\n' + '  go();\n' * 69 + '}\n'}, ['a.h f']),
        ({'src/a.cc': 'void f() {\n'}, ['src/a.cc']),
        ({'src/proxy/a.h': 'struct A {\n' + '  int a;\n' * 20 + '  void f();\n' * 25 + '};\n'}, []),
        ({'src/proxy/a.h': 'struct A {\n' + '  int a;\n' * 21 + '};\n'}, ['A members']),
        ({'include/ringfence/proxy/core/a.h': 'struct A {\n' + '  void f();\n' * 26 + '};\n'}, ['A functions']),
        ({'src/proxy/a.h': 'struct A {\n' + '  void f();\n' * 20 + '};\n',
          'src/proxy/b.h': 'struct B : A {\n' + '  void g();\n' * 6 + '};\n'}, ['B functions']),
        ({'src/base/a.h': 'struct A {\n' + '  int a;\n' * 21 + '};\n'}, []),
        ({'src/a.cc': 'int  a;\n'}, ['src/a.cc:1']),
        (good, []),
        ({**good, 'tests/fuzz/x/fuzz_b.cc': entry}, ['tests/fuzz/x/corpus_b']),
        ({**good, 'tests/fuzz/x/corpus_b/1': 'seed'}, ['tests/fuzz/x/corpus_b']),
        ({**good, 'tests/fuzz/x/b.dict': ''}, ['tests/fuzz/x/b.dict']),
        ({**good, 'tests/fuzz/x/b.cc': entry}, ['tests/fuzz/x/b.cc']),
        ({**good, 'tests/fuzz/x/fuzz_a.cc': 'int a;\n'}, ['tests/fuzz/x/fuzz_a.cc']),
    ]
    style = (pathlib.Path(sys.argv[1]) / '.clang-format').read_text()
    for tree, expected in trees:
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory).resolve()
            for name, text in {'.clang-format': style, 'src/z.cc': '', **tree}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            found = violations(root, {}, {}, {})
            if [line.split(': ')[0] for line in found] != expected:
                wrong.append('self-test: with %s expected %s, found %s' % (sorted(tree), expected, found))
    return wrong


def violations(root, long_files, long_functions, crowded_classes):
    files, bodies, problems = measured(root)
    members, member_functions, more = crowded(root)
    problems += more
    problems += compared('class', members, listed(crowded_classes, 'members'), MEMBERS_MAX, 'members')
    problems += compared('class', member_functions, listed(crowded_classes, 'functions'), MEMBER_FUNCTIONS_MAX,
                         'functions')
    problems += compared('file', files, long_files, FILE_LINES_MAX)
    problems += compared('function', bodies, long_functions, FUNCTION_LINES_MAX)
    problems += unformatted(root)
    problems += misnamed_fuzzers(root)
    return problems


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    problems = self_test()
    checked = len(sources(root, 'src', 'include', 'tests', 'bench'))
    if not checked:
        problems.append('no sources below %s' % root)
    problems += violations(root, LONG_FILES, LONG_FUNCTIONS, CROWDED_CLASSES)
    for problem in problems:
        print(problem)
    print('%d files read, %d problem(s)' % (checked, len(problems)))
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
