#!/usr/bin/python3
"""Fails on what clang-tidy finds in the project's sources beyond the list beside this file.

usage: tidy_test.py ROOT BUILD     BUILD has a compile_commands.json; the checks are ROOT/.clang-tidy's
       tidy_test.py --self-test    proves on made-up trees that it catches what it is there for

A source whose folder is one of FOLDERS is analysed when its digest is new: of its own text, of the headers of
the project that it includes, of the checks, its command and the tool's version. Results are in BUILD/tidy, or
in $RINGFENCE_TIDY_CACHE. Two sources are analysed beside each other.

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
# Below src.
FOLDERS = ['base', 'control', 'model']
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


def digest(path, root, command, version):
    out = hashlib.sha256()
    parts = [version, command, (root / '.clang-tidy').read_text()]
    for name in included(path, root):
        parts += [str(name.relative_to(root)), name.read_text(errors='replace')]
    for part in parts:
        out.update(('%d:' % len(part)).encode() + part.encode())
    return out.hexdigest()


def commands(root, build):
    """{source: its command, without what says where the object goes}."""
    out = {}
    for entry in json.loads((build / 'compile_commands.json').read_text()):
        path = (pathlib.Path(entry['directory']) / entry['file']).resolve()
        if path.suffix != '.cc' or root / 'src' not in path.parents:
            continue
        if path.relative_to(root / 'src').parts[0] not in FOLDERS:
            continue
        words = shlex.split(entry['command'])
        out[path] = ' '.join(word for word in words if word.startswith(('-D', '-std', '-f')))
    return out


def findings(text, root, build):
    """[file, line, column, check, message] of the project's own files."""
    out = set()
    for name, line, column, kind, message, checks in FINDING.findall(text):
        path = pathlib.Path(os.path.normpath(build / name))
        if kind == 'error' and 'clang-diagnostic-error' in checks:
            raise Broken('%s:%s: %s' % (name, line, message))
        if path.is_relative_to(root):
            for check in checks.split(','):
                if not check.startswith(('clang-diagnostic-', '-warnings')):
                    out.add((str(path.relative_to(root)), int(line), int(column), check, message))
    return sorted(out)


def analyse(path, root, build):
    # The build's compiler is another one: its flags and its warnings are not clang's affair.
    done = subprocess.run(
        [TIDY, '-p', build, '--quiet', '--extra-arg=-Wno-unused-command-line-argument', '--extra-arg=-w',
         path],
        capture_output=True, text=True, cwd=build)
    found = findings(done.stdout, root, build)
    if done.returncode and not found:
        raise Broken('%s: %s' % (path.relative_to(root), (done.stdout + done.stderr).strip()[-500:]))
    return found


def results(root, build, cache):
    """(findings of all sources, how many were analysed now, problems)."""
    cache.mkdir(parents=True, exist_ok=True)
    version = subprocess.check_output([TIDY, '--version'], text=True)
    known = commands(root, build)
    places = {path: cache / (digest(path, root, command, version) + '.json')
              for path, command in known.items()}
    new = sorted(path for path, place in places.items() if not place.exists())
    problems = []
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = {path: pool.submit(analyse, path, root, build) for path in new}
        for path, job in jobs.items():
            try:
                text = json.dumps(job.result())
            except Broken as reason:
                problems.append('%s was not analysed: %s' % (path.relative_to(root), reason))
                continue
            half = places[path].with_suffix('.new')  # A run that is cut short leaves no half result.
            half.write_text(text)
            half.rename(places[path])
    found = set()
    for place in places.values():
        if place.exists():
            found.update(tuple(one) for one in json.loads(place.read_text()))
    if not known:
        problems.append('no sources of %s are in the build' % ', '.join(FOLDERS))
    return sorted(found), len(new), problems


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
                ('.clang-tidy', "Checks: '-*,performance-for-range-copy'\n"),
                ('include/ringfence/base/a.h', '#pragma once\n#include <vector>\n#include <string>\n'),
                ('src/base/a.cc',
                 '#include "ringfence/base/a.h"\nsize_t f(const std::vector<std::string>& all) {\n'
                 '  size_t n = 0;\n  for (auto one : all) n += one.size();\n  return n;\n}\n'),
                ('src/pg/b.cc', 'int broken(\n')):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        build = root / 'build'
        build.mkdir()
        entries = [{'directory': str(build), 'file': '../src/%s.cc' % name,
                    'command': 'c++ -std=c++20 -fcoroutines -I../include -c ../src/%s.cc' % name}
                   for name in ('base/a', 'pg/b')]
        (build / 'compile_commands.json').write_text(json.dumps(entries))
        path = root / 'src/base/a.cc'

        def run(analysed, found, problems):
            got = results(root, build, build / 'tidy')
            if (len(got[0]), got[1], len(got[2])) != (found, analysed, problems):
                wrong.append('self-test: expected %d analysed, %d found, %d problems: %s'
                             % (analysed, found, problems, got))
        run(1, 1, 0)
        run(0, 1, 0)
        header = root / 'include/ringfence/base/a.h'
        header.write_text(header.read_text() + 'inline int g() { return 1; }\n')
        run(1, 1, 0)
        path.write_text(path.read_text().replace('auto one', 'const auto& one'))
        run(1, 0, 0)
        path.write_text(path.read_text() + 'int broken(\n')
        run(1, 0, 1)
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
