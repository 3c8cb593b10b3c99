#!/usr/bin/python3
"""Fails on C++ that is not in the project's style.

usage: style_test.py ROOT

It looks at clang-format-19 with ROOT/.clang-format over src, include, tests and bench, at the length of files
and functions of src and include, and at the names of fuzz targets. First it proves on made-up sources that it
catches each kind of violation.

Files and functions that were longer before there was this test stand in two lists below, with their length.
The lists only shrink: an entry fails that is not needed any more, or that gives more lines than there are.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import functions
import made_up

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
FORMATTER = 'clang-format-19'

# By file name, wherever the file is.
LONG_FILES = {
    'node_verifier.cc': 410,
}
LONG_FUNCTIONS = {
    'event.h field_bytes_max': 75,
    'recovery.cc recover': 80,
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


def compared(what, found, listed, lines_max):
    for name in sorted(found.keys() | listed.keys()):
        lines, allowed = found.get(name, 0), listed.get(name, lines_max)
        if not lines:
            yield '%s: no %s of this name has more than %d lines: strike it' % (name, what, lines_max)
        elif lines > allowed:
            yield '%s: a %s of %d lines; at most %d' % (name, what, lines, allowed)
        elif lines < allowed:
            yield '%s: a %s of %d lines by now: list that, not %d' % (name, what, lines, allowed)


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


def self_test():
    wrong = []
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
    for found, listed, count in lists:
        said = list(compared('file', found, listed, 3))
        if len(said) != count:
            wrong.append('self-test: %s with the list %s gave %s' % (found, listed, said))
    entry = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n'
    good = {
        'tests/fuzz/x/fuzz_a.cc': entry, 'tests/fuzz/x/corpus_a/1': 'seed', 'tests/fuzz/x/meson.build': ''}
    trees = [
        ({'src/a.cc': 'int a() { return 1; }\n' + '//\n' * 399}, []),
        ({'src/a.cc': 'int a() { return 1; }\n' + '//\n' * 400}, ['a.cc']),
        ({'include/a.h': 'inline void f() {\n' + '  go();\n' * 68 + '}\n'}, []),
        ({'include/a.h': 'inline void f() {\n' + '  go();\n' * 69 + '}\n'}, ['a.h f']),
        ({'src/a.cc': 'void f() {\n'}, ['src/a.cc']),
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
            found = violations(root, {}, {})
            if [line.split(': ')[0] for line in found] != expected:
                wrong.append('self-test: with %s expected %s, found %s' % (sorted(tree), expected, found))
    return wrong


def violations(root, long_files, long_functions):
    files, bodies, problems = measured(root)
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
    problems += violations(root, LONG_FILES, LONG_FUNCTIONS)
    for problem in problems:
        print(problem)
    print('%d files read, %d problem(s)' % (checked, len(problems)))
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
