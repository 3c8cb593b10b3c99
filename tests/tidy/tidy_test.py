#!/usr/bin/python3
"""Fails on what clang-tidy finds in the project's sources beyond the list beside this file.

usage: tidy_test.py ROOT BUILD     BUILD has a compile_commands.json; the checks are ROOT/.clang-tidy's
       tidy_test.py --self-test    proves on made-up trees that it catches what it is there for

All sources below ROOT/src are analysed. The sources of a folder are read several at a time, as parts of one
source that is made up for it: so the headers that they share are read once. Where their names clash each is
read by itself. Such a piece is analysed when its digest is new: of its sources, of the headers of the project
that they include, of the checks, the compiler's arguments and the tool's version. Results are in BUILD/tidy, or
in $RINGFENCE_TIDY_CACHE. Two pieces are analysed beside each other.

allowed.txt has lines "file: check: count" of what is known. The list only shrinks: an entry fails that gives
more than there is.
"""
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

TIDY = 'clang-tidy-19'
AT_ONCE = 2
# Sources of a piece: more share more, and more have to be read again after a change of one.
PIECE = 12
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
FINDING = re.compile(r'^(.+?):(\d+):(\d+): (warning|error): (.*) \[([\w.,-]+)\]$', re.MULTILINE)


class Broken(Exception):
    """clang-tidy could not read a source."""


def included(path, root):
    """The project's files that this one includes, itself among them."""
    found, waiting = set(), [path.resolve()]
    while waiting:
        here = waiting.pop()
        if here in found:
            continue
        found.add(here)
        for name in INCLUDE.findall(here.read_text(errors='replace')):
            for folder in (here.parent, root / 'include', root / 'src', root / 'src/app'):
                if (folder / name).is_file():
                    waiting.append((folder / name).resolve())
                    break
    return sorted(found)


def digest(piece, root, arguments, version):
    out = hashlib.sha256()
    parts = [version, ' '.join(arguments), (root / '.clang-tidy').read_text()]
    for name in sorted({name for path in piece for name in included(path, root)}):
        parts += [str(name.relative_to(root)), name.read_text(errors='replace')]
    for part in parts:
        out.update(('%d:' % len(part)).encode() + part.encode())
    return out.hexdigest()


def sources_of(path):
    """A source of the build, or those that Meson has put together in it (unity)."""
    if re.search(r'-unity\d+\.cpp$', path.name):
        return [pathlib.Path(name) for name in re.findall('^#include *[<"](.+)[>"]$', path.read_text(), re.MULTILINE)]
    return [path]


def pieces(root, build):
    """{piece, some sources of one folder: arguments for their compiler}."""
    alike = collections.defaultdict(set)
    for entry in json.loads((build / 'compile_commands.json').read_text()):
        directory = pathlib.Path(entry['directory'])
        # The build's compiler is another one: its flags and its warnings are not clang's affair.
        arguments = ['-w']
        words = iter(shlex.split(entry['command']))
        for word in words:
            if word.startswith('-I'):
                arguments.append('-I' + os.path.normpath(directory / word[2:]))
            elif word.startswith(('-isystem', '-D', '-std')):
                arguments.append(word)
        for path in sources_of(directory / entry['file']):
            path = (directory / path).resolve()
            if path.suffix == '.cc' and root / 'src' in path.parents:
                # What Meson makes of a target has a folder of its own, which no source needs.
                own = [word for word in arguments if not word.endswith('.p')]
                alike[path.parent, tuple(own)].add(path)
    out = {}
    for (_, arguments), paths in alike.items():
        paths = sorted(paths)
        for at in range(0, len(paths), PIECE):
            out[tuple(paths[at:at + PIECE])] = arguments
    return out


def findings(text, root):
    """[file, line, column, check, message] of the project's own files."""
    out = set()
    for name, line, column, kind, message, checks in FINDING.findall(text):
        path = pathlib.Path(os.path.normpath(name))
        if kind == 'error' and 'clang-diagnostic-error' in checks:
            raise Broken('%s:%s: %s' % (name, line, message))
        if path.is_relative_to(root) and not path.name.startswith('piece-'):
            for check in checks.split(','):
                if not check.startswith(('clang-diagnostic-', '-warnings')):
                    out.add((str(path.relative_to(root)), int(line), int(column), check, message))
    return sorted(out)


def analyse(piece, root, arguments):
    with tempfile.TemporaryDirectory() as directory:
        whole = pathlib.Path(directory) / ('piece-%s' % piece[0].name)
        whole.write_text(''.join('#include "%s"\n' % path for path in piece))
        done = subprocess.run(
            [TIDY, '--quiet', '--config-file=%s' % (root / '.clang-tidy'), whole, '--', *arguments],
            capture_output=True, text=True, cwd=root)
    try:
        found = findings(done.stdout, root)
        if done.returncode and not found:
            raise Broken('%s: %s' % (piece[0].relative_to(root), (done.stdout + done.stderr).strip()[-500:]))
    except Broken:
        if len(piece) == 1:
            raise
        return sorted({one for path in piece for one in analyse((path,), root, arguments)})
    return found


def results(root, build, cache):
    """(findings of all sources, how many sources were analysed now, problems)."""
    cache.mkdir(parents=True, exist_ok=True)
    version = subprocess.check_output([TIDY, '--version'], text=True)
    known = pieces(root, build)
    places = {}
    for piece, arguments in known.items():
        anywhere = [word.replace(str(build), '').replace(str(root), '') for word in arguments]
        places[piece] = cache / (digest(piece, root, anywhere, version) + '.json')
    # The largest first: none is left when the others are done.
    new = sorted((piece for piece, place in places.items() if not place.exists()),
                 key=lambda piece: -sum(path.stat().st_size for path in piece))
    problems = []
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = {piece: pool.submit(analyse, piece, root, known[piece]) for piece in new}
        for piece, job in jobs.items():
            try:
                text = json.dumps(job.result())
            except Broken as reason:
                problems.append('not analysed: %s' % reason)
                continue
            half = places[piece].with_suffix('.new')  # A run that is cut short leaves no half result.
            half.write_text(text)
            half.rename(places[piece])
    found = set()
    for place in places.values():
        if place.exists():
            found.update(tuple(one) for one in json.loads(place.read_text()))
    if not known:
        problems.append('no sources of %s are in the build' % (root / 'src'))
    return sorted(found), sum(len(piece) for piece in new), problems


def allowed(text):
    out = {}
    for line in text.splitlines():
        if line and not line.startswith('#'):
            name, check, count = line.rsplit(': ', 2)
            out[name, check] = int(count)
    return out


def compared(found, listed):
    counts = collections.Counter((name, check) for name, _, _, check, _ in found)
    for key in sorted(counts.keys() | listed.keys()):
        count, most = counts[key], listed.get(key, 0)
        if count > most:
            for name, line, _, check, message in found:
                if (name, check) == key:
                    yield '%s:%d: %s [%s]' % (name, line, message, check)
        elif count < most:
            cure = 'list that, not %d' % most if count else 'strike it'
            yield '%s: %s: %d by now: %s' % (*key, count, cure)


def self_test():
    wrong = []
    one, two = ('src/base/a.cc', 1, 1, 'c', 'm'), ('src/base/a.cc', 2, 1, 'c', 'n')
    key = ('src/base/a.cc', 'c')
    for found, listed, lines in (([], {}, 0), ([one], {}, 1), ([one], {key: 1}, 0), ([one, two], {key: 1}, 2),
                                 ([one], {key: 2}, 1), ([], {key: 1}, 1)):
        if len(list(compared(found, listed))) != lines:
            wrong.append('self-test: %s with %s: expected %d line(s)' % (found, listed, lines))
    if allowed('# a\nsrc/a.cc: bugprone-x: 2\n') != {('src/a.cc', 'bugprone-x'): 2}:
        wrong.append('self-test: the list is not read as it is written')
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory).resolve()
        for name, text in (
                ('.clang-tidy', "Checks: '-*,performance-for-range-copy'\nHeaderFilterRegex: '.*'\n"),
                ('include/ringfence/base/a.h', '#pragma once\n#include <vector>\n#include <string>\n'),
                ('src/base/a.cc',
                 '#include "ringfence/base/a.h"\nsize_t f(const std::vector<std::string>& all) {\n'
                 '  size_t n = 0;\n  for (auto one : all) n += one.size();\n  return n;\n}\n'),
                ('src/base/b.cc', 'int b() { return 1; }\n'),
                ('src/pg/c.cc', 'namespace { int one() { return 1; } }\nint c() { return one(); }\n'),
                ('src/pg/d.cc', 'namespace { int one() { return 2; } }\nint d() { return one(); }\n'),
                ('build/src/pg/pg-unity0.cpp', '#include<../src/pg/c.cc>\n#include<../src/pg/d.cc>\n')):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        build = root / 'build'
        entries = [{'directory': str(build), 'file': name,
                    'command': 'c++ -std=c++20 -fcoroutines -I../include -c ' + name}
                   for name in ('../src/base/a.cc', '../src/base/b.cc', 'src/pg/pg-unity0.cpp')]
        (build / 'compile_commands.json').write_text(json.dumps(entries))
        path = root / 'src/base/a.cc'

        def run(analysed, found, problems):
            got = results(root, build, build / 'tidy')
            if (len(got[0]), got[1], len(got[2])) != (found, analysed, problems):
                wrong.append('self-test: expected %d analysed, %d found, %d problems: %s'
                             % (analysed, found, problems, got))
        run(4, 1, 0)
        run(0, 1, 0)
        header = root / 'include/ringfence/base/a.h'
        header.write_text(header.read_text() + 'inline int g() { return 1; }\n')
        run(2, 1, 0)
        path.write_text(path.read_text().replace('auto one', 'const auto& one'))
        run(2, 0, 0)
        path.write_text(path.read_text() + 'int broken(\n')
        run(2, 0, 1)
    return wrong


def main():
    if not shutil.which(TIDY):
        print('%s is missing: ./dev test installs it' % TIDY)
        return 1
    if sys.argv[1] == '--self-test':
        problems = self_test()
        print('%d problem(s)' % len(problems) if not problems else '\n'.join(problems))
        return 1 if problems else 0
    root, build = (pathlib.Path(name).resolve() for name in sys.argv[1:3])
    cache = pathlib.Path(os.environ.get('RINGFENCE_TIDY_CACHE') or build / 'tidy')
    found, analysed, problems = results(root, build, cache)
    listed = allowed((pathlib.Path(__file__).parent / 'allowed.txt').read_text())
    problems += compared(found, listed)
    for problem in problems:
        print(problem)
    print('%d sources analysed, %d findings of which %d are listed, %d problem(s)'
          % (analysed, len(found), sum(listed.values()), len(problems)))
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
